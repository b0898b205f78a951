/*
 * server_file.c - one file as an answer: conditions, ranges, and its bytes.
 *
 * What a client has is told by a tag of the file's size and time of change, to the nanosecond.
 * Small pieces go through the buffer of answers, together with the head; larger ones from the page
 * cache to the socket by sendfile, once everything before them was taken by the kernel.  Over TLS,
 * which has to see them, they are read and written.
 */
#include "http/server.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "await/file.h"
#include "await/io.h"
#include "await/scope.h"

enum {
    SMALL = 16 << 10, /* bytes that are copied */
    PIECE = 64 << 10, /* bytes that have to be taken within .send_timeout */
    TAG = 64,         /* bytes that hold a tag */
};

/* A file that is served. */
struct file {
    aw_http_request *r;
    int fd;
    int64_t size, changed; /* bytes; seconds since 1970 */
    char tag[TAG];
    int64_t from, n; /* the part that is sent */
};

/* ---- what it is ---- */

static int answer_status(aw_http_request *r, int status)
{
    r->fields_len = 0;
    return aw_http_respond_status(r, status);
}

static int answer_error(aw_http_request *r, int err)
{
    switch (err) {
    case -ENOENT:
    case -ENOTDIR:
    case -ELOOP:
    case -ENAMETOOLONG:
    case -ENXIO:
    case -EISDIR:
        return answer_status(r, 404);
    case -EACCES:
    case -EPERM:
        return answer_status(r, 403);
    default:
        return err;
    }
}

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/markdown; charset=utf-8"},
    {".xml", "application/xml"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".woff", "font/woff"},
    {".wasm", "application/wasm"},
    {".pdf", "application/pdf"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
    {".mp3", "audio/mpeg"},
    {".gz", "application/gzip"},
    {".zip", "application/zip"},
};

static const char *type_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (aw_same_word(dot, strlen(dot), types[i].ending))
            return types[i].type;
    return "application/octet-stream";
}

static int look_at(struct file *f)
{
    struct statx st;
    AW_TRY(aw_statx(f->fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE | STATX_MTIME, &st));
    if (S_ISDIR(st.stx_mode))
        return -EISDIR;
    if (!S_ISREG(st.stx_mode))
        return -ENOENT;
    f->size = (int64_t)st.stx_size;
    f->changed = st.stx_mtime.tv_sec;
    snprintf(f->tag, sizeof f->tag, "\"%" PRIx64 "-%" PRIx64 ".%" PRIx32 "\"",
             (uint64_t)st.stx_size, (uint64_t)st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec);
    return 0;
}

/* ---- conditions: RFC 9110, 13.2.2 ---- */

/* Is the tag in a list?  Weak ones, W/"...", only count where that is said. */
static bool has_tag(const char *list, const char *tag, bool is_weak)
{
    const char *found, *end = list + strlen(list);
    size_t n;
    if (strcmp(list, "*") == 0)
        return true;
    while (aw_next_item(&list, end, &found, &n)) {
        if (is_weak && n > 2 && memcmp(found, "W/", 2) == 0) {
            found += 2;
            n -= 2;
        }
        if (strlen(tag) == n && memcmp(found, tag, n) == 0)
            return true;
    }
    return false;
}

/* The status that the conditions come to; 0: they hold. */
static int check_conditions(const struct file *f)
{
    const aw_http_request *r = f->r;
    const char *match = aw_http_request_field(r, "If-Match");
    const char *unmodified = aw_http_request_field(r, "If-Unmodified-Since");
    const char *none_match = aw_http_request_field(r, "If-None-Match");
    const char *modified = aw_http_request_field(r, "If-Modified-Since");
    int64_t date = -1;
    if (match ? !has_tag(match, f->tag, false)
              : unmodified && (date = aw_date_of_http(unmodified)) >= 0 && f->changed > date)
        return 412;
    if (none_match)
        return has_tag(none_match, f->tag, true) ? 304 : 0;
    date = aw_date_of_http(modified);
    return date >= 0 && f->changed <= date ? 304 : 0;
}

/* A number at *at, which moves behind it: -1 when there is none.  One that is too large is beyond
 * the end of every file, and so is what it becomes. */
static int64_t number_at(const char **at)
{
    int64_t n = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9'; p++)
        n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (*p - '0');
    if (p == *at)
        return -1;
    *at = p;
    return n;
}

/* From `first` to `last`, both told: the part that is there; 416: there is none. */
static int set_part(struct file *f, int64_t first, int64_t last)
{
    if (first >= f->size || last < first)
        return 416;
    f->from = first;
    f->n = (last < f->size ? last + 1 : f->size) - first;
    return 206;
}

/* "bytes=1-2", "bytes=1-", "bytes=-2": 206 with the part set; 416; 200 for what is none. */
static int parse_range(struct file *f, const char *text)
{
    if (strlen(text) < 6 || !aw_same_word(text, 6, "bytes="))
        return 200;
    const char *at = text + 6;
    int64_t first = number_at(&at);
    if (*at++ != '-')
        return 200;
    int64_t last = number_at(&at);
    if (*at || (first < 0 && last < 0) || (first >= 0 && last >= 0 && last < first))
        return 200;
    if (first < 0) /* so many at the end */
        return set_part(f, last < f->size ? f->size - last : 0, last ? f->size - 1 : -1);
    return set_part(f, first, last < 0 ? f->size - 1 : last);
}

static int check_range(struct file *f)
{
    const char *range = aw_http_request_field(f->r, "Range");
    const char *only_if = aw_http_request_field(f->r, "If-Range");
    f->n = f->size;
    if (!range || strcmp(aw_http_request_method(f->r), "GET") != 0)
        return 200;
    if (only_if && only_if[0] == '"' ? strcmp(only_if, f->tag) != 0
                                     : only_if && aw_date_of_http(only_if) != f->changed)
        return 200;
    return parse_range(f, range);
}

