/*
 * msgpack.c - the adapter of msgpack-c.
 *
 * What comes is looked over before it is given to msgpack-c: that every count is covered by bytes
 * that are there, since memory is reserved by what is announced, and that nothing is nested deeper
 * than it can go.
 *
 * A broadcast's strings and bytes are copied into one arena.  None needs more than its encoding
 * had: a zero behind a string takes the place of the byte that announced it.
 */
#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

#include "await/memory.h"
#include "redis/msgpack.h"
#include "text/date.h"
#include "text/json.h"

enum { DEPTH = 30 }; /* msgpack-c has 32 */

/* ---- writing ---- */

static int add(void *out, const char *data, size_t n)
{
    aw_growing_add(out, data, n);
    return 0;
}

static msgpack_packer packer(struct aw_growing *out)
{
    msgpack_packer p;
    msgpack_packer_init(&p, out, add);
    return p;
}

void rd_pack_nil(struct aw_growing *out)
{
    msgpack_packer p = packer(out);
    msgpack_pack_nil(&p);
}

void rd_pack_bool(struct aw_growing *out, bool value)
{
    msgpack_packer p = packer(out);
    if (value)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
}

void rd_pack_integer(struct aw_growing *out, int64_t value)
{
    msgpack_packer p = packer(out);
    msgpack_pack_int64(&p, value);
}

void rd_pack_real(struct aw_growing *out, double value)
{
    msgpack_packer p = packer(out);
    msgpack_pack_double(&p, value);
}

void rd_pack_string(struct aw_growing *out, const char *text, size_t n)
{
    msgpack_packer p = packer(out);
    if (n > UINT32_MAX)
        out->failed = AW_ELIMIT;
    msgpack_pack_str(&p, n);
    aw_growing_add(out, text, n);
}

void rd_pack_text(struct aw_growing *out, const char *text)
{
    rd_pack_string(out, text, strlen(text));
}

void rd_pack_bytes(struct aw_growing *out, const void *data, size_t n)
{
    msgpack_packer p = packer(out);
    if (n > UINT32_MAX)
        out->failed = AW_ELIMIT;
    msgpack_pack_bin(&p, n);
    aw_growing_add(out, data, n);
}

void rd_pack_array(struct aw_growing *out, size_t n)
{
    msgpack_packer p = packer(out);
    msgpack_pack_array(&p, n);
}

void rd_pack_map(struct aw_growing *out, size_t n)
{
    msgpack_packer p = packer(out);
    msgpack_pack_map(&p, n);
}

/* ---- looking over ---- */

/* A cursor over bytes from elsewhere. */
struct view {
    const unsigned char *at, *end;
};

static bool number(struct view *v, unsigned bytes, uint64_t *ret)
{
    if ((size_t)(v->end - v->at) < bytes)
        return false;
    for (*ret = 0; bytes > 0; bytes--)
        *ret = *ret << 8 | *v->at++;
    return true;
}

static bool skip(struct view *v, uint64_t n)
{
    if ((uint64_t)(v->end - v->at) < n)
        return false;
    v->at += n;
    return true;
}

/* The head of a value with a length of its own, by its first byte: how many bytes the length has,
 * what comes on top of what it counts, and whether it counts elements.  False: another value. */
static bool sized(unsigned char c, unsigned *bytes, unsigned *extra, unsigned *elements)
{
    *extra = *elements = 0;
    if (c >= 0xc4 && c <= 0xc9) { /* bin, ext: the type goes on top */
        *bytes = 1u << (c - 0xc4) % 3;
        *extra = c >= 0xc7;
    } else if (c >= 0xd9 && c <= 0xdb) {
        *bytes = 1u << (c - 0xd9);
    } else if (c >= 0xdc) { /* only 0xdc to 0xdf get here */
        *bytes = c & 1 ? 4 : 2;
        *elements = c >= 0xde ? 2 : 1;
    } else {
        return false;
    }
    return true;
}

/* What comes behind a first byte that says all about its size: a small number, container or string,
 * nil, a number, a small ext.  How many values follow; -1: not well made. */
