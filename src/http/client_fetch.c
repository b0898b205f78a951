/*
 * client_fetch.c - a request: checked, begun, led through its redirects, and ended.
 *
 * Redirects are followed here, hop by hop, not by libcurl: so there is a history, the method
 * follows the rules, and what belongs to one host is not sent to another.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "http/client.h"

/* A request while its call lasts. */
struct request {
    const aw_http_opts *o;
    aw_http_response *r;
    struct aw_transfer_spec spec;
    char content_type[128]; /* of a form */
};

/* ---- checking ---- */

static int check_method(const char *method)
{
    if (!method || !*method || strlen(method) >= 16)
        return aw_raise(-EINVAL, "the method: missing, or longer than 15 bytes");
    for (const char *p = method; *p; p++)
        if (*p < 'A' || *p > 'Z')
            return aw_raise(-EINVAL, "the method: not of capital letters");
    return 0;
}

static int check_body(const aw_http_opts *o)
{
    int bodies = !!o->body + !!o->json + !!o->form + !!o->parts + !!o->source;
    if (bodies > 1)
        return aw_raise(-EINVAL, "several bodies");
    if ((o->size && !o->body) || (o->n_parts && !o->parts) || o->source_size < 0)
        return aw_raise(-EINVAL, "a size without a body");
    if (bodies && !strcmp(o->method, "HEAD"))
        return aw_raise(-EINVAL, "a HEAD with a body");
    return 0;
}

static int check_signing(const aw_http_opts *o, const aw_http_session *s)
{
    if (!o->aws_sigv4 && !s->o.aws_sigv4)
        return 0;
    for (const char *const *p = o->headers; p && p[0]; p += 2)
        if (!p[1] || !*p[1])
            return aw_raise(-EINVAL, ".aws_sigv4 with an empty header, which would be signed");
    return 0;
}

static int check(const aw_http_opts *o, const aw_http_session *s)
{
    AW_TRY(check_method(o->method));
    if (!o->url)
        return aw_raise(-EINVAL, "the URL is NULL");
    if (isnan(o->timeout) || isnan(o->connect_timeout) || isnan(o->read_timeout))
        return aw_raise(-EINVAL, "a time limit that is no number");
    AW_TRY(aw_http_check_pairs(o->headers, ".headers"));
    AW_TRY(aw_http_check_text(o->content_type, ".content_type"));
    AW_TRY(aw_http_check_text(o->user, ".user"));
    AW_TRY(aw_http_check_text(o->password, ".password"));
    AW_TRY(aw_http_check_text(o->bearer, ".bearer"));
    AW_TRY(aw_http_check_text(o->aws_sigv4, ".aws_sigv4"));
    AW_TRY(check_signing(o, s));
    return check_body(o);
}

/* ---- preparing ---- */

static double limit_of(double own, double of_session)
{
    return own == 0 ? of_session : own;
}

static aw_http_response *make_response(const aw_http_opts *o, aw_http_session *s)
{
    aw_http_response *r = aw_mem_zalloc(sizeof *r);
    if (!r)
        return NULL;
    r->refs = 1;
    r->session = aw_http_session_ref(s);
    aw_list_init(&r->transfer.link);
    r->transfer.calls = &aw_http_calls;
    r->stream = o->stream;
    snprintf(r->method, sizeof r->method, "%s", o->method);
    r->redirects_left = o->redirects ? o->redirects : s->o.redirects;
    r->connect_limit = limit_of(o->connect_timeout, s->o.connect_timeout);
    r->read_limit = limit_of(o->read_timeout, s->o.read_timeout);
    r->max_body = o->max_body ? o->max_body : o->stream ? SIZE_MAX : s->o.max_body;
    r->max_head = s->o.max_head;
    return r;
}

static int make_form(struct request *q)
{
    const aw_http_opts *o = q->o;
    int n = aw_url_query(o->form, NULL, 0);
    AW_TRY(n);
    char *text = aw_mem_alloc((size_t)n + 1);
    if (!text)
        return -ENOMEM;
    q->r->made_body = text;
    q->spec.body = text;
    q->spec.size = (size_t)aw_url_query(o->form, text, (size_t)n + 1);
    q->spec.content_type = "application/x-www-form-urlencoded";
    return 0;
}

static int make_source(struct request *q)
{
    const aw_http_opts *o = q->o;
    struct aw_http_upload *up = &q->r->up;
    if (o->parts) {
        int err = aw_http_multipart_new(q->r, o->parts, o->n_parts, q->content_type);
        if (err < 0 && err != -ECANCELED && err != -ENOMEM)
            aw_http_fail(q->r, err, aw_errmsg());
        AW_TRY(err);
        q->spec.content_type = q->content_type;
    } else {
        up->source = o->source;
        up->arg = o->source_arg;
        up->size = o->source_size ? o->source_size : -1;
        q->spec.content_type = o->content_type ? o->content_type : "application/octet-stream";
    }
    q->spec.upload = true;
    q->spec.upload_size = up->size;
    return aw_http_upload_start(q->r);
}

