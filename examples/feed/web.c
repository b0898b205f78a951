/*
 * web.c - what HTTP is for: the page, POST /items, /healthz, /metrics, and the way to Socket.IO.
 *
 * An item that is none is refused with a reason, which is a line in the log, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feed/feed.h"

enum { MOST_ITEMS = 1000 /* in one request */ };

/* ---- POST /items ---- */

static int answer_json(aw_http_request *r, int status, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    int err = text ? aw_http_respond(r, status, "application/json", text, strlen(text)) : -ENOMEM;
    free(text);
    json_decref(value);
    return err;
}

/* `why` is for the log; `words` for whoever asks, who need not know where the queue is. */
static int refuse_in_words(aw_http_request *r, int status, const char *why, const char *words)
{
    say("warning", "items refused", "{s:i, s:s, s:s}", "status", status, "peer",
        aw_http_request_peer(r), "reason", why);
    return answer_json(r, status, json_pack("{s:s}", "error", words));
}

static int refuse(aw_http_request *r, int status, const char *why)
{
    return refuse_in_words(r, status, why, why);
}

/* The messages of an array; what is no object has no body there. */
static struct message *messages_of(const json_t *items, size_t n)
{
    struct message *m = calloc(n, sizeof *m);
    for (size_t i = 0; m && i < n; i++) {
        const json_t *item = json_array_get(items, i);
        m[i].body = json_is_object(item) ? json_dumps(item, JSON_COMPACT) : NULL;
        m[i].length = m[i].body ? strlen(m[i].body) : 0;
    }
    return m;
}

static void free_messages(struct message *m, size_t n)
{
    for (size_t i = 0; m && i < n; i++)
        free(m[i].body);
    free(m);
}

static int put(struct feed *f, aw_http_request *r, struct message *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!m[i].body)
            return refuse(r, 400, "an item is a JSON object");
    int err = f->source->add(f->source, m, n);
    if (err < 0)
        return refuse_in_words(r, 503, *aw_errmsg() ? aw_errmsg() : aw_strerror(err),
                               err == AW_EFULL ? "too many items wait" : "the queue fails");
    f->counted.added += n;
    json_t *ids = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ids, json_string(m[i].id));
    return answer_json(r, 202, json_pack("{s:o}", "ids", ids));
}

/* `value` is one item, or an array of them; it is given up here. */
static int add_value(struct feed *f, aw_http_request *r, json_t *value)
{
    json_t *items = json_is_array(value) ? value : json_pack("[o]", value);
    size_t n = json_array_size(items);
    struct message *m = n > 0 && n <= MOST_ITEMS ? messages_of(items, n) : NULL;
    json_decref(items);
    int err = m ? put(f, r, m, n) : refuse(r, 400, "an array has 1 to 1000 items");
    free_messages(m, n);
    return err;
}

/* "Application/JSON; charset=utf-8" is one, "application/json-seq" is another type. */
static bool is_json(const char *type)
{
    size_t n = strlen("application/json");
    return type && strncasecmp(type, "application/json", n) == 0 &&
           (type[n] == '\0' || type[n] == ';' || type[n] == ' ' || type[n] == '\t');
}

/* Pages of other sites can send forms here, but no JSON: their browsers would have to ask first. */
static int add_items(aw_http_request *r, void *arg)
{
    struct feed *f = arg;
    char *body, why[WHY];
    if (!is_json(aw_http_request_field(r, "Content-Type")))
        return refuse(r, 415, "the content type has to be application/json");
    if (aw_event_is_set(&f->stop))
        return refuse(r, 503, "the service is about to end");
    ssize_t n = aw_http_request_body(r, &body);
    if (n < 0)
        return (int)n; /* the server answers, and logs: 413, 408, 400 */
    json_t *value = json_read(body, (size_t)n, why);
    return value ? add_value(f, r, value) : refuse(r, 400, why);
}

/* ---- for operators ---- */

static int health(aw_http_request *r, void *arg)
{
    struct feed *f = arg;
    bool stopping = aw_event_is_set(&f->stop);
    bool full = items_error(f->items) < 0;
    const char *status = stopping        ? "stopping"
                         : f->queue_down ? "the queue fails"
                         : full          ? "the journal cannot be written"
                                         : "ok";
    return answer_json(r, stopping || f->queue_down || full ? 503 : 200,
                       json_pack("{s:s, s:I, s:I}", "status", status, "clients",
                                 (json_int_t)aw_sio_namespace_sockets(f->clients), "waiting",
                                 (json_int_t)f->source->waiting(f->source)));
}

static void metric(FILE *to, const char *name, const char *type, const char *help, double value)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

