/*
 * Choosing a backend: by name, by the environment, or the best one.
 */
#include "unit/io/rig.h"

static int open_and_close(const char *name, const char **why)
{
    struct aw_io *io = NULL;
    int err = aw_io_open(&io, name, why);
    if (err < 0)
        return err;
    assert_ptr_equal(io->backend, &aw_io_epoll);
    assert_string_equal(io->backend->name, "epoll");
    io->backend->close(io);
    return 0;
}

TEST(probe_finds_the_backend_that_is_named)
{
    const char *why = NULL;
    assert_int_equal(open_and_close("epoll", &why), 0);
    assert_int_equal(open_and_close("epoll", NULL), 0);
    assert_int_equal(open_and_close("kqueue", &why), -EINVAL);
    assert_string_equal(why, "no backend has this name");
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
    setenv("AWAIT_BACKEND", "nonsense", 1);
    assert_int_equal(open_and_close(NULL, &why), -EINVAL);
    assert_int_equal(open_and_close("epoll", &why), 0);
}

static int no_descriptors(void)
{
    return -EMFILE;
}

TEST(probe_says_what_was_missing)
{
    const char *why = NULL;
    struct aw_sys_table real = aw_sys;
    unsetenv("AWAIT_BACKEND");
    aw_sys.epoll_create = no_descriptors;
    assert_int_equal(open_and_close(NULL, &why), -EMFILE);
    assert_string_equal(why, "no epoll descriptor");
    aw_sys = real;
    aw_sys.eventfd = no_descriptors;
    assert_int_equal(open_and_close("epoll", &why), -EMFILE);
    assert_string_equal(why, "no eventfd");
    aw_sys = real;
}
