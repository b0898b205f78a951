/*
 * place.c - a folder of its own for each test of files.
 */
#include "place.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int place;
static char where[32];

const char *path_of(const char *name)
{
    static char paths[4][80];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", where, name);
    return path;
}

void at_place(aw_fn *main)
{
    snprintf(where, sizeof where, "/tmp/await-place-XXXXXX");
    assert_non_null(mkdtemp(where));
    place = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(aw_run(main, NULL), 0);
    close(place);
    assert_int_equal(rmdir(where), 0);
}

int names_here(void)
{
    int n = 0;
    DIR *d = opendir(where);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

long long size_of(const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(place, name, &st, 0), 0);
    return (long long)st.st_size;
}

int write_here(const char *name, const void *data, size_t n)
{
    int fd = openat(place, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    return close(fd);
}
