/*
 * A process supervisor: keeps services running, and stops them in good order.
 *
 * A service that ends is started again, at first after a tenth of a second, then twice as long each
 * time it fails soon.  SIGTERM or SIGINT (Ctrl-C) ends the supervisor: every service is asked to
 * end, and killed if it has not done so 5 seconds later; none is left behind.
 *
 * Notice that nothing has to be polled, and that stopping is a cancellation like any other: the
 * wait for a child ends with an error, and what has to be done then is written where it belongs.
 */
#include <await.h>
#include <stdio.h>

#define FIRST_PAUSE 0.1
#define LONGEST_PAUSE 30.0
#define GRACE 5.0

struct service {
    const char *name, *command;
    int starts, status; /* how often it was started; how it ended last */
};

/* The second one fails two times; at its third start it asks the supervisor to stop. */
static struct service services[] = {
    {.name = "steady", .command = "exec sleep 1000"},
    {.name = "flaky", .command = "[ $START -lt 3 ] && exit $START; kill -TERM $PPID; sleep 1000"},
};
enum { SERVICES = sizeof services / sizeof *services };

static aw_process *start(struct service *s)
{
    char number[32];
    snprintf(number, sizeof number, "START=%d", ++s->starts);
    const char *const env[] = {number, "PATH=/usr/bin:/bin", NULL};
    aw_process *p = aw_create_subprocess_shell(s->command, .env = env, .new_group = true);
    if (!p)
        printf("%s: %s: %s\n", s->name, aw_strerror(aw_errno()), aw_errmsg());
    return p;
}

/* From its start to its end, of its own accord or because we are asked to stop. */
static int run_once(struct service *s)
{
    aw_process *p = start(s);
    if (!p)
        return aw_errno();
    int err = aw_process_wait(p, &s->status);
    if (err == -ECANCELED)
        aw_ignore(aw_process_stop(p, GRACE, &s->status));
    aw_process_unref(p);
    return err;
}

static int keep_running(void *arg)
{
    struct service *s = arg;
    double pause = FIRST_PAUSE;
    for (;;) {
        double began = aw_time();
        AW_TRY(run_once(s));
        if (aw_time() - began > LONGEST_PAUSE)
            pause = FIRST_PAUSE;
        printf("%s: ended with status %d, starts again in %.1f s\n", s->name, s->status, pause);
        AW_TRY(aw_sleep(pause));
        pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE;
    }
}

static int supervise(aw_group *g, void *arg)
{
    (void)arg;
    for (int i = 0; i < SERVICES; i++)
        AW_TRY(aw_group_start(g, keep_running, &services[i], .name = services[i].name));
    AW_TRY(aw_stop_wait());
    printf("asked to stop\n");
    aw_group_cancel(g);
    return 0;
}

static int run(void *arg)
{
    aw_group g = AW_GROUP_INIT;
    int err = aw_group_call(&g, supervise, arg);
    for (int i = 0; i < SERVICES; i++)
        printf("%s: %d starts, last status %d\n", services[i].name, services[i].starts,
               services[i].status);
    return err;
}

int main(void)
{
    return aw_run(run, NULL, .stop_on = AW_SIGINT_SIGTERM) < 0;
}
