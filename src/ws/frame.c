/*
 * frame.c - wslay's frames behind three calls; no other file knows of it.
 *
 * Only that half of wslay is used which takes frames apart.  What it has above frames keeps
 * messages, and queues of them, by itself: up to 2 GiB, and a pong for each ping without bound, in
 * contexts of 8 KiB.  And what makes frames wants a context and 4 KiB of the task's stack, which
 * would then be held by every connection that waits, for a header of a few bytes.
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

/* Nothing is ever sent through a context. */
static ssize_t on_send(const uint8_t *data, size_t n, int flags, void *arg)
{
    (void)data, (void)n, (void)flags, (void)arg;
    return -1;
}

static int on_mask(uint8_t *buf, size_t n, void *arg)
{
    (void)buf, (void)n, (void)arg;
    return -1;
}

static const struct wslay_frame_callbacks callbacks = {on_send, on_receive, on_mask};

static int awake(struct ws_codec *c)
{
    if (!c->wslay && wslay_frame_context_init(&c->wslay, &callbacks, c) != 0)
        return -ENOMEM;
    return 0;
}

/* ---- short frames ---- */

/* Eight bytes at a time: the mask stands there twice.  Both may be the same place. */
static void put_masked(uint8_t *to, const uint8_t *from, size_t n, const uint8_t mask[4])
{
    uint64_t eight, masks;
    size_t i = 0;
    memcpy(&masks, mask, 4);
    memcpy((uint8_t *)&masks + 4, mask, 4);
    for (; n - i >= sizeof eight; i += sizeof eight) {
        memcpy(&eight, from + i, sizeof eight);
        eight ^= masks;
        memcpy(to + i, &eight, sizeof eight);
    }
    for (; i < n; i++)
        to[i] = from[i] ^ mask[i % 4];
}

/* Of what is there: 1, or an error; 0: it is no short frame, not there as a whole, or wrong. */
static int take_short(struct ws_codec *c, const char *head, size_t there, uint8_t room[WS_ROOM],
                      struct ws_piece *ret)
{
    if (there < 2)
        return 0;
    uint8_t first = (uint8_t)head[0], second = (uint8_t)head[1];
    size_t size = second & 0x7f, mask = second & 0x80 ? 4 : 0, whole = 2 + mask + size;
    bool is_broken = (first & WS_CLOSE) && !(first & 0x80); /* a control frame in pieces */
    if (size > WS_SHORT_MAX || there < whole || is_broken)
        return 0;
    ssize_t n = c->source(c->arg, room, whole);
    if (n < 0)
        return (int)n;
    assert((size_t)n == whole);
    if (mask)
        put_masked(room + 6, room + 6, size, room + 2);
    *ret = (struct ws_piece){.data = room + 2 + mask,
                             .size = size,
                             .length = size,
                             .opcode = first & 0x0f,
                             .reserved = first >> 4 & 7,
                             .fin = first & 0x80,
                             .masked = mask != 0,
                             .first = true,
                             .last = true};
    return 1;
}

/* ---- all others ---- */

/* Bytes that the header of such a frame has. */
static size_t header_size(const struct wslay_frame_iocb *frame)
{
    size_t length = frame->payload_length < 126 ? 0 : frame->payload_length <= UINT16_MAX ? 2 : 8;
    return 2 + length + (frame->mask ? 4 : 0);
}

static int take_any(struct ws_codec *c, struct ws_piece *ret)
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

int ws_codec_next(struct ws_codec *c, uint8_t room[WS_ROOM], struct ws_piece *ret)
{
    const char *head = NULL;
    if (c->wslay)
        return take_any(c, ret);
    size_t there = c->peek(c->arg, &head);
    int taken = take_short(c, head, there, room, ret);
    return taken || !there ? taken : take_any(c, ret);
}

void ws_codec_free(struct ws_codec *c)
{
    wslay_frame_context_free(c->wslay);
    c->wslay = NULL;
    c->ahead = 0;
    c->seen = 0;
}

void ws_codec_rest(struct ws_codec *c)
{
    if (c->wslay && !c->ahead && !c->seen)
        ws_codec_free(c);
}

size_t ws_encode(uint8_t *place, uint8_t opcode, bool fin, const uint8_t *mask, const void *data,
                 size_t n)
{
    uint8_t *at = place;
    unsigned bytes = n < 126 ? 0 : n <= UINT16_MAX ? 2 : 8, bit = mask ? 0x80 : 0;
    *at++ = (uint8_t)(opcode | (fin ? 0x80 : 0));
    *at++ = (uint8_t)((bytes == 8 ? 127 : bytes == 2 ? 126 : n) | bit);
    while (bytes)
        *at++ = (uint8_t)((uint64_t)n >> 8 * --bytes);
    if (mask) {
        memcpy(at, mask, 4);
        put_masked(at + 4, data, n, mask);
        at += 4;
    } else if (n) {
        memcpy(at, data, n);
    }
    return (size_t)(at - place) + n;
}
