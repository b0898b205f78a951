/*
 * sqs.c - scenarios of the queue service's client: a service of a few lines, and everything that is
 * asked of it once.
 *
 * libcurl has its memory from malloc() here, where it does not fail: what it does without is the
 * business of fetches.c.  (7.88 divides by zero when it has none to note a transfer's socket.)
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "await/net.h"
#include "await/sqs.h"
#include "fault/curl.h"
#include "fault/inject.h"

#define QUEUE "http://q/1"

/* ---- the service ---- */

struct service {
    aw_server *server;
    char url[64];
    int receives;
    aw_sqs *sqs;
    aw_sqs_consumer *consumer;
    int handled, error;
};

/* Both messages the first time, then none. */
static const char *received(struct service *v)
{
    if (v->receives++ > 0)
        return "{}";
    return "{\"Messages\":[{\"MessageId\":\"a\",\"ReceiptHandle\":\"0\",\"Body\":\"good\","
           "\"MessageAttributes\":{\"b\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AQI=\"}}},"
           "{\"MessageId\":\"b\",\"ReceiptHandle\":\"1\",\"Body\":\"bad\"}]}";
}

static const char *answer_to(struct service *v, const char *head)
{
    if (strstr(head, "AmazonSQS.ReceiveMessage"))
        return received(v);
    if (strstr(head, "Batch\r"))
        return "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\"},"
               "{\"Id\":\"1\",\"MessageId\":\"n\"}]}";
    return "{\"QueueUrl\":\"" QUEUE "\",\"MessageId\":\"m\",\"Attributes\":{\"A\":\"1\"}}";
}

static int exchange(struct service *v, aw_stream *s)
{
    char *line, head[1200], body[1200];
    ssize_t n = aw_stream_readuntil(s, &line, "\r\n\r\n");
    AW_TRY((int)n);
    snprintf(head, sizeof head, "%.*s", (int)n, line);
    const char *length = strstr(head, "Content-Length: ");
    size_t size = length ? strtoul(length + 16, NULL, 10) : 0;
    AW_TRY(aw_stream_readexactly(s, body, size < sizeof body ? size : sizeof body));
    const char *said = answer_to(v, head);
    if (!strcmp(said, "{}"))
        AW_TRY(aw_sleep(0.01));
    int len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                       strlen(said), said);
    return aw_stream_write(s, head, (size_t)len);
}

static int serve(aw_stream *s, void *arg)
{
    int err;
    while ((err = exchange(arg, s)) >= 0)
        ;
    return disturbed() && err == expected_error ? err : 0;
}

static int open_service(struct service *v)
{
    aw_address a;
    AW_TRY(aw_start_server(&v->server, serve, "127.0.0.1", "0", .arg = v));
    EXPECT(aw_server_address(v->server, 0, &a), 0);
    snprintf(v->url, sizeof v->url, "http://127.0.0.1:%d/", aw_address_port(&a));
    return 0;
}

static int close_service(struct service *v, int err)
{
    if (v->sqs)
        CHECK(aw_sqs_close(v->sqs) == 0);
    aw_sqs_unref(v->sqs);
    v->sqs = NULL;
    if (!v->server)
        return err;
    aw_ignore(aw_server_abort_clients(v->server));
    aw_ignore(aw_server_close(v->server));
    int closed = aw_server_wait_closed(v->server);
    aw_server_unref(v->server);
    return err < 0 ? err : closed;
}

static int make_client(struct service *v, const char *region)
{
    v->sqs = aw_sqs_new(region, .endpoint = v->url, .access_key = region ? "a" : NULL,
                        .secret_key = region ? "b" : NULL, .attempts = 1,
                        .timeout = test_is_instrumented() ? 2 : 0.5);
    if (!v->sqs)
        return unexpected(aw_errno(), "a client", __FILE__, __LINE__);
    aw_sqs_unref(aw_sqs_ref(v->sqs));
    return 0;
}

/* ---- every call ---- */

static int queues(aw_sqs *sqs)
{
    char url[32];
    const char *const *pairs;
    const char *const set[] = {"A", "1", NULL};
    EXPECT_HERE(aw_sqs_create_queue(sqs, "q", url, sizeof url, .attributes = set), 10);
    EXPECT_HERE(aw_sqs_get_queue_url(sqs, "q", url, sizeof url), 10);
    EXPECT_HERE(aw_sqs_set_attributes(sqs, QUEUE, set, NULL), 0);
    EXPECT_HERE(aw_sqs_get_attributes(sqs, QUEUE, NULL, &pairs, NULL), 0);
    CHECK(!strcmp(pairs[1], "1") && !pairs[2]);
    aw_sqs_free_pairs(pairs);
    EXPECT_HERE(aw_sqs_purge_queue(sqs, QUEUE, NULL), 0);
    EXPECT_HERE(aw_sqs_delete_queue(sqs, QUEUE, NULL), 0);
    return 0;
}

