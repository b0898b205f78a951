/*
 * threadsafe.c - broadcasts from other threads.
 *
 * Everything is copied into one block, which a coroutine on the server's loop unpacks; it is freed
 * when that has ended, or could never begin.
 */
#include <string.h>

#include "await/thread.h"
#include "sio/sio.h"

/* Memory that is handed out from one end: first counted, with `at` NULL, then filled. */
struct block {
    char *at;
    size_t used;
};

static void *take(struct block *b, const void *data, size_t n)
{
    size_t begin = b->used;
    b->used += aw_round_up(n, sizeof(void *));
    if (!b->at)
        return NULL;
    if (n)
        memcpy(b->at + begin, data, n);
    return b->at + begin;
}

static const char *take_string(struct block *b, const char *text)
{
    return text ? take(b, text, strlen(text) + 1) : NULL;
}

static const char *const *take_list(struct block *b, const char *const *list)
{
    size_t n = 0;
    if (!list)
        return NULL;
    while (list[n])
        n++;
    const char **copy = take(b, list, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) {
        const char *name = take_string(b, list[i]);
        if (copy)
            copy[i] = name;
    }
    return copy;
}

static const aw_sio_bytes *take_bytes(struct block *b, const aw_sio_bytes *parts, size_t n)
{
    aw_sio_bytes *copy = take(b, parts, n * sizeof *parts);
    for (size_t i = 0; i < n; i++) {
        void *data = take(b, parts[i].data, parts[i].size);
        if (copy)
            copy[i].data = data;
    }
    return copy;
}

/* The options, and all that they point to. */
static aw_sio_emit_opts *pack(struct block *b, const aw_sio_emit_opts *o)
{
    aw_sio_emit_opts *copy = take(b, o, sizeof *o);
    aw_sio_emit_opts to = *o;
    to.event = take_string(b, o->event);
    to.json = take_string(b, o->json);
    to.room = take_string(b, o->room);
    to.except_room = take_string(b, o->except_room);
    to.rooms = take_list(b, o->rooms);
    to.except_rooms = take_list(b, o->except_rooms);
    to.attachments = take_bytes(b, o->attachments, o->n_attachments);
    if (copy)
        *copy = to;
    return copy;
}

static int run(void *arg)
{
    return aw_sio_broadcast_(arg);
}

int aw_sio_broadcast_threadsafe_(const aw_sio_emit_opts *o)
{
    if (!o->ns || !o->event || o->value || o->except_socket ||
        (o->n_attachments && !o->attachments))
        return -EINVAL;
    for (size_t i = 0; i < o->n_attachments; i++)
        if (!o->attachments[i].data && o->attachments[i].size)
            return -EINVAL;
    struct block b = {0};
    pack(&b, o);
    b.at = aw_mem_alloc(b.used);
    if (!b.at)
        return -ENOMEM;
    b.used = 0;
    aw_sio_emit_opts *copy = pack(&b, o);
    aw_cfuture *f = aw_submit(o->ns->io->loop, run, copy, .release = aw_mem_free);
    if (!f) {
        aw_mem_free(b.at);
        return aw_errno();
    }
    aw_cfuture_unref(f);
    return 0;
}
