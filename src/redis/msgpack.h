/*
 * msgpack.h - msgpack, by msgpack-c: the one place that knows of it.
 */
#ifndef AW_REDIS_MSGPACK_H
#define AW_REDIS_MSGPACK_H

#include "await/socketio.h"
#include "text/growing.h"

/* ---- writing, piece by piece ---- */

void rd_pack_nil(struct aw_growing *out);
void rd_pack_bool(struct aw_growing *out, bool value);
void rd_pack_integer(struct aw_growing *out, int64_t value);
void rd_pack_real(struct aw_growing *out, double value);
void rd_pack_string(struct aw_growing *out, const char *text, size_t n);
void rd_pack_text(struct aw_growing *out, const char *text);
void rd_pack_bytes(struct aw_growing *out, const void *data, size_t n);
void rd_pack_array(struct aw_growing *out, size_t n);
void rd_pack_map(struct aw_growing *out, size_t n);

/* ---- reading ---- */

enum { RD_ATTACHMENTS = 64 };

/* A broadcast of another server: [uid, packet, opts], or, if clients are to be asked,
 * {uid, requestId, type: 7, packet, opts}.  Everything is its own. */
struct rd_broadcast {
    const char *uid, *nsp;
    const char *request_id; /* NULL: nobody is asked */
    aw_sio_packet packet;
    double timeout; /* seconds for the answers; 0: not said */
    /* private */
    char *arena;
    size_t used;
    struct aw_growing json;
    aw_sio_bytes attachments[RD_ATTACHMENTS];
    const char **names;
};

/* 0; -EBADMSG: it is none; AW_ELIMIT: too many attachments; -ENOMEM.  Then there is nothing to
 * clear. */
int rd_broadcast_read(struct rd_broadcast *b, const char *data, size_t n);
void rd_broadcast_clear(struct rd_broadcast *b);

#endif
