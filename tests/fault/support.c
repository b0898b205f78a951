/*
 * support.c - what scenarios share: verdicts, running, arguments, small coroutines, pipes.
 *
 * Any thread may have something to note, so the notes, and what is kept, are under a lock.
 */
#include <fcntl.h>
#include <pthread.h>

#include "core/core.h"
#include "fault/inject.h"

struct scenario *scenarios;
struct notes notes;
int expected_error;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void scenario_register(struct scenario *s)
{
    struct scenario **last = &scenarios;
    while (*last)
        last = &(*last)->next;
    *last = s;
}

/* ---- verdicts ---- */

int wrong(const char *what, const char *file, int line)
{
    pthread_mutex_lock(&lock);
    if (!notes.wrong)
        snprintf(notes.text, sizeof notes.text, "%s:%d: not so: %s", file, line, what);
    notes.wrong = true;
    pthread_mutex_unlock(&lock);
    return WRONG;
}

/* It was reported, and takes nothing more. */
static bool loop_has_failed(void)
{
    pthread_mutex_lock(&lock);
    bool failed = notes.loop_failed;
    pthread_mutex_unlock(&lock);
    return failed;
}

/* One thing that fails may end another by a cancellation. */
int unexpected(long long got, const char *what, const char *file, int line)
{
    if (disturbed() && (got == expected_error || got == -ECANCELED))
        return (int)got;
    if (got == AW_EMISUSE && loop_has_failed())
        return expected_error;
    char text[160];
    snprintf(text, sizeof text, "%s (it is %lld)", what, got);
    return wrong(text, file, line);
}

bool is_gone(long long err)
{
    return err == AW_EOF || err == -ECONNRESET || err == -EPIPE;
}

/* ---- what is given up at the end ---- */

static struct {
    aw_future *all[512];
    size_t n;
} kept;

aw_future *keep(aw_future *f)
{
    if (!f)
        return NULL;
    pthread_mutex_lock(&lock);
    assert_true(kept.n < sizeof kept.all / sizeof *kept.all);
    kept.all[kept.n++] = f;
    pthread_mutex_unlock(&lock);
    return f;
}

/* By the thread that runs the scenario. */
static struct {
    aw_cfuture *all[64];
    size_t n;
} kept_concurrent;

aw_cfuture *keep_concurrent(aw_cfuture *f)
{
    if (!f)
        return NULL;
    assert_true(kept_concurrent.n < sizeof kept_concurrent.all / sizeof *kept_concurrent.all);
    return kept_concurrent.all[kept_concurrent.n++] = f;
}

static struct {
    void (*fn)(void *arg);
    void *arg;
} reaction;

void scenario_reset(void)
{
    while (kept.n > 0)
        aw_unref(kept.all[--kept.n]);
    while (kept_concurrent.n > 0)
        aw_cfuture_unref(kept_concurrent.all[--kept_concurrent.n]);
    reaction.fn = NULL;
    notes = (struct notes){0};
    aw_ignore(aw_sleep(0)); /* fails, and forgets the words of earlier errors */
}

/* ---- reports ---- */

int note_report(const aw_report *r, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    notes.reports++;
    if (r->error && r->error == expected_error)
        notes.report_error = r->error;
    if (r->kind == AW_REPORT_LOOP_FAILED && r->error == expected_error)
        notes.loop_failed = true;
    if (r->kind == AW_REPORT_PENDING)
        notes.abandoned = true;
    if (r->error == WRONG)
        notes.wrong = true;
    bool unannounced = notes.reports > notes.announced;
    void (*react)(void *) = reaction.fn;
    void *with = reaction.arg;
    reaction.fn = NULL;
    pthread_mutex_unlock(&lock);
    if (!disturbed() && unannounced)
        wrong(r->text, "unannounced report", 0);
    if (react)
        react(with);
    return 0;
}

void announce_reports(int n)
{
    pthread_mutex_lock(&lock);
    notes.announced += n;
    pthread_mutex_unlock(&lock);
}

int reports_made(void)
{
    pthread_mutex_lock(&lock);
    int n = notes.reports;
    pthread_mutex_unlock(&lock);
    return n;
}

void on_report(void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    reaction.fn = fn;
    reaction.arg = arg;
    pthread_mutex_unlock(&lock);
}

void threads_take_part(void)
{
    notes.varies = true;
}

/* ---- running ---- */

struct start {
    aw_fn *fn;
    void *arg;
};

static int start_main(void *arg)
{
    struct start *s = arg;
    inject_watch(aw_self.loop); /* not aw_running_loop(): no more deadlocks would be noticed */
    return s->fn(s->arg);
}

int run_main_with(aw_fn *fn, void *arg, aw_run_opts opts)
{
    opts.file = __FILE__;
    opts.line = __LINE__;
    opts.fn_name = "start_main";
    opts.arg = &(struct start){fn, arg};
    opts.virtual_clock = true;
    opts.exception_handler = note_report;
    return aw_run_(start_main, &opts);
}

int run_main(aw_fn *fn, void *arg)
{
    return run_main_with(fn, arg, (aw_run_opts){0});
}

aw_loop *make_loop(void)
{
    aw_loop *l = aw_loop_new(.virtual_clock = true);
    if (!l)
        return NULL;
    aw_ignore(aw_loop_set_exception_handler(l, note_report, NULL));
    inject_watch(l);
    return l;
}

/* Ends every task of a loop that does not run, as far as that can be had. */
static void cancel_all(aw_loop *l)
{
    aw_task *left[64];
    int n = aw_all_tasks(left, 64, .loop = l);
    for (int i = 0; i < n && i < 64; i++)
        aw_cancel(left[i]);
    for (int i = 0; i < n && i < 64; i++) {
        aw_ignore(aw_loop_run_until_complete(l, left[i]));
        aw_unref(left[i]);
    }
}

void end_loop(aw_loop *l)
{
    cancel_all(l);
    aw_loop_free(l);
}

/* ---- arguments ---- */

void release_owned(void *arg)
{
    struct owned *o = arg;
    o->released++;
}

bool owned_settled(const struct owned *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (o[i].released != (o[i].given ? 1 : 0))
            return false;
    return true;
}

bool owned_all_or_none(const struct owned *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (o[i].released != o[0].released || o[i].released > 1)
            return false;
    return true;
}

/* ---- coroutines ---- */

int give(void *arg)
{
    return (int)(intptr_t)arg;
}

int give_later(void *arg)
{
    const struct later *l = arg;
    AW_TRY(aw_sleep(l->seconds));
    return l->result;
}

int sleep_long(void *arg)
{
    (void)arg;
    return aw_sleep(1000);
}

int clean_up_slowly(void *arg)
{
    int err = sleep_long(arg);
    if (err == -ECANCELED)
        aw_ignore(aw_sleep(1));
    return err;
}

int await_it(void *arg)
{
    return aw_await(arg);
}

/* ---- descriptors ---- */

int pipe_open(struct pipe_ends *p, int flags)
{
    int fds[2];
    if (pipe2(fds, flags) < 0)
        return -errno;
    *p = (struct pipe_ends){fds[0], fds[1]};
    return 0;
}

void pipe_close(struct pipe_ends *p)
{
    if (p->r >= 0)
        close(p->r);
    if (p->w >= 0)
        close(p->w);
    p->r = p->w = -1;
}
