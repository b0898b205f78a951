/*
 * inbox.c - what other threads hand to a loop: one push on a list, and a wake-up if it sleeps.
 *
 * The inbox is a list, oldest first, of which pushers know the end and the loop the beginning.
 *
 *      inbox_first --> item --> item --> item <-- inbox         NULL in `inbox`: it is empty
 *       the loop takes here      a pusher links what it pushes  asleep: the same, and the loop
 *                                behind the one that was last             sleeps; wake it
 *                                                               closed: for good; pushing fails
 *
 * A push is two steps: a compare and swap that makes the item the last one, and the link from the
 * one that was last before; from `inbox_first`, where that was none.  Nothing is allocated and
 * nothing blocks.
 *
 * Taking.  The loop follows the links.  Where one is missing, though the item is not the last, its
 * pusher stands between the two steps: what lies behind is left for the next time.  An item may be
 * taken once its own link is there; the last one when a compare and swap has made the inbox empty,
 * so that nobody will link anything to it.  Before that `inbox_first` is cleared: whoever finds the
 * inbox empty writes there.  A pass takes no more than so many, so that they are still in the
 * caches when they run; nothing is lost by that, as a loop with a filled inbox does not sleep.
 *
 * Sleeping.  A system call per push would cost more than the push.  The loop goes to sleep by a
 * compare and swap of NULL for the mark, which fails if an item has come; so an item is either seen
 * by the loop before it sleeps, or its pusher has seen the mark.  Exactly one pusher replaces the
 * mark, and wakes the loop; the others find its item there, and a wake-up on its way.  When the
 * sleep is over the loop takes the mark back itself, unless somebody was faster: that wake-up,
 * which may still be on its way, makes one later sleep end early.
 *
 * Giving way.  Who has handed over much since the loop last slept is likely to have more.  On one
 * processor, being woken for the first of it means to take the processor from who hands over the
 * rest: so there the loop lets others run once, and sleeps only if nothing has come by then.  Where
 * little has come it does not: beside other programs, giving way costs a turn of theirs, and being
 * woken does not.  Nor on several processors, where it would only take less at a time.
 *
 * Where it sleeps.  With nothing for the kernel to do it sleeps on the word `doze`, which costs
 * less than a poll and the eventfd that ends it.  The word says where it is: AWAKE, DOZING on the
 * word itself, POLLING.  It is written before the mark is put up and before `attention` is looked
 * at, so who sees the mark sees it too, and a signal handler, which has set `attention` before,
 * either finds the word written or is noticed: both sides write one and then read the other, all in
 * one order.  Whoever wakes puts AWAKE there, and does what belongs to what was there.
 *
 * Memory order.  Who replaces `inbox` acquires and releases, as does the loop's emptying it: so a
 * pusher that finds it empty writes `inbox_first` after the loop has cleared it.  A link releases
 * and following it acquires: whoever runs an item sees what its pusher wrote before.  Putting up
 * the mark releases, so the pusher that replaces it sees `doze` and the poll's record in `l->io`.
 *
 * Closing.  An item may be the last thing that the loop waited for: as soon as it is linked, the
 * loop may run it, end, and be freed.  So linking is the last that a pusher does with the loop, and
 * with the item before its own, which is not taken until then; with one exception: the one that
 * wakes counts itself in `wakers` before it pushes, and takes itself out as its last act.  The
 * closing thread, having followed all links, sees that count and waits for it to be zero before
 * anything goes.  A thread whose compare and swap fails has handed nothing over; that the loop
 * stays until its call has returned is its own affair.
 */
#include "core/core.h"

enum { AWAKE, DOZING, POLLING }; /* l->doze */

enum {
    TAKEN_MAX = 256,  /* items in a pass: their lines stay in the nearest cache but one */
    MUCH = 32,        /* items between two sleeps */
    LOOKS_MAX = 1000, /* for a link in vain, one after the other, before resting in between */
    LOOK_REST = 50000 /* ns */
};

static struct aw_ready asleep_mark, closed_mark;

/* ---- links ---- */

typedef _Atomic(aw_fifo_node *) *place_of_link;

/* The ready queue, to which the nodes go, knows nothing of threads: so their links are not declared
 * atomic, only used so here. */
static place_of_link link_of(aw_fifo_node *node)
{
    return (place_of_link)&node->next;
}