static int64_t pass_fixed(struct view *v, unsigned char c)
{
    static const unsigned char sizes[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17};
    if (c < 0x80 || c >= 0xe0 || (c >= 0xc0 && c < 0xc4 && c != 0xc1))
        return 0;
    if (c < 0xa0)
        return c < 0x90 ? 2 * (c & 15) : c & 15;
    if (c == 0xc1)
        return -1;
    return skip(v, c < 0xc0 ? c & 31 : sizes[c - 0xca]) ? 0 : -1;
}

/* Behind a value's head and what is not made of values: how many values follow; -1. */
static int64_t pass_head(struct view *v)
{
    uint64_t n;
    unsigned bytes, extra, elements;
    if (v->at == v->end)
        return -1;
    unsigned char c = *v->at++;
    if (c < 0xc4 || c >= 0xe0 || !sized(c, &bytes, &extra, &elements))
        return pass_fixed(v, c);
    if (!number(v, bytes, &n))
        return -1;
    if (elements)
        return n <= (uint64_t)(v->end - v->at) ? (int64_t)(n * elements) : -1;
    return skip(v, n + extra) ? 0 : -1;
}

/* Is it one value, whole, and not too deep? */
static bool well_made(const char *data, size_t n)
{
    struct view v = {(const unsigned char *)data, (const unsigned char *)data + n};
    int64_t left[DEPTH + 1];
    unsigned depth = 0;
    left[0] = 1;
    for (;;) {
        while (left[depth] == 0)
            if (depth-- == 0)
                return v.at == v.end;
        left[depth]--;
        int64_t inside = pass_head(&v);
        if (inside < 0 || inside > v.end - v.at || (inside > 0 && depth == DEPTH))
            return false;
        if (inside > 0)
            left[++depth] = inside;
    }
}

/* ---- as JSON ---- */

static void write_value(struct rd_broadcast *b, const msgpack_object *o);

/* A copy in the arena. */
static void *keep(struct rd_broadcast *b, const void *data, size_t n)
{
    char *to = b->arena + b->used;
    if (n)
        memcpy(to, data, n);
    b->used += n;
    return to;
}

static void write_bytes(struct rd_broadcast *b, const char *data, size_t n)
{
    aw_sio_packet *p = &b->packet;
    if (p->n_attachments == RD_ATTACHMENTS) {
        b->json.failed = AW_ELIMIT;
        return;
    }
    aw_growing_printf(&b->json, "{\"_placeholder\":true,\"num\":%zu}", p->n_attachments);
    b->attachments[p->n_attachments++] = (aw_sio_bytes){.data = keep(b, data, n), .size = n};
}

static void write_real(struct aw_growing *t, double value)
{
    if (!isfinite(value))
        aw_growing_adds(t, "null");
    else
        aw_growing_printf(t, "%.17g", value);
}

/* As JavaScript writes it. */
static void write_time(struct aw_growing *t, int64_t seconds, unsigned nanoseconds)
{
    struct aw_date d;
    aw_date_of(seconds, &d);
    aw_growing_printf(t, "\"%04lld-%02d-%02dT%02d:%02d:%02d.%03uZ\"", (long long)d.year, d.month,
                      d.day, d.hour, d.minute, d.second, nanoseconds / 1000000);
}

/* Times; everything else that is of a type of its own is nothing here, as JavaScript's undefined.
 */
static void write_ext(struct aw_growing *t, const msgpack_object_ext *e)
{
    uint64_t high, low;
    struct view v = {(const unsigned char *)e->ptr, (const unsigned char *)e->ptr + e->size};
    if (e->type != -1) {
        aw_growing_adds(t, "null");
    } else if (e->size == 4 && number(&v, 4, &low)) {
        write_time(t, (int64_t)low, 0);
    } else if (e->size == 8 && number(&v, 8, &low)) {
        write_time(t, (int64_t)(low & 0x3ffffffffu), (unsigned)(low >> 34) % 1000000000);
    } else if (e->size == 12 && number(&v, 4, &high) && number(&v, 8, &low) &&
               low + 62167219200u < 2 * 253402300800u) { /* years 0 to about 10,000 */
        write_time(t, (int64_t)low, (unsigned)high % 1000000000);
    } else {
        aw_growing_adds(t, "null");
    }
}

