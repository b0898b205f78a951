/*
 * io_uring: an operation and its cancellation, in either order, for every kind of operation.
 *
 * Whichever comes first, the operation comes back once; with -ECANCELED it has had no effect, and
 * otherwise its effect is what it returns.  Its buffer is left alone from then on.
 */
#include <sys/stat.h>

#include "unit/io/uring_rig.h"

/* An operation on a pipe that has to wait, and what lets it happen. */
struct setting {
    struct rig r;
    int fds[2];
    char buf[8];
    struct aw_op op;
};

static const char word[] = "word";

static void set_reader(struct setting *s, uint8_t kind)
{
    make_pipe(s->fds, 0);
    memset(s->buf, 'p', sizeof s->buf);
    s->op = (struct aw_op){.kind = kind, .fd = s->fds[0], .buf = s->buf, .len = sizeof s->buf};
    if (kind == AW_OP_POLL)
        s->op = op_poll(s->fds[0], POLLIN);
}

static void set_writer(struct setting *s, uint8_t kind)
{
    make_pipe(s->fds, 0);
    fill_pipe(s->fds[1]);
    fcntl(s->fds[1], F_SETFL, 0);
    memcpy(s->buf, word, 4);
    s->op = (struct aw_op){.kind = kind, .fd = s->fds[1], .buf = s->buf, .len = 4};
}

static bool is_writer(const struct aw_op *op)
{
    return op->kind == AW_OP_WRITE || op->kind == AW_OP_PWRITE;
}

static size_t drain(int fd)
{
    static char sink[4096];
    size_t total = 0;
    ssize_t n;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((n = read(fd, sink, sizeof sink)) > 0)
        total += (size_t)n;
    return total;
}

static void let_happen(struct setting *s)
{
    static char room[8192];
    if (is_writer(&s->op))
        assert_int_equal(read(s->fds[0], room, sizeof room), sizeof room);
    else
        put(s->fds[1], word);
}

static void expect_effect(struct setting *s)
{
    if (s->op.kind == AW_OP_POLL) {
        assert_int_equal(s->op.result, POLLIN);
        return;
    }
    assert_int_equal(s->op.result, 4);
    assert_memory_equal(s->buf, word, 4);
}

/* Whatever happens later, the buffer is the caller's. */
static void expect_left_alone(struct setting *s)
{
    char poison[sizeof s->buf];
    memset(poison, 0xa5, sizeof poison);
    memset(s->buf, 0xa5, sizeof s->buf);
    if (!is_writer(&s->op))
        put(s->fds[1], "later");
    rig_expect_nothing(&s->r);
    assert_memory_equal(s->buf, poison, sizeof poison);
}

static void expect_no_effect(struct setting *s, size_t filled)
{
    assert_int_equal(s->op.result, -ECANCELED);
    if (is_writer(&s->op))
        assert_int_equal(drain(s->fds[0]), filled - 8192);
    else if (s->op.kind != AW_OP_POLL)
        assert_int_equal(drain(s->fds[0]), 4 + 5); /* what it could have read, and "later" */
}

static void begin(struct setting *s, uint8_t kind)
{
    uring_rig_open(&s->r);
    s->op.kind = kind;
    if (is_writer(&s->op))
        set_writer(s, kind);
    else
        set_reader(s, kind);
    must_wait(&s->r, &s->op);
    rig_poll(&s->r, 0);
    assert_int_equal(s->op.state, AW_OP_IN_FLIGHT);
}

static void end(struct setting *s)
{
    close_pipe(s->fds);
    uring_rig_close(&s->r);
}

/* The effect has come, nobody has looked, and then it is cancelled. */
static void effect_then_cancel(uint8_t kind)
{
    struct setting s;
    begin(&s, kind);
    let_happen(&s);
    assert_int_equal(aw_sys.ring_enter(uring_watch.ring, 0), 0);
    assert_true(io_uring_cq_ready(uring_watch.ring) > 0);
    assert_false(s.r.io->backend->cancel(s.r.io, &s.op));
    rig_result(&s.r, &s.op);
    expect_effect(&s);
    expect_left_alone(&s);
    end(&s);
}

/* It is cancelled, and only then could it have had an effect. */
static void cancel_then_effect(uint8_t kind)
{
    struct setting s;
    size_t filled = 65536;
    begin(&s, kind);
    assert_false(s.r.io->backend->cancel(s.r.io, &s.op));
    assert_int_equal(s.op.state, AW_OP_IN_FLIGHT);
    assert_false(s.r.io->backend->cancel(s.r.io, &s.op)); /* again makes no difference */
    let_happen(&s);
    rig_result(&s.r, &s.op);
    assert_false(s.r.io->backend->cancel(s.r.io, &s.op)); /* nor does too late */
    expect_left_alone(&s);
    expect_no_effect(&s, filled);
    end(&s);
}

