/*
 * Fuzzing packets of Socket.IO: libFuzzer's target.
 *
 * A packet that is accepted has parts within the text; its head, written again, is read as the
 * same; and an event made of it has arguments that are JSON, and attachments that fit.
 */
#include <stdlib.h>
#include <string.h>

#include "sio/sio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void read_again(const struct aw_sio_wire *p)
{
    struct aw_growing t = {0};
    struct aw_sio_wire again;
    aw_sio_packet_head(&t, p);
    size_t head = t.len;
    aw_growing_add(&t, p->json, p->json_len);
    expect(!t.failed && aw_sio_packet_decode(&again, t.data, t.len, 10) == 0);
    expect(again.type == p->type && again.has_id == p->has_id && again.id == p->id &&
           again.attachments == p->attachments && again.nsp_len == p->nsp_len &&
           again.json == t.data + head);
    aw_growing_clear(&t);
}

static void look_at(aw_sio *io, const aw_sio_event *e, unsigned attachments)
{
    struct json_t *value;
    size_t n;
    const char *json = aw_sio_event_json(e, &n);
    expect(strlen(json) == n && n >= 2 && strchr(" \t\r\n[", json[0]));
    expect(aw_json_parse(&value, json, n, io->opts.max_depth, NULL) == 0);
    expect(aw_json_is_array(value) && e->n == attachments);
    aw_json_unref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    aw_sio io = {.opts = {.max_depth = 64, .max_message = 1000}};
    struct aw_sio_wire p;
    char *text = malloc(size ? size : 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    if (aw_sio_packet_decode(&p, text, size, 10) == 0) {
        expect(p.json >= text && p.json + p.json_len == text + size && p.attachments <= 10);
        if (p.json_len == 0 || p.json[0] != '/') /* which is no JSON */
            read_again(&p);
        aw_sio_event *e = p.type != AW_SIO_CONNECT && p.type != AW_SIO_DISCONNECT
                              ? aw_sio_event_new(NULL, &p, &io)
                              : NULL;
        if (e)
            look_at(&io, e, p.attachments);
        aw_sio_event_unref(e);
    }
    free(text);
    return 0;
}
