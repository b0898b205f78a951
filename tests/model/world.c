/*
 * world.c - what the operating system does in a model: sleeping on a word, the process's lock,
 * yielding, threads that are started, and a loop's poll with its wake-up.  The linker puts these in
 * the place of the library's own (--wrap).
 */
#include "model/world.h"

#include <signal.h>

#include "core/core.h"
#include "sys/thread.h"

/* ---- time ---- */

/* A loop that idles gives back its free stacks, in time; none of the models is about that. */
int64_t __wrap_aw_stack_pool_rest(struct aw_stack_pool *p, int64_t now);
int64_t __wrap_aw_stack_pool_rest(struct aw_stack_pool *p, int64_t now)
{
    (void)p;
    (void)now;
    return INT64_MAX;
}

/* ---- futexes ---- */

int __wrap_aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);
int __wrap_aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    model_point("sleeps on", (const void *)word, CHANGE);
    model_atomic((const void *)word, sizeof *word, false, false, false, false);
    if (*(volatile uint32_t *)(void *)word != expected)
        return 0;
    unsigned how = deadline != INT64_MAX ? TIMED | FICKLE : FICKLE;
    return model_block((const void *)word, how) ? 0 : -ETIMEDOUT;
}

/* The word may be gone: only its address counts. */
void __wrap_aw_futex_wake_all(_Atomic uint32_t *word);
void __wrap_aw_futex_wake_all(_Atomic uint32_t *word)
{
    model_point("wakes who sleeps on", (const void *)word, CHANGE);
    model_unblock((const void *)word);
}

void __wrap_aw_futex_wake_one(_Atomic uint32_t *word);
void __wrap_aw_futex_wake_one(_Atomic uint32_t *word)
{
    model_point("wakes one who sleeps on", (const void *)word, CHANGE);
    model_unblock_one((const void *)word);
}

/* ---- gates ---- */

void gate_open(struct gate *g)
{
    model_point("opens", g, CHANGE);
    model_atomic(&g->clock, 1, true, false, true, false);
    g->open = true;
    model_unblock(g);
}

void gate_pass(struct gate *g)
{
    model_point("passes", g, CHANGE);
    while (!g->open)
        model_block(g, 0);
    model_atomic(&g->clock, 1, true, true, false, false);
}

/* ---- the process's lock, yielding ---- */

static struct gate process_lock; /* open: free */

void __wrap_aw_process_lock(void);
void __wrap_aw_process_lock(void)
{
    if (!model_is_on())
        return;
    gate_pass(&process_lock);
    process_lock.open = false;
}

void __wrap_aw_process_unlock(void);
void __wrap_aw_process_unlock(void)
{
    if (model_is_on())
        gate_open(&process_lock);
}

void __wrap_aw_thread_yield(void);
void __wrap_aw_thread_yield(void)
{
    if (model_is_on())
        model_yield();
}

/* ---- threads that are started ---- */

static struct {
    struct gate end;
    void (*fn)(void *arg);
    void *arg;
} started[MODEL_THREADS];

void world_started_thread(void)
{
    int me = model_running();
    model_atomic(&started[me].fn, sizeof(void *), false, true, false, false);
    started[me].fn(started[me].arg);
    gate_open(&started[me].end);
}

/* The thread may be over before its handle is stored. */
int __wrap_aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                              void (*fn)(void *arg), void *arg);
int __wrap_aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                              void (*fn)(void *arg), void *arg)
{
    (void)name;
    (void)stack_size;
    (void)cpu;
    model_point("starts a thread", started, CHANGE);
    int i = model_launch();
    if (i < 0)
        return -EAGAIN;
    started[i].fn = fn;
    started[i].arg = arg;
    model_atomic(&started[i].fn, sizeof(void *), true, false, true, false);
    model_point("has started it", t, CHANGE);
    model_plain(&t->handle, sizeof t->handle, true);
    t->handle = (uint64_t)i;
    return 0;
}

