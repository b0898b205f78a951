/*
 * journal.c - the journal's one writer: group commit, and writing the file anew.
 *
 * Lines are added to `pending`, text in memory, and counted.  The writer takes all of it at once,
 * and tells those who wait up to which line the file now has everything.  While it cannot write, a
 * full disk say, it tries again each second, and whoever would add a line is told why.
 */
#include "feed/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "feed/feed.h"

enum { SMALL = 4 * 1024 * 1024, GROWN = 4, PAUSE = 1 }; /* bytes; times; seconds */

struct lines {
    FILE *to;
    char *text;
    size_t length;
};

struct journal {
    struct journal_owner owner;
    char path[PATH_MAX], fresh_path[PATH_MAX + 8];
    int fd, lock;
    bool sync, closing;
    struct lines *pending;   /* those that the writer has not taken yet */
    uint64_t added, written; /* lines, ever */
    int64_t size, rewritten; /* of the file: now, and when it was last written anew */
    int error;               /* why it cannot be written; 0 */
    aw_event more, progress; /* something is pending; something was written, or could not be */
    aw_task *writer;
};

/* ---- writing ---- */

static int write_out(struct journal *j, int fd, const char *text, size_t n, int64_t at)
{
    while (n > 0) {
        ssize_t k = aw_pwrite(fd, text, n, at);
        if (k <= 0)
            return k < 0 ? (int)k : -ENOSPC;
        text += k, n -= (size_t)k, at += k;
    }
    return j->sync ? aw_fdatasync(fd) : 0;
}

static int append(struct journal *j, const char *text, size_t n)
{
    AW_TRY(write_out(j, j->fd, text, n, j->size)); /* a second attempt begins at the same place */
    j->size += (int64_t)n;
    return 0;
}

/* What still counts, as text. */
static int gather(const struct journal *j, char **ret, size_t *ret_length)
{
    FILE *to = open_memstream(ret, ret_length);
    if (!to)
        return -ENOMEM;
    j->owner.rewrite(j->owner.arg, to);
    return fclose(to) == 0 ? 0 : -ENOMEM;
}

/* Write the file anew beside the old one, then put it in its place: at every moment there is one
 * that is complete. */
static int rewrite(struct journal *j)
{
    char *text = NULL;
    size_t n = 0;
    int err = gather(j, &text, &n);
    int fd = err < 0 ? err
                     : aw_openat(AT_FDCWD, j->fresh_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC,
                                 0600);
    if (fd < 0) {
        free(text);
        return fd;
    }
    err = write_out(j, fd, text, n, 0);
    if (err >= 0)
        err = aw_renameat(AT_FDCWD, j->fresh_path, AT_FDCWD, j->path, 0);
    free(text);
    if (err < 0) {
        aw_ignore(aw_close(fd));
        aw_ignore(aw_unlinkat(AT_FDCWD, j->fresh_path, 0));
        return err;
    }
    if (j->fd >= 0)
        aw_ignore(aw_close(j->fd));
    j->fd = fd;
    j->size = j->rewritten = (int64_t)n;
    return 0;
}

/* ---- the writer ---- */

static struct lines *lines_new(void)
{
    struct lines *l = calloc(1, sizeof *l);
    if (l && !(l->to = open_memstream(&l->text, &l->length))) {
        free(l);
        return NULL;
    }
    return l;
}

/* Were all of them kept? */
static bool lines_end(struct lines *l)
{
    return fclose(l->to) == 0;
}

static void lines_free(struct lines *l)
{
    free(l->text);
    free(l);
}

static void tell(struct journal *j, int err)
{
    if (err < 0 && j->error == 0)
        say("error", "the journal cannot be written", "{s:s, s:s}", "file", j->path, "reason",
            aw_strerror(err));
    if (err >= 0 && j->error < 0)
        say("info", "the journal can be written again", "{s:s}", "file", j->path);
    j->error = err < 0 ? err : 0;
    aw_ignore(aw_event_set(&j->progress)); /* wakes everybody who waits, each looks for itself */
    aw_ignore(aw_event_clear(&j->progress));
}

/* Into the file; what is written anew has these lines in it. */
static int put(struct journal *j, const struct lines *l)
{
    bool grown = j->size > SMALL && j->size > GROWN * j->rewritten;
    return grown && rewrite(j) >= 0 ? 0 : append(j, l->text, l->length);
}

/* Everything that is pending now; until it succeeds.  What is added meanwhile is for the next time,
 * so `pending` is another one before anything suspends. */
static int flush(struct journal *j)
{
    struct lines *l = j->pending, *next = lines_new();
    uint64_t up_to = j->added;
    if (!next)
        return aw_sleep(PAUSE);
    j->pending = next;
    int err = lines_end(l) ? put(j, l) : -ENOMEM;
    while (err < 0 && err != -ECANCELED && !j->closing) {
        tell(j, err);
        if ((err = aw_sleep(PAUSE)) >= 0)
            err = put(j, l);
    }
    lines_free(l);
    if (err >= 0)
        j->written = up_to;
    tell(j, err);
    return err;
}

