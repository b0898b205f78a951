/*
 * client_event.c - what happens to a request while its task sleeps: in callbacks of libcurl's and
 * of the loop's clocks.
 *
 * Clocks are the loop's, so they count virtual time too.  The one that watches for movement is set
 * once and looks again when it is due: nothing is done for a piece that comes in time.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "http/client.h"
#include "text/words.h"

/* ---- bytes ---- */

/* Room for n bytes more, and a zero byte; -ENOMEM. */
static int reserve(struct aw_http_bytes *b, size_t n)
{
    if (b->room - b->len > n)
        return 0;
    size_t kept = b->len - b->at, room = kept + n + 1;
    if (room < 2 * kept)
        room = 2 * kept;
    if (room < 512)
        room = 512;
    char *data = b->at >= kept && b->room >= room ? b->data : aw_mem_alloc(room);
    if (!data)
        return -ENOMEM;
    if (kept > 0)
        memcpy(data, b->data + b->at, kept);
    if (data != b->data) {
        aw_mem_free(b->data);
        b->room = room;
    }
    b->data = data;
    b->at = 0;
    b->len = kept;
    return 0;
}

static int append(struct aw_http_bytes *b, const char *data, size_t n)
{
    AW_TRY(reserve(b, n));
    memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
    return 0;
}

/* ---- failing ---- */

static void note_failure(aw_http_response *r, int err, const char *words)
{
    if (r->error)
        return;
    r->error = err;
    r->words = words && *words ? aw_copy(words) : NULL;
}

void aw_http_fail(aw_http_response *r, int err, const char *words)
{
    note_failure(r, err, words);
    aw_transfer_abort(&r->transfer, err);
    r->over = true;
    (void)aw_event_set(&r->news);
}

int aw_http_raise_failure(const aw_http_response *r)
{
    char text[600];
    if (r->error == -ECANCELED)
        return r->error;
    char *url = aw_url_text(NULL, r->url, NULL, true, true);
    snprintf(text, sizeof text, "%s %.300s: %s", r->method, url ? url : "(a URL)",
             r->words ? r->words : aw_strerror(r->error));
    aw_mem_free(url);
    return aw_raise(r->error, text);
}

/* What has failed inside a callback, from where the transfer must not be ended. */
static int failed(aw_http_response *r, int err, const char *words)
{
    note_failure(r, err, words);
    return err;
}

/* ---- clocks ---- */

static void stop(aw_handle **timer)
{
    aw_handle_cancel(*timer);
    aw_handle_unref(*timer);
    *timer = NULL;
}

void aw_http_stop_clocks(aw_http_response *r)
{
    stop(&r->whole_timer);
    stop(&r->connect_timer);
    stop(&r->read_timer);
}

static int out_of_time(void *arg)
{
    aw_http_response *r = arg;
    const char *where = r->phase == AW_HTTP_RECEIVING ? "the whole time is over, in the body"
                        : r->phase == AW_HTTP_SENDING ? "the whole time is over, without an answer"
                                                      : "the whole time is over, not connected";
    aw_http_fail(r, -ETIMEDOUT, where);
    return 0;
}

static int out_of_patience(void *arg)
{
    aw_http_fail(arg, -ETIMEDOUT, "the time to connect is over");
    return 0;
}

static int look_for_movement(void *arg);

static int watch_movement(aw_http_response *r)
{
    stop(&r->read_timer);
    return isinf(r->read_limit) ? 0
                                : aw_call_at(r->moved + r->read_limit, look_for_movement, r,
                                             .handle = &r->read_timer);
}

void aw_http_moved(aw_http_response *r)
{
    r->moved = isinf(r->read_limit) ? 0 : aw_time();
}

static int look_for_movement(void *arg)
{
    aw_http_response *r = arg;
    if (r->paused || r->up.starving) /* it is us who do not move */
        aw_http_moved(r);
    int err = 0;
    if (aw_time() >= r->moved + r->read_limit)
        aw_http_fail(r, -ETIMEDOUT, "nothing has come in the time to read");
    else
        err = watch_movement(r);
    if (err < 0)
        aw_http_fail(r, err, NULL);
    return 0;
}

int aw_http_start_clock(aw_http_response *r, double timeout)
{
    r->began = aw_time();
    if (isinf(timeout) && timeout > 0)
        return 0;
    return aw_call_at(r->began + timeout, out_of_time, r, .handle = &r->whole_timer);
}

/* ---- connecting ---- */

static aw_http_response *of(struct aw_transfer *t)
{
    return aw_container_of(t, aw_http_response, transfer);
}

