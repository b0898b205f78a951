/*
 * frame.c - wslay's frames behind four calls; no other file knows of it.
 *
 * Only wslay's lower half is used.  Its upper half keeps messages, and queues of them, by itself:
 * up to 2 GiB, and a pong for each ping without bound, in contexts of 8 KiB.
 */
#include <assert.h>
#include <string.h>

#include <wslay/wslay.h>

#include "ws/frame.h"

static ssize_t on_receive(uint8_t *buf, size_t n, int flags, void *arg)
{
    struct ws_codec *c = arg;
    (void)flags;
    ssize_t got = c->source(c->arg, buf, n);
    if (got > 0)
        c->ahead += (size_t)got;
    else
        c->error = (int)got;
    return got > 0 ? got : -1;
}

/* The header comes first, in one piece; then the payload, in one or (masked) in several. */
static ssize_t on_send(const uint8_t *data, size_t n, int flags, void *arg)
{
    const struct ws_codec *c = arg;
    struct ws_sink *sink = c->sink;
    (void)flags;
    if (!sink->header_size) {
        assert(n <= sizeof sink->header);
        memcpy(sink->header, data, n);
        sink->header_size = n;
    } else {
        if (sink->mask)
            memcpy(sink->room + sink->payload_size, data, n);
        sink->payload = sink->mask ? sink->room : data;
        sink->payload_size += n;
    }
    return (ssize_t)n;
}

static int on_mask(uint8_t *buf, size_t n, void *arg)
{
    const struct ws_codec *c = arg;
    memcpy(buf, c->sink->mask, n);
    return 0;
}

static const struct wslay_frame_callbacks callbacks = {on_send, on_receive, on_mask};

static int awake(struct ws_codec *c)
{
    if (!c->wslay && wslay_frame_context_init(&c->wslay, &callbacks, c) != 0)
        return -ENOMEM;
    return 0;
}

/* Bytes that the header of such a frame has. */
static size_t header_size(const struct wslay_frame_iocb *frame)
{
    size_t length = frame->payload_length < 126 ? 0 : frame->payload_length <= UINT16_MAX ? 2 : 8;
    return 2 + length + (frame->mask ? 4 : 0);
}

int ws_codec_next(struct ws_codec *c, struct ws_piece *ret)
{
    struct wslay_frame_iocb frame = {0};
    AW_TRY(awake(c));
    c->error = 0;
    ssize_t n = wslay_frame_recv(c->wslay, &frame);
    if (n == WSLAY_ERR_WANT_READ || n == WSLAY_ERR_INVALID_CALLBACK)
        return c->error;
    if (n < 0)
        return -EPROTO;
    *ret = (struct ws_piece){.data = frame.data,
                             .size = frame.data_length,
                             .length = frame.payload_length,
                             .opcode = frame.opcode,
                             .reserved = frame.rsv,
                             .fin = frame.fin,
                             .masked = frame.mask,
                             .first = c->seen == 0};
    c->ahead -= frame.data_length + (ret->first ? header_size(&frame) : 0);
    c->seen += frame.data_length;
    ret->last = c->seen == frame.payload_length;
    if (ret->last)
        c->seen = 0;
    return 1;
}

void ws_codec_free(struct ws_codec *c)
{
    wslay_frame_context_free(c->wslay);
    c->wslay = NULL;
}

void ws_codec_rest(struct ws_codec *c)
{
    if (c->wslay && !c->ahead && !c->seen)
        ws_codec_free(c);
}

int ws_codec_encode(struct ws_codec *c, struct ws_sink *sink, uint8_t opcode, bool fin,
                    const void *data, size_t n)
{
    struct wslay_frame_iocb frame = {.fin = fin,
                                     .opcode = opcode,
                                     .payload_length = n,
                                     .mask = sink->mask != NULL,
                                     .data = data,
                                     .data_length = n};
    AW_TRY(awake(c));
    sink->header_size = sink->payload_size = 0;
    c->sink = sink;
    ssize_t sent = wslay_frame_send(c->wslay, &frame);
    c->sink = NULL;
    assert(sent == (ssize_t)n && sink->payload_size == n); /* a sink takes everything */
    return 0;
}
