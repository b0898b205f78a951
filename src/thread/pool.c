/*
 * pool.c - threads and the queue they work off.
 *
 * One lock guards the queue, the idle workers and the counts; it is held for a few instructions,
 * and never while anything of the user's runs, a thread is made or somebody waits.
 *
 * Invariants, whenever the lock is free
 *   1. While the queue is not empty, somebody will look at it again soon: a worker is searching; or
 *      one was called, or is being made, for another job, and has not looked yet; or no hands are
 *      free: every worker that there may be is at work, and looks when its job is over.  So no job
 *      waits for another one's end while a thread has none, but only for those who were called to
 *      come.  (Where the system gives no thread, whoever is at work looks.)
 *   2. A worker becomes idle only when the queue is empty, and it is not the only one to search.
 *   3. A job is in one place: the queue, or one worker's hands.  Who takes it from there, sees it
 *      over, once: a worker that runs it; a worker, a canceller or a shutdown that drops it.
 *   4. Once it is shut no worker becomes idle, and those that were are called to look once more; so
 *      each leaves when the queue is empty, and with the last one the pool is over, once.
 *   5. A worker that will not look at the queue again is counted as leaving, in the same step as
 *      its last look, although it is there a while yet.  A job goes back to the queue only while
 *      somebody is there who is not.
 *
 * How 1 is kept.  Who submits puts the job in the queue if a worker searches, if COMING_MAX have
 * been called and have not come yet, or if no hands are free, and hands it to an idle or a new
 * worker otherwise.  Who takes a job from the queue, or was called for one, then looks whether more
 * are left, and hands the next one on under the same conditions.  So the wakings spread by
 * themselves: waking a thread costs more than a small job does, and who is awake has often done the
 * rest before it comes.  Two may be on their way, so that many jobs that block begin nearly as soon
 * as if each were handed over at once.  While hands are free, a full queue is no reason to refuse.
 *
 * Searching.  A worker that finds the queue empty lets others run for a few turns, and looks again,
 * before it goes to sleep; one at a time.  It peeks without the lock, and decides under it: coming
 * back from searching and becoming idle are one step.
 *
 * Calling.  A worker that becomes idle shuts its latch, under the lock, before it can be found.
 * Who finds it takes it off the list, writes its job, both under the lock, and opens the latch
 * afterwards; opening releases, and waking acquires, so the worker sees the job.  A latch is opened
 * once for each time it was shut, because a worker is taken off the list once.  A new thread begins
 * as a worker that is about to be called: its starter opens the latch when it has stored the
 * thread's handle, so that handle may be read by the worker, and whoever learns of it from there.
 *
 * Cancelling.  Whether a job runs is decided by the state of its future (cfuture.h): cancelling and
 * beginning are compare and swaps from "pending", and one of them succeeds.  The canceller then
 * looks in the queue, under the lock; if the job is in a worker's hands instead, that worker will
 * fail to begin it, and drops it.
 *
 * Leaving.  Who has waited for the workers finds their threads ended, so a leaving worker puts
 * itself on the list of those to be joined, as long as somebody waits or, having a handle, still
 * may; else it detaches itself.  With the last handle those on the list are detached.  All of this
 * under the lock, so each thread is joined or detached, once.  Who waits reads `news` under the
 * lock before it sleeps on it, and it changes under the lock: no worker leaves unnoticed, nor one
 * that never came.
 *
 * Memory.  The pool is kept by its handles, by its jobs, and until it is over by itself; the last
 * worker gives that up as its last act.  Any other worker touches nothing of the pool after the
 * lock, but for waking at an address, which reads nothing there.
 */
#include <stdio.h>

#include "thread/pool.h"

#ifndef SEARCH_TURNS /* the models make do with one of both */
#define SEARCH_TURNS 16
#define COMING_MAX 2
#endif

static const char NO_THREAD[] = "the system gives the pool no thread";
static _Thread_local struct aw_worker *self; /* the worker whose thread this is, or NULL */

bool aw_pool_is_here(const aw_executor *p)
{
    return self && self->pool == p;
}

