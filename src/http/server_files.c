/*
 * server_files.c - a folder of files for clients: from a path that they chose to a descriptor.
 *
 * A path is taken apart at its slashes before it is decoded, and every part is opened by itself in
 * the folder before, without following symbolic links.  No part can be "..", or contain a slash, so
 * each step leads to something that lies in the folder it began in: the root cannot be left, also
 * while somebody moves folders about.
 */
#include "http/server.h"

#include <fcntl.h>
#include <string.h>

#include "await/file.h"
#include "await/io.h"

enum { NAME = 255, DEEP = 64 };

struct aw_http_files {
    int root;
    aw_http_files_opts opts;
    char *index, *control;
};

/* ---- making ---- */

static void free_files(aw_http_files *files)
{
    aw_mem_free(files->index);
    aw_mem_free(files->control);
    aw_mem_free(files);
}

static aw_http_files *files_new(const aw_http_files_opts *o)
{
    aw_http_files *files = aw_mem_zalloc(sizeof *files);
    if (!files)
        return NULL;
    files->opts = *o;
    files->opts.root = NULL;
    files->index = aw_copy(o->index ? o->index : "index.html");
    files->control = aw_copy(o->control);
    if (files->index && (files->control || !o->control))
        return files;
    free_files(files);
    return NULL;
}

aw_http_files *aw_http_files_new_(const aw_http_files_opts *opts)
{
    if (!opts->root || (opts->index && strchr(opts->index, '/')))
        return aw_refuse(-EINVAL, "there is no root, or the index is no name");
    if (opts->control && aw_has_control(opts->control, strlen(opts->control)))
        return aw_refuse(-EINVAL, ".control has control characters");
    aw_http_files *files = files_new(opts);
    if (!files)
        return aw_refuse(-ENOMEM, "no memory for files");
    files->root = aw_openat(AT_FDCWD, opts->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (files->root >= 0)
        return files;
    int err = files->root;
    free_files(files);
    return aw_refuse(err, opts->root);
}

void aw_http_files_free(aw_http_files *files)
{
    if (!files)
        return;
    aw_ignore(aw_close(files->root));
    free_files(files);
}

/* ---- finding ---- */

/* A path on its way down. */
struct walk {
    const aw_http_files *files;
    int dir; /* of what was opened so far; the root is the files' */
    char name[NAME + 1];
    bool is_last;
    bool is_index; /* of a folder */
};

static bool is_allowed(const aw_http_files *files, const char *name, size_t n)
{
    if (n == 0 || strlen(name) != n || strchr(name, '/'))
        return false;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    return name[0] != '.' || files->opts.dot_files;
}

/* The next part of a path, decoded; what follows it, NULL: nothing; -ENOENT when it is none. */
static int next_part(struct walk *w, const char **at)
{
    size_t n = strcspn(*at, "/?");
    if (n > 3 * NAME)
        return -ENAMETOOLONG;
    char raw[3 * NAME + 1];
    memcpy(raw, *at, n);
    w->is_last = (*at)[n] != '/';
    *at += n + !w->is_last;
    if (n == 0 && w->is_last) {
        w->is_index = true;
        if (!*w->files->index)
            return -ENOENT;
        n = strlen(w->files->index);
        n = n < NAME ? n : NAME;
        memcpy(w->name, w->files->index, n);
        w->name[n] = '\0';
        return 0;
    }
    ptrdiff_t len = aw_percent_decode(raw, n, false);
    if (len < 0 || len > NAME)
        return len < 0 ? -ENOENT : -ENAMETOOLONG;
    raw[len] = '\0';
    if (!is_allowed(w->files, raw, (size_t)len))
        return -ENOENT;
    memcpy(w->name, raw, (size_t)len + 1);
    return 0;
}

static void leave(struct walk *w)
{
    if (w->dir >= 0 && w->dir != w->files->root)
        aw_ignore(aw_close(w->dir));
    w->dir = -1;
}

/* The descriptor of the last part; w->name is its name. */
static int find(struct walk *w, const char *path)
{
    int common = O_CLOEXEC | (w->files->opts.symbolic_links ? 0 : O_NOFOLLOW);
    for (int depth = 0; depth < DEEP; depth++) {
        AW_TRY(next_part(w, &path));
        int how = w->is_last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
        int fd = aw_openat(w->dir, w->name, how | common, 0);
        if (fd < 0 || w->is_last)
            return fd;
        leave(w);
        w->dir = fd;
    }
    return -ENOENT;
}

/* ---- serving ---- */

/* To a folder without its slash: the links in its index would lead elsewhere.  (A path that begins
 * with two slashes would be another host.) */
static int redirect(aw_http_request *r)
{
    const char *target = r->head.target;
    size_t n = strcspn(target, "?"), skip = strspn(target, "/") - 1, rest = strlen(target + n);
    char *to = aw_http_request_alloc(r, n + rest + 2);
    if (!to)
        return aw_raise(-ENOMEM, "no memory for a path");
    memcpy(to, target + skip, n - skip);
    to[n - skip] = '/';
    memcpy(to + n - skip + 1, target + n, rest + 1);
    AW_TRY(aw_http_respond_field(r, "Location", to));
    return aw_http_respond_status(r, 301);
}

static int serve(aw_http_request *r, const aw_http_files *files, const char *path)
{
    struct walk w = {.files = files, .dir = files->root};
    int fd = find(&w, path);
    const aw_http_file_opts opts = {.request = r, .path = w.name, .control = files->control};
    int err = fd < 0 ? fd : aw_http_file_answer(&opts, fd);
    if (fd >= 0)
        aw_ignore(aw_close(fd));
    leave(&w);
    if (err == -EISDIR && !w.is_index)
        return redirect(r);
    return err < 0 ? aw_http_file_refuse(r, err) : err;
}

int aw_http_files_handler(aw_http_request *r, void *arg)
{
    const aw_http_files *files = arg;
    int err;
    if (!r || !files)
        return aw_raise(-EINVAL, "the request or the files are NULL");
    if (aw_http_file_refuse_method(r, &err))
        return err;
    if (r->rest)
        return serve(r, files, r->rest);
    return r->head.target[0] == '/' ? serve(r, files, r->head.target + 1)
                                    : aw_http_respond_status(r, 404);
}
