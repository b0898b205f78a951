/*
 * ask.c - clients that are asked by another server: each in a task, whose answer is passed on.
 *
 * How many there are is told first; the other server then knows how many answers to wait for.
 */
#include <string.h>

#include "redis/fanout.h"

/* A question, shared by the tasks that ask it. */
struct question {
    aw_redis_fanout *fanout;
    size_t refs;
    char *channel; /* for the answers */
    struct rd_broadcast b;
};

/* One client, and what it is asked. */
struct asked {
    struct question *question;
    aw_sio_socket *socket;
};

static void unref(struct question *q)
{
    if (--q->refs > 0)
        return;
    rd_fanout_unref(q->fanout);
    rd_broadcast_clear(&q->b);
    aw_mem_free(q->channel);
    aw_mem_free(q);
}

/* {type: 9, requestId, packet: what the client has said first} */
static int pass_on(struct question *q, aw_sio_event *answer)
{
    size_t n;
    struct json_t *said;
    struct aw_growing t = {0};
    const aw_sio_bytes *attachments;
    const char *json = aw_sio_event_json(answer, &n);
    AW_TRY(aw_json_parse(&said, json, n, RD_JSON_DEPTH, NULL));
    size_t n_attachments = aw_sio_event_attachments(answer, &attachments);
    rd_pack_map(&t, 3);
    rd_pack_text(&t, "type");
    rd_pack_integer(&t, 9);
    rd_pack_text(&t, "requestId");
    rd_pack_text(&t, q->b.request_id);
    rd_pack_text(&t, "packet");
    if (rd_json_size(said) > 0)
        rd_json_pack(&t, aw_json_at(said, 0), attachments, n_attachments);
    else
        rd_pack_nil(&t);
    aw_json_unref(said);
    int err = t.failed;
    if (err == 0)
        err = rd_publish(q->fanout->redis, q->channel, t.data, t.len);
    aw_growing_clear(&t);
    return err;
}

static int ask_one(void *arg)
{
    struct asked *a = arg;
    const struct rd_broadcast *b = &a->question->b;
    aw_sio_event *answer = NULL;
    int err = aw_sio_call(
        a->socket, b->packet.event, b->packet.json, .attachments = b->packet.attachments,
        .n_attachments = b->packet.n_attachments,
        .timeout = b->timeout > 0 ? b->timeout : a->question->fanout->ack_timeout, .ret = &answer);
    if (err == 0 && !a->question->fanout->stopped)
        err = pass_on(a->question, answer);
    aw_sio_event_unref(answer);
    return err == -ECANCELED ? err : 0; /* who asked notices what is missing */
}

static void over(void *arg)
{
    struct asked *a = arg;
    aw_sio_socket_unref(a->socket);
    unref(a->question);
    aw_mem_free(a);
}

static void begin(aw_sio_socket *s, void *arg)
{
    struct question *q = arg;
    struct asked *a = aw_mem_alloc(sizeof *a);
    if (!a)
        return;
    *a = (struct asked){.question = q, .socket = aw_sio_socket_ref(s)};
    q->refs++;
    if (aw_spawn(ask_one, a, .release = over) < 0)
        over(a);
}

static void count(aw_sio_socket *s, void *arg)
{
    (void)s;
    (void)arg;
}

/* {type: 8, requestId, clientCount} */
static int tell_number(struct question *q, size_t n)
{
    struct aw_growing t = {0};
    aw_growing_adds(&t, "{\"type\":8,\"requestId\":");
    aw_json_quote(&t, q->b.request_id, strlen(q->b.request_id));
    aw_growing_printf(&t, ",\"clientCount\":%zu}", n);
    int err = t.failed;
    if (err == 0)
        err = rd_publish(q->fanout->redis, q->channel, t.data, t.len);
    aw_growing_clear(&t);
    return err;
}

static int perform(struct rd_space *s, struct question *q)
{
    q->channel = aw_copy(s->channel);
    if (!q->channel)
        return -ENOMEM;
    AW_TRY(tell_number(q, rd_each_socket(s->ns, &q->b.packet, count, NULL)));
    rd_each_socket(s->ns, &q->b.packet, begin, q);
    return 0;
}

void rd_ask(struct rd_space *s, const char *data, size_t n)
{
    aw_redis_fanout *f = s->fanout;
    struct question *q = aw_mem_zalloc(sizeof *q);
    int err = q ? rd_broadcast_read(&q->b, data, n) : -ENOMEM;
    if (err == 0) {
        q->refs = 1;
        q->fanout = f;
        f->refs++;
        if (q->b.request_id && strcmp(q->b.uid, f->uid) != 0)
            err = perform(s, q);
        unref(q);
    } else {
        aw_mem_free(q);
    }
    if (err < 0)
        rd_log(f->redis, "a request is dropped: %s", aw_strerror(err));
}
