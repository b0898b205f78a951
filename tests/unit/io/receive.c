/*
 * Receivers: what arrives on a descriptor comes in chunks, in order, once, until told otherwise.
 *
 * Each test is run on epoll and on io_uring, and there in each of the ways that kernels have.
 */
#include <pthread.h>
#include <sys/socket.h>

#include "io/receive.h"
#ifdef AW_IO_URING
#include "io/uring_io.h"
#endif
#include "unit/io/both.h"

/* ---- the ways ---- */

static void open_in(struct rig *r, enum way way)
{
    open_rig(r, way);
#ifdef AW_IO_URING
    struct uring_io *u = (struct uring_io *)r->io;
    if (way != EPOLL) {
        u->buffers.one_by_one = way == ONE_BY_ONE;
        u->buffers.missing = way == POLLED;
    }
#endif
}

/* TEST(name) for every way; the body has `way` and `r`. */
#define RECEIVE_TEST(name)                                                                         \
    static void name##_in(enum way way, struct rig *r);                                            \
    static void name##_open(enum way way)                                                          \
    {                                                                                              \
        struct rig r;                                                                              \
        open_in(&r, way);                                                                          \
        name##_in(way, &r);                                                                        \
        close_rig(&r, way);                                                                        \
    }                                                                                              \
    TEST_SLOW(epoll_##name)                                                                        \
    {                                                                                              \
        name##_open(EPOLL);                                                                        \
    }                                                                                              \
    TEST_SLOW(uring_##name)                                                                        \
    {                                                                                              \
        for (enum way way = URING; way < WAYS; way++)                                              \
            name##_open(way);                                                                      \
    }                                                                                              \
    static void name##_in(enum way way, struct rig *r)

/* ---- an owner ---- */

/* Byte number i of every stream is `pattern(i)`; an owner checks that it gets them all in order. */
static char pattern(size_t i)
{
    return (char)(i * 2654435761u >> 13);
}

struct owner {
    struct aw_receiver receiver;
    int fds[2]; /* received from, sent to */
    size_t sent, got;
    unsigned calls;
    bool hold;    /* keep the chunks */
    aw_list held; /* chunks */
    bool over;    /* arrived() was called with the end */
};

static struct owner *owner_of(struct aw_receiver *r)
{
    return aw_container_of(r, struct owner, receiver);
}

static void take_chunks(struct owner *o)
{
    struct aw_chunk *c;
    while ((c = aw_receiver_take(&o->receiver)) != NULL) {
        assert_true(c->len > 0 && c->len <= AW_CHUNK_SIZE);
        for (size_t i = 0; i < c->len; i++)
            assert_int_equal(c->data[i], pattern(o->got + i));
        o->got += c->len;
        if (o->hold) {
            aw_list_push_back(&o->held, &c->link);
        } else {
            memset(c->data, 0xa5, c->len);
            aw_chunk_release(c);
        }
    }
}

static void arrived(struct aw_receiver *r)
{
    struct owner *o = owner_of(r);
    assert_false(o->over);
    o->calls++;
    take_chunks(o);
    o->over = r->op.state == AW_OP_COMPLETED;
}

static void release_held(struct owner *o)
{
    aw_list *node;
    while ((node = aw_list_pop_front(&o->held)) != NULL)
        aw_chunk_release(aw_container_of(node, struct aw_chunk, link));
}

static void init_owner(struct owner *o, bool is_pipe, int flags)
{
    *o = (struct owner){0};
    aw_list_init(&o->held);
    if (is_pipe)
        make_pipe(o->fds, flags);
    else
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, o->fds), 0);
    fcntl(o->fds[1], F_SETFL, O_NONBLOCK);
    aw_receiver_init(&o->receiver, o->fds[0], arrived);
}

static void begin(struct rig *r, struct owner *o)
{
    o->over = false;
    assert_false(r->io->backend->submit(r->io, &o->receiver.op));
    assert_int_equal(o->receiver.op.state, AW_OP_IN_FLIGHT);
}

/* Sends the next n bytes, or as many as there is room for. */
static size_t send_next(struct owner *o, size_t n)
{
    static char block[1 << 16];
    if (n > sizeof block)
        n = sizeof block;
    for (size_t i = 0; i < n; i++)
        block[i] = pattern(o->sent + i);
    ssize_t done = write(o->fds[1], block, n);
    if (done < 0)
        return 0;
    o->sent += (size_t)done;
    return (size_t)done;
}

