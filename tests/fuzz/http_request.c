/*
 * http_request.c - any bytes as the requests of one connection.
 *
 * The first byte says where the rest is cut in two: the server gets the first part, does with it
 * what it can, and then the second.  Whatever they are, the connection ends in order, every answer
 * begins as one does, and what was answered does not depend on the cut: the same bytes in one piece
 * get the same statuses.  The handler asks everything that there is to be asked.
 */
#include <await.h>
#include <await/http_server.h>
#include <await/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "not so: %s\n", #condition);                                           \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { LIMIT = 1 << 14, STATUSES = 256 };

static aw_http_router *router;

/* ---- the server ---- */

static int answer(aw_http_request *r, void *arg)
{
    const char *name, *value;
    char *body = NULL;
    (void)arg;
    for (size_t i = 0; aw_http_request_field_at(r, i, &name, &value) == 0; i++) {
        MUST(*name && !strpbrk(value, "\r\n"));
        MUST(aw_http_request_field(r, name) != NULL);
        MUST(!aw_http_request_has_token(r, name, ""));
    }
    MUST(aw_http_request_path(r)[0] == '/' || strcmp(aw_http_request_path(r), "*") == 0);
    (void)aw_http_request_argument(r, "c");
    (void)aw_http_request_parameter(r, "id");
    ssize_t n = aw_http_request_body(r, &body);
    if (n < 0)
        return (int)n;
    MUST(strlen(body) <= (size_t)n);
    AW_TRY(aw_http_respond_field(r, "X-Path", "echo"));
    if (aw_http_request_length(r) != 0)
        return aw_http_respond(r, 200, NULL, body, (size_t)n);
    AW_TRY(aw_http_respond_begin(r, 200, NULL, -1));
    AW_TRY(aw_http_respond_write(r, "piece", 5));
    return aw_http_respond_end(r);
}

static int upgrade(aw_http_request *r, void *arg)
{
    aw_stream *s;
    char byte;
    (void)arg;
    int err = aw_http_upgrade(r, 101, &s);
    if (err < 0)
        return err;
    while (aw_stream_read(s, &byte, 1) > 0)
        ;
    return 0;
}

static void nothing(const aw_http_log_entry *entry, void *arg)
{
    (void)arg;
    MUST(strlen(entry->text) < 2048 && !strpbrk(entry->text, "\r\n"));
}

/* ---- a conversation ---- */

struct talk {
    const unsigned char *data;
    size_t n, cut;
    aw_stream *two[2];
    char got[65536];
    size_t n_got;
};

static int serve(void *arg)
{
    struct talk *t = arg;
    int err = aw_http_serve_stream(t->two[1], aw_http_router_handler, router, .logger = nothing,
                                   .max_body = 1000, .max_head = 2000, .max_fields = 10);
    MUST(err == 0 || err == -EINVAL);
    return aw_stream_close(t->two[1]);
}

static int say(void *arg)
{
    struct talk *t = arg;
    if (aw_stream_write(t->two[0], t->data, t->cut) < 0)
        return 0;
    AW_TRY(aw_wait_all_blocked());
    if (aw_stream_write(t->two[0], t->data + t->cut, t->n - t->cut) >= 0)
        aw_ignore(aw_stream_write_eof(t->two[0]));
    return 0;
}

static int hear(void *arg)
{
    struct talk *t = arg;
    char rest[4096];
    for (ssize_t n = 1; n > 0;) {
        size_t room = sizeof t->got - 1 - t->n_got;
        n = room ? aw_stream_read(t->two[0], t->got + t->n_got, room)
                 : aw_stream_read(t->two[0], rest, sizeof rest);
        t->n_got += room && n > 0 ? (size_t)n : 0;
    }
    t->got[t->n_got] = '\0';
    return 0;
}

static int converse(void *arg)
{
    struct talk *t = arg;
    AW_TRY(aw_stream_pair(t->two));
    int err = aw_gather(AW_CORO(serve, t), AW_CORO(say, t), AW_CORO(hear, t));
    aw_stream_unref(t->two[0]);
    aw_stream_unref(t->two[1]);
    return err;
}

static struct talk whole, split;

static void run(struct talk *t, const unsigned char *data, size_t n, size_t cut)
{
    t->data = data;
    t->n = n;
    t->cut = cut;
    t->n_got = 0;
    MUST(aw_run(converse, t, .virtual_clock = true) == 0);
    MUST(t->n_got == 0 || strncmp(t->got, "HTTP/1.1 ", 9) == 0);
}

/* The statuses of all answers, one after the other. */
static void statuses(const struct talk *t, char *ret)
{
    size_t len = 0;
    for (const char *at = t->got; (at = strstr(at, "HTTP/1.1 ")) && len + 4 < STATUSES; at++) {
        memcpy(ret + len, at + 9, 3);
        len += 3;
    }
    ret[len] = '\0';
}

static void prepare(void)
{
    router = aw_http_router_new();
    MUST(router != NULL);
    MUST(aw_http_route(router, "GET", "/up", upgrade, NULL) == 0);
    MUST(aw_http_route(router, "GET", "/users/:id/posts/:id", answer, NULL) == 0);
    MUST(aw_http_route(router, "*", "/*rest", answer, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    char one[STATUSES], other[STATUSES];
    if (n < 2 || n > LIMIT)
        return 0;
    if (!router)
        prepare();
    size_t cut = data[0] % n;
    data++;
    n--;
    run(&whole, data, n, n);
    run(&split, data, n, cut > n ? n : cut);
    statuses(&whole, one);
    statuses(&split, other);
    if (strcmp(one, other) != 0)
        fprintf(stderr, "in one piece %s, cut after %zu %s\n", one, cut, other);
    MUST(strcmp(one, other) == 0);
    return 0;
}