/* Both have happened before the kernel is asked about either: one of the two. */
static void both_at_once(uint8_t kind)
{
    struct setting s;
    begin(&s, kind);
    let_happen(&s);
    assert_false(s.r.io->backend->cancel(s.r.io, &s.op));
    rig_result(&s.r, &s.op);
    if (s.op.result != -ECANCELED)
        expect_effect(&s);
    bool taken = s.op.result != -ECANCELED && s.op.kind != AW_OP_POLL;
    if (!is_writer(&s.op))
        assert_int_equal(drain(s.fds[0]), taken ? 0 : 4);
    expect_left_alone(&s);
    end(&s);
}

/* On a pipe the kernel takes no notice of an offset: so those with one can be made to wait too. */
static void in_every_order(uint8_t kind)
{
    effect_then_cancel(kind);
    cancel_then_effect(kind);
    both_at_once(kind);
}

TEST(uring_cancelled_poll_in_every_order)
{
    in_every_order(AW_OP_POLL);
}

TEST(uring_cancelled_read_in_every_order)
{
    in_every_order(AW_OP_READ);
}

TEST(uring_cancelled_write_in_every_order)
{
    in_every_order(AW_OP_WRITE);
}

TEST(uring_cancelled_pread_in_every_order)
{
    in_every_order(AW_OP_PREAD);
}

TEST(uring_cancelled_pwrite_in_every_order)
{
    in_every_order(AW_OP_PWRITE);
}

/* Opening a FIFO waits for its other end, in one of the kernel's threads. */
TEST(uring_cancelled_openat_in_every_order)
{
    struct rig r;
    char dir[] = "/tmp/await-fifo-XXXXXX";
    assert_non_null(mkdtemp(dir));
    uring_rig_open(&r);
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkfifoat(at, "fifo", 0600), 0);
    struct aw_op op = op_openat(at, "fifo", O_RDONLY | O_CLOEXEC, 0);
    must_wait(&r, &op);
    rig_expect_nothing(&r);
    assert_false(r.io->backend->cancel(r.io, &op));
    assert_int_equal(rig_result(&r, &op), -ECANCELED);
    assert_int_equal(openat(at, "fifo", O_WRONLY | O_NONBLOCK), -1); /* nobody has it open */
    must_wait(&r, &op);
    rig_expect_nothing(&r);
    int writer = openat(at, "fifo", O_WRONLY | O_CLOEXEC); /* comes together with the reader */
    while (io_uring_cq_ready(uring_watch.ring) == 0)
        assert_int_equal(aw_sys.ring_enter(uring_watch.ring, 0), 0);
    assert_false(r.io->backend->cancel(r.io, &op));
    assert_true(rig_result(&r, &op) >= 0);
    close((int)op.result);
    close(writer);
    unlinkat(at, "fifo", 0);
    close(at);
    rmdir(dir);
    uring_rig_close(&r);
}

/* Closing does not wait: it has happened as soon as the kernel knows of it. */
TEST(uring_cancelled_close_has_closed_or_not)
{
    struct rig r;
    for (int late = 0; late < 2; late++) {
        uring_rig_open(&r);
        int fd = dup(0);
        struct aw_op op = op_close(fd);
        must_wait(&r, &op);
        if (late)
            assert_int_equal(aw_sys.ring_enter(uring_watch.ring, 0), 0);
        assert_false(r.io->backend->cancel(r.io, &op));
        int64_t result = rig_result(&r, &op);
        assert_true(result == 0 || (result == -ECANCELED && !late));
        assert_int_equal(fcntl(fd, F_GETFD) < 0, result == 0);
        if (result < 0)
            close(fd);
        uring_rig_close(&r);
    }
}

/* One that has its turn to come yet is not with the kernel. */
TEST(uring_cancelled_in_the_queue_ends_at_once)
{
    struct rig r;
    int fds[2];
    char buf[3][1];
    struct aw_op ops[3];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    for (int i = 0; i < 3; i++) {
        ops[i] = op_read(fds[0], buf[i], 1);
        must_wait(&r, &ops[i]);
    }
    rig_cancel(&r, &ops[1]);
    assert_false(r.io->backend->cancel(r.io, &ops[0]));
    assert_int_equal(rig_result(&r, &ops[0]), -ECANCELED);
    put(fds[1], "z");
    assert_int_equal(rig_result(&r, &ops[2]), 1);
    assert_int_equal(buf[2][0], 'z');
    close_pipe(fds);
    uring_rig_close(&r);
}

/* A cancellation that could not be sent is sent by the next poll. */
TEST(uring_cancellation_that_is_refused_is_sent_again)
{
    struct rig r;
    int fds[2];
    char buf[1];
    uring_rig_open(&r);
    make_pipe(fds, 0);
    struct aw_op op = op_read(fds[0], buf, 1);
    must_wait(&r, &op);
    rig_poll(&r, 0);
    uring_watch.refuse = -EBADF;
    uring_watch.refusals = 1;
    assert_false(r.io->backend->cancel(r.io, &op));
    assert_int_equal(uring_watch.refusals, 0);
    assert_int_equal(rig_result(&r, &op), -ECANCELED);
    close_pipe(fds);
    uring_rig_close(&r);
}
