/*
 * grp_util.h - what the tests of task groups share: children that tell how they were ended, and
 * the list of failures compared row by row.
 */
#ifndef TESTS_CORE_GRP_UTIL_H
#define TESTS_CORE_GRP_UTIL_H

#include "util.h"

/* The failures behind the AW_EGROUP that was returned last: how many there are, and each one. */
static inline const aw_group_error *failure(int index)
{
    const aw_group_error *list = NULL;
    int n = aw_group_errors(&list);
    assert_in_range(index, 0, n - 1);
    return &list[index];
}

static inline int failures(void)
{
    const aw_group_error *list = NULL;
    return aw_group_errors(&list);
}

/* They have these codes, in this order. */
#define assert_failures(...)                                                                       \
    do {                                                                                           \
        const int codes_[] = {__VA_ARGS__};                                                        \
        assert_int_equal(failures(), sizeof codes_ / sizeof codes_[0]);                            \
        for (size_t i_ = 0; i_ < sizeof codes_ / sizeof codes_[0]; i_++)                           \
            assert_int_equal(failure((int)i_)->code, codes_[i_]);                                  \
    } while (0)

/* No request of a scope's own is left behind, and the task can go on. */
static inline void assert_uncancelled(void)
{
    assert_int_equal(aw_cancelling(aw_current_task()), 0);
    assert_int_equal(aw_sleep(0), 0);
}

/* A child: notes its name when it begins, in capitals when its time is over and '-' when it is
 * cancelled; then comes to `result`, or, cancelled, to `answer` after `cleanup` seconds. */
struct child {
    char name;
    double seconds;
    int result;
    int answer;     /* 0: -ECANCELED */
    double cleanup; /* < 0: none */
};

static inline int child(void *arg)
{
    struct child *c = arg;
    note(c->name);
    int err = aw_sleep(c->seconds);
    if (err != -ECANCELED) {
        note((char)(c->name - 'a' + 'A'));
        return c->result;
    }
    note('-');
    if (c->cleanup > 0)
        aw_ignore(aw_sleep(c->cleanup));
    return c->answer ? c->answer : err;
}

/* Starts one in a group, with a copy of what it is told. */
#define COPIED .copy = sizeof(struct child)

static inline int start_child(aw_group *g, struct child *c)
{
    return aw_group_start(g, child, c, COPIED);
}

#define CHILD(name_, seconds_, result_) (&(struct child){name_, seconds_, result_, 0, 0})

/* A child that answers its cancellation with something else, after a while. */
#define STUBBORN(name_, answer_, cleanup_) (&(struct child){name_, 1000, 0, answer_, cleanup_})

#endif
