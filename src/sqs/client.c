/*
 * client.c - clients: options checked and copied, and a session of the HTTP client.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sqs/sqs.h"

/* Every option that is a text. */
#define TEXTS(X)                                                                                   \
    X(region)                                                                                      \
    X(endpoint) X(access_key) X(secret_key) X(session_token) X(profile) X(ca_file) X(proxy)

static int check_options(const aw_sqs_opts *o)
{
    if (isnan(o->timeout) || isnan(o->connect_timeout) || o->timeout < 0 || o->connect_timeout < 0)
        return aw_raise(-EINVAL, "sqs: a time limit below zero, or that is no number");
    if (o->attempts < 0)
        return aw_raise(-EINVAL, "sqs: .attempts below zero");
    if (!o->access_key != !o->secret_key || (o->session_token && !o->access_key))
        return aw_raise(-EINVAL, "sqs: .access_key and .secret_key belong together");
    return 0;
}

static int attempts_of(const aw_sqs_opts *o)
{
    const char *said = aw_sqs_env("AWS_MAX_ATTEMPTS");
    long n = said ? strtol(said, NULL, 10) : 0;
    return o->attempts ? o->attempts : n > 0 && n < 1000 ? (int)n : 3;
}

static int copy_options(aw_sqs *c, const aw_sqs_opts *o)
{
    bool whole = true;
    c->o = *o;
#define COPY_TEXT(name)                                                                            \
    c->o.name = aw_copy(o->name);                                                                  \
    whole = whole && (!o->name || c->o.name);
    TEXTS(COPY_TEXT)
#undef COPY_TEXT
    if (whole && !o->ca_file && aw_sqs_env("AWS_CA_BUNDLE")) {
        c->o.ca_file = aw_copy(aw_sqs_env("AWS_CA_BUNDLE"));
        whole = c->o.ca_file != NULL;
    }
    c->o.attempts = attempts_of(o);
    c->o.timeout = o->timeout > 0 ? o->timeout : 30;
    c->o.connect_timeout = o->connect_timeout > 0 ? o->connect_timeout : 5;
    return whole ? 0 : -ENOMEM;
}

static int open_session(aw_sqs *c)
{
    uint64_t seed;
    AW_TRY(aw_random_bytes(&seed, sizeof seed));
    aw_prng_seed(&c->prng, seed);
    c->http = aw_http_session_new(
        NULL, .no_cookies = true, .redirects = -1, .keep_compressed = true, .version = AW_HTTP_1_1,
        .connections = c->o.connections, .connect_timeout = c->o.connect_timeout,
        .ca_file = c->o.ca_file, .proxy = c->o.proxy,
        .proxy_from_environment = c->o.proxy_from_environment, .user_agent = "await-sqs/0.1");
    return c->http ? 0 : aw_errno();
}

static void free_client(aw_sqs *c)
{
    aw_http_session_unref(c->http);
    aw_http_session_unref(c->near);
    aw_sqs_ring_unref(c->ring);
    aw_mem_free(c->region);
    aw_mem_free(c->endpoint);
    aw_mem_free(c->signing);
#define FORGET_TEXT(name) aw_sqs_forget((char *)(uintptr_t)c->o.name);
    TEXTS(FORGET_TEXT)
#undef FORGET_TEXT
    aw_mem_free(c);
}

aw_sqs *aw_sqs_new_(const aw_sqs_opts *opts)
{
    int err = opts ? check_options(opts) : -EINVAL;
    if (err < 0)
        return aw_refuse(err, opts ? aw_errmsg() : NULL);
    aw_loop *loop = aw_running_loop();
    if (!loop)
        return NULL;
    aw_sqs *c = aw_mem_zalloc(sizeof *c);
    if (!c)
        return aw_refuse(-ENOMEM, NULL);
    c->refs = 1;
    c->loop = loop;
    c->budget = 500;
    err = copy_options(c, opts);
    if (err >= 0)
        err = open_session(c);
    if (err >= 0)
        return c;
    free_client(c);
    return aw_refuse(err, err == -ENOMEM ? NULL : aw_errmsg());
}

aw_sqs *aw_sqs_ref(aw_sqs *sqs)
{
    if (sqs)
        sqs->refs++;
    return sqs;
}

void aw_sqs_unref(aw_sqs *sqs)
{
    if (sqs && --sqs->refs == 0)
        free_client(sqs);
}

int aw_sqs_close(aw_sqs *sqs)
{
    if (!sqs)
        return -EINVAL;
    AW_TRY(aw_http_session_close(sqs->http));
    return sqs->near ? aw_http_session_close(sqs->near) : 0;
}
