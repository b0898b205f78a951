/*
 * The ends of what there is: memory, mappings, descriptors, sizes that make no sense, and very
 * many timers at once.  Each is an error of the call that met it, and the loop goes on.
 */
#include "core/core.h"
#include "loop_record.h"

#include <math.h>
#include <unistd.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- sizes ---- */

static int senseless_sizes(void *arg)
{
    char big[32768] = {0};
    (void)arg;
    assert_null(aw_create_task(nothing, NULL, .stack_size = (size_t)-1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(nothing, NULL, .stack_size = (size_t)-4096));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(nothing, big, .copy = (size_t)-1));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(nothing, NULL, .copy = 8));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_null(aw_create_task(nothing, big, .copy = 65536));
    assert_int_equal(aw_errno(), -EINVAL);
    assert_true(aw_errmsg()[0] != '\0');
    assert_int_equal(aw_join(aw_create_task(nothing, NULL, .stack_size = 1)), -EINVAL);
    assert_non_null(strstr(aw_errmsg(), ".stack_size"));
    assert_int_equal(aw_join(aw_create_task(nothing, NULL, .stack_size = 16384)), 0);
    assert_int_equal(aw_join(aw_create_task(nothing, big, .copy = 32768)), 0);
    return 0;
}

TEST(badinput_sizes_that_make_no_sense)
{
    assert_int_equal(aw_run(senseless_sizes, NULL), 0);
    assert_int_equal(aw_run(nothing, NULL, .stack_size = (size_t)-1), -EINVAL);
}

/* A copy for every size that a small stack might just hold: it fits, or it is refused. */
static int copies_of_all_sizes(void *arg)
{
    static char big[16384];
    int fitted = 0, refused = 0;
    (void)arg;
    for (size_t size = 1; size <= sizeof big; size += 61) {
        int err = aw_join(aw_create_task(nothing, big, .stack_size = 16384, .copy = size));
        assert_true(err == 0 || err == -EINVAL);
        *(err == 0 ? &fitted : &refused) += 1;
    }
    assert_true(fitted > 0 && refused > 0);
    return 0;
}

TEST(badinput_copy_that_leaves_no_stack)
{
    assert_int_equal(aw_run(copies_of_all_sizes, NULL), 0);
}

/* ---- mappings ---- */

/* Where each guard is a mapping of its own. */
static int (*real_protect_none)(void *addr, size_t size);
static int guards_left;

static int no_guard_by_advice(void *first, size_t stride, size_t count)
{
    (void)first, (void)stride, (void)count;
    return -EINVAL;
}

static int rationed_protect_none(void *addr, size_t size)
{
    return guards_left-- > 0 ? real_protect_none(addr, size) : -ENOMEM;
}

static int sleep_a_while(void *arg)
{
    *(int *)arg += 1;
    return aw_sleep(1);
}

static int meet_the_map_limit(void *arg)
{
    enum { MORE = 20 };
    aw_task *t[MORE];
    int started = 0, n = 0;
    (void)arg;
    aw_sys.guard = no_guard_by_advice;
    real_protect_none = aw_sys.protect_none;
    aw_sys.protect_none = rationed_protect_none;
    guards_left = 5;
    while (n < MORE && (t[n] = aw_create_task(sleep_a_while, &started)) != NULL)
        n++;
    assert_int_equal(n, 5);
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_non_null(strstr(aw_errmsg(), "vm.max_map_count"));
    assert_int_equal(aw_spawn(sleep_a_while, &started), -ENOMEM);
    assert_int_equal(aw_gather(AW_CORO(sleep_a_while, &started)), -ENOMEM);
    for (int i = 0; i < n; i++)
        AW_TRY(aw_join(t[i]));
    assert_int_equal(started, 5);
    AW_TRY(aw_join(aw_create_task(sleep_a_while, &started))); /* a stack is free again */
    aw_sys.protect_none = real_protect_none;
    return 0;
}

TEST(badinput_map_count_reached)
{
    assert_int_equal(aw_run(meet_the_map_limit, NULL), 0);
}

static int no_guards_at_all(void *addr, size_t size)
{
    (void)addr;
    (void)size;
    return -ENOMEM;
}

TEST(badinput_map_count_reached_before_the_run)
{
    aw_sys.guard = no_guard_by_advice;
    real_protect_none = aw_sys.protect_none;
    aw_sys.protect_none = no_guards_at_all;
    assert_int_equal(aw_run(nothing, NULL), -ENOMEM);
    assert_non_null(strstr(aw_errmsg(), "vm.max_map_count"));
    aw_sys.protect_none = real_protect_none;
    assert_int_equal(aw_run(nothing, NULL), 0);
}

