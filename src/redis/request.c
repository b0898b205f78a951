/*
 * request.c - what node's servers ask of all others, in JSON: done, and answered.
 *
 * The numbers are those of @socket.io/redis-adapter.  Requests that have nobody to answer to (an
 * emitter's) have no requestId.
 */
#include <stdio.h>
#include <string.h>

#include "redis/fanout.h"

enum { SOCKETS, ALL_ROOMS, JOIN, LEAVE, DISCONNECT, FETCH, SERVER_SIDE_EMIT };

/* A request that is being done. */
struct request {
    struct rd_space *space;
    const struct json_t *json;
    aw_sio_packet who; /* its rooms */
    const char **names;
    struct aw_growing answer;
    size_t n; /* elements of the answer */
};

/* ---- whom it is about ---- */

static bool is_chosen(aw_sio_socket *s, const aw_sio_packet *p, size_t room)
{
    for (size_t i = 0; i < room; i++)
        if (aw_sio_in_room(s, p->rooms[i]))
            return false; /* it was met there */
    for (size_t i = 0; i < p->n_except; i++)
        if (aw_sio_in_room(s, p->except[i]))
            return false;
    return true;
}

static size_t each_in_room(aw_sio_namespace *ns, const aw_sio_packet *p, size_t i, rd_socket_fn *fn,
                           void *arg)
{
    const char *room = p->n_rooms ? p->rooms[i] : NULL;
    size_t n = aw_sio_fetch(ns, room, NULL, 0), done = 0;
    aw_sio_socket **all = aw_mem_alloc(n * sizeof(aw_sio_socket *));
    if (!all)
        return 0;
    aw_sio_fetch(ns, room, all, n);
    for (size_t k = 0; k < n; k++) {
        if (is_chosen(all[k], p, i)) {
            done++;
            fn(all[k], arg);
        }
        aw_sio_socket_unref(all[k]);
    }
    aw_mem_free(all);
    return done;
}

size_t rd_each_socket(aw_sio_namespace *ns, const aw_sio_packet *p, rd_socket_fn *fn, void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_rooms || i == 0; i++)
        n += each_in_room(ns, p, i, fn, arg);
    return n;
}

/* Which rooms: those of `opts`, or, of the old requests, `rooms`. */
static bool choose(struct request *q)
{
    const struct json_t *opts = rd_json_get(q->json, "opts");
    const struct json_t *rooms = rd_json_get(opts ? opts : q->json, "rooms");
    const struct json_t *except = rd_json_get(opts, "except");
    q->names = aw_mem_alloc((rd_json_size(rooms) + rd_json_size(except) + 1) * sizeof *q->names);
    if (!q->names)
        return false;
    q->who.rooms = q->names;
    q->who.n_rooms = rd_json_strings(rooms, q->names);
    q->who.except = q->names + q->who.n_rooms;
    q->who.n_except = rd_json_strings(except, q->names + q->who.n_rooms);
    return q->who.n_rooms > 0 || rd_json_size(rooms) == 0;
}

/* ---- answers ---- */

static void quote(struct aw_growing *t, const char *text)
{
    aw_json_quote(t, text, strlen(text));
}

static void comma(struct request *q)
{
    if (q->n++ > 0)
        aw_growing_addc(&q->answer, ',');
}

/* {"requestId":"...","<what>": and what follows is the caller's. */
static bool open_answer(struct request *q, const char *what)
{
    const char *id = rd_json_string(rd_json_get(q->json, "requestId"));
    if (!id)
        return false;
    aw_growing_adds(&q->answer, "{\"requestId\":");
    quote(&q->answer, id);
    aw_growing_printf(&q->answer, ",\"%s\":", what);
    return true;
}

static void send_answer(struct request *q)
{
    aw_redis_fanout *f = q->space->fanout;
    aw_growing_addc(&q->answer, '}');
    int err = q->answer.failed;
    if (err == 0)
        err = rd_publish(f->redis, q->space->channel, q->answer.data, q->answer.len);
    if (err < 0)
        rd_log(f->redis, "a request is not answered: %s", aw_strerror(err));
}

static void add_id(aw_sio_socket *s, void *arg)
{
    struct request *q = arg;
    comma(q);
    quote(&q->answer, aw_sio_socket_id(s));
}

static void add_rooms(aw_sio_socket *s, void *arg)
{
    struct request *q = arg;
    size_t n = aw_sio_rooms(s, NULL, 0);
    const char **rooms = aw_mem_alloc(n * sizeof *rooms);
    add_id(s, arg); /* is a room as well */
    for (size_t i = 0; rooms && i < aw_sio_rooms(s, rooms, n); i++) {
        comma(q);
        quote(&q->answer, rooms[i]);
    }
    aw_mem_free(rooms);
}

static void add_field(struct aw_growing *t, const char *name, const char *value)
{
    aw_growing_printf(t, ",\"%s\":", name);
    quote(t, value);
}

