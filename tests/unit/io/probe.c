/*
 * Choosing a backend: by name, by the environment, or the best one.
 */
#include "unit/io/rig.h"

static const char *opened; /* the name of the one that was opened last */

static int open_and_close(const char *name, const char **why)
{
    struct aw_io *io = NULL;
    int err = aw_io_open(&io, name, why);
    if (err < 0)
        return err;
    opened = io->backend->name;
    io->backend->close(io);
    return 0;
}

TEST(probe_finds_the_backend_that_is_named)
{
    const char *why = NULL;
    assert_int_equal(open_and_close("epoll", &why), 0);
    assert_string_equal(opened, "epoll");
    assert_null(why);
    assert_int_equal(open_and_close("epoll", NULL), 0);
    assert_int_equal(open_and_close("kqueue", &why), -EINVAL);
    assert_non_null(strstr(why, "AWAIT_BACKEND: there are "));
    assert_int_equal(open_and_close("kqueue", NULL), -EINVAL);
}

TEST(probe_asks_the_environment_and_then_takes_the_best)
{
    const char *why = NULL;
    unsetenv("AWAIT_BACKEND");
    assert_int_equal(open_and_close(NULL, &why), 0);
    setenv("AWAIT_BACKEND", "", 1);
    assert_int_equal(open_and_close(NULL, &why), 0);
    setenv("AWAIT_BACKEND", "epoll", 1);
    assert_int_equal(open_and_close(NULL, &why), 0);
    assert_string_equal(opened, "epoll");
    setenv("AWAIT_BACKEND", "nonsense", 1);
    assert_int_equal(open_and_close(NULL, &why), -EINVAL);
    assert_int_equal(open_and_close("epoll", &why), 0);
}

static int no_descriptors(void)
{
    return -EMFILE;
}

static int no_ring(struct io_uring *ring, unsigned entries, struct io_uring_params *params)
{
    (void)ring;
    (void)entries;
    (void)params;
    return -EPERM;
}

TEST(probe_says_what_was_missing)
{
    const char *why = NULL;
    struct aw_sys_table real = aw_sys;
    unsetenv("AWAIT_BACKEND");
    aw_sys.epoll_create = no_descriptors;
    aw_sys.ring_open = no_ring;
    assert_int_equal(open_and_close(NULL, &why), -EMFILE);
    assert_string_equal(why, "no epoll descriptor");
    aw_sys = real;
    aw_sys.eventfd = no_descriptors;
    assert_int_equal(open_and_close("epoll", &why), -EMFILE);
    assert_string_equal(why, "no eventfd");
    aw_sys = real;
}

/* ---- io_uring ---- */

static const char *missing_io_uring(void)
{
    const char *why = NULL;
    return open_and_close("io_uring", &why) < 0 ? why : NULL;
}

TEST(probe_prefers_io_uring)
{
    const char *why = NULL, *missing = missing_io_uring();
    unsetenv("AWAIT_BACKEND");
    assert_int_equal(open_and_close(NULL, &why), 0);
    if (missing) {
        assert_string_equal(opened, "epoll");
        if (aw_sys.ring_open) /* else there is no better one in this build */
            assert_string_equal(why, missing);
        SKIP(missing);
    }
    assert_string_equal(opened, "io_uring");
    assert_null(why);
}

/* Refused, it is an error where it was asked for, and epoll where it was not. */
TEST(probe_takes_epoll_where_io_uring_is_refused)
{
    const char *why = NULL;
    struct aw_sys_table real = aw_sys;
    aw_sys.ring_open = no_ring;
    unsetenv("AWAIT_BACKEND");
    assert_int_equal(open_and_close(NULL, &why), 0);
    assert_string_equal(opened, "epoll");
    if (real.ring_open) {
        assert_string_equal(why, "io_uring is forbidden here");
        assert_int_equal(open_and_close("io_uring", &why), -EPERM);
        assert_string_equal(why, "io_uring is forbidden here");
    }
    setenv("AWAIT_BACKEND", "io_uring", 1);
    assert_int_equal(open_and_close(NULL, &why), real.ring_open ? -EPERM : -EINVAL);
    assert_int_equal(open_and_close("epoll", &why), 0);
    aw_sys = real;
}