static bool has_zero(const msgpack_object_str *s)
{
    return s->size && memchr(s->ptr, 0, s->size);
}

static void write_key(struct aw_growing *t, const msgpack_object *key)
{
    if (key->type == MSGPACK_OBJECT_STR && !has_zero(&key->via.str))
        aw_json_quote(t, key->via.str.ptr, key->via.str.size);
    else if (key->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        aw_growing_printf(t, "\"%llu\"", (unsigned long long)key->via.u64);
    else
        t->failed = t->failed ? t->failed : -EBADMSG;
    aw_growing_addc(t, ':');
}

static void write_map(struct rd_broadcast *b, const msgpack_object_map *map)
{
    aw_growing_addc(&b->json, '{');
    for (uint32_t i = 0; i < map->size && !b->json.failed; i++) {
        if (i > 0)
            aw_growing_addc(&b->json, ',');
        write_key(&b->json, &map->ptr[i].key);
        write_value(b, &map->ptr[i].val);
    }
    aw_growing_addc(&b->json, '}');
}

static void write_array(struct rd_broadcast *b, const msgpack_object_array *array, uint32_t from)
{
    aw_growing_addc(&b->json, '[');
    for (uint32_t i = from; i < array->size && !b->json.failed; i++) {
        if (i > from)
            aw_growing_addc(&b->json, ',');
        write_value(b, &array->ptr[i]);
    }
    aw_growing_addc(&b->json, ']');
}

static void write_number(struct aw_growing *t, const msgpack_object *o)
{
    if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 > INT64_MAX)
        write_real(t, (double)o->via.u64);
    else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        aw_growing_printf(t, "%llu", (unsigned long long)o->via.u64);
    else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        aw_growing_printf(t, "%lld", (long long)o->via.i64);
    else
        write_real(t, o->via.f64);
}

/* Recurses no deeper than what was looked over. */
static void write_value(struct rd_broadcast *b, const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        aw_growing_adds(&b->json, "null");
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        aw_growing_adds(&b->json, o->via.boolean ? "true" : "false");
        break;
    case MSGPACK_OBJECT_STR:
        aw_json_quote(&b->json, o->via.str.ptr, o->via.str.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        write_array(b, &o->via.array, 0);
        break;
    case MSGPACK_OBJECT_MAP:
        write_map(b, &o->via.map);
        break;
    case MSGPACK_OBJECT_BIN:
        write_bytes(b, o->via.bin.ptr, o->via.bin.size);
        break;
    case MSGPACK_OBJECT_EXT:
        write_ext(&b->json, &o->via.ext);
        break;
    default:
        write_number(&b->json, o);
        break;
    }
}

/* ---- a broadcast ---- */

static const msgpack_object *get(const msgpack_object *o, const char *key)
{
    size_t n = strlen(key);
    for (uint32_t i = 0; o && o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
        const msgpack_object_kv *kv = &o->via.map.ptr[i];
        if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == n &&
            memcmp(kv->key.via.str.ptr, key, n) == 0)
            return &kv->val;
    }
    return NULL;
}

/* A string without zeros, as one of C; NULL: it is none. */
static const char *text_of(struct rd_broadcast *b, const msgpack_object *o)
{
    if (!o || o->type != MSGPACK_OBJECT_STR || has_zero(&o->via.str))
        return NULL;
    char *text = keep(b, o->via.str.ptr, o->via.str.size);
    b->arena[b->used++] = '\0';
    return text;
}

static uint32_t length(const msgpack_object *o)
{
    return o && o->type == MSGPACK_OBJECT_ARRAY ? o->via.array.size : 0;
}