const char *aw_worker_name(void)
{
    return self ? self->name : "";
}

/* ---- the queue; all under the lock ---- */

static void give(struct aw_worker *w, struct aw_pool_job *job)
{
    w->job = job;
    job->worker = w;
}

static struct aw_worker *pop_idle(aw_executor *p)
{
    aw_list *link = aw_list_pop_front(&p->idle);
    return link ? aw_container_of(link, struct aw_worker, link) : NULL;
}

static size_t n_queued(const aw_executor *p)
{
    return atomic_load_explicit(&p->n_queued, memory_order_relaxed);
}

static void count_queued(aw_executor *p, int by)
{
    atomic_store_explicit(&p->n_queued, n_queued(p) + (size_t)by, memory_order_relaxed);
}

static void enqueue(aw_executor *p, struct aw_pool_job *job)
{
    aw_list_push_back(&p->queue, &job->link);
    count_queued(p, 1);
}

static void put_back(aw_executor *p, struct aw_pool_job *job)
{
    aw_list_push_front(&p->queue, &job->link);
    count_queued(p, 1);
}

static struct aw_pool_job *dequeue(aw_executor *p)
{
    aw_list *link = aw_list_pop_front(&p->queue);
    if (!link)
        return NULL;
    count_queued(p, -1);
    return aw_container_of(link, struct aw_pool_job, link);
}

/* ---- the end of a pool ---- */

/* Is it over now?  Under the lock. */
static bool becomes_over(aw_executor *p)
{
    if (!p->shut || p->n_threads || p->over)
        return false;
    p->over = true;
    return true;
}

/* It is over; what kept it until then is given up. */
static void finish(aw_executor *p)
{
    aw_ending_remove(&p->ending);
    aw_cfuture_complete(&p->end, AW_CF_FINISHED, 0, NULL, NULL);
    aw_pool_release(p);
}

/* There is one worker less: news for those who wait for them.  Under the lock; whoever calls it
 * wakes them afterwards. */
static bool count_out(aw_executor *p)
{
    p->n_threads--;
    atomic_fetch_add_explicit(&p->news, 1, memory_order_relaxed);
    return becomes_over(p);
}

/* The last act of a worker's thread. */
static void leave(struct aw_worker *w)
{
    aw_executor *p = w->pool;
    aw_mutex_lock(&p->lock);
    p->n_leaving--;
    aw_list_remove(&w->all);
    bool joined = p->joiners > 0 || p->handles > 0;
    if (joined)
        aw_list_push_back(&p->gone, &w->link);
    bool over = count_out(p);
    aw_mutex_unlock(&p->lock);
    aw_futex_wake_all(&p->news);
    if (!joined) {
        aw_os_thread_detach(&w->thread);
        aw_mem_free(w);
    }
    if (over)
        finish(p);
}

static void part_from(aw_list *gone, void (*how)(struct aw_os_thread *))
{
    aw_list *link;
    while ((link = aw_list_pop_front(gone)) != NULL) {
        struct aw_worker *w = aw_container_of(link, struct aw_worker, link);
        how(&w->thread);
        aw_mem_free(w);
    }
}

void aw_pool_let_go(aw_executor *p)
{
    aw_list gone;
    aw_list_init(&gone);
    aw_mutex_lock(&p->lock);
    aw_list_splice(&gone, &p->gone);
    aw_mutex_unlock(&p->lock);
    part_from(&gone, aw_os_thread_detach);
}

int aw_pool_wait(aw_executor *p, int64_t deadline, bool but_abandoned)
{
    aw_list gone;
    int err = 0, here = aw_pool_is_here(p);
    aw_list_init(&gone);
    aw_mutex_lock(&p->lock);
    p->joiners++;
    while (p->n_threads > (but_abandoned ? p->n_abandoned : here) && err == 0) {
        uint32_t news = atomic_load_explicit(&p->news, memory_order_relaxed);
        aw_mutex_unlock(&p->lock);
        err = aw_futex_wait(&p->news, news, deadline);
        aw_mutex_lock(&p->lock);
    }
    if (p->n_threads <= (but_abandoned ? p->n_abandoned : here))
        err = 0;
    p->joiners--;
    aw_list_splice(&gone, &p->gone);
    aw_mutex_unlock(&p->lock);
    part_from(&gone, aw_os_thread_join);
    return err;
}