static bool wants_body(const char *method)
{
    return !strcmp(method, "POST") || !strcmp(method, "PUT") || !strcmp(method, "PATCH");
}

/* Bytes that are there. */
static void take_bytes(struct request *q)
{
    const aw_http_opts *o = q->o;
    struct aw_transfer_spec *s = &q->spec;
    s->body = o->json ? o->json : o->body;
    s->size = o->size ? o->size : s->body ? strlen(s->body) : 0;
    s->has_body = s->body || wants_body(o->method);
    s->copy_body = o->stream;
    if (s->has_body)
        s->content_type = o->content_type ? o->content_type : "application/octet-stream";
    if (o->json)
        s->content_type = "application/json";
}

static int make_body(struct request *q)
{
    const aw_http_opts *o = q->o;
    bool in_pieces = o->parts || o->source;
    q->r->can_repeat = !in_pieces;
    q->spec.has_body = true;
    if (o->form)
        return make_form(q);
    if (in_pieces)
        return make_source(q);
    take_bytes(q);
    return 0;
}

/* The session's own authorisation is for its base URL's host, if it has one. */
static void set_authorisation(struct request *q)
{
    const aw_http_opts *o = q->o;
    const aw_http_session_opts *s = &q->r->session->o;
    struct aw_transfer_spec *t = &q->spec;
    bool own = o->user || o->bearer || o->aws_sigv4;
    t->foreign_session = s->base_url && !aw_url_same_origin(s->base_url, q->r->url);
    bool of_session = !own && !t->foreign_session;
    t->user = own ? o->user : of_session ? s->user : NULL;
    t->password = own ? o->password : of_session ? s->password : NULL;
    t->bearer = own ? o->bearer : of_session ? s->bearer : NULL;
    t->aws_sigv4 = own ? o->aws_sigv4 : of_session ? s->aws_sigv4 : NULL;
}

static const char *pair_of(const char *const *pairs, const char *name, const char *otherwise)
{
    for (; pairs && pairs[0]; pairs += 2)
        if (aw_same_word(pairs[0], strlen(pairs[0]), name))
            return pairs[1];
    return otherwise;
}

/* Go to this URL next, which is taken over; NULL: there was no memory for it. */
static int set_url(aw_http_response *r, char *url)
{
    if (!url)
        return aw_errno();
    aw_mem_free(r->url);
    aw_mem_free(r->shown);
    r->url = url;
    r->shown = NULL;
    if (!aw_url_has_user(url))
        return 0;
    r->shown = aw_url_text(NULL, url, NULL, true, false);
    return r->shown ? 0 : aw_errno();
}

/* The URL in full.  That of the request before is remembered: it is often the same. */
static char *make_url(aw_http_session *s, const aw_http_opts *o)
{
    if (o->query)
        return aw_url_text(s->o.base_url, o->url, o->query, false, false);
    if (!s->last_asked || strcmp(s->last_asked, o->url) != 0) {
        char *asked = aw_copy(o->url);
        char *made = asked ? aw_url_text(s->o.base_url, o->url, NULL, false, false) : NULL;
        if (!made) {
            aw_mem_free(asked);
            return asked ? NULL : aw_refuse(-ENOMEM, NULL);
        }
        aw_mem_free(s->last_asked);
        aw_mem_free(s->last_made);
        s->last_asked = asked;
        s->last_made = made;
    }
    char *copy = aw_copy(s->last_made);
    return copy ? copy : aw_refuse(-ENOMEM, NULL);
}

static int prepare(struct request *q)
{
    const aw_http_opts *o = q->o;
    aw_http_response *r = q->r;
    const aw_http_session_opts *s = &r->session->o;
    AW_TRY(set_url(r, make_url(r->session, o)));
    set_authorisation(q);
    q->spec.headers = o->headers;
    q->spec.user_agent =
        pair_of(o->headers, "User-Agent", pair_of(s->headers, "User-Agent", r->session->agent));
    q->spec.connect_timeout = r->connect_limit;
    q->spec.version = o->version ? o->version : s->version;
    AW_TRY(aw_http_start_clock(r, limit_of(o->timeout, s->timeout)));
    return make_body(q);
}

/* ---- hops ---- */

static bool hop_is_over(const aw_http_response *r)
{
    if (r->phase == AW_HTTP_IDLE)
        return true;
    bool sent = !r->up.source || r->up.over;
    return r->stream && r->head_done && !r->follow && sent;
}

