/*
 * job.c - the tasks of handlers.
 *
 * Each is named, in reports, by its handler's function and where that was given.  They are counted:
 * a client has so many at work and no more, and a server is closed when none is left.  What a job
 * holds is given up when its task has ended, or never began.
 */
#include "sio/sio.h"

/* That its client has left, or was ended for not taking what was sent, is no failure of a handler:
 * else clients could have reports written by leaving while they wait for an answer. */
static bool is_of_client(const struct aw_sio_job *job, int err)
{
    const aw_sio_socket *s = job->socket;
    return (err == -ENOTCONN || err == AW_EFULL) &&
           (s->state == AW_SIO_GONE || s->session->doom_reason);
}

static int run_job(void *arg)
{
    struct aw_sio_job *job = arg;
    int err = job->run(job);
    return is_of_client(job, err) ? 0 : err;
}

/* The task has ended: whoever waits for that goes on. */
static void end_job(void *arg)
{
    struct aw_sio_job *job = arg;
    aw_sio *io = job->io;
    aw_list_remove(&job->link);
    if (job->session) {
        job->session->handlers--;
        aw_sio_session_make_room(job->session);
        aw_sio_session_unref(job->session);
    }
    aw_sio_event_unref(job->event);
    aw_sio_socket_unref(job->socket);
    aw_unref(job->task);
    aw_mem_free(job);
    aw_sio_part_ended(io);
    aw_sio_unref(io);
}

void aw_sio_part_ended(aw_sio *io)
{
    if (io->quiet && aw_list_empty(&io->jobs) && aw_list_empty(&io->readers))
        aw_ignore(aw_set_result(io->quiet, 0, NULL));
}

int aw_sio_job_start(const struct aw_sio_job *what, bool is_packet)
{
    struct aw_sio_job *job = aw_mem_alloc(sizeof *job);
    if (!job)
        return -ENOMEM;
    *job = *what;
    aw_list_init(&job->link);
    int err = aw_spawn_(run_job, &(aw_task_opts){.file = job->handler.file,
                                                 .line = job->handler.line,
                                                 .fn_name = job->handler.name,
                                                 .arg = job,
                                                 .release = end_job,
                                                 .stack_size = job->io->opts.stack_size,
                                                 .ret_task = &job->task});
    if (err < 0) {
        aw_mem_free(job);
        return err;
    }
    aw_sio_ref(job->io);
    aw_sio_socket_ref(job->socket);
    aw_sio_event_ref(job->event);
    job->session = is_packet ? aw_sio_session_ref(job->socket->session) : NULL;
    if (job->session)
        job->session->handlers++;
    aw_list_push_back(&job->io->jobs, &job->link);
    return 0;
}
