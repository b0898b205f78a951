/*
 * Names: numbers at once, the rest in threads; errors that name the host; lookups given up.
 */
#include "names.h"

#include <math.h>
#include <sched.h>

static char text[AW_ADDRESS_TEXT];

static const char *format(const aw_address *a)
{
    aw_address_format(a, text, sizeof text);
    return text;
}

TEST_IN_LOOP(resolve_numbers_at_once)
{
    aw_address *list;
    names_install();
    int n = 0;
    AW_EXPECT_NO_SUSPEND(n = aw_resolve(&list, "127.0.0.1", "80"));
    assert_int_equal(n, 1);
    assert_string_equal(format(list), "127.0.0.1:80");
    aw_addresses_free(list);
    AW_EXPECT_NO_SUSPEND(n = aw_resolve(&list, "::1", NULL));
    assert_int_equal(n, 1);
    assert_string_equal(format(list), "[::1]:0");
    aw_addresses_free(list);
    assert_int_equal(aw_resolve(&list, NULL, "80", .passive = true), 2);
    assert_string_equal(format(&list[0]), "[::]:80");
    assert_string_equal(format(&list[1]), "0.0.0.0:80");
    aw_addresses_free(list);
    assert_int_equal(aw_resolve(&list, NULL, "80", .family = AF_INET), 1);
    assert_string_equal(format(&list[0]), "127.0.0.1:80");
    aw_addresses_free(list);
    assert_int_equal(names.asked, 0);
}

TEST_IN_LOOP(resolve_names_as_the_system_does)
{
    aw_address *list;
    int n = 0;
    AW_EXPECT_SUSPENDS(n = aw_resolve(&list, "localhost", "80", .family = AF_INET));
    assert_true(n >= 1);
    assert_string_equal(format(list), "127.0.0.1:80");
    aw_addresses_free(list);
}

TEST_IN_LOOP(resolve_several_addresses_in_their_order)
{
    aw_address *list;
    names_install();
    NAMES("192.0.2.1", "::2", "192.0.2.3");
    assert_int_equal(aw_resolve(&list, "three.test", "5"), 3);
    assert_string_equal(format(&list[0]), "192.0.2.1:5");
    assert_string_equal(format(&list[1]), "[::2]:5");
    assert_string_equal(format(&list[2]), "192.0.2.3:5");
    aw_addresses_free(list);
    assert_int_equal(names.freed, 1);
}

/* Each is an error that names what it is about. */
static void assert_refused(int err, int expected, const char *named)
{
    assert_int_equal(err, expected);
    if (!strstr(aw_errmsg(), named))
        fail_msg("'%s' does not say '%s'", aw_errmsg(), named);
}

TEST_IN_LOOP(resolve_errors_name_the_host)
{
    static const int errors[] = {-ENOENT, -ENODATA, -EAGAIN, -EIO, -ENOMEM};
    aw_address *list = INT(1);
    names_install();
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        names.error = errors[i];
        assert_refused(aw_resolve(&list, "no.such.test", "80"), errors[i], "no.such.test");
        assert_null(list);
    }
    assert_int_equal(names.freed, 0);
}

TEST_IN_LOOP(resolve_refuses_bad_arguments)
{
    aw_address *list;
    char name[400];
    names_install();
    memset(name, 'a', sizeof name);
    name[254] = '\0';
    assert_refused(aw_resolve(&list, name, "80"), -ENAMETOOLONG, "aaaa");
    assert_refused(aw_resolve(&list, "", "80"), -EINVAL, "empty");
    assert_refused(aw_resolve(&list, "a.test", "65536"), -EINVAL, "65536");
    assert_refused(aw_resolve(&list, "a.test", "99999999999999999999"), -EINVAL, "9999");
    assert_refused(aw_resolve(&list, "a.test", "80", .family = AF_UNIX), -EINVAL, "family");
    assert_refused(aw_resolve(&list, "::1", "80", .family = AF_INET), -ENODATA, "::1");
    assert_refused(aw_resolve(&list, "a.test", "80", .numeric_only = true), -EINVAL, "a.test");
    assert_refused(aw_resolve(&list, "a.test", "80", .timeout = NAN), -EINVAL, "");
    assert_int_equal(aw_resolve((aw_address **)NULL, "::1", "80"), -EINVAL);
    assert_int_equal(names.asked, 0);
    name[253] = '.';
    NAMES("192.0.2.1");
    assert_int_equal(aw_resolve(&list, name, "80"), 1); /* the dot at the end is no part of it */
    aw_addresses_free(list);
}

/* ---- given up ---- */

static void wait_until(_Atomic int *n, int value)
{
    while (*n != value)
        assert_int_equal(aw_sleep(0), 0);
}

TEST_IN_LOOP(resolve_within_a_time_limit)
{
    aw_address *list;
    names_install();
    names.hangs = true;
    NAMES("192.0.2.1");
    assert_int_equal(aw_resolve(&list, "slow.test", "80", .timeout = 0.01), -ETIMEDOUT);
    assert_null(list);
    wait_until(&names.hanging, 1); /* it is still at it */
    names_let_go(1);
    wait_until(&names.freed, 1); /* and what it finds is given back */
}

static int look_up_slowly(void *arg)
{
    (void)arg;
    aw_address *list;
    return aw_resolve(&list, "slow.test", "80");
}

TEST_IN_LOOP(resolve_cancelled_returns_at_once)
{
    names_install();
    names.hangs = true;
    NAMES("192.0.2.1");
    aw_task *t = aw_create_task(look_up_slowly, NULL);
    wait_until(&names.hanging, 1);
    assert_true(aw_cancel(t, .msg = "enough"));
    assert_int_equal(aw_join(t), -ECANCELED);
    assert_string_equal(aw_errmsg(), "enough");
    names_let_go(1);
    wait_until(&names.freed, 1);
}

static int one_more(void *arg)
{
    return *(int *)arg + 1;
}

/* More lookups than there are threads for them; the pool of the loop is not concerned. */
TEST_IN_LOOP(resolve_slowly_does_not_fill_the_default_pool)
{
    aw_task *tasks[40];
    int one = 1;
    names_install();
    names.hangs = true;
    NAMES("192.0.2.1");
    for (int i = 0; i < 40; i++)
        tasks[i] = aw_create_task(look_up_slowly, NULL);
    wait_until(&names.hanging, 8);
    assert_int_equal(aw_to_thread(one_more, &one), 2);
    for (int i = 0; i < 40; i++) {
        aw_cancel(tasks[i]);
        assert_int_equal(aw_join(tasks[i]), -ECANCELED);
    }
    assert_int_equal(names.asked, 8); /* those that had not begun never do */
    names_let_go(8);
    wait_until(&names.freed, 8);
}

static int leave_it_hanging(void *arg)
{
    (void)arg;
    aw_task *t = aw_create_task(look_up_slowly, NULL);
    wait_until(&names.hanging, 1);
    aw_cancel(t);
    assert_int_equal(aw_join(t), -ECANCELED);
    return 0;
}

/* The loop does not wait for a name server either. */
TEST(resolve_outlives_its_loop)
{
    names_install();
    names.hangs = true;
    NAMES("192.0.2.1");
    assert_int_equal(aw_run(leave_it_hanging, NULL), 0);
    assert_int_equal(names.hanging, 1);
    names_let_go(1);
    while (names.freed != 1)
        sched_yield();
}

TEST(resolve_needs_a_task)
{
    aw_address *list;
    assert_int_equal(aw_resolve(&list, "::1", "80"), AW_EMISUSE);
}
