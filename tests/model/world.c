/*
 * world.c - what the operating system does in a model: sleeping on a word, the process's lock,
 * yielding, a thread that is started, and a loop's poll with its wake-up.  The linker puts these in
 * the place of the library's own (--wrap).
 */
#include "model/world.h"

#include "core/core.h"
#include "sys/thread.h"

/* ---- futexes ---- */

int __wrap_aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);
int __wrap_aw_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    model_point("sleeps on", (const void *)word);
    model_atomic((const void *)word, sizeof *word, false, false, false, false);
    if (*(volatile uint32_t *)(void *)word != expected)
        return 0;
    return model_block((const void *)word, deadline != INT64_MAX) ? 0 : -ETIMEDOUT;
}

/* The word may be gone: only its address counts. */
void __wrap_aw_futex_wake_all(_Atomic uint32_t *word);
void __wrap_aw_futex_wake_all(_Atomic uint32_t *word)
{
    model_point("wakes who sleeps on", (const void *)word);
    model_unblock((const void *)word);
}

/* ---- gates ---- */

void gate_open(struct gate *g)
{
    model_point("opens", g);
    model_atomic(&g->clock, 1, true, false, true, false);
    g->open = true;
    model_unblock(g);
}

void gate_pass(struct gate *g)
{
    model_point("passes", g);
    while (!g->open)
        model_block(g, false);
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

/* ---- a thread that is started ---- */

static struct {
    struct gate begin, end;
    void (*fn)(void *arg);
    void *arg;
} started;

void world_started_thread(void)
{
    gate_pass(&started.begin);
    started.fn(started.arg);
    gate_open(&started.end);
}

int __wrap_aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                              void (*fn)(void *arg), void *arg);
int __wrap_aw_os_thread_start(struct aw_os_thread *t, const char *name, size_t stack_size, int cpu,
                              void (*fn)(void *arg), void *arg)
{
    (void)t;
    (void)name;
    (void)stack_size;
    (void)cpu;
    started.fn = fn;
    started.arg = arg;
    gate_open(&started.begin);
    return 0;
}

void __wrap_aw_os_thread_join(struct aw_os_thread *t);
void __wrap_aw_os_thread_join(struct aw_os_thread *t)
{
    (void)t;
    gate_pass(&started.end);
}

void __wrap_aw_os_thread_detach(struct aw_os_thread *t);
void __wrap_aw_os_thread_detach(struct aw_os_thread *t)
{
    (void)t;
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
    model_point("sleeps in", io);
    while (!w->woken && timeout) {
        if (!model_block(io, timeout > 0))
            break;
    }
    w->woken = false;
    return 0;
}

static void wake_world(struct aw_io *io)
{
    struct world_io *w = (struct world_io *)io;
    model_point("wakes", io);
    if (w->closed)
        model_found("woke a poll that was closed", io);
    w->woken = true;
    model_unblock(io);
}

static void close_world(struct aw_io *io)
{
    model_point("closes", io);
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
    model_name(&l->wakers, "wakers");
    model_name(&l->attention, "attention");
    model_name(&w, "poll");
    model_not_raced(l);
    return 0;
}

void world_begin(void)
{
    process_lock.open = true;
    started.begin.open = started.end.open = false;
    model_name(&process_lock, "the process's lock");
    model_name(&started.begin, "its beginning");
    model_name(&started.end, "its end");
}

aw_loop *world_loop(void)
{
    aw_loop *l = aw_loop_new(.virtual_clock = true);
    world_begin();
    model_assert(l && __wrap_aw_io_open(&l->io, NULL, NULL) == 0);
    return l;
}
