/*
 * packet.c - the heads of Socket.IO's packets, both ways.
 */
#include <string.h>

#include "sio/packet.h"

/* What is left to be read. */
struct cursor {
    char *at, *end;
};

/* A number of at most 15 digits, which every number of JavaScript can tell exactly. */
static int read_number(struct cursor *c, uint64_t *ret)
{
    char *begin = c->at;
    uint64_t n = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        if (c->at - begin == 15)
            return -EBADMSG;
        n = n * 10 + (uint64_t)(*c->at++ - '0');
    }
    *ret = n;
    return c->at > begin ? 0 : -EBADMSG;
}

static int read_attachments(struct cursor *c, unsigned *ret, unsigned limit)
{
    uint64_t n;
    if (read_number(c, &n) < 0 || c->at == c->end || *c->at++ != '-')
        return -EBADMSG;
    if (n > limit)
        return AW_ELIMIT;
    *ret = (unsigned)n;
    return 0;
}

static void read_namespace(struct cursor *c, struct aw_sio_wire *p)
{
    p->nsp = "/";
    p->nsp_len = 1;
    if (c->at == c->end || *c->at != '/')
        return;
    size_t left = (size_t)(c->end - c->at);
    char *comma = memchr(c->at, ',', left);
    p->nsp = c->at;
    p->nsp_len = comma ? (size_t)(comma - c->at) : left;
    c->at = comma ? comma + 1 : c->end;
}

static bool has_number(enum aw_sio_type type)
{
    return type == AW_SIO_EVENT || type == AW_SIO_ACK || type == AW_SIO_BINARY_EVENT ||
           type == AW_SIO_BINARY_ACK;
}

/* What each type must and must not have behind its head. */
static bool complete(const struct aw_sio_wire *p)
{
    switch (p->type) {
    case AW_SIO_CONNECT:
        return true;
    case AW_SIO_DISCONNECT:
        return p->json_len == 0;
    case AW_SIO_EVENT:
    case AW_SIO_BINARY_EVENT:
        return p->json_len > 0;
    case AW_SIO_ACK:
    case AW_SIO_BINARY_ACK:
        return p->json_len > 0 && p->has_id;
    case AW_SIO_CONNECT_ERROR: /* only a server says so */
        break;
    }
    return false;
}

int aw_sio_packet_decode(struct aw_sio_wire *ret, char *text, size_t n, unsigned max_attachments)
{
    struct cursor c = {.at = text, .end = text + n};
    if (n < 1 || text[0] < '0' || text[0] > '6')
        return -EBADMSG;
    struct aw_sio_wire p = {.type = (enum aw_sio_type)(*c.at++ - '0')};
    int err = 0;
    if (p.type >= AW_SIO_BINARY_EVENT)
        err = read_attachments(&c, &p.attachments, max_attachments);
    if (err < 0)
        return err;
    read_namespace(&c, &p);
    if (has_number(p.type) && c.at < c.end && *c.at >= '0' && *c.at <= '9') {
        err = read_number(&c, &p.id);
        p.has_id = err == 0;
    }
    p.json = c.at;
    p.json_len = (size_t)(c.end - c.at);
    if (err < 0 || !complete(&p))
        return -EBADMSG;
    *ret = p;
    return 0;
}

void aw_sio_packet_head(struct aw_growing *out, const struct aw_sio_wire *p)
{
    aw_growing_addc(out, (char)('0' + p->type));
    if (p->type >= AW_SIO_BINARY_EVENT) {
        aw_growing_addu(out, p->attachments);
        aw_growing_addc(out, '-');
    }
    if (p->nsp_len != 1 || p->nsp[0] != '/') {
        aw_growing_add(out, p->nsp, p->nsp_len);
        aw_growing_addc(out, ',');
    }
    if (p->has_id)
        aw_growing_addu(out, p->id);
}

bool aw_sio_reserved(const char *name, size_t n)
{
    static const char *const names[] = {"connect",       "connect_error", "disconnect",
                                        "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
            return true;
    return false;
}
