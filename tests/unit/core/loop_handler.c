/*
 * What the exception handler of a loop is told, and what happens when it fails itself.
 */
#include "loop_record.h"

#include <unistd.h>

/* What a handler saw: the report's texts do not outlive its call. */
struct seen {
    int calls;
    enum aw_report_kind kind;
    int error, line;
    char message[128], fn_name[64], file[256], text[2048];
    aw_handle *handle;
    aw_loop *loop;
};

static void keep_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "(null)");
}

static int see(const aw_report *report, void *arg)
{
    struct seen *s = arg;
    s->calls++;
    s->kind = report->kind;
    s->error = report->error;
    s->line = report->line;
    s->handle = report->handle;
    s->loop = report->loop;
    keep_text(s->message, sizeof s->message, report->message);
    keep_text(s->fn_name, sizeof s->fn_name, report->fn_name);
    keep_text(s->file, sizeof s->file, report->file);
    keep_text(s->text, sizeof s->text, report->text);
    return 0;
}

static int fail_with(void *arg)
{
    return *(int *)arg;
}

/* LOOP-019: A failing callback goes to the handler with message, error and handle; others run. */
TEST(LOOP_019_failing_callback_is_reported_and_the_loop_goes_on)
{
    struct record r = {""};
    struct seen s = {0};
    struct mark before = {&r, "before"}, after = {&r, "after"};
    int error = -EIO;
    aw_handle *h = NULL;
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_set_exception_handler(l, see, &s), 0);
    assert_int_equal(aw_call_soon(mark, &before, .loop = l), 0);
    int line = __LINE__ + 1;
    assert_int_equal(aw_call_soon(fail_with, &error, .loop = l, .handle = &h), 0);
    assert_int_equal(aw_call_soon(mark, &after, .loop = l), 0);
    run_one_pass(l);
    assert_record(r, "before after");
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.kind, AW_REPORT_CALLBACK_FAILED);
    assert_int_equal(s.error, -EIO);
    assert_string_equal(s.fn_name, "fail_with");
    assert_string_equal(s.file, __FILE__);
    assert_int_equal(s.line, line);
    assert_ptr_equal(s.handle, h);
    assert_ptr_equal(s.loop, l);
    assert_true(s.message[0] != '\0' && strchr(s.message, '\n') == NULL);
    aw_handle_unref(h);
    aw_loop_free(l);
}

TEST(LOOP_019_failing_timers_and_readers_too)
{
    int fds[2], error = -EPROTO;
    struct seen s = {0};
    aw_loop *l = new_loop();
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(aw_loop_set_exception_handler(l, see, &s), 0);
    assert_int_equal(aw_call_later(0.5, fail_with, &error, .loop = l), 0);
    run_for(l, 1);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.error, -EPROTO);
    assert_int_equal(aw_add_reader(fds[0], fail_with, &error, .loop = l), 0);
    run_one_pass(l);
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.kind, AW_REPORT_CALLBACK_FAILED);
    assert_string_equal(s.fn_name, "fail_with");
    assert_string_equal(s.file, __FILE__);
    assert_true(aw_remove_reader(l, fds[0]));
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

static int fail_when_done(aw_future *f, void *arg)
{
    (void)f;
    return *(int *)arg;
}

TEST(LOOP_019_failing_done_callbacks_too)
{
    struct seen s = {0};
    int error = -EBADMSG;
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_set_exception_handler(l, see, &s), 0);
    aw_future *f = aw_future_new(.loop = l);
    assert_int_equal(aw_add_done_callback(f, fail_when_done, &error), 0);
    assert_int_equal(aw_set_result(f, 0, NULL), 0);
    run_one_pass(l);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.kind, AW_REPORT_CALLBACK_FAILED);
    assert_int_equal(s.error, -EBADMSG);
    aw_unref(f);
    aw_loop_free(l);
}

