/*
 * queue.h - a small queue service for the tests of the consumer: it hands messages out, hides them,
 * counts, and fails when it is told to.
 */
#ifndef TESTS_SQS_QUEUE_H
#define TESTS_SQS_QUEUE_H

#include "sqs.h"
#include "sqs/json.h"

enum { ITEMS_MAX = 1200 };

struct item {
    unsigned receives;
    double visible_at;
    bool deleted;
    int group; /* 0: none */
};

struct queue {
    aw_server *server;
    char url[64];
    struct item items[ITEMS_MAX];
    int n;
    unsigned polls, deletes, changes, requests;
    unsigned fail_deletes, fail_changes, fail_polls; /* so many requests of the kind to come */
    unsigned reset_every; /* one in so many requests has its effect, and no answer */
    bool absent, hasty;   /* is not there; does not wait */
};

static inline int left_in(const struct queue *q)
{
    int left = 0;
    for (int i = 0; i < q->n; i++)
        left += !q->items[i].deleted;
    return left;
}

static inline const char *text_in(const struct aw_sqs_json *v, const char *name)
{
    return aw_sqs_json_text(v, name);
}

/* Numbers are looked for in the text: the adapter reads none. */
static inline int number_in(const char *body, const char *name, int otherwise)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(body, key);
    return at ? (int)strtol(at + strlen(key), NULL, 10) : otherwise;
}

/* Does somebody have an earlier one of its group, and not since this very request? */
static inline bool is_blocked(const struct queue *q, int i, double since)
{
    for (int k = 0; k < i && q->items[i].group; k++) {
        const struct item *it = &q->items[k];
        if (it->group == q->items[i].group && !it->deleted && it->visible_at > aw_time() &&
            it->visible_at != since)
            return true;
    }
    return false;
}

static inline int hand_out(struct queue *q, int max, int visibility, char *out, size_t size)
{
    int given = 0;
    size_t len = (size_t)snprintf(out, size, "{\"Messages\":[");
    for (int i = 0; i < q->n && given < max; i++) {
        struct item *it = &q->items[i];
        if (it->deleted || it->visible_at > aw_time() || is_blocked(q, i, aw_time() + visibility))
            continue;
        it->receives++;
        it->visible_at = aw_time() + visibility;
        len += (size_t)snprintf(
            out + len, size - len,
            "%s{\"MessageId\":\"m%d\",\"ReceiptHandle\":\"%d-%u\",\"Body\":\"%d\",\"Attributes\":{"
            "\"ApproximateReceiveCount\":\"%u\"%s%.*d%s}}",
            given++ ? "," : "", i, i, it->receives, i, it->receives,
            it->group ? ",\"MessageGroupId\":\"g" : "", it->group ? 1 : 0, it->group,
            it->group ? "\"" : "");
    }
    snprintf(out + len, size - len, "]}");
    return given;
}

static inline int receive_of(struct queue *q, const char *body, char *out, size_t size)
{
    int max = number_in(body, "MaxNumberOfMessages", 1);
    int visibility = number_in(body, "VisibilityTimeout", 30);
    double until = aw_time() + (q->hasty ? 0 : number_in(body, "WaitTimeSeconds", 0));
    while (hand_out(q, max, visibility, out, size) == 0 && aw_time() < until)
        AW_TRY(aw_sleep(0.05));
    return 0;
}