static int no_map(void **ret, size_t size)
{
    (void)ret;
    (void)size;
    return -ENOMEM;
}

static int run_without_address_space(void *arg)
{
    int (*real_map)(void **, size_t) = aw_sys.map;
    (void)arg;
    aw_sys.map = no_map;
    assert_null(aw_create_task(nothing, NULL, .stack_size = 1 << 20));
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_true(aw_errmsg()[0] != '\0');
    aw_sys.map = real_map;
    return aw_join(aw_create_task(nothing, NULL, .stack_size = 1 << 20));
}

TEST(badinput_no_address_space)
{
    assert_int_equal(aw_run(run_without_address_space, NULL), 0);
}

/* ---- memory ---- */

struct memory {
    bool empty;
    size_t live, refused;
};

static void *rationed_alloc(size_t size, void *arg)
{
    struct memory *m = arg;
    if (m->empty) {
        m->refused++;
        return NULL;
    }
    m->live++;
    return malloc(size);
}

static void rationed_free(void *ptr, void *arg)
{
    struct memory *m = arg;
    m->live -= ptr != NULL;
    free(ptr);
}

static int fail_without_memory(struct memory *m)
{
    aw_handle *h = NULL;
    aw_future *f = aw_future_new(), *fs[12];
    for (int i = 0; i < 12; i++)
        fs[i] = f;
    m->empty = true;
    assert_null(aw_future_new());
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_int_equal(aw_call_soon(nothing, NULL, .handle = &h), -ENOMEM);
    assert_int_equal(aw_call_later(1, nothing, NULL, .handle = &h), -ENOMEM);
    assert_null(h);
    assert_null(aw_gather_new(fs, 12));
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_null(aw_shield(f));
    assert_null(aw_coro_new(nothing, NULL));
    assert_null(aw_create_task(nothing, NULL, .name = "named"));
    assert_int_equal(aw_wait(fs, 12, AW_ALL_COMPLETED, .timeout = 1), -ENOMEM);
    assert_int_equal(aw_set_task_name(aw_current_task(), "x"), -ENOMEM);
    assert_int_equal(aw_errno(), -ENOMEM);
    m->empty = false;
    aw_unref(f);
    return 0;
}

/* Awaiting, sleeping, cancelling and time limits need no memory at all. */
static int wait_without_memory(struct memory *m)
{
    int ran = 0;
    aw_future *f = aw_future_new(), *fs[] = {f, f};
    aw_task *t = aw_create_task(sleep_a_while, &ran);
    m->empty = true;
    m->refused = 0;
    assert_int_equal(aw_sleep(0.1), 0);
    assert_int_equal(aw_timeout_call(0.1, sleep_a_while, &ran), -ETIMEDOUT);
    assert_int_equal(aw_wait(fs, 2, AW_ALL_COMPLETED, .timeout = 0.1), 0);
    assert_int_equal(aw_wait_for(f, 0.1), -ETIMEDOUT);
    assert_true(aw_cancel(t));
    assert_int_equal(aw_await(t), -ECANCELED);
    assert_int_equal(m->refused, 0);
    m->empty = false;
    aw_unref(t);
    aw_unref(f);
    return 0;
}

static int without_memory(void *arg)
{
    AW_TRY(fail_without_memory(arg));
    AW_TRY(wait_without_memory(arg));
    return aw_sleep(0.1);
}

TEST(badinput_no_memory)
{
    struct memory m = {.empty = true};
    aw_allocator allocator = {rationed_alloc, rationed_free, &m};
    assert_int_equal(aw_set_allocator(&allocator), 0);
    assert_null(aw_loop_new());
    assert_int_equal(aw_errno(), -ENOMEM);
    assert_int_equal(aw_run(nothing, NULL), -ENOMEM);
    assert_int_equal(aw_local_set(&(aw_local){"v", NULL}, "x"), -ENOMEM);
    m.empty = false;
    assert_int_equal(aw_run(without_memory, &m), 0);
    assert_int_equal(m.live, 0);
    assert_int_equal(aw_set_allocator(NULL), 0);
}

TEST(badinput_allocator_with_a_function_missing)
{
    aw_allocator no_free = {.alloc = rationed_alloc}, no_alloc = {.free = rationed_free};
    assert_int_equal(aw_set_allocator(&no_free), -EINVAL);
    assert_int_equal(aw_set_allocator(&no_alloc), -EINVAL);
    assert_int_equal(aw_run(nothing, NULL), 0);
}

