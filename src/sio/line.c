/*
 * line.c - alarms of one period, in the order in which they are due.
 *
 * Ten thousand clients that are pinged every 25 seconds have one timer: that of the client whose
 * turn is next.  Taking an alarm off is a list removal; the timer may then find nobody, and is set
 * for the one who is first by then.
 */
#include "sio/sio.h"

static int ring(void *arg);

/* A timer for the first one, if there is none.  One that cannot be had is tried for again when the
 * next alarm is set. */
static int set_timer(struct aw_sio_line *line)
{
    if (line->timer || aw_list_empty(&line->waiting))
        return 0;
    struct aw_sio_alarm *first = aw_container_of(line->waiting.next, struct aw_sio_alarm, link);
    return aw_call_at(first->due, ring, line, .handle = &line->timer);
}

static int ring(void *arg)
{
    struct aw_sio_line *line = arg;
    aw_sio *io = aw_sio_ref(line->io); /* the last session may end here */
    double now = aw_time();
    aw_handle_unref(line->timer);
    line->timer = NULL;
    while (!aw_list_empty(&line->waiting)) {
        struct aw_sio_alarm *a = aw_container_of(line->waiting.next, struct aw_sio_alarm, link);
        if (a->due > now)
            break;
        aw_list_remove(&a->link);
        line->fire(io, a);
    }
    int err = set_timer(line);
    aw_sio_unref(io);
    return err;
}

void aw_sio_line_init(struct aw_sio_line *line, aw_sio *io, double period,
                      void (*fire)(aw_sio *io, struct aw_sio_alarm *alarm))
{
    *line = (struct aw_sio_line){.io = io, .period = period, .fire = fire};
    aw_list_init(&line->waiting);
}

int aw_sio_line_set(struct aw_sio_line *line, struct aw_sio_alarm *alarm)
{
    alarm->due = aw_time() + line->period;
    aw_list_push_back(&line->waiting, &alarm->link);
    return set_timer(line);
}

void aw_sio_line_clear(struct aw_sio_line *line)
{
    if (line->timer)
        aw_handle_cancel(line->timer);
    aw_handle_unref(line->timer);
    line->timer = NULL;
}
