/*
 * Walking through folders, and removing them: depth first, not astray, not in circles.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "sys/sys.h"

static void make_tree(void)
{
    assert_int_equal(mkdirat(place, "t", 0700), 0);
    assert_int_equal(mkdirat(place, "t/a", 0700), 0);
    assert_int_equal(mkdirat(place, "t/a/b", 0700), 0);
    assert_int_equal(mkdirat(place, "t/c", 0700), 0);
    assert_int_equal(write_here("t/a/f", "1", 1), 0);
    assert_int_equal(write_here("t/a/b/g", "22", 2), 0);
    assert_int_equal(symlinkat("..", place, "t/c/up"), 0);
    assert_int_equal(symlinkat("../a/b", place, "t/c/down"), 0);
    assert_int_equal(symlinkat("nowhere", place, "t/c/lost"), 0);
}

/* What a walk finds, by first letters: which paths, how often each. */
struct found {
    int n, folders, errors, deepest, last_error;
    char paths[32][64];
};

static bool has(const struct found *f, const char *end)
{
    for (int i = 0; i < f->n; i++) {
        size_t n = strlen(f->paths[i]), m = strlen(end);
        if (n >= m && strcmp(f->paths[i] + n - m, end) == 0)
            return true;
    }
    return false;
}

static void note(struct found *f, const aw_walk_entry *e)
{
    struct stat st;
    assert_true(f->n < 32);
    assert_string_equal(strrchr(e->path, '/') + 1, e->name);
    if (e->error) {
        f->errors++;
        f->last_error = e->error;
        return;
    }
    assert_int_equal(fstatat(e->dir, e->name, &st, AT_SYMLINK_NOFOLLOW), 0);
    size_t prefix = *e->path == '/' ? strlen(path_of("")) : 0;
    snprintf(f->paths[f->n++], 64, "%s", e->path + prefix);
    f->folders += e->type == DT_DIR;
    f->deepest = e->depth > f->deepest ? e->depth : f->deepest;
}

static struct found walk_all(aw_walk *w)
{
    struct found f = {0};
    aw_walk_entry e;
    int more;
    assert_non_null(w);
    while ((more = aw_walk_next(w, &e)) > 0)
        note(&f, &e);
    assert_int_equal(more, 0);
    assert_int_equal(aw_walk_next(w, &e), 0);
    aw_walk_close(w);
    return f;
}

FILE_TEST(file_walk_meets_everything_once)
{
    (void)arg;
    make_tree();
    struct found f = walk_all(aw_walk_open(path_of("t")));
    assert_int_equal(f.n, 8);
    assert_int_equal(f.folders, 3);
    assert_int_equal(f.deepest, 3);
    assert_int_equal(f.errors, 0);
    assert_true(has(&f, "t/a/b/g") && has(&f, "t/a/f") && has(&f, "t/c/up") && has(&f, "t/a"));
    f = walk_all(aw_walk_open("t/", .dir = place, .max_depth = 1));
    assert_int_equal(f.n, 2);
    f = walk_all(aw_walk_open("t", .dir = place, .max_depth = 2));
    assert_int_equal(f.n, 7);
    assert_int_equal(aw_remove_tree(path_of("t")), 0);
    return 0;
}

FILE_TEST(file_walk_follows_links_and_not_in_circles)
{
    (void)arg;
    make_tree();
    struct found f = walk_all(aw_walk_open(path_of("t"), .follow = true));
    assert_true(has(&f, "t/c/down/g") && has(&f, "t/c/up") && has(&f, "t/c/lost"));
    assert_int_equal(f.n, 9);
    assert_int_equal(f.errors, 1);
    assert_int_equal(f.last_error, -ELOOP);
    return aw_remove_tree(path_of("t"));
}

/* The types of some file systems have to be asked for. */
static ssize_t (*real_getdents)(int fd, void *buf, size_t n);
static ssize_t typeless(int fd, void *buf, size_t n)
{
    enum { SIZE_AT = 16, TYPE_AT = 18 };
    ssize_t got = real_getdents(fd, buf, n);
    unsigned short size;
    for (ssize_t at = 0; at < got; at += size) {
        memcpy(&size, (char *)buf + at + SIZE_AT, sizeof size);
        ((char *)buf)[at + TYPE_AT] = DT_UNKNOWN;
    }
    return got;
}

static int walk_without_types(void *arg)
{
    (void)arg;
    make_tree();
    struct found f = walk_all(aw_walk_open(path_of("t")));
    assert_int_equal(f.n, 8);
    assert_int_equal(f.folders, 3);
    return aw_remove_tree(path_of("t"));
}

TEST(file_walk_asks_for_types)
{
    real_getdents = aw_sys.getdents;
    aw_sys.getdents = typeless;
    at_place(walk_without_types);
}