/* One poll, and what the loop does after it. */
static void turn(struct rig *r, int ms)
{
    aw_list *node;
    rig_poll(r, ms);
    while ((node = aw_list_pop_front(&r->done)) != NULL) {
        struct aw_op *op = aw_container_of(node, struct aw_op, link);
        op->done(op);
    }
}

static void until_got(struct rig *r, struct owner *o, size_t n)
{
    for (int i = 0; i < 5000 && o->got < n; i++)
        turn(r, 100);
    assert_int_equal(o->got, n);
}

static void until_over(struct rig *r, struct owner *o, int64_t result)
{
    for (int i = 0; i < 100 && !o->over; i++)
        turn(r, 100);
    assert_true(o->over);
    assert_int_equal(o->receiver.op.result, result);
}

static void stop(struct rig *r, struct owner *o)
{
    if (r->io->backend->cancel(r->io, &o->receiver.op)) {
        assert_int_equal(o->receiver.op.result, -ECANCELED);
        take_chunks(o);
        o->over = true;
    }
    until_over(r, o, -ECANCELED);
}

static void close_owner(struct owner *o)
{
    assert_true(aw_list_empty(&o->receiver.chunks));
    release_held(o);
    close(o->fds[0]);
    if (o->fds[1] >= 0)
        close(o->fds[1]);
}

static void hang_up(struct owner *o)
{
    close(o->fds[1]);
    o->fds[1] = -1;
}

/* ---- what arrives ---- */

RECEIVE_TEST(receiver_gets_all_bytes_and_then_the_end)
{
    for (int kind = 0; kind < 4; kind++) {
        struct owner o;
        init_owner(&o, kind / 2, kind % 2 ? O_NONBLOCK : 0);
        begin(r, &o);
        turn(r, 0);
        assert_int_equal(o.calls, 0);
        for (size_t n = 1; n < 100000; n *= 3) {
            size_t target = o.got + n;
            while (o.sent < target) {
                send_next(&o, target - o.sent);
                turn(r, 0);
            }
            until_got(r, &o, target);
            assert_int_equal(o.receiver.op.state, AW_OP_IN_FLIGHT);
        }
        send_next(&o, 10);
        hang_up(&o);
        until_over(r, &o, 0);
        assert_int_equal(o.got, o.sent);
        close_owner(&o);
    }
    (void)way;
}

RECEIVE_TEST(receiver_finds_what_was_there_before)
{
    struct owner o;
    init_owner(&o, false, O_NONBLOCK);
    send_next(&o, 20000);
    hang_up(&o);
    begin(r, &o);
    until_over(r, &o, 0);
    assert_int_equal(o.got, 20000);
    close_owner(&o);
    (void)way;
}

/* A peer that goes without having read resets the connection; what it sent comes first. */
RECEIVE_TEST(receiver_is_told_of_errors)
{
    struct owner o;
    init_owner(&o, false, O_NONBLOCK);
    begin(r, &o);
    send_next(&o, 5);
    until_got(r, &o, 5);
    put(o.fds[0], "unread");
    hang_up(&o);
    until_over(r, &o, -ECONNRESET);
    close_owner(&o);
    (void)way;
}

/* That nothing is there to be received from is told by submit(), or a little later. */
RECEIVE_TEST(receiver_of_no_descriptor)
{
    struct owner o = {0};
    int fds[2];
    make_pipe(fds, 0);
    close_pipe(fds);
    for (int i = 0; i < 2; i++) {
        aw_receiver_init(&o.receiver, i ? fds[0] : -1, arrived);
        o.over = r->io->backend->submit(r->io, &o.receiver.op);
        until_over(r, &o, -EBADF);
    }
    (void)way;
}

/* ---- pausing ---- */

