/*
 * Clients of a feed, many in one program: what arrives at each, in what order, how soon.
 *
 *     watch URL [--clients 100] [--items 1000] [--run NAME] [--seconds 60] [--idle 0] [--once 0]
 *
 * URL is ws://host:port.  Each client speaks Socket.IO over a WebSocket of its own, connects again
 * when it is cut off, and counts the items of that run by their number n: seen live, seen twice,
 * out of order, seen only among the kept items that it is shown when it connects.  --idle more
 * clients connect and never read.  With --once 1 a client that is cut off stays away.
 *
 * Prints "ready" when all are connected, and at the end, when each has seen every item, all stay
 * away or the time is over, one line of JSON.  Exits 0 if every item came exactly once to each.
 */
#include <await.h>
#include <await/websocket.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUCKETS = 100000 }; /* of 0.1 ms, for latencies up to 10 s */
#define AGAIN 0.1          /* seconds until a client that was cut off connects again */

struct client;

struct job {
    char url[300];
    struct client *all;
    const char *run;
    double clients, items, seconds, idle, once;
    long connected, complete, away;    /* clients */
    long arrived, twice, turned, late; /* items: live; again; after a later one; only when kept */
    long breaks;                       /* connections that ended */
    long *buckets, counted;
    double longest, first, last; /* ms; times of the first and the last arrival */
    aw_event ready, done;
};

struct client {
    struct job *job;
    aw_websocket *ws;
    long seen, highest;
    bool was_ready;
    char *has; /* a byte for each item */
};

static double milliseconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- counting ---- */

static void note_latency(struct job *j, double ms)
{
    double bucket = ms < 0 ? 0 : ms * 10; /* the clock may have been set */
    j->buckets[bucket < BUCKETS - 1 ? (long)bucket : BUCKETS - 1]++;
    j->counted++;
    if (ms > j->longest)
        j->longest = ms;
}

/* The latency that so many of all stayed below, in ms. */
static double quantile(const struct job *j, double part)
{
    long sum = 0;
    for (long i = 0; i < BUCKETS; i++)
        if ((double)(sum += j->buckets[i]) >= part * (double)j->counted)
            return (double)(i + 1) / 10;
    return 0;
}

static void note_item(struct client *c, long n, double at, bool live)
{
    struct job *j = c->job;
    if (n < 1 || n > (long)j->items)
        return;
    if (live) {
        j->last = aw_time();
        if (j->arrived++ == 0)
            j->first = j->last;
        j->turned += n < c->highest;
        c->highest = n;
        note_latency(j, milliseconds() - at);
    }
    if (c->has[n]) {
        j->twice += live;
        return;
    }
    c->has[n] = 1;
    j->late += !live;
    if (++c->seen == (long)j->items && ++j->complete == (long)j->clients)
        aw_ignore(aw_event_set(&j->done));
}

/* {"id":"17","item":{"run":"...","n":1,"at":...}}: its n, 0 for one of another run. */
static long read_item(const struct job *j, json_t *entry, double *at)
{
    const char *run = NULL;
    json_int_t n = 0;
    int err = json_unpack(entry, "{s:{s:s, s:I, s:F}}", "item", "run", &run, "n", &n, "at", at);
    return err == 0 && strcmp(run, j->run) == 0 ? (long)n : 0;
}

/* ---- Socket.IO ---- */

/* Every client gets the same text, which is parsed for the first of them only: measuring should
 * cost less than what is measured. */
static struct known {
    long n;
    double at;
    char text[240];
} texts[4096];

static struct known *known_of(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return &texts[hash % (sizeof texts / sizeof *texts)];
}

static int send_text(struct client *c, const char *text)
{
    return aw_websocket_send(c->ws, text, strlen(text));
}

static void take_value(struct client *c, const char *text)
{
    json_t *event = json_loads(text, 0, NULL), *entry, *argument = json_array_get(event, 1);
    const char *name = json_string_value(json_array_get(event, 0));
    double at = 0;
    size_t i;
    if (name && strcmp(name, "item_added") == 0) {
        struct known *k = known_of(text);
        long n = read_item(c->job, argument, &at);
        note_item(c, n, at, true);
        if (strlen(text) < sizeof k->text) {
            *k = (struct known){.n = n, .at = at};
            snprintf(k->text, sizeof k->text, "%s", text);
        }
    }
    if (name && strcmp(name, "items") == 0)
        json_array_foreach(argument, i, entry)
        {
            long n = read_item(c->job, entry, &at);
            note_item(c, n, at, false);
        }
    json_decref(event);
}

/* An event: [name, argument, ...]; `id` is the acknowledgement that it asks for. */
static int take_event(struct client *c, const char *id, const char *text)
{
    char ack[40];
    const struct known *k = known_of(text);
    if (strcmp(k->text, text) == 0)
        note_item(c, k->n, k->at, true);
    else
        take_value(c, text);
    snprintf(ack, sizeof ack, "43%.*s[]", (int)(text - id), id);
    return text > id ? send_text(c, ack) : 0;
}

static int take_packet(struct client *c, const char *text)
{
    if (strcmp(text, "2") == 0)
        return send_text(c, "3"); /* a ping of Engine.IO */
    if (text[0] == '0')
        return send_text(c, "40"); /* the session is open: into the namespace "/" */
    if (strncmp(text, "40", 2) == 0 && !c->was_ready) {
        c->was_ready = true;
        if (++c->job->connected == (long)(c->job->clients + c->job->idle))
            aw_ignore(aw_event_set(&c->job->ready));
    }
    if (strncmp(text, "42", 2) == 0)
        return take_event(c, text + 2, text + 2 + strspn(text + 2, "0123456789"));
    return 0;
}

