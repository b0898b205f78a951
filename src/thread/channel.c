/*
 * channel.c - a ring of items, and two lines of those who wait.
 *
 * One lock guards all of it, for a few instructions; no code of the user's runs under it.
 *
 * Invariants, whenever the lock is free and the channel open
 *   1. Receivers wait only while the ring is empty and no sender waits; senders wait only while it
 *      is full.  So at most one of the lines has somebody in it, and who arrives while somebody
 *      waits on its own side finds no item, or no room, and joins the end: nobody is overtaken.
 *   2. An item is in one place: with its sender, in the ring, or with its receiver.  It changes
 *      place in one step, under the lock, together with the line: a receiver in line is handed the
 *      item (never the ring's room), a sender's is taken from its record and put at the ring's end.
 *   3. Closed, nobody is in line.
 *
 * Being served.  The record of one who waits lies on its own stack.  Who serves it takes it off the
 * line, writes item and result and `granted`, all under the lock, and then lets it go:
 *
 *   - a thread sleeps on the latch in its record.  That is opened after the lock was given up; the
 *     record stays until then, because its owner does not return before (a thread that has run out
 *     of time looks under the lock whether it was served, and if so waits for the latch).
 *   - a task is woken by an item in its record that is pushed to its loop's inbox.  That is done
 *     under the lock, so that being served and being told are one step: if the push is refused the
 *     loop has been closed, nothing was handed over, and the next in line is served instead.
 *
 * Opening the latch and pushing release, waking and taking the inbox acquire: what was written
 * before is seen by the one who was served.
 *
 * Giving up.  A cancellation, a time limit, the end of a loop look under the lock whether the
 * waiting was over; if not they take the record off the line, and nobody will find it.  So each
 * wait has one outcome, and an item is neither lost nor handed out twice.
 *
 * A loop closes.  Its inbox takes nothing more by then.  A task that waits is taken off the line.
 * One that was served, and never runs again: an item that it received is dropped; and if it was not
 * woken yet, the item that wakes it is still in the schedule, so its stack is kept until that goes.
 */
#include <limits.h>
#include <math.h>

#include "await/channel.h"
#include "core/core.h"
#include "sys/mutex.h"
#include "thread/cfuture.h"

struct aw_channel {
    struct aw_mutex lock;
    bool closed;
    size_t capacity, head, count; /* of the ring: its size, its oldest item, its items */
    aw_list senders, receivers;   /* waiter.link, in order of arrival */
    _Atomic uint32_t refs;        /* handles, and calls that wait */
    unsigned fork_generation;
    void (*release)(void *item);
    void *ring[];
};

struct waiter {
    aw_list link; /* in line; or on the list of those to be let go */
    aw_channel *ch;
    aw_loop *loop; /* its task's, or NULL for a thread */
    void *item;    /* to be sent, or received */
    bool receives;
    bool granted; /* served, or turned away; under the lock */
    int result;
    struct aw_latch latch;   /* a thread's */
    struct aw_ready arrived; /* a task's: on its way through the inbox */
    struct aw_wait wait;     /* and what it sleeps on */
};

/* ---- life ---- */

aw_channel *aw_channel_new_(const aw_channel_opts *opts)
{
    bool too_many = opts->capacity > INT_MAX;
    aw_channel *ch =
        too_many ? NULL : aw_mem_alloc(sizeof *ch + opts->capacity * sizeof ch->ring[0]);
    if (!ch)
        return aw_fail_null(-ENOMEM, NULL);
    *ch = (aw_channel){.capacity = opts->capacity, .release = opts->release};
    ch->fork_generation = aw_fork_generation();
    atomic_init(&ch->refs, 1);
    aw_list_init(&ch->senders);
    aw_list_init(&ch->receivers);
    return ch;
}

static void *take_oldest(aw_channel *ch)
{
    void *item = ch->ring[ch->head];
    ch->head = ch->head + 1 < ch->capacity ? ch->head + 1 : 0;
    ch->count--;
    return item;
}

