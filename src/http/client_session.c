/*
 * client_session.c - sessions: options checked and copied, an engine, and handles to both.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "http/client.h"

#define USER_AGENT "await/0.1"

/* ---- what may be sent ---- */

static int complain(const char *what, const char *why)
{
    char text[128];
    snprintf(text, sizeof text, "%s: %s", what, why);
    return aw_raise(-EINVAL, text);
}

int aw_http_check_text(const char *text, const char *what)
{
    if (text && aw_has_control(text, strlen(text)))
        return complain(what, "a line break or another control character");
    return 0;
}

int aw_http_check_pairs(const char *const *pairs, const char *what)
{
    for (; pairs && pairs[0]; pairs += 2) {
        if (!aw_is_token(pairs[0], strlen(pairs[0])))
            return complain(what, "a name that is none");
        AW_TRY(aw_http_check_text(pairs[1], what));
    }
    return 0;
}

/* ---- options ---- */

/* Every option that is a text. */
#define TEXTS(X)                                                                                   \
    X(base_url)                                                                                    \
    X(user_agent)                                                                                  \
    X(schemes)                                                                                     \
    X(user)                                                                                        \
    X(password)                                                                                    \
    X(bearer)                                                                                      \
    X(aws_sigv4)                                                                                   \
    X(proxy) X(ca_file) X(ca_path) X(certificate) X(key) X(key_password) X(pinned_key) X(unix_path)

static int check_options(const aw_http_session_opts *o)
{
    const double limits[] = {o->timeout, o->connect_timeout, o->read_timeout, o->keepalive};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (isnan(limits[i]))
            return aw_raise(-EINVAL, "a time limit that is no number");
    if (o->keepalive < 0 || o->connections > INT_MAX || o->connections_per_host > INT_MAX)
        return aw_raise(-EINVAL, "an option out of its range");
    if (o->public_only && (o->proxy || o->proxy_from_environment))
        return aw_raise(-EINVAL, ".public_only with a proxy, whose connections nobody can check");
    AW_TRY(aw_http_check_pairs(o->headers, ".headers"));
#define CHECK_TEXT(name) AW_TRY(aw_http_check_text(o->name, "." #name));
    TEXTS(CHECK_TEXT)
#undef CHECK_TEXT
    if (o->base_url) {
        char *url = aw_url_text(NULL, o->base_url, NULL, false, false);
        if (!url)
            return aw_errno();
        aw_mem_free(url);
    }
    return 0;
}

static void wipe(const char *text)
{
    for (volatile char *p = (volatile char *)(uintptr_t)text; p && *p; p++)
        *p = 0;
}

static void free_list(const char *const *list, size_t step)
{
    for (const char *const *p = list; p && p[0]; p += step)
        for (size_t i = 0; i < step; i++)
            aw_mem_free((void *)(uintptr_t)p[i]);
    aw_mem_free((void *)(uintptr_t)list);
}

/* A copy of a list, or of pairs (step 2), up to its NULL. */
static int copy_list(const char *const **list, size_t step)
{
    const char *const *from = *list;
    size_t n = 0;
    if (!from)
        return 0;
    while (from[n])
        n += step;
    const char **to = aw_mem_zalloc((n + 1) * sizeof *to);
    *list = (const char *const *)to;
    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        to[i] = aw_copy(from[i] ? from[i] : "");
        if (!to[i])
            return -ENOMEM;
    }
    return 0;
}

static int copy_options(aw_http_session *s, const aw_http_session_opts *o)
{
    s->o = *o;
    s->o.headers = s->o.connect_to = NULL;
    int err = 0;
#define COPY_TEXT(name)                                                                            \
    s->o.name = aw_copy(o->name);                                                                  \
    if (o->name && !s->o.name)                                                                     \
        err = -ENOMEM;
    TEXTS(COPY_TEXT)
#undef COPY_TEXT
    if (err < 0)
        return err;
    s->o.headers = o->headers;
    AW_TRY(copy_list(&s->o.headers, 2));
    s->o.connect_to = o->connect_to;
    return copy_list(&s->o.connect_to, 1);
}

static double limit_or(double limit, double otherwise)
{
    return limit == 0 ? otherwise : limit;
}

