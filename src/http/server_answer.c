/*
 * server_answer.c - answers: a head, and a body that may be in chunks.
 *
 * Everything goes through one buffer, so that a head and its small body are sent by one call, and
 * so are the answers to requests that came together: the buffer is flushed when it is full, when
 * the connection is about to wait for its client, and when a handler asks for it.  What does not
 * fit is sent from where it lies, behind the buffer.
 */
#include "http/server.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 64 << 10, FIELDS_FIRST = 512 }; /* bytes */

/* ---- the buffer ---- */

int aw_http_peer_error(aw_http_request *r, int error)
{
    if (error != -ECANCELED && error != -ENOMEM) {
        r->peer_error = error;
        r->keep_alive = false;
    }
    return error;
}

static int send_out(struct aw_http_connection *c)
{
    size_t n = c->out_len;
    c->out_len = 0;
    return n ? aw_stream_write(c->stream, c->out->data, n) : 0;
}

int aw_http_flush(struct aw_http_connection *c)
{
    if (!c->out)
        return 0;
    int err = send_out(c);
    aw_http_chunk_give(&c->server->buffers, c->out);
    c->out = NULL;
    return err;
}

int aw_http_drain(struct aw_http_connection *c)
{
    if (aw_stream_pending(c->stream) == 0)
        return 0;
    double before = c->deadline;
    AW_TRY(aw_http_deadline(c, aw_time() + c->server->opts.send_timeout));
    int err = aw_stream_drain(c->stream);
    aw_ignore(aw_http_deadline(c, before));
    if (c->timed_out && err < 0)
        return -ETIMEDOUT;
    return err;
}

/* Where the next n bytes go; NULL when there is no memory, or sending has failed (*ret_error). */
static char *room(struct aw_http_connection *c, size_t n, int *ret_error)
{
    *ret_error = 0;
    if (c->out && n > AW_HTTP_OUT - c->out_len)
        *ret_error = send_out(c);
    if (*ret_error < 0)
        return NULL;
    if (!c->out)
        c->out = aw_http_chunk_take(&c->server->buffers);
    if (!c->out)
        *ret_error = -ENOMEM;
    return c->out ? c->out->data + c->out_len : NULL;
}

/* Into the buffer if it has room for so much, and else to the stream, which copies what it cannot
 * send. */
static int put(struct aw_http_connection *c, const void *data, size_t n)
{
    int err;
    if (n > AW_HTTP_OUT / 2) {
        AW_TRY(send_out(c));
        return aw_stream_write(c->stream, data, n);
    }
    if (n == 0)
        return 0;
    char *to = room(c, n, &err);
    if (!to)
        return err;
    memcpy(to, data, n);
    c->out_len += n;
    return 0;
}

/* The same however much it is, waiting while the other side does not take it. */
static int put_all(struct aw_http_connection *c, const char *data, size_t n)
{
    while (n > AW_HTTP_SMALL) {
        AW_TRY(put(c, data, AW_HTTP_SMALL));
        AW_TRY(aw_http_drain(c));
        data += AW_HTTP_SMALL;
        n -= AW_HTTP_SMALL;
    }
    return put(c, data, n);
}

/* ---- fields ---- */

static const char *const reserved[] = {
    "Content-Length", "Transfer-Encoding", "Connection", "Date", "Server", NULL};

static bool is_name(const char *name)
{
    size_t n = 0;
    while (aw_token_char[(unsigned char)name[n]])
        n++;
    return n > 0 && name[n] == '\0';
}

static bool is_reserved(const char *name)
{
    for (size_t i = 0; reserved[i]; i++)
        if (aw_same_word(reserved[i], strlen(reserved[i]), name))
            return true;
    return false;
}

