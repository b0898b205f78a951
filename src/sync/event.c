/*
 * event.c - a flag that tasks wait for.
 *
 * Setting it takes everybody out of line, so that clearing it again at once changes nothing for
 * them, and who comes in between finds it set and does not wait at all.
 */
#include "sync/wait.h"

static int check(const aw_event *event)
{
    return AW_LIKELY(event != NULL) ? 0 : aw_fail(-EINVAL, "the event is NULL");
}

int aw_event_set(aw_event *event)
{
    AW_TRY(check(event));
    AW_TRY(aw_waiters_check(&event->waiters));
    event->is_set = true;
    while (event->waiters.first)
        aw_waiter_wake(event->waiters.first);
    return 0;
}

int aw_event_clear(aw_event *event)
{
    AW_TRY(check(event));
    event->is_set = false;
    return 0;
}

bool aw_event_is_set(const aw_event *event)
{
    return event && event->is_set;
}

static void describe(const struct aw_wait *w, aw_buf *out)
{
    const aw_event *event = w->object;
    aw_waiters_describe(&event->waiters, "event", out);
}

static const struct aw_wait_kind wait_kind = AW_SYNC_KIND("aw_event_wait", describe);

int aw_event_wait(aw_event *event)
{
    AW_TRY(check(event));
    if (AW_UNLIKELY(!aw_sync_task()))
        return aw_no_loop();
    if (event->is_set)
        return 0;
    AW_TRY(aw_sync_claim(&event->loop, event->waiters.first, "the event belongs to another loop"));
    struct aw_waiter w = {.stays = false};
    return aw_waiter_sleep(&event->waiters, &w,
                           &(struct aw_sync_call){&wait_kind, event, __builtin_return_address(0)});
}
