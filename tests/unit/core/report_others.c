/*
 * Callbacks, handlers, slow steps, coroutine objects and deadlocks: the text of each report.
 */
#include "core/core.h"
#include "report_capture.h"

static int made_at;

static int fail_callback(void *arg)
{
    return *(int *)arg;
}

static int fail_callback_with_detail(void *arg)
{
    return aw_set_error(NULL, *(int *)arg);
}

static int stop_loop(void *arg)
{
    return aw_loop_stop(arg);
}

/* ---- callbacks ---- */

TEST(report_callback_failed)
{
    int error = -EIO;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    assert_int_equal(aw_call_soon(fail_callback, &error, .loop = l), 0);
    one_pass(l);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_CALLBACK_FAILED);
    assert_string_equal(c->message, "a callback failed");
    assert_string_equal(c->fn_name, "fail_callback");
    assert_string_equal(c->detail, "");
    assert_reported("await: a callback failed\n"
                    "  callback: fail_callback\n"
                    "  scheduled: report_others.c:%d\n"
                    "  error:   -EIO (input/output error)\n",
                    made_at);
    aw_loop_free(l);
}

TEST(report_callback_failed_with_a_detail)
{
    int error = -EIO;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    assert_int_equal(aw_call_later(1, fail_callback_with_detail, &error, .loop = l), 0);
    assert_int_equal(aw_call_later(2, stop_loop, l, .loop = l), 0);
    assert_int_equal(aw_loop_run_forever(l), 0);
    assert_string_equal(capture.reports[0].detail, "the handle is NULL");
    assert_reported("await: a callback failed\n"
                    "  callback: fail_callback_with_detail\n"
                    "  scheduled: report_others.c:%d\n"
                    "  error:   -EINVAL (invalid argument): the handle is NULL\n",
                    made_at);
    aw_loop_free(l);
}

static int fail_when_done(aw_future *f, void *arg)
{
    (void)f;
    return *(int *)arg;
}

static int two(void *arg)
{
    (void)arg;
    return 2;
}

TEST(report_done_callback_failed)
{
    int error = -EPROTO;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(two, NULL, .loop = l, .name = "finisher");
    assert_int_equal(aw_add_done_callback(t, fail_when_done, &error), 0);
    one_pass(l);
    one_pass(l);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_CALLBACK_FAILED);
    assert_int_equal(c->error, -EPROTO);
    assert_ptr_equal(c->future, t);
    assert_string_equal(c->name, "finisher");
    assert_reported("await: a done callback failed\n"
                    "  callback: test_core+0x*\n"
                    "  of:      task finisher two\n"
                    "  created: report_others.c:%d\n"
                    "  error:   -EPROTO (protocol error)\n",
                    made_at);
    aw_unref(t);
    aw_loop_free(l);
}

static int fail_when_done_with_detail(aw_future *f, void *arg)
{
    (void)arg;
    return aw_add_done_callback(f, NULL, NULL);
}

TEST(report_done_callback_of_a_future_failed_with_a_detail)
{
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_add_done_callback(f, fail_when_done_with_detail, NULL), 0);
    assert_int_equal(aw_set_result(f, 0, NULL), 0);
    one_pass(l);
    assert_string_equal(capture.reports[0].detail, "the callback is NULL");
    assert_reported("await: a done callback failed\n"
                    "  callback: test_core+0x*\n"
                    "  of:      future\n"
                    "  created: report_others.c:%d\n"
                    "  error:   -EINVAL (invalid argument): the callback is NULL\n",
                    made_at);
    aw_unref(f);
    aw_loop_free(l);
}

/* ---- the handler itself ---- */

static int failing_handler(const aw_report *report, void *arg)
{
    (void)report;
    (void)arg;
    return -ENOSPC;
}

static void run_with_failing_handler(void *arg)
{
    int error = -EIO;
    (void)arg;
    aw_loop *l = aw_loop_new();
    aw_ignore(aw_loop_set_exception_handler(l, failing_handler, NULL));
    printf("%d", __LINE__ + 1);
    aw_ignore(aw_call_soon(fail_callback, &error, .loop = l));
    one_pass(l);
    aw_loop_free(l);
}

TEST(report_exception_handler_failed)
{
    struct child_result r;
    char expected[512];
    run_child(&r, run_with_failing_handler, NULL);
    assert_true(child_exited(&r, 0));
    normalise(r.err);
    snprintf(expected, sizeof expected,
             "await: the exception handler itself failed\n"
             "  error:   -ENOSPC (no space left on device)\n"
             "  while it was handling:\n"
             "await: a callback failed\n"
             "  callback: fail_callback\n"
             "  scheduled: report_others.c:%.8s\n"
             "  error:   -EIO (input/output error)\n",
             r.out);
    assert_string_equal(r.err, expected);
}

/* ---- the default handler ---- */

static int show_and_pass_on(const aw_report *report, void *arg)
{
    fputs(report->text, stdout);
    return aw_default_exception_handler(report, arg);
}

static void make_reports(void *arg)
{
    int error = -EIO;
    (void)arg;
    aw_loop *l = aw_loop_new();
    aw_ignore(aw_loop_set_exception_handler(l, show_and_pass_on, NULL));
    aw_ignore(aw_call_soon(fail_callback, &error, .loop = l));
    aw_ignore(aw_spawn(fail_callback, &error, .loop = l));
    one_pass(l);
    aw_ignore(aw_spawn(fail_callback, &error, .loop = l));
    aw_loop_free(l);
}

