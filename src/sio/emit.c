/*
 * emit.c - sending: to one socket, to many, as an answer, as a question.
 *
 * Who gets a broadcast.  Each has a number, its stamp, and each socket the stamp of the latest that
 * it has had.  Those who are excepted are stamped first, without sending; who is in two rooms is
 * stamped by the first.
 */
#include <math.h>
#include <string.h>

#include "await/compose.h"
#include "await/scope.h"
#include "sio/sio.h"

/* ---- to one ---- */

static int send_draft(aw_sio_socket *s, struct aw_sio_draft *d, const aw_sio_emit_opts *o)
{
    d->nsp = s->ns->name;
    d->json = o->json;
    d->value = o->value;
    d->attachments = o->attachments;
    d->n_attachments = o->n_attachments;
    if (s->state != AW_SIO_CONNECTED)
        return -ENOTCONN;
    struct aw_sio_out *out = aw_sio_encode(s->ns->io, d);
    int err = out ? aw_sio_session_send(s->session, out, o->is_volatile) : aw_errno();
    aw_sio_out_unref(out);
    return err;
}

static int check_target(const aw_sio_socket *s)
{
    return s ? aw_sio_here(s->ns->io) : -EINVAL;
}

int aw_sio_emit_(const aw_sio_emit_opts *o)
{
    AW_TRY(check_target(o->socket));
    if (!o->event)
        return -EINVAL;
    return send_draft(o->socket, &(struct aw_sio_draft){.type = AW_SIO_EVENT, .event = o->event},
                      o);
}

int aw_sio_ack_(const aw_sio_emit_opts *o)
{
    aw_sio_event *e = o->to;
    if (!e)
        return -EINVAL;
    AW_TRY(check_target(e->socket));
    if (!e->wants_ack || e->acked)
        return e->wants_ack ? AW_ESTATE : AW_EMISUSE;
    AW_TRY(send_draft(e->socket,
                      &(struct aw_sio_draft){.type = AW_SIO_ACK, .has_id = true, .id = e->id}, o));
    e->acked = true;
    return 0;
}

/* ---- questions ---- */

/* A reader that waits for a handler to end must go on: what comes next may be the answer. */
static int await_answer(const struct aw_sio_question *q, const aw_sio_emit_opts *o)
{
    struct aw_sio_session *session = o->socket->session;
    session->asking++;
    aw_sio_session_make_room(session);
    int err = o->timeout == INFINITY ? aw_await(q->done)
                                     : aw_wait_for(q->done, o->timeout != 0 ? o->timeout : 20);
    session->asking--;
    return err;
}

/* Ask, and wait.  The question is on the socket's list until it is answered or given up. */
static int ask(struct aw_sio_question *q, const aw_sio_emit_opts *o)
{
    aw_sio_socket *s = o->socket;
    aw_list_push_back(&s->questions, &q->link);
    int err = send_draft(s,
                         &(struct aw_sio_draft){
                             .type = AW_SIO_EVENT, .has_id = true, .id = q->id, .event = o->event},
                         o);
    if (err == 0)
        err = await_answer(q, o);
    aw_list_remove(&q->link);
    return err;
}

int aw_sio_call_(const aw_sio_emit_opts *o)
{
    aw_sio_socket *s = o->socket;
    if (o->ret)
        *o->ret = NULL;
    AW_TRY(check_target(s));
    if (!o->event || isnan(o->timeout))
        return -EINVAL;
    if (!aw_current_task())
        return AW_EMISUSE;
    struct aw_sio_question q = {.id = s->next_id++, .done = aw_future_new()};
    if (!q.done)
        return aw_errno();
    aw_list_init(&q.link);
    aw_sio_socket_ref(s);
    int err = ask(&q, o);
    aw_unref(q.done);
    aw_sio_socket_unref(s);
    if (err == 0 && o->ret)
        *o->ret = q.answer;
    else
        aw_sio_event_unref(q.answer);
    return err;
}

/* ---- to many ---- */

/* Who is to get it: stamped with `stamp` is done with. */
struct round {
    struct aw_sio_out *out; /* NULL: nobody, they are excepted */
    uint64_t stamp;
    bool is_volatile;
};