static int connecting(struct aw_transfer *t)
{
    aw_http_response *r = of(t);
    if (r->phase != AW_HTTP_WAITING || r->connect_timer || isinf(r->connect_limit))
        return 0;
    int err = aw_call_later(r->connect_limit, out_of_patience, r, .handle = &r->connect_timer);
    return err < 0 ? failed(r, err, NULL) : 0;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* What is not public: this network, private, shared, loopback, link-local, of protocols and
 * examples, of benchmarks, multicast and reserved. */
static bool is_public_v4(const unsigned a[4])
{
    static const struct {
        uint32_t first;
        int bits;
    } others[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
        {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
    };
    uint32_t address = a[0] << 24 | a[1] << 16 | a[2] << 8 | a[3];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if ((address ^ others[i].first) >> (32 - others[i].bits) == 0)
            return false;
    return true;
}

/* Of IPv6 what is handed out to the public, 2000::/3, less what carries other addresses inside. */
static bool is_public(const char *ip)
{
    unsigned a[4];
    if (sscanf(ip, "%3u.%3u.%3u.%3u", &a[0], &a[1], &a[2], &a[3]) == 4)
        return is_public_v4(a);
    return (ip[0] == '2' || ip[0] == '3') && strcspn(ip, ":") == 4 && !starts(ip, "2002:") &&
           !starts(ip, "2001:0:") && !starts(ip, "2001::") && !starts(ip, "2001:db8:");
}

/* Asked before a socket is connected, so that nobody learns which ports of this network are open;
 * and again before a request is sent, as the connection may be one that was there. */
static int check_address(struct aw_transfer *t, const char *ip)
{
    aw_http_response *r = of(t);
    char text[128];
    if (!r->session->o.public_only || is_public(ip))
        return 0;
    snprintf(text, sizeof text, "%.60s is not a public address", *ip ? ip : "a local socket");
    return failed(r, -EACCES, text);
}

static int connected(struct aw_transfer *t, const char *ip)
{
    aw_http_response *r = of(t);
    stop(&r->connect_timer);
    r->phase = AW_HTTP_SENDING;
    aw_http_moved(r);
    AW_TRY(check_address(t, ip));
    int err = watch_movement(r);
    return err < 0 ? failed(r, err, NULL) : 0;
}

/* ---- the head ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 404 Not Found", "HTTP/2 404": where the words begin; 0 if it is neither. */
static size_t parse_status(const char *line, size_t n, int *ret_version, int *ret_status)
{
    size_t at = 5; /* behind "HTTP/" */
    if (n < 11 || !is_digit(line[at]))
        return 0;
    *ret_version = (line[at++] - '0') * 10;
    if (line[at] == '.' && is_digit(line[at + 1])) {
        *ret_version += line[at + 1] - '0';
        at += 2;
    }
    if (n < at + 4 || line[at] != ' ' || !is_digit(line[at + 1]) || !is_digit(line[at + 2]) ||
        !is_digit(line[at + 3]))
        return 0;
    *ret_status = (line[at + 1] - '0') * 100 + (line[at + 2] - '0') * 10 + line[at + 3] - '0';
    return at + 4;
}

static int take_status(aw_http_response *r, const char *line, size_t n)
{
    int version = 0, status = 0;
    size_t head_bytes = r->head_bytes, words = parse_status(line, n, &version, &status);
    if (words == 0)
        return failed(r, -EPROTO, "no HTTP status");
    aw_http_forget_answer(r);
    r->head_bytes = head_bytes;
    r->status = status;
    r->version = version;
    while (words < n && line[words] == ' ')
        words++;
    while (n > words && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        n--;
    r->reason = r->head.len;
    AW_TRY(append(&r->head, line + words, n - words));
    r->head.len++; /* the zero byte */
    return 0;
}

static int more_lines(aw_http_response *r)
{
    size_t room = r->room_lines ? 2 * r->room_lines : 16;
    struct aw_http_line *lines = aw_mem_alloc(room * sizeof *lines);
    if (!lines)
        return -ENOMEM;
    if (r->n_lines > 0)
        memcpy(lines, r->lines, r->n_lines * sizeof *lines);
    aw_mem_free(r->lines);
    r->lines = lines;
    r->room_lines = room;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* libcurl takes the last of several lengths; whoever stands between may have taken another. */
static int check_length(aw_http_response *r, const struct aw_http_line *new_one)
{
    const char *text = r->head.data;
    for (size_t i = 0; i < r->n_lines; i++)
        if (aw_same_word(text + r->lines[i].name, strlen(text + r->lines[i].name),
                         "Content-Length") &&
            strcmp(text + r->lines[i].value, text + new_one->value) != 0)
            return failed(r, -EPROTO, "two lengths that differ");
    return 0;
}

/* A header, or the second line of one, which is joined to the first. */
static int take_line(aw_http_response *r, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    bool folded = (line[0] == ' ' || line[0] == '\t') && r->n_lines > 0;
    if (memchr(line, '\0', n))
        return failed(r, -EPROTO, "a zero byte in the head");
    if (!folded && !colon)
        return 0; /* as browsers do */
    const char *value = folded ? line : colon + 1;
    while (value < line + n && is_blank(*value))
        value++;
    while (line + n > value && is_blank(line[n - 1]))
        n--;
    size_t size = n - (size_t)(value - line);
    if (folded) {
        r->head.data[r->head.len - 1] = ' ';
        AW_TRY(append(&r->head, value, size));
        r->head.len++;
        return 0;
    }
    if (r->n_lines == r->room_lines)
        AW_TRY(more_lines(r));
    struct aw_http_line at = {.name = r->head.len};
    AW_TRY(append(&r->head, line, (size_t)(colon - line)));
    at.value = ++r->head.len;
    AW_TRY(append(&r->head, value, size));
    r->head.len++;
    if (aw_same_word(r->head.data + at.name, strlen(r->head.data + at.name), "Content-Length"))
        AW_TRY(check_length(r, &at));
    r->lines[r->n_lines++] = at;
    r->has_location |= aw_same_word(line, (size_t)(colon - line), "Location");
    return 0;
}

static bool keeps_method(int status, const char *method)
{
    return status == 307 || status == 308 || (status != 303 && strcmp(method, "POST") != 0);
}

static bool is_redirect(const aw_http_response *r)
{
    int s = r->status;
    bool is = r->has_location && (s == 301 || s == 302 || s == 303 || s == 307 || s == 308);
    return is && r->redirects_left >= 0 && (r->can_repeat || !keeps_method(s, r->method));
}

static void head_is_complete(aw_http_response *r)
{
    r->head_done = true;
    r->phase = AW_HTTP_RECEIVING;
    r->follow = is_redirect(r);
    if (r->stream && !r->follow)
        (void)aw_event_set(&r->news);
}

static int take_head(struct aw_transfer *t, const char *line, size_t n)
{
    aw_http_response *r = of(t);
    aw_http_moved(r);
    r->head_bytes += n;
    if (r->head_bytes > r->max_head)
        return failed(r, AW_ELIMIT, "the head is too large");
    int err = 0;
    if (n >= 5 && !memcmp(line, "HTTP/", 5) && (!r->head_done || r->status < 200))
        err = take_status(r, line, n);
    else if (n > 2 || (n > 0 && !is_blank(line[0])))
        err = take_line(r, line, n);
    else if (r->status >= 200 && !r->head_done)
        head_is_complete(r);
    return err < 0 ? failed(r, err, NULL) : 0;
}

/* ---- bodies ---- */

static int take_body(struct aw_transfer *t, const char *data, size_t n)
{
    aw_http_response *r = of(t);
    aw_http_moved(r);
    if (r->stream && !r->follow && r->body.len - r->body.at >= AW_HTTP_READ_AHEAD) {
        r->paused = true;
        return 1;
    }
    r->received += n;
    if (r->received > r->max_body)
        return failed(r, AW_ELIMIT, "the body is larger than .max_body");
    if (r->follow)
        return 0;
    int err = append(&r->body, data, n);
    if (err < 0)
        return failed(r, err, NULL);
    if (r->stream)
        (void)aw_event_set(&r->news);
    return 0;
}

static ssize_t give_body(struct aw_transfer *t, char *buf, size_t n)
{
    aw_http_response *r = of(t);
    aw_http_moved(r);
    return aw_http_upload_take(r, buf, n);
}

static void ended(struct aw_transfer *t, int err)
{
    aw_http_response *r = of(t);
    stop(&r->connect_timer);
    stop(&r->read_timer);
    r->phase = AW_HTTP_IDLE;
    r->paused = r->up.starving = false;
    /* libcurl takes a connection that ends behind the status for an answer. */
    if (err >= 0 && !r->head_done)
        note_failure(r, err = AW_EOF, "the connection ended in the head");
    if (err < 0)
        note_failure(r, err, t->words);
    if (err < 0 || !r->follow) {
        r->over = true;
        r->ended = aw_time();
        stop(&r->whole_timer);
    }
    (void)aw_event_set(&r->news);
}

const struct aw_transfer_calls aw_http_calls = {
    .connecting = connecting,
    .address = check_address,
    .connected = connected,
    .head = take_head,
    .body = take_body,
    .upload = give_body,
    .ended = ended,
};
