/*
 * Task-local values: what a task sees, what it inherits, and what nobody else sees.
 */
#include "loop_record.h"

#include <pthread.h>
#include <unistd.h>

static const aw_local colour = AW_LOCAL_INIT("colour", "none");
static const aw_local shape = AW_LOCAL_INIT("shape", NULL);

static const char *colour_here(void)
{
    return aw_local_get(&colour);
}

TEST(local_initial_value_until_set)
{
    assert_string_equal(colour_here(), "none");
    assert_null(aw_local_get(&shape));
}

TEST(local_values_of_a_thread_outside_any_loop)
{
    assert_int_equal(aw_local_set(&colour, "red"), 0);
    assert_string_equal(colour_here(), "red");
    assert_null(aw_local_get(&shape));
    assert_int_equal(aw_local_set(&shape, "round"), 0);
    assert_int_equal(aw_local_set(&colour, "blue"), 0);
    assert_string_equal(colour_here(), "blue");
    assert_string_equal(aw_local_get(&shape), "round");
    assert_int_equal(aw_local_set(&colour, NULL), 0);
    assert_null(aw_local_get(&colour));
}

static void *check_fresh_thread(void *arg)
{
    (void)arg;
    assert_string_equal(colour_here(), "none");
    assert_int_equal(aw_local_set(&colour, "green"), 0);
    assert_string_equal(colour_here(), "green");
    return NULL;
}

