/*
 * wait.c - what all waits for a primitive share: being broken off, being dropped, being described.
 */
#include "sync/wait.h"

static struct aw_waiter *waiter_of(struct aw_wait *w)
{
    return aw_container_of(w, struct aw_waiter, wait);
}

bool aw_waiter_cancel(struct aw_wait *wait)
{
    struct aw_waiter *w = waiter_of(wait);
    if (!w->stays)
        aw_waiters_remove(w);
    aw_wake(wait, -ECANCELED);
    return true;
}

void aw_waiter_drop(struct aw_wait *wait)
{
    struct aw_waiter *w = waiter_of(wait);
    if (aw_waiter_in_line(w))
        aw_waiters_remove(w);
}

void aw_waiters_describe(const aw_waiters *line, const char *what, aw_buf *out)
{
    size_t n = 0;
    const struct aw_waiter *w = line->first;
    for (; w && (n == 0 || w != line->first); w = aw_waiter_next(w))
        n++;
    aw_buf_printf(out, "%s, %zu waiting", what, n);
}