static int run_hop(struct request *q)
{
    aw_http_response *r = q->r;
    AW_TRY(aw_http_session_check(r->session));
    if (r->error < 0) /* the clock, or the source, while this task was not looking */
        return 0;
    aw_http_forget_answer(r);
    q->spec.method = r->method;
    q->spec.url = r->url;
    r->phase = AW_HTTP_WAITING;
    int err = aw_transfer_begin(&r->transfer, r->session->engine, &q->spec);
    if (err < 0) {
        r->phase = AW_HTTP_IDLE;
        r->over = true;
        return err;
    }
    while (!hop_is_over(r)) {
        (void)aw_event_clear(&r->news);
        AW_TRY(aw_event_wait(&r->news));
    }
    return 0;
}

static int remember_hop(aw_http_response *r)
{
    struct aw_http_hop *hops = aw_mem_alloc((r->n_hops + 1) * sizeof *hops);
    if (!hops)
        return -ENOMEM;
    if (r->n_hops > 0)
        memcpy(hops, r->hops, r->n_hops * sizeof *hops);
    aw_mem_free(r->hops);
    r->hops = hops;
    char *shown = r->shown ? r->shown : r->url;
    if (r->shown)
        r->shown = NULL;
    else
        r->url = NULL;
    hops[r->n_hops++] = (struct aw_http_hop){r->status, shown};
    return 0;
}

/* The next hop is a GET without a body. */
static void become_get(struct request *q)
{
    if (strcmp(q->r->method, "HEAD") != 0)
        snprintf(q->r->method, sizeof q->r->method, "GET");
    q->spec.has_body = q->spec.upload = false;
    q->spec.content_type = NULL;
    q->r->can_repeat = true;
}

static void become_foreign(struct aw_transfer_spec *s)
{
    s->foreign = s->foreign_session = true;
    s->user = s->password = s->bearer = s->aws_sigv4 = NULL;
}

static int follow(struct request *q)
{
    aw_http_response *r = q->r;
    char *to = r->transfer.redirect;
    r->transfer.redirect = NULL;
    if (r->redirects_left-- == 0) {
        aw_mem_free(to);
        return aw_http_fail(r, -ELOOP, "too many redirects"), -ELOOP;
    }
    char *url = to ? aw_url_text(NULL, to, NULL, false, false) : NULL;
    int err = url ? 0 : to ? aw_errno() : -EPROTO;
    bool same = url && aw_url_same_origin(r->url, url);
    aw_mem_free(to);
    if (err == -EINVAL || err == -EPROTO)
        return aw_http_fail(r, -EPROTO, "a redirect to what is no URL"), -EPROTO;
    if (err >= 0 && (err = remember_hop(r)) < 0)
        aw_mem_free(url);
    AW_TRY(err);
    AW_TRY(set_url(r, url));
    if (!same)
        become_foreign(&q->spec);
    if (r->status == 303 || (r->status < 303 && !strcmp(r->method, "POST")))
        become_get(q);
    return 0;
}

static int run(struct request *q)
{
    AW_TRY(prepare(q));
    for (;;) {
        AW_TRY(run_hop(q));
        if (q->r->error < 0)
            return q->r->error;
        if (!q->r->follow)
            return 0;
        AW_TRY(follow(q));
    }
}

/* ---- the call ---- */

/* The error with the request's words beside it, unless its own are better. */
static int tell(aw_http_response *r, int err)
{
    if (err == -ECANCELED && !r->error)
        return err;
    if (!r->error) {
        const char *words = err == -EINVAL || err == AW_ESHUTDOWN ? aw_errmsg() : NULL;
        r->error = err;
        r->words = words && *words ? aw_copy(words) : NULL;
    }
    return r->url ? aw_http_raise_failure(r) : aw_raise(err, r->words);
}

static int fetch(const aw_http_opts *o, aw_http_session *s)
{
    struct request q = {.o = o, .r = make_response(o, s)};
    if (!q.r)
        return -ENOMEM;
    int err = run(&q);
    if (err < 0) {
        err = tell(q.r, err);
        aw_transfer_abort(&q.r->transfer, err);
    }
    aw_http_upload_stop(q.r);
    q.r->up.source = NULL;
    if (err >= 0)
        err = o->raise_for_status || s->o.raise_for_status ? aw_http_response_raise(q.r)
                                                           : q.r->status;
    if (o->ret && (err >= 0 || err == -EREMOTEIO) && q.r->error >= 0) {
        *o->ret = q.r;
        return err;
    }
    aw_http_response_unref(q.r);
    return err;
}

int aw_http_fetch_(const aw_http_opts *o)
{
    if (!o)
        return -EINVAL;
    if (o->ret)
        *o->ret = NULL;
    if (o->session)
        AW_TRY(aw_http_session_check(o->session));
    else if (!aw_current_task())
        return aw_raise(AW_EMISUSE, "outside a task");
    aw_http_session *s = o->session ? aw_http_session_ref(o->session) : aw_http_session_new(NULL);
    if (!s)
        return aw_errno();
    int err = check(o, s);
    if (err >= 0)
        err = fetch(o, s);
    aw_http_session_unref(s);
    return err;
}
