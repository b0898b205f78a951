/*
 * net.c - the system calls of setting up sockets, and the resolver of the C library.
 *
 * As in table.c, errno is folded into the result and put back.  The resolver has error numbers of
 * its own, which become those of errno that say the same.
 */
#include "sys/net.h"

#include <errno.h>
#include <net/if.h>
#include <sys/stat.h>

static int settle(int result, int saved)
{
    if (AW_LIKELY(result >= 0))
        return result;
    int reason = errno;
    errno = saved;
    return -reason;
}

int aw_net_socket(int family, int type, int protocol)
{
    int saved = errno;
    return settle(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), saved);
}

int aw_net_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    int saved = errno;
    return settle(bind(fd, addr, len), saved);
}

int aw_net_listen(int fd, int backlog)
{
    int saved = errno;
    return settle(listen(fd, backlog), saved);
}

int aw_net_name(int fd, bool of_peer, struct sockaddr *addr, socklen_t *len)
{
    int saved = errno;
    return settle(of_peer ? getpeername(fd, addr, len) : getsockname(fd, addr, len), saved);
}

int aw_net_set_option(int fd, int level, int option, const void *value, socklen_t len)
{
    int saved = errno;
    return settle(setsockopt(fd, level, option, value, len), saved);
}

static int lookup_error(int code, int system)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
        return -ENOENT;
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -ENODATA;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_OVERFLOW:
        return -ENAMETOOLONG;
    case EAI_SYSTEM:
        return system > 0 ? -system : -EIO;
    case EAI_FAIL:
        return -EIO;
    default: /* a family, type, flag or service that does not exist */
        return -EINVAL;
    }
}

int aw_net_lookup(const char *host, const char *port, const struct addrinfo *hints,
                  struct addrinfo **ret)
{
    int saved = errno;
    int code = getaddrinfo(host, port, hints, ret);
    int result = lookup_error(code, errno);
    errno = saved;
    return result;
}

void aw_net_lookup_free(struct addrinfo *found)
{
    if (found)
        freeaddrinfo(found);
}

int aw_net_interface(const char *name)
{
    int saved = errno;
    unsigned index = if_nametoindex(name);
    return index ? (int)index : settle(-1, saved);
}

int aw_net_file_id(const char *path, struct aw_file_id *ret)
{
    int saved = errno;
    struct stat st;
    int err = settle(lstat(path, &st), saved);
    if (err == 0)
        *ret = (struct aw_file_id){
            .device = st.st_dev, .number = st.st_ino, .is_socket = S_ISSOCK(st.st_mode)};
    return err;
}

int aw_net_unlink(const char *path)
{
    int saved = errno;
    return settle(unlink(path), saved);
}