/* A socket as node tells of it, as far as it is known here. */
static void add_socket(aw_sio_socket *s, void *arg)
{
    struct request *q = arg;
    struct aw_growing *t = &q->answer;
    comma(q);
    aw_growing_adds(t, "{\"id\":");
    quote(t, aw_sio_socket_id(s));
    aw_growing_adds(
        t, ",\"handshake\":{\"headers\":{},\"xdomain\":false,\"secure\":false,\"query\":{}");
    add_field(t, "address", aw_sio_socket_peer(s));
    add_field(t, "url", aw_sio_socket_query(s));
    aw_growing_adds(t, ",\"auth\":");
    aw_growing_adds(t, aw_sio_socket_auth(s));
    aw_growing_adds(t, "},\"rooms\":[");
    size_t before = q->n;
    q->n = 0;
    add_rooms(s, q);
    q->n = before;
    aw_growing_adds(t, "],\"data\":{}}");
}

static void answer_list(struct request *q, const char *what, rd_socket_fn *add)
{
    if (!open_answer(q, what))
        return;
    aw_growing_addc(&q->answer, '[');
    rd_each_socket(q->space->ns, &q->who, add, q);
    aw_growing_addc(&q->answer, ']');
    send_answer(q);
}

/* ---- deeds ---- */

static void join(aw_sio_socket *s, void *arg)
{
    const struct json_t *rooms = arg;
    for (size_t i = 0; i < rd_json_size(rooms); i++)
        if (rd_json_string(aw_json_at(rooms, i)))
            aw_ignore(aw_sio_join(s, rd_json_string(aw_json_at(rooms, i))));
}

static void leave(aw_sio_socket *s, void *arg)
{
    const struct json_t *rooms = arg;
    for (size_t i = 0; i < rd_json_size(rooms); i++)
        if (rd_json_string(aw_json_at(rooms, i)))
            aw_ignore(aw_sio_leave(s, rd_json_string(aw_json_at(rooms, i))));
}

static void disconnect(aw_sio_socket *s, void *arg)
{
    const bool *close = arg;
    aw_ignore(aw_sio_disconnect(s, .close = *close));
}

static void server_event(struct request *q)
{
    aw_redis_fanout *f = q->space->fanout;
    const struct json_t *data = rd_json_get(q->json, "data");
    const char *event = rd_json_string(aw_json_at(data, 0));
    struct aw_growing t = {0};
    aw_growing_addc(&t, '[');
    for (size_t i = 1; i < rd_json_size(data); i++) {
        if (i > 1)
            aw_growing_addc(&t, ',');
        aw_json_write(&t, aw_json_at(data, i), RD_JSON_DEPTH);
    }
    aw_growing_add(&t, "]", 2);
    if (event && !t.failed && f->server_event)
        f->server_event(q->space->ns, event, t.data, f->arg);
    aw_growing_clear(&t);
    if (!open_answer(q, "data"))
        return;
    aw_growing_add(&q->answer, "null,\"type\":6", 13);
    send_answer(q);
}

static void perform(struct request *q, int64_t type)
{
    aw_sio_namespace *ns = q->space->ns;
    void *rooms = (void *)rd_json_get(q->json, "rooms");
    bool close = rd_json_true(rd_json_get(q->json, "close"));
    if (type == SOCKETS)
        answer_list(q, "sockets", add_id);
    else if (type == ALL_ROOMS)
        answer_list(q, "rooms", add_rooms);
    else if (type == JOIN && rd_json_get(q->json, "opts"))
        rd_each_socket(ns, &q->who, join, rooms);
    else if (type == LEAVE && rd_json_get(q->json, "opts"))
        rd_each_socket(ns, &q->who, leave, rooms);
    else if (type == DISCONNECT && rd_json_get(q->json, "opts"))
        rd_each_socket(ns, &q->who, disconnect, &close);
    else if (type == FETCH)
        answer_list(q, "sockets", add_socket);
    else if (type == SERVER_SIDE_EMIT)
        server_event(q);
}

void rd_request(struct rd_space *s, const char *data, size_t n)
{
    struct json_t *json;
    int64_t type = -1;
    aw_redis_fanout *f = s->fanout;
    int err = aw_json_parse(&json, data, n, RD_JSON_DEPTH, NULL);
    if (err < 0) {
        rd_log(f->redis, "a request is dropped: %s", aw_strerror(err));
        return;
    }
    const char *uid = rd_json_string(rd_json_get(json, "uid"));
    struct request q = {.space = s, .json = json, .answer.ceiling = 16u << 20};
    bool ours = uid && strcmp(uid, f->uid) == 0;
    if (!ours && rd_json_integer(rd_json_get(json, "type"), &type) && choose(&q))
        perform(&q, type);
    aw_growing_clear(&q.answer);
    aw_mem_free(q.names);
    aw_json_unref(json);
}
