/*
 * clients.c - the Socket.IO server: what clients are shown, and what they may ask for.
 *
 * Clients are strangers.  One that sends more events than a person could is disconnected; one that
 * does not read is by the library, when more than BUFFERED bytes wait for it (.max_buffered).  Each
 * of these is a line in the log.
 *
 * A newcomer is shown the kept items piece by piece, each after it has acknowledged the one before:
 * so a slow one gets them at its own pace.  What is added meanwhile comes in between, and clients
 * tell items apart by their ids.  One that was cut off connects again and catches up in this way:
 * with what is kept, --keep of them, and not with what came before those.
 */
#include <errno.h>
#include <stdlib.h>

#include "feed/feed.h"

enum {
    MOST_EVENTS = 100,  /* of a client, */
    PERIOD = 10,        /* in so many seconds */
    BUFFERED = 8 << 20, /* bytes kept for a client that reads slowly; beyond it is cut off */
};

/* How many events a client has sent lately. */
struct visitor {
    double since;
    int events;
};

int next_piece(struct feed *f, char **ret, char cursor[CURSOR])
{
    size_t n;
    FILE *to = open_memstream(ret, &n);
    if (!to)
        return -ENOMEM;
    fputs("[[", to);
    int more =
        f->shared ? f->shared->read(f->shared, to, cursor) : items_read(f->items, to, cursor);
    fputs(more > 0 ? "],true]" : "],false]", to);
    if (fclose(to) == 0 && more >= 0)
        return more;
    free(*ret);
    return more < 0 ? more : -ENOMEM;
}

static int show_kept(struct feed *f, aw_sio_socket *s)
{
    char cursor[CURSOR] = "";
    int more;
    do {
        char *piece;
        more = next_piece(f, &piece, cursor);
        AW_TRY(more);
        int err = aw_sio_call(s, "items", piece); /* sent at once; then waits for its answer */
        free(piece);
        AW_TRY(err);
    } while (more);
    return 0;
}

static int on_connect(aw_sio_socket *s, void *arg)
{
    struct visitor *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    aw_sio_socket_set_data(s, v);
    say("info", "connected", "{s:s, s:s}", "client", aw_sio_socket_id(s), "peer",
        aw_sio_socket_peer(s));
    int err = show_kept(arg, s);
    if (err == -ECANCELED)
        return err;
    if (err >= 0 || !aw_sio_socket_connected(s))
        return 0;
    say("warning", "a client is not shown what is kept", "{s:s, s:s}", "client",
        aw_sio_socket_id(s), "reason", aw_strerror(err));
    if (err == -ETIMEDOUT) /* one that does not answer is let go */
        aw_ignore(aw_sio_disconnect(s, .close = true));
    return 0;
}

static int on_disconnect(aw_sio_socket *s, void *arg)
{
    (void)arg;
    say("info", "disconnected", "{s:s, s:s}", "client", aw_sio_socket_id(s), "reason",
        aw_sio_socket_reason(s));
    free(aw_sio_socket_data(s));
    aw_sio_socket_set_data(s, NULL);
    return 0;
}

/* Is this event one of few?  Else it is the last one of its client. */
static bool admit(struct feed *f, aw_sio_socket *s)
{
    struct visitor *v = aw_sio_socket_data(s);
    if (!v || !aw_sio_socket_connected(s))
        return false;
    if (aw_time() - v->since > PERIOD)
        *v = (struct visitor){.since = aw_time()};
    if (++v->events <= MOST_EVENTS)
        return true;
    say("warning", "a client sends too many events", "{s:s, s:s, s:i}", "client",
        aw_sio_socket_id(s), "peer", aw_sio_socket_peer(s), "limit", MOST_EVENTS);
    f->counted.floods++;
    aw_ignore(aw_sio_disconnect(s, .close = true));
    return false;
}

/* socket.emit('item_removed', id, removed => ...): take it away, for everybody. */
static int on_item_removed(aw_sio_event *e, void *arg)
{
    struct feed *f = arg;
    const char *id = aw_sio_event_string(e, 0);
    if (!admit(f, aw_sio_event_socket(e)))
        return 0;
    bool removed =
        id && (f->shared ? f->shared->remove(f->shared, id) > 0 : items_remove(f->items, id));
    if (removed) {
        f->counted.removed++;
        aw_ignore(aw_sio_broadcast(f->clients, "item_removed", aw_sio_event_json(e, NULL)));
    }
    return aw_sio_event_wants_ack(e) ? aw_sio_ack(e, removed ? "[true]" : "[false]") : 0;
}

static int on_unknown(aw_sio_event *e, void *arg)
{
    if (admit(arg, aw_sio_event_socket(e)))
        say("warning", "unknown event", "{s:s, s:s}", "name", aw_sio_event_name(e), "client",
            aw_sio_socket_id(aw_sio_event_socket(e)));
    return 0;
}

/* ---- starting ---- */

static void log_client(const char *line, void *arg)
{
    (void)arg;
    say("warning", "client refused", "{s:s}", "line", line);
}

int clients_start(struct feed *f)
{
    f->io = aw_sio_new(.logger = log_client, .max_buffered = BUFFERED, .stack_size = HANDLER_STACK);
    f->clients = f->io ? aw_sio_of(f->io, "/") : NULL;
    if (!f->clients)
        return aw_errno();
    AW_TRY(aw_sio_on_connect(f->clients, on_connect, f));
    AW_TRY(aw_sio_on_disconnect(f->clients, on_disconnect, f));
    AW_TRY(aw_sio_on(f->clients, "item_removed", on_item_removed, f));
    return aw_sio_on(f->clients, NULL, on_unknown, f);
}