RECEIVE_TEST(receiver_pauses_and_goes_on_without_losing_a_byte)
{
    for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
        struct owner o;
        unsigned random = 12345;
        init_owner(&o, is_pipe, 0);
        for (int i = 0; i < 500; i++) {
            begin(r, &o);
            random = random * 1103515245 + 12345;
            for (unsigned n = random >> 16 & 3; n > 0; n--) {
                send_next(&o, 1 + (random >> 8) % 30000);
                turn(r, 0);
            }
            if (random >> 20 & 1)
                send_next(&o, 100);
            stop(r, &o);
            size_t before = o.got;
            send_next(&o, 10);
            turn(r, 0);
            turn(r, 0);
            assert_int_equal(o.got, before); /* nothing comes after */
        }
        begin(r, &o);
        until_got(r, &o, o.sent);
        stop(r, &o);
        close_owner(&o);
    }
    (void)way;
}

/* Cancelled before anything is there: it takes nothing. */
RECEIVE_TEST(receiver_cancelled_first_takes_nothing)
{
    struct owner o;
    char left[8];
    init_owner(&o, false, 0);
    begin(r, &o);
    turn(r, 0);
    bool at_once = r->io->backend->cancel(r->io, &o.receiver.op);
    o.over = at_once;
    send_next(&o, 4);
    until_over(r, &o, -ECANCELED);
    assert_int_equal(o.got, 0);
    assert_int_equal(read(o.fds[0], left, sizeof left), 4);
    close_owner(&o);
    (void)way;
}

/* The bytes are there, and maybe the kernel's completion: they come, or are left. */
RECEIVE_TEST(receiver_cancelled_last_gives_what_it_took)
{
    struct owner o;
    char left[8];
    init_owner(&o, false, 0);
    begin(r, &o);
    turn(r, 0);
    send_next(&o, 4);
#ifdef AW_IO_URING
    if (way != EPOLL)
        assert_int_equal(aw_sys.ring_enter(uring_watch.ring, 0), 0);
#endif
    stop(r, &o);
    if (way == URING || way == ONE_BY_ONE)
        assert_int_equal(o.got, 4);
    if (o.got == 0)
        assert_int_equal(read(o.fds[0], left, sizeof left), 4);
    else
        assert_int_equal(o.got, 4);
    close_owner(&o);
}

/* Between the poll that brought something and arrived(). */
RECEIVE_TEST(receiver_cancelled_before_its_owner_knows)
{
    struct owner o;
    init_owner(&o, false, 0);
    begin(r, &o);
    send_next(&o, 4);
    for (int i = 0; i < 100 && aw_list_empty(&r->done); i++)
        rig_poll(r, 100);
    assert_false(aw_list_empty(&r->done));
    assert_false(r->io->backend->cancel(r->io, &o.receiver.op));
    until_over(r, &o, -ECANCELED);
    assert_int_equal(o.got, 4);
    close_owner(&o);
    (void)way;
}

/* ---- the limit ---- */

enum { HOARDERS = 3 };

static bool any_progress(struct rig *r, struct owner *os)
{
    size_t before = 0, after = 0;
    for (int i = 0; i < HOARDERS; i++) {
        before += os[i].got + os[i].sent;
        send_next(&os[i], 50000);
    }
    turn(r, 0);
    for (int i = 0; i < HOARDERS; i++)
        after += os[i].got + os[i].sent;
    return after > before;
}

/* Owners that give nothing back end up waiting, and when they do they go on. */
RECEIVE_TEST(receivers_share_what_chunks_there_are)
{
    static struct owner os[HOARDERS];
    size_t most = 0;
    for (int i = 0; i < HOARDERS; i++) {
        init_owner(&os[i], false, 0);
        os[i].hold = true;
        begin(r, &os[i]);
    }
    for (int idle = 0; idle < 10;)
        idle = any_progress(r, os) ? 0 : idle + 1;
    for (int i = 0; i < HOARDERS; i++) {
        assert_true(os[i].got < os[i].sent);
        assert_int_equal(os[i].receiver.op.state, AW_OP_IN_FLIGHT);
        most += os[i].got;
    }
    assert_true(most <= 512 * AW_CHUNK_SIZE);
    assert_true(most > 256 * AW_CHUNK_SIZE / 2);
    stop(r, &os[1]); /* one of those that wait */
    for (int i = 0; i < HOARDERS; i++) {
        release_held(&os[i]);
        os[i].hold = false;
    }
    begin(r, &os[1]);
    for (int i = 0; i < HOARDERS; i++) {
        until_got(r, &os[i], os[i].sent);
        stop(r, &os[i]);
    }
    for (int i = 0; i < HOARDERS; i++)
        close_owner(&os[i]);
    (void)way;
}

