/*
 * object.c - aw_file: a file with a buffer, a position and a name for its errors.
 *
 * One buffer serves reading and writing in turn, and the file's position is the object's own:
 *
 *     reading    buf[start..end) was read ahead, and the file behind it goes on at `at`
 *     writing    buf[0..end) is still to be written, and belongs at `at`; start is 0
 *
 * What was written leaves the buffer only as far as it has reached the file: a call that fails, or
 * is cancelled, loses nothing and can be repeated.  What has no positions (pipes, terminals) is
 * read and written where it is, and `at` only counts.
 *
 * One task at a time: a call that may suspend marks the file as busy, and another one is refused.
 */
#include "fs/object.h"

#include <stdio.h>
#include <string.h>

#include "await/error.h"
#include "await/io.h"
#include "await/loop.h"

enum { BUFFER = 65536, LINE_LIMIT = 65536 };

/* ---- opening ---- */

static int flags_of(const char *mode)
{
    static const struct {
        const char *mode;
        int flags;
    } modes[] = {
        {"r", O_RDONLY},
        {"r+", O_RDWR},
        {"w", O_WRONLY | O_CREAT | O_TRUNC},
        {"w+", O_RDWR | O_CREAT | O_TRUNC},
        {"a", O_WRONLY | O_CREAT | O_APPEND},
        {"a+", O_RDWR | O_CREAT | O_APPEND},
        {"x", O_WRONLY | O_CREAT | O_EXCL},
        {"x+", O_RDWR | O_CREAT | O_EXCL},
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].mode, mode) == 0)
            return modes[i].flags;
    return -EINVAL;
}

aw_file *aw_file_new(const char *folder, const char *name, int flags, size_t limit)
{
    size_t n = strlen(folder), room = n + strlen(name) + 2;
    aw_file *f = aw_mem_zalloc(sizeof *f + room);
    if (!f)
        return NULL;
    const char *between = n && folder[n - 1] != '/' ? "/" : "";
    snprintf(f->path, room, "%s%s%s", folder, between, name);
    f->fd = f->dir = -1;
    f->reads = (flags & O_ACCMODE) != O_WRONLY;
    f->writes = (flags & O_ACCMODE) != O_RDONLY;
    f->limit = limit ? limit : LINE_LIMIT;
    if (f->limit > SIZE_MAX / 4)
        f->limit = SIZE_MAX / 4;
    return f;
}

/* An open file is in memory: asking about it waits for nothing. */
static int take_descriptor(aw_file *f, int fd)
{
    struct statx st;
    f->fd = fd;
    AW_TRY(aw_sys.statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &st));
    if (S_ISDIR(st.stx_mode))
        return -EISDIR;
    f->positional = S_ISREG(st.stx_mode) || S_ISBLK(st.stx_mode);
    int flags = f->positional ? aw_sys.get_flags(fd) : 0;
    if (flags > 0 && flags & O_APPEND)
        f->at = (int64_t)st.stx_size;
    return flags < 0 ? flags : 0;
}

static void free_file(aw_file *f)
{
    if (f->fd >= 0)
        (void)aw_sys.close(f->fd);
    if (f->dir >= 0)
        (void)aw_sys.close(f->dir);
    aw_mem_free(f->buf);
    aw_mem_free(f);
}

aw_file *aw_file_open_(const aw_file_open_opts *opts)
{
    const char *mode = opts->mode ? opts->mode : "r";
    if (!opts->path)
        return aw_refuse(-EINVAL, "the path is NULL");
    int flags = flags_of(mode);
    if (flags < 0)
        return aw_refuse(-EINVAL, "the mode is none of r, r+, w, w+, a, a+, x, x+");
    aw_file *f = aw_file_new("", opts->path, flags, opts->limit);
    if (!f)
        return aw_refuse(-ENOMEM, "no memory for a file");
    int fd = aw_openat(opts->dir ? opts->dir : AT_FDCWD, opts->path,
                       flags | opts->flags | O_CLOEXEC, opts->perm ? opts->perm : 0666);
    int err = fd < 0 ? fd : take_descriptor(f, fd);
    if (err >= 0)
        return f;
    aw_fs_fail(err, opts->path, NULL);
    free_file(f);
    return aw_refuse(err, aw_errmsg());
}

/* ---- one task at a time ---- */

static int begin(aw_file *f, bool may)
{
    if (!f)
        return aw_raise(-EINVAL, "the file is NULL");
    if (f->busy)
        return aw_raise(AW_EMISUSE, "another task is using the file");
    if (!may)
        return aw_fs_fail(-EBADF, f->path, "not opened for this");
    f->busy = true;
    return 0;
}

static ssize_t end(aw_file *f, ssize_t result)
{
    f->busy = false;
    return result;
}

static int make_buffer(aw_file *f, size_t size)
{
    if (size <= f->size)
        return 0;
    char *buf = aw_mem_alloc(size);
    if (!buf)
        return aw_fs_fail(-ENOMEM, f->path, "a buffer");
    if (f->end > f->start)
        memcpy(buf, f->buf + f->start, f->end - f->start);
    f->end -= f->start;
    f->start = 0;
    aw_mem_free(f->buf);
    f->buf = buf;
    f->size = size;
    return 0;
}