static int write_lines(void *arg)
{
    struct journal *j = arg;
    for (;;) {
        AW_TRY(aw_event_wait(&j->more));
        aw_ignore(aw_event_clear(&j->more));
        while (j->written < j->added)
            AW_TRY(flush(j));
        if (j->closing)
            return 0;
    }
}

/* ---- from outside ---- */

int journal_add(struct journal *j, char kind, const char *id, const char *text)
{
    if (j->error < 0)
        return j->error;
    int n = text ? fprintf(j->pending->to, "%c%s %s\n", kind, id, text)
                 : fprintf(j->pending->to, "%c%s\n", kind, id);
    if (n < 0)
        return -ENOMEM;
    j->added++;
    return aw_event_set(&j->more);
}

int journal_commit(struct journal *j)
{
    uint64_t mine = j->added;
    while (j->written < mine) {
        AW_TRY(j->error);
        AW_TRY(aw_event_wait(&j->progress));
    }
    return 0;
}

int journal_error(const struct journal *j)
{
    return j->error;
}

/* Two processes on one journal would ruin it. */
static int lock(struct journal *j)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s.lock", j->path);
    j->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (j->lock < 0)
        return -errno;
    return flock(j->lock, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

/* What was read of the file. */
struct reading {
    long lines, bad, first_bad; /* bad: those that make no sense */
    size_t cut;                 /* bytes of a last line that has no end */
};

/* A journal begins with a line of its own, for it is only ever put there as a whole. */
static int take_line(struct journal *j, struct reading *r, char *line, size_t n)
{
    bool whole = line[n - 1] == '\n';
    r->lines++;
    r->cut = whole ? 0 : n;
    line[n - whole] = '\0';
    if (whole && j->owner.replay(j->owner.arg, line, n - 1))
        return 0;
    if (r->lines == 1)
        return -EBADMSG;
    if (whole && r->bad++ == 0)
        r->first_bad = r->lines;
    return 0;
}

static int replay(struct journal *j, struct reading *r)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int err = 0;
    FILE *f = fopen(j->path, "re");
    if (!f)
        return errno == ENOENT ? 0 : -errno;
    while (err >= 0 && (n = getline(&line, &room, f)) > 0)
        err = take_line(j, r, line, (size_t)n);
    if (err >= 0 && !feof(f))
        err = -errno;
    free(line);
    fclose(f);
    return err;
}

/* What makes no sense is left out of the file that is written next, and kept in another one. */
static int set_damage_aside(const struct journal *j, const struct reading *r)
{
    char aside[PATH_MAX + 16];
    if (r->cut > 0)
        say("warning", "the last line of the journal was cut off", "{s:s, s:I}", "file", j->path,
            "bytes", (json_int_t)r->cut);
    if (r->bad == 0)
        return 0;
    snprintf(aside, sizeof aside, "%s.damaged", j->path);
    unlink(aside);
    if (link(j->path, aside) < 0)
        return -errno;
    say("error", "the journal is damaged", "{s:s, s:I, s:I, s:s}", "file", j->path,
        "lines that make no sense", (json_int_t)r->bad, "the first", (json_int_t)r->first_bad,
        "kept as", aside);
    return 0;
}

static int begin(struct journal *j)
{
    struct reading r = {0};
    AW_TRY(lock(j));
    AW_TRY(replay(j, &r));
    AW_TRY(set_damage_aside(j, &r));
    AW_TRY(rewrite(j));
    j->pending = lines_new();
    if (!j->pending)
        return -ENOMEM;
    j->writer = aw_create_task(write_lines, j, .name = "journal");
    return j->writer ? 0 : aw_errno();
}

struct journal *journal_open(const char *path, bool sync, const struct journal_owner *owner)
{
    struct journal *j = strlen(path) < PATH_MAX ? calloc(1, sizeof *j) : NULL;
    if (!j)
        return aw_refuse(strlen(path) < PATH_MAX ? -ENOMEM : -ENAMETOOLONG, NULL);
    j->owner = *owner;
    j->sync = sync;
    j->fd = j->lock = -1;
    snprintf(j->path, sizeof j->path, "%s", path);
    snprintf(j->fresh_path, sizeof j->fresh_path, "%s.new", path);
    int err = begin(j);
    if (err >= 0)
        return j;
    char why[PATH_MAX + 64];
    snprintf(why, sizeof why, "%s: %s", path,
             err == -EWOULDBLOCK ? "another process uses it"
             : err == -EBADMSG   ? "this is no journal of the feed's, and is left as it is"
                                 : aw_strerror(err));
    journal_close(j);
    return aw_refuse(err, why);
}

void journal_close(struct journal *j)
{
    j->closing = true;
    aw_ignore(aw_event_set(&j->more));
    if (j->writer)
        aw_ignore(aw_join(j->writer));
    if (j->written < j->added)
        say("error", "the journal lacks its last lines", "{s:s, s:I, s:s}", "file", j->path,
            "lines", (json_int_t)(j->added - j->written), "reason", aw_strerror(j->error));
    if (j->pending) {
        lines_end(j->pending);
        lines_free(j->pending);
    }
    if (j->fd >= 0)
        aw_ignore(aw_close(j->fd));
    if (j->lock >= 0)
        close(j->lock);
    free(j);
}
