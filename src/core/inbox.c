/*
 * inbox.c - what other threads hand to a loop: one push on a list, and a wake-up if it sleeps.
 *
 * The inbox is a list of ready items, newest first, to which any thread pushes with a compare and
 * swap.  The loop takes the whole list at the beginning of a pass, turns it round, and puts it at
 * the end of its ready queue.  Nothing is allocated and nothing blocks.
 *
 * Waking.  A system call per push would cost more than the push, so the loop says when it sleeps:
 *
 *     pusher                          loop
 *     P1  head = item                 L1  asleep = true
 *     P2  if asleep: asleep = false,  L2  if head: asleep = false, do not sleep
 *         wake the poll               L3  poll
 *
 * All four accesses are sequentially consistent, so they have one order in which each thread's own
 * are in place.  If P1 comes before L2, the loop sees the item.  If not, L2 comes before P1, so L1
 * comes before P2, and the pusher sees the flag.  No item is left in the inbox of a loop that
 * sleeps.  Of many pushers, one takes the flag down and makes the call; a wake-up that comes when
 * the loop is up already makes one later poll return early.
 *
 * What the pusher wrote before P1 is seen by whoever runs the item: the push releases, taking the
 * list acquires.
 *
 * Closing.  The loop's end puts a mark in place of the list; pushing on the mark is refused.  A
 * pusher that has seen `asleep` may still be about to wake the poll: it counts itself in `wakers`
 * before it takes the flag down, and the closing thread, which has taken the flag down itself,
 * waits for the count to be zero before it lets the poll's descriptors go.
 */
#include "core/core.h"

static struct aw_ready closed_mark;

static void wake_up(aw_loop *l)
{
    atomic_fetch_add(&l->wakers, 1);
    if (atomic_exchange(&l->asleep, false))
        l->io->backend->wake(l->io);
    atomic_fetch_sub(&l->wakers, 1);
}

int aw_inbox_push(aw_loop *l, struct aw_ready *item)
{
    if (AW_UNLIKELY(l->fork_generation != aw_fork_generation()))
        return aw_fail(AW_EFORKED, "the loop belongs to the parent of this process");
    struct aw_ready *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    do {
        if (AW_UNLIKELY(head == &closed_mark))
            return aw_fail(AW_EMISUSE, "the loop is closed");
        item->link.next = head ? &head->link : NULL;
    } while (!atomic_compare_exchange_weak(&l->inbox, &head, item));
    if (atomic_load(&l->asleep))
        wake_up(l);
    return 0;
}

/* The items of a list that is newest first go to the end of the ready queue, oldest first. */
static void append_reversed(aw_loop *l, struct aw_ready *newest)
{
    aw_fifo_node *turned = NULL;
    for (aw_fifo_node *node = &newest->link, *next; node; node = next) {
        next = node->next;
        node->next = turned;
        turned = node;
    }
    while (turned) {
        aw_fifo_node *next = turned->next;
        aw_fifo_push(&l->ready, turned);
        turned = next;
    }
}

void aw_inbox_take(aw_loop *l)
{
    struct aw_ready *newest = atomic_exchange(&l->inbox, NULL);
    if (newest)
        append_reversed(l, newest);
}

void aw_inbox_close(aw_loop *l)
{
    struct aw_ready *newest = atomic_exchange(&l->inbox, &closed_mark);
    if (newest && newest != &closed_mark)
        append_reversed(l, newest);
    atomic_store(&l->asleep, false);
    while (atomic_load(&l->wakers))
        aw_thread_yield();
}

bool aw_inbox_may_sleep(aw_loop *l)
{
    atomic_store(&l->asleep, true);
    if (!atomic_load(&l->inbox) && !atomic_load(&l->attention))
        return true;
    atomic_store(&l->asleep, false);
    return false;
}
