/*
 * testing_calls.h - every public call that suspends, in a form that waits until it is cancelled,
 * and in a form that has nothing to wait for.
 */
#ifndef TESTS_CORE_TESTING_CALLS_H
#define TESTS_CORE_TESTING_CALLS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "await/net.h"
#include "await/queue.h"
#include "await/signal.h"
#include "await/stream.h"
#include "await/sync.h"
#include "await/testing.h"
#include "sys/sys.h"
#include "util.h"

/* What the calls are about: of each a busy one, which waits, and a free one. */
static struct {
    aw_future *pending, *done;
    aw_lock busy_lock, lock;
    aw_event event, event_set;
    aw_condition condition;
    aw_semaphore semaphore_of_none, semaphore;
    aw_bounded_semaphore bounded;
    aw_barrier barrier_of_two, barrier_of_one;
    aw_queue empty, full, finished;
    int empty_pipe[2], full_pipe[2], zero;
    aw_signals *signals;
    aw_stream *pairs[8][2], *full_pair[2], *closed[2]; /* one reads at a time: a pair for each */
    int empty_socket[2], full_socket[2], listener, name_gate[2];
    aw_server *server, *closed_server;
    aw_datagram *datagram;
} things;

/* A socket with an address of the kernel's choice, that others may connect to. */
static inline int local_listener(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AW_TRY(fd);
    AW_TRY(bind(fd, (struct sockaddr *)(void *)&at, sizeof at.sun_family));
    AW_TRY(listen(fd, 5));
    return fd;
}

/* A name server that does not answer until the gate is closed. */
static inline int hang_on_names(const char *host, const char *port, const struct addrinfo *hints,
                                struct addrinfo **ret)
{
    char byte;
    (void)host, (void)port, (void)hints, (void)ret;
    return read(things.name_gate[0], &byte, 1) == 0 ? -EAGAIN : -EIO;
}

static inline int close_at_once(aw_stream *s, void *arg)
{
    (void)s, (void)arg;
    return 0;
}

static inline int make_servers(void)
{
    AW_TRY(pipe(things.name_gate));
    aw_sys.lookup = hang_on_names;
    AW_TRY(aw_open_datagram(&things.datagram, .local_host = "127.0.0.1", .local_port = "0"));
    AW_TRY(aw_start_server(&things.server, close_at_once, "127.0.0.1", "0", .start_later = true));
    AW_TRY(aw_start_server(&things.closed_server, close_at_once, "127.0.0.1", "0",
                           .start_later = true));
    return aw_server_close(things.closed_server);
}

static inline void drop_servers(void)
{
    close(things.name_gate[1]);
    aw_server_unref(things.server);
    aw_server_unref(things.closed_server);
    assert_int_equal(aw_datagram_close(things.datagram), 0);
}

static inline int make_things(void)
{
    AW_TRY(make_servers());
    things.pending = aw_future_new();
    things.done = aw_future_new();
    things.semaphore = (aw_semaphore)AW_SEMAPHORE_INIT(1000);
    things.bounded = (aw_bounded_semaphore)AW_BOUNDED_SEMAPHORE_INIT(1);
    things.barrier_of_two = (aw_barrier)AW_BARRIER_INIT(2);
    things.barrier_of_one = (aw_barrier)AW_BARRIER_INIT(1);
    things.full = (aw_queue)AW_QUEUE_INIT(.maxsize = 1);
    things.zero = open("/dev/zero", O_RDWR);
    static char much[300000];
    for (int i = 0; i < 8; i++)
        AW_TRY(aw_stream_pair(things.pairs[i]));
    AW_TRY(aw_stream_pair(things.full_pair));
    AW_TRY(aw_stream_write(things.full_pair[0], much, sizeof much));
    AW_TRY(aw_stream_pair(things.closed));
    AW_TRY(aw_stream_close(things.closed[0]));
    AW_TRY(pipe(things.empty_pipe));
    AW_TRY(pipe(things.full_pipe));
    things.signals = aw_signals_new(NULL, aw_signal(SIGUSR1));
    AW_TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, things.empty_socket));
    AW_TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, things.full_socket));
    AW_TRY(things.listener = local_listener());
    AW_TRY(aw_queue_put_nowait(&things.full, NULL));
    AW_TRY(aw_event_set(&things.event_set));
    AW_TRY(aw_set_result(things.done, 0, NULL));
    AW_TRY(aw_bounded_semaphore_acquire(&things.bounded));
    return aw_lock_acquire(&things.busy_lock);
}