static int make_room(aw_http_request *r, size_t n)
{
    if (n > FIELDS_MAX || r->fields_len + n > FIELDS_MAX)
        return aw_raise(AW_ELIMIT, "too much in the fields of an answer");
    if (r->fields_len + n <= r->fields_size)
        return 0;
    size_t size = r->fields_size ? r->fields_size * 2 : FIELDS_FIRST;
    while (size < r->fields_len + n)
        size *= 2;
    char *fields = aw_http_request_alloc(r, size);
    if (!fields)
        return aw_raise(-ENOMEM, "no memory for the fields of an answer");
    if (r->fields_len)
        memcpy(fields, r->fields, r->fields_len);
    r->fields = fields;
    r->fields_size = size;
    return 0;
}

static int add_field(aw_http_request *r, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    if (aw_has_control(value, value_len))
        return aw_raise(-EINVAL, "the value of a field has control characters");
    AW_TRY(make_room(r, name_len + value_len + 4));
    char *to = r->fields + r->fields_len;
    memcpy(to, name, name_len);
    memcpy(to + name_len, ": ", 2);
    memcpy(to + name_len + 2, value, value_len);
    memcpy(to + name_len + 2 + value_len, "\r\n", 2);
    r->fields_len += name_len + value_len + 4;
    return 0;
}

int aw_http_respond_field(aw_http_request *r, const char *name, const char *value)
{
    if (!r || !name || !value)
        return aw_raise(-EINVAL, "the request, or a name or a value, is NULL");
    if (r->state != AW_HTTP_WAITING)
        return aw_raise(AW_EMISUSE, "the answer has begun");
    if (!is_name(name))
        return aw_raise(-EINVAL, "the name of a field is none");
    if (is_reserved(name))
        return aw_raise(-EINVAL, "this field is the server's business");
    return add_field(r, name, value);
}

/* ---- the head ---- */

/* Written anew once in a second. */
static const char *date(aw_http_server *s)
{
    double now = aw_time();
    if (now < s->date_until)
        return s->date;
    double wall = aw_wall_time();
    s->date_until = now + 1 - (wall - (double)(int64_t)wall);
    aw_date_http(s->date, (int64_t)wall);
    return s->date;
}

static char *add(char *to, const char *text, size_t n)
{
    memcpy(to, text, n);
    return to + n;
}
#define ADD(to, text) add((to), (text), sizeof(text) - 1)

static char *add_number(char *to, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return add(to, digits + i, sizeof digits - i);
}

static char *add_status(char *to, int status)
{
    const char *reason = aw_http_reason(status);
    to = ADD(to, "HTTP/1.1 ");
    to = add_number(to, (uint64_t)status);
    *to++ = ' ';
    to = add(to, reason, strlen(reason));
    return ADD(to, "\r\n");
}

static char *add_framing(char *to, const aw_http_request *r)
{
    if (r->is_chunked) {
        to = ADD(to, "Transfer-Encoding: chunked\r\n");
    } else if (r->length >= 0 && r->status >= 200 && r->status != 204 && r->status != 304) {
        to = ADD(to, "Content-Length: ");
        to = add_number(to, (uint64_t)r->length);
        to = ADD(to, "\r\n");
    }
    if (r->status == 101)
        return ADD(to, "Connection: Upgrade\r\n");
    if (!r->keep_alive)
        return ADD(to, "Connection: close\r\n");
    return r->head.minor == 0 ? ADD(to, "Connection: keep-alive\r\n") : to;
}

/* What is not the handler's: at most 600 bytes, the server's name included. */
static int put_head(aw_http_request *r)
{
    enum { HEAD_MAX = 640 };
    struct aw_http_connection *c = r->connection;
    const char *name = c->server->opts.server_name, *today = date(c->server);
    int err;
    char *begin = room(c, HEAD_MAX, &err), *to = begin;
    if (!to)
        return err;
    to = add_status(to, r->status);
    to = ADD(to, "Date: ");
    to = add(to, today, strlen(today));
    to = ADD(to, "\r\n");
    if (name) {
        to = ADD(to, "Server: ");
        to = add(to, name, strlen(name));
        to = ADD(to, "\r\n");
    }
    to = add_framing(to, r);
    if (r->fields_len == 0)
        to = ADD(to, "\r\n");
    c->out_len += (size_t)(to - begin);
    if (r->fields_len == 0)
        return 0;
    AW_TRY(put(c, r->fields, r->fields_len));
    return put(c, "\r\n", 2);
}

