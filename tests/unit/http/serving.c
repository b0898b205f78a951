/*
 * serving.c - conversations with a server over a pair of streams.
 */
#include "serving.h"

#include <stdarg.h>

static void take_down(const aw_http_log_entry *e, void *arg)
{
    struct talk *t = arg;
    if (!e->refused)
        return;
    size_t len = strlen(t->told);
    t->refusals++;
    snprintf(t->told + len, sizeof t->told - len, "%s\n", e->text);
}

int tell_back(aw_http_request *r, void *arg)
{
    char *body = NULL, text[4096];
    (void)arg;
    ssize_t n = aw_http_request_body(r, &body);
    if (n < 0)
        return (int)n;
    int len = snprintf(text, sizeof text, "%s %s?%s %s", aw_http_request_method(r),
                       aw_http_request_path(r), aw_http_request_query(r), body);
    size_t most = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    return aw_http_respond(r, 200, "text/plain", text, most);
}

struct ends {
    struct talk *t;
    aw_stream *client, *server;
};

static int serve(void *arg)
{
    struct ends *e = arg;
    aw_http_server_opts opts = e->t->opts;
    opts.handler = e->t->handler ? e->t->handler : tell_back;
    opts.arg = e->t->arg;
    opts.logger = opts.logger ? opts.logger : take_down;
    opts.logger_arg = opts.logger_arg ? opts.logger_arg : e->t;
    e->t->result = aw_http_serve_stream_(e->server, &opts);
    aw_ignore(aw_stream_close(e->server));
    return 0;
}

/* The server may have ended the connection meanwhile: that is no error here. */
static int say_it(void *arg)
{
    struct ends *e = arg;
    const struct talk *t = e->t;
    size_t n = t->n ? t->n : strlen(t->sent);
    size_t piece = t->split ? t->split : t->piece ? t->piece : n;
    for (size_t at = 0; at < n;) {
        size_t m = n - at < piece ? n - at : piece;
        if (aw_stream_write(e->client, t->sent + at, m) < 0)
            return 0;
        at += m;
        piece = t->split ? n : piece;
        AW_TRY(t->pause > 0 ? aw_sleep(t->pause) : at < n ? aw_wait_all_blocked() : 0);
    }
    if (!t->keeps_open)
        aw_ignore(aw_stream_write_eof(e->client));
    return 0;
}

static int hear_it(void *arg)
{
    struct ends *e = arg;
    struct talk *t = e->t;
    for (;;) {
        ssize_t n = aw_stream_read(e->client, t->got + t->n_got, GOT_MAX - 1 - t->n_got);
        if (n <= 0)
            break;
        t->n_got += (size_t)n;
    }
    t->got[t->n_got] = '\0';
    return 0;
}

void talk(struct talk *t)
{
    aw_stream *two[2];
    assert_int_equal(aw_stream_pair(two), 0);
    struct ends e = {.t = t, .client = two[0], .server = two[1]};
    static char rooms[6][GOT_MAX];
    static int next;
    if (!t->got)
        t->got = rooms[next++ % 6];
    t->n_got = 0;
    t->got[0] = t->told[0] = '\0';
    t->refusals = 0;
    assert_int_equal(aw_gather(AW_CORO(serve, &e), AW_CORO(say_it, &e), AW_CORO(hear_it, &e)), 0);
    aw_stream_unref(two[0]);
    aw_stream_unref(two[1]);
}

struct talk *talk_with(const struct talk *t)
{
    static struct talk talks[4]; /* a few may be compared */
    static int next;
    struct talk *mine = &talks[next++ % 4];
    *mine = *t;
    talk(mine);
    return mine;
}

/* Where the i-th answer begins; bodies in these tests do not look like one. */
static const char *answer_at(const struct talk *t, int i)
{
    const char *at = strstr(t->got, "HTTP/1.1 ");
    while (at && i-- > 0)
        at = strstr(at + 1, "HTTP/1.1 ");
    return at;
}

int status_of(const struct talk *t, int i)
{
    const char *at = answer_at(t, i);
    return at ? (int)strtol(at + 9, NULL, 10) : 0;
}

int answers(const struct talk *t)
{
    int n = 0;
    while (answer_at(t, n))
        n++;
    return n;
}

bool has_line(const struct talk *t, const char *line)
{
    char text[512];
    snprintf(text, sizeof text, "\r\n%s\r\n", line);
    const char *end = strstr(t->got, "\r\n\r\n"), *at = strstr(t->got, text);
    return at && end && at <= end;
}
