/*
 * frame.h - frames from bytes and bytes from frames: the adapter to wslay.
 *
 * wslay's context holds 4 KiB to read into, and has nothing to remember between two frames of which
 * everything was taken.  So a codec has a context only while it is at work: ws_codec_rest() gives
 * it back when nothing is half done.  The codec knows that by counting: bytes that wslay was given,
 * less those of the frames that it gave back.
 *
 * And a frame that is short, and there as a whole, needs no context at all: its header is two bytes
 * and a mask.  To make one, clear it and free it again for each message of a few bytes was more
 * work than everything else that is done about such a message outside of the kernel.
 */
#ifndef AW_WS_FRAME_H
#define AW_WS_FRAME_H

#include "await/stream.h"
#include "base/base.h"

enum ws_opcode {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

/* The longest header: two bytes, a length of eight, a mask.  And a short frame: the longest payload
 * whose length stands in the second byte, with its header. */
enum { WS_HEADER_MAX = 14, WS_SHORT_MAX = 125, WS_ROOM = WS_SHORT_MAX + 6 };

/* Where bytes come from: more than 0; 0: none for now; an error.  And how many are there without
 * waiting, and where they lie, to be looked at. */
typedef ssize_t ws_source(void *arg, void *buf, size_t n);
typedef size_t ws_peek(void *arg, const char **ret);

struct ws_codec {
    struct wslay_frame_context *wslay; /* NULL: at rest */
    ws_source *source;
    ws_peek *peek;
    void *arg;
    int error;     /* of the source, on its way through wslay */
    size_t ahead;  /* bytes that wslay was given and has not given back */
    uint64_t seen; /* of the frame that is coming: bytes of its payload */
};

/* A part of a frame, unmasked. */
struct ws_piece {
    const uint8_t *data; /* valid until the next call */
    size_t size;
    uint64_t length; /* of the whole frame's payload */
    uint8_t opcode, reserved;
    bool fin, masked;
    bool first, last; /* of its frame */
};

/* The next part: 1; 0: there is none for now; -EPROTO for a frame that no one may send; the
 * source's error; -ENOMEM.  A short frame lies in `room` then. */
int ws_codec_next(struct ws_codec *c, uint8_t room[WS_ROOM], struct ws_piece *ret);

/* Hold no memory, if nothing is half done. */
void ws_codec_rest(struct ws_codec *c);
void ws_codec_free(struct ws_codec *c);

/* Write a frame to `place`, which has room for WS_HEADER_MAX bytes and n: how many it has.  `mask`
 * is four bytes; NULL: it is not masked. */
size_t ws_encode(uint8_t *place, uint8_t opcode, bool fin, const uint8_t *mask, const void *data,
                 size_t n);

#endif
