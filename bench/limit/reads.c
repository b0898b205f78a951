/*
 * reads.c - the limit of bench/reads.c: the better of two loops, one that calls preadv2() and one
 * that keeps 64 reads in an io_uring.
 *
 * There are no tasks: a completion, or the result, is followed by the next read of the same reader.
 */
#include <liburing.h>
#include <sys/uio.h>

#include "bench/cached.h"

static struct cached file;
static char blocks[CACHED_READERS][CACHED_BLOCK];
static uint64_t states[CACHED_READERS];

static int by_call(void)
{
    for (size_t i = 0; i < file.reads; i++) {
        size_t reader = i % CACHED_READERS;
        struct iovec iov = {blocks[reader], CACHED_BLOCK};
        if (preadv2(file.fd, &iov, 1, cached_next(&file, &states[reader]), RWF_NOWAIT) !=
            CACHED_BLOCK)
            return perror("preadv2"), -1;
    }
    return 0;
}

static void ask(struct io_uring *ring, uint64_t reader)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_read(sqe, file.fd, blocks[reader], CACHED_BLOCK,
                       (uint64_t)cached_next(&file, &states[reader]));
    sqe->user_data = reader;
}

/* Every reader has read its last when there are no more to ask for. */
static int drive(struct io_uring *ring)
{
    size_t asked = CACHED_READERS, over = 0;
    for (uint64_t reader = 0; reader < CACHED_READERS; reader++)
        ask(ring, reader);
    while (over < asked) {
        struct io_uring_cqe *cqe;
        unsigned head, n = 0;
        int err = io_uring_submit_and_wait(ring, 1);
        if (err < 0)
            return fprintf(stderr, "io_uring_enter: %s\n", strerror(-err)), -1;
        io_uring_for_each_cqe(ring, head, cqe)
        {
            n++;
            if (cqe->res != CACHED_BLOCK)
                return fprintf(stderr, "a read gave %d\n", cqe->res), -1;
            if (asked < file.reads && ++asked)
                ask(ring, cqe->user_data);
        }
        io_uring_cq_advance(ring, n);
        over += n;
    }
    return 0;
}

static int by_ring(void)
{
    struct io_uring ring;
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    if (io_uring_queue_init_params(2 * CACHED_READERS, &ring, &params) < 0)
        return -1;
    io_uring_register_ring_fd(&ring);
    int err = drive(&ring);
    io_uring_queue_exit(&ring);
    return err;
}

/* Thousands of reads a second; 0 where there is no such way. */
static double rate_of(int (*read_all)(void))
{
    if (read_all() < 0)
        return 0;
    double began = bench_now();
    return read_all() < 0 ? 0 : (double)file.reads / (bench_now() - began) / 1e3;
}

static int run_reads(void)
{
    if (cached_open(&file) < 0)
        return -1;
    for (uint64_t reader = 0; reader < CACHED_READERS; reader++)
        states[reader] = reader;
    double ring = rate_of(by_ring), call = rate_of(by_call);
    bench_say("reads", ring > call ? ring : call);
    return 0;
}

static const struct bench_row rows[] = {{"reads", run_reads}};

BENCH_MAIN(rows)
