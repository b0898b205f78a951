/*
 * Tasks and futures that would have been lost: the text of each report, and its fields.
 */
#include "report_capture.h"

/* Where things were created, for the expected texts. */
static int made_at, waits_made_at;

static int fail_with_detail(void *arg)
{
    aw_future *f = aw_future_new();
    AW_TRY(aw_set_error(f, *(int *)arg, .msg = "example.org:443"));
    return aw_join(f);
}

static int fail_plainly(void *arg)
{
    return *(int *)arg;
}

TEST(report_task_failed_and_nobody_looked)
{
    int error = -ECONNREFUSED;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(fail_with_detail, &error, .loop = l, .name = "fetcher");
    one_pass(l);
    assert_int_equal(capture.n, 0); /* somebody might still look */
    aw_unref(t);
    assert_int_equal(capture.n, 1);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_NEVER_RETRIEVED);
    assert_string_equal(c->message, "a task failed and nobody looked at it");
    assert_int_equal(c->error, -ECONNREFUSED);
    assert_string_equal(c->detail, "example.org:443");
    assert_string_equal(c->name, "fetcher");
    assert_string_equal(c->fn_name, "fail_with_detail");
    assert_string_equal(c->file, __FILE__);
    assert_int_equal(c->line, made_at);
    assert_ptr_equal(c->future, t);
    assert_ptr_equal(c->loop, l);
    assert_null(c->handle);
    assert_reported("await: a task failed and nobody looked at it\n"
                    "  task:    fetcher fail_with_detail\n"
                    "  created: report_tasks.c:%d\n"
                    "  error:   -ECONNREFUSED (connection refused): example.org:443\n",
                    made_at);
    aw_loop_free(l);
}

TEST(report_task_without_name_or_detail)
{
    int error = AW_EEMPTY;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    assert_int_equal(aw_spawn(fail_plainly, &error, .loop = l), 0);
    one_pass(l);
    assert_string_equal(capture.reports[0].name, "Task-1");
    assert_string_equal(capture.reports[0].detail, "");
    assert_reported("await: a task failed and nobody looked at it\n"
                    "  task:    Task-1 fail_plainly\n"
                    "  created: report_tasks.c:%d\n"
                    "  error:   AW_EEMPTY (the queue or the channel is empty)\n",
                    made_at);
    aw_loop_free(l);
}

TEST(report_future_failed_and_nobody_looked)
{
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_set_error(f, -ENOENT, .msg = "/etc/motd"), 0);
    aw_unref(f);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_NEVER_RETRIEVED);
    assert_int_equal(c->error, -ENOENT);
    assert_string_equal(c->detail, "/etc/motd");
    assert_int_equal(c->line, made_at);
    assert_reported("await: a future failed and nobody looked at it\n"
                    "  created: report_tasks.c:%d\n"
                    "  error:   -ENOENT (no such file or directory): /etc/motd\n",
                    made_at);
    aw_loop_free(l);
}

/* A failure that somebody still holds when the loop closes has had its chance. */
TEST(report_failure_still_held_when_its_loop_is_closed)
{
    int error = -EIO;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(fail_plainly, &error, .loop = l, .name = "held");
    one_pass(l);
    aw_loop_free(l);
    assert_reported("await: a task failed and nobody looked at it\n"
                    "  task:    held fail_plainly\n"
                    "  created: report_tasks.c:%d\n"
                    "  error:   -EIO (input/output error)\n",
                    made_at);
    assert_int_equal(aw_result(t), -EIO);
    aw_unref(t);
    assert_reported("%s", "");
}

/* ---- never ran ---- */

TEST(report_task_that_never_ran)
{
    int error = 0;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(fail_plainly, &error, .loop = l, .name = "unborn");
    aw_loop_free(l);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_NEVER_RAN);
    assert_string_equal(c->message, "a task never ran: its loop was closed before");
    assert_int_equal(c->error, 0);
    assert_string_equal(c->detail, "");
    assert_string_equal(c->name, "unborn");
    assert_string_equal(c->fn_name, "fail_plainly");
    assert_int_equal(c->line, made_at);
    assert_ptr_equal(c->future, t);
    assert_reported("await: a task never ran: its loop was closed before\n"
                    "  task:    unborn fail_plainly\n"
                    "  created: report_tasks.c:%d\n",
                    made_at);
    aw_unref(t);
}

/* ---- pending ---- */

