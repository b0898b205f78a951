/*
 * inbox.c - what other threads hand to a loop: one push on a list, and a wake-up if it sleeps.
 *
 * The inbox is one word: a list of ready items, newest first, or a mark in its place.
 *
 *     NULL <-----> item -> item -> ...      pushing is a compare and swap; the loop takes all at
 *      |  \                                 the beginning of a pass and turns them round
 *      |   +-----> asleep ----> item        the loop sleeps; whoever replaces this mark wakes it
 *      +---------> closed                   for good: pushing is refused
 *
 * Nothing is allocated and nothing blocks.
 *
 * Waking.  A system call per push would cost more than the push.  The loop goes to sleep by a
 * compare and swap of NULL for the mark, which fails if an item has come; so an item is either seen
 * by the loop before it sleeps, or its pusher has seen the mark.  Exactly one pusher replaces the
 * mark, and makes the call; the others find its item there, and a wake-up on its way.  When the
 * poll has returned the loop takes the mark back itself, unless somebody was faster: that wake-up,
 * which may still be on its way, makes one later poll return early.
 *
 * Memory order.  All accesses are to this one word, so its modification order decides, and no
 * fence between two variables is needed.  A push releases and the taking exchange acquires, so
 * whoever runs an item sees what its pusher wrote before; pushes in between are themselves
 * read-modify-writes and continue the release sequence.  Putting up the mark releases and replacing
 * it acquires, so the pusher that makes the call sees the poll's record in `l->io`.
 *
 * Closing.  An item may be the last thing that the loop waited for: as soon as it is in the list,
 * the loop may run it, end, and be freed.  So a pusher does not touch the loop after its compare
 * and swap, with one exception: the one that wakes counts itself in `wakers` before, and takes
 * itself out as its last act.  The closing thread, having taken the list (or the loop before it,
 * by the same acquire), sees that count and waits for it to be zero before anything goes.  A thread
 * whose compare and swap fails has handed nothing over; that the loop stays until its call has
 * returned is its own affair.
 */
#include "core/core.h"

static struct aw_ready asleep_mark, closed_mark;

/* The loop sleeps: hand over the item and wake it.  False, with the new head, if the mark is gone.
 */
static AW_NOINLINE bool push_and_wake(aw_loop *l, struct aw_ready *item, struct aw_ready **head)
{
    item->link.next = NULL;
    atomic_fetch_add_explicit(&l->wakers, 1, memory_order_relaxed);
    bool pushed = atomic_compare_exchange_strong_explicit(
        &l->inbox, head, item, memory_order_acq_rel, memory_order_relaxed);
    if (pushed)
        l->io->backend->wake(l->io);
    atomic_fetch_sub_explicit(&l->wakers, 1, memory_order_release);
    return pushed;
}

int aw_inbox_push(aw_loop *l, struct aw_ready *item)
{
    if (AW_UNLIKELY(l->fork_generation != aw_fork_generation()))
        return aw_fail(AW_EFORKED, "the loop belongs to the parent of this process");
    struct aw_ready *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    for (;;) {
        if (AW_UNLIKELY(head == &closed_mark))
            return aw_fail(AW_EMISUSE, "the loop is closed");
        if (head == &asleep_mark) {
            if (push_and_wake(l, item, &head))
                return 0;
            continue;
        }
        item->link.next = head ? &head->link : NULL;
        if (atomic_compare_exchange_weak_explicit(&l->inbox, &head, item, memory_order_release,
                                                  memory_order_relaxed))
            return 0;
    }
}

/* The items of a list that is newest first go to the end of the ready queue, oldest first: turned
 * round in one walk, and put there as a whole. */
static void append_reversed(aw_loop *l, struct aw_ready *newest)
{
    aw_fifo_node *turned = NULL;
    for (aw_fifo_node *node = &newest->link, *next; node; node = next) {
        next = node->next;
        node->next = turned;
        turned = node;
    }
    aw_fifo_append(&l->ready, turned, &newest->link);
}

void aw_inbox_take(aw_loop *l)
{
    struct aw_ready *newest = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire);
    if (newest)
        append_reversed(l, newest);
}

void aw_inbox_close(aw_loop *l)
{
    struct aw_ready *newest =
        atomic_exchange_explicit(&l->inbox, &closed_mark, memory_order_acq_rel);
    aw_assert(newest != &asleep_mark && newest != &closed_mark);
    if (newest)
        append_reversed(l, newest);
    while (atomic_load_explicit(&l->wakers, memory_order_acquire))
        aw_thread_yield();
}

bool aw_inbox_closed(const aw_loop *l)
{
    return atomic_load_explicit(&l->inbox, memory_order_relaxed) == &closed_mark;
}

bool aw_inbox_may_sleep(aw_loop *l)
{
    struct aw_ready *none = NULL;
    if (!atomic_compare_exchange_strong_explicit(&l->inbox, &none, &asleep_mark,
                                                 memory_order_release, memory_order_relaxed))
        return false;
    if (!atomic_load(&l->attention))
        return true;
    aw_inbox_awake(l);
    return false;
}

void aw_inbox_awake(aw_loop *l)
{
    struct aw_ready *mark = &asleep_mark;
    atomic_compare_exchange_strong_explicit(&l->inbox, &mark, NULL, memory_order_relaxed,
                                            memory_order_relaxed);
}
