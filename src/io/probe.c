/*
 * probe.c - which backend this process uses.
 *
 * The list is in order of preference.  A backend asked for by name is that one or an error; without
 * a name the first one that opens is taken, and what the others were missing is of no interest.
 */
#include <stdlib.h>
#include <string.h>

#include "io/io.h"

static const struct aw_io_backend *const backends[] = {
    &aw_io_epoll,
};

static const size_t backend_count = sizeof backends / sizeof *backends;

static int open_by_name(struct aw_io **ret, const char *name, const char **why)
{
    for (size_t i = 0; i < backend_count; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i]->open(ret, why);
    if (why)
        *why = "no backend has this name";
    return -EINVAL;
}

/* The reason reported is the last one's: the backend that needs least of the kernel. */
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
    if (!name)
        name = getenv("AWAIT_BACKEND");
    if (name && *name)
        return open_by_name(ret, name, why);
    return open_best(ret, why);
}
