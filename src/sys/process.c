/*
 * process.c - small questions to the process and the thread, and the way to standard error.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "sys/sys.h"

size_t aw_page_size(void)
{
    static _Atomic size_t cached;
    size_t size = atomic_load_explicit(&cached, memory_order_relaxed);
    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&cached, size, memory_order_relaxed);
    }
    return size;
}

/* Asked anew each time: a number remembered per thread would be the parent's after a fork. */
void aw_thread_yield(void)
{
    sched_yield();
}

int aw_open_null(void)
{
    int fd;
    do
        fd = aw_sys.openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
    while (fd == -EINTR);
    return fd;
}

long aw_thread_id(void)
{
    return syscall(SYS_gettid);
}

static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static int end_status;
static _Atomic(void (*)(void)) end_watcher;

static void thread_ended(void *value)
{
    (void)value;
    atomic_load (&end_watcher)();
}

static void make_end_key(void)
{
    end_status = -pthread_key_create(&end_key, thread_ended);
}

int aw_thread_watch(void (*on_end)(void))
{
    pthread_once(&end_once, make_end_key);
    if (end_status < 0)
        return end_status;
    atomic_store(&end_watcher, on_end);
    return -pthread_setspecific(end_key, &end_key);
}

uint64_t aw_process_number(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

/* May a write that failed be tried again?  A full pipe that is non-blocking is waited for, as a
 * blocking one would be, but only for a while. */
static bool worth_another_try(int reason)
{
    const int patience_ms = 1000;
    if (reason == EINTR)
        return true;
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    return reason == EAGAIN && poll(&p, 1, patience_ms) > 0;
}

/* Not through the table: what tests and simulators make fail must still be reported. */
void aw_stderr_write(const char *text, size_t n)
{
    int saved = errno;
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, text, n);
        if (done < 0 && !worth_another_try(errno))
            break;
        if (done > 0) {
            text += done;
            n -= (size_t)done;
        }
    }
    errno = saved;
}

/* The base is what the loader added to the addresses in the module's file: for a program linked
 * to a fixed place that is 0, and the offset is the address itself, as addr2line wants it. */
static bool find_module(const void *addr, const char **name, uintptr_t *base)
{
    Dl_info info;
#ifdef __GLIBC__
    struct link_map *map = NULL;
    if (!dladdr1(addr, &info, (void **)&map, RTLD_DL_LINKMAP) || !info.dli_fname)
        return false;
    *base = (uintptr_t)map->l_addr;
#else
    if (!dladdr(addr, &info) || !info.dli_fname)
        return false;
    *base = (uintptr_t)info.dli_fbase;
#endif
    const char *slash = strrchr(info.dli_fname, '/');
    *name = slash ? slash + 1 : info.dli_fname;
    return true;
}

void aw_code_address(const void *addr, char *out, size_t size)
{
    const char *name;
    uintptr_t base;
    if (find_module(addr, &name, &base))
        snprintf(out, size, "%s+0x%zx", name, (size_t)((uintptr_t)addr - base));
    else
        snprintf(out, size, "0x%zx", (size_t)(uintptr_t)addr);
}
