/*
 * event.c - what clients have sent: events for handlers, answers for who has asked.
 *
 * An event owns a copy of its packet's JSON, in which the array of arguments is made by taking the
 * name out where it stands: "[\"name\",1,2]" becomes "[1,2]" by one changed byte.
 */
#include <string.h>

#include "sio/json.h"
#include "sio/sio.h"

/* ---- making one ---- */

/* Where the arguments begin, behind the name, in the text of an array that is known to be JSON. */
static char *cut_name(char *text)
{
    char *at = strchr(text, '"') + 1;
    for (; *at != '"'; at++)
        if (*at == '\\')
            at++;
    for (at++; *at != ',' && *at != ']'; at++) /* blanks */
        ;
    if (*at == ']')
        at--; /* the quote, or a blank */
    *at = '[';
    return at;
}

/* The name in front, copied into `block`; and out of the arguments. */
static int take_name(aw_sio_event *e, const char *name, size_t n, char *block)
{
    if (!name || memchr(name, '\0', n) || aw_sio_reserved(name, n))
        return -EBADMSG;
    memcpy(block, name, n);
    block[n] = '\0';
    e->name = block;
    char *begin = cut_name((char *)e->json);
    e->json_len -= (size_t)(begin - e->json);
    e->json = begin;
    return aw_sio_json_drop_first(e->value) < 0 ? -ENOMEM : 0;
}

static int fill(aw_sio_event *e, const struct aw_sio_wire *p, struct json_t *value, char *block)
{
    size_t n;
    if (!aw_json_is_array(value))
        return -EBADMSG;
    bool binary = p->type == AW_SIO_BINARY_EVENT || p->type == AW_SIO_BINARY_ACK;
    if (binary)
        AW_TRY(aw_sio_json_placeholders(value, p->attachments));
    memcpy(block, p->json, p->json_len);
    block[p->json_len] = '\0';
    e->json = block;
    e->json_len = p->json_len;
    e->name = "";
    if (e->is_answer)
        return 0;
    const char *name = aw_sio_json_first(value, &n);
    return take_name(e, name, n, block + p->json_len + 1);
}

static aw_sio_event *new_event(aw_sio_socket *s, const struct aw_sio_wire *p, struct json_t *value)
{
    size_t parts = p->attachments * sizeof(aw_sio_bytes);
    aw_sio_event *e = aw_mem_zalloc(sizeof *e + parts + 2 * (p->json_len + 1));
    if (!e) {
        aw_json_unref(value);
        return aw_refuse(-ENOMEM, NULL);
    }
    e->refs = 1;
    e->is_answer = p->type == AW_SIO_ACK || p->type == AW_SIO_BINARY_ACK;
    e->wants_ack = !e->is_answer && p->has_id;
    e->id = p->id;
    e->socket = aw_sio_socket_ref(s);
    e->value = value;
    e->n = p->attachments;
    e->bytes = p->json_len;
    e->parts = (aw_sio_bytes *)(e + 1);
    int err = fill(e, p, value, (char *)(e->parts + e->n));
    if (err == 0)
        return e;
    aw_sio_event_unref(e);
    return aw_refuse(err, NULL);
}

aw_sio_event *aw_sio_event_new(aw_sio_socket *s, const struct aw_sio_wire *p, aw_sio *io)
{
    struct json_t *value;
    int err = aw_json_parse(&value, p->json, p->json_len, io->opts.max_depth, NULL);
    if (err == AW_ELIMIT)
        return aw_refuse(err, "JSON deeper than .max_depth");
    if (err < 0)
        return aw_refuse(err, NULL);
    return new_event(s, p, value);
}

int aw_sio_event_add(aw_sio_event *e, aw_sio *io, const char *data, size_t n)
{
    e->bytes += n;
    if (e->bytes > io->opts.max_message)
        return aw_raise(AW_ELIMIT, "a message larger than .max_message");
    char *copy = aw_mem_alloc(n);
    if (!copy)
        return -ENOMEM;
    if (n)
        memcpy(copy, data, n);
    e->parts[e->got++] = (aw_sio_bytes){.data = copy, .size = n};
    return 0;
}

