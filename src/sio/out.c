/*
 * out.c - packets to be sent, encoded once.
 *
 * A packet is one block of memory: its text, its attachments, and room for the frames that
 * WebSockets share.  Polling writes from the text; frames are made when the first WebSocket is to
 * get it, so a broadcast makes each frame once.
 */
#include <string.h>

#include "sio/json.h"
#include "sio/sio.h"
#include "text/utf8.h"

/* ---- blocks ---- */

static size_t sum(const aw_sio_bytes *parts, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += parts[i].size;
    return total;
}

static struct aw_sio_out *new_block(const char *text, size_t len, const aw_sio_bytes *parts,
                                    size_t n)
{
    size_t bytes = sum(parts, n), frames = (1 + n) * sizeof(aw_websocket_frame *);
    struct aw_sio_out *out =
        aw_mem_zalloc(sizeof *out + n * sizeof(aw_sio_bytes) + frames + len + bytes);
    if (!out)
        return aw_refuse(-ENOMEM, NULL);
    out->refs = 1;
    out->n = (unsigned)n;
    out->bytes = len + bytes;
    out->parts = (aw_sio_bytes *)(out + 1);
    out->frames = (aw_websocket_frame **)(out->parts + n);
    char *at = (char *)(out->frames + 1 + n);
    out->text = at;
    out->len = len;
    memcpy(at, text, len);
    at += len;
    for (size_t i = 0; i < n; i++) {
        out->parts[i] = (aw_sio_bytes){.data = at, .size = parts[i].size};
        if (parts[i].size)
            memcpy(at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    return out;
}

struct aw_sio_out *aw_sio_out_new(const char *text, size_t n)
{
    return new_block(text, n, NULL, 0);
}

struct aw_sio_out *aw_sio_out_ref(struct aw_sio_out *out)
{
    out->refs++;
    return out;
}

void aw_sio_out_unref(struct aw_sio_out *out)
{
    if (!out || --out->refs > 0)
        return;
    for (unsigned i = 0; i <= out->n; i++)
        aw_websocket_frame_unref(out->frames[i]);
    aw_mem_free(out);
}

int aw_sio_out_frames(struct aw_sio_out *out)
{
    if (!out->frames[0])
        out->frames[0] = aw_websocket_frame_new(out->text, out->len);
    for (unsigned i = 0; i < out->n && out->frames[i]; i++)
        if (!out->frames[i + 1])
            out->frames[i + 1] =
                aw_websocket_frame_new(out->parts[i].data, out->parts[i].size, .binary = true);
    return out->frames[out->n] ? 0 : aw_errno();
}

/* ---- encoding ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What is between the brackets of an array, and nothing around it.  False: it is not in brackets.
 */
static bool inside(const char **text, size_t *n)
{
    const char *from = *text, *to = from + *n;
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    if (to - from < 2 || *from != '[' || to[-1] != ']')
        return false;
    for (from++, to--; from < to && is_blank(*from);)
        from++;
    *text = from;
    *n = (size_t)(to - from);
    return true;
}

/* The arguments as text, from whichever form they were given in. */
static int add_arguments(aw_sio *io, struct aw_growing *t, const struct aw_sio_draft *d)
{
    struct aw_growing written = {0};
    const char *text = d->json ? d->json : "[]";
    size_t n = strlen(text);
    int err = 0;
    if (d->value) {
        if (d->json)
            return aw_raise(-EINVAL, "arguments as text and as a value");
        err = aw_json_write(&written, d->value, io->opts.max_depth);
        text = written.data;
        n = written.len;
    }
    if (err == AW_ELIMIT)
        err = aw_raise(err, "the JSON is deeper than .max_depth");
    if (err == 0 && !inside(&text, &n))
        err = aw_raise(-EINVAL, "the arguments are no JSON array");
    if (err == 0) {
        if (d->event && n > 0)
            aw_growing_addc(t, ',');
        aw_growing_add(t, text, n);
    }
    aw_growing_clear(&written);
    return err;
}

/* Is what was put together a JSON array, no deeper than it may be, whose placeholders fit? */
static int check_json(aw_sio *io, const char *text, size_t n, size_t attachments)
{
    struct json_t *value;
    int err = aw_json_parse(&value, text, n, io->opts.max_depth, NULL);
    if (err == -EBADMSG)
        return aw_raise(-EINVAL, "the arguments are no JSON");
    if (err == AW_ELIMIT)
        return aw_raise(err, "the JSON is deeper than .max_depth");
    if (err < 0)
        return err;
    if (attachments && aw_sio_json_placeholders(value, (unsigned)attachments) < 0)
        err = aw_raise(-EINVAL, "the placeholders do not fit the attachments");
    aw_json_unref(value);
    return err;
}

static int check_draft(const aw_sio *io, const struct aw_sio_draft *d)
{
    if (d->n_attachments > io->opts.max_attachments)
        return aw_raise(AW_ELIMIT, "more attachments than .max_attachments");
    if (d->n_attachments && !d->attachments)
        return aw_raise(-EINVAL, "no attachments");
    for (size_t i = 0; i < d->n_attachments; i++)
        if (!d->attachments[i].data && d->attachments[i].size)
            return aw_raise(-EINVAL, "an attachment without bytes");
    if (d->event && aw_sio_reserved(d->event, strlen(d->event)))
        return aw_raise(-EINVAL, "the event's name is reserved");
    if (d->event && !aw_utf8_whole(d->event, strlen(d->event)))
        return aw_raise(-EILSEQ, "the event's name is not UTF-8");
    return 0;
}

static int write_text(aw_sio *io, struct aw_growing *t, const struct aw_sio_draft *d)
{
    AW_TRY(check_draft(io, d));
    bool binary = d->n_attachments > 0;
    struct aw_sio_wire head = {
        .type = !binary                   ? d->type
                : d->type == AW_SIO_EVENT ? AW_SIO_BINARY_EVENT
                                          : AW_SIO_BINARY_ACK,
        .attachments = (unsigned)d->n_attachments,
        .nsp = d->nsp,
        .nsp_len = strlen(d->nsp),
        .has_id = d->has_id,
        .id = d->id,
    };
    aw_growing_addc(t, AW_EIO_MESSAGE);
    aw_sio_packet_head(t, &head);
    size_t begin = t->len;
    aw_growing_addc(t, '[');
    if (d->event)
        aw_json_quote(t, d->event, strlen(d->event));
    AW_TRY(add_arguments(io, t, d));
    aw_growing_addc(t, ']');
    if (t->failed)
        return t->failed;
    return check_json(io, t->data + begin, t->len - begin, d->n_attachments);
}

struct aw_sio_out *aw_sio_encode(aw_sio *io, const struct aw_sio_draft *d)
{
    struct aw_growing t = {0};
    int err = write_text(io, &t, d);
    struct aw_sio_out *out = err < 0 ? aw_refuse(err, aw_errmsg())
                                     : new_block(t.data, t.len, d->attachments, d->n_attachments);
    aw_growing_clear(&t);
    return out;
}
