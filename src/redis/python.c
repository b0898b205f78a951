/*
 * python.c - python-socketio's servers, which speak JSON from version 5.15.1 on.
 *
 *     {"method":"emit","event":..,"data":..,"binary":false,"namespace":"/","room":..,
 *      "skip_sid":..,"host_id":..}
 *
 * An array as `data` are the arguments, anything else is the only one, null: none.  Where there are
 * bytes, "binary" is true, and all that stands in an array, followed by the bytes in base64.
 *
 * What we send goes out in node's form as well, so what comes from one of us is passed over here.
 */
#include <string.h>

#include "redis/fanout.h"
#include "text/base64.h"

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

/* One argument stands by itself, which older ones understand too; not if it is an array. */
static void add_arguments(struct aw_growing *t, const struct json_t *arguments)
{
    const struct json_t *first = aw_json_at(arguments, 0);
    bool one = rd_json_size(arguments) == 1 && !aw_json_is_array(first);
    if (first)
        aw_json_write(t, one ? first : arguments, RD_JSON_DEPTH);
    else
        aw_growing_adds(t, "null");
}

static void add_data(struct aw_growing *t, const aw_sio_packet *p, const struct json_t *arguments)
{
    if (p->n_attachments == 0) {
        add_arguments(t, arguments);
        aw_growing_adds(t, ",\"binary\":false");
        return;
    }
    aw_growing_addc(t, '[');
    add_arguments(t, arguments);
    for (size_t i = 0; i < p->n_attachments; i++) {
        aw_growing_adds(t, ",\"");
        aw_growing_base64(t, p->attachments[i].data, p->attachments[i].size);
        aw_growing_addc(t, '"');
    }
    aw_growing_adds(t, "],\"binary\":true");
}

int rd_python_send(aw_redis_fanout *f, const char *nsp, const aw_sio_packet *p,
                   const struct json_t *arguments)
{
    struct aw_growing t = {0};
    aw_growing_adds(&t, "{\"method\":\"emit\",\"event\":");
    aw_json_quote(&t, p->event, strlen(p->event));
    aw_growing_adds(&t, ",\"data\":");
    add_data(&t, p, arguments);
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

/* The arguments as text, terminated. */
static void write_arguments(struct aw_growing *t, const struct json_t *v)
{
    bool several = aw_json_is_array(v);
    if (!several)
        aw_growing_addc(t, '[');
    if (v)
        aw_json_write(t, v, RD_JSON_DEPTH);
    if (!several)
        aw_growing_addc(t, ']');
    aw_growing_addc(t, '\0');
}

/* The strings behind the arguments, as bytes: one block of memory, the packet's attachments. */
static int take_bytes(aw_sio_packet *p, const struct json_t *data)
{
    size_t n = rd_json_size(data), size = 0;
    for (size_t i = 1; i < n; i++) {
        const char *text = rd_json_string(aw_json_at(data, i));
        if (!text)
            return -EBADMSG;
        size += strlen(text);
    }
    if (n == 0)
        return -EBADMSG;
    aw_sio_bytes *all = aw_mem_alloc(n * sizeof *all + size);
    if (!all)
        return -ENOMEM;
    p->attachments = all;
    char *to = (char *)(all + n);
    for (size_t i = 1; i < n; i++) {
        const char *text = rd_json_string(aw_json_at(data, i));
        long len = aw_base64_decode(to, text, strlen(text));
        if (len < 0)
            return (int)len;
        all[p->n_attachments++] = (aw_sio_bytes){.data = to, .size = (size_t)len};
        to += len;
    }
    return 0;
}

/* Who gets it: names have room for all. */
static int take_names(aw_sio_packet *p, const char **names, const struct json_t *m)
{
    const struct json_t *room = rd_json_get(m, "room"), *skip = rd_json_get(m, "skip_sid");
    p->rooms = names;
    p->n_rooms = names_of(room, names);
    p->except = names + p->n_rooms;
    p->n_except = names_of(skip, names + p->n_rooms);
    return rd_json_size(room) > 0 && p->n_rooms == 0 ? -EBADMSG : 0;
}

static int emit(aw_sio_namespace *ns, const struct json_t *m)
{
    const struct json_t *data = rd_json_get(m, "data");
    bool has_bytes = rd_json_true(rd_json_get(m, "binary"));
    struct aw_growing t = {0};
    aw_sio_packet p = {.event = rd_json_string(rd_json_get(m, "event"))};
    const char **names = aw_mem_alloc(
        (rd_json_size(rd_json_get(m, "room")) + rd_json_size(rd_json_get(m, "skip_sid")) + 3) *
        sizeof *names);
    write_arguments(&t, has_bytes ? aw_json_at(data, 0) : data);
    int err = names ? t.failed : -ENOMEM;
    if (err == 0 && has_bytes)
        err = take_bytes(&p, data);
    if (err == 0)
        err = take_names(&p, names, m);
    if (err == 0) {
        p.json = strcmp(t.data, "[null]") ? t.data : "[]";
        err = aw_sio_deliver(ns, &p);
    }
    aw_growing_clear(&t);
    aw_mem_free((void *)p.attachments);
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
