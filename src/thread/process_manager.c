/*
 * process_manager.c - the thread that looks after a pool's workers.
 *
 * Each turn: give jobs out, do what others have asked for, wait, look at what happened.  Giving out
 * comes first, for it may empty the queue, which is a change that the thread itself must see before
 * it waits: of a pool that is shut down, the last worker is then sent home, or the end has come.
 *
 * A call that would block says so instead, so the thread never waits but in its one poll.  Where
 * the poll itself fails, everything is looked at: nothing blocks, so that is only slow.
 */
#include "thread/process.h"

#define FIXED_FDS 2 /* polled besides the workers': wake, server */

static _Thread_local aw_process_pool *self; /* whose thread this is, or NULL */

bool aw_proc_is_here(const aw_process_pool *p)
{
    return self == p;
}

void aw_proc_wake(aw_process_pool *p)
{
    if (!p->over)
        aw_eventfd_add(p->wake);
}

/* ---- time ---- */

static void look_at_clock(aw_process_pool *p)
{
    int64_t now = aw_clock_real();
    for (int i = 0; i < p->opts.max_workers; i++)
        if (p->workers[i].state != AW_PROC_NONE && p->workers[i].deadline <= now)
            aw_proc_time_is_over(p, &p->workers[i]);
}

/* ---- giving jobs out ---- */

static struct aw_proc_worker *find(const aw_process_pool *p, enum aw_proc_state state)
{
    for (int i = 0; i < p->opts.max_workers; i++)
        if (p->workers[i].state == state)
            return &p->workers[i];
    return NULL;
}

static int count(const aw_process_pool *p, enum aw_proc_state state)
{
    int n = 0;
    for (int i = 0; i < p->opts.max_workers; i++)
        n += p->workers[i].state == state;
    return n;
}

/* The oldest job that nobody has cancelled; its future is running from now on. */
static struct aw_proc_job *next_job(aw_process_pool *p)
{
    for (;;) {
        aw_mutex_lock(&p->lock);
        aw_list *link = aw_list_pop_front(&p->queue);
        p->n_queued -= link != NULL;
        aw_mutex_unlock(&p->lock);
        if (!link)
            return NULL;
        struct aw_proc_job *job = aw_container_of(link, struct aw_proc_job, link);
        bool wanted = !atomic_load_explicit(&job->aborted, memory_order_relaxed);
        if (wanted && (job->begun || aw_cfuture_begin(&job->future))) {
            job->begun = true;
            return job;
        }
        aw_proc_job_end(job, -ECANCELED, NULL);
    }
}

static size_t queued(aw_process_pool *p)
{
    aw_mutex_lock(&p->lock);
    size_t n = p->n_queued;
    aw_mutex_unlock(&p->lock);
    return n;
}

/* No worker can be had: the jobs wait for those there are, and fail if there is none. */
static void none_to_be_had(aw_process_pool *p, int err)
{
    struct aw_proc_job *job;
    if (count(p, AW_PROC_NONE) < p->opts.max_workers)
        return;
    while ((job = next_job(p)) != NULL)
        aw_proc_job_end(job, err, aw_text_new("the system gives no process"));
}

static void give_out(aw_process_pool *p)
{
    for (size_t n; (n = queued(p)) > 0;) {
        struct aw_proc_worker *w = find(p, AW_PROC_IDLE);
        if (!w) {
            struct aw_proc_worker *place = find(p, AW_PROC_NONE);
            if (!place || n <= (size_t)count(p, AW_PROC_PREPARING))
                return;
            int err = aw_proc_hire(p, place);
            if (err < 0) {
                none_to_be_had(p, err);
                return;
            }
            continue;
        }
        struct aw_proc_job *job = next_job(p);
        if (job)
            aw_proc_give(p, w, job);
    }
}

/* ---- doing what others ask for ---- */