static struct aw_pool_job *take_queued(aw_executor *p)
{
    aw_mutex_lock(&p->lock);
    struct aw_pool_job *job = dequeue(p);
    aw_mutex_unlock(&p->lock);
    return job;
}

static void cancel_queued(aw_executor *p)
{
    struct aw_pool_job *job;
    while ((job = take_queued(p)) != NULL) {
        aw_ignore(aw_cfuture_cancel(&job->future));
        aw_pool_job_drop(job);
    }
}

static void fail_queued(aw_executor *p, int code, const char *msg)
{
    struct aw_pool_job *job;
    while ((job = take_queued(p)) != NULL)
        aw_pool_job_fail(job, code, msg);
}

void aw_pool_shut(aw_executor *p, bool cancel)
{
    aw_list idle, *link;
    aw_list_init(&idle);
    aw_mutex_lock(&p->lock);
    p->shut = true;
    aw_list_splice(&idle, &p->idle); /* they look once more: jobs may wait for those who come */
    bool over = becomes_over(p);
    aw_mutex_unlock(&p->lock);
    while ((link = aw_list_pop_front(&idle)) != NULL)
        aw_latch_open(&aw_container_of(link, struct aw_worker, link)->call);
    if (cancel)
        cancel_queued(p);
    if (over)
        finish(p);
}

/* ---- making workers ---- */

static void worker_main(void *arg);

static struct aw_worker *new_worker(aw_executor *p, struct aw_pool_job *job)
{
    struct aw_worker *w = aw_mem_zalloc(sizeof *w);
    if (!w)
        return NULL;
    aw_list_init(&w->link);
    w->pool = p;
    aw_mutex_lock(&p->lock);
    unsigned number = p->next_number++;
    aw_mutex_unlock(&p->lock);
    snprintf(w->name, sizeof w->name, "%s_%u", p->name, number);
    aw_mutex_lock(&p->lock);
    aw_list_push_back(&p->workers, &w->all); /* whoever finds it there reads its name */
    give(w, job);
    aw_mutex_unlock(&p->lock);
    return w;
}

static int start_worker(aw_executor *p, struct aw_pool_job *job)
{
    struct aw_worker *w = new_worker(p, job);
    if (!w)
        return -ENOMEM;
    int err = aw_os_thread_start(&w->thread, w->name, p->opts.stack_size, -1, worker_main, w);
    if (err == 0) {
        aw_latch_open(&w->call);
        return 0;
    }
    aw_mutex_lock(&p->lock);
    aw_list_remove(&w->all);
    job->worker = NULL;
    aw_mutex_unlock(&p->lock);
    aw_mem_free(w);
    return err;
}

/* The thread that was counted in for this job will not come: it is for the others, if there are any
 * that will look at the queue; 0, or `err`. */
static int do_without(aw_executor *p, struct aw_pool_job *job, int err)
{
    aw_mutex_lock(&p->lock);
    bool over = count_out(p);
    struct aw_worker *w = pop_idle(p);
    bool others = w || p->n_threads > p->n_leaving;
    p->coming -= !w;
    if (w)
        give(w, job);
    else if (others)
        put_back(p, job);
    aw_mutex_unlock(&p->lock);
    aw_futex_wake_all(&p->news);
    if (w)
        aw_latch_open(&w->call);
    if (!others)
        fail_queued(p, err, NO_THREAD);
    if (over)
        finish(p);
    return others ? 0 : aw_fail(err, NO_THREAD);
}

/* ---- workers for jobs ---- */

/* Somebody for a job: an idle worker that has it now, or NULL, and one is to be made, which was
 * counted in.  Without a job: nobody. */
