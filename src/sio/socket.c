/*
 * socket.c - a client in a namespace: being let in, and being gone.
 *
 * Where nobody guards the namespace a client is in at once.  Else a job asks the guards one after
 * the other; the client may be gone by then.  The same job, or one of its own, calls the handler of
 * connections.
 */
#include <string.h>

#include "sio/sio.h"

/* ---- life ---- */

aw_sio_socket *aw_sio_socket_ref(aw_sio_socket *s)
{
    if (s)
        s->refs++;
    return s;
}

void aw_sio_socket_unref(aw_sio_socket *s)
{
    if (!s || --s->refs > 0)
        return;
    aw_sio_session_unref(s->session);
    aw_json_unref(s->auth_value);
    aw_mem_free(s->auth);
    aw_mem_free(s->refusal);
    aw_mem_free(s);
}

/* The client's auth: a JSON object, or nothing. */
static int set_auth(aw_sio_socket *s, const char *json, size_t n)
{
    if (n == 0)
        return 0;
    int err = aw_json_parse(&s->auth_value, json, n, s->ns->io->opts.max_depth, NULL);
    if (err == AW_ELIMIT)
        return aw_raise(err, "JSON deeper than .max_depth");
    if (err < 0)
        return err;
    if (!aw_sio_json_is_object(s->auth_value))
        return -EBADMSG;
    s->auth = aw_mem_alloc(n + 1);
    if (!s->auth)
        return -ENOMEM;
    memcpy(s->auth, json, n);
    s->auth[n] = '\0';
    return 0;
}

static aw_sio_socket *new_socket(struct aw_sio_session *session, aw_sio_namespace *ns)
{
    aw_sio_socket *s = aw_mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    s->refs = 1; /* the session's */
    s->session = aw_sio_session_ref(session);
    s->ns = ns;
    s->reason = "";
    s->node.name = s->id;
    aw_list_init(&s->session_link);
    aw_list_init(&s->namespace_link);
    aw_list_init(&s->members);
    aw_list_init(&s->questions);
    return s;
}

aw_sio_socket *aw_sio_socket_of(const struct aw_sio_session *s, const char *nsp, size_t n)
{
    aw_list_each(it, &s->sockets)
    {
        aw_sio_socket *socket = aw_container_of(it, aw_sio_socket, session_link);
        if (strlen(socket->ns->name) == n && memcmp(socket->ns->name, nsp, n) == 0)
            return socket;
    }
    return NULL;
}

/* ---- packets about it ---- */

/* A packet of this type, with this JSON. */
static int send_packet(aw_sio_socket *s, enum aw_sio_type type, const char *json)
{
    struct aw_growing t = {0};
    struct aw_sio_wire head = {.type = type, .nsp = s->ns->name, .nsp_len = strlen(s->ns->name)};
    aw_growing_addc(&t, AW_EIO_MESSAGE);
    aw_sio_packet_head(&t, &head);
    aw_growing_adds(&t, json);
    struct aw_sio_out *out = t.failed ? NULL : aw_sio_out_new(t.data, t.len);
    int err = out ? aw_sio_session_send(s->session, out, false) : -ENOMEM;
    aw_sio_out_unref(out);
    aw_growing_clear(&t);
    return err;
}

static int welcome(aw_sio_socket *s)
{
    char json[32 + AW_SIO_ID];
    snprintf(json, sizeof json, "{\"sid\":\"%s\"}", s->id);
    return send_packet(s, AW_SIO_CONNECT, json);
}

/* ---- being let in ---- */

/* It is in: everybody can see it from now on. */
static int enter(aw_sio_socket *s)
{
    AW_TRY(aw_sio_table_add(&s->ns->by_id, &s->node));
    s->state = AW_SIO_CONNECTED;
    s->session->was_connected = true;
    aw_list_remove(&s->session->connect.link);
    aw_list_push_back(&s->ns->sockets, &s->namespace_link);
    const aw_sio_adapter *adapter = s->ns->io->adapter;
    if (adapter && adapter->room_begins)
        adapter->room_begins(s->ns, s->id, s->ns->io->adapter_arg);
    return welcome(s);
}