static int talk(struct client *c)
{
    aw_websocket_message m;
    int more;
    c->highest = 0;
    while ((more = aw_websocket_receive(c->ws, &m)) > 0)
        AW_TRY(take_packet(c, m.data));
    return more;
}

static int stay_away(struct job *j)
{
    return ++j->away == (long)j->clients ? aw_event_set(&j->done) : 0;
}

/* As long as the program runs, again and again. */
static int follow(void *arg)
{
    struct client *c = arg;
    for (;;) {
        int err = aw_websocket_connect(&c->ws, c->job->url, .limits.max_message = 16 << 20,
                                       .limits.ping_interval = 1000);
        if (err >= 0) {
            err = talk(c);
            aw_websocket_unref(c->ws);
            c->job->breaks += err != -ECANCELED;
        }
        if (err == -ECANCELED)
            return err;
        if (c->job->once && c->was_ready)
            return stay_away(c->job);
        AW_TRY(aw_sleep(AGAIN));
    }
}

/* Connects, and never reads again. */
static int idle(void *arg)
{
    struct client *c = arg;
    aw_websocket_message m;
    AW_TRY(aw_websocket_connect(&c->ws, c->job->url));
    for (int i = 0; i < 2; i++) /* the session, and the namespace */
        if (aw_websocket_receive(c->ws, &m) > 0)
            AW_TRY(take_packet(c, m.data));
    return aw_sleep(1e9);
}

/* ---- all of them ---- */

static int report(const struct job *j)
{
    long all = (long)(j->clients * j->items), missing = all - j->arrived - j->late + j->twice;
    double seconds = j->last - j->first;
    printf("{\"clients\":%.0f,\"items\":%.0f,\"arrived\":%ld,\"missing\":%ld,\"twice\":%ld,"
           "\"out_of_order\":%ld,\"only_kept\":%ld,\"breaks\":%ld,\"seconds\":%.3f,"
           "\"per_second\":%.0f,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f}\n",
           j->clients, j->items, j->arrived, missing, j->twice, j->turned, j->late, j->breaks,
           seconds, seconds > 0 ? (double)j->arrived / seconds : 0, quantile(j, 0.5),
           quantile(j, 0.99), j->longest);
    return missing == 0 && j->twice == 0 && j->late == 0 ? 0 : 1;
}

static int wait_for(void *arg)
{
    return aw_event_wait(arg);
}

static int count_all(aw_group *g, void *arg)
{
    struct job *j = arg;
    long n = (long)(j->clients + j->idle);
    for (long i = 0; i < n; i++)
        AW_TRY(aw_group_start(g, i < (long)j->clients ? follow : idle, &j->all[i]));
    AW_TRY(aw_timeout_call(j->seconds, wait_for, &j->ready));
    printf("ready\n");
    fflush(stdout);
    int err = aw_timeout_call(j->seconds, wait_for, &j->done);
    if (err >= 0)
        err = aw_sleep(0.2); /* what comes twice comes now */
    aw_group_cancel(g);
    return err == -ETIMEDOUT ? 0 : err;
}

static int make_clients(struct job *j)
{
    size_t n = (size_t)(j->clients + j->idle);
    j->all = calloc(n, sizeof *j->all);
    j->buckets = calloc(BUCKETS, sizeof *j->buckets);
    if (!j->all || !j->buckets)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        j->all[i] = (struct client){.job = j, .has = calloc((size_t)j->items + 1, 1)};
        if (!j->all[i].has)
            return -ENOMEM;
    }
    return 0;
}

static void free_clients(struct job *j)
{
    for (size_t i = 0; j->all && i < (size_t)(j->clients + j->idle); i++)
        free(j->all[i].has);
    free(j->all);
    free(j->buckets);
}

static int watch(void *arg)
{
    struct job *j = arg;
    aw_group g = AW_GROUP_INIT;
    AW_TRY(make_clients(j));
    int err = aw_group_call(&g, count_all, j);
    if (err < 0)
        fprintf(stderr, "watch: %s: %ld of %.0f clients are connected\n", aw_strerror(err),
                j->connected, j->clients + j->idle);
    return err < 0 ? err : report(j);
}

static int set(struct job *j, const char *name, const char *value)
{
    struct {
        const char *name;
        double *field;
    } numbers[] = {{"--clients", &j->clients},
                   {"--items", &j->items},
                   {"--seconds", &j->seconds},
                   {"--idle", &j->idle},
                   {"--once", &j->once}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            char *end;
            *numbers[i].field = strtod(value, &end);
            return end != value && !*end && *numbers[i].field >= 0 ? 0 : -EINVAL;
        }
    if (strcmp(name, "--run") != 0)
        return -EINVAL;
    j->run = value;
    return 0;
}

int main(int argc, char **argv)
{
    struct job j = {.run = "produce", .clients = 100, .items = 1000, .seconds = 60};
    int err = argc >= 2 && argc % 2 == 0 && argv[1][0] != '-' ? 0 : -EINVAL;
    for (int i = 2; i < argc && err >= 0; i += 2)
        err = set(&j, argv[i], argv[i + 1]);
    if (err < 0) {
        fprintf(stderr, "usage: watch URL [--clients N] [--items N] [--run NAME] [--seconds N] "
                        "[--idle N] [--once 1]\n");
        return 2;
    }
    snprintf(j.url, sizeof j.url, "%s/socket.io/?EIO=4&transport=websocket", argv[1]);
    err = aw_run(watch, &j);
    free_clients(&j);
    return err != 0;
}
