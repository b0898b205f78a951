/*
 * receive.c - the packets of Socket.IO that come, and the attachments behind them.
 *
 * Everything here is checked against what a client may send; an error that is returned ends that
 * client's session, and nothing else.
 */
#include <string.h>

#include "sio/sio.h"

enum { ASKERS = 15 }; /* times .max_handlers that may wait for the client's answers besides */

/* ---- connecting ---- */

static int answer_invalid(struct aw_sio_session *s, const struct aw_sio_wire *p)
{
    struct aw_growing t = {0};
    struct aw_sio_wire head = {.type = AW_SIO_CONNECT_ERROR, .nsp = p->nsp, .nsp_len = p->nsp_len};
    aw_growing_addc(&t, AW_EIO_MESSAGE);
    aw_sio_packet_head(&t, &head);
    aw_growing_adds(&t, "{\"message\":\"Invalid namespace\"}");
    struct aw_sio_out *out = t.failed ? NULL : aw_sio_out_new(t.data, t.len);
    int err = out ? aw_sio_session_send(s, out, false) : -ENOMEM;
    aw_sio_out_unref(out);
    aw_growing_clear(&t);
    return err == -EILSEQ ? -EBADMSG : err;
}

static unsigned count_sockets(const struct aw_sio_session *s)
{
    unsigned n = 0;
    aw_list_each(it, &s->sockets) n++;
    return n;
}

static int connect_to(struct aw_sio_session *s, const struct aw_sio_wire *p)
{
    char name[256];
    if (aw_sio_socket_of(s, p->nsp, p->nsp_len))
        return 0; /* JavaScript's client may ask twice, and then waits for one answer */
    if (count_sockets(s) >= s->io->opts.max_namespaces)
        return aw_raise(AW_ELIMIT, "more namespaces than .max_namespaces");
    if (p->nsp_len >= sizeof name || memchr(p->nsp, '\0', p->nsp_len))
        return -EBADMSG;
    memcpy(name, p->nsp, p->nsp_len);
    name[p->nsp_len] = '\0';
    struct aw_sio_node *node = aw_sio_table_find(&s->io->namespaces, name);
    if (!node)
        return answer_invalid(s, p);
    return aw_sio_socket_begin(s, aw_container_of(node, aw_sio_namespace, node), p->json,
                               p->json_len);
}

/* ---- packets ---- */

/* Are there as many handlers at work as may be?  One that asks the client waits for a packet that
 * may lie behind the one in hand, so it does not count, or nothing would ever go on; but a client
 * that never answers must come to an end, too. */
static bool is_full(const struct aw_sio_session *s)
{
    uint64_t most = s->io->opts.max_handlers, askers = most * ASKERS;
    return s->handlers >= most + (s->asking < askers ? s->asking : askers);
}

/* A client may be asked to wait: no more of it is read until one of its handlers has ended. */
static int wait_for_room(struct aw_sio_session *s)
{
    int err = 0;
    while (err >= 0 && s->state == AW_SIO_OPEN && is_full(s)) {
        if (s->room)
            return -EBADMSG; /* two transports at a time */
        s->room = aw_future_new();
        if (!s->room)
            return aw_errno();
        aw_future *f = aw_ref(s->room);
        err = aw_await(f);
        aw_unref(s->room);
        s->room = NULL;
        aw_unref(f);
    }
    return err < 0 ? err : 0;
}

static int begin_event(struct aw_sio_session *s, const struct aw_sio_wire *p)
{
    aw_sio_socket *socket = aw_sio_socket_of(s, p->nsp, p->nsp_len);
    /* One that was disconnected by the server may not know yet. */
    if (!s->was_connected)
        return -EBADMSG;
    aw_sio_event *e = aw_sio_event_new(socket, p, s->io);
    if (!e)
        return aw_errno();
    if (e->n == 0) {
        int err = aw_sio_event_dispatch(e);
        aw_sio_event_unref(e);
        return err;
    }
    s->incoming = e;
    return 0;
}

int aw_sio_receive_text(struct aw_sio_session *s, char *text, size_t n)
{
    struct aw_sio_wire p;
    if (s->incoming)
        return -EBADMSG; /* bytes are due */
    AW_TRY(wait_for_room(s));
    if (s->state != AW_SIO_OPEN)
        return 0;
    int err = aw_sio_packet_decode(&p, text, n, s->io->opts.max_attachments);
    if (err == AW_ELIMIT)
        return aw_raise(err, "more attachments than .max_attachments");
    if (err < 0)
        return err;
    aw_sio_json_mend(p.json, p.json_len);
    if (p.type == AW_SIO_CONNECT)
        return connect_to(s, &p);
    if (p.type != AW_SIO_DISCONNECT)
        return begin_event(s, &p);
    aw_sio_socket *socket = aw_sio_socket_of(s, p.nsp, p.nsp_len);
    if (socket)
        aw_sio_socket_end(socket, "client namespace disconnect");
    return 0;
}

int aw_sio_receive_bytes(struct aw_sio_session *s, const char *data, size_t n)
{
    aw_sio_event *e = s->incoming;
    if (!e)
        return -EBADMSG;
    int err = aw_sio_event_add(e, s->io, data, n);
    if (err < 0 || e->got < e->n)
        return err;
    s->incoming = NULL;
    err = aw_sio_event_dispatch(e);
    aw_sio_event_unref(e);
    return err;
}
