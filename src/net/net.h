/*
 * net.h - what the files of src/net share: addresses as the system has them, sockets set up, names
 * looked up, and errors with their words.
 */
#ifndef AW_NET_H
#define AW_NET_H

#include "await/net.h"
#include "await/scope.h"
#include "base/base.h"
#include "core/upper.h"
#include "sys/net.h"

/* ---- address.c ---- */

/* An address in the system's shapes. */
union aw_sockaddr {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

static inline union aw_sockaddr *aw_sockaddr_of(const aw_address *a)
{
    return (union aw_sockaddr *)&a->place;
}

/* An address that is `size` bytes of `place`, as a call has left it there. */
void aw_address_settle(aw_address *a, socklen_t size);

/* A port in digits: 0 to 65535, or -EINVAL, without words.  And a number behind "://". */
int aw_port_number(const char *text);

/* Is it the text of a number, and of nothing else? */
bool aw_is_number(const char *text);

/* ---- socket.c ---- */

/* A text of limited length made as by printf; what does not fit is cut.  For errors whose reason it
 * says itself; for those of the system there is aw_fail_about(). */
struct aw_words {
    char text[256];
};
int aw_raise_words(int code, const char *fmt, ...) AW_PRINTF(2, 3);

/* A close-on-exec, non-blocking socket, or the error; its words are for who knows what it is for.
 */
int aw_socket_new(int family, int type, int protocol);

/* Close it: nothing that could be said of that matters. */
void aw_socket_close(int fd);

/* Bind it; the error names the address. */
int aw_socket_bind(int fd, const aw_address *a);

/* Connect what takes no time to connect: a local socket, or one of datagrams. */
int aw_socket_connect_now(int fd, const aw_address *a);

/* A socket on the stack of a task that sleeps: closed if a loop is closed over it.  Held in the
 * running task until it lets go; returns the socket.  -1: none yet. */
struct aw_held_socket {
    aw_scope scope;
    int fd;
};
void aw_socket_hold(struct aw_held_socket *h, int fd);
int aw_socket_let_go(struct aw_held_socket *h);

/* Options that fail only where the socket is not of their kind. */
int aw_socket_set(int fd, int level, int option, int value);
int aw_socket_get(int fd, int level, int option);

/* What asyncio's connections have: small writes are sent at once.  Nothing, on other sockets. */
void aw_socket_prepare(int fd, bool nagle, bool keepalive);

/* A descriptor that a caller hands over: 0 if it is a socket of this type (and, if not 0, of this
 * family), non-blocking now; else the error. */
int aw_socket_check_given(int fd, int family, int type);

/* ---- connect.c ---- */

/* What a TLS context begins with; the context's own layout is its library's. */
static inline const aw_security *aw_security_of(const aw_tls_context *tls)
{
    return (const aw_security *)(const void *)tls;
}

/* ---- unix.c ---- */

/* The path that a local socket was bound to, as long as it is to be removed. */
struct aw_net_path {
    bool is_bound;
    struct aw_file_id id;
    char text[sizeof((struct sockaddr_un *)NULL)->sun_path];
};

/* Bind a socket of this type, taking a path over that was left behind; the error names it. */
int aw_net_path_bind(struct aw_net_path *p, int fd, const aw_address *a, int type);

/* Remove the path if it is still this socket's. */
void aw_net_path_remove(struct aw_net_path *p);

/* ---- resolve.c ---- */

/* What is asked of aw_lookup(): `host` NULL stands for this machine. */
struct aw_lookup {
    const char *host, *port;
    int family, type, flags; /* flags: AI_PASSIVE, AI_NUMERICHOST */
};

/* The addresses of a name, at least one: how many; *ret is to be given to aw_mem_free(). */
int aw_lookup(const struct aw_lookup *wanted, aw_address **ret);

/* fn(arg), with a limit if `timeout` is not 0. */
int aw_net_limited(double timeout, aw_fn *fn, void *arg);

/* ---- connect.c ---- */

struct aw_stream;

/* A stream over a connected socket, which is closed if that fails. */
int aw_net_stream(int fd, const aw_stream_opts *opts, aw_stream **ret);

/* Do the sizes among the options make sense?  0 or -EINVAL, before anything is done with them. */
int aw_stream_check_sizes(const aw_stream_opts *opts);

#endif