static void visit(aw_sio_socket *s, const struct round *r)
{
    if (s->stamp == r->stamp)
        return;
    s->stamp = r->stamp;
    if (r->out) /* one that cannot be sent to is doomed, and a matter of its own */
        aw_ignore(aw_sio_session_send(s->session, r->out, r->is_volatile));
}

static void visit_room(const aw_sio_namespace *ns, const char *name, const struct round *r)
{
    aw_sio_socket *own = aw_sio_find(ns, name);
    struct aw_sio_room *room = aw_sio_room_find(ns, name);
    if (own)
        visit(own, r);
    for (aw_list *it = room ? room->members.next : NULL; it && it != &room->members; it = it->next)
        visit(aw_container_of(it, struct aw_sio_member, in_room)->socket, r);
}

static void send_round(aw_sio_namespace *ns, const aw_sio_packet *p, struct aw_sio_out *out)
{
    struct round r = {.stamp = ++ns->stamp};
    for (size_t i = 0; i < p->n_except; i++)
        visit_room(ns, p->except[i], &r);
    r.out = out;
    r.is_volatile = p->is_volatile;
    for (size_t i = 0; i < p->n_rooms; i++)
        visit_room(ns, p->rooms[i], &r);
    if (p->n_rooms > 0)
        return;
    aw_list_each(it, &ns->sockets) visit(aw_container_of(it, aw_sio_socket, namespace_link), &r);
}

int aw_sio_deliver(aw_sio_namespace *ns, const aw_sio_packet *p)
{
    if (!ns || !p || !p->event)
        return -EINVAL;
    AW_TRY(aw_sio_here(ns->io));
    struct aw_sio_out *out = aw_sio_encode(ns->io, &(struct aw_sio_draft){
                                                       .type = AW_SIO_EVENT,
                                                       .nsp = ns->name,
                                                       .event = p->event,
                                                       .json = p->json,
                                                       .attachments = p->attachments,
                                                       .n_attachments = p->n_attachments,
                                                   });
    if (!out)
        return aw_errno();
    send_round(ns, p, out);
    aw_sio_out_unref(out);
    return 0;
}

/* ---- broadcasts ---- */

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* One name, a list of them and another one, in an array. */
static size_t gather(const char **to, const char *one, const char *const *list, const char *other)
{
    size_t n = 0;
    if (one)
        to[n++] = one;
    for (; list && *list; list++)
        to[n++] = *list;
    if (other)
        to[n++] = other;
    return n;
}

static int broadcast(const aw_sio_emit_opts *o, aw_sio_packet *p, const char **names)
{
    p->rooms = names;
    p->n_rooms = gather(names, o->room, o->rooms, NULL);
    p->except = names + p->n_rooms;
    p->n_except = gather(names + p->n_rooms, o->except_room, o->except_rooms,
                         o->except_socket ? o->except_socket->id : NULL);
    AW_TRY(aw_sio_deliver(o->ns, p));
    const aw_sio_adapter *adapter = o->ns->io->adapter;
    return adapter ? adapter->broadcast(o->ns, p, o->ns->io->adapter_arg) : 0;
}

int aw_sio_broadcast_(const aw_sio_emit_opts *o)
{
    enum { FEW = 16 };
    const char *few[FEW], **names = few;
    if (!o->ns || !o->event || (o->json && o->value))
        return -EINVAL;
    AW_TRY(aw_sio_here(o->ns->io));
    size_t n = count(o->rooms) + count(o->except_rooms) + 3;
    struct aw_growing written = {0};
    if (o->value && aw_json_write(&written, o->value, o->ns->io->opts.max_depth) == 0)
        aw_growing_addc(&written, '\0');
    int err = written.failed;
    if (err == 0 && n > FEW && !(names = aw_mem_alloc(n * sizeof *names)))
        err = -ENOMEM;
    aw_sio_packet p = {
        .event = o->event,
        .json = o->value  ? written.data
                : o->json ? o->json
                          : "[]",
        .attachments = o->attachments,
        .n_attachments = o->n_attachments,
        .is_volatile = o->is_volatile,
    };
    if (err == 0)
        err = broadcast(o, &p, names);
    if (names != few)
        aw_mem_free(names);
    aw_growing_clear(&written);
    return err;
}