/* ---- numbers that come back ---- */

enum { NUMBER = 100 };

/* The same number is another socket each time, while others are busy: each gets its own bytes. */
RECEIVE_TEST(receiver_of_a_number_that_is_used_again)
{
    static struct owner other;
    unsigned rounds = test_scale(way == EPOLL ? 100000 : 33334, 1000);
    init_owner(&other, false, 0);
    begin(r, &other);
    for (unsigned i = 0; i < rounds; i++) {
        struct owner o;
        init_owner(&o, false, 0);
        assert_int_equal(dup2(o.fds[0], NUMBER), NUMBER);
        close(o.fds[0]);
        o.fds[0] = o.receiver.op.fd = NUMBER;
        begin(r, &o);
        send_next(&o, 1 + i % 100);
        send_next(&other, 10);
        until_got(r, &o, o.sent);
        if (i % 3 == 0) {
            hang_up(&o);
            until_over(r, &o, 0);
        } else {
            if (i % 3 == 1)
                send_next(&o, 5); /* left behind */
            stop(r, &o);
        }
        close_owner(&o);
    }
    until_got(r, &other, other.sent);
    stop(r, &other);
    close_owner(&other);
}

/* ---- runs and threads ---- */

#ifdef AW_IO_URING

struct other {
    struct rig *r;
    struct owner *o;
};

static void *run_in_thread(void *arg)
{
    struct other *t = arg;
    assert_int_equal(t->r->io->backend->enter(t->r->io), 0);
    send_next(t->o, 20000);
    until_got(t->r, t->o, t->o->sent);
    t->r->io->backend->leave(t->r->io, &t->r->done);
    return NULL;
}

/* Between runs it is with nobody; the next one may be another thread's, with another ring. */
TEST(uring_receiver_goes_on_in_another_thread)
{
    for (enum way way = URING; way < WAYS; way++) {
        struct rig r;
        struct owner o;
        pthread_t thread;
        open_in(&r, way);
        init_owner(&o, false, 0);
        begin(&r, &o);
        send_next(&o, 5);
        until_got(&r, &o, 5);
        for (int i = 0; i < 2; i++) {
            r.io->backend->leave(r.io, &r.done);
            struct other t = {&r, &o};
            assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &t), 0);
            assert_int_equal(pthread_join(thread, NULL), 0);
            assert_int_equal(r.io->backend->enter(r.io), 0);
            send_next(&o, 3);
            until_got(&r, &o, o.sent);
        }
        stop(&r, &o);
        close_owner(&o);
        close_rig(&r, way);
    }
}

/* What the kernel has not, and says so only when it is asked. */
static int no_buffers(struct io_uring *ring, void *memory, unsigned entries, int group)
{
    (void)ring, (void)memory, (void)entries, (void)group;
    return -EINVAL;
}

TEST(uring_receiver_without_rings_of_chunks)
{
    struct rig r;
    struct owner o;
    open_in(&r, URING);
    aw_sys.ring_buffers = no_buffers;
    init_owner(&o, false, 0);
    begin(&r, &o);
    send_next(&o, 5);
    until_got(&r, &o, 5);
    stop(&r, &o);
    close_owner(&o);
    close_rig(&r, URING);
}

/* The first completion is made to look like that of a kernel that does not know the flag. */
static bool refused;

static void refuse_first(struct io_uring_cqe *cqe)
{
    if (refused || !(cqe->flags & IORING_CQE_F_BUFFER))
        return;
    refused = true;
    assert_false(cqe->flags & IORING_CQE_F_MORE);
}

TEST(uring_receiver_of_one_chunk_each)
{
    struct rig r;
    struct owner o;
    open_in(&r, ONE_BY_ONE);
    uring_watch.meddle = refuse_first;
    init_owner(&o, false, 0);
    begin(&r, &o);
    for (int i = 0; i < 10; i++) {
        send_next(&o, 5);
        until_got(&r, &o, o.sent);
    }
    assert_true(refused);
    stop(&r, &o);
    uring_watch.meddle = NULL;
    close_owner(&o);
    close_rig(&r, ONE_BY_ONE);
}

#endif