static aw_fifo_node *follow(place_of_link link)
{
    return atomic_load_explicit(link, memory_order_acquire);
}

/* ---- pushing ---- */

/* `before`: what was the last one; NULL or the mark: there was none. */
static inline void link_behind(aw_loop *l, struct aw_ready *before, struct aw_ready *item)
{
    bool is_first = !before || before == &asleep_mark;
    place_of_link link = is_first ? &l->inbox_first : link_of(&before->link);
    atomic_store_explicit(link, &item->link, memory_order_release);
}

void aw_inbox_wake(aw_loop *l)
{
    switch (atomic_exchange(&l->doze, AWAKE)) {
    case DOZING:
        aw_futex_wake_one(&l->doze);
        break;
    case POLLING:
        l->io->backend->wake(l->io);
        break;
    default: /* it is awake, or somebody has done it */
        break;
    }
}

/* The loop sleeps: hand over the item and wake it.  False, with the new head, if the mark is gone.
 */
static AW_NOINLINE bool push_and_wake(aw_loop *l, struct aw_ready *item, struct aw_ready **last)
{
    atomic_fetch_add_explicit(&l->wakers, 1, memory_order_relaxed);
    bool pushed = atomic_compare_exchange_strong_explicit(
        &l->inbox, last, item, memory_order_acq_rel, memory_order_relaxed);
    if (pushed) {
        link_behind(l, NULL, item);
        aw_inbox_wake(l);
    }
    atomic_fetch_sub_explicit(&l->wakers, 1, memory_order_release);
    return pushed;
}

