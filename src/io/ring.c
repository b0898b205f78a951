/*
 * ring.c - probing for io_uring: what the kernel has is found out by asking it, at run time.
 *
 * It may have none, a filter may forbid it, and an emulation may only have some of it; each is a
 * reason not to use it, in words.
 */
#include "io/ring.h"

#include "io/io.h"

enum {
    RING_SIZE = 256,         /* operations handed over by one call */
    COMPLETIONS_SIZE = 2048, /* more than that are kept by the kernel, at a price */
};

static const char *reason(int err)
{
    switch (err) {
    case -ENOSYS:
        return "the kernel has no io_uring";
    case -EPERM:
    case -EACCES:
        return "io_uring is forbidden here";
    case -ENOMEM:
        return "no memory for a ring of io_uring";
    case -EMFILE:
    case -ENFILE:
        return "no descriptor for a ring of io_uring";
    default:
        return "no ring of io_uring can be made";
    }
}

/* The cheapest way of handing completions over that the kernel knows (6.1; 5.19; any). */
static int open_ring(struct io_uring *ring)
{
    static const unsigned modes[] = {
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int err = -EINVAL;
    for (size_t i = 0; i < sizeof modes / sizeof *modes && err == -EINVAL; i++) {
        struct io_uring_params params = {.flags = modes[i] | IORING_SETUP_CQSIZE,
                                         .cq_entries = COMPLETIONS_SIZE};
        err = aw_sys.ring_open(ring, RING_SIZE, &params);
    }
    return err;
}

/* Has the kernel's io_uring what we use?  0, or an error and what is missing. */
static int look_into(struct io_uring *ring, const char **why)
{
    static const uint8_t needed[] = {
        IORING_OP_POLL_ADD,  IORING_OP_ASYNC_CANCEL, IORING_OP_READ,     IORING_OP_WRITE,
        IORING_OP_OPENAT,    IORING_OP_CLOSE,        IORING_OP_READV,    IORING_OP_WRITEV,
        IORING_OP_RECV,      IORING_OP_SEND,         IORING_OP_RECVMSG,  IORING_OP_SENDMSG,
        IORING_OP_ACCEPT,    IORING_OP_CONNECT,      IORING_OP_STATX,    IORING_OP_FSYNC,
        IORING_OP_FALLOCATE, IORING_OP_RENAMEAT,     IORING_OP_UNLINKAT,
    };
    const unsigned features = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL |
                              IORING_FEAT_RW_CUR_POS | IORING_FEAT_SUBMIT_STABLE;
    enum { OPS = 64 };
    union {
        struct io_uring_probe probe;
        char room[sizeof(struct io_uring_probe) + OPS * sizeof(struct io_uring_probe_op)];
    } known = {0};
    *why = "the kernel's io_uring is too old: Linux 5.11 is needed";
    if ((ring->features & features) != features)
        return -ENOSYS;
    *why = "the kernel does not tell what its io_uring can do";
    int err = aw_sys.ring_probe(ring, &known.probe, OPS);
    if (err < 0)
        return err;
    *why = "the kernel's io_uring lacks an operation";
    for (size_t i = 0; i < sizeof needed; i++)
        if (!io_uring_opcode_supported(&known.probe, needed[i]))
            return -ENOSYS;
    return 0;
}

int aw_ring_make(struct io_uring *ring, const char **why)
{
    int err = open_ring(ring);
    if (err < 0) {
        *why = reason(err);
        return err;
    }
    err = look_into(ring, why);
    if (err < 0)
        (void)aw_sys.ring_close(ring);
    return err;
}