/* ---- writing ---- */

/* As much as the file takes; `at` moves with it. */
static ssize_t write_some(aw_file *f, const char *data, size_t n)
{
    ssize_t written = f->positional ? aw_pwrite(f->fd, data, n, f->at) : aw_write(f->fd, data, n);
    if (written == 0)
        written = -EIO;
    if (written < 0)
        return aw_fs_fail_at((int)written, f->path, "writing", f->at);
    f->at += written;
    return written;
}

static int flush(aw_file *f)
{
    while (f->writing && f->end > 0) {
        ssize_t n = write_some(f, f->buf, f->end);
        if (n < 0)
            return (int)n;
        f->end -= (size_t)n;
        memmove(f->buf, f->buf + n, f->end);
    }
    f->writing = false;
    return 0;
}

/* What was read ahead is forgotten, and the position is where the reader has got to. */
static void begin_writing(aw_file *f)
{
    if (f->writing)
        return;
    if (f->positional)
        f->at -= (int64_t)(f->end - f->start);
    f->start = f->end = 0;
    f->writing = true;
}

/* How much more was taken over: into the buffer if it fits, else into the file. */
static ssize_t take(aw_file *f, const char *data, size_t n)
{
    if (f->end == 0 && n >= BUFFER)
        return write_some(f, data, n);
    size_t room = f->size - f->end;
    n = n < room ? n : room;
    memcpy(f->buf + f->end, data, n);
    f->end += n;
    return (ssize_t)n;
}

static int write_all(aw_file *f, const char *data, size_t n)
{
    AW_TRY(make_buffer(f, BUFFER));
    begin_writing(f);
    while (n > 0) {
        if (f->end == f->size) {
            AW_TRY(flush(f));
            begin_writing(f);
        }
        ssize_t taken = take(f, data, n);
        if (taken < 0)
            return (int)taken;
        data += taken;
        n -= (size_t)taken;
    }
    return 0;
}

int aw_file_write(aw_file *f, const void *data, size_t n)
{
    if (!data && n)
        return aw_raise(-EINVAL, "the data are NULL");
    AW_TRY(begin(f, f && f->writes));
    return (int)end(f, n ? write_all(f, data, n) : 0);
}

int aw_file_flush(aw_file *f)
{
    AW_TRY(begin(f, true));
    return (int)end(f, flush(f));
}

static int sync_file(aw_file *f)
{
    AW_TRY(flush(f));
    return aw_fs_fail(aw_fsync(f->fd), f->path, "writing to the disk");
}

int aw_file_sync(aw_file *f)
{
    AW_TRY(begin(f, true));
    return (int)end(f, sync_file(f));
}

/* ---- reading ---- */

static ssize_t read_some(aw_file *f, void *buf, size_t n)
{
    ssize_t got = f->positional ? aw_pread(f->fd, buf, n, f->at) : aw_read(f->fd, buf, n);
    if (got < 0)
        return aw_fs_fail_at((int)got, f->path, "reading", f->at);
    f->at += got;
    return got;
}

/* Behind what is there: how many bytes, 0 at the end of the file. */
static ssize_t read_ahead(aw_file *f, size_t size)
{
    AW_TRY(make_buffer(f, size));
    if (f->start > 0) {
        memmove(f->buf, f->buf + f->start, f->end - f->start);
        f->end -= f->start;
        f->start = 0;
    }
    ssize_t n = read_some(f, f->buf + f->end, f->size - f->end);
    if (n > 0)
        f->end += (size_t)n;
    return n;
}

static ssize_t read_bytes(aw_file *f, char *buf, size_t n)
{
    AW_TRY(flush(f));
    f->in_long_line = false;
    if (f->start == f->end) {
        if (n >= BUFFER)
            return read_some(f, buf, n);
        ssize_t got = read_ahead(f, BUFFER);
        if (got <= 0)
            return got;
    }
    size_t there = f->end - f->start;
    n = n < there ? n : there;
    memcpy(buf, f->buf + f->start, n);
    f->start += n;
    return (ssize_t)n;
}

ssize_t aw_file_read(aw_file *f, void *buf, size_t n)
{
    if (!buf && n)
        return aw_raise(-EINVAL, "the buffer is NULL");
    AW_TRY(begin(f, f && f->reads));
    return end(f, n ? read_bytes(f, buf, n) : 0);
}

/* ---- lines ---- */

/* The bytes there up to and with the next newline; 0: there is none behind the first `seen`. */
static size_t line_there(const aw_file *f, size_t seen)
{
    size_t there = f->end - f->start;
    const char *from = there > seen ? f->buf + f->start + seen : NULL;
    const char *newline = from ? memchr(from, '\n', there - seen) : NULL;
    return newline ? (size_t)(newline - (f->buf + f->start)) + 1 : 0;
}

static ssize_t hand_out(aw_file *f, char **ret, size_t n)
{
    *ret = f->buf + f->start;
    f->start += n;
    return (ssize_t)n;
}

