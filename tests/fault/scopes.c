/*
 * scopes.c - scenarios of structured concurrency: task groups and time limits.
 */
#include "fault/scenarios.h"

/* ---- groups ---- */

struct brood {
    struct owned args[12];
    int started, ended;
};

static struct brood brood;

static int brood_child(void *arg)
{
    int index = (int)((struct owned *)arg - brood.args);
    int err = aw_sleep(1 + index % 3);
    brood.ended++;
    return err;
}

static int start_child(aw_group *g, int i, aw_fn *fn)
{
    int err = aw_group_start(g, fn, &brood.args[i], .release = release_owned);
    brood.args[i].given = err == 0;
    brood.started += err == 0;
    return err;
}

/* Every child that was started has ended when the group has, and those that never began too. */
static int check_brood(const aw_group *g)
{
    CHECK(aw_group_alive(g) == 0 && brood.ended <= brood.started);
    CHECK(owned_settled(brood.args, 12));
    CHECK_CALM(brood.ended == brood.started);
    return 0;
}

static int start_ten(aw_group *g, void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        EXPECT(start_child(g, i, brood_child), 0);
    CHECK(aw_group_alive(g) == 10);
    return 5;
}

/* The code of the only failure behind an error that may be a group's. */
static int only_failure(int err)
{
    const aw_group_error *errors;
    if (err != AW_EGROUP)
        return err;
    int n = aw_group_errors(&errors);
    return n == 1 || (disturbed() && n > 0) ? errors[0].code : WRONG;
}

static int group_of_ten(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    int err = aw_group_call(&g, start_ten, arg);
    AW_TRY(check_brood(&g));
    EXPECT(only_failure(err), 5);
    return 0;
}

SCENARIO(group_of_ten)
{
    brood = (struct brood){0};
    return run_main(group_of_ten, NULL);
}

static int fail_in_group(void *arg)
{
    (void)arg;
    int err = aw_sleep(1.5);
    brood.ended++;
    return err < 0 ? err : -EXDEV;
}

static int clean_up_in_group(void *arg)
{
    int err = clean_up_slowly(arg);
    brood.ended++;
    return err;
}

/* One fails: its siblings are cancelled, and so is the body. */
static int start_failing(aw_group *g, void *arg)
{
    (void)arg;
    EXPECT(start_child(g, 0, brood_child), 0);
    EXPECT(start_child(g, 1, fail_in_group), 0);
    EXPECT(start_child(g, 2, clean_up_in_group), 0);
    return aw_sleep(100);
}

static int group_failure(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    int err = aw_group_call(&g, start_failing, arg);
    AW_TRY(check_brood(&g));
    err = only_failure(err);
    EXPECT(disturbed() && err == 0 ? -EXDEV : err, -EXDEV); /* cancelled before it could fail */
    CHECK_CALM(aw_time() == 2.5 && brood.started == 3);
    return aw_sleep(1);
}

SCENARIO(group_failure)
{
    brood = (struct brood){0};
    return run_main(group_failure, NULL);
}

/* Children that start siblings, a handle that is asked for, a group that is told to end. */
static int start_sibling(void *arg)
{
    aw_group *g = arg;
    int err = aw_sleep(1);
    if (err == 0)
        err = start_child(g, 4, clean_up_in_group);
    return err;
}

static int group_by_hand(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    aw_task *t = NULL;
    (void)arg;
    EXPECT(aw_group_enter(&g), 0);
    aw_group_unwrap(&g);
    int err = start_child(&g, 0, brood_child);
    if (err == 0)
        err = aw_group_start(&g, start_sibling, &g, .ret_task = &t, .name = "elder");
    keep(t);
    if (err == 0)
        err = aw_sleep(2);
    aw_group_cancel(&g);
    err = aw_group_exit(&g, err);
    AW_TRY(check_brood(&g));
    EXPECT(err, 0);
    EXPECT(aw_result(t), 0);
    CHECK_CALM(brood.started == 2);
    return 0;
}

SCENARIO(group_by_hand)
{
    brood = (struct brood){0};
    return run_main(group_by_hand, NULL);
}

