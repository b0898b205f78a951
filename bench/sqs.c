/*
 * sqs.c - eight tasks of one client send messages, receive them and delete them, ten at a time.
 *
 * The service is the one that BENCH_SQS names, which bench/run.py has started; the time that it
 * takes is no part of this process's.  Each task has a queue of its own, so that what it receives
 * is what it has sent: ten of ten, whatever the service makes of several at one queue.
 */
#include <await.h>
#include <await/sqs.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/bench.h"

enum { CLIENTS = 8, BATCH = 10, MESSAGES = 4000, BODY = 100 };

struct client {
    aw_sqs *sqs;
    size_t left; /* messages that nobody has begun with */
    int started;
    char body[BODY + 1], urls[CLIENTS][AW_SQS_URL_MAX];
};

/* Seconds of processor time, as every program of this row counts it. */
static double used(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int send_some(struct client *c, const char *url)
{
    aw_sqs_send_entry entries[BATCH];
    for (int i = 0; i < BATCH; i++)
        entries[i] = (aw_sqs_send_entry){.body = c->body};
    return aw_sqs_send_batch(c->sqs, url, entries, BATCH, NULL);
}

static int take_some(struct client *c, const char *url)
{
    aw_sqs_messages *m;
    aw_sqs_entry entries[BATCH] = {{0}};
    int n = aw_sqs_receive(&m, c->sqs, url, .max = BATCH, .wait = 1);
    for (int i = 0; i < n; i++)
        entries[i].receipt = aw_sqs_messages_at(m, (size_t)i)->receipt;
    int err = n == BATCH ? aw_sqs_delete_batch(c->sqs, url, entries, BATCH, NULL)
              : n < 0    ? n
                         : -ENODATA;
    aw_sqs_messages_unref(m);
    return err;
}

static int work(void *arg)
{
    struct client *c = arg;
    const char *url = c->urls[c->started++];
    while (c->left > 0) {
        c->left -= BATCH;
        AW_TRY(send_some(c, url));
        AW_TRY(take_some(c, url));
    }
    return 0;
}

static int work_all(aw_group *g, void *arg)
{
    for (int i = 0; i < CLIENTS; i++)
        AW_TRY(aw_group_start(g, work, arg));
    return 0;
}

static int work_on(struct client *c, size_t n)
{
    aw_group g = AW_GROUP_INIT;
    c->left = n;
    c->started = 0;
    return aw_group_call(&g, work_all, c);
}

static int create_queues(struct client *c)
{
    for (int i = 0; i < CLIENTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "bench-%d-%d", (int)getpid(), i);
        AW_TRY(aw_sqs_create_queue(c->sqs, name, c->urls[i], AW_SQS_URL_MAX));
    }
    return 0;
}

static int delete_queues(struct client *c)
{
    for (int i = 0; i < CLIENTS; i++)
        AW_TRY(aw_sqs_delete_queue(c->sqs, c->urls[i], NULL));
    return 0;
}

static int measure(struct client *c)
{
    size_t n = bench_count(MESSAGES / BATCH, CLIENTS) * BATCH;
    AW_TRY(create_queues(c));
    AW_TRY(work_on(c, CLIENTS * BATCH)); /* the connections are there */
    double began = bench_now(), before = used();
    AW_TRY(work_on(c, n));
    bench_say_rate("sqs", began, (double)n);
    bench_say("sqs-cpu", (used() - before) * 1e6 / (double)n);
    return delete_queues(c);
}

static int run(void *endpoint)
{
    struct client c = {.sqs = aw_sqs_new("us-east-1", .endpoint = endpoint, .access_key = "key",
                                         .secret_key = "secret")};
    if (!c.sqs)
        return aw_errno();
    memset(c.body, 'x', BODY);
    int err = measure(&c);
    aw_sqs_unref(c.sqs);
    return err;
}

static int run_sqs(void)
{
    char *endpoint = getenv("BENCH_SQS");
    if (!endpoint)
        return fprintf(stderr, "moto cannot be had, and BENCH_SQS names no service\n"), -1;
    int err = aw_run(run, endpoint);
    if (err < 0)
        fprintf(stderr, "%s %s\n", aw_strerror(err), aw_errmsg());
    return err;
}

static const struct bench_row rows[] = {{"sqs", run_sqs}};
BENCH_MAIN(rows)
