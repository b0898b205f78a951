/*
 * futures.c - scenarios of plain futures, callbacks on them, coroutine objects, task-local values.
 */
#include "fault/scenarios.h"

/* ---- futures ---- */

static int set_and_read(void *arg)
{
    static int thing;
    aw_future *good, *bad, *copy;
    (void)arg;
    MAKE(good, aw_future_new());
    MAKE(bad, aw_future_new());
    MAKE(copy, aw_future_new());
    EXPECT(aw_set_result(good, 3, &thing), 0);
    CHECK(aw_done(good) && !aw_cancelled(good) && aw_error(good) == 0 && aw_result(good) == 3);
    CHECK(aw_value(good) == &thing);
    EXPECT(aw_set_error(bad, -EXDEV, .msg = "over there"), 0);
    EXPECT(aw_copy_outcome(copy, bad), 0);
    EXPECT(aw_error(bad), -EXDEV);
    EXPECT(aw_await(copy), -EXDEV);
    CHECK_CALM(strcmp(aw_errmsg(), "over there") == 0);
    CHECK(aw_set_result(good, 4, NULL) == AW_ESTATE && aw_cancelling(good) == 0);
    return 0;
}

SCENARIO(set_and_read)
{
    return run_main(set_and_read, NULL);
}

/* A mailbox of one: whoever takes waits on a future that whoever gives makes ready. */
struct mailbox {
    aw_future *full, *empty;
    int letter, sum;
};

static void mailbox_give_up(struct mailbox *m)
{
    if (m->full)
        aw_cancel(m->full);
    if (m->empty)
        aw_cancel(m->empty);
}

static int mailbox_wait(aw_future **place)
{
    MAKE(*place, aw_future_new());
    int err = aw_await(*place);
    *place = NULL;
    return err;
}

static void mailbox_tell(aw_future *f)
{
    if (f && !aw_done(f))
        aw_ignore(aw_set_result(f, 0, NULL));
}

static int take_letters(void *arg)
{
    struct mailbox *m = arg;
    for (int i = 0; i < 5; i++) {
        int err = m->letter ? 0 : mailbox_wait(&m->full);
        if (err < 0 || !m->letter) {
            mailbox_give_up(m);
            return err;
        }
        m->sum += m->letter;
        m->letter = 0;
        mailbox_tell(m->empty);
    }
    return 0;
}

static int give_letters(void *arg)
{
    struct mailbox *m = arg;
    for (int i = 1; i <= 5; i++) {
        int err = m->letter ? mailbox_wait(&m->empty) : 0;
        if (err < 0 || m->letter) {
            mailbox_give_up(m);
            return err;
        }
        m->letter = i;
        mailbox_tell(m->full);
        if (i % 2 && (err = aw_sleep(1)) < 0) {
            mailbox_give_up(m);
            return err;
        }
    }
    return 0;
}

static int mailbox(void *arg)
{
    struct mailbox *m = arg;
    EXPECT(aw_gather(AW_CORO(take_letters, m), AW_CORO(give_letters, m)), 0);
    CHECK(m->sum == 15);
    return 0;
}

SCENARIO(mailbox)
{
    struct mailbox m = {0};
    return run_main(mailbox, &m);
}

/* A failure that nobody looks at is reported once. */
static int unlooked(void *arg)
{
    (void)arg;
    aw_future *f = aw_future_new();
    if (!f)
        return aw_errno();
    EXPECT(aw_set_error(f, -EXDEV, .msg = "unseen"), 0);
    aw_unref(aw_ref(f));
    aw_unref(f);
    return 0;
}

SCENARIO(unlooked_failure)
{
    announce_reports(1);
    EXPECT(run_main(unlooked, NULL), 0);
    CHECK(reports_made() == 1);
    return 0;
}

/* ---- callbacks on futures ---- */

static int count_callback(aw_future *f, void *arg)
{
    *(int *)arg = *(int *)arg * 10 + aw_result(f);
    return 0;
}

static int done_callbacks(void *arg)
{
    int *n = arg, other = 0;
    aw_future *f;
    MAKE(f, aw_future_new());
    EXPECT(aw_add_done_callback(f, count_callback, &other), 0);
    EXPECT(aw_add_done_callback(f, count_callback, n), 0);
    EXPECT(aw_add_done_callback(f, count_callback, n), 0);
    EXPECT(aw_remove_done_callback(f, count_callback, &other), 1);
    EXPECT(aw_set_result(f, 2, NULL), 0);
    EXPECT(aw_add_done_callback(f, count_callback, n), 0);
    AW_TRY(aw_sleep(1));
    CHECK(*n == 222 && other == 0);
    return 0;
}

SCENARIO(done_callbacks)
{
    int n = 0;
    return run_main(done_callbacks, &n);
}

static int refuse_callback(aw_future *f, void *arg)
{
    (void)f, (void)arg;
    return -EXDEV;
}

/* On tasks that fail, are cancelled, and are never waited for. */
static int done_callbacks_of_tasks(void *arg)
{
    aw_task *t[3];
    (void)arg;
    for (int i = 0; i < 3; i++) {
        MAKE(t[i],
             aw_create_task(give_later, (&(struct later){1 + i, i}), .copy = sizeof(struct later)));
        EXPECT(aw_add_done_callback(t[i], refuse_callback, NULL), 0);
    }
    AW_TRY(aw_sleep(1));
    aw_cancel(t[2]);
    AW_TRY(aw_sleep(2));
    CHECK_CALM(aw_done(t[0]) && aw_done(t[1]) && aw_done(t[2]));
    return 0;
}