static void put_newest(aw_channel *ch, void *item)
{
    size_t room = ch->capacity - ch->head; /* up to the end of the ring */
    ch->ring[ch->count < room ? ch->head + ch->count : ch->count - room] = item;
    ch->count++;
}

static void drop_item(const aw_channel *ch, void *item)
{
    if (ch->release)
        ch->release(item);
}

aw_channel *aw_channel_ref(aw_channel *ch)
{
    if (ch)
        atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);
    return ch;
}

void aw_channel_unref(aw_channel *ch)
{
    if (!ch || atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel) > 1)
        return;
    while (ch->count)
        drop_item(ch, take_oldest(ch));
    aw_mem_free(ch);
}

static int check(const aw_channel *ch)
{
    if (AW_UNLIKELY(!ch))
        return aw_null_handle();
    if (AW_UNLIKELY(ch->fork_generation != aw_fork_generation()))
        return aw_fail(AW_EFORKED, "the channel belongs to the parent of this process");
    return 0;
}

/* ---- serving those in line; under the lock ---- */

/* The first in line has its outcome.  False: its loop is closed, and nobody is there.  Threads are
 * put on a list, to be let go when the lock is free. */
static bool grant(struct waiter *w, int result, aw_list *threads)
{
    aw_list_remove(&w->link);
    w->result = result;
    w->granted = true;
    if (!w->loop) {
        aw_list_push_back(threads, &w->link);
        return true;
    }
    if (aw_inbox_push(w->loop, &w->arrived) == 0)
        return true;
    w->granted = false;
    return false;
}

static struct waiter *first_of(const aw_list *line)
{
    return aw_list_empty(line) ? NULL : aw_container_of(line->next, struct waiter, link);
}

/* With the lock given up: those who sleep may go.  Each record is its thread's again with that. */
static void let_go(aw_list *threads)
{
    aw_list *link;
    while ((link = aw_list_pop_front(threads)) != NULL)
        aw_latch_open(&aw_container_of(link, struct waiter, link)->latch);
}

static int send_now(aw_channel *ch, void *item, aw_list *threads)
{
    struct waiter *w;
    if (AW_UNLIKELY(ch->closed))
        return AW_ESHUTDOWN;
    while ((w = first_of(&ch->receivers)) != NULL) {
        w->item = item;
        if (grant(w, 0, threads))
            return 0;
    }
    if (ch->count == ch->capacity)
        return AW_EFULL;
    put_newest(ch, item);
    return 0;
}

/* The item of the first sender in line, who may go; false if there is none. */
static bool take_from_line(aw_channel *ch, void **ret, aw_list *threads)
{
    struct waiter *w;
    while ((w = first_of(&ch->senders)) != NULL) {
        *ret = w->item; /* before its record may go */
        if (grant(w, 0, threads))
            return true;
    }
    return false;
}

static int recv_now(aw_channel *ch, void **ret, aw_list *threads)
{
    void *sent;
    if (ch->count) {
        *ret = take_oldest(ch);
        if (take_from_line(ch, &sent, threads))
            put_newest(ch, sent);
        return 0;
    }
    if (take_from_line(ch, &sent, threads)) { /* of a channel without room */
        *ret = sent;
        return 0;
    }
    return ch->closed ? AW_ESHUTDOWN : AW_EEMPTY;
}

/* ---- waiting ---- */

/* It waits no more, for whatever reason of its own.  False: it has been served before. */
static bool leave_line(struct waiter *w)
{
    aw_mutex_lock(&w->ch->lock);
    bool waited = !w->granted;
    if (waited)
        aw_list_remove(&w->link);
    aw_mutex_unlock(&w->ch->lock);
    return waited;
}

static struct waiter *waiter_of(const struct aw_wait *wait)
{
    return aw_container_of(wait, struct waiter, wait);
}

/* On the loop's own stack.  On a closed loop, where drop() has kept the task's stack for this. */
static void arrived(struct aw_ready *item)
{
    struct waiter *w = aw_container_of(item, struct waiter, arrived);
    if (w->loop->closed)
        aw_unref(&w->wait.task->fut);
    else
        aw_wake(&w->wait, w->result);
}

