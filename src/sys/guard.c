/*
 * guard.c - pages that fault without being mappings of their own.
 *
 * mprotect() splits a mapping in three, and a process may have 65,530 of them, so that guards made
 * by it limit a program to some 32,000 stacks.  Linux 6.13 has MADV_GUARD_INSTALL: a mark in the
 * page table, which survives MADV_DONTNEED and costs no mapping.  process_madvise() sets many marks
 * in one call.
 *
 * That the call succeeds proves nothing: emulators return 0 for advice that they do not know.  So
 * the first guard made in a process is put to the test: the kernel must refuse to read it.
 *
 * Not used where a tool has to know about guards.  LeakSanitizer reads whatever the list of
 * mappings calls readable, and valgrind keeps a list of its own.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "sys/notes.h"
#include "sys/sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* How many guards a call makes.  With 128 one costs 10 % more than with 1,024 (which is the most),
 * but the list of them fits on a small stack. */
#define BATCH 128u
/* Fewer are cheaper one by one: the descriptor costs as much as several calls. */
#define BATCH_MIN 16u

/* ---- the calls ---- */

static int guard_one(char *page)
{
    return madvise(page, aw_page_size(), MADV_GUARD_INSTALL) < 0 ? -errno : 0;
}

static size_t guard_singly(char *first, size_t stride, size_t count, int *err)
{
    for (size_t i = 0; i < count; i++) {
        *err = guard_one(first + i * stride);
        if (*err < 0)
            return i;
    }
    return count;
}

#if defined(SYS_process_madvise) && defined(SYS_pidfd_open)

static size_t guard_batch(int self, char *first, size_t stride, size_t count)
{
    struct iovec pages[BATCH];
    size_t n = count < BATCH ? count : BATCH;
    for (size_t i = 0; i < n; i++)
        pages[i] = (struct iovec){.iov_base = first + i * stride, .iov_len = aw_page_size()};
    long bytes = syscall(SYS_process_madvise, self, pages, n, MADV_GUARD_INSTALL, 0u);
    return bytes > 0 ? (size_t)bytes / aw_page_size() : 0;
}

/* As many as go in batches.  The descriptor does not outlive the call: inherited over a fork it
 * would name the wrong process. */
static size_t guard_batches(char *first, size_t stride, size_t count)
{
    int self = count < BATCH_MIN ? -1 : (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0)
        return 0;
    size_t done = 0, more;
    do {
        more = guard_batch(self, first + done * stride, stride, count - done);
        done += more;
    } while (more > 0 && done < count);
    close(self);
    return done;
}

#else

static size_t guard_batches(char *first, size_t stride, size_t count)
{
    (void)first, (void)stride, (void)count;
    return 0;
}

#endif

int aw_guard_by_advice(void *first, size_t stride, size_t count)
{
    int saved = errno, err = 0;
    size_t done = guard_batches(first, stride, count);
    if (done <
        count) /* refused, or broken off: the rest one by one, for the reason if nothing else */
        done += guard_singly((char *)first + done * stride, stride, count - done, &err);
    errno = saved;
    return done > 0 ? (int)done : err;
}

int aw_guard_can_read(const void *addr)
{
    int saved = errno, ends[2], can;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        can = -errno;
    } else {
        can = write(ends[1], addr, 1) == 1 ? 1 : errno == EFAULT ? 0 : -errno;
        close(ends[0]);
        close(ends[1]);
    }
    errno = saved;
    return can;
}

/* ---- whether they do what they say ---- */

/* What is known in this process.  Threads that find out at the same time find the same. */
enum { UNKNOWN, WORKS, DOES_NOT };
static _Atomic int known = UNKNOWN;

static bool is_refusal(int err)
{
    return err == -EINVAL || err == -ENOSYS || err == -EPERM;
}

/* What this first attempt says about the next; whatever else went wrong may go right then. */
static int judge(const void *guard, int made)
{
    if (made <= 0)
        return is_refusal(made) ? DOES_NOT : UNKNOWN;
    int can_read = aw_sys.can_read(guard);
    return can_read == 0 ? WORKS : can_read > 0 ? DOES_NOT : UNKNOWN;
}

static int known_here(void)
{
#ifdef AW_ASAN
    return DOES_NOT;
#else
    return AW_NOTE_VALGRIND() ? DOES_NOT : atomic_load_explicit(&known, memory_order_relaxed);
#endif
}

size_t aw_guard_pages(char *first, size_t stride, size_t count)
{
    int verdict = known_here();
    if (verdict == DOES_NOT)
        return 0;
    int made = aw_sys.guard(first, stride, count);
    if (verdict == UNKNOWN) {
        verdict = judge(first, made);
        atomic_store_explicit(&known, verdict, memory_order_relaxed);
    }
    return verdict == WORKS && made > 0 ? (size_t)made : 0;
}
