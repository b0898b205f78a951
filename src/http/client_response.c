/*
 * client_response.c - what users ask a response: its head, its body, where it came from.
 */
#include <stdio.h>
#include <string.h>

#include "http/client.h"

/* ---- handles ---- */

static void free_bytes(struct aw_http_bytes *b)
{
    aw_mem_free(b->data);
    *b = (struct aw_http_bytes){0};
}

void aw_http_forget_answer(aw_http_response *r)
{
    r->status = r->version = 0;
    r->head.at = r->head.len = 0;
    r->n_lines = r->head_bytes = r->received = 0;
    r->head_done = r->has_location = r->follow = false;
    r->reason = 0;
    r->body.at = r->body.len = 0;
}

aw_http_response *aw_http_response_ref(aw_http_response *r)
{
    if (r)
        r->refs++;
    return r;
}

void aw_http_response_unref(aw_http_response *r)
{
    if (!r || --r->refs > 0)
        return;
    aw_transfer_abort(&r->transfer, -ECANCELED);
    aw_http_stop_clocks(r);
    for (size_t i = 0; i < r->n_hops; i++)
        aw_mem_free(r->hops[i].url);
    aw_mem_free(r->hops);
    aw_mem_free(r->lines);
    free_bytes(&r->head);
    free_bytes(&r->body);
    aw_http_multipart_free(r->up.multipart);
    aw_mem_free(r->up.buf);
    aw_mem_free(r->made_body);
    aw_mem_free(r->words);
    aw_mem_free(r->shown);
    aw_mem_free(r->url);
    aw_mem_free(r->transfer.redirect);
    aw_http_session_unref(r->session);
    aw_mem_free(r);
}

/* ---- the head ---- */

int aw_http_response_status(const aw_http_response *r)
{
    return r ? r->status : 0;
}

const char *aw_http_response_reason(const aw_http_response *r)
{
    return r && r->head.data && r->status ? r->head.data + r->reason : "";
}

int aw_http_response_version(const aw_http_response *r)
{
    return r ? r->version : 0;
}

const char *aw_http_response_url(const aw_http_response *r)
{
    return !r ? "" : r->shown ? r->shown : r->url;
}

int aw_http_response_raise(const aw_http_response *r)
{
    char text[600];
    if (!r)
        return -EINVAL;
    if (r->status < 400)
        return r->status;
    char *url = aw_url_text(NULL, r->url, NULL, true, true);
    snprintf(text, sizeof text, "%s %.300s: %d %.100s", r->method, url ? url : "(a URL)", r->status,
             aw_http_response_reason(r));
    aw_mem_free(url);
    return aw_raise(-EREMOTEIO, text);
}

static bool is_named(const char *line, const char *name)
{
    return aw_same_word(line, strlen(line), name);
}

const char *aw_http_response_header(const aw_http_response *r, const char *name)
{
    if (!r || !name)
        return NULL;
    for (size_t i = 0; i < r->n_lines; i++)
        if (is_named(r->head.data + r->lines[i].name, name))
            return r->head.data + r->lines[i].value;
    return NULL;
}

bool aw_http_response_header_at(const aw_http_response *r, size_t i, const char **ret_name,
                                const char **ret_value)
{
    if (!r || i >= r->n_lines)
        return false;
    if (ret_name)
        *ret_name = r->head.data + r->lines[i].name;
    if (ret_value)
        *ret_value = r->head.data + r->lines[i].value;
    return true;
}

bool aw_http_response_is(const aw_http_response *r, const char *type)
{
    const char *said = aw_http_response_header(r, "Content-Type");
    return said && type && aw_same_word(said, strcspn(said, "; \t"), type);
}

size_t aw_http_response_redirects(const aw_http_response *r)
{
    return r ? r->n_hops : 0;
}

int aw_http_response_redirect(const aw_http_response *r, size_t i, const char **ret_url)
{
    if (!r || i >= r->n_hops)
        return -EINVAL;
    if (ret_url)
        *ret_url = r->hops[i].url;
    return r->hops[i].status;
}

int aw_http_response_timings(const aw_http_response *r, aw_http_timings *ret)
{
    if (!r || !ret)
        return -EINVAL;
    *ret = r->transfer.timings;
    ret->whole = (r->over ? r->ended : aw_time()) - r->began;
    return 0;
}

/* ---- the body ---- */

const char *aw_http_response_text(const aw_http_response *r)
{
    return r && r->body.data ? r->body.data + r->body.at : "";
}

const void *aw_http_response_body(const aw_http_response *r, size_t *ret_size)
{
    if (ret_size)
        *ret_size = r ? r->body.len - r->body.at : 0;
    return aw_http_response_text(r);
}

static size_t buffered(const aw_http_response *r)
{
    return r->body.len - r->body.at;
}

/* libcurl goes on when half of what is read ahead was taken. */
static void resume(aw_http_response *r)
{
    if (!r->paused || buffered(r) > AW_HTTP_READ_AHEAD / 2)
        return;
    r->paused = false;
    aw_http_moved(r);
    aw_transfer_resume(&r->transfer);
}

static int check_reader(const aw_http_response *r)
{
    if (!r)
        return aw_raise(-EINVAL, "the response is NULL");
    if (r->reading)
        return aw_raise(AW_EMISUSE, "another task reads this response");
    aw_task *t = aw_current_task();
    if (t && r->session->engine && aw_running_loop() != aw_curl_loop(r->session->engine))
        return aw_raise(AW_ETHREAD, "the response belongs to another loop");
    return 0;
}

/* Until more than `had` bytes are there, or it is over. */
static int wait_for_more(aw_http_response *r, size_t had)
{
    int err = 0;
    r->reading = true;
    aw_http_response_ref(r);
    while (err >= 0 && buffered(r) <= had && !r->over) {
        (void)aw_event_clear(&r->news);
        err = aw_event_wait(&r->news);
    }
    r->reading = false;
    bool last = r->refs == 1;
    aw_http_response_unref(r);
    return last ? aw_raise(AW_EMISUSE, "the response was given up while it was read") : err;
}

ssize_t aw_http_response_read(aw_http_response *r, void *buf, size_t n)
{
    AW_TRY(check_reader(r));
    if (!buf || n == 0)
        return n == 0 ? 0 : -EINVAL;
    if (buffered(r) == 0 && !r->over)
        AW_TRY(wait_for_more(r, 0));
    if (buffered(r) == 0)
        return r->error < 0 ? aw_http_raise_failure(r) : 0;
    size_t some = buffered(r) < n ? buffered(r) : n;
    memcpy(buf, r->body.data + r->body.at, some);
    r->body.at += some;
    if (buffered(r) == 0)
        r->body.at = r->body.len = 0;
    resume(r);
    return (ssize_t)some;
}

/* What is read ahead is no limit now. */
static void gather(aw_http_response *r)
{
    r->stream = false;
    if (r->paused) {
        r->paused = false;
        aw_http_moved(r);
        aw_transfer_resume(&r->transfer);
    }
}

ssize_t aw_http_response_readall(aw_http_response *r, size_t max)
{
    AW_TRY(check_reader(r));
    size_t most = max ? max : r->session->o.max_body, before = r->received - buffered(r);
    if (most < r->max_body - before || r->max_body < before)
        r->max_body = before + most;
    if (r->received > r->max_body)
        aw_http_fail(r, AW_ELIMIT, "the body is larger than it may be");
    gather(r);
    if (!r->over)
        AW_TRY(wait_for_more(r, SIZE_MAX - 1));
    if (r->error < 0)
        return aw_http_raise_failure(r);
    return (ssize_t)buffered(r);
}