/* One that was served is woken by what is on its way. */
static bool cancel(struct aw_wait *wait)
{
    if (leave_line(waiter_of(wait)))
        aw_wake(wait, -ECANCELED);
    return true;
}

static void drop(struct aw_wait *wait)
{
    struct waiter *w = waiter_of(wait);
    aw_channel *ch = w->ch;
    if (!leave_line(w)) {
        if (!wait->woken)
            wait->task->fut.refs++;
        if (w->receives && w->result == 0)
            drop_item(ch, w->item);
    }
    aw_channel_unref(ch);
}

static void describe(const struct aw_wait *wait, aw_buf *out)
{
    aw_channel *ch = waiter_of(wait)->ch;
    aw_mutex_lock(&ch->lock);
    size_t count = ch->count;
    aw_mutex_unlock(&ch->lock);
    aw_buf_printf(out, "channel, %zu of %zu", count, ch->capacity);
}

#define CHANNEL_KIND(call)                                                                         \
    {                                                                                              \
        .name = (call), .cancel = cancel, .drop = drop, .describe = describe, .effect_wins = true  \
    }
static const struct aw_wait_kind send_kind = CHANNEL_KIND("aw_channel_send");
static const struct aw_wait_kind recv_kind = CHANNEL_KIND("aw_channel_recv");

static int sleep_as_thread(struct waiter *w, double timeout)
{
    int64_t deadline = timeout ? aw_cf_deadline_in(timeout) : INT64_MAX;
    if (!aw_latch_wait(&w->latch, deadline)) {
        if (leave_line(w))
            return -ETIMEDOUT;
        aw_latch_wait(&w->latch, INT64_MAX);
    }
    return w->result;
}

static int sleep_as_task(struct waiter *w)
{
    aw_loop *l = w->loop;
    l->outside++;
    int err = aw_suspend(l->current, &w->wait);
    l->outside--;
    return err;
}

static int sleep_as_task_until(struct waiter *w, double timeout)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    int err = aw_timeout_enter(&tm, timeout);
    aw_assert(err == 0);
    return aw_timeout_exit(&tm, sleep_as_task(w));
}

/* It is in line.  The reference is the waiting call's: the others may go meanwhile. */
static int wait_in_line(struct waiter *w, double timeout)
{
    int err;
    if (!w->loop)
        err = sleep_as_thread(w, timeout);
    else
        err = timeout ? sleep_as_task_until(w, timeout) : sleep_as_task(w);
    aw_channel_unref(w->ch);
    return err;
}

/* ---- the calls ---- */

/* A record for a call that may have to wait. */
static struct waiter new_waiter(aw_channel *ch, const struct aw_wait_kind *kind, const void *caller)
{
    return (struct waiter){.ch = ch,
                           .loop = aw_self.loop,
                           .arrived = {.run = arrived},
                           .wait = {.kind = kind, .caller = caller}};
}

static int refuse_to_wait(double timeout)
{
    if (isnan(timeout))
        return aw_fail(-EINVAL, "the time limit is NaN");
    return aw_self.loop && !aw_self.loop->current ? aw_no_loop() : 0;
}

/* What a call comes to that found no room, or no item: it joins the line, under the lock; or it
 * does not wait. */
static int join_line(struct waiter *w, aw_list *line, double timeout)
{
    if (timeout < 0)
        return -ETIMEDOUT;
    aw_channel_ref(w->ch);
    aw_list_push_back(line, &w->link);
    return 0;
}

static int outcome(int err)
{
    return err < 0 && err != -ECANCELED
               ? aw_fail(err, err == AW_ESHUTDOWN ? "the channel is closed" : NULL)
               : err;
}

