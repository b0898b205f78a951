/*
 * address.c - an address of the system's as text.
 *
 * What is handed in may be anybody's bytes: it is copied to where there is room for the largest
 * address, and what is missing is zero.  Nothing here asks the system.
 */
#include <string.h>

#include "sys/net.h"

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

/* An address in each of its shapes. */
union shapes {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

/* Zeros of an abstract name are '@', what cannot be shown is '?'. */
static void add_path(aw_buf *b, const char *path, size_t n)
{
    if (n == 0) {
        aw_buf_add(b, "(unnamed)");
        return;
    }
    if (*path != '\0') {
        n = strnlen(path, n);
        aw_buf_add(b, *path == '/' || *path == '.' ? "" : "unix:");
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)path[i];
        aw_buf_addn(b, c == '\0' ? "@" : c < ' ' || c == 127 ? "?" : &path[i], 1);
    }
}

static void add_in4(aw_buf *b, const struct sockaddr_in *a, bool with_port)
{
    char text[INET_ADDRSTRLEN];
    aw_buf_add(b, inet_ntop(AF_INET, &a->sin_addr, text, sizeof text));
    if (with_port)
        aw_buf_printf(b, ":%u", ntohs(a->sin_port));
}

static void add_in6(aw_buf *b, const struct sockaddr_in6 *a, bool with_port)
{
    char text[INET6_ADDRSTRLEN];
    aw_buf_add(b, with_port ? "[" : "");
    aw_buf_add(b, inet_ntop(AF_INET6, &a->sin6_addr, text, sizeof text));
    if (a->sin6_scope_id)
        aw_buf_printf(b, "%%%u", a->sin6_scope_id);
    if (with_port)
        aw_buf_printf(b, "]:%u", ntohs(a->sin6_port));
}

void aw_sockaddr_add(aw_buf *b, const struct sockaddr *a, size_t size, bool with_port)
{
    union shapes s;
    memset(&s, 0, sizeof s);
    if (size >= sizeof s.any.sa_family)
        memcpy(&s, a, size < sizeof s ? size : sizeof s);
    switch (s.any.sa_family) {
    case AF_INET:
        add_in4(b, &s.in4, with_port);
        break;
    case AF_INET6:
        add_in6(b, &s.in6, with_port);
        break;
    case AF_UNIX:
        size = size < sizeof s.local ? size : sizeof s.local;
        add_path(b, s.local.sun_path, size > PATH_AT ? size - PATH_AT : 0);
        break;
    default:
        aw_buf_add(b, "(none)");
    }
}
