/*
 * A server of lines under many seeds: each request is answered once, in order, though clients send
 * several before they read.
 */
#include "seeds.h"

enum { LINE = 200 };

/* The answer to "<client> <number> ...": the same, and how long the line was. */
static int answer(aw_stream *s, void *arg)
{
    char *line, text[LINE + 40];
    ssize_t n;
    int err = 0;
    (void)arg;
    while ((n = aw_stream_readline(s, &line)) > 0 && err == 0) {
        if (line[n - 1] != '\n')
            return 0; /* the end came in the midst of it */
        int length = snprintf(text, sizeof text, "%zd %s", n, line);
        err = aw_stream_write(s, text, (size_t)length);
        if (err == 0)
            err = aw_stream_drain(s);
    }
    err = n < 0 ? (int)n : err;
    return seed_is_loss(err) ? 0 : err;
}

static unsigned start(struct seed_run *run)
{
    unsigned port;
    run->servers[0] = seed_serve(run, answer, &port);
    return port;
}

static int make_line(char *text, unsigned id, unsigned number)
{
    char fill[LINE];
    size_t n = (id * 37 + number * 11) % (LINE - 40);
    memset(fill, 'a' + (int)(number % 26), n);
    fill[n] = 0;
    return snprintf(text, LINE, "%u %u %s\n", id, number, fill);
}

static int expect_answer(aw_stream *s, unsigned id, unsigned number)
{
    char text[LINE], expected[LINE + 40], *line;
    int length = make_line(text, id, number);
    int all = snprintf(expected, sizeof expected, "%d %s", length, text);
    ssize_t n = aw_stream_readline(s, &line);
    if (n < 0)
        return (int)n;
    if (n == 0 || line[n - 1] != '\n')
        return AW_EOF;
    assert_int_equal(n, all);
    assert_memory_equal(line, expected, (size_t)all);
    return 0;
}

static int talk(struct seed_run *run, aw_stream *s, unsigned id)
{
    unsigned lines = (unsigned)(run->bytes / 40), sent = 0, answered = 0;
    while (answered < lines) {
        char text[LINE];
        unsigned ahead = 1 + (unsigned)aw_prng_below(&run->prng, 8);
        for (; sent < lines && sent < answered + ahead; sent++)
            AW_TRY(aw_stream_write(s, text, (size_t)make_line(text, id, sent)));
        AW_TRY(expect_answer(s, id, answered++));
    }
    return 0;
}

TEST_SLOW(sim_seeds_line)
{
    seeds(&(struct seed_scenario){
        .test = "sim_seeds_line", .start = start, .stop = seed_stop_servers, .talk = talk});
}