static inline void drop_things(void)
{
    aw_signals_free(things.signals);
    drop_servers();
    aw_unref(things.pending);
    aw_unref(things.done);
    assert_int_equal(aw_queue_fini(&things.full), 0);
    assert_int_equal(aw_queue_fini(&things.finished), 0);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 8; k++)
            aw_stream_unref(things.pairs[k][i]);
        aw_stream_unref(things.full_pair[i]);
        aw_stream_unref(things.closed[i]);
        close(things.empty_pipe[i]);
        close(things.full_pipe[i]);
        close(things.empty_socket[i]);
        close(things.full_socket[i]);
    }
    close(things.listener);
    close(things.zero);
}

static inline int no_work(void *arg)
{
    (void)arg;
    return 0;
}

/* The two forms of a call: CALL(name, waits, at once). */
#define CALL(name, waits, at_once)                                                                 \
    static inline int waits_##name(void)                                                           \
    {                                                                                              \
        return (int)(waits);                                                                       \
    }                                                                                              \
    static inline int at_once_##name(void)                                                         \
    {                                                                                              \
        return (int)(at_once);                                                                     \
    }

/* A future of its own, which the call cancels. */
static inline int with_own(int (*call)(aw_future *f))
{
    aw_future *f = aw_future_new();
    int err = call(f);
    aw_unref(f);
    return err;
}

static inline int await_one(aw_future *f)
{
    return aw_await(f);
}

static inline int wait_for_one(aw_future *f)
{
    return aw_wait_for(f, 5000);
}

static inline int gather_one(aw_future *f)
{
    return aw_gather_futures(&f, 1);
}

static inline int next_completed(aw_future *f)
{
    aw_completed it = AW_COMPLETED_INIT;
    aw_future *next;
    AW_TRY(aw_completed_enter(&it, &f, 1));
    return aw_completed_exit(&it, aw_completed_next(&it, &next));
}

static inline int of_group(aw_fn *child)
{
    aw_group g = AW_GROUP_INIT;
    AW_TRY(aw_group_enter(&g));
    return aw_group_exit(&g, child ? aw_group_start(&g, child, NULL) : 0);
}

/* Whatever it comes to, the lock is held again. */
static inline int of_condition(int (*call)(aw_condition *c))
{
    AW_TRY(aw_condition_acquire(&things.condition));
    int err = call(&things.condition);
    AW_TRY(aw_condition_release(&things.condition));
    return err;
}

static inline int answer(void *arg)
{
    return arg != NULL;
}

static inline int wait_until_false(aw_condition *c)
{
    return aw_condition_wait_for(c, answer, NULL);
}

static inline int wait_until_true(aw_condition *c)
{
    return aw_condition_wait_for(c, answer, "yes");
}

static inline int just_return(aw_condition *c)
{
    return c == NULL;
}

static inline int acquire_busy_condition(void)
{
    aw_condition c = AW_CONDITION_INIT(&things.busy_lock);
    return aw_condition_acquire(&c);
}

static inline int lock_call(aw_lock *lock)
{
    return aw_lock_call(lock, no_work, NULL);
}

static inline int take_and_release(void)
{
    AW_TRY(aw_lock_acquire(&things.lock));
    return aw_lock_release(&things.lock);
}

static inline int put_and_take(void)
{
    void *item;
    AW_TRY(aw_queue_put(&things.finished, NULL));
    AW_TRY(aw_queue_get(&things.finished, &item));
    return aw_queue_task_done(&things.finished);
}

static inline int get_from(aw_queue *q)
{
    void *item;
    return aw_queue_get(q, &item);
}

static inline int bounded_in_turn(void)
{
    AW_TRY(aw_bounded_semaphore_release(&things.bounded));
    return aw_bounded_semaphore_acquire(&things.bounded);
}

static inline int read_from(int fd)
{
    char byte;
    return (int)aw_read(fd, &byte, 1);
}

/* Into a full pipe. */
static inline int write_much(void)
{
    char block[4096] = {0};
    int err;
    do
        err = (int)aw_write(things.full_pipe[1], block, sizeof block);
    while (err > 0);
    return err;
}

static inline int kept_signal(void)
{
    raise(SIGUSR1);
    AW_TRY(aw_sleep(0)); /* for the loop to notice it */
    return aw_signals_wait(things.signals) - SIGUSR1;
}

