/*
 * python.c - python-socketio's servers, as far as they speak JSON.
 *
 *     {"method":"emit","event":..,"data":..,"namespace":"/","room":..,"skip_sid":..,"host_id":..}
 *
 * What we send goes out in node's form as well, so what comes from one of us is passed over here.
 */
#include <string.h>

#include "redis/fanout.h"

/* ---- what leaves ---- */

static void add_names(struct aw_growing *t, const char *key, const char *const *names, size_t n)
{
    aw_growing_printf(t, ",\"%s\":", key);
    if (n == 0)
        aw_growing_adds(t, "null");
    else if (n > 1)
        aw_growing_addc(t, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            aw_growing_addc(t, ',');
        aw_json_quote(t, names[i], strlen(names[i]));
    }
    if (n > 1)
        aw_growing_addc(t, ']');
}

int rd_python_send(aw_redis_fanout *f, const char *nsp, const aw_sio_packet *p,
                   const struct json_t *arguments)
{
    struct aw_growing t = {0};
    if (p->n_attachments > 0)
        return 0; /* JSON has no bytes */
    aw_growing_adds(&t, "{\"method\":\"emit\",\"event\":");
    aw_json_quote(&t, p->event, strlen(p->event));
    aw_growing_adds(&t, ",\"data\":");
    if (rd_json_size(arguments) == 0)
        aw_growing_adds(&t, "null");
    else
        aw_json_write(&t, rd_json_size(arguments) == 1 ? aw_json_at(arguments, 0) : arguments,
                      RD_JSON_DEPTH);
    aw_growing_adds(&t, ",\"namespace\":");
    aw_json_quote(&t, nsp, strlen(nsp));
    add_names(&t, "room", p->rooms, p->n_rooms);
    add_names(&t, "skip_sid", p->except, p->n_except);
    aw_growing_printf(&t, ",\"callback\":null,\"host_id\":\"%s\"}", f->host_id);
    int err = t.failed;
    if (err == 0)
        err = rd_publish(f->redis, f->python, t.data, t.len);
    aw_growing_clear(&t);
    return err;
}

/* ---- what comes ---- */

/* A string, or the strings of an array. */
static size_t names_of(const struct json_t *v, const char **to)
{
    *to = rd_json_string(v);
    return *to ? 1 : rd_json_strings(v, to);
}

static int emit(aw_sio_namespace *ns, const struct json_t *m)
{
    const struct json_t *data = rd_json_get(m, "data"), *room = rd_json_get(m, "room");
    const struct json_t *skip = rd_json_get(m, "skip_sid");
    struct aw_growing t = {0};
    const char **names =
        aw_mem_alloc((rd_json_size(room) + rd_json_size(skip) + 3) * sizeof *names);
    aw_growing_addc(&t, '[');
    if (data)
        aw_json_write(&t, data, RD_JSON_DEPTH);
    aw_growing_add(&t, "]", 2);
    int err = names ? t.failed : -ENOMEM;
    if (err == 0) {
        aw_sio_packet p = {.event = rd_json_string(rd_json_get(m, "event")), .json = t.data};
        if (t.len == 7 && memcmp(t.data, "[null]", 6) == 0)
            p.json = "[]";
        p.rooms = names;
        p.n_rooms = names_of(room, names);
        p.except = names + p.n_rooms;
        p.n_except = names_of(skip, names + p.n_rooms);
        bool nowhere = rd_json_size(room) > 0 && p.n_rooms == 0;
        err = nowhere ? -EBADMSG : aw_sio_deliver(ns, &p);
    }
    aw_growing_clear(&t);
    aw_mem_free(names);
    return err;
}

static void leave(aw_sio_socket *s, void *arg)
{
    const char *room = arg;
    aw_ignore(aw_sio_leave(s, room));
}

static int close_room(aw_sio_namespace *ns, const struct json_t *m)
{
    const char *room = rd_json_string(rd_json_get(m, "room"));
    if (!room)
        return -EBADMSG;
    rd_each_socket(ns, &(aw_sio_packet){.rooms = &room, .n_rooms = 1}, leave, (void *)room);
    return 0;
}

/* Those about one client, if it is one of ours. */
static int about_one(aw_sio_namespace *ns, const struct json_t *m, const char *method)
{
    const char *room = rd_json_string(rd_json_get(m, "room"));
    aw_sio_socket *s = aw_sio_find(ns, rd_json_string(rd_json_get(m, "sid")));
    if (s && strcmp(method, "disconnect") == 0)
        aw_ignore(aw_sio_disconnect(s));
    else if (s && room && strcmp(method, "enter_room") == 0)
        aw_ignore(aw_sio_join(s, room));
    else if (s && room && strcmp(method, "leave_room") == 0)
        aw_ignore(aw_sio_leave(s, room));
    return 0;
}

static int perform(aw_redis_fanout *f, const struct json_t *m)
{
    const char *method = rd_json_string(rd_json_get(m, "method"));
    const char *host = rd_json_string(rd_json_get(m, "host_id"));
    const char *nsp = rd_json_string(rd_json_get(m, "namespace"));
    struct rd_space *s = rd_space_find(f, nsp ? nsp : "/");
    if (!method)
        return -EBADMSG;
    if (!s || (host && strncmp(host, "await:", 6) == 0))
        return 0;
    if (strcmp(method, "emit") == 0)
        return emit(s->ns, m);
    if (strcmp(method, "close_room") == 0)
        return close_room(s->ns, m);
    return about_one(s->ns, m, method);
}

void rd_python_take(aw_redis_fanout *f, const char *data, size_t n)
{
    struct json_t *m;
    int err = aw_json_parse(&m, data, n, RD_JSON_DEPTH, NULL);
    if (err == 0) {
        err = perform(f, m);
        aw_json_unref(m);
    }
    if (err < 0)
        rd_log(f->redis, "a message on %.100s is dropped: %s", f->python,
               n > 0 && (unsigned char)data[0] == 0x80 ? "it is pickled, not JSON"
                                                       : aw_strerror(err));
}