/* ---- the bytes ---- */

static int cut_short(void)
{
    return aw_raise(-EIO, "a file became shorter while it was sent");
}

static int send_copied(struct file *f, int64_t most)
{
    char *buf = aw_http_request_alloc(f->r, (size_t)most);
    if (!buf)
        return aw_raise(-ENOMEM, "no memory for a part of a file");
    while (f->n > 0) {
        ssize_t n = aw_pread(f->fd, buf, (size_t)(f->n < most ? f->n : most), f->from);
        if (n <= 0)
            return n < 0 ? (int)n : cut_short();
        AW_TRY(aw_http_respond_write(f->r, buf, (size_t)n));
        f->from += n;
        f->n -= n;
    }
    return 0;
}

static ssize_t send_piece(const struct file *f, int out, double deadline)
{
    aw_timeout tm = AW_TIMEOUT_INIT;
    AW_TRY(aw_timeout_enter_at(&tm, deadline));
    ssize_t n = aw_sendfile(out, f->fd, f->from, (size_t)f->n);
    int err = aw_timeout_exit(&tm, n < 0 ? (int)n : 0);
    return err < 0 && n <= 0 ? err : n;
}

/* Everything before has to be with the kernel. */
static int send_before(aw_http_request *r)
{
    aw_stream *s = r->connection->stream;
    AW_TRY(aw_http_respond_flush(r));
    AW_TRY(aw_stream_set_write_limits(s, 0, 0));
    int err = aw_http_drain(r->connection);
    aw_ignore(aw_stream_set_write_limits(s, PIECE, PIECE / 4));
    return err < 0 ? aw_http_peer_error(r, err) : 0;
}

static int send_by_kernel(struct file *f, int out)
{
    aw_http_request *r = f->r;
    double limit = r->connection->server->opts.send_timeout;
    AW_TRY(send_before(r));
    while (f->n > 0) {
        double deadline = aw_time() + limit;
        for (int64_t sent = 0; sent < PIECE && f->n > 0;) {
            ssize_t n = send_piece(f, out, deadline);
            if (n < 0)
                return aw_http_peer_error(r, (int)n);
            if (n == 0)
                return cut_short();
            f->from += n;
            f->n -= n;
            sent += n;
            r->sent += (uint64_t)n;
        }
    }
    return 0;
}

static int send_body(struct file *f)
{
    const struct aw_http_connection *c = f->r->connection;
    int out = c->is_tls ? -1 : aw_stream_fd(c->stream);
    if (f->n <= SMALL || out < 0)
        return send_copied(f, f->n < SMALL ? f->n : PIECE);
    return send_by_kernel(f, out);
}

/* ---- the answer ---- */

static int add_fields(const struct file *f, const char *control)
{
    char date[AW_DATE_HTTP];
    aw_date_http(date, f->changed);
    AW_TRY(aw_http_respond_field(f->r, "ETag", f->tag));
    AW_TRY(aw_http_respond_field(f->r, "Last-Modified", date));
    AW_TRY(aw_http_respond_field(f->r, "Accept-Ranges", "bytes"));
    return control ? aw_http_respond_field(f->r, "Cache-Control", control) : 0;
}

static int add_range(const struct file *f, int status)
{
    char text[96];
    if (status == 206)
        snprintf(text, sizeof text, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, f->from,
                 f->from + f->n - 1, f->size);
    else
        snprintf(text, sizeof text, "bytes */%" PRId64, f->size);
    return aw_http_respond_field(f->r, "Content-Range", text);
}

static int answer(struct file *f, const char *type, const char *control)
{
    int status = check_conditions(f);
    if (status == 412)
        return answer_status(f->r, 412);
    AW_TRY(add_fields(f, control));
    if (status == 304)
        return aw_http_respond(f->r, 304, NULL, NULL, 0);
    status = check_range(f);
    if (status != 200)
        AW_TRY(add_range(f, status));
    if (status == 416)
        return aw_http_respond_status(f->r, 416);
    AW_TRY(aw_http_respond_begin(f->r, status, type, f->n));
    if (!f->r->is_head)
        AW_TRY(send_body(f));
    return aw_http_respond_end(f->r);
}

int aw_http_file_answer(const aw_http_file_opts *o, int fd)
{
    struct file f = {.r = o->request, .fd = fd};
    int err = look_at(&f);
    if (err < 0)
        return err;
    return answer(&f, o->type ? o->type : type_of(o->path), o->control);
}

int aw_http_file_refuse(aw_http_request *r, int err)
{
    return r->state == AW_HTTP_WAITING ? answer_error(r, err) : err;
}

bool aw_http_file_refuse_method(aw_http_request *r, int *ret)
{
    const char *method = aw_http_request_method(r);
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return false;
    *ret = aw_http_respond_field(r, "Allow", "GET, HEAD");
    if (*ret >= 0)
        *ret = aw_http_respond_status(r, 405);
    return true;
}

int aw_http_respond_file_(const aw_http_file_opts *opts)
{
    int err;
    if (!opts->request || !opts->path)
        return aw_raise(-EINVAL, "the request or the path is NULL");
    if (aw_http_respond_has_begun(opts->request))
        return aw_raise(AW_EMISUSE, "the answer has begun");
    if (aw_http_file_refuse_method(opts->request, &err))
        return err;
    int fd = aw_openat(opts->dir, opts->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    err = fd < 0 ? fd : aw_http_file_answer(opts, fd);
    if (fd >= 0)
        aw_ignore(aw_close(fd));
    return err < 0 ? aw_http_file_refuse(opts->request, err) : err;
}
