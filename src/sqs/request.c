/*
 * request.c - an operation's request: signed, sent, judged, and tried again where that makes sense.
 *
 * What may be tried again, and how often:
 *   - keys that have expired, and a clock that is wrong: once each, after a correction;
 *   - what may well go better the next time, as long as there are attempts and a budget.  A receive
 *     only if nothing can have been handed out: no connection, or an answer that says no.
 *
 * A connection that was lost leaves it open whether the operation took effect.  Sending is tried
 * again all the same: once too often is what users of the service are prepared for.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sqs/date.h"
#include "sqs/sqs.h"
#include "text/date.h"
#include "text/utf8.h"

enum { BUDGET = 500, PRICE = 5, SKEW_MIN = 240 };

/* ---- bodies ---- */

void aw_sqs_call_begin(struct aw_sqs_call *q, const char *operation, const char *queue_url)
{
    q->operation = operation;
    q->queue = queue_url;
    aw_growing_adds(&q->body, "{");
    aw_sqs_text_member(&q->body, "QueueUrl", queue_url);
}

void aw_sqs_call_end(struct aw_sqs_call *q)
{
    aw_growing_clear(&q->body);
    aw_sqs_json_free(q->reply);
    q->reply = NULL;
}

long long aw_sqs_seconds(double s)
{
    long long whole = s >= 0 && s < 1e9 ? (long long)s : -1;
    return whole >= 0 && (double)whole < s ? whole + 1 : whole;
}

int aw_sqs_refuse(const struct aw_sqs_call *q, int err, const char *why)
{
    char words[640];
    const char *queue = q->queue ? q->queue : "";
    snprintf(words, sizeof words, "sqs: %s%s%.200s: %.400s", q->operation, *queue ? " " : "", queue,
             why);
    return aw_raise(err, words);
}

int aw_sqs_check_text(const struct aw_sqs_call *q, const char *what, const void *text, size_t n)
{
    char words[160];
    size_t good = aw_utf8_good(text, n);
    if (good == n)
        return 0;
    snprintf(words, sizeof words, "%.100s is not UTF-8 at byte %zu", what, good);
    return aw_sqs_refuse(q, -EILSEQ, words);
}

int aw_sqs_begin(struct aw_sqs_call *q, const char *operation, const char *queue)
{
    aw_sqs_call_begin(q, operation, queue);
    if (!queue || !*queue)
        return aw_sqs_refuse(q, -EINVAL, "no queue's URL");
    return aw_sqs_check_text(q, "the queue's URL", queue, strlen(queue));
}

/* ---- one attempt ---- */

/* What has become of an attempt. */
struct outcome {
    int err; /* 0, or why it failed */
    bool again, throttled;
    double clock; /* the server's less ours, where the answer says; else NaN */
};

static bool may_go_better(const aw_sqs_error *e)
{
    return e->status == 500 || e->status == 502 || e->status == 503 || e->status == 504 ||
           aw_sqs_is_throttled(e->code, e->status);
}

/* A connection that was not made cannot have handed anything out. */
static bool was_not_sent(int err)
{
    return err == -ECONNREFUSED || err == -ENETUNREACH || err == -EHOSTUNREACH || err == -ENOENT;
}

static bool is_lost(int err)
{
    return was_not_sent(err) || err == -ECONNRESET || err == -EPIPE || err == AW_EOF ||
           err == -ETIMEDOUT || err == -EPROTO;
}

static void judge_refusal(const aw_http_response *r, aw_sqs_error *e, struct outcome *o)
{
    int64_t theirs = aw_date_of_http(aw_http_response_header(r, "date"));
    aw_sqs_error_read(r, e);
    o->err = aw_sqs_error_meaning(e->code, e->status);
    o->again = may_go_better(e);
    o->throttled = aw_sqs_is_throttled(e->code, e->status);
    if (theirs > 0)
        o->clock = (double)theirs - aw_wall_time();
}

static void judge_answer(struct aw_sqs_call *q, const aw_http_response *r, aw_sqs_error *e,
                         struct outcome *o)
{
    size_t n;
    char why[AW_JSON_WHY] = "";
    const char *body = aw_http_response_body(r, &n);
    const char *id = aw_http_response_header(r, "x-amzn-requestid");
    e->status = aw_http_response_status(r);
    snprintf(e->request_id, sizeof e->request_id, "%.79s", id ? id : "");
    o->err = aw_sqs_json_parse(body, n, &q->reply, why);
    if (o->err == -EBADMSG)
        snprintf(e->message, sizeof e->message, "the answer is no JSON: %.128s", why);
    if (o->err < 0)
        return;
    o->err = q->check ? q->check(q->reply, q->arg) : 0;
    if (o->err == -EBADMSG)
        snprintf(e->message, sizeof e->message, "a wrong MD5, or an answer that lacks something");
    if (o->err < 0) {
        aw_sqs_json_free(q->reply);
        q->reply = NULL;
    }
    o->again = o->err == -EBADMSG;
}

