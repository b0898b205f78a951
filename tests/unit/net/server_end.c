/*
 * Servers in need and at their end: limits, no descriptors, shutting down, left behind.
 */
#include "serving.h"

#include <math.h>
#include <pthread.h>

/* ---- limits and need ---- */

TEST_IN_LOOP(server_accepts_no_more_than_its_limit)
{
    aw_server *s;
    aw_stream *c[5];
    assert_int_equal(aw_start_server(&s, echo, "127.0.0.1", "0", .limit = 2), 0);
    for (int i = 0; i < 5; i++)
        c[i] = connect_to_server(s); /* the kernel takes them */
    for (int i = 0; i < 5; i++) {
        assert_echo(c[i], "in turn");
        passes(5);
        assert_true(aw_server_connections(s) <= 2);
        hang_up(c[i]);
    }
    end_server(s);
}

static int collect_all(const aw_report *r, void *arg)
{
    *(int *)arg += r->kind == AW_REPORT_SERVER && r->error == -EMFILE;
    return collect_report(r, NULL);
}

/* All descriptors but one are taken. */
struct shortage {
    int fds[256], n;
};

static void make_shortage(struct shortage *m)
{
    int fd;
    m->n = 0;
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        m->fds[m->n++] = fd;
    close(m->fds[--m->n]);
}

static void end_shortage(struct shortage *m)
{
    while (m->n > 0)
        close(m->fds[--m->n]);
}

static int run_out_of_descriptors(void *arg)
{
    int *told = arg;
    struct shortage m;
    aw_server *s = serve_on_loopback(echo, NULL);
    aw_stream *first = connect_to_server(s), *c;
    assert_echo(first, "before");
    int before = count_descriptors();
    for (int i = 0; i < 3; i++) {
        make_shortage(&m); /* for this end, and none for the other */
        c = connect_to_server(s);
        assert_true(has_ended(c)); /* turned away at once */
        assert_echo(first, "meanwhile");
        end_shortage(&m);
        hang_up(c);
        c = connect_to_server(s); /* and all is well again */
        assert_echo(c, "afterwards");
        hang_up(c);
        WAIT_UNTIL(count_descriptors() == before);
    }
    assert_int_equal(*told, 1); /* within a second */
    hang_up(first);
    end_server(s);
    return 0;
}

TEST(server_turns_connections_away_without_descriptors)
{
    int told = 0;
    if (test_is_under_valgrind())
        SKIP("the tool turns connections away by itself");
    limit_descriptors(100);
    assert_int_equal(aw_run(run_out_of_descriptors, &told, .exception_handler = collect_all,
                            .exception_arg = &told),
                     0);
    assert_int_equal(told, 1);
    assert_non_null(strstr(reports.name, "127.0.0.1:"));
    assert_reports(1);
}

/* ---- shutting down ---- */

static int take_a_while(aw_stream *s, void *arg)
{
    AW_TRY(aw_sleep(*(double *)arg));
    return aw_stream_write(s, "done", 4);
}

TEST_IN_LOOP(server_shutdown_gives_handlers_their_grace)
{
    double seconds = 0.01;
    char buf[8];
    aw_server *s = serve_on_loopback(take_a_while, &seconds);
    aw_stream *c = connect_to_server(s);
    WAIT_UNTIL(aw_server_connections(s) == 1);
    assert_int_equal(aw_server_shutdown(s, .grace = 100), 0);
    assert_int_equal(aw_stream_read(c, buf, sizeof buf), 4);
    hang_up(c);
    assert_int_equal(aw_server_shutdown(s, .grace = 100), 0); /* again */
    aw_server_unref(s);
}

TEST_IN_LOOP(server_shutdown_cancels_what_takes_longer)
{
    double seconds = 1000;
    aw_server *s = serve_on_loopback(take_a_while, &seconds);
    aw_stream *c = connect_to_server(s), *d = connect_to_server(s);
    WAIT_UNTIL(aw_server_connections(s) == 2);
    assert_int_equal(aw_server_shutdown(s, .grace = 0.01), 2);
    assert_true(has_ended(c) && has_ended(d));
    hang_up(c);
    hang_up(d);
    aw_server_unref(s);
}

