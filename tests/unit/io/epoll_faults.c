/*
 * Every system call and every allocation fails once, at each place where it is made.
 *
 * A scenario uses all that the backend has.  It is run with the k-th call of one entry failing, for
 * k = 1, 2, ... until it makes fewer calls than that; and again with every call from the k-th on
 * failing.  Each time every operation must end exactly once, and nothing may be left open or
 * allocated.
 */
#include <dirent.h>
#include <signal.h>

#include "await/memory.h"
#include "unit/io/rig.h"

/* ---- failing on request ---- */

enum entry {
    EPOLL_CREATE,
    EPOLL_CTL,
    EPOLL_WAIT,
    EVENTFD,
    GET_FLAGS,
    POLL_ONE,
    READ,
    WRITE,
    CLOSE,
    ALLOC,
    ENTRIES,
};

static struct {
    enum entry entry;
    unsigned at;     /* which call of the entry fails, from 1 */
    bool for_ever;   /* and all that follow */
    int reason;      /* a negated errno */
    unsigned calls;  /* of the entry so far */
    int64_t balance; /* allocations not freed */
} fault;

static struct aw_sys_table real;

static bool fails(enum entry e)
{
    if (e != fault.entry)
        return false;
    fault.calls++;
    return fault.calls == fault.at || (fault.for_ever && fault.calls > fault.at);
}

static int fault_epoll_create(void)
{
    return fails(EPOLL_CREATE) ? fault.reason : real.epoll_create();
}

static int fault_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
    return fails(EPOLL_CTL) ? fault.reason : real.epoll_ctl(ep, op, fd, ev);
}

static int fault_epoll_wait(int ep, struct epoll_event *evs, int max, int64_t timeout_ns)
{
    return fails(EPOLL_WAIT) ? fault.reason : real.epoll_wait(ep, evs, max, timeout_ns);
}

static int fault_eventfd(void)
{
    return fails(EVENTFD) ? fault.reason : real.eventfd();
}

static int fault_get_flags(int fd)
{
    return fails(GET_FLAGS) ? fault.reason : real.get_flags(fd);
}

static int fault_poll_one(int fd, short events)
{
    return fails(POLL_ONE) ? fault.reason : real.poll_one(fd, events);
}

static ssize_t fault_read(int fd, void *buf, size_t n)
{
    return fails(READ) ? fault.reason : real.read(fd, buf, n);
}

static ssize_t fault_write(int fd, const void *buf, size_t n)
{
    return fails(WRITE) ? fault.reason : real.write(fd, buf, n);
}

/* On Linux a close that fails has closed. */
static int fault_close(int fd)
{
    int err = real.close(fd);
    return fails(CLOSE) ? fault.reason : err;
}

static void *fault_alloc(size_t size, void *arg)
{
    (void)arg;
    void *ptr = fails(ALLOC) ? NULL : malloc(size);
    fault.balance += ptr != NULL;
    return ptr;
}

static void fault_free(void *ptr, void *arg)
{
    (void)arg;
    fault.balance -= ptr != NULL;
    free(ptr);
}