/* ---- answering ---- */

static int may_begin(const aw_http_request *r, int status)
{
    if (!r)
        return aw_raise(-EINVAL, "the request is NULL");
    if (r->state != AW_HTTP_WAITING)
        return aw_raise(AW_EMISUSE, "the answer has begun");
    return status >= 200 && status <= 599 ? 0 : aw_raise(-EINVAL, "this is no status of an answer");
}

/* Does the connection outlive this answer? */
static void decide_keep_alive(aw_http_request *r)
{
    if (r->connection->server->closing || r->is_last || aw_http_body_is_long(r))
        r->keep_alive = false;
    if (r->length < 0 && !r->is_chunked && !r->is_bodyless)
        r->keep_alive = false; /* its end is the end of the connection */
}

static int begin(aw_http_request *r, int status, const char *type, int64_t length)
{
    AW_TRY(may_begin(r, status));
    if (type)
        AW_TRY(add_field(r, "Content-Type", type));
    r->status = status;
    r->length = length;
    r->is_bodyless = r->is_head || status == 204 || status == 304;
    r->is_chunked = length < 0 && r->head.minor == 1 && status != 204 && status != 304;
    decide_keep_alive(r);
    r->state = AW_HTTP_ANSWERING;
    int err = put_head(r);
    return err < 0 ? aw_http_peer_error(r, err) : 0;
}

int aw_http_respond_begin(aw_http_request *r, int status, const char *type, int64_t length)
{
    return begin(r, status, type, length < 0 ? -1 : length);
}

static int end(aw_http_request *r)
{
    r->state = AW_HTTP_ANSWERED;
    if (!r->is_chunked || r->is_bodyless)
        return 0;
    int err = put(r->connection, "0\r\n\r\n", 5);
    return err < 0 ? aw_http_peer_error(r, err) : 0;
}

int aw_http_respond(aw_http_request *r, int status, const char *type, const void *body, size_t n)
{
    if (n > INT64_MAX || (!body && n))
        return aw_raise(-EINVAL, "the body is NULL, or its size is none");
    AW_TRY(begin(r, status, type, (int64_t)n));
    r->sent = r->is_bodyless ? 0 : n;
    int err = r->is_bodyless ? 0 : put_all(r->connection, body, n);
    if (err < 0)
        return aw_http_peer_error(r, err);
    return end(r);
}

int aw_http_respond_text(aw_http_request *r, int status, const char *text)
{
    if (!text)
        return aw_raise(-EINVAL, "the text is NULL");
    return aw_http_respond(r, status, "text/plain; charset=utf-8", text, strlen(text));
}

int aw_http_respond_status(aw_http_request *r, int status)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%d %s\n", status, aw_http_reason(status));
    return aw_http_respond(r, status, "text/plain; charset=utf-8", text, (size_t)n);
}

/* A piece of the body, in a chunk of its own if need be. */
static int put_piece(aw_http_request *r, const void *data, size_t n)
{
    char line[24];
    struct aw_http_connection *c = r->connection;
    if (!r->is_chunked)
        return put_all(c, data, n);
    int len = snprintf(line, sizeof line, "%zx\r\n", n);
    AW_TRY(put(c, line, (size_t)len));
    AW_TRY(put_all(c, data, n));
    return put(c, "\r\n", 2);
}