static void write_metrics(FILE *to, const struct feed *f)
{
    metric(to, "feed_items_added_total", "counter",
           "Items that POST /items has put into the queue.", (double)f->counted.added);
    metric(to, "feed_items_emitted_total", "counter", "Items that were sent to all clients.",
           (double)f->counted.emitted);
    metric(to, "feed_items_removed_total", "counter", "Items that clients have removed.",
           (double)f->counted.removed);
    metric(to, "feed_messages_rejected_total", "counter", "Messages that were no items.",
           (double)f->counted.rejected);
    metric(to, "feed_queue_failures_total", "counter", "Calls of the queue that failed.",
           (double)f->counted.failures);
    metric(to, "feed_queue_up", "gauge", "Does the queue answer?", !f->queue_down);
    metric(to, "feed_journal_up", "gauge", "Can the journal be written?",
           items_error(f->items) >= 0);
    if (f->source->waiting(f->source) >= 0) /* not known of a queue outside */
        metric(to, "feed_items_waiting", "gauge", "Items in the queue.",
               (double)f->source->waiting(f->source));
    metric(to, "feed_items_kept", "gauge", "Items that newcomers are shown.",
           (double)items_kept(f->items));
    metric(to, "feed_clients", "gauge", "Clients that are connected.",
           (double)aw_sio_namespace_sockets(f->clients));
    metric(to, "feed_client_floods_total", "counter", "Clients disconnected for too many events.",
           (double)f->counted.floods);
    metric(to, "feed_http_requests_total", "counter", "Requests that were served.",
           (double)aw_http_server_requests(f->server));
    metric(to, "feed_http_refusals_total", "counter", "Requests that were refused.",
           (double)aw_http_server_refusals(f->server));
}

static int metrics(aw_http_request *r, void *arg)
{
    char *text;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    if (!to)
        return -ENOMEM;
    write_metrics(to, arg);
    if (fclose(to) != 0)
        return -ENOMEM;
    int err = aw_http_respond(r, 200, "text/plain; version=0.0.4; charset=utf-8", text, n);
    free(text);
    return err;
}

/* ---- the page ---- */

static int client_script(aw_http_request *r, void *arg)
{
    struct feed *f = arg;
    return aw_http_respond_file(r, AT_FDCWD, f->options->client, .type = "text/javascript");
}

static int page(aw_http_request *r, void *arg)
{
    struct feed *f = arg;
    AW_TRY(aw_http_respond_field(r, "Content-Security-Policy",
                                 "default-src 'self'; "
                                 "connect-src 'self' ws: wss:"));
    AW_TRY(aw_http_respond_field(r, "X-Content-Type-Options", "nosniff"));
    return aw_http_files_handler(r, f->files);
}

/* ---- starting and stopping ---- */

static void log_exchange(const aw_http_log_entry *entry, void *arg)
{
    (void)arg;
    if (entry->refused)
        say("warning", "request refused", "{s:s}", "line", entry->text);
}

static int make_routes(struct feed *f)
{
    f->files = aw_http_files_new(f->options->page);
    f->router = f->files ? aw_http_router_new() : NULL;
    if (!f->router)
        return aw_errno();
    FILE *client = fopen(f->options->client, "re");
    if (client) {
        fclose(client);
        AW_TRY(aw_http_route(f->router, "GET", "/socket.io.js", client_script, f));
    }
    AW_TRY(aw_http_route(f->router, "POST", "/items", add_items, f));
    AW_TRY(aw_http_route(f->router, "GET", "/healthz", health, f));
    AW_TRY(aw_http_route(f->router, "GET", "/metrics", metrics, f));
    AW_TRY(aw_http_route(f->router, "*", "/socket.io/", aw_sio_handler, f->io));
    return aw_http_route(f->router, "GET", "/*path", page, f);
}

int web_start(struct feed *f)
{
    AW_TRY(clients_start(f));
    return make_routes(f);
}

int web_listen(struct feed *f)
{
    return aw_http_serve(&f->server, aw_http_router_handler, f->options->host, f->options->port,
                         .arg = f->router, .logger = log_exchange, .max_body = MAX_ITEM,
                         .stack_size = HANDLER_STACK);
}

void web_stop(struct feed *f)
{
    if (f->io)
        aw_ignore(aw_sio_close(f->io, .grace = 1));
    if (f->server)
        aw_ignore(aw_http_server_shutdown(f->server, .grace = 1));
    aw_http_server_unref(f->server);
    aw_sio_unref(f->io);
    aw_http_router_free(f->router);
    aw_http_files_free(f->files);
}
