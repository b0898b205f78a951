/*
 * Open files, whole files, temporary ones: the same on every backend, with errors that name the
 * file; and nothing left behind by what fails or is cancelled.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "await/testing.h"
#include "place.h"
#include "sys/sys.h"

/* ---- open files ---- */

FILE_TEST(file_objects_write_and_read_lines)
{
    (void)arg;
    char *line, bytes[8];
    aw_file *f = aw_file_open("f", "w+", .dir = place, .perm = 0640);
    assert_non_null(f);
    assert_int_equal(aw_file_write(f, "one\ntwo\n\nlast", 13), 0);
    assert_int_equal(aw_file_tell(f), 13);
    assert_int_equal(size_of("f"), 0);
    assert_int_equal(aw_file_flush(f), 0);
    assert_int_equal(size_of("f"), 13);
    assert_int_equal(aw_file_readline(f, &line), 0);
    assert_int_equal(aw_file_seek(f, 0, AW_SEEK_SET), 0);
    assert_int_equal(aw_file_readline(f, &line), 4);
    assert_memory_equal(line, "one\n", 4);
    assert_int_equal(aw_file_tell(f), 4);
    assert_int_equal(aw_file_read(f, bytes, 2), 2);
    assert_memory_equal(bytes, "tw", 2);
    assert_int_equal(aw_file_write(f, "O", 1), 0); /* where the reader is */
    assert_int_equal(aw_file_readline(f, &line), 1);
    assert_int_equal(aw_file_readline(f, &line), 1);
    assert_int_equal(aw_file_readline(f, &line), 4);
    assert_memory_equal(line, "last", 4);
    assert_int_equal(aw_file_readline(f, &line), 0);
    assert_int_equal(aw_file_seek(f, -4, AW_SEEK_END), 9);
    assert_int_equal(aw_file_seek(f, -5, AW_SEEK_CUR), 4);
    assert_int_equal(aw_file_readline(f, &line), 4);
    assert_memory_equal(line, "twO\n", 4);
    assert_int_equal(aw_file_seek(f, -1, AW_SEEK_SET), -EINVAL);
    assert_int_equal(aw_file_seek(f, 0, 7), -EINVAL);
    assert_int_equal(aw_file_sync(f), 0);
    assert_int_equal(fcntl(aw_file_fd(f), F_GETFD), FD_CLOEXEC);
    assert_int_equal(aw_file_close(f), 0);
    return unlinkat(place, "f", 0);
}

FILE_TEST(file_objects_append_and_make_anew)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        aw_file *f = aw_file_open("f", "a", .dir = place);
        assert_int_equal(aw_file_tell(f), 3 * i);
        assert_int_equal(aw_file_write(f, "abc", 3), 0);
        assert_int_equal(aw_file_close(f), 0);
    }
    assert_int_equal(size_of("f"), 6);
    assert_null(aw_file_open("f", "x", .dir = place));
    assert_int_equal(aw_errno(), -EEXIST);
    aw_file *f = aw_file_open("f", NULL, .dir = place, .flags = O_NOFOLLOW);
    char bytes[8];
    assert_int_equal(aw_file_read(f, bytes, 8), 6);
    assert_memory_equal(bytes, "abcabc", 6);
    assert_int_equal(aw_file_write(f, "x", 1), -EBADF);
    assert_string_equal(aw_errmsg(), "f: not opened for this: bad file descriptor");
    assert_int_equal(aw_file_close(f), 0);
    return unlinkat(place, "f", 0);
}

enum { MANY = 300000 };