static int post(aw_sqs *c, struct aw_sqs_call *q, const struct aw_sqs_keys *k,
                aw_http_response **ret)
{
    char target[64], date[20];
    const char *headers[9] = {"X-Amz-Target",      target, "X-Amz-Date", date,
                              "x-amzn-query-mode", "true"};
    if (k->token) {
        headers[6] = "X-Amz-Security-Token";
        headers[7] = k->token;
    }
    snprintf(target, sizeof target, "AmazonSQS.%s", q->operation);
    aw_sqs_date_write(aw_wall_time() + c->skew, date);
    return aw_http_post(ret, c->http, c->endpoint, .headers = headers,
                        .content_type = "application/x-amz-json-1.0", .body = q->body.data,
                        .size = q->body.len, .user = k->access, .password = k->secret,
                        .aws_sigv4 = c->signing, .timeout = c->o.timeout + q->wait);
}

static struct outcome attempt(aw_sqs *c, struct aw_sqs_call *q, const struct aw_sqs_keys *k,
                              aw_sqs_error *e)
{
    struct outcome o = {.clock = (double)NAN};
    aw_http_response *r = NULL;
    *e = (aw_sqs_error){0};
    int status = post(c, q, k, &r);
    if (status < 0) {
        o.err = status;
        o.again = q->takes ? was_not_sent(status) : is_lost(status);
        snprintf(e->message, sizeof e->message, "%.255s",
                 *aw_errmsg() ? aw_errmsg() : aw_strerror(status));
    } else if (status >= 200 && status < 300) {
        judge_answer(q, r, e, &o);
    } else {
        judge_refusal(r, e, &o);
    }
    aw_http_response_unref(r);
    return o;
}

/* ---- all of them ---- */

double aw_sqs_drawn(aw_sqs *c, double limit)
{
    return limit * (double)(aw_prng_next(&c->prng) >> 11) * 0x1p-53;
}

bool aw_sqs_again(aw_sqs *c, int n, bool throttled, int *err)
{
    if (n > c->o.attempts || c->budget < PRICE)
        return false;
    c->budget -= PRICE;
    double limit = (throttled ? 0.5 : 0.1) * (double)(1u << (n - 2 < 16 ? n - 2 : 16));
    int woken = aw_sleep(aw_sqs_drawn(c, limit < 20 ? limit : 20));
    if (woken < 0)
        *err = woken;
    return woken >= 0;
}

static int raise_failure(const struct aw_sqs_call *q, int err, const aw_sqs_error *e)
{
    char why[512], tail[128] = "";
    if (err == -ECANCELED || err == -ENOMEM)
        return err;
    if (e->status && *e->request_id)
        snprintf(tail, sizeof tail, " (status %d, request %s)", e->status, e->request_id);
    else if (e->status)
        snprintf(tail, sizeof tail, " (status %d)", e->status);
    snprintf(why, sizeof why, "%s%s%s%s", e->code, *e->code && *e->message ? ": " : "", e->message,
             tail);
    return aw_sqs_refuse(q, err, why);
}

/* What can be corrected, once each. */
struct corrections {
    bool keys, clock;
};

static bool correct(aw_sqs *c, const struct outcome *o, const aw_sqs_error *e,
                    const struct aw_sqs_ring *ring, struct corrections *done)
{
    if (o->err == -EKEYEXPIRED && !done->keys) {
        aw_sqs_ring_expired(c, ring);
        return done->keys = true;
    }
    double off = o->clock - c->skew; /* NaN, if the answer has no date: then neither is so */
    bool wrong = off > SKEW_MIN || off < -SKEW_MIN;
    if (o->err == -EACCES && aw_sqs_is_clock(e->code) && wrong && !done->clock) {
        c->skew = o->clock;
        return done->clock = true;
    }
    return false;
}

static int try_until(aw_sqs *c, struct aw_sqs_call *q, aw_sqs_error *e)
{
    struct corrections done = {0};
    struct outcome o;
    int err = 0;
    for (int n = 1;;) {
        struct aw_sqs_ring *ring;
        AW_TRY(aw_sqs_ring_get(c, &ring));
        o = attempt(c, q, &ring->keys, e);
        bool corrected = o.err < 0 && correct(c, &o, e, ring, &done);
        aw_sqs_ring_unref(ring);
        if (corrected)
            continue;
        if (o.err >= 0)
            break;
        if (!o.again || !aw_sqs_again(c, ++n, o.throttled, &err))
            return raise_failure(q, err < 0 ? err : o.err, e);
    }
    c->budget += c->budget < BUDGET;
    return 0;
}

static int check_call(const aw_sqs *c, const struct aw_sqs_call *q)
{
    if (!c)
        return aw_sqs_refuse(q, -EINVAL, "the client is NULL");
    if (!aw_current_task())
        return aw_sqs_refuse(q, AW_EMISUSE, "outside a task");
    if (aw_running_loop() != c->loop)
        return aw_sqs_refuse(q, AW_ETHREAD, "the client belongs to another loop");
    return q->body.failed;
}

int aw_sqs_call(aw_sqs *c, struct aw_sqs_call *q)
{
    aw_sqs_error here;
    aw_sqs_error *e = q->error ? q->error : &here;
    *e = (aw_sqs_error){0};
    aw_growing_adds(&q->body, "}");
    AW_TRY(check_call(c, q));
    aw_sqs_ref(c);
    int err = aw_sqs_settle(c);
    if (err >= 0)
        err = try_until(c, q, e);
    aw_sqs_unref(c);
    return err;
}
