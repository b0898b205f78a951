/*
 * run.c - the public calls: a run in a world of its own, and sockets by hand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "await/testing.h"
#include "sim/sim.h"

enum { BUFFER = 65536 };

_Thread_local struct sim *aw_simu_here;

const struct aw_testing_door *aw_simu_door(void)
{
    const struct aw_testing_door *door = aw_testing_door();
    sim_assert(door->size == sizeof *door); /* both libraries are of one build */
    return door;
}

void *aw_simu_alloc(size_t size)
{
    void *p = aw_simu_door()->alloc(size);
    return p ? memset(p, 0, size) : NULL;
}

void aw_simu_free(void *ptr)
{
    aw_simu_door()->free(ptr);
}

void aw_simu_panic(const char *file, int line, const char *what)
{
    fprintf(stderr, "await: %s:%d: the simulator: %s\n", file, line, what);
    abort();
}

/* ---- options ---- */

static bool is_chance(double x)
{
    return x >= 0 && x <= 1;
}

static bool is_time(double x)
{
    return x >= 0 && x <= 1e6;
}

static int check(const aw_sim_opts *o)
{
    const double chances[] = {o->split, o->coalesce, o->short_write, o->short_read, o->storm,
                              o->stall, o->reset,    o->half_close,  o->abort,      o->late};
    for (size_t i = 0; i < sizeof chances / sizeof *chances; i++)
        if (!is_chance(chances[i]))
            return aw_raise(-EINVAL, "a chance is not between 0 and 1");
    if (!is_time(o->latency) || !is_time(o->jitter) || !is_time(o->calm_after))
        return aw_raise(-EINVAL, "a time is negative, NaN or more than a million seconds");
    if (o->buffer > (size_t)1 << 30 || o->descriptors > AW_SIM_FDS)
        return aw_raise(-EINVAL, "the buffer or the number of descriptors is too large");
    return 0;
}

static struct sim *make_world(const aw_sim_opts *opts)
{
    struct sim *s = aw_simu_alloc(sizeof *s);
    if (!s)
        return NULL;
    s->opts = *opts;
    if (opts->swarm)
        aw_simu_swarm(&s->opts);
    if (s->opts.buffer == 0)
        s->opts.buffer = BUFFER;
    if (s->opts.descriptors == 0)
        s->opts.descriptors = AW_SIM_FDS;
    s->calm_at = opts->calm_after > 0 ? aw_simu_ns(opts->calm_after) : INT64_MAX;
    aw_prng_seed(&s->prng, opts->seed);
    return s;
}

/* ---- the run ---- */

static int run_in(struct sim *s, aw_fn *fn, const aw_sim_opts *opts)
{
    *aw_simu_door()->simulator = &aw_simu_backend;
    aw_simu_install();
    aw_simu_here = s;
    /* The loop takes 0 for "no seed". */
    int err = aw_run_(fn, &(aw_run_opts){.file = opts->file,
                                         .line = opts->line,
                                         .fn_name = opts->fn_name,
                                         .arg = opts->arg,
                                         .backend = aw_simu_backend.name,
                                         .virtual_clock = true,
                                         .shuffle = opts->shuffle,
                                         .exception_handler = opts->exception_handler,
                                         .exception_arg = opts->exception_arg,
                                         .seed = opts->seed + (opts->seed < UINT64_MAX)});
    aw_simu_here = NULL;
    aw_simu_uninstall();
    return err;
}

int aw_sim_run_(aw_fn *fn, const aw_sim_opts *opts)
{
    AW_TRY(check(opts));
    if (aw_simu_here)
        return aw_raise(AW_EMISUSE, "there is a simulation in this thread");
    struct sim *s = make_world(opts);
    if (!s)
        return aw_raise(-ENOMEM, "no memory for a world");
    int err = run_in(s, fn, opts);
    if (opts->ret_counts)
        *opts->ret_counts = s->counts;
    if (opts->ret_trace)
        *opts->ret_trace = s->trace;
    aw_simu_free(s);
    return err;
}

/* The world of a run that goes on. */
static int world(struct sim **ret)
{
    *ret = aw_simu_here;
    if (!aw_simu_here || !aw_simu_here->time.clock)
        return aw_raise(AW_EMISUSE, "there is no simulation in this thread");
    aw_simu_settle(aw_simu_here);
    return 0;
}

int aw_sim_calm(void)
{
    struct sim *s;
    AW_TRY(world(&s));
    s->calm_at = s->now;
    return 0;
}

int aw_sim_count(aw_sim_counts *ret)
{
    struct sim *s;
    if (!ret)
        return aw_raise(-EINVAL, "the place for the counts is NULL");
    AW_TRY(world(&s));
    *ret = s->counts;
    return 0;
}

/* ---- sockets by hand ---- */

int aw_sim_socket(int family, int type)
{
    struct sim *s;
    AW_TRY(world(&s));
    return aw_simu_socket(s, family, type);
}

int aw_sim_pair(int ret[2], int type)
{
    struct sim *s;
    if (!ret)
        return aw_raise(-EINVAL, "the place for the descriptors is NULL");
    AW_TRY(world(&s));
    return aw_simu_pair(s, type, ret);
}

static int world_and_sock(int fd, struct sim **s, struct sim_sock **k)
{
    AW_TRY(world(s));
    *k = aw_simu_find(*s, fd);
    return *k ? 0 : aw_raise(-EBADF, "no simulated descriptor");
}

int aw_sim_bind(int fd, const struct sockaddr *addr, aw_socklen len)
{
    struct sim *s;
    struct sim_sock *k;
    if (!addr)
        return aw_raise(-EINVAL, "the address is NULL");
    AW_TRY(world_and_sock(fd, &s, &k));
    return aw_simu_bind(s, k, addr, len);
}

int aw_sim_listen(int fd, int backlog)
{
    struct sim *s;
    struct sim_sock *k;
    AW_TRY(world_and_sock(fd, &s, &k));
    return aw_simu_listen(s, k, backlog);
}

int aw_sim_getsockname(int fd, struct sockaddr *addr, aw_socklen *len)
{
    struct sim *s;
    struct sim_sock *k;
    if (!addr || !len)
        return aw_raise(-EINVAL, "the place for the address is NULL");
    AW_TRY(world_and_sock(fd, &s, &k));
    return aw_simu_door()->sys->socket_name(fd, false, addr, len);
}

int aw_sim_shutdown(int fd)
{
    struct sim *s;
    struct sim_sock *k;
    AW_TRY(world_and_sock(fd, &s, &k));
    return aw_simu_end_sending(s, k);
}

int aw_sim_close(int fd)
{
    struct sim *s;
    struct sim_sock *k;
    AW_TRY(world_and_sock(fd, &s, &k));
    aw_simu_close(s, k);
    aw_simu_settle(s);
    return 0;
}

int aw_sim_reset(int fd)
{
    struct sim *s;
    struct sim_sock *k;
    AW_TRY(world_and_sock(fd, &s, &k));
    if (k->state != SIM_CONNECTED)
        return -ENOTCONN;
    aw_simu_reset(s, k);
    aw_simu_settle(s);
    return 0;
}