static int shut_down_slowly(void *arg)
{
    return aw_server_shutdown(arg, .grace = 1000);
}

TEST_IN_LOOP(server_shutdown_cancelled_cancels_at_once)
{
    double seconds = 1000;
    aw_server *s = serve_on_loopback(take_a_while, &seconds);
    aw_stream *c = connect_to_server(s);
    WAIT_UNTIL(aw_server_connections(s) == 1);
    aw_task *t = aw_create_task(shut_down_slowly, s);
    passes(3);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_int_equal(aw_server_connections(s), 0);
    hang_up(c);
    aw_server_unref(s);
}

TEST_IN_LOOP(server_releases_its_argument_once)
{
    aw_server *s;
    assert_int_equal(
        aw_start_server(&s, sink, "127.0.0.1", "0", .arg = "r", .release = note_release), 0);
    aw_stream *c = connect_to_server(s);
    WAIT_UNTIL(aw_server_connections(s) == 1);
    aw_server_close(s);
    passes(5);
    assert_trace("");
    hang_up(c);
    assert_int_equal(aw_server_wait_closed(s), 0);
    assert_trace("r");
    aw_server_unref(s);
    assert_trace("r");
    assert_int_equal(aw_start_server(&s, sink, "127.0.0.1", "0", .arg = "n", .start_later = true,
                                     .release = note_release),
                     0);
    aw_server_unref(s); /* never served */
    assert_trace("rn");
    assert_true(aw_start_server(&s, sink, "192.0.2.1", "0", .arg = "x", .release = note_release) <
                0);
    assert_trace("rn");
}

/* ---- left behind ---- */

static aw_stream *left;
static aw_server *forgotten;

static int forget_the_server(void *arg)
{
    (void)arg;
    forgotten = serve_on_loopback(sink, NULL);
    left = connect_to_server(forgotten);
    WAIT_UNTIL(aw_server_connections(forgotten) == 1);
    aw_server_unref(forgotten);
    aw_stream_unref(left);
    return 0;
}

/* The end of the run ends them too: the acceptor is named, and the handler if it is still there. */
TEST(server_ends_with_the_run)
{
    int before = count_descriptors();
    assert_int_equal(aw_run(forget_the_server, NULL, .exception_handler = collect_report), 0);
    assert_int_equal(reports.kind, AW_REPORT_CANCELLED_AT_END);
    assert_true(reports.n >= 1 && reports.n <= 2);
    reports.n = 0;
    assert_int_equal(count_descriptors(), before);
}

static int serve_in_a_loop(void *arg)
{
    forgotten = serve_on_loopback(sink, NULL);
    left = connect_to_server(forgotten);
    WAIT_UNTIL(aw_server_connections(forgotten) == 1);
    return arg == NULL;
}

/* Closed over it, without a drain. */
TEST(server_ends_with_its_loop)
{
    int before = count_descriptors();
    aw_loop *l = aw_loop_new();
    aw_loop_set_exception_handler(l, collect_report, NULL);
    aw_task *t = aw_create_task(serve_in_a_loop, NULL, .loop = l);
    assert_int_equal(aw_loop_run_until_complete(l, t), 1);
    aw_unref(t);
    assert_int_equal(aw_loop_close(l), 0);
    assert_int_equal(aw_server_connections(forgotten), 0);
    aw_server_unref(forgotten);
    aw_stream_unref(left);
    aw_loop_free(l);
    reports.n = 0;
    assert_int_equal(count_descriptors(), before);
}

/* ---- another thread ---- */

static void *hold_elsewhere(void *server)
{
    aw_server_unref(server);
    aw_server_unref(server);
    assert_ptr_equal(aw_server_ref(server), server);
    assert_int_equal(aw_server_close(server), AW_ETHREAD);
    return NULL;
}

TEST_IN_LOOP(server_handles_belong_to_its_thread)
{
    pthread_t t;
    aw_server *s = serve_on_loopback(echo, NULL);
    assert_int_equal(pthread_create(&t, NULL, hold_elsewhere, s), 0);
    pthread_join(t, NULL);
    aw_stream *c = connect_to_server(s);
    assert_echo(c, "still there");
    hang_up(c);
    end_server(s); /* with the only handle: leaks are found out by the sanitizers */
}