struct hands {
    struct aw_worker *worker;
    struct aw_pool_job *job;
};

/* Under the lock. */
static bool hands_are_free(const aw_executor *p)
{
    return !aw_list_empty(&p->idle) || p->n_threads < p->opts.max_workers;
}

/* Will somebody look at the queue without being called? */
static bool is_looked_at(const aw_executor *p)
{
    return p->searching || p->coming >= COMING_MAX || !hands_are_free(p);
}

/* Hands are free. */
static struct hands hand_over(aw_executor *p, struct aw_pool_job *job)
{
    struct aw_worker *w = pop_idle(p);
    p->coming++;
    if (w)
        give(w, job);
    else
        p->n_threads++;
    return (struct hands){w, job};
}

/* Let them begin: 0, or why there is nobody. */
static int set_to_work(aw_executor *p, struct hands h)
{
    if (!h.job)
        return 0;
    if (h.worker) {
        aw_latch_open(&h.worker->call);
        return 0;
    }
    int err = start_worker(p, h.job);
    return err < 0 ? do_without(p, h.job, err) : 0;
}

/* A worker comes by, on its way to a job of its own: it sees to the next one if nobody else will.
 * Under the lock; set_to_work_too() without. */
static struct hands hand_on(aw_executor *p)
{
    bool needed = n_queued(p) && !is_looked_at(p);
    return needed ? hand_over(p, dequeue(p)) : (struct hands){NULL, NULL};
}

/* Without a thread for it the job goes back, and this worker itself will look there again. */
static void set_to_work_too(aw_executor *p, struct hands h)
{
    int err = set_to_work(p, h);
    aw_assert(err == 0);
}

/* ---- jobs for workers ---- */

enum next { WORK, SEARCH, SLEEP, LEAVE };

/* Under the lock. */
static enum next decide(struct aw_worker *w, bool may_search)
{
    aw_executor *p = w->pool;
    struct aw_pool_job *job = dequeue(p);
    if (job) {
        give(w, job);
        return WORK;
    }
    if (p->shut) {
        p->n_leaving++;
        return LEAVE;
    }
    if (may_search && !p->searching) {
        p->searching = true;
        return SEARCH;
    }
    atomic_store_explicit(&w->call.word, AW_LATCH_SHUT, memory_order_relaxed);
    aw_list_push_front(&p->idle, &w->link);
    return SLEEP;
}

/* Its job is over, or (`searched`) it comes back from searching. */
static enum next look(struct aw_worker *w, bool searched)
{
    aw_executor *p = w->pool;
    struct aw_pool_job *done = w->job;
    aw_mutex_lock(&p->lock);
    if (done) {
        p->n_abandoned -= done->abandoned;
        done->worker = NULL;
        w->job = NULL;
    }
    if (searched)
        p->searching = false;
    enum next next = decide(w, !searched);
    struct hands more = hand_on(p);
    aw_mutex_unlock(&p->lock);
    if (done)
        aw_pool_job_answer(done);
    set_to_work_too(p, more);
    return next;
}

/* Others run meanwhile: perhaps the one who submits. */
static void search(const aw_executor *p)
{
    for (int i = 0; i < SEARCH_TURNS && !n_queued(p); i++) {
        if (atomic_load_explicit(&p->shut, memory_order_relaxed))
            break;
        aw_thread_yield();
    }
}

/* Called for a job; or false: because of a shutdown. */
static bool wait_for_call(struct aw_worker *w)
{
    aw_executor *p = w->pool;
    aw_latch_wait(&w->call, INT64_MAX);
    if (!w->job)
        return false;
    aw_mutex_lock(&p->lock);
    p->coming--;
    struct hands more = hand_on(p);
    aw_mutex_unlock(&p->lock);
    set_to_work_too(p, more);
    return true;
}

/* False: it is to leave. */
static bool next_job(struct aw_worker *w)
{
    enum next next = look(w, false);
    if (next == SEARCH) {
        search(w->pool);
        next = look(w, true);
    }
    if (next == SLEEP && !wait_for_call(w))
        look(w, false);
    return w->job != NULL;
}