aw_sio_event *aw_sio_event_ref(aw_sio_event *e)
{
    if (e)
        e->refs++;
    return e;
}

void aw_sio_event_unref(aw_sio_event *e)
{
    if (!e || --e->refs > 0)
        return;
    for (unsigned i = 0; i < e->got; i++)
        aw_mem_free((void *)e->parts[i].data);
    aw_json_unref(e->value);
    aw_sio_socket_unref(e->socket);
    aw_mem_free(e);
}

/* ---- who it is for ---- */

static int run_handler(struct aw_sio_job *job)
{
    aw_sio_event_handler *fn = (aw_sio_event_handler *)job->handler.fn;
    int err = fn(job->event, job->handler.arg);
    return err < 0 ? err : 0;
}

static void give_answer(aw_sio_event *e)
{
    aw_list_each(it, &e->socket->questions)
    {
        struct aw_sio_question *q = aw_container_of(it, struct aw_sio_question, link);
        if (q->id != e->id)
            continue;
        aw_list_remove(&q->link);
        q->answer = aw_sio_event_ref(e);
        aw_ignore(aw_set_result(q->done, 0, NULL));
        return;
    }
}

int aw_sio_event_dispatch(aw_sio_event *e)
{
    if (!e->socket || e->socket->state != AW_SIO_CONNECTED)
        return 0; /* it was disconnected meanwhile */
    if (e->is_answer) {
        give_answer(e);
        return 0;
    }
    aw_sio_namespace *ns = e->socket->ns;
    struct aw_sio_node *node = aw_sio_table_find(&ns->listeners, e->name);
    const struct aw_sio_handler *handler =
        node ? &aw_container_of(node, struct aw_sio_listener, node)->handler : &ns->on_any;
    if (!handler->fn)
        return 0;
    return aw_sio_job_start(
        &(struct aw_sio_job){
            .io = ns->io, .handler = *handler, .socket = e->socket, .event = e, .run = run_handler},
        true);
}

/* ---- looking at one ---- */

aw_sio_socket *aw_sio_event_socket(const aw_sio_event *e)
{
    return e ? e->socket : NULL;
}

const char *aw_sio_event_name(const aw_sio_event *e)
{
    return e ? e->name : "";
}

const char *aw_sio_event_json(const aw_sio_event *e, size_t *ret_len)
{
    if (ret_len)
        *ret_len = e ? e->json_len : 2;
    return e ? e->json : "[]";
}

struct json_t *aw_sio_event_value(const aw_sio_event *e)
{
    return e ? e->value : NULL;
}

const char *aw_sio_event_string(const aw_sio_event *e, size_t i)
{
    return e ? aw_sio_json_string(e->value, i) : NULL;
}

bool aw_sio_event_number(const aw_sio_event *e, size_t i, double *ret)
{
    return e && ret && aw_sio_json_number(e->value, i, ret);
}

bool aw_sio_event_bytes_of(const aw_sio_event *e, const struct json_t *placeholder,
                           aw_sio_bytes *ret)
{
    int i = e && placeholder && ret ? aw_sio_json_placeholder(placeholder) : -1;
    if (i < 0 || (unsigned)i >= e->got)
        return false;
    *ret = e->parts[i];
    return true;
}

bool aw_sio_event_bytes(const aw_sio_event *e, size_t i, aw_sio_bytes *ret)
{
    return e && aw_sio_event_bytes_of(e, aw_json_at(e->value, i), ret);
}

size_t aw_sio_event_attachments(const aw_sio_event *e, const aw_sio_bytes **ret)
{
    if (e && ret)
        *ret = e->parts;
    return e ? e->got : 0;
}

bool aw_sio_event_wants_ack(const aw_sio_event *e)
{
    return e && e->wants_ack;
}
