/*
 * metadata.c - keys from an address of this machine: a container's, or the instance's service.
 *
 * These requests are not signed, go through no proxy, have a second, and are made once.  An address
 * that does not answer is one that is not there.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sqs/date.h"
#include "sqs/sqs.h"

static int open_session(aw_sqs *c)
{
    if (!c->near)
        c->near = aw_http_session_new(NULL, .no_cookies = true, .redirects = -1, .max_body = 65536,
                                      .timeout = 1, .ca_file = c->o.ca_file);
    return c->near ? 0 : aw_errno();
}

/* ---- the answer ---- */

static int bad(const char *where, const char *why)
{
    char words[400];
    snprintf(words, sizeof words, "sqs: credentials of %s: %.250s", where, why);
    return aw_raise(-EBADMSG, words);
}

static const char *text_or_null(const struct aw_sqs_json *v, const char *name)
{
    const char *s = aw_sqs_json_text(v, name);
    return *s ? s : NULL;
}

static int take(const struct aw_sqs_json *v, const char *where, struct aw_sqs_keys *k)
{
    const char *access = text_or_null(v, "AccessKeyId"), *token = text_or_null(v, "Token");
    const char *secret = text_or_null(v, "SecretAccessKey");
    const char *until = text_or_null(v, "Expiration");
    if (!access || !secret)
        return bad(where, text_or_null(v, "Message") ? aw_sqs_json_text(v, "Message")
                                                     : "there are no keys in the answer");
    double expires = until ? aw_sqs_date_iso(until) : (double)INFINITY;
    if (expires < 0)
        return bad(where, "Expiration is no date");
    return aw_sqs_keys_make(access, secret, token, expires, k);
}

static int read_keys(const aw_http_response *r, const char *where, struct aw_sqs_keys *k)
{
    size_t n;
    const char *body = aw_http_response_body(r, &n);
    struct aw_sqs_json *v = NULL;
    char why[AW_JSON_WHY] = "";
    int err = aw_sqs_json_parse(body, n, &v, why);
    if (err == -EBADMSG)
        return bad(where, why);
    if (err >= 0)
        err = take(v, where, k);
    aw_sqs_json_free(v);
    return err;
}

/* ---- a container's ---- */

/* Secrets go by plain HTTP only to this machine. */
static bool may_ask(const char *url)
{
    static const char *const near[] = {"localhost",     "127.0.0.1",      "[::1]",
                                       "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    char host[128] = "";
    if (!strncmp(url, "https://", 8))
        return true;
    if (strncmp(url, "http://", 7) != 0 || aw_url_part(url, AW_URL_HOST, host, sizeof host) < 0)
        return false;
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        if (!strcmp(host, near[i]))
            return true;
    return false;
}

/* The file's token is read each time: it changes.  1, 0, an error. */
static int authorization(char **ret)
{
    const char *path = aw_sqs_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *text = aw_sqs_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (path) {
        int found = aw_sqs_file(path, ret);
        if (found > 0)
            (*ret)[strcspn(*ret, "\r\n")] = 0;
        return found;
    }
    *ret = aw_copy(text);
    return text && !*ret ? -ENOMEM : text != NULL;
}

static int ask_container(aw_sqs *c, const char *url, struct aw_sqs_keys *k)
{
    char *token = NULL;
    aw_http_response *r = NULL;
    int err = authorization(&token);
    if (err >= 0)
        err = aw_http_get(&r, c->near, url,
                          .headers = token ? AW_PAIRS("Authorization", token) : NULL);
    if (err >= 0 && err != 200) {
        char why[48];
        snprintf(why, sizeof why, "the answer has the status %d", err);
        err = bad("the container", why);
    } else if (err >= 0) {
        err = read_keys(r, "the container", k);
    }
    aw_http_response_unref(r);
    aw_sqs_forget(token);
    return err;
}

int aw_sqs_container_keys(aw_sqs *c, struct aw_sqs_keys *ret)
{
    const char *relative = aw_sqs_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aw_sqs_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char url[512];
    if (!relative && !full)
        return 0;
    snprintf(url, sizeof url, "%s%.450s", relative ? "http://169.254.170.2" : "",
             relative ? relative : full);
    if (!may_ask(url))
        return aw_raise(-EACCES, "sqs: AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an "
                                 "address of this machine");
    AW_TRY(open_session(c));
    return ask_container(c, url, ret);
}

/* ---- the instance's ---- */

struct instance {
    aw_sqs *c;
    char base[256], token[512];
};

/* A step whose answer is a line: 1; 0 if nobody is there, or has nothing. */
static int line_of(struct instance *i, const char *method, const char *path,
                   const char *const *headers, char *buf, size_t size)
{
    char url[400];
    aw_http_response *r = NULL;
    snprintf(url, sizeof url, "%s/latest/%s", i->base, path);
    int status = aw_http_fetch(&r, i->c->near, method, url, .headers = headers);
    const char *text = aw_http_response_text(r);
    size_t n = strcspn(text, "\r\n");
    bool good = status == 200 && n > 0 && n < size;
    if (good)
        snprintf(buf, size, "%.*s", (int)n, text);
    aw_http_response_unref(r);
    return status == -ECANCELED || status == -ENOMEM ? status : good;
}

static void find_base(struct instance *i)
{
    const char *said = aw_sqs_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aw_sqs_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    bool six = mode && (!strcmp(mode, "IPv6") || !strcmp(mode, "ipv6"));
    snprintf(i->base, sizeof i->base, "%.250s",
             said  ? said
             : six ? "http://[fd00:ec2::254]"
                   : "http://169.254.169.254");
    size_t n = strlen(i->base);
    if (n > 0 && i->base[n - 1] == '/')
        i->base[n - 1] = 0;
}

static int ask_role(struct instance *i, const char *role, struct aw_sqs_keys *k)
{
    char url[512];
    aw_http_response *r = NULL;
    snprintf(url, sizeof url, "%s/latest/meta-data/iam/security-credentials/%s", i->base, role);
    int status =
        aw_http_get(&r, i->c->near, url, .headers = AW_PAIRS("x-aws-ec2-metadata-token", i->token));
    int err = status == 200 ? read_keys(r, "the instance", k)
              : status >= 0 ? bad("the instance", "the role's keys are not given out")
                            : status;
    aw_http_response_unref(r);
    return err;
}

int aw_sqs_instance_keys(aw_sqs *c, struct aw_sqs_keys *ret)
{
    struct instance i = {.c = c};
    char role[128];
    if (aw_sqs_env_true("AWS_EC2_METADATA_DISABLED"))
        return 0;
    AW_TRY(open_session(c));
    find_base(&i);
    int found =
        line_of(&i, "PUT", "api/token", AW_PAIRS("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
                i.token, sizeof i.token);
    if (found > 0)
        found = line_of(&i, "GET", "meta-data/iam/security-credentials/",
                        AW_PAIRS("x-aws-ec2-metadata-token", i.token), role, sizeof role);
    return found > 0 ? ask_role(&i, role, ret) : found;
}