/* The names of rooms in an array; the others in it are left out. */
static size_t names_of(struct rd_broadcast *b, const msgpack_object *o, const char **to)
{
    size_t n = 0;
    for (uint32_t i = 0; i < length(o); i++) {
        to[n] = text_of(b, &o->via.array.ptr[i]);
        n += to[n] != NULL;
    }
    return n;
}

static int read_options(struct rd_broadcast *b, const msgpack_object *opts)
{
    const msgpack_object *rooms = get(opts, "rooms"), *except = get(opts, "except");
    const msgpack_object *flags = get(opts, "flags"), *is_volatile = get(flags, "volatile");
    const msgpack_object *timeout = get(flags, "timeout");
    size_t n = (size_t)length(rooms) + length(except) + 1;
    b->names = aw_mem_alloc(n * sizeof *b->names);
    if (!b->names)
        return -ENOMEM;
    b->packet.rooms = b->names;
    b->packet.n_rooms = names_of(b, rooms, b->names);
    if (length(rooms) > 0 && b->packet.n_rooms == 0)
        return -EBADMSG; /* to no room that there could be: not to everybody */
    b->packet.except = b->names + b->packet.n_rooms;
    b->packet.n_except = names_of(b, except, b->names + b->packet.n_rooms);
    b->packet.is_volatile =
        is_volatile && is_volatile->type == MSGPACK_OBJECT_BOOLEAN && is_volatile->via.boolean;
    if (timeout && timeout->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        b->timeout = (double)timeout->via.u64 / 1000;
    return 0;
}

static int read_packet(struct rd_broadcast *b, const msgpack_object *packet)
{
    const msgpack_object *data = get(packet, "data"), *nsp = get(packet, "nsp");
    b->nsp = nsp ? text_of(b, nsp) : "/";
    if (!b->nsp || length(data) == 0)
        return -EBADMSG;
    b->packet.event = text_of(b, &data->via.array.ptr[0]);
    if (!b->packet.event)
        return -EBADMSG;
    write_array(b, &data->via.array, 1);
    aw_growing_addc(&b->json, '\0');
    b->packet.json = b->json.data;
    b->packet.attachments = b->attachments;
    return b->json.failed;
}

static int read_parts(struct rd_broadcast *b, const msgpack_object *o)
{
    bool plain = length(o) >= 2;
    const msgpack_object *at = plain ? o->via.array.ptr : NULL, *type = get(o, "type");
    b->uid = text_of(b, plain ? &at[0] : get(o, "uid"));
    if (!plain) {
        b->request_id = text_of(b, get(o, "requestId"));
        if (!b->request_id || !type || type->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
            type->via.u64 != 7)
            return -EBADMSG;
    }
    if (!b->uid)
        return -EBADMSG;
    AW_TRY(read_packet(b, plain ? &at[1] : get(o, "packet")));
    return read_options(b, plain ? (length(o) > 2 ? &at[2] : NULL) : get(o, "opts"));
}

int rd_broadcast_read(struct rd_broadcast *b, const char *data, size_t n)
{
    size_t at = 0;
    *b = (struct rd_broadcast){.json.ceiling = 8 * n + 2048};
    if (!well_made(data, n))
        return -EBADMSG;
    b->arena = aw_mem_alloc(n + 1);
    if (!b->arena)
        return -ENOMEM;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return what = msgpack_unpack_next(&unpacked, data, n, &at);
    int err = what == MSGPACK_UNPACK_SUCCESS       ? read_parts(b, &unpacked.data)
              : what == MSGPACK_UNPACK_NOMEM_ERROR ? -ENOMEM
                                                   : -EBADMSG;
    msgpack_unpacked_destroy(&unpacked);
    if (err < 0)
        rd_broadcast_clear(b);
    return err == -EILSEQ ? -EBADMSG : err;
}

void rd_broadcast_clear(struct rd_broadcast *b)
{
    aw_mem_free(b->arena);
    aw_mem_free(b->names);
    aw_growing_clear(&b->json);
    *b = (struct rd_broadcast){.uid = NULL};
}