static inline int stream_byte(aw_stream *s, bool exactly)
{
    char byte;
    return exactly ? aw_stream_readexactly(s, &byte, 1) : (int)aw_stream_read(s, &byte, 1);
}

static inline int stream_line(aw_stream *s)
{
    char *at;
    return (int)aw_stream_readline(s, &at);
}

static inline int stream_until(aw_stream *s)
{
    char *at;
    return (int)aw_stream_readuntil(s, &at, "\r\n");
}

static inline int stream_all(aw_stream *s)
{
    char *at;
    return (int)aw_stream_readall(s, &at, 10);
}

#include "testing_sockets.h"

CALL(sleep, aw_sleep(5000), 0)
CALL(await, with_own(await_one), aw_await(things.done))
CALL(join, aw_join(aw_future_new()), aw_join(aw_ref(things.done)))
CALL(await_shielded, aw_await_shielded(things.pending), aw_await_shielded(things.done))
CALL(wait_for, with_own(wait_for_one), aw_wait_for(things.done, 5000))
CALL(wait, aw_wait(&things.pending, 1, AW_ALL_COMPLETED),
     aw_wait(&things.done, 1, AW_ALL_COMPLETED) - 1)
CALL(wait_in_time, aw_wait(&things.pending, 1, AW_FIRST_ERROR, .timeout = 5000),
     aw_wait(&things.pending, 1, AW_FIRST_ERROR, .timeout = -1))
CALL(completed_next, next_completed(things.pending), next_completed(things.done) - 1)
CALL(gather, aw_gather(AW_CORO(sleep_long, NULL), AW_CORO(no_work, NULL)),
     aw_gather_array((aw_work *)NULL, 0))
CALL(gather_futures, with_own(gather_one), aw_gather_futures((aw_future **)NULL, 0))
CALL(group_exit, of_group(sleep_long), of_group(NULL))
CALL(timeout_call, aw_timeout_call(5000, sleep_long, NULL), aw_timeout_call(5000, no_work, NULL))
CALL(lock_acquire, aw_lock_acquire(&things.busy_lock), take_and_release())
CALL(lock_call, lock_call(&things.busy_lock), lock_call(&things.lock))
CALL(event_wait, aw_event_wait(&things.event), aw_event_wait(&things.event_set))
CALL(condition_acquire, acquire_busy_condition(), of_condition(just_return))
CALL(condition_wait, of_condition(aw_condition_wait), 0)
CALL(condition_wait_for, of_condition(wait_until_false), of_condition(wait_until_true) - 1)
CALL(semaphore_acquire, aw_semaphore_acquire(&things.semaphore_of_none),
     aw_semaphore_acquire(&things.semaphore))
CALL(bounded_acquire, aw_bounded_semaphore_acquire(&things.bounded), bounded_in_turn())
CALL(barrier_wait, aw_barrier_wait(&things.barrier_of_two), aw_barrier_wait(&things.barrier_of_one))
CALL(queue_put, aw_queue_put(&things.full, NULL), put_and_take())
CALL(queue_get, get_from(&things.empty), put_and_take())
CALL(queue_join, aw_queue_join(&things.full), aw_queue_join(&things.finished))
CALL(read, read_from(things.empty_pipe[0]), read_from(things.zero) - 1)
CALL(write, write_much(), aw_write(things.zero, "x", 1) - 1)
CALL(recv, receive_plain(things.empty_socket[0]), there_and_back(send_plain, receive_plain))
CALL(send, send_much(send_plain), there_and_back(send_plain, receive_plain))
CALL(recvmsg, receive_message(things.empty_socket[0]),
     there_and_back(send_message, receive_message))
CALL(sendmsg, send_much(send_message), there_and_back(send_message, receive_message))
CALL(readv, receive_vector(things.empty_socket[0]), there_and_back(send_vector, receive_vector))
CALL(writev, send_much(send_vector), there_and_back(send_vector, receive_vector))
CALL(accept, aw_accept(things.listener, NULL, NULL), connect_and_accept())
CALL(connect, connect_behind_others(), connect_and_accept())
CALL(poll, aw_poll(things.empty_pipe[0], POLLIN), aw_poll(things.zero, POLLIN) - POLLIN)
CALL(signal_wait, aw_signal_wait(aw_signal(SIGUSR2)), 0)
CALL(signals_wait, aw_signals_wait(things.signals), kept_signal())
CALL(file_read, file_byte(things.empty_pipe[0]), file_byte(things.zero) - 1)
CALL(file_readline, file_line(things.empty_pipe[0]), file_line(things.zero) - AW_ELIMIT)
CALL(file_flush, file_bytes(things.full_pipe[1], aw_file_flush),
     file_bytes(things.zero, aw_file_flush))
