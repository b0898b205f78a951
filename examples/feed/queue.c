/*
 * queue.c - the queue inside the program: the source for which nothing has to be set up.
 */
#include <stdlib.h>

#include "feed/feed.h"

struct queue {
    struct source source;
    struct items *items;
};

static struct items *items_of(struct source *s)
{
    return ((struct queue *)s)->items;
}

static int receive(struct source *s, struct batch *b)
{
    return items_take(items_of(s), b);
}

static int done(struct source *s, struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (*b->messages[i].wrong)
            items_reject(items_of(s), b->messages[i].source);
        else
            items_served(items_of(s), b->messages[i].source);
    return 0;
}

static int reject(struct source *s, struct message *m)
{
    (void)s, (void)m; /* the file of dead letters is all there is */
    return 0;
}

static int add(struct source *s, struct message *m, size_t n)
{
    return items_add(items_of(s), m, n);
}

static void stop(struct source *s)
{
    items_stop(items_of(s));
}

static long waiting(struct source *s)
{
    return (long)items_waiting(items_of(s));
}

static void release(struct source *s)
{
    free(s);
}

struct source *queue_new(struct items *items)
{
    struct queue *q = malloc(sizeof *q);
    if (!q)
        return aw_refuse(-ENOMEM, NULL);
    q->items = items;
    q->source = (struct source){.name = "the embedded queue",
                                .receive = receive,
                                .done = done,
                                .reject = reject,
                                .add = add,
                                .stop = stop,
                                .free = release,
                                .waiting = waiting};
    return &q->source;
}