int aw_http_respond_write(aw_http_request *r, const void *data, size_t n)
{
    if (!r || (!data && n))
        return aw_raise(-EINVAL, "the request or the data are NULL");
    if (r->state != AW_HTTP_ANSWERING)
        return aw_raise(AW_EMISUSE, "the answer has not begun, or is over");
    if (r->length >= 0 && n > (uint64_t)r->length - r->sent)
        return aw_raise(AW_EMISUSE, "the body would be longer than its length");
    r->sent += n;
    if (r->is_bodyless || n == 0)
        return 0;
    int err = put_piece(r, data, n);
    if (err >= 0)
        err = aw_http_drain(r->connection);
    return err < 0 ? aw_http_peer_error(r, err) : 0;
}

int aw_http_respond_flush(aw_http_request *r)
{
    if (!r)
        return aw_raise(-EINVAL, "the request is NULL");
    if (r->state == AW_HTTP_WAITING)
        return aw_raise(AW_EMISUSE, "the answer has not begun");
    int err = aw_http_flush(r->connection);
    return err < 0 ? aw_http_peer_error(r, err) : 0;
}

int aw_http_respond_end(aw_http_request *r)
{
    if (!r)
        return aw_raise(-EINVAL, "the request is NULL");
    if (r->state != AW_HTTP_ANSWERING)
        return aw_raise(AW_EMISUSE, "the answer has not begun, or is over");
    if (!r->is_head && r->length >= 0 && (uint64_t)r->length != r->sent) {
        r->keep_alive = false;
        return aw_raise(AW_EMISUSE, "the body is shorter than its length");
    }
    return end(r);
}

bool aw_http_respond_has_begun(const aw_http_request *r)
{
    return r && r->state != AW_HTTP_WAITING;
}

/* ---- endings ---- */

void aw_http_answer_refusal(aw_http_request *r, int status)
{
    r->keep_alive = false;
    r->fields_len = 0;
    if (r->state == AW_HTTP_WAITING)
        aw_ignore(aw_http_respond_status(r, status));
    r->state = AW_HTTP_ANSWERED;
}

/* The status of a handler that has returned without an answer. */
static int status_of(const aw_http_request *r, int result)
{
    if (r->refusal)
        return r->refusal;
    if (result == -ECANCELED)
        return 503;
    return result == -ENOENT ? 404 : 500;
}

void aw_http_finish_answer(aw_http_request *r, int result)
{
    if (r->state == AW_HTTP_ANSWERED)
        return;
    if (r->state == AW_HTTP_WAITING) {
        r->fields_len = 0;
        if (result != -ENOENT)
            r->keep_alive = false;
        aw_ignore(aw_http_respond_status(r, status_of(r, result)));
        return;
    }
    /* Cut off: the client must not take it for the whole. */
    r->keep_alive = false;
    aw_http_connection_cut(r->connection);
}

int aw_http_upgrade(aw_http_request *r, int status, aw_stream **ret)
{
    if (!r || !ret || status != 101)
        return aw_raise(-EINVAL, "an upgrade is a 101, and gives a stream");
    if (r->state != AW_HTTP_WAITING)
        return aw_raise(AW_EMISUSE, "the answer has begun");
    if (!r->body.is_complete)
        return aw_raise(-EINVAL, "a request with a body cannot be upgraded");
    r->status = status;
    r->keep_alive = false;
    r->state = AW_HTTP_ANSWERED;
    r->is_upgraded = true;
    int err = put_head(r);
    if (err >= 0)
        err = aw_http_flush(r->connection);
    if (err < 0)
        return aw_http_peer_error(r, err);
    *ret = r->connection->stream;
    return 0;
}

int aw_http_leave(aw_http_request *r, aw_stream **ret)
{
    if (!r || !ret)
        return aw_raise(-EINVAL, "there is no request, or no place for the stream");
    if (!r->is_upgraded)
        return aw_raise(AW_EMISUSE, "the request was not upgraded");
    struct aw_http_connection *c = r->connection;
    AW_TRY(aw_server_leave(c->below ? c->below : c->stream));
    c->has_left = true;
    *ret = aw_stream_ref(c->stream);
    return 0;
}