/* The rest of a line that was too long: 0 behind it or at the end of the file. */
static int skip_long_line(aw_file *f)
{
    while (f->in_long_line) {
        size_t n = line_there(f, 0);
        f->in_long_line = n == 0;
        f->start = n ? f->start + n : f->end;
        if (n)
            break;
        ssize_t got = read_ahead(f, BUFFER);
        if (got <= 0)
            return (int)got;
    }
    return 0;
}

static int too_long(aw_file *f)
{
    int64_t begun = f->at - (int64_t)(f->end - f->start);
    f->in_long_line = true;
    return aw_fs_fail_at(AW_ELIMIT, f->path, "the line", begun);
}

/* The buffer holds a line of the limit's length and its newline, or less as long as that does. */
static size_t next_size(const aw_file *f)
{
    size_t most = f->limit + 1, size = f->size < BUFFER ? BUFFER : f->size;
    if (f->end - f->start < size)
        return size;
    return size * 2 < most ? size * 2 : most;
}

static ssize_t next_line(aw_file *f, char **ret)
{
    AW_TRY(flush(f));
    AW_TRY(skip_long_line(f));
    size_t seen = 0;
    for (;;) {
        size_t n = line_there(f, seen), there = f->end - f->start;
        if (n > f->limit + 1 || (!n && there > f->limit))
            return too_long(f);
        if (n)
            return hand_out(f, ret, n);
        seen = there;
        ssize_t got = read_ahead(f, next_size(f));
        if (got < 0)
            return got;
        if (got == 0)
            return hand_out(f, ret, there);
    }
}

ssize_t aw_file_readline(aw_file *f, char **ret)
{
    if (!ret)
        return aw_raise(-EINVAL, "the room for the line is NULL");
    AW_TRY(begin(f, f && f->reads));
    return end(f, next_line(f, ret));
}

/* ---- the position ---- */

static int64_t position(const aw_file *f)
{
    return f->writing ? f->at + (int64_t)f->end : f->at - (int64_t)(f->end - f->start);
}

int64_t aw_file_tell(const aw_file *f)
{
    return f ? position(f) : aw_raise(-EINVAL, "the file is NULL");
}

static int64_t end_of(const aw_file *f)
{
    struct statx st;
    int err = aw_statx(f->fd, "", AT_EMPTY_PATH, STATX_SIZE, &st);
    return err < 0 ? aw_fs_fail(err, f->path, "its size") : (int64_t)st.stx_size;
}

static int64_t seek(aw_file *f, int64_t offset, int whence)
{
    AW_TRY(flush(f));
    int64_t from = whence == AW_SEEK_CUR ? position(f) : whence == AW_SEEK_END ? end_of(f) : 0;
    if (from < 0)
        return from;
    if (offset > INT64_MAX - from || from + offset < 0)
        return aw_fs_fail(-EINVAL, f->path, "a position before the beginning");
    f->start = f->end = 0;
    f->in_long_line = false;
    return f->at = from + offset;
}

int64_t aw_file_seek(aw_file *f, int64_t offset, int whence)
{
    AW_TRY(begin(f, true));
    int err = 0;
    if (!f->positional)
        err = aw_fs_fail(-ESPIPE, f->path, "seeking");
    else if (whence != AW_SEEK_SET && whence != AW_SEEK_CUR && whence != AW_SEEK_END)
        err = aw_raise(-EINVAL, "the position is counted from AW_SEEK_SET, _CUR or _END");
    int64_t at = err < 0 ? err : seek(f, offset, whence);
    end(f, 0);
    return at;
}

/* ---- what is below, and the end ---- */

int aw_file_fd(const aw_file *f)
{
    return f ? f->fd : aw_raise(-EINVAL, "the file is NULL");
}

const char *aw_file_path(const aw_file *f)
{
    return f ? f->path : "";
}

/* The name of a temporary file, in place: it goes also when the task can do nothing more. */
static int remove_name(aw_file *f)
{
    if (f->dir < 0)
        return 0;
    int err = aw_sys.unlinkat(f->dir, f->path + f->name_at, 0);
    return err == -ENOENT ? 0 : err;
}

/* The descriptor is given up in place too: a task that is ended meanwhile would leave it open. */
static int close_descriptor(aw_file *f)
{
    int err = aw_sys.close(f->fd);
    f->fd = -1;
    return err == -EINTR ? 0 : err;
}

int aw_file_close(aw_file *f)
{
    if (!f)
        return 0;
    AW_TRY(begin(f, true));
    bool nobody_will_read = f->dir >= 0;
    int err = nobody_will_read ? 0 : flush(f);
    int removed = aw_fs_fail(remove_name(f), f->path, "removing");
    err = err < 0 ? err : removed;
    int closed = close_descriptor(f);
    if (err >= 0)
        err = aw_fs_fail(closed, f->path, "closing");
    free_file(f);
    return err;
}

void aw_file_abort(aw_file *f)
{
    if (!f)
        return;
    (void)remove_name(f);
    free_file(f);
}