/* Larger than the buffer, in pieces of all sizes. */
FILE_TEST(file_objects_take_more_than_their_buffer)
{
    (void)arg;
    static char out[MANY], in[MANY];
    for (size_t i = 0; i < MANY; i++)
        out[i] = (char)(i * 2654435761u >> 13);
    aw_file *f = aw_file_open("f", "w+", .dir = place);
    for (size_t at = 0, n = 1; at < MANY; at += n, n = n * 3 < MANY - at ? n * 3 : MANY - at)
        assert_int_equal(aw_file_write(f, out + at, n < MANY - at ? n : (n = MANY - at)), 0);
    assert_int_equal(aw_file_tell(f), MANY);
    assert_int_equal(aw_file_seek(f, 0, AW_SEEK_SET), 0);
    size_t got = 0;
    for (ssize_t n, want = 1; (n = aw_file_read(f, in + got, (size_t)want)) > 0; want = want * 3)
        got += (size_t)n, want = want < (ssize_t)(MANY - got) / 3 ? want : 1;
    assert_int_equal(got, MANY);
    assert_memory_equal(in, out, MANY);
    assert_int_equal(aw_file_close(f), 0);
    return unlinkat(place, "f", 0);
}

FILE_TEST(file_lines_have_a_limit)
{
    (void)arg;
    static char huge[200002];
    char *line, said[80];
    memset(huge, 'x', sizeof huge);
    huge[199999] = '\n';
    memcpy(huge + 200000, "ok", 2);
    assert_int_equal(write_here("f", huge, sizeof huge), 0);
    aw_file *f = aw_file_open("f", "r", .dir = place);
    assert_int_equal(aw_file_readline(f, &line), AW_ELIMIT);
    assert_string_equal(aw_errmsg(), "f: the line at 0: longer than the limit");
    assert_int_equal(aw_file_readline(f, &line), 2);
    assert_memory_equal(line, "ok", 2);
    assert_int_equal(aw_file_close(f), 0);
    for (size_t limit = 199998; limit <= 199999; limit++) {
        f = aw_file_open("f", "r", .dir = place, .limit = limit);
        assert_int_equal(aw_file_readline(f, &line), limit == 199999 ? 200000 : AW_ELIMIT);
        assert_int_equal(aw_file_readline(f, &line), 2);
        assert_int_equal(aw_file_close(f), 0);
    }
    assert_int_equal(write_here("f", "12345\n123456\n12", 15), 0);
    f = aw_file_open("f", "r", .dir = place, .limit = 5);
    assert_int_equal(aw_file_readline(f, &line), 6);
    assert_int_equal(aw_file_readline(f, &line), AW_ELIMIT);
    assert_string_equal(aw_errmsg(), "f: the line at 6: longer than the limit");
    snprintf(said, sizeof said, "%d", (int)aw_file_readline(f, &line));
    assert_string_equal(said, "2");
    assert_int_equal(aw_file_close(f), 0);
    return unlinkat(place, "f", 0);
}

static int read_a_line(void *arg)
{
    char *line;
    return (int)aw_file_readline(arg, &line);
}

/* A pipe is read where it is; who waits is cancelled without losing what came. */
FILE_TEST(file_objects_of_pipes_wait)
{
    (void)arg;
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    aw_file *f = aw_file_open(path, "r");
    assert_non_null(f);
    assert_int_equal(write(ends[1], "be", 2), 2);
    aw_task *t = aw_create_task(read_a_line, f);
    AW_TRY(aw_wait_all_blocked());
    assert_int_equal(read_a_line(f), AW_EMISUSE);
    assert_string_equal(aw_errmsg(), "another task is using the file");
    assert_int_equal(aw_file_close(f), AW_EMISUSE);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(aw_file_tell(f), 0);
    assert_int_equal(write(ends[1], "gun\n", 4), 4);
    assert_int_equal(read_a_line(f), 6);
    assert_int_equal(aw_file_seek(f, 0, AW_SEEK_SET), -ESPIPE);
    assert_int_equal(aw_file_close(f), 0);
    close(ends[0]);
    return close(ends[1]);
}

