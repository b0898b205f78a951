/*
 * 25_sqs_worker.c - a worker on a queue: takes jobs, runs ten at a time, deletes what is done.
 *
 *     AWS_ENDPOINT_URL=http://localhost:4566 25_sqs_worker jobs
 *
 * Region, endpoint and keys are found as Amazon's own tools find them.  A body "sleep 2" takes two
 * seconds, "fail" fails and comes again, and after three times it is put into the queue of the same
 * name with "-dead" behind it.  SIGTERM ends the worker: it finishes what it has begun, and gives
 * back what it has not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "await.h"
#include "await/sqs.h"

struct worker {
    const char *name;
    aw_sqs *sqs;
    aw_sqs_consumer *consumer;
};

static int work(const aw_sqs_message *m, void *arg)
{
    (void)arg;
    if (!strcmp(m->body, "fail"))
        return aw_raise(-EIO, "it was to fail");
    if (!strncmp(m->body, "sleep ", 6))
        AW_TRY(aw_sleep(strtod(m->body + 6, NULL)));
    printf("done: %s\n", m->body);
    return 0;
}

/* What has failed too often goes elsewhere, so that it is neither lost nor in the way. */
static int bury(const aw_sqs_message *m, void *arg)
{
    struct worker *w = arg;
    char name[100], url[AW_SQS_URL_MAX];
    snprintf(name, sizeof name, "%s-dead", w->name);
    AW_TRY(aw_sqs_create_queue(w->sqs, name, url, sizeof url));
    AW_TRY(aw_sqs_send(w->sqs, url, m->body, .size = m->size));
    printf("buried: %s\n", m->body);
    return 0;
}

static int complain(int err, const char *why, const aw_sqs_message *m, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s: %s (%s)\n", m ? m->body : "the queue", why, aw_error_name(err));
    return 0; /* go on */
}

static int stop_when_asked(void *arg)
{
    struct worker *w = arg;
    AW_TRY(aw_stop_wait());
    return aw_sqs_consumer_stop(w->consumer);
}

static int consume(struct worker *w)
{
    char url[AW_SQS_URL_MAX];
    AW_TRY(aw_sqs_create_queue(w->sqs, w->name, url, sizeof url));
    w->consumer = aw_sqs_consumer_new(w->sqs, url, work, w, .concurrency = 10, .visibility = 30,
                                      .retry_delay = 1, .poison_after = 3, .poison = bury,
                                      .on_error = complain);
    if (!w->consumer)
        return aw_errno();
    aw_task *stopper = aw_create_task(stop_when_asked, w);
    printf("working on %s\n", url);
    int err = stopper ? aw_sqs_consumer_run(w->consumer) : aw_errno();
    aw_cancel(stopper);
    aw_ignore(aw_join(stopper));
    return err;
}

static int run(void *arg)
{
    struct worker w = {.name = arg, .sqs = aw_sqs_new(NULL)};
    int err = w.sqs ? consume(&w) : aw_errno();
    if (err < 0)
        fprintf(stderr, "%s: %s\n", aw_strerror(err), aw_errmsg());
    aw_sqs_consumer_unref(w.consumer);
    aw_sqs_unref(w.sqs);
    return err;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) {
        fprintf(stderr, "usage: %s QUEUE\n", argv[0]);
        return 2;
    }
    return aw_run(run, argv[1], .stop_on = AW_SIGINT_SIGTERM, .grace = 60) < 0;
}