CALL(stream_read, stream_byte(things.pairs[0][0], false), stream_byte(things.closed[1], false))
CALL(stream_readexactly, stream_byte(things.pairs[1][0], true),
     stream_byte(things.closed[1], true) - AW_EOF)
CALL(stream_readuntil, stream_until(things.pairs[2][0]), stream_until(things.closed[1]) - AW_EOF)
CALL(stream_readline, stream_line(things.pairs[3][0]), stream_line(things.closed[1]))
CALL(stream_readall, stream_all(things.pairs[4][0]), stream_all(things.closed[1]))
CALL(stream_wait_readable, aw_stream_wait_readable(things.pairs[5][0]),
     aw_stream_wait_readable(things.closed[1]))
CALL(stream_wait_buffered, aw_stream_wait_buffered(things.pairs[7][0], 2),
     aw_stream_wait_buffered(things.closed[1], 2))
CALL(stream_drain, aw_stream_drain(things.full_pair[0]), aw_stream_drain(things.pairs[0][0]))
CALL(stream_wait_closed, aw_stream_wait_closed(things.pairs[6][0]),
     aw_stream_wait_closed(things.closed[0]))
CALL(resolve, look_up("a.test"), look_up("127.0.0.1"))
CALL(open_connection, connect_to("a.test"), 0)
CALL(start_server, serve_on("a.test", false), serve_on("127.0.0.1", false))
CALL(server_serve_forever, serve_on("127.0.0.1", true), 0)
CALL(server_wait_closed, aw_server_wait_closed(things.server),
     aw_server_wait_closed(things.closed_server))
CALL(open_datagram, open_datagram("a.test"), open_datagram("127.0.0.1"))
CALL(datagram_recv, receive_datagram(false), receive_datagram(true))
#undef CALL

/* `waits` returns -ECANCELED when it is cancelled, and `at_once` 0; the backend decides whether the
 * calls `of_kernel` suspend for that. */
#define CALL(name)                                                                                 \
    {                                                                                              \
#name, waits_##name, at_once_##name, false                                                 \
    }
#define KERNEL_CALL(name)                                                                          \
    {                                                                                              \
#name, waits_##name, at_once_##name, true                                                  \
    }
static const struct call {
    const char *name;
    int (*waits)(void);
    int (*at_once)(void);
    bool of_kernel;
} calls[] = {
    CALL(sleep),
    CALL(await),
    CALL(join),
    CALL(await_shielded),
    CALL(wait_for),
    CALL(wait),
    CALL(wait_in_time),
    CALL(completed_next),
    CALL(gather),
    CALL(gather_futures),
    CALL(group_exit),
    CALL(timeout_call),
    CALL(lock_acquire),
    CALL(lock_call),
    CALL(event_wait),
    CALL(condition_acquire),
    CALL(condition_wait),
    CALL(condition_wait_for),
    CALL(semaphore_acquire),
    CALL(bounded_acquire),
    CALL(barrier_wait),
    CALL(queue_put),
    CALL(queue_get),
    CALL(queue_join),
    CALL(stream_read),
    CALL(stream_readexactly),
    CALL(stream_readuntil),
    CALL(stream_readline),
    CALL(stream_readall),
    CALL(stream_wait_readable),
    CALL(stream_wait_buffered),
    CALL(stream_drain),
    CALL(stream_wait_closed),
    CALL(resolve),
    CALL(open_connection),
    CALL(start_server),
    CALL(server_serve_forever),
    CALL(server_wait_closed),
    CALL(open_datagram),
    KERNEL_CALL(datagram_recv),
    KERNEL_CALL(file_read),
    KERNEL_CALL(file_readline),
    KERNEL_CALL(file_flush),
    KERNEL_CALL(read),
    KERNEL_CALL(write),
    KERNEL_CALL(recv),
    KERNEL_CALL(send),
    KERNEL_CALL(recvmsg),
    KERNEL_CALL(sendmsg),
    KERNEL_CALL(readv),
    KERNEL_CALL(writev),
    KERNEL_CALL(accept),
    KERNEL_CALL(connect),
    KERNEL_CALL(poll),
    CALL(signal_wait),
    KERNEL_CALL(signals_wait),
};
#define N_CALLS (sizeof calls / sizeof *calls)

#endif
