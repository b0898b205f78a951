/*
 * websocket.h - what the fuzz targets of both roles do: bytes come, cut as the first byte says, to
 * a connection that echoes; it has to come to an end, with every message within its limits.
 */
#ifndef TESTS_FUZZ_WEBSOCKET_H
#define TESTS_FUZZ_WEBSOCKET_H

#include <stdint.h>
#include <stdlib.h>

#include <await.h>
#include <await/websocket.h>

enum { MAX_MESSAGE = 2000, MAX_FRAGMENTS = 20 };

struct input {
    const uint8_t *data;
    size_t size;
    bool server;
};

static int echo(void *arg)
{
    aw_websocket *ws = arg;
    aw_websocket_message m;
    int more;
    while ((more = aw_websocket_receive(ws, &m)) > 0) {
        if (m.size > MAX_MESSAGE || m.data[m.size])
            abort();
        more = aw_websocket_send(ws, m.data, m.size, .binary = m.binary);
        if (more == -EILSEQ)
            abort(); /* what came as text is text */
        if (more < 0)
            break;
    }
    if (more == 0 && aw_websocket_close_code(ws) < 1000)
        abort();
    return 0;
}

/* Throw away what is answered, so that nobody waits for room. */
static int drink(void *arg)
{
    char buf[512];
    while (aw_stream_read(arg, buf, sizeof buf) > 0)
        continue;
    return 0;
}

static int feed(aw_stream *s, const struct input *in)
{
    size_t piece = in->data[0] ? in->data[0] : in->size;
    for (size_t at = 1; at < in->size; at += piece) {
        size_t n = in->size - at < piece ? in->size - at : piece;
        if (aw_stream_write(s, in->data + at, n) < 0)
            return 0; /* it has hung up */
        AW_TRY(aw_sleep(0));
    }
    return aw_stream_write_eof(s);
}

static int converse(void *arg)
{
    const struct input *in = arg;
    aw_stream *two[2];
    AW_TRY(aw_stream_pair(two));
    aw_websocket *ws = aw_websocket_from_stream(
        two[0], .server = in->server,
        .limits = {.max_message = MAX_MESSAGE, .max_fragments = MAX_FRAGMENTS});
    if (!ws)
        abort();
    aw_task *a = aw_create_task(echo, ws), *b = aw_create_task(drink, two[1]);
    aw_ignore(feed(two[1], in));
    aw_ignore(aw_join(a));
    aw_websocket_unref(ws);
    aw_stream_unref(two[0]);
    aw_ignore(aw_join(b));
    aw_stream_unref(two[1]);
    return 0;
}

static int fuzz_frames(const uint8_t *data, size_t size, bool server)
{
    struct input in = {data, size, server};
    if (size > 1 && aw_run(converse, &in, .virtual_clock = true, .backend = "epoll") < 0)
        abort();
    return 0;
}

#endif