/* ---- descriptors ---- */

TEST(badinput_no_descriptors)
{
    size_t before = limit_descriptors(3);
    int err = aw_run(nothing, NULL);
    limit_descriptors(before);
    assert_int_equal(err, -EMFILE);
    assert_true(aw_errmsg()[0] != '\0'); /* what could not be opened */
    assert_int_equal(aw_run(nothing, NULL), 0);
}

/* One descriptor more at each try: whatever is missing, what was opened is closed again. */
TEST(badinput_descriptors_run_out_half_way)
{
    int lowest_free = dup(0), err = -EMFILE, tries = 0;
    close(lowest_free);
    for (; err == -EMFILE && tries < 10; tries++) {
        size_t before = limit_descriptors((size_t)(lowest_free + tries));
        err = aw_run(nothing, NULL);
        limit_descriptors(before);
        int free_now = dup(0);
        assert_int_equal(free_now, lowest_free);
        close(free_now);
    }
    assert_int_equal(err, 0);
    assert_true(tries > 1);
}

/* A loop that could not open its backend can try again. */
TEST(badinput_no_descriptors_for_a_while)
{
    aw_loop *l = new_loop();
    aw_task *t = aw_create_task(nothing, NULL, .loop = l);
    size_t before = limit_descriptors(3);
    int until_complete = aw_loop_run_until_complete(l, t), forever = aw_loop_run_forever(l);
    limit_descriptors(before);
    assert_int_equal(until_complete, -EMFILE);
    assert_int_equal(forever, -EMFILE);
    assert_false(aw_done(t));
    assert_int_equal(aw_loop_run_until_complete(l, t), 0);
    aw_unref(t);
    aw_loop_free(l);
}

TEST(badinput_backend_that_does_not_exist)
{
    assert_int_equal(aw_run(nothing, NULL, .backend = "carrier pigeon"), -EINVAL);
    assert_true(aw_errmsg()[0] != '\0');
    assert_int_equal(aw_run(nothing, NULL, .backend = "epoll"), 0);
}

/* ---- timers ---- */

static int expected_next, wrong;

static int check_turn(void *arg)
{
    wrong += (int)(intptr_t)arg != expected_next;
    expected_next++;
    return 0;
}

TEST(badinput_hundred_thousand_timers_at_one_instant)
{
    const int n = (int)test_scale(100000, 20000);
    aw_loop *l = new_loop();
    double when = aw_loop_time(l) + 1;
    for (int i = 0; i < n; i++)
        assert_int_equal(aw_call_at(when, check_turn, (void *)(intptr_t)i, .loop = l), 0);
    run_for(l, 2);
    assert_int_equal(expected_next, n);
    assert_int_equal(wrong, 0);
    aw_loop_free(l);
}

static int sleep_in_turn(void *arg)
{
    AW_TRY(aw_sleep(1));
    return check_turn(arg);
}

TEST(badinput_thousands_of_sleepers_waking_at_one_instant)
{
    const int n = (int)test_scale(10000, 500);
    aw_loop *l = new_loop();
    for (int i = 0; i < n; i++)
        assert_int_equal(aw_spawn(sleep_in_turn, (void *)(intptr_t)i, .loop = l), 0);
    run_for(l, 2);
    assert_int_equal(expected_next, n);
    assert_int_equal(wrong, 0);
    aw_loop_free(l);
}

/* A timer that is never due is let go of when its loop closes, or by its handle. */
TEST(badinput_timer_that_is_never_due)
{
    struct memory m = {0};
    aw_handle *h = NULL;
    aw_allocator allocator = {rationed_alloc, rationed_free, &m};
    assert_int_equal(aw_set_allocator(&allocator), 0);
    aw_loop *l = new_loop();
    assert_int_equal(aw_call_later((double)INFINITY, nothing, NULL, .loop = l), 0);
    assert_int_equal(aw_call_later(1e300, nothing, NULL, .loop = l, .handle = &h), 0);
    assert_true(isinf(aw_handle_when(h)) || aw_handle_when(h) > 1e299);
    run_for(l, 1e6);
    aw_handle_cancel(h);
    assert_true(aw_handle_cancelled(h));
    aw_handle_unref(h);
    aw_loop_free(l);
    assert_int_equal(m.live, 0);
    assert_int_equal(aw_set_allocator(NULL), 0);
}
