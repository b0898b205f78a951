/*
 * Callbacks on real descriptors: readers and writers of pipes and socket pairs.
 */
#include "loop_record.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A reader that collects what it reads. */
struct reading {
    aw_loop *loop;
    int fd, calls;
    char got[64];
    size_t used, stop_at; /* stops the loop once so many bytes are there */
};

static int read_some(void *arg)
{
    struct reading *r = arg;
    r->calls++;
    ssize_t n = read(r->fd, r->got + r->used, sizeof r->got - 1 - r->used);
    assert_true(n > 0);
    r->used += (size_t)n;
    return r->used >= r->stop_at ? aw_loop_stop(r->loop) : 0;
}

static int write_def(void *arg)
{
    int *fd = arg;
    return write(*fd, "def", 3) == 3 ? 0 : -EIO;
}

/* LOOP-028: A reader is called in each pass in which its descriptor is readable, until removed. */
TEST(LOOP_028_reader_gets_everything)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    aw_loop *l = new_loop();
    struct reading r = {.loop = l, .fd = fds[0], .stop_at = 3};
    assert_int_equal(aw_add_reader(fds[0], read_some, &r, .loop = l), 0);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_string_equal(r.got, "abc");
    assert_int_equal(aw_call_soon(write_def, &fds[1], .loop = l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_string_equal(r.got, "abcdef");
    assert_int_equal(r.calls, 2);
    assert_true(aw_remove_reader(l, fds[0]));
    assert_false(aw_remove_reader(l, fds[0]));
    assert_int_equal(write(fds[1], "ghi", 3), 3);
    run_one_pass(l);
    run_one_pass(l);
    assert_int_equal(r.calls, 2);
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

TEST(LOOP_028_reader_is_called_again_while_there_is_data)
{
    int fds[2];
    struct record r = {""};
    struct mark m = {&r, "readable"};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l), 0);
    run_one_pass(l);
    run_one_pass(l);
    run_one_pass(l);
    assert_record(r, "readable readable readable");
    close(fds[1]);
    char c;
    assert_int_equal(read(fds[0], &c, 1), 1);
    run_one_pass(l); /* end of file is readable too */
    assert_record(r, "readable readable readable readable");
    assert_true(aw_remove_reader(l, fds[0]));
    aw_loop_free(l);
    close(fds[0]);
}

TEST_REAL_CLOCK(LOOP_028_reader_wakes_a_loop_that_sleeps)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    aw_loop *l = new_loop();
    struct reading r = {.loop = l, .fd = fds[0], .stop_at = 3};
    assert_int_equal(aw_add_reader(fds[0], read_some, &r, .loop = l), 0);
    assert_int_equal(aw_call_later(0.02, write_def, &fds[1], .loop = l), 0);
    assert_int_equal(aw_call_later(3600, stop_loop, l, .loop = l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_string_equal(r.got, "def");
    assert_true(aw_remove_reader(l, fds[0]));
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

struct leaving {
    struct mark mark;
    aw_loop *loop;
    int fd;
    bool removed;
};

static int mark_and_leave(void *arg)
{
    struct leaving *v = arg;
    v->removed = aw_remove_reader(v->loop, v->fd);
    return mark(&v->mark);
}

TEST(LOOP_028_reader_removes_itself)
{
    int fds[2];
    struct record r = {""};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    aw_loop *l = new_loop();
    struct leaving v = {{&r, "once"}, l, fds[0], false};
    assert_int_equal(aw_add_reader(fds[0], mark_and_leave, &v, .loop = l), 0);
    run_one_pass(l);
    run_one_pass(l);
    assert_record(r, "once");
    assert_true(v.removed);
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

/* Two descriptors ready in one pass, where the first callback removes the second's. */
TEST(LOOP_028_reader_removed_by_another_of_its_pass)
{
    int a[2], b[2];
    struct record r = {""};
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    aw_loop *l = new_loop();
    struct leaving va = {{&r, "one"}, l, b[0], false}, vb = {{&r, "one"}, l, a[0], false};
    assert_int_equal(aw_add_reader(a[0], mark_and_leave, &va, .loop = l), 0);
    assert_int_equal(aw_add_reader(b[0], mark_and_leave, &vb, .loop = l), 0);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    run_one_pass(l);
    assert_record(r, "one");
    assert_true(va.removed != vb.removed);
    assert_true(aw_remove_reader(l, va.removed ? a[0] : b[0]));
    aw_loop_free(l);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

/* LOOP-029: A second reader replaces the first and leaves the writer alone; writers likewise. */
TEST(LOOP_029_replacing_a_reader_or_a_writer)
{
    int fds[2];
    struct record r = {""};
    struct mark reader[] = {{&r, "reader 1"}, {&r, "reader 2"}};
    struct mark writer[] = {{&r, "writer 1"}, {&r, "writer 2"}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &reader[0], .loop = l), 0);
    assert_int_equal(aw_add_writer(fds[0], mark, &writer[0], .loop = l), 0);
    run_one_pass(l);
    assert_true(strcmp(r.text, "reader 1 writer 1") == 0 ||
                strcmp(r.text, "writer 1 reader 1") == 0);

    r.text[0] = '\0';
    assert_int_equal(aw_add_reader(fds[0], mark, &reader[1], .loop = l), 0);
    run_one_pass(l);
    assert_non_null(strstr(r.text, "reader 2"));
    assert_non_null(strstr(r.text, "writer 1"));
    assert_null(strstr(r.text, "reader 1"));

    r.text[0] = '\0';
    assert_int_equal(aw_add_writer(fds[0], mark, &writer[1], .loop = l), 0);
    run_one_pass(l);
    assert_non_null(strstr(r.text, "reader 2"));
    assert_non_null(strstr(r.text, "writer 2"));
    assert_null(strstr(r.text, "writer 1"));

    r.text[0] = '\0';
    assert_true(aw_remove_reader(l, fds[0]));
    run_one_pass(l);
    assert_record(r, "writer 2");
    assert_true(aw_remove_writer(l, fds[0]));
    assert_false(aw_remove_writer(l, fds[0]));
    run_one_pass(l);
    assert_record(r, "writer 2");
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

TEST(LOOP_029_replaced_after_its_descriptor_became_ready)
{
    int fds[2];
    struct record r = {""};
    struct mark old = {&r, "old"}, new = {&r, "new"};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &old, .loop = l), 0);
    run_one_pass(l);
    assert_record(r, "old");
    assert_int_equal(aw_add_reader(fds[0], mark, &new, .loop = l), 0);
    run_one_pass(l);
    run_one_pass(l);
    assert_record(r, "old new new");
    assert_true(aw_remove_reader(l, fds[0]));
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

static int remove_with_null(void *arg)
{
    int *fds = arg;
    bool first = aw_remove_reader(NULL, fds[0]), second = aw_remove_reader(NULL, fds[0]);
    return first && !second ? 0 : -EPROTO;
}

TEST(loop_remove_reader_of_the_running_loop)
{
    int fds[2];
    struct mark m = {NULL, "never"};
    assert_int_equal(pipe(fds), 0);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l), 0);
    aw_task *t = aw_create_task(remove_with_null, fds, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

/* LOOP-030: On a closed loop adding a reader or writer gives AW_EMISUSE, removing one false. */
TEST(LOOP_030_descriptors_of_a_closed_loop)
{
    int fds[2];
    struct mark m = {NULL, "never"};
    assert_int_equal(pipe(fds), 0);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l), 0);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l), AW_EMISUSE);
    assert_int_equal(aw_add_writer(fds[1], mark, &m, .loop = l), AW_EMISUSE);
    assert_false(aw_remove_reader(l, fds[0]));
    assert_false(aw_remove_writer(l, fds[1]));
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