static int group_in_a_block(void *arg)
{
    int err = 0;
    (void)arg;
    {
        AW_GROUP_BLOCK(inner, &err);
        if (err == 0)
            err = start_child(&inner.group, 0, brood_child);
        if (err == 0)
            err = aw_group_start(&inner.group, give, INT(3), .eager = true);
    }
    AW_TRY(check_brood(NULL));
    EXPECT(only_failure(err), 0);
    return 0;
}

/* Groups inside a group, each waiting for its own. */
static int outer_group(aw_group *g, void *arg)
{
    EXPECT(aw_group_start(g, group_in_a_block, arg), 0);
    return aw_sleep(1);
}

static int nested_groups(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    int err = aw_group_call(&g, outer_group, arg);
    AW_TRY(check_brood(&g));
    EXPECT(only_failure(err), 0);
    return 0;
}

SCENARIO(groups_nested)
{
    brood = (struct brood){0};
    return run_main(nested_groups, NULL);
}

/* Two failures and the body's: all are told, in order. */
static int fail_when_cancelled(void *arg)
{
    return sleep_long(arg) == -ECANCELED ? -EMLINK : 0;
}

static int start_two_that_fail(aw_group *g, void *arg)
{
    (void)arg;
    EXPECT(aw_group_start(g, give, INT(-EXDEV), .name = "first"), 0);
    EXPECT(aw_group_start(g, fail_when_cancelled, NULL, .eager = true), 0);
    int err = aw_sleep(10);
    return err == -ECANCELED ? -ENOTTY : err;
}

static int group_of_failures(void *arg)
{
    const aw_group_error *errors;
    aw_group g = AW_GROUP_INIT;
    int err = aw_group_call(&g, start_two_that_fail, arg);
    EXPECT(err, AW_EGROUP);
    int n = aw_group_errors(&errors);
    CHECK(n > 0);
    EXPECT(errors[0].code == -EMLINK && disturbed() ? -EXDEV : errors[0].code, -EXDEV);
    CHECK_CALM(n == 3 && errors[1].code == -EMLINK && errors[2].code == -ENOTTY);
    CHECK_CALM(strcmp(errors[0].name, "first") == 0 && *errors[0].msg == '\0');
    return 0;
}

SCENARIO(group_of_failures)
{
    return run_main(group_of_failures, NULL);
}

/* ---- time limits ---- */

static int limits_by_hand(void *arg)
{
    aw_timeout tm = AW_TIMEOUT_INIT, at = AW_TIMEOUT_INIT;
    double now = aw_time();
    (void)arg;
    EXPECT(aw_timeout_enter(&tm, 1), 0);
    CHECK(aw_timeout_when(&tm) == now + 1);
    EXPECT(aw_timeout_exit(&tm, aw_sleep(5)), -ETIMEDOUT);
    CHECK(aw_timeout_expired(&tm) && aw_cancelling(aw_current_task()) == 0);
    EXPECT(aw_timeout_enter_at(&at, now + 2), 0);
    int err = aw_timeout_reschedule(&at, now + 10);
    if (err == 0)
        err = aw_sleep(3);
    EXPECT(aw_timeout_exit(&at, err), 0);
    CHECK(!aw_timeout_expired(&at));
    CHECK_CALM(aw_time() == now + 4);
    return 0;
}

SCENARIO(limits_by_hand)
{
    return run_main(limits_by_hand, NULL);
}

static int limit_of_a_group(void *arg)
{
    int err = 0;
    (void)arg;
    {
        AW_TIMEOUT_BLOCK(limit, 2.5, &err);
        if (err == 0) {
            aw_group g = AW_GROUP_INIT;
            err = aw_group_call(&g, start_ten, NULL);
        }
    }
    AW_TRY(check_brood(NULL));
    EXPECT(only_failure(err), -ETIMEDOUT);
    CHECK_CALM(aw_time() == 2.5);
    return 0;
}

SCENARIO(limit_of_a_group)
{
    brood = (struct brood){0};
    return run_main(limit_of_a_group, NULL);
}