static void obey(aw_process_pool *p)
{
    aw_mutex_lock(&p->lock);
    int signal = p->signal;
    p->signal = 0;
    bool no_more = p->shut && p->n_queued == 0;
    aw_mutex_unlock(&p->lock);
    if (signal)
        aw_proc_end_queued(p, -ECANCELED, NULL);
    for (int i = 0; i < p->opts.max_workers; i++) {
        struct aw_proc_worker *w = &p->workers[i];
        if (w->state == AW_PROC_NONE)
            continue;
        if (signal)
            aw_child_signal(w->status, signal);
        if (w->job && atomic_load_explicit(&w->job->aborted, memory_order_relaxed))
            aw_proc_abort(p, w);
        if (no_more && w->state == AW_PROC_IDLE)
            aw_proc_dismiss(w, false);
    }
}

/* ---- waiting ---- */

static int64_t first_deadline(const aw_process_pool *p)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < p->opts.max_workers; i++)
        if (p->workers[i].state != AW_PROC_NONE && p->workers[i].deadline < first)
            first = p->workers[i].deadline;
    return first;
}

static int64_t time_left(const aw_process_pool *p)
{
    int64_t deadline = first_deadline(p), now = aw_clock_real();
    if (deadline == INT64_MAX)
        return -1;
    return deadline > now ? deadline - now : 0;
}

/* Each worker has two places, whether it is there or not; poll() skips descriptors < 0. */
static size_t fill(const aw_process_pool *p)
{
    size_t n = 0;
    p->fds[n++] = (struct pollfd){.fd = p->wake, .events = POLLIN};
    p->fds[n++] = (struct pollfd){.fd = p->server};
    for (int i = 0; i < p->opts.max_workers; i++) {
        const struct aw_proc_worker *w = &p->workers[i];
        bool there = w->state != AW_PROC_NONE;
        bool speaks = w->state == AW_PROC_BUSY || w->state == AW_PROC_PREPARING;
        short events = POLLIN | (short)(speaks && !aw_proc_is_sent(w) ? POLLOUT : 0);
        p->fds[n++] = (struct pollfd){.fd = there ? w->data : -1, .events = events};
        p->fds[n++] = (struct pollfd){.fd = there ? w->status : -1, .events = POLLIN};
    }
    return n;
}

static void look(aw_process_pool *p)
{
    size_t n = fill(p);
    int err = aw_sys.poll(p->fds, n, time_left(p));
    for (size_t i = 0; i < n && err < 0; i++)
        p->fds[i].revents = i == 1 ? 0 : POLLIN | POLLOUT;
    if (p->fds[0].revents)
        aw_eventfd_clear(p->wake);
    for (int i = 0; i < p->opts.max_workers; i++)
        if (p->workers[i].state != AW_PROC_NONE)
            aw_proc_look_at(p, &p->workers[i], &p->fds[FIXED_FDS + 2 * i]);
    if (p->fds[1].revents) {
        p->server = -1;
        aw_proc_break(p, "the process server is gone");
    }
    look_at_clock(p);
}

/* ---- the thread ---- */

/* Is all done?  Then nobody wakes this thread any more. */
static bool becomes_over(aw_process_pool *p)
{
    if (count(p, AW_PROC_NONE) < p->opts.max_workers)
        return false;
    aw_mutex_lock(&p->lock);
    if (p->shut && p->n_queued == 0) {
        p->over = true;
        aw_sys.close(p->wake);
        p->wake = -1;
    }
    bool over = p->over;
    aw_mutex_unlock(&p->lock);
    return over;
}

void aw_proc_manage(void *pool)
{
    aw_process_pool *p = pool;
    self = p;
    for (;;) {
        give_out(p);
        obey(p);
        if (becomes_over(p))
            break;
        look(p);
    }
    aw_ending_remove(&p->ending);
    aw_cfuture_complete(&p->end, AW_CF_FINISHED, 0, NULL, NULL);
    aw_cfuture_end(&p->end);
    aw_proc_release(p);
    self = NULL;
}