TEST(loop_closing_leaves_descriptors_open)
{
    int fds[2];
    struct mark m = {NULL, "never"};
    assert_int_equal(pipe(fds), 0);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l), 0);
    run_one_pass(l);
    assert_int_equal(aw_loop_close(l), 0);
    assert_true(fcntl(fds[0], F_GETFD) >= 0);
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

TEST(loop_reader_of_no_descriptor_is_an_error)
{
    int fds[2];
    struct mark m = {NULL, "never"};
    aw_loop *l = new_loop();
    run_one_pass(l); /* opens the backend, so that the kernel can be asked */
    assert_int_equal(aw_add_reader(-1, mark, &m, .loop = l), -EBADF);
    assert_int_equal(aw_add_writer(-7, mark, &m, .loop = l), -EBADF);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(aw_add_reader(fds[0], NULL, NULL, .loop = l), -EINVAL);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l), -EBADF);
    assert_false(aw_remove_reader(l, fds[0]));
    assert_false(aw_remove_reader(l, -1));
    run_one_pass(l);
    aw_loop_free(l);
}

/* A reader's handle cancels its callback; removing it is still its owner's business. */
TEST(loop_reader_cancelled_by_its_handle)
{
    int fds[2];
    struct record r = {""};
    struct mark m = {&r, "called"};
    aw_handle *h = NULL;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &m, .loop = l, .handle = &h), 0);
    assert_non_null(h);
    aw_handle_cancel(h);
    assert_true(aw_handle_cancelled(h));
    run_one_pass(l);
    run_one_pass(l);
    assert_record(r, "");
    aw_handle_unref(h);
    aw_remove_reader(l, fds[0]);
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

TEST(loop_reader_of_a_high_descriptor)
{
    int fds[2], high = 777;
    struct record r = {""};
    struct mark low = {&r, "low"}, up = {&r, "high"};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(dup2(fds[0], high), high);
    aw_loop *l = new_loop();
    assert_int_equal(aw_add_reader(fds[0], mark, &low, .loop = l), 0);
    assert_int_equal(aw_add_reader(high, mark, &up, .loop = l), 0);
    run_one_pass(l);
    assert_record(r, "low high");
    assert_true(aw_remove_reader(l, fds[0]));
    assert_true(aw_remove_reader(l, high));
    assert_false(aw_remove_reader(l, 100000));
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
    close(high);
}
