/*
 * An echo server under many seeds: what each client gets back is what it has sent.
 */
#include "seeds.h"

/* Sends back what comes, until the end. */
static int echo(aw_stream *s, void *arg)
{
    struct seed_run *run = arg;
    char buf[500];
    ssize_t n;
    while ((n = aw_stream_read(s, buf, 1 + aw_prng_below(&run->prng, sizeof buf))) > 0) {
        int err = aw_stream_write(s, buf, (size_t)n);
        if (err == 0)
            err = aw_stream_drain(s);
        if (err < 0)
            return seed_is_loss(err) ? 0 : err;
    }
    return seed_is_loss(n) ? 0 : (int)n;
}

static unsigned start(struct seed_run *run)
{
    unsigned port;
    run->servers[0] = seed_serve(run, echo, &port);
    return port;
}

struct sender {
    struct seed_run *run;
    aw_stream *s;
    unsigned id;
};

static int send_all(void *arg)
{
    struct sender *me = arg;
    char buf[700];
    for (size_t at = 0; at < me->run->bytes;) {
        size_t n = 1 + aw_prng_below(&me->run->prng, sizeof buf);
        n = n < me->run->bytes - at ? n : me->run->bytes - at;
        seed_fill(buf, n, me->id, at);
        AW_TRY(aw_stream_write(me->s, buf, n));
        AW_TRY(aw_stream_drain(me->s));
        at += n;
    }
    return aw_stream_write_eof(me->s);
}

/* Everything, and then the end. */
static int receive_all(const struct seed_run *run, aw_stream *s, unsigned id)
{
    char buf[300];
    size_t at = 0;
    for (;;) {
        ssize_t n = aw_stream_read(s, buf, sizeof buf);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return at == run->bytes ? 0 : AW_EOF;
        assert_true(at + (size_t)n <= run->bytes);
        seed_check(buf, (size_t)n, id, at);
        at += (size_t)n;
    }
}

int seed_talk_echo(struct seed_run *run, aw_stream *s, unsigned id);
int seed_talk_echo(struct seed_run *run, aw_stream *s, unsigned id)
{
    struct sender sender = {.run = run, .s = s, .id = id};
    aw_task *sending = aw_create_task(send_all, &sender);
    int err = receive_all(run, s, id);
    if (err < 0)
        aw_ignore(aw_stream_abort(s));
    int sent = aw_join(sending);
    assert_true(sent == 0 || seed_is_loss(sent) || sent == AW_EMISUSE);
    return err;
}

TEST_SLOW(sim_seeds_echo)
{
    seeds(&(struct seed_scenario){.test = "sim_seeds_echo",
                                  .start = start,
                                  .stop = seed_stop_servers,
                                  .talk = seed_talk_echo});
}
