/*
 * client_body.c - bodies that are sent piece by piece: a source in a task of its own, and multipart
 * forms, which are a source of ours.
 *
 * Between source and libcurl lies one buffer.  The task fills it when it is empty and waits until
 * libcurl has taken everything; libcurl, when it finds nothing, pauses, and the task makes it go
 * on.  So the source is asked no faster than the network sends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "await/file.h"
#include "await/io.h"
#include "http/client.h"

/* ---- the task ---- */

static void feed_resume(aw_http_response *r)
{
    if (!r->up.starving)
        return;
    r->up.starving = false;
    aw_http_moved(r);
    aw_transfer_resume(&r->transfer);
}

static int give_piece(aw_http_response *r, ssize_t n)
{
    struct aw_http_upload *up = &r->up;
    up->at = 0;
    up->len = (size_t)n;
    (void)aw_event_clear(&up->room);
    feed_resume(r);
    while (up->at < up->len)
        AW_TRY(aw_event_wait(&up->room));
    return 0;
}

static int run_source(void *arg)
{
    aw_http_response *r = arg;
    struct aw_http_upload *up = &r->up;
    ssize_t n;
    int err = 0;
    while (err >= 0 && (n = up->source(up->arg, up->buf, AW_HTTP_PIECE)) != 0)
        err = n < 0 ? (int)n : n > AW_HTTP_PIECE ? -EINVAL : give_piece(r, n);
    up->over = true;
    if (err < 0 && err != -ECANCELED)
        aw_http_fail(r, err, aw_errmsg());
    feed_resume(r);
    (void)aw_event_set(&r->news);
    return 0;
}

static void task_has_ended(void *arg)
{
    aw_http_response_unref(arg);
}

int aw_http_upload_start(aw_http_response *r)
{
    r->up.buf = aw_mem_alloc(AW_HTTP_PIECE);
    if (!r->up.buf)
        return -ENOMEM;
    aw_http_response_ref(r);
    r->up.task = aw_create_task(run_source, r, .name = "HTTP upload", .release = task_has_ended);
    if (r->up.task)
        return 0;
    aw_http_response_unref(r);
    return aw_errno();
}

void aw_http_upload_stop(aw_http_response *r)
{
    aw_task *t = r->up.task;
    if (!t)
        return;
    r->up.task = NULL;
    if (!aw_done(t))
        (void)aw_cancel(t, .msg = "the request has ended");
    aw_ignore(aw_join(t));
}

ssize_t aw_http_upload_take(aw_http_response *r, char *buf, size_t n)
{
    struct aw_http_upload *up = &r->up;
    size_t some = up->len - up->at < n ? up->len - up->at : n;
    if (some == 0) {
        up->starving = !up->over;
        return up->over ? 0 : -EAGAIN;
    }
    memcpy(buf, up->buf + up->at, some);
    up->at += some;
    if (up->at == up->len)
        (void)aw_event_set(&up->room);
    return (ssize_t)some;
}

/* ---- multipart forms ---- */

enum { BOUNDARY = 32, HEAD_MAX = 1024 };
enum stage { HEAD, CONTENT, LINE_BREAK };

struct aw_http_multipart {
    const aw_http_part *parts; /* the caller's, who waits */
    int64_t *sizes;            /* of their contents */
    size_t n, i;
    enum stage stage;
    int64_t done; /* bytes of this stage that were given */
    int fd;       /* of the file that is being sent; or -1 */
    char boundary[BOUNDARY + 1];
    char head[HEAD_MAX]; /* of part i; behind the last one, the end */
};

/* A name between quotes, with what would end it as %XX. */
static int put_quoted(char *buf, size_t size, const char *label, const char *text)
{
    size_t n = (size_t)snprintf(buf, size, "; %s=\"", label);
    for (; *text && n + 4 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\r' || c == '\n')
            n += (size_t)snprintf(buf + n, size - n, "%%%02X", c);
        else
            buf[n++] = *text;
    }
    if (*text || n + 2 > size)
        return -ENAMETOOLONG;
    buf[n++] = '"';
    buf[n] = '\0';
    return (int)n;
}

static const char *file_name_of(const aw_http_part *p)
{
    const char *slash = p->path ? strrchr(p->path, '/') : NULL;
    return p->file_name ? p->file_name : slash ? slash + 1 : p->path;
}