static int call_on_connect(struct aw_sio_job *job)
{
    aw_sio_socket_handler *fn = (aw_sio_socket_handler *)job->handler.fn;
    int err = fn(job->socket, job->handler.arg);
    if (err < 0)
        aw_ignore(aw_sio_disconnect(job->socket));
    return err < 0 ? err : 0;
}

/* The client is told why it is not let in; it may try again. */
static void turn_away(aw_sio_socket *s, int err, const char *words)
{
    struct aw_growing t = {0};
    if (s->refusal) {
        aw_growing_adds(&t, s->refusal);
    } else {
        const char *message = *words ? words : aw_strerror(err);
        aw_growing_adds(&t, "{\"message\":");
        aw_json_quote(&t, message, strlen(message));
        aw_growing_addc(&t, '}');
    }
    aw_growing_addc(&t, '\0');
    if (t.failed || send_packet(s, AW_SIO_CONNECT_ERROR, t.data) < 0)
        aw_sio_session_doom(s->session, "transport error");
    aw_growing_clear(&t);
    aw_sio_socket_end(s, "server namespace disconnect");
}

static int ask_guards(struct aw_sio_job *job)
{
    aw_sio_socket *s = job->socket;
    for (struct aw_sio_guard *g = s->ns->guards; g; g = g->next) {
        job->handler = g->handler;
        int err = ((aw_sio_socket_handler *)g->handler.fn)(s, g->handler.arg);
        if (s->state != AW_SIO_CONNECTING)
            return err == -ECANCELED ? err : 0; /* gone meanwhile */
        if (err < 0) {
            turn_away(s, err, aw_errmsg());
            return err == -ECANCELED ? err : 0;
        }
    }
    int err = enter(s);
    if (err < 0) {
        aw_sio_session_doom(s->session, "transport error");
        return 0;
    }
    job->handler = s->ns->on_connect;
    return job->handler.fn ? call_on_connect(job) : 0;
}

static int start(aw_sio_socket *s, const struct aw_sio_handler *handler,
                 int (*run)(struct aw_sio_job *job))
{
    return aw_sio_job_start(
        &(struct aw_sio_job){.io = s->ns->io, .handler = *handler, .socket = s, .run = run},
        run != call_on_connect);
}

int aw_sio_socket_begin(struct aw_sio_session *session, aw_sio_namespace *ns, const char *json,
                        size_t n)
{
    aw_sio_socket *s = new_socket(session, ns);
    if (!s)
        return -ENOMEM;
    int err = set_auth(s, json, n);
    if (err == 0)
        err = aw_sio_new_id(s->id);
    if (err < 0) {
        aw_sio_socket_unref(s);
        return err;
    }
    aw_list_push_back(&session->sockets, &s->session_link);
    if (ns->guards)
        return start(s, &ns->guards->handler, ask_guards);
    err = enter(s);
    return err == 0 && ns->on_connect.fn ? start(s, &ns->on_connect, call_on_connect) : err;
}

int aw_sio_refuse(aw_sio_socket *s, const char *message, const char *json)
{
    struct json_t *value = NULL;
    struct aw_growing t = {0};
    if (!s || !message)
        return -EINVAL;
    if (json && aw_json_parse(&value, json, strlen(json), s->ns->io->opts.max_depth, NULL) < 0)
        return -EINVAL;
    aw_json_unref(value);
    aw_growing_adds(&t, "{\"message\":");
    aw_json_quote(&t, message, strlen(message));
    if (json) {
        aw_growing_adds(&t, ",\"data\":");
        aw_growing_adds(&t, json);
    }
    aw_growing_adds(&t, "}");
    aw_growing_addc(&t, '\0');
    if (t.failed) {
        int err = t.failed;
        aw_growing_clear(&t);
        return err;
    }
    aw_mem_free(s->refusal);
    s->refusal = t.data;
    return aw_raise(-EACCES, message);
}

/* ---- being gone ---- */

