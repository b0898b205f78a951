/*
 * list.h - the intrusive lists.
 *
 * aw_list is doubly linked and circular, the head being a node like the others: insertion and
 * removal have no special case and need no head.  A node that is on no list points to itself, so
 * removing it again does no harm, and "is it linked?" is one compare.
 *
 * aw_fifo is singly linked with a tail: the ready queue, where nothing is ever removed from the
 * middle.  An empty one has head == NULL; tail is meaningless then.
 */
#ifndef AW_LIST_H
#define AW_LIST_H

#include "base/base.h"

typedef struct aw_list {
    struct aw_list *next, *prev;
} aw_list;

static inline void aw_list_init(aw_list *l)
{
    l->next = l->prev = l;
}

static inline bool aw_list_empty(const aw_list *l)
{
    return l->next == l;
}

/* Is this node on a list?  The same question, asked of a node. */
static inline bool aw_list_linked(const aw_list *node)
{
    return node->next != node;
}

static inline void aw_list_insert_before(aw_list *pos, aw_list *node)
{
    node->next = pos;
    node->prev = pos->prev;
    pos->prev->next = node;
    pos->prev = node;
}

static inline void aw_list_push_back(aw_list *head, aw_list *node)
{
    aw_list_insert_before(head, node);
}

static inline void aw_list_push_front(aw_list *head, aw_list *node)
{
    aw_list_insert_before(head->next, node);
}

static inline void aw_list_remove(aw_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    aw_list_init(node);
}

/* The first node, taken off its list; NULL from an empty one. */
static inline aw_list *aw_list_pop_front(aw_list *head)
{
    aw_list *node = head->next;
    if (node == head)
        return NULL;
    aw_list_remove(node);
    return node;
}

/* Everything on `from` moves to the end of `to`; `from` is empty afterwards. */
static inline void aw_list_splice(aw_list *to, aw_list *from)
{
    if (aw_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    aw_list_init(from);
}

/* Walk a list whose nodes stay put. */
#define aw_list_each(it, head) for (aw_list *it = (head)->next; it != (head); it = it->next)

/* Walk a list from which the visited node (and only that one) may be removed. */
#define aw_list_each_safe(it, head)                                                                \
    for (aw_list *it = (head)->next, *it##_next = it->next; it != (head);                          \
         it = it##_next, it##_next = it->next)

typedef struct aw_fifo_node {
    struct aw_fifo_node *next;
} aw_fifo_node;

typedef struct aw_fifo {
    aw_fifo_node *head, *tail;
} aw_fifo;

static inline void aw_fifo_push(aw_fifo *q, aw_fifo_node *node)
{
    node->next = NULL;
    if (q->head)
        q->tail->next = node;
    else
        q->head = node;
    q->tail = node;
}

/* Nodes that are linked already, the last one's next being NULL. */
static inline void aw_fifo_append(aw_fifo *q, aw_fifo_node *first, aw_fifo_node *last)
{
    if (q->head)
        q->tail->next = first;
    else
        q->head = first;
    q->tail = last;
}

static inline aw_fifo_node *aw_fifo_pop(aw_fifo *q)
{
    aw_fifo_node *node = q->head;
    if (node)
        q->head = node->next;
    return node;
}

#endif