static void set_defaults(aw_http_session_opts *o)
{
    o->connections = o->connections ? o->connections : 100;
    o->keepalive = limit_or(o->keepalive, 60);
    o->timeout = limit_or(o->timeout, 300);
    o->connect_timeout = limit_or(o->connect_timeout, 30);
    o->read_timeout = limit_or(o->read_timeout, (double)INFINITY);
    o->max_body = o->max_body ? o->max_body : (size_t)64 << 20;
    o->max_head = o->max_head ? o->max_head : (size_t)64 << 10;
    o->redirects = o->redirects ? o->redirects : 10;
}

/* ---- handles ---- */

static void free_session(aw_http_session *s)
{
    if (s->engine)
        aw_curl_free(s->engine);
    wipe(s->o.password);
    wipe(s->o.bearer);
    wipe(s->o.key_password);
#define FREE_TEXT(name) aw_mem_free((void *)(uintptr_t)s->o.name);
    TEXTS(FREE_TEXT)
#undef FREE_TEXT
    free_list(s->o.headers, 2);
    free_list(s->o.connect_to, 1);
    wipe(s->last_asked);
    wipe(s->last_made);
    aw_mem_free(s->last_asked);
    aw_mem_free(s->last_made);
    aw_mem_free(s);
}

aw_http_session *aw_http_session_new_(const aw_http_session_opts *opts)
{
    int err = opts ? check_options(opts) : -EINVAL;
    if (err < 0)
        return aw_refuse(err, err == -EINVAL && opts ? aw_errmsg() : NULL);
    aw_http_session *s = aw_mem_zalloc(sizeof *s);
    if (!s)
        return aw_refuse(-ENOMEM, NULL);
    s->refs = 1;
    err = copy_options(s, opts);
    set_defaults(&s->o);
    s->agent = USER_AGENT;
    if (opts->user_agent)
        s->agent = *opts->user_agent ? (char *)(uintptr_t)s->o.user_agent : NULL;
    if (err >= 0 && !(s->engine = aw_curl_new(&s->o)))
        err = aw_errno();
    if (err >= 0)
        return s;
    free_session(s);
    return aw_refuse(err, err == -EINVAL ? aw_errmsg() : NULL);
}

aw_http_session *aw_http_session_ref(aw_http_session *s)
{
    if (s)
        s->refs++;
    return s;
}

void aw_http_session_unref(aw_http_session *s)
{
    if (s && --s->refs == 0)
        free_session(s);
}

static int check_loop(const aw_http_session *s)
{
    if (!s)
        return aw_raise(-EINVAL, "the session is NULL");
    if (s->closed)
        return aw_raise(AW_ESHUTDOWN, "the session was closed");
    aw_loop *l = aw_running_loop();
    if (l && l != aw_curl_loop(s->engine))
        return aw_raise(AW_ETHREAD, "the session belongs to another loop");
    return 0;
}

int aw_http_session_check(const aw_http_session *s)
{
    if (!aw_current_task())
        return aw_raise(AW_EMISUSE, "outside a task");
    return check_loop(s);
}

int aw_http_session_close(aw_http_session *s)
{
    if (s && s->closed)
        return 0;
    AW_TRY(check_loop(s));
    s->closed = true;
    aw_curl_fail_all(s->engine, AW_ESHUTDOWN);
    aw_curl_free(s->engine);
    s->engine = NULL;
    return 0;
}

size_t aw_http_session_active(const aw_http_session *s)
{
    return s && !s->closed ? aw_curl_active(s->engine) : 0;
}

/* ---- cookies ---- */

int aw_http_session_add_cookie(aw_http_session *s, const char *header)
{
    AW_TRY(check_loop(s));
    if (!header || s->o.no_cookies || strncmp(header, "Set-Cookie:", 11) != 0)
        return aw_raise(-EINVAL, "no line \"Set-Cookie: ...\", or a session without cookies");
    AW_TRY(aw_http_check_text(header, "the cookie"));
    return aw_curl_cookie_add(s->engine, header);
}

int aw_http_session_clear_cookies(aw_http_session *s)
{
    AW_TRY(check_loop(s));
    return aw_curl_cookie_add(s->engine, "ALL");
}

int aw_http_session_cookie(aw_http_session *s, const char *name, char *buf, size_t size)
{
    AW_TRY(check_loop(s));
    if (!name || (!buf && size))
        return -EINVAL;
    return aw_curl_cookie_get(s->engine, name, buf, size);
}