static void arm_faults(void)
{
    static const aw_allocator counting = {.alloc = fault_alloc, .free = fault_free};
    real = aw_sys;
    aw_sys.epoll_create = fault_epoll_create;
    aw_sys.epoll_ctl = fault_epoll_ctl;
    aw_sys.epoll_wait = fault_epoll_wait;
    aw_sys.eventfd = fault_eventfd;
    aw_sys.get_flags = fault_get_flags;
    aw_sys.poll_one = fault_poll_one;
    aw_sys.read = fault_read;
    aw_sys.write = fault_write;
    aw_sys.close = fault_close;
    assert_int_equal(aw_set_allocator(&counting), 0);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- the scenario ---- */

/* Ends an operation within a few polls, by cancelling it if a fault has kept it from completing;
 * whatever the way, it ends once. */
static void must_end(struct rig *r, struct aw_op *op)
{
    for (int i = 0; i < 5 && op->state == AW_OP_IN_FLIGHT; i++) {
        int err = r->io->backend->poll(r->io, 0, &r->done);
        assert_true(err == 0 || err == fault.reason);
    }
    if (op->state == AW_OP_IN_FLIGHT)
        rig_cancel(r, op);
    for (struct aw_op *done; (done = rig_next(r));)
        assert_ptr_equal(done, op);
    assert_int_equal(r->io->in_flight, 0);
    assert_true(op->result >= 0 || op->result == -ECANCELED || op->result == fault.reason ||
                op->result == -ENOMEM);
    assert_true(op->result != -EINTR);
}

static void submit_then(struct rig *r, struct aw_op *op, int feed, const char *text)
{
    rig_submit(r, op);
    if (feed >= 0)
        assert_true(write(feed, text, strlen(text)) > 0);
    must_end(r, op);
}

static void read_and_poll(struct rig *r, int flags)
{
    int fds[2];
    char buf[1];
    make_pipe(fds, flags);
    struct aw_op in = op_read(fds[0], buf, 1), ready = op_poll(fds[0], POLLIN);
    submit_then(r, &in, fds[1], "ab");
    submit_then(r, &ready, -1, "");
    submit_then(r, &in, -1, "");
    submit_then(r, &in, fds[1], "c");
    submit_then(r, &ready, fds[1], "d");
    r->io->backend->wake(r->io);
    submit_then(r, &in, -1, "");
    close_pipe(fds);
}

static void write_much(struct rig *r, int flags)
{
    int fds[2];
    static char data[1 << 17], sink[1 << 17];
    make_pipe(fds, flags);
    struct aw_op out = op_write(fds[1], data, sizeof data);
    for (int i = 0; i < 3; i++)
        submit_then(r, &out, -1, "");
    fill_pipe(fds[1]);
    fcntl(fds[1], F_SETFL, flags);
    rig_submit(r, &out);
    assert_true(read(fds[0], sink, sizeof sink) > 0);
    must_end(r, &out);
    close_pipe(fds);
}

/* A file that lives on under another number makes the backend exchange its epoll set. */
static void leave_a_ghost(struct rig *r)
{
    enum { FAR_NUMBER = 300 }; /* the table has to grow for it */
    int fds[2];
    char buf[1];
    make_pipe(fds, O_NONBLOCK);
    struct aw_op in = op_read(fds[0], buf, 1);
    submit_then(r, &in, fds[1], "ab");
    int alive = dup(fds[0]);
    close(fds[0]);
    int other[2];
    make_pipe(other, O_NONBLOCK);
    assert_int_equal(dup2(other[0], FAR_NUMBER), FAR_NUMBER);
    close(other[0]);
    other[0] = FAR_NUMBER;
    in = op_read(other[0], buf, 1);
    submit_then(r, &in, other[1], "c");
    close(alive);
    close(fds[1]);
    close_pipe(other);
}

static void scenario(void)
{
    struct rig r = {0};
    const char *why = NULL;
    aw_list_init(&r.done);
    int err = aw_io_open(&r.io, "epoll", &why);
    if (err < 0) {
        assert_true(err == fault.reason || err == -ENOMEM);
        assert_non_null(why);
        return;
    }
    read_and_poll(&r, O_NONBLOCK);
    read_and_poll(&r, 0);
    write_much(&r, O_NONBLOCK);
    write_much(&r, 0);
    leave_a_ghost(&r);
    rig_close(&r);
}

/* ---- the sweep ---- */

static int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Runs the scenario with one fault: was the place reached? */
static bool run_with_fault(enum entry e, unsigned at, bool for_ever, int reason)
{
    int open_before = open_descriptors();
    fault.entry = e;
    fault.at = at;
    fault.for_ever = for_ever;
    fault.reason = reason;
    fault.calls = 0;
    scenario();
    assert_int_equal(fault.balance, 0);
    assert_int_equal(open_descriptors(), open_before);
    return fault.calls >= at;
}

static void sweep(bool for_ever, int reason)
{
    static const char *const names[ENTRIES] = {"epoll_create", "epoll_ctl", "epoll_wait", "eventfd",
                                               "get_flags",    "poll_one",  "read",       "write",
                                               "close",        "alloc"};
    arm_faults();
    for (enum entry e = 0; e < ENTRIES; e++) {
        unsigned k = 1;
        while (run_with_fault(e, k, for_ever, reason))
            k++;
        assert_true(k > 1);
        printf("%s: %u places\n", names[e], k - 1);
    }
    aw_sys = real;
    aw_set_allocator(NULL);
}

TEST(epoll_faults_once_are_errors_and_leak_nothing)
{
    sweep(false, -EIO);
}

TEST(epoll_faults_for_ever_are_errors_and_leak_nothing)
{
    sweep(true, -EIO);
}

TEST(epoll_faults_without_memory_are_errors_and_leak_nothing)
{
    sweep(true, -ENOMEM);
}

/* An interruption is no error of anybody's. */
TEST(epoll_faults_by_signals_are_not_seen)
{
    arm_faults();
    for (enum entry e = EPOLL_WAIT; e <= WRITE; e = e == EPOLL_WAIT ? READ : e + 1)
        for (unsigned k = 1; run_with_fault(e, k, false, -EINTR); k++)
            continue;
    aw_sys = real;
    aw_set_allocator(NULL);
}

/* The file that epoll will not watch is done on the spot, whatever the first try said. */
static ssize_t once_again_read(int fd, void *buf, size_t n)
{
    static int calls;
    return calls++ == 0 ? -EAGAIN : real.read(fd, buf, n);
}

TEST(epoll_refused_descriptor_is_left_to_a_thread)
{
    struct rig r;
    char buf[4];
    rig_open(&r);
    FILE *file = tmpfile();
    assert_non_null(file);
    fcntl(fileno(file), F_SETFL, O_NONBLOCK);
    real = aw_sys;
    aw_sys.read = once_again_read;
    struct aw_op op = op_read(fileno(file), buf, 4);
    must_give(&r, &op, AW_OP_NEEDS_THREAD);
    aw_sys = real;
    fclose(file);
    rig_close(&r);
}