static void fail_without_handler(void *arg)
{
    int error = -EIO;
    (void)arg;
    aw_loop *l = new_loop();
    aw_call_soon(fail_with, &error, .loop = l);
    aw_call_later(1, fail_with, &error, .loop = l);
    run_for(l, 2);
    aw_loop_free(l);
}

/* LOOP-020: Without a handler, failing callbacks and timers are told on standard error. */
TEST(LOOP_020_default_handler_writes_to_standard_error)
{
    struct child_result r;
    run_child(&r, fail_without_handler, NULL);
    assert_true(child_exited(&r, 0));
    assert_string_equal(r.out, "");
    const char *first = strstr(r.err, "fail_with");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "fail_with"));
    assert_non_null(strstr(r.err, "loop_handler.c"));
    assert_non_null(strstr(r.err, "input/output error"));
}

static void back_to_default(void *arg)
{
    struct seen s = {0};
    (void)arg;
    int error = -EIO;
    aw_loop *l = new_loop();
    aw_loop_set_exception_handler(l, see, &s);
    aw_loop_set_exception_handler(l, NULL, NULL);
    aw_call_soon(fail_with, &error, .loop = l);
    run_one_pass(l);
    assert_int_equal(s.calls, 0);
    aw_loop_free(l);
}

TEST(LOOP_020_default_handler_after_a_handler_was_taken_back)
{
    struct child_result r;
    run_child(&r, back_to_default, NULL);
    assert_true(child_exited(&r, 0));
    assert_non_null(strstr(r.err, "fail_with"));
}

static int failing_handler(const aw_report *report, void *arg)
{
    (void)report;
    return *(int *)arg;
}

static void fail_in_handler(void *arg)
{
    struct record r = {""};
    struct mark after = {&r, "after"};
    int callback_error = -EIO, handler_error = -ENOSPC;
    (void)arg;
    aw_loop *l = new_loop();
    aw_loop_set_exception_handler(l, failing_handler, &handler_error);
    aw_call_soon(fail_with, &callback_error, .loop = l);
    aw_call_soon(mark, &after, .loop = l);
    run_one_pass(l);
    assert_record(r, "after");
    aw_loop_free(l);
}

/* LOOP-021: A handler that fails is told by the default one, with what it was to report. */
TEST(LOOP_021_failing_handler_is_reported_with_the_original)
{
    struct child_result r;
    run_child(&r, fail_in_handler, NULL);
    assert_true(child_exited(&r, 0));
    assert_non_null(strstr(r.err, "no space left on device"));
    assert_non_null(strstr(r.err, "input/output error"));
    assert_non_null(strstr(r.err, "fail_with"));
}

static const aw_local who = AW_LOCAL_INIT("who", "nobody");
static const char *told_as;

static int note_who(const aw_report *report, void *arg)
{
    (void)report;
    (void)arg;
    told_as = aw_local_get(&who);
    return 0;
}

static int set_and_fail(void *arg)
{
    AW_TRY(aw_local_set(&who, arg));
    return -EIO;
}

/* LOOP-022: The handler runs with the task-local values of the task or callback that failed. */
TEST(LOOP_022_handler_has_the_values_of_the_callback)
{
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_set_exception_handler(l, note_who, NULL), 0);
    assert_int_equal(aw_local_set(&who, "main"), 0);
    assert_int_equal(aw_call_soon(set_and_fail, "callback", .loop = l), 0);
    run_one_pass(l);
    assert_string_equal(told_as, "callback");
    assert_string_equal(aw_local_get(&who), "main");
    aw_loop_free(l);
}

TEST(LOOP_022_handler_has_the_values_of_the_task)
{
    aw_loop *l = new_loop();
    assert_int_equal(aw_loop_set_exception_handler(l, note_who, NULL), 0);
    assert_int_equal(aw_local_set(&who, "main"), 0);
    assert_int_equal(aw_spawn(set_and_fail, "task", .loop = l), 0);
    run_one_pass(l);
    run_one_pass(l);
    assert_string_equal(told_as, "task");
    assert_string_equal(aw_local_get(&who), "main");
    aw_loop_free(l);
}