/* The initialiser has failed: neither this job nor any other will be done. */
static void break_pool(struct aw_worker *w, int err)
{
    static const char msg[] = "the initializer of a thread of the pool has failed";
    aw_executor *p = w->pool;
    struct aw_pool_job *job = w->job;
    aw_report_outside(*(void **)&p->opts.initializer, msg, err);
    aw_mutex_lock(&p->lock);
    p->broken = true;
    p->n_leaving++;
    w->job = NULL;
    job->worker = NULL;
    aw_mutex_unlock(&p->lock);
    aw_pool_job_fail(job, AW_EBROKEN, msg);
    fail_queued(p, AW_EBROKEN, msg);
}

static void worker_main(void *arg)
{
    struct aw_worker *w = arg;
    aw_executor *p = w->pool;
    self = w;
    wait_for_call(w);
    int err = p->opts.initializer ? p->opts.initializer(p->opts.initializer_arg) : 0;
    if (err < 0) {
        break_pool(w, err);
    } else {
        do
            aw_pool_job_run(w->job);
        while (next_job(w));
    }
    self = NULL;
    leave(w);
}

/* ---- submitting ---- */

/* Why nothing can be submitted; under the lock. */
static const char *refusal(const aw_executor *p, int *err)
{
    *err = p->broken ? AW_EBROKEN : p->shut ? AW_EMISUSE : 0;
    return p->broken ? "an initializer has failed" : "the pool is shut down";
}

/* Under the lock. */
static int place(aw_executor *p, struct aw_pool_job *job, struct hands *ret)
{
    bool full = p->opts.queue_limit && n_queued(p) >= p->opts.queue_limit;
    if (full && !hands_are_free(p))
        return AW_EFULL;
    enqueue(p, job);
    if (full || !is_looked_at(p))
        *ret = hand_over(p, dequeue(p)); /* the oldest: often this one */
    return 0;
}

/* Where nobody can begin, the queue has failed, and this job in it, unless it is at hand. */
static int set_to_work_for(aw_executor *p, struct hands h, const struct aw_pool_job *job)
{
    int err = set_to_work(p, h);
    if (err == 0 || h.job == job)
        return err;
    aw_pool_job_fail(h.job, err, NO_THREAD);
    return 0;
}

int aw_pool_submit(aw_executor *p, struct aw_pool_job *job)
{
    struct hands hands = {NULL, NULL};
    int err;
    if (p->fork_generation != aw_fork_generation())
        return aw_fail(AW_EFORKED, "the pool belongs to the parent of this process");
    aw_pool_hold(p);
    job->pool = p;
    aw_mutex_lock(&p->lock);
    const char *why = refusal(p, &err);
    if (err == 0) {
        err = place(p, job, &hands);
        why = "as many jobs wait for the pool as may";
    }
    aw_mutex_unlock(&p->lock);
    if (err < 0)
        aw_ignore(aw_fail(err, why));
    else
        err = set_to_work_for(p, hands, job);
    if (err < 0) {
        job->pool = NULL;
        aw_pool_release(p);
    }
    return err;
}

bool aw_pool_withdraw(struct aw_pool_job *job)
{
    aw_executor *p = job->pool;
    if (p->fork_generation != aw_fork_generation())
        return false;
    aw_mutex_lock(&p->lock);
    bool queued = aw_list_linked(&job->link);
    if (queued) {
        aw_list_remove(&job->link);
        count_queued(p, -1);
    }
    aw_mutex_unlock(&p->lock);
    return queued;
}

void aw_pool_abandon(struct aw_pool_job *job)
{
    aw_executor *p = job->pool;
    aw_mutex_lock(&p->lock);
    bool news = job->worker && !job->abandoned;
    job->abandoned = true;
    p->n_abandoned += news;
    atomic_fetch_add_explicit(&p->news, news, memory_order_relaxed);
    aw_mutex_unlock(&p->lock);
    if (news)
        aw_futex_wake_all(&p->news);
}