/* Does something to every entry of a batch: whether its receipt is the latest. */
static inline void entries_of(struct queue *q, const char *body, bool deletes, char *out,
                              size_t size)
{
    struct aw_sqs_json *v;
    char why[AW_JSON_WHY];
    assert_int_equal(aw_sqs_json_parse(body, strlen(body), &v, why), 0);
    const struct aw_sqs_json *all = aw_sqs_json_get(v, "Entries");
    size_t good = (size_t)snprintf(out, size, "{\"Successful\":["), n = aw_sqs_json_count(all);
    char bad[2048] = "";
    size_t bad_len = 0;
    assert_true(n >= 1 && n <= 10);
    const char *at = strstr(body, "\"Entries\"");
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        const struct aw_sqs_json *e = aw_sqs_json_at(all, i);
        int index = 0;
        unsigned receives = 0;
        assert_int_equal(sscanf(text_in(e, "ReceiptHandle"), "%d-%u", &index, &receives), 2);
        struct item *it = &q->items[index];
        at = strstr(at + 1, "\"ReceiptHandle\"");
        if (receives != it->receives || it->deleted) {
            bad_len += (size_t)snprintf(bad + bad_len, sizeof bad - bad_len,
                                        "%s{\"Id\":\"%s\",\"SenderFault\":true,\"Code\":"
                                        "\"ReceiptHandleIsInvalid\"}",
                                        bad_len ? "," : "", text_in(e, "Id"));
            continue;
        }
        if (deletes)
            it->deleted = true;
        else
            it->visible_at = aw_time() + number_in(at, "VisibilityTimeout", 0);
        good += (size_t)snprintf(out + good, size - good, "%s{\"Id\":\"%s\"}", first ? "" : ",",
                                 text_in(e, "Id"));
        first = false;
    }
    snprintf(out + good, size - good, "],\"Failed\":[%s]}", bad);
    aw_sqs_json_free(v);
}

static inline bool is_failing(unsigned *left)
{
    return *left > 0 && (*left)--;
}

/* The status of the answer, whose body is in `out`. */
static inline int act(struct queue *q, const char *head, const char *body, char *out, size_t size)
{
    snprintf(out, size, "{\"__type\":\"InternalFailure\",\"message\":\"told to\"}");
    if (q->absent) {
        snprintf(out, size, "{\"__type\":\"a#QueueDoesNotExist\",\"message\":\"none\"}");
        return 400;
    }
    if (strstr(head, "AmazonSQS.ReceiveMessage")) {
        q->polls++;
        if (is_failing(&q->fail_polls))
            return 500;
        int err = receive_of(q, body, out, size);
        return err < 0 ? err : 200;
    }
    bool deletes = strstr(head, "AmazonSQS.DeleteMessageBatch") != NULL;
    assert_true(deletes || strstr(head, "AmazonSQS.ChangeMessageVisibilityBatch"));
    q->deletes += deletes;
    q->changes += !deletes;
    if (is_failing(deletes ? &q->fail_deletes : &q->fail_changes))
        return 500;
    entries_of(q, body, deletes, out, size);
    return 200;
}

static inline int exchange(struct queue *q, aw_stream *s, char *out, size_t size)
{
    char head[2048], body[8192], *at;
    ssize_t n = aw_stream_readuntil(s, &at, "\r\n\r\n");
    if (n < 0)
        return n == -ECANCELED ? (int)n : AW_EOF;
    assert_true((size_t)n < sizeof head);
    memcpy(head, at, (size_t)n);
    head[n] = 0;
    const char *length = strcasestr(head, "Content-Length:");
    assert_non_null(length);
    size_t wanted = strtoul(length + 15, NULL, 10);
    assert_true(wanted < sizeof body);
    AW_TRY(aw_stream_readexactly(s, body, wanted));
    body[wanted] = 0;
    q->requests++;
    int status = act(q, head, body, out, size);
    if (status < 0 || (q->reset_every && q->requests % q->reset_every == 0))
        return status < 0 ? status : AW_EOF;
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status,
                       strlen(out));
    AW_TRY(aw_stream_write(s, head, (size_t)len));
    return aw_stream_write(s, out, strlen(out));
}

static inline int serve_queue(aw_stream *s, void *arg)
{
    enum { SIZE = 1 << 15 };
    char *out = malloc(SIZE);
    int err;
    while ((err = exchange(arg, s, out, SIZE)) >= 0)
        ;
    free(out);
    return err == -ECANCELED ? err : 0;
}

static inline void open_queue(struct queue *q, int n)
{
    aw_address a;
    q->n = n;
    assert_int_equal(
        aw_start_server(&q->server, serve_queue, "127.0.0.1", "0", .arg = q, .stack_size = 1 << 17),
        0);
    assert_int_equal(aw_server_address(q->server, 0, &a), 0);
    snprintf(q->url, sizeof q->url, "http://127.0.0.1:%d", aw_address_port(&a));
}

static inline void close_queue(struct queue *q)
{
    aw_server_close_clients(q->server);
    assert_int_equal(aw_server_close(q->server), 0);
    assert_int_equal(aw_server_wait_closed(q->server), 0);
    aw_server_unref(q->server);
}

#endif
