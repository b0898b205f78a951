/*
 * A proxy in front of an echo server, under many seeds: bytes go through in both directions, and
 * so do ends and losses.
 */
#include "seeds.h"

int seed_talk_echo(struct seed_run *run, aw_stream *s, unsigned id);

static unsigned behind; /* the port of the server */

static int echo(aw_stream *s, void *arg)
{
    char buf[1000];
    ssize_t n;
    (void)arg;
    while ((n = aw_stream_read(s, buf, sizeof buf)) > 0) {
        int err = aw_stream_write(s, buf, (size_t)n);
        if (err == 0)
            err = aw_stream_drain(s);
        if (err < 0)
            return seed_is_loss(err) ? 0 : err;
    }
    return seed_is_loss(n) ? 0 : (int)n;
}

struct way {
    aw_stream *from, *to;
};

/* One direction.  Whoever is lost takes the other along. */
static int pump(void *arg)
{
    const struct way *w = arg;
    char buf[600];
    ssize_t n;
    int err = 0;
    while ((n = aw_stream_read(w->from, buf, sizeof buf)) > 0 && err == 0) {
        err = aw_stream_write(w->to, buf, (size_t)n);
        if (err == 0)
            err = aw_stream_drain(w->to);
    }
    if (n == 0 && err == 0)
        err = aw_stream_write_eof(w->to);
    if (n < 0 || err < 0) {
        aw_ignore(aw_stream_abort(w->from));
        aw_ignore(aw_stream_abort(w->to));
    }
    return 0;
}

static int proxy(aw_stream *s, void *arg)
{
    aw_stream *other;
    (void)arg;
    int err = seed_connect(&other, behind);
    if (err < 0)
        return seed_is_loss(err) ? 0 : err;
    struct way there = {s, other}, back = {other, s};
    aw_task *going = aw_create_task(pump, &there);
    aw_ignore(pump(&back));
    err = aw_join(going);
    seed_hang_up(other);
    return err;
}

static unsigned start(struct seed_run *run)
{
    unsigned port;
    run->servers[1] = seed_serve(run, echo, &behind);
    run->servers[0] = seed_serve(run, proxy, &port);
    return port;
}

TEST_SLOW(sim_seeds_proxy)
{
    seeds(&(struct seed_scenario){.test = "sim_seeds_proxy",
                                  .start = start,
                                  .stop = seed_stop_servers,
                                  .talk = seed_talk_echo});
}