int aw_channel_send_(const aw_channel_send_opts *opts)
{
    aw_channel *ch = opts->channel;
    aw_list threads;
    AW_TRY(check(ch));
    AW_TRY(refuse_to_wait(opts->timeout));
    aw_list_init(&threads);
    aw_mutex_lock(&ch->lock);
    int err = send_now(ch, opts->item, &threads);
    if (err != AW_EFULL) {
        aw_mutex_unlock(&ch->lock);
        let_go(&threads);
        return outcome(err);
    }
    struct waiter w = new_waiter(ch, &send_kind, __builtin_return_address(0));
    w.item = opts->item;
    err = join_line(&w, &ch->senders, opts->timeout);
    aw_mutex_unlock(&ch->lock);
    return outcome(err < 0 ? err : wait_in_line(&w, opts->timeout));
}

int aw_channel_recv_(const aw_channel_recv_opts *opts)
{
    aw_channel *ch = opts->channel;
    aw_list threads;
    AW_TRY(check(ch));
    AW_TRY(refuse_to_wait(opts->timeout));
    if (!opts->ret)
        return aw_fail(-EINVAL, "there is nowhere to put the item");
    aw_list_init(&threads);
    aw_mutex_lock(&ch->lock);
    int err = recv_now(ch, opts->ret, &threads);
    if (err != AW_EEMPTY) {
        aw_mutex_unlock(&ch->lock);
        let_go(&threads);
        return outcome(err);
    }
    struct waiter w = new_waiter(ch, &recv_kind, __builtin_return_address(0));
    w.receives = true;
    err = join_line(&w, &ch->receivers, opts->timeout);
    aw_mutex_unlock(&ch->lock);
    if (err == 0)
        err = wait_in_line(&w, opts->timeout);
    if (err == 0)
        *opts->ret = w.item;
    return outcome(err);
}

int aw_channel_try_send(aw_channel *ch, void *item)
{
    aw_list threads;
    AW_TRY(check(ch));
    aw_list_init(&threads);
    aw_mutex_lock(&ch->lock);
    int err = send_now(ch, item, &threads);
    aw_mutex_unlock(&ch->lock);
    let_go(&threads);
    return outcome(err);
}

int aw_channel_try_recv(aw_channel *ch, void **ret)
{
    aw_list threads;
    AW_TRY(check(ch));
    if (!ret)
        return aw_fail(-EINVAL, "there is nowhere to put the item");
    aw_list_init(&threads);
    aw_mutex_lock(&ch->lock);
    int err = recv_now(ch, ret, &threads);
    aw_mutex_unlock(&ch->lock);
    let_go(&threads);
    return outcome(err);
}

/* ---- closing and asking ---- */

static void turn_away(aw_list *line, aw_list *threads)
{
    struct waiter *w;
    while ((w = first_of(line)) != NULL)
        aw_ignore(grant(w, AW_ESHUTDOWN, threads));
}

/* One at a time, as dropping runs the user's code. */
static bool take_left_over(aw_channel *ch, void **ret)
{
    aw_mutex_lock(&ch->lock);
    bool any = ch->count > 0;
    if (any)
        *ret = take_oldest(ch);
    aw_mutex_unlock(&ch->lock);
    return any;
}

int aw_channel_close_(const aw_channel_close_opts *opts)
{
    aw_channel *ch = opts->channel;
    aw_list threads;
    void *item;
    AW_TRY(check(ch));
    aw_list_init(&threads);
    aw_mutex_lock(&ch->lock);
    ch->closed = true;
    turn_away(&ch->senders, &threads);
    turn_away(&ch->receivers, &threads);
    aw_mutex_unlock(&ch->lock);
    let_go(&threads);
    while (opts->immediate && take_left_over(ch, &item))
        drop_item(ch, item);
    return 0;
}

int aw_channel_count(aw_channel *ch)
{
    AW_TRY(check(ch));
    aw_mutex_lock(&ch->lock);
    size_t count = ch->count;
    aw_mutex_unlock(&ch->lock);
    return (int)count;
}

int aw_channel_capacity(aw_channel *ch)
{
    AW_TRY(check(ch));
    return (int)ch->capacity;
}

bool aw_channel_closed(aw_channel *ch)
{
    if (check(ch) < 0)
        return false;
    aw_mutex_lock(&ch->lock);
    bool closed = ch->closed;
    aw_mutex_unlock(&ch->lock);
    return closed;
}