/* What precedes the content of part i, or ends the form: how long that is. */
static int make_head(struct aw_http_multipart *m, size_t i, char head[HEAD_MAX])
{
    if (i == m->n)
        return snprintf(head, HEAD_MAX, "--%s--\r\n", m->boundary);
    const aw_http_part *p = &m->parts[i];
    const char *file = file_name_of(p);
    int n = snprintf(head, HEAD_MAX, "--%s\r\nContent-Disposition: form-data", m->boundary), more;
    AW_TRY(more = put_quoted(head + n, HEAD_MAX - (size_t)n, "name", p->name));
    n += more;
    if (file) {
        AW_TRY(more = put_quoted(head + n, HEAD_MAX - (size_t)n, "filename", file));
        n += more;
    }
    const char *type = p->type ? p->type : file ? "application/octet-stream" : NULL;
    size_t room = HEAD_MAX - (size_t)n;
    more = type ? snprintf(head + n, room, "\r\nContent-Type: %s\r\n\r\n", type)
                : snprintf(head + n, room, "\r\n\r\n");
    return (size_t)more < room ? n + more : -ENAMETOOLONG;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Up to n bytes of a file, which must be as long as it was. */
static ssize_t read_file(struct aw_http_multipart *m, char *buf, int64_t n)
{
    const aw_http_part *p = &m->parts[m->i];
    if (m->fd < 0)
        m->fd = aw_openat(AT_FDCWD, p->path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t got = m->fd < 0 ? m->fd : aw_pread(m->fd, buf, (size_t)n, m->done);
    if (got > 0 || got == -ECANCELED)
        return got;
    char text[300];
    snprintf(text, sizeof text, "%.200s: %s", p->path,
             got < 0 ? aw_strerror((int)got) : "the file has become shorter");
    return aw_raise(got < 0 ? (int)got : -EIO, text);
}

static int64_t stage_size(const struct aw_http_multipart *m)
{
    return m->stage == HEAD ? (int64_t)strlen(m->head) : m->stage == CONTENT ? m->sizes[m->i] : 2;
}

static ssize_t copy_stage(struct aw_http_multipart *m, char *buf, int64_t n)
{
    const char *from = m->stage == HEAD      ? m->head
                       : m->stage == CONTENT ? m->parts[m->i].data
                                             : "\r\n";
    n = min_of(n, stage_size(m) - m->done);
    if (m->stage == CONTENT && m->parts[m->i].path)
        return n > 0 ? read_file(m, buf, n) : 0;
    if (n > 0)
        memcpy(buf, from + m->done, (size_t)n);
    return (ssize_t)n;
}

static int next_stage(struct aw_http_multipart *m)
{
    m->done = 0;
    if (m->stage == CONTENT && m->fd >= 0) {
        aw_ignore(aw_close(m->fd));
        m->fd = -1;
    }
    m->stage = m->stage == LINE_BREAK ? HEAD : m->stage + 1;
    if (m->stage != HEAD)
        return 0;
    m->i++;
    return make_head(m, m->i, m->head);
}

/* The source: as much as there is room for. */
static ssize_t give_form(void *arg, void *buf, size_t n)
{
    struct aw_http_multipart *m = arg;
    size_t given = 0;
    while (given < n && m->i <= m->n) {
        ssize_t some = copy_stage(m, (char *)buf + given, (int64_t)(n - given));
        if (some < 0) /* the file is closed here, where that may suspend */
            return aw_close(m->fd), m->fd = -1, some;
        given += (size_t)some;
        m->done += some;
        if (m->done < stage_size(m))
            continue;
        if (m->i == m->n) {
            m->i++;
            break;
        }
        AW_TRY(next_stage(m));
    }
    return (ssize_t)given;
}

static int measure_part(struct aw_http_multipart *m, size_t i)
{
    const aw_http_part *p = &m->parts[i];
    struct statx st;
    if (!p->name || (!p->path && !p->data && p->size))
        return aw_raise(-EINVAL, "a part without a name, or without content");
    AW_TRY(aw_http_check_text(p->type, ".type of a part"));
    if (!p->path) {
        m->sizes[i] = (int64_t)(p->size ? p->size : p->data ? strlen(p->data) : 0);
        return 0;
    }
    int err = aw_statx(AT_FDCWD, p->path, 0, STATX_SIZE, &st);
    if (err < 0)
        return err == -ECANCELED ? err : aw_raise(err, p->path);
    m->sizes[i] = (int64_t)st.stx_size;
    return 0;
}

/* The length of everything, or an error. */
static int64_t measure(struct aw_http_multipart *m)
{
    int64_t size = 0;
    for (size_t i = 0; i <= m->n; i++) {
        if (i < m->n)
            AW_TRY(measure_part(m, i));
        int head = make_head(m, i, m->head);
        if (head < 0)
            return aw_raise(head, "the name of a part is too long");
        size += head + (i < m->n ? m->sizes[i] + 2 : 0);
    }
    AW_TRY(make_head(m, 0, m->head));
    return size;
}

static int make_boundary(char boundary[BOUNDARY + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[BOUNDARY / 2];
    AW_TRY(aw_random_bytes(random, sizeof random));
    for (size_t i = 0; i < sizeof random; i++) {
        boundary[2 * i] = digits[random[i] >> 4];
        boundary[2 * i + 1] = digits[random[i] & 15];
    }
    boundary[BOUNDARY] = '\0';
    return 0;
}

int aw_http_multipart_new(aw_http_response *r, const aw_http_part *parts, size_t n,
                          char content_type[128])
{
    struct aw_http_multipart *m = aw_mem_zalloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    r->up.multipart = m;
    m->fd = -1;
    m->parts = parts;
    m->n = n;
    m->sizes = aw_mem_zalloc((n + 1) * sizeof *m->sizes);
    if (!m->sizes)
        return -ENOMEM;
    AW_TRY(make_boundary(m->boundary));
    int64_t size = measure(m);
    if (size < 0)
        return (int)size;
    snprintf(content_type, 128, "multipart/form-data; boundary=%s", m->boundary);
    r->up.source = give_form;
    r->up.arg = m;
    r->up.size = size;
    return 0;
}

void aw_http_multipart_free(struct aw_http_multipart *m)
{
    if (!m)
        return;
    aw_mem_free(m->sizes);
    aw_mem_free(m);
}
