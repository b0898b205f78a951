/*
 * packet.h - packets of Socket.IO, protocol version 5: what is inside Engine.IO's messages.
 *
 *     type [attachments '-'] [namespace ','] [acknowledgement id] [JSON]
 *     5    1-                /admin,          42                   ["name",{"_placeholder":...}]
 *
 * Reading one gives its parts, which point into the text; whether the JSON is any, and the right
 * one for the type, is seen when it is parsed (json.h).  Every number is checked against its limit
 * before anything is made of it.
 */
#ifndef AW_SIO_PACKET_H
#define AW_SIO_PACKET_H

#include "base/base.h"
#include "text/growing.h"

enum aw_sio_type {
    AW_SIO_CONNECT,
    AW_SIO_DISCONNECT,
    AW_SIO_EVENT,
    AW_SIO_ACK,
    AW_SIO_CONNECT_ERROR,
    AW_SIO_BINARY_EVENT,
    AW_SIO_BINARY_ACK,
};

struct aw_sio_wire {
    enum aw_sio_type type;
    unsigned attachments; /* binary frames that follow */
    bool has_id;
    uint64_t id;     /* of the acknowledgement that is asked for, or given */
    const char *nsp; /* the namespace, "/" where none is named; not terminated */
    size_t nsp_len;
    char *json; /* the rest, perhaps nothing; not terminated */
    size_t json_len;
};

/* The parts of what a client has sent.  0; -EBADMSG for what is no packet that a client may send;
 * AW_ELIMIT for too many attachments. */
int aw_sio_packet_decode(struct aw_sio_wire *ret, char *text, size_t n, unsigned max_attachments);

/* The head of a packet, up to where its JSON begins. */
void aw_sio_packet_head(struct aw_growing *out, const struct aw_sio_wire *p);

/* Is it an event's name that only the library itself uses? */
bool aw_sio_reserved(const char *name, size_t n);

#endif