static int await_arg(void *arg)
{
    return aw_await(arg);
}

TEST(report_task_pending_on_a_future)
{
    aw_loop *l = captured_loop(false);
    aw_future *f = aw_future_new(.loop = l);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(await_arg, f, .loop = l, .name = "waiting");
    one_pass(l);
    aw_loop_free(l);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_PENDING);
    assert_string_equal(c->message, "a task was pending when its loop was closed");
    assert_int_equal(c->line, made_at);
    assert_ptr_equal(c->future, t);
    assert_reported("await: a task was pending when its loop was closed\n"
                    "  task:    waiting await_arg\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_await (<future pending>), called at test_core+0x*\n",
                    made_at);
    aw_unref(t);
    aw_unref(f);
}

static int sleep_long(void *arg)
{
    return aw_sleep(*(double *)arg);
}

TEST(report_tasks_pending_in_a_sleep)
{
    double seconds = 12.5, for_ever = 1e300;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_ignore(aw_spawn(sleep_long, &seconds, .loop = l));
    aw_ignore(aw_spawn(sleep_long, &for_ever, .loop = l));
    one_pass(l);
    aw_loop_free(l);
    assert_reported("await: a task was pending when its loop was closed\n"
                    "  task:    Task-1 sleep_long\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_sleep (12.500 s left), called at test_core+0x*\n"
                    "await: a task was pending when its loop was closed\n"
                    "  task:    Task-2 sleep_long\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_sleep (for ever), called at test_core+0x*\n",
                    made_at, made_at + 1);
}

/* ---- who waits for it ---- */

static int leaf(void *arg)
{
    return aw_await(arg);
}

static int middle(void *arg)
{
    waits_made_at = __LINE__ + 1;
    return aw_join(aw_create_task(leaf, arg, .name = "leaf"));
}

static int top(void *arg)
{
    return aw_gather(AW_CORO(middle, arg, .name = "middle"));
}

/* The reports of a chain: each task says where it waits, and who waits for it in turn. */
TEST(report_chain_of_waiters_through_awaits_and_a_gather)
{
    aw_loop *l = captured_loop(false);
    aw_future *f = aw_future_new(.loop = l);
    made_at = __LINE__ + 1;
    aw_ignore(aw_spawn(top, f, .loop = l, .name = "top"));
    for (int i = 0; i < 4; i++)
        one_pass(l);
    aw_loop_free(l);
    assert_int_equal(capture.n, 3);
    assert_reported("await: a task was pending when its loop was closed\n"
                    "  task:    top top\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_gather (1 of 1 left), called at test_core+0x*\n"
                    "await: a task was pending when its loop was closed\n"
                    "  task:    middle middle\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_join (<task leaf leaf pending>), called at test_core+0x*\n"
                    "  awaited by: top top (report_tasks.c:%d)\n"
                    "await: a task was pending when its loop was closed\n"
                    "  task:    leaf leaf\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_await (<future pending>), called at test_core+0x*\n"
                    "  awaited by: middle middle (report_tasks.c:%d) <- top top "
                    "(report_tasks.c:%d)\n",
                    made_at, waits_made_at + 5, made_at, waits_made_at, waits_made_at + 5, made_at);
    aw_unref(f);
}

static int gather_arg(void *arg)
{
    aw_future *fs[2] = {arg, NULL};
    waits_made_at = __LINE__ + 1;
    fs[1] = aw_shield(arg);
    aw_future *g = aw_gather_new(&fs[1], 1);
    int err = aw_await(g);
    aw_unref(g);
    aw_unref(fs[1]);
    return err;
}

TEST(report_chain_of_waiters_through_a_gather_of_futures_and_a_shield)
{
    double seconds = 60;
    aw_loop *l = captured_loop(false);
    made_at = __LINE__ + 1;
    aw_task *t = aw_create_task(sleep_long, &seconds, .loop = l, .name = "inner");
    aw_ignore(aw_spawn(gather_arg, t, .loop = l, .name = "outer"));
    one_pass(l);
    one_pass(l);
    aw_loop_free(l);
    aw_unref(t);
    assert_reported("await: a task was pending when its loop was closed\n"
                    "  task:    inner sleep_long\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_sleep (60.000 s left), called at test_core+0x*\n"
                    "  awaited by: shield (report_tasks.c:%d) <- gather (report_tasks.c:%d) <- "
                    "outer gather_arg (report_tasks.c:%d)\n"
                    "await: a task was pending when its loop was closed\n"
                    "  task:    outer gather_arg\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_await (<gather pending>), called at test_core+0x*\n",
                    made_at, waits_made_at, waits_made_at + 1, made_at + 1, made_at + 1);
}