void __wrap_aw_os_thread_join(struct aw_os_thread *t);
void __wrap_aw_os_thread_join(struct aw_os_thread *t)
{
    model_plain(&t->handle, sizeof t->handle, false);
    gate_pass(&started[t->handle].end);
}

void __wrap_aw_os_thread_detach(struct aw_os_thread *t);
void __wrap_aw_os_thread_detach(struct aw_os_thread *t)
{
    model_plain(&t->handle, sizeof t->handle, false);
}

/* ---- reports ---- */

void __wrap_aw_stderr_write(const char *text, size_t n);
void __wrap_aw_stderr_write(const char *text, size_t n)
{
    (void)text;
    (void)n;
}

/* ---- a backend ---- */

struct world_io {
    struct aw_io io;
    bool woken, closed;
};

static bool no_submit(struct aw_io *io, struct aw_op *op)
{
    (void)io;
    (void)op;
    model_found("an operation was submitted", NULL);
    return false;
}

static bool no_cancel(struct aw_io *io, struct aw_op *op)
{
    return no_submit(io, op);
}

static int poll_world(struct aw_io *io, int64_t timeout, aw_list *completed)
{
    struct world_io *w = (struct world_io *)io;
    (void)completed;
    model_point("sleeps in", io, CHANGE);
    while (!w->woken && timeout) {
        if (!model_block(io, timeout > 0 ? TIMED : 0))
            break;
    }
    w->woken = false;
    return 0;
}

static void wake_world(struct aw_io *io)
{
    struct world_io *w = (struct world_io *)io;
    model_point("wakes", io, CHANGE);
    if (w->closed)
        model_found("woke a poll that was closed", io);
    w->woken = true;
    model_unblock(io);
}

static void close_world(struct aw_io *io)
{
    model_point("closes", io, CHANGE);
    ((struct world_io *)io)->closed = true;
}

static const struct aw_io_backend world_backend = {.name = "world",
                                                   .close = close_world,
                                                   .submit = no_submit,
                                                   .cancel = no_cancel,
                                                   .poll = poll_world,
                                                   .wake = wake_world};

int __wrap_aw_io_open(struct aw_io **ret, const char *name, const char **why);
int __wrap_aw_io_open(struct aw_io **ret, const char *name, const char **why)
{
    static struct world_io w;
    aw_loop *l = aw_container_of(ret, aw_loop, io);
    (void)name;
    (void)why;
    w = (struct world_io){.io.backend = &world_backend};
    *ret = &w.io;
    model_name(&l->inbox, "inbox");
    model_name(&l->inbox_first, "the first in it");
    model_name(&l->doze, "doze");
    model_name(&l->wakers, "wakers");
    model_name(&l->attention, "attention");
    model_name(&w, "poll");
    return 0;
}

void world_begin(void)
{
    process_lock.open = true;
    model_name(&process_lock, "the process's lock");
    for (int i = 0; i < MODEL_THREADS; i++) {
        started[i].end.open = false;
        model_name(&started[i].end, "the end of a thread");
    }
}

aw_loop *world_loop(void)
{
    aw_loop *l = aw_loop_new(.virtual_clock = true);
    world_begin();
    model_assert(l && __wrap_aw_io_open(&l->io, NULL, NULL) == 0);
    return l;
}

/* ---- trying ---- */

AW_NOINLINE void world_reuse_stack(void)
{
    char room[2048] = {0};
    model_plain(room, sizeof room, true);
}

static void found_by_crash(int signo)
{
    (void)signo;
    _Exit(0);
}

void world_try(const struct model *m, bool is_broken)
{
    static struct verdict v;
    if (is_broken) {
        signal(SIGABRT, found_by_crash);
        signal(SIGSEGV, found_by_crash);
    }
    for (int bound = is_broken ? 0 : explore_bound(m); bound <= m->preemptions; bound++) {
        explore(m, bound, &v);
        assert_int_equal(v.found && !is_broken, false);
        if (v.found)
            _Exit(0);
        if (!is_broken)
            return;
    }
    fail_msg("the bug was not found");
}