SCENARIO(done_callbacks_of_tasks)
{
    announce_reports(3);
    return run_main(done_callbacks_of_tasks, NULL);
}

/* ---- coroutine objects ---- */

struct objects {
    struct owned args[5];
};

static int use_objects(void *arg)
{
    aw_coro *c[4] = {NULL};
    aw_task *t = NULL;
    int err = 0;
    (void)arg;
    for (int i = 0; i < 4 && err == 0; i++) {
        c[i] = aw_coro_new(give_later, (&(struct later){1, i}), .copy = sizeof(struct later));
        err = c[i] ? 0 : aw_errno();
    }
    if (err == 0)
        err = aw_gather(AW_USE(c[0]), AW_USE(c[1]), AW_USE(c[0]));
    if (err == 0 && !(t = keep(aw_task_of(c[2]))))
        err = aw_errno();
    if (err == 0)
        err = aw_await(t) == 2 ? aw_join(aw_task_of(c[3])) : aw_result(t);
    for (int i = 0; i < 4; i++)
        aw_coro_unref(c[i]);
    return err;
}

SCENARIO(coroutine_objects)
{
    EXPECT(run_main(use_objects, NULL), 3);
    return 0;
}

/* Given away with .release: as work, as a task, and not at all. */
static int released_objects(void *arg)
{
    struct objects *o = arg;
    for (int i = 0; i < 5; i++) {
        aw_coro *c =
            aw_coro_new(sleep_long, &o->args[i], .release = release_owned, .name = "object");
        if (!c)
            return aw_errno();
        o->args[i].given = 1;
        aw_task *t = i < 2 ? keep(aw_task_of(c)) : NULL;
        int err = i < 2 && !t ? aw_errno() : 0;
        if (i == 2)
            err = aw_timeout_call(1, await_it, keep(aw_task_of(c)));
        aw_coro_unref(c);
        EXPECT(err == -ETIMEDOUT ? 0 : err, 0);
        if (t && i == 0)
            aw_cancel(t);
    }
    return aw_sleep(1);
}

SCENARIO(released_objects)
{
    struct objects o = {0};
    announce_reports(3); /* two are never used, one is still asleep at the end */
    int err = run_main(released_objects, &o);
    CHECK(owned_settled(o.args, 5));
    return err;
}

/* Objects in a gather that fails, or that cannot be started. */
static int objects_in_a_gather(void *arg)
{
    struct objects *o = arg;
    aw_coro *c[5] = {NULL};
    int err = 0;
    for (int i = 0; i < 5 && err == 0; i++) {
        c[i] = aw_coro_new(sleep_long, &o->args[i], .release = release_owned);
        err = c[i] ? 0 : aw_errno();
        o->args[i].given = c[i] != NULL;
    }
    const aw_work works[6] = {AW_USE(c[0]), AW_USE(c[1]), AW_CORO(give, INT(-EXDEV)),
                              AW_USE(c[2]), AW_USE(c[3]), AW_USE(c[4])};
    if (err == 0)
        err = aw_gather_array(works, 6, .limit = 4);
    for (int i = 0; i < 5; i++)
        aw_coro_unref(c[i]);
    EXPECT(err, -EXDEV);
    return 0;
}

SCENARIO(objects_in_a_gather)
{
    struct objects o = {0};
    int err = run_main(objects_in_a_gather, &o);
    CHECK(owned_settled(o.args, 5));
    return err;
}

/* ---- task-local values ---- */

static const aw_local user = AW_LOCAL_INIT("user", "nobody");
static const aw_local step = AW_LOCAL_INIT("step", NULL);

static int has_user(const char *name)
{
    return strcmp(aw_local_get(&user), name) == 0 ? 0 : WRONG;
}

static int local_child(void *arg)
{
    AW_TRY(has_user("anna"));
    EXPECT(aw_local_set(&user, arg), 0);
    EXPECT(aw_local_set(&step, arg), 0);
    AW_TRY(aw_sleep(1));
    return has_user(arg);
}

static int local_outsider(void *arg)
{
    (void)arg;
    return has_user("nobody");
}

static int local_callback(void *arg)
{
    *(int *)arg = has_user("anna");
    return 0;
}

static int locals(void *arg)
{
    static int in_callback;
    in_callback = 1;
    aw_context *fresh = aw_copy_context();
    if (!fresh)
        return aw_errno();
    aw_task *outsider = keep(aw_create_task(local_outsider, arg, .context = fresh));
    aw_context_unref(fresh);
    if (!outsider)
        return aw_errno();
    EXPECT(aw_local_set(&user, "anna"), 0);
    EXPECT(aw_call_soon(local_callback, &in_callback), 0);
    int err = aw_gather(AW_CORO(local_child, "bert"), AW_CORO(local_child, "carl"));
    EXPECT(err, 0);
    CHECK(in_callback == 0 && has_user("anna") == 0 && !aw_local_get(&step));
    EXPECT(aw_await(outsider), 0);
    return 0;
}

SCENARIO(locals)
{
    return run_main(locals, NULL);
}