/* A chain longer than anybody reads is cut. */
static aw_task *innermost;

static int link_of_chain(void *arg)
{
    int *depth = arg;
    innermost = aw_current_task();
    if (--*depth == 0)
        return aw_sleep(1);
    return aw_join(aw_create_task(link_of_chain, depth, .name = "link"));
}

static int last_of_chain(const aw_report *r, void *arg)
{
    return r->future == innermost ? capture_report(r, arg) : 0;
}

TEST(report_chain_of_waiters_that_is_long)
{
    int depth = 20;
    aw_loop *l = captured_loop(false);
    assert_int_equal(aw_loop_set_exception_handler(l, last_of_chain, NULL), 0);
    aw_ignore(aw_spawn(link_of_chain, &depth, .loop = l));
    for (int i = 0; i < 25; i++)
        one_pass(l);
    aw_loop_free(l);
    normalise(capture.text);
    char *chain = strstr(capture.text, "  awaited by: ");
    assert_non_null(chain);
    int links = 0;
    for (char *c = chain; (c = strstr(c, "link_of_chain (report_tasks.c:")) != NULL; c++)
        links++;
    assert_int_equal(links, 8);
    assert_string_equal(strrchr(chain, ')'), ") <- ...\n");
}

/* ---- the end of a run ---- */

static int count(void *arg)
{
    for (int i = 0; i < 5; i++) {
        *(int *)arg = i;
        AW_TRY(aw_sleep(1));
    }
    return 0;
}

static int leave_counting(void *arg)
{
    made_at = __LINE__ + 1;
    AW_TRY(aw_spawn(count, arg, .name = "counter"));
    return aw_sleep(0);
}

TEST(report_task_cancelled_by_the_end_of_the_run)
{
    int i = -1;
    assert_int_equal(aw_run(leave_counting, &i, .exception_handler = capture_report), 0);
    assert_int_equal(i, 0);
    struct captured *c = &capture.reports[0];
    assert_int_equal(c->kind, AW_REPORT_CANCELLED_AT_END);
    assert_string_equal(c->message, "a task was cancelled by the end of the run");
    assert_string_equal(c->name, "counter");
    assert_string_equal(c->fn_name, "count");
    assert_int_equal(c->line, made_at);
    assert_non_null(c->future);
    assert_non_null(c->loop);
    assert_reported("await: a task was cancelled by the end of the run\n"
                    "  task:    counter count\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_sleep (1.000 s left), called at test_core+0x*\n",
                    made_at);
}

/* Its first step is in the run's last pass, and what it creates there does not begin any more. */
static int create_too_late(void *arg)
{
    waits_made_at = __LINE__ + 1;
    AW_TRY(aw_spawn(count, arg, .name = "unbegun"));
    return aw_sleep(1);
}

static int leave_unbegun(void *arg)
{
    made_at = __LINE__ + 1;
    return aw_spawn(create_too_late, arg, .name = "late");
}

TEST(report_task_cancelled_by_the_end_of_the_run_before_it_began)
{
    int i = -1;
    assert_int_equal(aw_run(leave_unbegun, &i, .exception_handler = capture_report), 0);
    assert_int_equal(i, -1);
    assert_reported("await: a task was cancelled by the end of the run\n"
                    "  task:    late create_too_late\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: aw_sleep (1.000 s left), called at test_core+0x*\n"
                    "await: a task was cancelled by the end of the run\n"
                    "  task:    unbegun count\n"
                    "  created: report_tasks.c:%d\n"
                    "  waiting: nowhere, it has not begun\n",
                    made_at, waits_made_at);
}

/* ---- texts that are too long ---- */

TEST(report_with_a_name_that_is_too_long_is_still_a_block)
{
    static char name[5000];
    int error = -EIO;
    memset(name, 'n', sizeof name - 1);
    aw_loop *l = captured_loop(false);
    assert_int_equal(aw_spawn(fail_plainly, &error, .loop = l, .name = name), 0);
    one_pass(l);
    assert_int_equal(capture.n, 1);
    assert_int_equal(capture.text[strlen(capture.text) - 1], '\n');
    assert_non_null(strstr(capture.text, "-EIO"));
    aw_loop_free(l);
}
