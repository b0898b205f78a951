/*
 * consumer.h - the consumer as its files share it.
 *
 * A message in hand is a job, which is in one state at a time, and on that state's list:
 *
 *     WAITING --> WORKING --> DONE --> deleting --> gone
 *        |           |
 *        +-----------+--> RETURNING --> gone         or gone at once: it is left to come again
 *
 * Besides, each is on the list of those to be kept invisible, by the time at which that is due,
 * until it is gone; it is off that list while a request about it is under way.
 *
 * Tasks of one group do the work: pollers bring messages, one task for each message runs its
 * handler, one keeper makes visibilities longer and gives messages back, deleters delete.  The
 * keeper is one, so that a message that is given back cannot be hidden again by a request that was
 * made before.  They share fields, and tell each other by events; between two suspensions nothing
 * else runs, so there are no locks.
 */
#ifndef AW_SQS_CONSUMER_H
#define AW_SQS_CONSUMER_H

#include "await/scope.h"
#include "base/list.h"
#include "sqs/sqs.h"

enum aw_sqs_job_state {
    AW_SQS_FRESH, /* not yet in any */
    AW_SQS_WAITING,
    AW_SQS_WORKING,
    AW_SQS_DONE,
    AW_SQS_DELETING,
    AW_SQS_RETURNING,
    AW_SQS_GONE
};

struct aw_sqs_job {
    unsigned refs; /* one of the consumer's until it is gone, others of requests under way */
    enum aw_sqs_job_state state;
    aw_list link;              /* of its state's list; DELETING has none */
    aw_list keep;              /* c->kept */
    aw_sqs_messages *messages; /* holds m */
    const aw_sqs_message *m;
    aw_task *task;     /* WORKING: runs the handler */
    double until;      /* when its visibility ends, as far as is known */
    double due;        /* when to make that longer */
    double done_at;    /* DONE */
    double visibility; /* RETURNING: in how many seconds it may come again */
    unsigned tries;    /* to delete it */
};

struct aw_sqs_consumer {
    unsigned refs;
    aw_sqs_consumer_opts o;
    char *queue;
    aw_loop *loop;
    bool running, stopping, cancelled, closing, starting;
    bool broken; /* the keeper or a deleter was cancelled: it cannot end in good order */
    int result;
    char why[512]; /* of a negative result */

    aw_group *group;
    aw_task **pollers;
    aw_list waiting, working, done, returning, kept;
    unsigned n[AW_SQS_GONE + 1]; /* jobs in each state; gone ones are not counted */
    unsigned in_hand;            /* in all of them */
    unsigned asked;              /* for by polls that are under way */
    unsigned polling;            /* pollers that have not ended */
    aw_event room;               /* for more messages */
    aw_event due;                /* something to return, or to keep */
    aw_event ready;              /* something to delete */
    aw_event ended;              /* nothing is in hand, or it is to stop */
    aw_sqs_consumer_stats stats;
};

/* ---- consumer.c ---- */

/* Something went wrong: tells .on_error, which may end the consumer. */
void aw_sqs_consumer_tell(aw_sqs_consumer *c, int err, const aw_sqs_message *m);

/* The keeper, or a deleter, has ended with this: passed on. */
int aw_sqs_consumer_left(aw_sqs_consumer *c, int err);

/* Waits for the event, at most so long (INFINITY): 0 in either case; -ECANCELED. */
int aw_sqs_wait_event(aw_event *event, double seconds);

/* ---- consumer_work.c ---- */

/* Takes what a poll has brought, and begins with what may be. */
void aw_sqs_consumer_take(aw_sqs_consumer *c, aw_sqs_messages *m);

/* Gives back what no handler has begun with. */
void aw_sqs_consumer_return_waiting(aw_sqs_consumer *c);

/* Into another state; `list` is that state's, or NULL. */
void aw_sqs_job_move(aw_sqs_consumer *c, struct aw_sqs_job *j, enum aw_sqs_job_state state,
                     aw_list *list);
void aw_sqs_job_gone(aw_sqs_consumer *c, struct aw_sqs_job *j);
void aw_sqs_job_unref(struct aw_sqs_job *j);

/* ---- consumer_keep.c ---- */

/* Onto the list of those that are kept, at its place. */
void aw_sqs_job_keep(aw_sqs_consumer *c, struct aw_sqs_job *j, double due);

/* The bodies of the keeper and of a deleter. */
aw_fn aw_sqs_keeper, aw_sqs_deleter;

#endif