static int call_on_disconnect(struct aw_sio_job *job)
{
    aw_sio_socket_handler *fn = (aw_sio_socket_handler *)job->handler.fn;
    int err = fn(job->socket, job->handler.arg);
    return err < 0 ? err : 0;
}

static void leave_namespace(aw_sio_socket *s)
{
    aw_sio_namespace *ns = s->ns;
    aw_sio_leave_all(s);
    aw_sio_table_remove(&ns->by_id, &s->node);
    aw_list_remove(&s->namespace_link);
    if (ns->io->adapter && ns->io->adapter->room_ends)
        ns->io->adapter->room_ends(ns, s->id, ns->io->adapter_arg);
}

void aw_sio_socket_end(aw_sio_socket *s, const char *reason)
{
    bool was_in = s->state == AW_SIO_CONNECTED;
    if (s->state == AW_SIO_GONE)
        return;
    if (was_in)
        leave_namespace(s);
    s->state = AW_SIO_GONE;
    s->reason = reason;
    aw_list_remove(&s->session_link);
    aw_list *node;
    while ((node = aw_list_pop_front(&s->questions)) != NULL)
        aw_ignore(
            aw_set_error(aw_container_of(node, struct aw_sio_question, link)->done, -ENOTCONN));
    if (was_in && s->ns->on_disconnect.fn &&
        aw_sio_job_start(&(struct aw_sio_job){.io = s->ns->io,
                                              .handler = s->ns->on_disconnect,
                                              .socket = s,
                                              .run = call_on_disconnect},
                         false) < 0)
        aw_sio_tell(s->ns->io, s->session->handshake,
                    "no memory to call the handler of its disconnection", NULL, 0);
    aw_sio_socket_unref(s);
}

int aw_sio_disconnect_(const aw_sio_disconnect_opts *opts)
{
    aw_sio_socket *s = opts->socket;
    if (!s)
        return -EINVAL;
    AW_TRY(aw_sio_here(s->ns->io));
    if (s->state != AW_SIO_CONNECTED)
        return -ENOTCONN;
    struct aw_sio_session *session = aw_sio_session_ref(s->session);
    static const char reason[] = "server namespace disconnect";
    aw_ignore(send_packet(s, AW_SIO_DISCONNECT, "")); /* if it cannot be: doomed */
    if (opts->close)
        aw_sio_session_end(session, reason, AW_WS_NORMAL);
    else
        aw_sio_socket_end(s, reason);
    aw_sio_session_unref(session);
    return 0;
}

/* ---- looking at one ---- */

const char *aw_sio_socket_id(const aw_sio_socket *s)
{
    return s ? s->id : "";
}

aw_sio_namespace *aw_sio_socket_namespace(const aw_sio_socket *s)
{
    return s ? s->ns : NULL;
}

bool aw_sio_socket_connected(const aw_sio_socket *s)
{
    return s && s->state == AW_SIO_CONNECTED;
}

const char *aw_sio_socket_reason(const aw_sio_socket *s)
{
    return s ? s->reason : "";
}

const char *aw_sio_socket_auth(const aw_sio_socket *s)
{
    return s && s->auth ? s->auth : "{}";
}

struct json_t *aw_sio_socket_auth_value(aw_sio_socket *s)
{
    return s ? s->auth_value : NULL;
}

const char *aw_sio_socket_peer(const aw_sio_socket *s)
{
    return s ? aw_sio_handshake_peer(s->session->handshake) : "";
}

const char *aw_sio_socket_field(const aw_sio_socket *s, const char *name)
{
    return s && name ? aw_sio_handshake_field(s->session->handshake, name) : NULL;
}

const char *aw_sio_socket_query(const aw_sio_socket *s)
{
    return s ? aw_sio_handshake_query(s->session->handshake) : "";
}

bool aw_sio_socket_is_websocket(const aw_sio_socket *s)
{
    return s && s->session->ws;
}

void aw_sio_socket_set_data(aw_sio_socket *s, void *data)
{
    if (s)
        s->data = data;
}

void *aw_sio_socket_data(const aw_sio_socket *s)
{
    return s ? s->data : NULL;
}