FILE_TEST(file_objects_with_bad_arguments)
{
    (void)arg;
    char byte, *line;
    assert_null(aw_file_open(NULL, "r"));
    assert_null(aw_file_open("settings.conf", "r", .dir = place));
    assert_int_equal(aw_errno(), -ENOENT);
    assert_string_equal(aw_errmsg(), "settings.conf: no such file or directory");
    assert_null(aw_file_open("f", "rw", .dir = place));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_file_open(".", "r", .dir = place));
    assert_int_equal(aw_errno(), -EISDIR);
    assert_int_equal(aw_file_read(NULL, &byte, 1), -EINVAL);
    assert_int_equal(aw_file_readline(NULL, &line), -EINVAL);
    assert_int_equal(aw_file_write(NULL, "", 1), -EINVAL);
    assert_int_equal(aw_file_flush(NULL), -EINVAL);
    assert_int_equal(aw_file_sync(NULL), -EINVAL);
    assert_int_equal(aw_file_tell(NULL), -EINVAL);
    assert_int_equal(aw_file_seek(NULL, 0, AW_SEEK_SET), -EINVAL);
    assert_int_equal(aw_file_fd(NULL), -EINVAL);
    assert_string_equal(aw_file_path(NULL), "");
    assert_int_equal(aw_file_close(NULL), 0);
    aw_file_abort(NULL);
    return 0;
}

/* ---- whole files ---- */

FILE_TEST(file_is_read_and_written_as_a_whole)
{
    (void)arg;
    char *text = NULL;
    static char large[100000];
    memset(large, 'l', sizeof large);
    assert_int_equal(aw_write_file(path_of("f"), large, sizeof large), 0);
    assert_int_equal(aw_read_file(path_of("f"), &text), sizeof large);
    assert_memory_equal(text, large, sizeof large);
    assert_int_equal(text[sizeof large], 0);
    aw_mem_free(text);
    text = NULL;
    assert_int_equal(aw_write_file(path_of("f"), "abc", 3), 0);
    assert_int_equal(aw_write_file(path_of("f"), "def", 3, .append = true), 0);
    assert_int_equal(aw_read_file(path_of("f"), &text, .limit = 5), AW_ELIMIT);
    assert_null(text);
    assert_int_equal(aw_read_file(path_of("f"), &text, .limit = 6), 6);
    assert_string_equal(text, "abcdef");
    aw_mem_free(text);
    assert_int_equal(aw_read_file("/dev/zero", &text, .limit = 10000), AW_ELIMIT);
    assert_string_equal(aw_errmsg(), "/dev/zero: longer than the limit");
    assert_true(aw_read_file("/proc/self/status", &text) > 100);
    aw_mem_free(text);
    return unlinkat(place, "f", 0);
}