TEST(report_default_handler_writes_the_text_to_standard_error)
{
    struct child_result r;
    run_child(&r, make_reports, NULL);
    assert_true(child_exited(&r, 0));
    assert_non_null(strstr(r.err, "await: a callback failed\n"));
    assert_non_null(strstr(r.err, "await: a task failed"));
    assert_non_null(strstr(r.err, "await: a task never ran"));
    assert_string_equal(r.err, r.out);
}

/* ---- slow steps ---- */

static int block(void *arg)
{
    aw_loop_advance(aw_running_loop(), *(double *)arg);
    return 0;
}

static int block_and_sleep(void *arg)
{
    AW_TRY(block(arg));
    return aw_sleep(10);
}

TEST(report_slow_callback)
{
    double seconds = 0.25;
    aw_handle *h = NULL;
    aw_loop *l = captured_loop(true);
    made_at = __LINE__ + 1;
    assert_int_equal(aw_call_soon(block, &seconds, .loop = l, .handle = &h), 0);
    one_pass(l);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_SLOW);
    assert_true(c->duration > 0.2499 && c->duration < 0.2501);
    assert_int_equal(c->error, 0);
    assert_ptr_equal(c->handle, h);
    assert_reported("await: a callback blocked the loop\n"
                    "  callback: block\n"
                    "  scheduled: report_others.c:%d\n"
                    "  took:    0.250 s\n",
                    made_at);
    aw_handle_unref(h);
    aw_loop_free(l);
}

static int block_when_done(aw_future *f, void *arg)
{
    (void)f;
    return block(arg);
}

TEST(report_slow_done_callback)
{
    double seconds = 0.25;
    aw_loop *l = captured_loop(true);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(two, NULL, .loop = l, .name = "finisher");
    assert_int_equal(aw_add_done_callback(t, block_when_done, &seconds), 0);
    one_pass(l);
    one_pass(l);
    assert_int_equal(capture.reports[0].kind, AW_REPORT_SLOW);
    assert_ptr_equal(capture.reports[0].future, t);
    assert_reported("await: a done callback blocked the loop\n"
                    "  callback: test_core+0x*\n"
                    "  of:      task finisher two\n"
                    "  created: report_others.c:%d\n"
                    "  took:    0.250 s\n",
                    made_at);
    aw_unref(t);
    aw_loop_free(l);
}

TEST(report_slow_task_step)
{
    double seconds = 1.5;
    aw_loop *l = captured_loop(true);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(block_and_sleep, &seconds, .loop = l, .name = "blocker");
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_SLOW);
    assert_string_equal(c->name, "blocker");
    assert_ptr_equal(c->future, t);
    assert_reported("await: a step of a task blocked the loop\n"
                    "  task:    blocker block_and_sleep\n"
                    "  created: report_others.c:%d\n"
                    "  took:    1.500 s\n"
                    "  up to:   aw_sleep (10.000 s left), called at test_core+0x*\n",
                    made_at);
    aw_unref(t);
    aw_loop_free(l);
}

TEST(report_slow_last_step)
{
    double seconds = 1.5;
    aw_loop *l = captured_loop(true);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(block, &seconds, .loop = l, .name = "blocker");
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    assert_reported("await: a step of a task blocked the loop\n"
                    "  task:    blocker block\n"
                    "  created: report_others.c:%d\n"
                    "  took:    1.500 s\n"
                    "  up to:   its end\n",
                    made_at);
    aw_unref(t);
    aw_loop_free(l);
}

/* The time before an eager start is the starter's, not that of the task that was started. */
static int start_eagerly(void *arg)
{
    AW_TRY(block(arg));
    return aw_join(aw_create_task(two, NULL, .eager = true, .name = "innocent"));
}

TEST(report_slow_step_before_an_eager_start)
{
    double seconds = 1.5;
    aw_loop *l = captured_loop(true);
    aw_task *t = aw_create_task(start_eagerly, &seconds, .loop = l, .name = "guilty");
    assert_int_equal(aw_loop_run_until_complete(l, t), 2);
    assert_int_equal(capture.n, 1);
    assert_string_equal(capture.reports[0].name, "guilty");
    aw_unref(t);
    aw_loop_free(l);
}

/* ---- strangers' words ---- */

static int fail_with_strange_words(void *arg)
{
    (void)arg;
    return aw_raise(-EIO, "host 'a\nawait: all is well\x1b[2J'");
}

/* Nobody writes lines of his own into a log, or to a terminal. */
TEST(report_of_strange_words_is_one_block)
{
    aw_loop *l = captured_loop(false);
    aw_task *t = aw_create_task(fail_with_strange_words, NULL, .loop = l, .name = "evil\ntwin");
    made_at = __LINE__ - 1;
    one_pass(l);
    aw_unref(t);
    one_pass(l);
    assert_string_equal(capture.reports[0].name, "evil\\ntwin");
    assert_string_equal(capture.reports[0].detail, "host 'a\\nawait: all is well\\x1b[2J'");
    assert_reported("await: a task failed and nobody looked at it\n"
                    "  task:    evil\\ntwin fail_with_strange_words\n"
                    "  created: report_others.c:%d\n"
                    "  error:   -EIO (input/output error): host 'a\\nawait: all is "
                    "well\\x1b[2J'\n",
                    made_at);
    aw_loop_free(l);
}
