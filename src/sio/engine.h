/*
 * engine.h - packets of Engine.IO, version 4, and the payloads that carry several of them.
 *
 *     packet          type character, then text          "4hello"  "2probe"  "3"
 *     in a payload    the same, and binary as 'b' and base64, joined by the byte 0x1e
 *     in a WebSocket  a text frame is such a packet, a binary frame the bytes of a message
 *
 * Nothing here allocates or keeps anything: packets point into what was received.
 */
#ifndef AW_SIO_ENGINE_H
#define AW_SIO_ENGINE_H

#include "base/base.h"

enum aw_eio_type {
    AW_EIO_OPEN = '0',
    AW_EIO_CLOSE = '1',
    AW_EIO_PING = '2',
    AW_EIO_PONG = '3',
    AW_EIO_MESSAGE = '4',
    AW_EIO_UPGRADE = '5',
    AW_EIO_NOOP = '6',
};

#define AW_EIO_SEPARATOR '\x1e'

struct aw_eio_packet {
    enum aw_eio_type type;
    bool binary; /* a message of bytes, not of text */
    char *data;  /* what follows the type; not terminated */
    size_t len;
};

/* A packet of text.  0, or -EBADMSG for one without a type that exists. */
int aw_eio_decode(struct aw_eio_packet *ret, char *text, size_t n);

/* A payload that is being taken apart, in place. */
struct aw_eio_payload {
    char *at, *end; /* what is left; at is NULL when the last packet has been taken */
    size_t left;    /* how many packets it may still have */
};

/* Begin with the payload in `text`, which may hold up to `limit` packets. */
void aw_eio_payload_begin(struct aw_eio_payload *p, char *text, size_t n, size_t limit);

/* The next packet: 1; 0 at the end; -EBADMSG for what is no packet, as the empty one; AW_ELIMIT for
 * one packet too many.  Base64 is decoded where it stands. */
int aw_eio_payload_next(struct aw_eio_payload *p, struct aw_eio_packet *ret);

#endif