static int messages(aw_sqs *sqs)
{
    const aw_sqs_attribute a = {"b", "Binary", "\1\2", 2};
    aw_sqs_send_entry out[2] = {{.body = "x"}, {.body = "y"}};
    aw_sqs_entry in[2] = {{.receipt = "0"}, {.receipt = "1"}};
    aw_sqs_messages *m;
    EXPECT_HERE(aw_sqs_send(sqs, QUEUE, "x", .attributes = &a, .n_attributes = 1), 0);
    EXPECT_HERE(aw_sqs_send_batch(sqs, QUEUE, out, 2, NULL), 0);
    int n = aw_sqs_receive(&m, sqs, QUEUE, .wait = 0.01);
    if (disturbed() && n == 0) { /* they went into an answer that was lost */
        aw_sqs_messages_unref(m);
        return expected_error;
    }
    EXPECT_HERE(n, 2);
    aw_sqs_messages_unref(aw_sqs_messages_ref(m));
    bool whole = aw_sqs_messages_count(m) == 2 && aw_sqs_messages_at(m, 0)->n_attributes == 1;
    aw_sqs_messages_unref(m);
    CHECK(whole);
    EXPECT_HERE(aw_sqs_change_visibility(sqs, QUEUE, "0", 0, NULL), 0);
    EXPECT_HERE(aw_sqs_change_visibility_batch(sqs, QUEUE, in, 2, NULL), 0);
    EXPECT_HERE(aw_sqs_delete(sqs, QUEUE, "0", NULL), 0);
    EXPECT_HERE(aw_sqs_delete_batch(sqs, QUEUE, in, 2, NULL), 0);
    return 0;
}

static int use_client(void *arg)
{
    struct service *v = arg;
    int err = open_service(v);
    if (err >= 0)
        err = make_client(v, "eu-west-1");
    if (err >= 0)
        err = queues(v->sqs);
    if (err >= 0)
        err = messages(v->sqs);
    return close_service(v, err);
}

/* How often libcurl allocates, and the kernel is asked, is not the same each time: as in fetches.c,
 * where it is said why these may be silent. */
static int run_service(aw_fn *fn)
{
    static const enum site silent[] = {SITE_SEND,       SITE_SOCKET_NAME, SITE_MAP,   SITE_ALLOC,
                                       SITE_RING_ENTER, SITE_POLL_ONE,    SITE_ACCEPT};
    struct service v = {0};
    (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* before the library does, with malloc() */
    threads_take_part();
    comes_at_once(false);
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        may_be_silent(silent[i]);
    int err = run_main(fn, &v);
    if (v.sqs)
        aw_ignore(aw_sqs_close(v.sqs)); /* of a run that was cut off */
    wait_for_threads();
    return err;
}

SCENARIO(sqs_calls)
{
    return run_service(use_client);
}

/* ---- a consumer ---- */

static int handle(const aw_sqs_message *m, void *arg)
{
    struct service *v = arg;
    AW_TRY(aw_sleep(0));
    if (++v->handled == 2)
        AW_TRY(aw_sqs_consumer_stop(v->consumer));
    return strcmp(m->body, "good") ? -EBADF : 0;
}

/* The handler's own failure is expected; the first of others ends the consumer. */
static int hear(int err, const char *why, const aw_sqs_message *m, void *arg)
{
    struct service *v = arg;
    (void)why;
    if (m && err == -EBADF)
        return 0;
    v->error = v->error ? v->error : err;
    return err;
}

static int consume(struct service *v)
{
    aw_sqs_consumer_stats s;
    v->consumer = aw_sqs_consumer_new(v->sqs, QUEUE, handle, v, .retry_delay = -1,
                                      .delete_wait = 0.001, .wait = 0.01, .on_error = hear);
    if (!v->consumer)
        return unexpected(aw_errno(), "a consumer", __FILE__, __LINE__);
    aw_sqs_consumer_unref(aw_sqs_consumer_ref(v->consumer));
    int err = aw_sqs_consumer_run(v->consumer);
    CHECK(aw_sqs_consumer_stats_of(v->consumer, &s) == 0 && s.in_hand == 0 && s.running == 0);
    CHECK_CALM(s.received == 2 && s.succeeded == 1 && s.failed == 1 && s.deleted == 1);
    aw_sqs_consumer_unref(v->consumer);
    if (disturbed() && err < 0 && is_consequence(err))
        return expected_error;
    return err;
}

static int use_consumer(void *arg)
{
    struct service *v = arg;
    int err = open_service(v);
    if (err >= 0)
        err = make_client(v, "eu-west-1");
    if (err >= 0)
        err = consume(v);
    return close_service(v, err);
}

SCENARIO(sqs_consumer)
{
    return run_service(use_consumer);
}

/* ---- files ---- */

static int write_config(char *path)
{
    static const char text[] = "[default]\nregion = eu-west-1\naws_access_key_id = a\n"
                               "aws_secret_access_key = b\n";
    int fd = mkstemp(path);
    bool whole = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1;
    if (fd >= 0)
        close(fd);
    CHECK(whole);
    setenv("AWS_CONFIG_FILE", path, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    return 0;
}

static int use_files(void *arg)
{
    struct service *v = arg;
    may_be_silent(SITE_THREAD); /* a thread of the pool that is there reads the file */
    int err = open_service(v);
    if (err >= 0)
        err = make_client(v, NULL);
    if (err >= 0) {
        int sent = aw_sqs_send(v->sqs, QUEUE, "x");
        err = disturbed() && is_consequence(sent) ? expected_error : sent;
    }
    return close_service(v, err);
}

/* A run that is cut off while it reads the file leaves it open. */
static void close_left(const char *path)
{
    char name[64], target[64];
    for (int fd = 3; fd < 64; fd++) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(name, target, sizeof target);
        if (n == (ssize_t)strlen(path) && !memcmp(target, path, (size_t)n))
            close(fd);
    }
}

SCENARIO(sqs_settings_of_files)
{
    char path[] = "/tmp/await-sqs-XXXXXX";
    AW_TRY(write_config(path));
    int err = run_service(use_files);
    close_left(path);
    unlink(path);
    return err;
}
