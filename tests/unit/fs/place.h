/*
 * place.h - a folder of its own for each test of files, and what to do there.
 */
#ifndef TESTS_UNIT_FS_PLACE_H
#define TESTS_UNIT_FS_PLACE_H

#include "await.h"
#include "harness/test.h"

/* The open folder, empty at first, and to be left empty. */
extern int place;

/* "/tmp/.../name", good for four calls. */
const char *path_of(const char *name);

void at_place(aw_fn *main);

/* How many names are there; how long a file is; make one. */
int names_here(void);
long long size_of(const char *name);
int write_here(const char *name, const void *data, size_t n);

/* A test whose body runs as the main coroutine at the place. */
#define FILE_TEST(name)                                                                            \
    static int name##_main(void *arg);                                                             \
    TEST(name)                                                                                     \
    {                                                                                              \
        at_place(name##_main);                                                                     \
    }                                                                                              \
    static int name##_main(void *arg)

#endif
