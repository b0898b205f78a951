/*
 * probe.c - which backend this process uses.
 *
 * The list is in order of preference.  A backend asked for by name is that one or an error; without
 * a name the first one that opens is taken, and what the one before was missing is passed on, for
 * debug mode to tell.  The simulator comes from another library, which adds it.
 */
#include <stdlib.h>
#include <string.h>

#include "io/io.h"

static const struct aw_io_backend *const backends[] = {
#ifdef AW_IO_URING
    &aw_io_uring,
#endif
    &aw_io_epoll,
};

#ifdef AW_IO_URING
#define NAMES "io_uring and epoll"
#else
#define NAMES "epoll alone"
#endif

static const size_t backend_count = sizeof backends / sizeof *backends;

const struct aw_io_backend *_Atomic aw_io_simulator;

static int open_by_name(struct aw_io **ret, const char *name, const char **why)
{
    const struct aw_io_backend *simulator = aw_io_simulator;
    if (simulator && strcmp(simulator->name, name) == 0)
        return simulator->open(ret, why);
    for (size_t i = 0; i < backend_count; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i]->open(ret, why);
    *why = "no backend has the name in AWAIT_BACKEND: there are " NAMES;
    return -EINVAL;
}

/* The reason of a failure is the last one's: the backend that needs least of the kernel. */
static int open_best(struct aw_io **ret, const char **why)
{
    int err = -ENOSYS;
    for (size_t i = 0; i < backend_count; i++) {
        err = backends[i]->open(ret, why);
        if (err == 0)
            return 0;
    }
    return err;
}

int aw_io_open(struct aw_io **ret, const char *name, const char **why)
{
    const char *missing = NULL;
    if (!name)
        name = getenv("AWAIT_BACKEND");
    int err = name && *name ? open_by_name(ret, name, &missing) : open_best(ret, &missing);
    if (why)
        *why = missing;
    return err;
}