TEST(local_threads_are_apart)
{
    pthread_t thread;
    assert_int_equal(aw_local_set(&colour, "red"), 0);
    assert_int_equal(pthread_create(&thread, NULL, check_fresh_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(colour_here(), "red");
}

/* Records what it sees first, sets its own value, and sees it again after each suspension. */
struct painter {
    char *paint;
    char inherited[16], kept[16];
};

static int paint(void *arg)
{
    struct painter *p = arg;
    snprintf(p->inherited, sizeof p->inherited, "%s", colour_here());
    AW_TRY(aw_local_set(&colour, p->paint));
    AW_TRY(aw_sleep(0));
    AW_TRY(aw_sleep(0.1));
    snprintf(p->kept, sizeof p->kept, "%s", colour_here());
    return 0;
}

static int two_painters(void *arg)
{
    (void)arg;
    struct painter a = {.paint = "red"}, b = {.paint = "blue"};
    AW_TRY(aw_local_set(&colour, "white"));
    AW_TRY(aw_gather(AW_CORO(paint, &a), AW_CORO(paint, &b)));
    assert_string_equal(a.inherited, "white");
    assert_string_equal(b.inherited, "white");
    assert_string_equal(a.kept, "red");
    assert_string_equal(b.kept, "blue");
    assert_string_equal(colour_here(), "white");
    return 0;
}

TEST(local_tasks_inherit_and_are_apart)
{
    assert_int_equal(aw_run(two_painters, NULL), 0);
    assert_string_equal(colour_here(), "none");
}

TEST(local_main_task_inherits_from_its_thread)
{
    struct painter p = {.paint = "black"};
    assert_int_equal(aw_local_set(&colour, "thread's"), 0);
    assert_int_equal(aw_run(paint, &p), 0);
    assert_string_equal(p.inherited, "thread's");
    assert_string_equal(p.kept, "black");
    assert_string_equal(colour_here(), "thread's");
}

/* What counts is the moment of creation, not that of the first step. */
static int inherit_at_creation(void *arg)
{
    (void)arg;
    struct painter p = {.paint = "red"}, eager = {.paint = "green"};
    AW_TRY(aw_local_set(&colour, "before"));
    aw_task *t = aw_create_task(paint, &p);
    AW_TRY(aw_local_set(&colour, "after"));
    aw_task *e = aw_create_task(paint, &eager, .eager = true);
    assert_string_equal(eager.inherited, "after");
    assert_string_equal(colour_here(), "after");
    AW_TRY(aw_join(t));
    AW_TRY(aw_join(e));
    assert_string_equal(p.inherited, "before");
    assert_string_equal(eager.kept, "green");
    assert_string_equal(colour_here(), "after");
    return 0;
}

TEST(local_values_are_taken_when_the_task_is_created)
{
    assert_int_equal(aw_run(inherit_at_creation, NULL), 0);
}

/* A callback that notes the colour it runs with and leaves another one behind. */
struct note {
    struct record *record;
    int fd;
};

static int note_colour(void *arg)
{
    struct record *r = arg;
    note(r, colour_here());
    return aw_local_set(&colour, "callback's");
}

static int note_colour_when_done(aw_future *f, void *arg)
{
    (void)f;
    return note_colour(arg);
}

static int schedule_coloured(void *arg)
{
    struct record *r = arg;
    aw_future *f = aw_future_new();
    AW_TRY(aw_local_set(&colour, "soon"));
    AW_TRY(aw_call_soon(note_colour, r));
    AW_TRY(aw_local_set(&colour, "later"));
    AW_TRY(aw_call_later(0.5, note_colour, r));
    AW_TRY(aw_local_set(&colour, "done"));
    AW_TRY(aw_add_done_callback(f, note_colour_when_done, r));
    AW_TRY(aw_local_set(&colour, "own"));
    AW_TRY(aw_set_result(f, 0, NULL));
    AW_TRY(aw_sleep(1));
    note(r, colour_here());
    aw_unref(f);
    return 0;
}

TEST(local_callbacks_run_with_their_schedulers_values)
{
    struct record r = {""};
    assert_int_equal(aw_run(schedule_coloured, &r), 0);
    assert_record(r, "soon done later own");
    assert_string_equal(colour_here(), "none");
}

static int note_colour_and_drain(void *arg)
{
    struct note *n = arg;
    char c;
    assert_int_equal(read(n->fd, &c, 1), 1);
    return note_colour(n->record);
}

TEST(local_readers_run_with_the_values_of_who_added_them)
{
    int fds[2];
    struct record r = {""};
    assert_int_equal(pipe(fds), 0);
    aw_loop *l = new_loop();
    struct note n = {&r, fds[0]};
    assert_int_equal(aw_local_set(&colour, "adder's"), 0);
    assert_int_equal(aw_add_reader(fds[0], note_colour_and_drain, &n, .loop = l), 0);
    assert_int_equal(aw_local_set(&colour, "thread's"), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    run_one_pass(l);
    assert_record(r, "adder's");
    assert_string_equal(colour_here(), "thread's");
    aw_remove_reader(l, fds[0]);
    aw_loop_free(l);
    close(fds[0]);
    close(fds[1]);
}

static aw_context *context_with(char *value)
{
    char *before = aw_local_get(&colour);
    assert_int_equal(aw_local_set(&colour, value), 0);
    aw_context *c = aw_copy_context();
    assert_int_equal(aw_local_set(&colour, before), 0);
    return c;
}

TEST(local_explicit_context)
{
    struct record r = {""};
    struct painter p = {.paint = "red"};
    aw_loop *l = new_loop();
    aw_context *c = context_with("chosen");
    assert_non_null(c);
    assert_int_equal(aw_local_set(&colour, "thread's"), 0);
    assert_int_equal(aw_call_soon(note_colour, &r, .loop = l, .context = c), 0);
    assert_int_equal(aw_call_later(0.1, note_colour, &r, .loop = l, .context = c), 0);
    aw_task *t = aw_create_task(paint, &p, .loop = l, .context = c);
    aw_context_unref(c);
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    run_for(l, 1);
    assert_string_equal(p.inherited, "chosen");
    assert_record(r, "chosen chosen");
    assert_string_equal(colour_here(), "thread's");
    aw_unref(t);
    aw_loop_free(l);
}

TEST(local_context_is_a_snapshot)
{
    struct record r = {""};
    aw_loop *l = new_loop();
    assert_int_equal(aw_local_set(&colour, "then"), 0);
    aw_context *c = aw_copy_context();
    assert_int_equal(aw_local_set(&colour, "now"), 0);
    assert_int_equal(aw_call_soon(note_colour, &r, .loop = l, .context = c), 0);
    run_one_pass(l);
    assert_record(r, "then");
    assert_int_equal(aw_call_soon(note_colour, &r, .loop = l, .context = c), 0);
    run_one_pass(l);
    assert_record(r, "then then"); /* what a callback sets is lost with it */
    aw_context_unref(c);
    aw_context_unref(NULL);
    aw_loop_free(l);
}

TEST(local_empty_context_hides_the_threads_values)
{
    struct record r = {""};
    aw_loop *l = new_loop();
    aw_context *empty = aw_copy_context();
    assert_non_null(empty);
    assert_int_equal(aw_local_set(&colour, "thread's"), 0);
    assert_int_equal(aw_call_soon(note_colour, &r, .loop = l, .context = empty), 0);
    run_one_pass(l);
    assert_record(r, "none");
    aw_context_unref(empty);
    aw_loop_free(l);
}

static void *run_elsewhere(void *arg)
{
    run_for(arg, 1);
    return NULL;
}

/* A loop that is handed to another thread takes values along that its maker goes on using. */
TEST(local_values_shared_with_a_loop_that_another_thread_runs)
{
    enum { PAINTERS = 200 };
    static struct painter painters[PAINTERS];
    pthread_t thread;
    aw_loop *l = new_loop();
    assert_int_equal(aw_local_set(&colour, "maker's"), 0);
    for (int i = 0; i < PAINTERS; i++) {
        painters[i].paint = "own";
        assert_int_equal(aw_spawn(paint, &painters[i], .loop = l), 0);
    }
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, l), 0);
    for (int i = 0; i < PAINTERS; i++) {
        aw_context *c = aw_copy_context();
        assert_int_equal(aw_local_set(&shape, &painters[i]), 0);
        aw_context_unref(c);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < PAINTERS; i++) {
        assert_string_equal(painters[i].inherited, "maker's");
        assert_string_equal(painters[i].kept, "own");
    }
    aw_loop_free(l);
}

/* Many variables, and setting one of them many times, cost what they hold and no more. */
TEST(local_many_variables)
{
    enum { VARIABLES = 100 };
    static aw_local vars[VARIABLES];
    for (int i = 0; i < VARIABLES; i++)
        vars[i] = (aw_local){"v", &vars[i]};
    for (int round = 0; round < 100; round++)
        for (int i = round % 2; i < VARIABLES; i += 2)
            assert_int_equal(aw_local_set(&vars[i], &vars[(i + round) % VARIABLES]), 0);
    for (int i = 0; i < VARIABLES; i++)
        assert_ptr_equal(aw_local_get(&vars[i]), &vars[(i + 98 + i % 2) % VARIABLES]);
}

TEST(local_bad_input)
{
    assert_int_equal(aw_local_set(NULL, "x"), -EINVAL);
    assert_null(aw_local_get(NULL));
}