/* Between two entries the tree is moved, and links are put in a folder's place. */
FILE_TEST(file_walk_is_not_led_astray)
{
    (void)arg;
    aw_walk_entry e;
    struct found f = {0};
    assert_int_equal(mkdirat(place, "t", 0700), 0);
    assert_int_equal(mkdirat(place, "t/a", 0700), 0);
    assert_int_equal(write_here("t/a/f", "1", 1), 0);
    aw_walk *w = aw_walk_open(path_of("t"));
    assert_int_equal(aw_walk_next(w, &e), 1);
    assert_int_equal(e.type, DT_DIR);
    assert_int_equal(renameat(place, "t", place, "moved"), 0);
    assert_int_equal(aw_walk_next(w, &e), 1);
    assert_string_equal(e.name, "f");
    assert_int_equal(faccessat(e.dir, e.name, R_OK, 0), 0);
    assert_int_equal(aw_walk_next(w, &e), 0);
    aw_walk_close(w);
    w = aw_walk_open(path_of("moved"));
    assert_int_equal(aw_walk_next(w, &e), 1);
    assert_int_equal(renameat(place, "moved/a", place, "moved/b"), 0);
    assert_int_equal(symlinkat("/", place, "moved/a"), 0);
    assert_int_equal(aw_walk_next(w, &e), 1); /* a link where the folder was */
    assert_true(e.error == -ELOOP || e.error == -ENOTDIR);
    assert_non_null(strstr(aw_errmsg(), "moved/a: opening the folder: "));
    while (aw_walk_next(w, &e) > 0)
        note(&f, &e);
    assert_false(has(&f, "a/etc"));
    aw_walk_close(w);
    return aw_remove_tree(path_of("moved"));
}

FILE_TEST(file_walk_skips_and_goes_on_behind_errors)
{
    (void)arg;
    aw_walk_entry e;
    int more, n = 0;
    make_tree();
    aw_walk *w = aw_walk_open(path_of("t"));
    while ((more = aw_walk_next(w, &e)) > 0) {
        n++;
        aw_walk_skip(w);
    }
    assert_int_equal(more, 0);
    assert_int_equal(n, 2);
    aw_walk_close(w);
    w = aw_walk_open(path_of("t"));
    while ((more = aw_walk_next(w, &e)) > 0 && e.type != DT_DIR)
        ;
    assert_int_equal(more, 1);
    char name[8];
    snprintf(name, sizeof name, "%s", e.name);
    assert_int_equal(aw_remove_tree(e.path), 0); /* gone before it is gone into */
    assert_int_equal(aw_walk_next(w, &e), 1);
    assert_int_equal(e.error, -ENOENT);
    assert_string_equal(e.name, name);
    assert_int_equal(aw_walk_next(w, &e), 1);
    assert_int_equal(e.error, 0);
    aw_walk_close(w);
    return aw_remove_tree(path_of("t"));
}

FILE_TEST(file_walk_with_bad_arguments)
{
    (void)arg;
    aw_walk_entry e;
    assert_null(aw_walk_open(NULL));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_walk_open("x", .max_depth = -1));
    assert_null(aw_walk_open("none", .dir = place));
    assert_int_equal(aw_errno(), -ENOENT);
    assert_string_equal(aw_errmsg(), "none: no such file or directory");
    assert_null(aw_walk_open("/dev/null"));
    assert_int_equal(aw_errno(), -ENOTDIR);
    assert_int_equal(aw_walk_next(NULL, &e), -EINVAL);
    aw_walk_skip(NULL);
    aw_walk_close(NULL);
    assert_int_equal(aw_remove_tree(NULL), -EINVAL);
    assert_int_equal(aw_remove_tree(path_of("none")), -ENOENT);
    return 0;
}

enum { DEEP = 200, WIDE = 1500 };

FILE_TEST(file_tree_is_removed_deep_and_wide)
{
    (void)arg;
    int at = dup(place);
    for (int i = 0; i < DEEP; i++) {
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        int below = openat(at, "d", O_RDONLY | O_DIRECTORY);
        close(at);
        at = below;
    }
    for (int i = 0; i < WIDE; i++) {
        char name[32];
        snprintf(name, sizeof name, "a rather long name %d", i);
        close(openat(at, name, O_CREAT | O_WRONLY, 0600));
    }
    close(at);
    assert_int_equal(aw_remove_tree(path_of("d")), 0);
    assert_int_equal(write_here("f", "x", 1), 0);
    assert_int_equal(aw_remove_tree(path_of("f")), 0); /* a file too */
    return names_here();
}

static int (*real_unlinkat)(int dir, const char *path, int flags);
static int stubborn(int dir, const char *path, int flags)
{
    return strcmp(path, "g") == 0 ? -EBUSY : real_unlinkat(dir, path, flags);
}

static int remove_what_can_be_removed(void *arg)
{
    (void)arg;
    make_tree();
    aw_sys.unlinkat = stubborn;
    assert_int_equal(aw_remove_tree(path_of("t")), -EBUSY);
    assert_non_null(strstr(aw_errmsg(), "/t/a/b/g: "));
    assert_int_equal(faccessat(place, "t/c", F_OK, 0), -1);
    assert_int_equal(faccessat(place, "t/a/f", F_OK, 0), -1);
    aw_sys.unlinkat = real_unlinkat;
    return aw_remove_tree(path_of("t"));
}

static int close_what_cannot_be_removed(void *arg)
{
    (void)arg;
    char g[4096];
    aw_temporary *t = aw_temporary_directory(path_of("."));
    snprintf(g, sizeof g, "%s/g", aw_temporary_path(t));
    assert_int_equal(aw_write_file(g, "x", 1), 0);
    aw_sys.unlinkat = stubborn;
    assert_int_equal(aw_temporary_close(t), -EBUSY);
    aw_sys.unlinkat = real_unlinkat;
    assert_memory_equal(aw_errmsg(), g, strlen(g));
    *strrchr(g, '/') = '\0';
    return aw_remove_tree(g);
}

TEST(file_temporary_folder_that_stays_is_told_with_its_path)
{
    real_unlinkat = aw_sys.unlinkat;
    at_place(close_what_cannot_be_removed);
}

TEST(file_tree_is_removed_but_for_what_cannot_be)
{
    real_unlinkat = aw_sys.unlinkat;
    at_place(remove_what_can_be_removed);
}