/* Whatever is in the way: the marks, other pushers. */
static AW_NOINLINE int push_again(aw_loop *l, struct aw_ready *item)
{
    struct aw_ready *last = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    for (;;) {
        if (last == &closed_mark)
            return aw_fail(AW_EMISUSE, "the loop is closed");
        if (last == &asleep_mark) {
            if (push_and_wake(l, item, &last))
                return 0;
            continue;
        }
        if (atomic_compare_exchange_weak_explicit(&l->inbox, &last, item, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            link_behind(l, last, item);
            return 0;
        }
    }
}

/* What every push pays for; what few meet is push_again()'s. */
int aw_inbox_push(aw_loop *l, struct aw_ready *item)
{
    if (AW_UNLIKELY(l->fork_generation != aw_fork_generation()))
        return aw_fail(AW_EFORKED, "the loop belongs to the parent of this process");
    item->link.next = NULL;
    struct aw_ready *last = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    bool marked = last == &asleep_mark || last == &closed_mark;
    if (AW_UNLIKELY(marked || !atomic_compare_exchange_strong_explicit(&l->inbox, &last, item,
                                                                       memory_order_acq_rel,
                                                                       memory_order_relaxed)))
        return push_again(l, item);
    link_behind(l, last, item);
    return 0;
}

/* ---- taking ---- */

static struct aw_ready *item_of(aw_fifo_node *node)
{
    return aw_container_of(node, struct aw_ready, link);
}

/* Is this the last one?  Then the inbox is empty now. */
static bool detach(aw_loop *l, aw_fifo_node *node)
{
    struct aw_ready *last = item_of(node);
    if (atomic_load_explicit(&l->inbox, memory_order_relaxed) != last)
        return false;
    atomic_store_explicit(&l->inbox_first, NULL, memory_order_relaxed);
    return atomic_compare_exchange_strong_explicit(&l->inbox, &last, NULL, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* These go to the end of the ready queue. */
static void append(aw_loop *l, aw_fifo_node *first, aw_fifo_node *last)
{
    last->next = NULL;
    aw_fifo_append(&l->ready, first, last);
}

/* As many as may be taken now.  False: none. */
static bool take_some(aw_loop *l)
{
    aw_fifo_node *first = follow(&l->inbox_first), *node = first, *before = NULL, *next;
    size_t n = 0;
    if (!first)
        return false;
    for (; (next = follow(link_of(node))) != NULL && n < TAKEN_MAX; n++) {
        before = node;
        node = next;
    }
    l->inbox_taken += n;
    if (!next && detach(l, node)) {
        append(l, first, node);
        return true;
    }
    atomic_store_explicit(&l->inbox_first, node, memory_order_relaxed);
    if (before)
        append(l, first, before);
    return before;
}

/* A pusher stands between its two steps.  If it does not get the processor by itself, it gets it by
 * our sleeping. */
static void look_again(unsigned looks)
{
    _Atomic uint32_t nobody = 0;
    if (looks < LOOKS_MAX)
        aw_thread_yield();
    else
        (void)aw_futex_wait(&nobody, 0, aw_clock_real() + LOOK_REST);
}

static aw_fifo_node *wait_for(place_of_link link)
{
    aw_fifo_node *node;
    for (unsigned looks = 0; !(node = follow(link)); looks++)
        look_again(looks);
    return node;
}

static aw_fifo_node *first_up_to(aw_loop *l, struct aw_ready *last)
{
    aw_fifo_node *first = wait_for(&l->inbox_first), *node = first;
    while (node != &last->link)
        node = wait_for(link_of(node));
    return first;
}

void aw_inbox_take(aw_loop *l)
{
    if (take_some(l) || l->ready.head)
        l->inbox_looks = 0;
    else
        look_again(l->inbox_looks++);
}

void aw_inbox_take_all(aw_loop *l)
{
    struct aw_ready *last = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    aw_fifo_node *first = first_up_to(l, last), *next;
    for (unsigned looks = 0; !(next = follow(link_of(&last->link))); looks++) {
        if (detach(l, &last->link))
            break;
        look_again(looks);
    }
    if (next)
        atomic_store_explicit(&l->inbox_first, next, memory_order_relaxed);
    append(l, first, &last->link);
}

void aw_inbox_close(aw_loop *l)
{
    struct aw_ready *last = atomic_exchange_explicit(&l->inbox, &closed_mark, memory_order_acq_rel);
    aw_assert(last != &asleep_mark && last != &closed_mark);
    if (last)
        append(l, first_up_to(l, last), &last->link);
    atomic_store_explicit(&l->inbox_first, NULL, memory_order_relaxed);
    while (atomic_load_explicit(&l->wakers, memory_order_acquire))
        aw_thread_yield();
}

bool aw_inbox_closed(const aw_loop *l)
{
    return atomic_load_explicit(&l->inbox, memory_order_relaxed) == &closed_mark;
}

/* ---- sleeping ---- */

static bool put_up_mark(aw_loop *l)
{
    struct aw_ready *none = NULL;
    return atomic_compare_exchange_strong_explicit(&l->inbox, &none, &asleep_mark,
                                                   memory_order_release, memory_order_relaxed);
}

static void take_mark_back(aw_loop *l)
{
    struct aw_ready *mark = &asleep_mark;
    atomic_compare_exchange_strong_explicit(&l->inbox, &mark, NULL, memory_order_relaxed,
                                            memory_order_relaxed);
}

static int doze(aw_loop *l, int64_t timeout)
{
    int64_t now = timeout < 0 ? 0 : aw_clock_real();
    int64_t deadline = timeout < 0 || timeout > INT64_MAX - now ? INT64_MAX : now + timeout;
    (void)aw_futex_wait(&l->doze, DOZING, deadline);
    return 0;
}

/* ThreadSanitizer has handlers run in calls that it knows, and not while a thread sleeps on a word.
 */
static bool has_to_poll(const aw_loop *l)
{
#ifdef AW_TSAN
    if (l->signals_taken)
        return true;
#endif
    return aw_io_outside(l->io) > 0;
}

/* Has something come meanwhile? */
static bool give_way(aw_loop *l)
{
    bool much = l->one_cpu && l->inbox_taken >= MUCH;
    l->inbox_taken = 0;
    if (!much)
        return false;
    aw_thread_yield();
    return atomic_load_explicit(&l->inbox, memory_order_relaxed);
}

int aw_inbox_sleep(aw_loop *l, int64_t timeout, aw_list *completed)
{
    bool polls = has_to_poll(l);
    int err = 0;
    if (give_way(l))
        return 0;
    atomic_store(&l->doze, polls ? POLLING : DOZING);
    if (put_up_mark(l)) {
        if (atomic_load(&l->attention))
            timeout = 0;
        err = polls ? l->io->backend->poll(l->io, timeout, completed) : doze(l, timeout);
        take_mark_back(l);
    }
    atomic_store_explicit(&l->doze, AWAKE, memory_order_relaxed);
    return err;
}