FILE_TEST(file_is_replaced_at_once)
{
    (void)arg;
    struct stat st;
    assert_int_equal(aw_replace_file(path_of("f"), "new", 3, .perm = 0604), 0);
    assert_int_equal(fstatat(place, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0604);
    ino_t before = st.st_ino;
    int fd = openat(place, "f", O_RDONLY);
    assert_int_equal(aw_replace_file(path_of("f"), "newer", 5, .no_sync = true), 0);
    assert_int_equal(fstatat(place, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0604);
    assert_true(st.st_ino != before);
    assert_int_equal(st.st_size, 5);
    char old[8];
    assert_int_equal(read(fd, old, 8), 3); /* who has it open goes on with what it was */
    close(fd);
    assert_int_equal(names_here(), 1);
    return unlinkat(place, "f", 0);
}

FILE_TEST(file_errors_name_what_and_where)
{
    (void)arg;
    char *text, want[160];
    assert_int_equal(aw_read_file(path_of("none"), &text), -ENOENT);
    snprintf(want, sizeof want, "%s: no such file or directory", path_of("none"));
    assert_string_equal(aw_errmsg(), want);
    assert_int_equal(aw_read_file(path_of("."), &text), -EISDIR);
    assert_int_equal(mkfifoat(place, "p", 0600), 0);
    assert_int_equal(aw_read_file(path_of("p"), &text), -ESPIPE);
    assert_int_equal(aw_write_file(path_of("p"), "", 1), -ENXIO);
    assert_int_equal(unlinkat(place, "p", 0), 0);
    assert_int_equal(aw_replace_file(path_of("no/f"), "", 0), -ENOENT);
    snprintf(want, sizeof want, "%s: its folder: no such file or directory", path_of("no/f"));
    assert_string_equal(aw_errmsg(), want);
    assert_int_equal(aw_replace_file(path_of("."), "", 0), -EISDIR);
    assert_int_equal(aw_replace_file("", "", 0), -ENOENT);
    assert_int_equal(aw_replace_file(path_of("f"), "", 0, .append = true), -EINVAL);
    assert_int_equal(aw_read_file(NULL, &text), -EINVAL);
    assert_int_equal(aw_read_file("f", NULL), -EINVAL);
    assert_int_equal(aw_write_file(NULL, "", 0), -EINVAL);
    assert_int_equal(aw_write_file("f", NULL, 1), -EINVAL);
    assert_int_equal(aw_write_file("/dev/full", "x", 1), -ENOSPC);
    assert_string_equal(aw_errmsg(), "/dev/full: writing at 0: no space left on device");
    aw_file *f = aw_file_open("/dev/full", "w");
    assert_int_equal(aw_file_write(f, "x", 1), 0);
    assert_int_equal(aw_file_flush(f), -ENOSPC);
    assert_string_equal(aw_errmsg(), "/dev/full: writing at 0: no space left on device");
    assert_int_equal(aw_file_close(f), -ENOSPC);
    return 0;
}

/* ---- disks that are full, slow or broken ---- */

static _Atomic int writes, full_after;
static ssize_t (*real_pwrite)(int fd, const void *buf, size_t n, int64_t at);

/* Three bytes at a time, a signal in between; and no room after some of it. */
static ssize_t stingy_pwrite(int fd, const void *buf, size_t n, int64_t at)
{
    if (++writes % 2 == 0)
        return -EINTR;
    if (full_after && at >= full_after)
        return -ENOSPC;
    return real_pwrite(fd, buf, n < 3 ? n : 3, at);
}

static int use_a_stingy_disk(void *arg)
{
    (void)arg;
    char *text;
    aw_file *f = aw_file_open("f", "w", .dir = place);
    assert_int_equal(aw_file_write(f, "0123456789", 10), 0);
    assert_int_equal(aw_file_close(f), 0);
    assert_int_equal(aw_replace_file(path_of("g"), "9876543210", 10), 0);
    full_after = 6;
    assert_int_equal(aw_replace_file(path_of("g"), "lost", 4), 0);
    assert_int_equal(aw_replace_file(path_of("g"), "0123456789", 10), -ENOSPC);
    assert_non_null(strstr(aw_errmsg(), "/g: writing at 6: no space left on device"));
    f = aw_file_open("f", "r+", .dir = place);
    assert_int_equal(aw_file_write(f, "abcdefghij", 10), 0);
    assert_int_equal(aw_file_flush(f), -ENOSPC);
    assert_string_equal(aw_errmsg(), "f: writing at 6: no space left on device");
    assert_int_equal(aw_file_tell(f), 10);
    full_after = 0; /* nothing was lost */
    assert_int_equal(aw_file_close(f), 0);
    assert_int_equal(aw_read_file(path_of("f"), &text), 10);
    assert_string_equal(text, "abcdefghij");
    aw_mem_free(text);
    assert_int_equal(aw_read_file(path_of("g"), &text), 4);
    assert_string_equal(text, "lost");
    aw_mem_free(text);
    assert_int_equal(names_here(), 2);
    unlinkat(place, "g", 0);
    return unlinkat(place, "f", 0);
}

TEST(file_writes_are_short_and_disks_are_full)
{
    setenv("AWAIT_BACKEND", "epoll", 1); /* where the table is asked */
    real_pwrite = aw_sys.pwrite;
    aw_sys.pwrite = stingy_pwrite;
    at_place(use_a_stingy_disk);
}

/* ---- temporary ones ---- */

static int use_temporary(void *arg)
{
    (void)arg;
    char *line;
    aw_file *f = aw_temporary_file(path_of("."), .prefix = "t-", .suffix = ".txt");
    assert_non_null(f);
    assert_int_equal(names_here(), 1);
    assert_int_equal(access(aw_file_path(f), R_OK | W_OK), 0);
    assert_string_equal(strrchr(aw_file_path(f), '.'), ".txt");
    assert_int_equal(aw_file_write(f, "line\n", 5), 0);
    assert_int_equal(aw_file_seek(f, 0, AW_SEEK_SET), 0);
    assert_int_equal(aw_file_readline(f, &line), 5);
    assert_int_equal(aw_file_close(f), 0);
    f = aw_temporary_file(path_of("."));
    assert_int_equal(unlink(aw_file_path(f)), 0);
    assert_int_equal(aw_file_close(f), 0);
    aw_file_abort(aw_temporary_file(path_of(".")));
    assert_int_equal(names_here(), 0);
    assert_null(aw_temporary_file(path_of("no")));
    assert_int_equal(aw_errno(), -ENOENT);
    assert_null(aw_temporary_file(NULL, .suffix = "/x"));
    assert_int_equal(aw_errno(), -EINVAL);
    return 0;
}

FILE_TEST(file_temporary_goes_when_it_is_closed)
{
    return use_temporary(arg);
}

FILE_TEST(file_temporary_folder_goes_with_what_is_in_it)
{
    (void)arg;
    aw_temporary *t = aw_temporary_directory(path_of("."), .suffix = ".d");
    assert_non_null(t);
    int fd = aw_temporary_fd(t);
    assert_int_equal(mkdirat(fd, "a", 0700), 0);
    assert_int_equal(mkdirat(fd, "a/b", 0700), 0);
    assert_int_equal(symlinkat("/", fd, "a/b/root"), 0);
    close(openat(fd, "a/b/f", O_CREAT | O_WRONLY, 0600));
    assert_int_equal(access(aw_temporary_path(t), X_OK), 0);
    assert_int_equal(aw_temporary_close(t), 0);
    assert_int_equal(names_here(), 0);
    t = aw_temporary_directory(path_of("."));
    assert_int_equal(rmdir(aw_temporary_path(t)), 0);
    assert_int_equal(aw_temporary_close(t), 0);
    aw_temporary_abort(aw_temporary_directory(path_of(".")));
    aw_temporary_abort(NULL);
    assert_int_equal(aw_temporary_close(NULL), 0);
    assert_int_equal(aw_temporary_fd(NULL), -EINVAL);
    assert_string_equal(aw_temporary_path(NULL), "");
    return names_here();
}

/* Cancelled just before each call: what was to go has gone. */
static int close_cancelled(void *arg)
{
    (void)arg;
    aw_file *f = aw_temporary_file(path_of("."));
    aw_temporary *t = aw_temporary_directory(path_of("."));
    assert_non_null(f);
    assert_non_null(t);
    assert_int_equal(aw_file_write(f, "x", 1), 0);
    aw_cancel(aw_current_task());
    aw_ignore(aw_file_close(f));
    aw_cancel(aw_current_task());
    aw_ignore(aw_temporary_close(t));
    assert_int_equal(names_here(), 0);
    aw_cancel(aw_current_task());
    int err = aw_replace_file(path_of("f"), "x", 1);
    assert_true(err == -ECANCELED || err == 0);
    assert_int_equal(names_here(), err == 0);
    unlinkat(place, "f", 0);
    return 0;
}

FILE_TEST(file_temporary_goes_though_its_task_is_cancelled)
{
    (void)arg;
    aw_task *t = aw_create_task(close_cancelled, NULL);
    int err = aw_join(t);
    return err == -ECANCELED ? 0 : err;
}

TEST(file_objects_outside_a_task)
{
    char *text;
    assert_null(aw_file_open("/dev/null", "r"));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_null(aw_temporary_file(NULL));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_null(aw_temporary_directory(NULL));
    assert_null(aw_walk_open("/tmp"));
    assert_int_equal(aw_errno(), AW_EMISUSE);
    assert_int_equal(aw_read_file("/dev/null", &text), AW_EMISUSE);
    assert_int_equal(aw_write_file("/dev/null", "", 0), AW_EMISUSE);
    assert_int_equal(aw_replace_file("/tmp/x", "", 0), AW_EMISUSE);
    assert_int_equal(aw_remove_tree("/tmp/x"), AW_EMISUSE);
}
