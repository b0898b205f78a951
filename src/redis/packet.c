/*
 * packet.c - a broadcast as node's redis-adapter writes it, and as an emitter sends it.
 *
 *     [uid, {type: 2, data: [event, ...], nsp}, {rooms: [], except: [], flags: {}}]
 */
#include <string.h>

#include "redis/fanout.h"

static void pack_names(struct aw_growing *out, const char *key, const char *const *names, size_t n)
{
    rd_pack_text(out, key);
    rd_pack_array(out, n);
    for (size_t i = 0; i < n; i++)
        rd_pack_text(out, names[i]);
}

void rd_packet_write(struct aw_growing *out, const char *uid, const char *nsp,
                     const aw_sio_packet *p, const struct json_t *arguments)
{
    rd_pack_array(out, 3);
    rd_pack_text(out, uid);
    rd_pack_map(out, 3);
    rd_pack_text(out, "type");
    rd_pack_integer(out, 2);
    rd_pack_text(out, "data");
    rd_pack_array(out, 1 + rd_json_size(arguments));
    rd_pack_text(out, p->event);
    for (size_t i = 0; i < rd_json_size(arguments); i++)
        rd_json_pack(out, aw_json_at(arguments, i), p->attachments, p->n_attachments);
    rd_pack_text(out, "nsp");
    rd_pack_text(out, nsp);
    rd_pack_map(out, 3);
    pack_names(out, "rooms", p->rooms, p->n_rooms);
    pack_names(out, "except", p->except, p->n_except);
    rd_pack_text(out, "flags");
    rd_pack_map(out, p->is_volatile);
    if (p->is_volatile) {
        rd_pack_text(out, "volatile");
        rd_pack_bool(out, true);
    }
}

void rd_packet_channel(struct aw_growing *out, const char *key, const char *nsp,
                       const aw_sio_packet *p)
{
    aw_growing_adds(out, key);
    aw_growing_addc(out, '#');
    aw_growing_adds(out, nsp);
    aw_growing_addc(out, '#');
    if (p->n_rooms == 1) {
        aw_growing_adds(out, p->rooms[0]);
        aw_growing_addc(out, '#');
    }
    aw_growing_addc(out, '\0');
}

int rd_packet_arguments(const aw_sio_packet *p, struct json_t **ret)
{
    const char *json = p->json ? p->json : "[]";
    int err = aw_json_parse(ret, json, strlen(json), RD_JSON_DEPTH, NULL);
    if (err == 0 && aw_json_is_array(*ret))
        return 0;
    if (err == 0)
        aw_json_unref(*ret);
    return err == 0 || err == -EBADMSG ? aw_raise(-EINVAL, "the arguments are no JSON array") : err;
}

/* ---- without a server ---- */

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static size_t gather(const char **to, const char *one, const char *const *list)
{
    size_t n = 0;
    if (one)
        to[n++] = one;
    for (; list && *list; list++)
        to[n++] = *list;
    return n;
}

static int send_packet(const aw_redis_emit_opts *o, const aw_sio_packet *p)
{
    struct aw_growing channel = {0}, packet = {0};
    struct json_t *arguments;
    const char *nsp = o->nsp ? o->nsp : "/";
    AW_TRY(rd_packet_arguments(p, &arguments));
    rd_packet_channel(&channel, o->key ? o->key : "socket.io", nsp, p);
    rd_packet_write(&packet, "emitter", nsp, p, arguments);
    aw_json_unref(arguments);
    int err = channel.failed ? channel.failed : packet.failed;
    if (err == 0)
        err = rd_publish(o->redis, channel.data, packet.data, packet.len);
    aw_growing_clear(&channel);
    aw_growing_clear(&packet);
    return err;
}

int aw_redis_emit_(const aw_redis_emit_opts *o)
{
    AW_TRY(rd_check(o->redis));
    if (!o->event || (o->n_attachments && !o->attachments))
        return -EINVAL;
    size_t n = count(o->rooms) + count(o->except_rooms) + 2;
    const char **names = aw_mem_alloc(n * sizeof *names);
    if (!names)
        return -ENOMEM;
    aw_sio_packet p = {
        .event = o->event,
        .json = o->json,
        .attachments = o->attachments,
        .n_attachments = o->n_attachments,
        .rooms = names,
        .is_volatile = o->is_volatile,
    };
    p.n_rooms = gather(names, o->room, o->rooms);
    p.except = names + p.n_rooms;
    p.n_except = gather(names + p.n_rooms, o->except_room, o->except_rooms);
    int err = send_packet(o, &p);
    aw_mem_free(names);
    return err;
}
