/*
 * await/net.h - connecting, serving and datagrams; addresses, names and socket options.
 *
 *     aw_stream *s;
 *     AW_TRY(aw_open_connection(&s, "example.org", "443", .timeout = 5));
 *     ...
 *     aw_server *server;
 *     AW_TRY(aw_start_server(&server, talk, NULL, "8080", .limit = 10000));
 *     int err = aw_server_serve_forever(server, .grace = 10);
 *     aw_server_unref(server);
 *
 * Hosts are names or numeric addresses, ports numbers or service names ("http"), all of them
 * strings.  An error's words (aw_errmsg()) name the host, the address or the path that it is about.
 *
 * Time limits are seconds; 0, as by leaving `.timeout` out, means none, a negative one has expired.
 * -EINVAL for NaN.  Every call belongs to the thread that runs the loop, as with streams.
 */
#ifndef AWAIT_NET_H
#define AWAIT_NET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "await/stream.h"
#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- addresses ---- */

/* The address of a socket: a value, to be copied as one likes.  All zero: none. */
typedef struct aw_address {
    socklen_t size;                /* how much of `place` it is */
    struct sockaddr_storage place; /* as the system's calls take it */
} aw_address;

/* Bytes that hold the text of any address. */
#define AW_ADDRESS_TEXT 128

/* An address from text, without asking anybody: "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80"
 * (without a port it is 0: "::1"); the path of a local socket, "/run/a.sock" or "unix:a.sock"; or
 * "@name" in the abstract namespace.  0; -EINVAL for anything else; -ENAMETOOLONG for a path of
 * more than 107 bytes; -ENODEV for an interface that does not exist.  Any thread. */
AW_API int aw_address_parse(aw_address *ret, const char *text);

/* The same from its parts: a numeric address and a port; a path, or "@name". */
AW_API int aw_address_ip(aw_address *ret, const char *ip, unsigned port);
AW_API int aw_address_unix(aw_address *ret, const char *path);

/* Write it as aw_address_parse() reads it, or its host alone (for a local one: the path), as
 * snprintf() does: the length wanted.  Bytes of a path that cannot be shown become '?', zeros of an
 * abstract name '@'; a local socket without a name is "(unnamed)", no address "(none)".  A NULL
 * buffer has no room. */
AW_API int aw_address_format(const aw_address *a, char *buf, size_t size);
AW_API int aw_address_host(const aw_address *a, char *buf, size_t size);

/* AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC for none. */
AW_API int aw_address_family(const aw_address *a);

/* The port, and another one in its place: -EINVAL for what has no ports, and for no port. */
AW_API int aw_address_port(const aw_address *a);
AW_API int aw_address_set_port(aw_address *a, unsigned port);

/* The same address, port included? */
AW_API bool aw_address_equal(const aw_address *a, const aw_address *b);

/* The address of a socket, and of its other side.  0; errors of getsockname(2), getpeername(2). */
AW_API int aw_local_address(int fd, aw_address *ret);
AW_API int aw_peer_address(int fd, aw_address *ret);

/* ---- names ---- */

typedef struct aw_resolve_opts {
    aw_address **ret;
    const char *host, *port;
    int family;        /* AF_INET or AF_INET6 alone */
    double timeout;    /* seconds; 0: none */
    bool datagram;     /* for datagrams: matters to names of ports */
    bool passive;      /* to listen on: without a host, all interfaces; else this machine */
    bool numeric_only; /* do not ask anybody: a name is -EINVAL */
    bool usable_only;  /* only of families that this machine has addresses of */
} aw_resolve_opts;

/* int aw_resolve(aw_address **ret, const char *host, const char *port, ...options): the addresses
 * of a host.
 *
 * How many, at least one, in the order in which they should be tried; *ret is the caller's, to be
 * given to aw_addresses_free().  `host` NULL: see .passive; `port` NULL: 0.  Numbers are answered
 * at once.  Names are looked up as the C library does it, in one of up to eight threads that the
 * loop has for this; suspends meanwhile.  A lookup that is cancelled, or whose time is over,
 * returns at once and is left to its thread.
 *
 * -ENOENT: the name is not known; -ENODATA: it has no address of the family; -EAGAIN: no name
 * server has answered; -ENAMETOOLONG: more than 253 bytes; -EINVAL: an empty name, no such port or
 * family; -EIO: the resolver has failed; -ETIMEDOUT, -ECANCELED, -ENOMEM, AW_EMISUSE outside a
 * task; those of aw_run_in_executor(). */
#ifndef __cplusplus
#define aw_resolve(...) aw_resolve_(&(aw_resolve_opts){.ret = __VA_ARGS__})
#endif
AW_API int aw_resolve_(const aw_resolve_opts *opts) AW_MUST_USE;

/* Give a list of addresses up; NULL is allowed. */
AW_API void aw_addresses_free(aw_address *list);

/* ---- connecting ---- */

typedef struct aw_connection_opts {
    aw_stream **ret;
    const char *host, *port;
    const char *local_host; /* bind to this address first, of the family that is connected to */
    const char *local_port;
    const int *socket; /* in place of a host: a connected stream socket, which is taken over */
    int family;        /* AF_INET or AF_INET6 alone */
    double timeout;    /* seconds for all of it, names included; 0: none */
    double happy_eyeballs_delay; /* seconds from one attempt to the next, while none has failed;
                                    0.25 by default, INFINITY: one at a time */
    unsigned interleave; /* how many addresses of the first family come before one of the other, and
                            from then on in turns; 1 by default */
    bool nagle;          /* let small writes wait for each other; else TCP_NODELAY is set */
    bool keepalive;      /* SO_KEEPALIVE: notice a peer that has vanished */
    aw_tls_context *tls; /* await/tls.h: agree on TLS, in the role of a client */
    const char *server_name; /* the name that the other side has to show; by default the host */
    aw_stream_opts stream;   /* .limit, .high, .low, .max_pending and .close_timeout of it */
} aw_connection_opts;

/* int aw_open_connection(aw_stream **ret, const char *host, const char *port, ...options): connect
 * to a host by TCP; *ret is a stream of the caller's.
 *
 * A name with several addresses is connected to as RFC 8305 has it ("Happy Eyeballs"): families in
 * turns, an attempt after each .happy_eyeballs_delay, or as soon as one has failed; the first to
 * connect wins, the others are given up and closed.  Agreeing on TLS comes after that, within the
 * same time limit.
 *
 * 0; the errors of aw_resolve(); when all addresses have failed the error of the first, and words
 * that name all of them; -EINVAL without a host and a socket, with both, and for a socket of
 * another kind, and for a server's .tls; with .tls those of aw_start_tls(): -EKEYREJECTED, -EPROTO,
 * ...; -ETIMEDOUT; -ECANCELED: a connection that was made meanwhile is closed.  A .socket is still
 * the caller's if the call fails, unless .tls was being agreed on: it is closed then.  Suspends. */
#ifndef __cplusplus
#define aw_open_connection(...) aw_open_connection_(&(aw_connection_opts){.ret = __VA_ARGS__})
#endif
AW_API int aw_open_connection_(const aw_connection_opts *opts) AW_MUST_USE;

typedef struct aw_unix_connection_opts {
    aw_stream **ret;
    const char *path;
    const int *socket;     /* in place of a path: a connected stream socket, which is taken over */
    double timeout;        /* seconds; 0: none */
    aw_stream_opts stream; /* as above */
} aw_unix_connection_opts;

/* int aw_open_unix_connection(aw_stream **ret, const char *path, ...options): connect to a local
 * socket, by its path or ("@name") in the abstract namespace.
 *
 * 0; those of connect(2): -ENOENT, -ECONNREFUSED, -EACCES, ...; -ENAMETOOLONG; -EINVAL without a
 * path and a socket, with both, and for a socket of another kind; -ETIMEDOUT, -ECANCELED.  A
 * server whose backlog is full is tried again until it has room.  Suspends. */
#ifndef __cplusplus
#define aw_open_unix_connection(...)                                                               \
    aw_open_unix_connection_(&(aw_unix_connection_opts){.ret = __VA_ARGS__})
#endif
AW_API int aw_open_unix_connection_(const aw_unix_connection_opts *opts) AW_MUST_USE;

/* ---- serving ---- */

/* A server: listening sockets, and a task for each connection. */
typedef struct aw_server aw_server;

/* What serves one connection, in a task of its own.  The stream is the server's: it is closed when
 * the handler has returned.  A negative result is reported to the exception handler, once. */
typedef int aw_client_handler(aw_stream *s, void *arg);

/* Options of both kinds of servers; zero means the default. */
typedef struct aw_server_opts {
    const char *file, *fn_name; /* filled by the macros */
    int line;
    aw_server **ret;
    aw_client_handler *handler;
    const char *host, *port;    /* aw_start_server(): NULL host: all interfaces */
    const char *path;           /* aw_start_unix_server() */
    const char *const *hosts;   /* more hosts, up to a NULL */
    void *arg;                  /* handed to every handler */
    void (*release)(void *arg); /* called once with `arg` when the last handler has ended and the
                                   server is closed; not when starting it failed */
    const int *sockets; /* in place of all that: bound stream sockets, which are taken over */
    size_t n_sockets;
    int family;            /* AF_INET or AF_INET6 alone */
    int backlog;           /* connections that wait to be accepted; 1024 by default */
    bool no_reuse_address; /* do not set SO_REUSEADDR */
    bool reuse_port;       /* SO_REUSEPORT: several processes listen on one port */
    bool start_later;      /* do not listen yet: see aw_server_start_serving() */
    bool keep_path;        /* do not remove the path of a local socket when it is closed */
    bool nagle, keepalive; /* of the connections: as in aw_connection_opts */
    size_t limit;          /* most connections at a time; 0: no limit */
    size_t stack_size;     /* of the handlers' tasks: as in aw_task_opts */
    aw_tls_context *tls;   /* await/tls.h, a server's: agree on TLS before a handler begins */
    double tls_timeout;    /* seconds for that; 60 by default */
    double close_timeout;  /* seconds that what a handler has written is given to be sent after its
                              end; 10 by default */
    aw_stream_opts stream; /* the same of the streams; .close_timeout: see aw_server_leave() */
} aw_server_opts;

/* int aw_start_server(aw_server **ret, aw_client_handler *handler, const char *host,
 * const char *port, ...options): listen on every address of the host, and of .hosts, and call
 * handler(stream, .arg) in a new task for each connection.
 *
 * Port "0" gives each socket a free port: see aw_server_address().  The stream's peer is told by
 * aw_peer_address(aw_stream_fd(stream), ...).
 *
 * While .limit connections are there no more are accepted.  When the process has no descriptors
 * left (EMFILE, ENFILE), connections are closed as they come, by means of one that was kept in
 * reserve.  That, and a connection whose .tls came to nothing, is reported (AW_REPORT_SERVER) at
 * most each second.
 *
 * *ret is a handle of the caller's; giving it up does not close the server.  A run ends all its
 * tasks, and so its servers, and reports what was not closed before.
 *
 * 0; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and others of bind(2), naming the address; those of
 * aw_resolve(); -EINVAL (no handler; sockets together with a host, a port or a path; a client's
 * .tls; a socket of another kind, or not bound); -ENOMEM, -EMFILE; -ECANCELED.  Given sockets are
 * still the caller's if the call fails.  Suspends if a name must be looked up. */
#ifndef __cplusplus
#define aw_start_server(ret_, handler_, host_, ...)                                                \
    aw_start_server_(&(aw_server_opts){.file = __FILE__,                                           \
                                       .line = __LINE__,                                           \
                                       .fn_name = #handler_,                                       \
                                       .ret = (ret_),                                              \
                                       .handler = (handler_),                                      \
                                       .host = (host_),                                            \
                                       .port = __VA_ARGS__})
#endif
AW_API int aw_start_server_(const aw_server_opts *opts) AW_MUST_USE;

/* int aw_start_unix_server(aw_server **ret, aw_client_handler *handler, const char *path,
 * ...options): the same on a local socket: a path, or "@name" in the abstract namespace.
 *
 * The socket that a server which is gone has left at the path is removed; one that somebody still
 * listens on, and what is no socket, is -EADDRINUSE.  Closing the server removes the path, unless
 * another socket has taken it, or with .keep_path.  Otherwise as aw_start_server(); -EINVAL also
 * without a path and sockets.  Does not suspend. */
#ifndef __cplusplus
#define aw_start_unix_server(ret_, handler_, ...)                                                  \
    aw_start_unix_server_(&(aw_server_opts){.file = __FILE__,                                      \
                                            .line = __LINE__,                                      \
                                            .fn_name = #handler_,                                  \
                                            .ret = (ret_),                                         \
                                            .handler = (handler_),                                 \
                                            .path = __VA_ARGS__})
#endif
AW_API int aw_start_unix_server_(const aw_server_opts *opts) AW_MUST_USE;

/* Another handle; returns `server`.  And one less.  NULL is allowed in both; in another thread than
 * the loop's they do nothing. */
AW_API aw_server *aw_server_ref(aw_server *server);
AW_API void aw_server_unref(aw_server *server);

/* Begin to accept, if that was left for later: 0, also when it does already; AW_EMISUSE once it is
 * closed; errors of listen(2), -ENOMEM.  Does not suspend. */
AW_API int aw_server_start_serving(aw_server *server);

/* Does it accept connections?  False for NULL. */
AW_API bool aw_server_is_serving(const aw_server *server);

/* The address of its i-th socket, from 0 on: 0; -ENOENT when there is none (any more). */
AW_API int aw_server_address(const aw_server *server, size_t i, aw_address *ret);

/* How many sockets it listens on, none once it is closed; how many connections it has. */
AW_API size_t aw_server_sockets(const aw_server *server);
AW_API size_t aw_server_connections(const aw_server *server);

/* Stop listening: connections that are there go on.  0, also when done before; AW_ETHREAD.  The
 * sockets are closed in the next pass.  Does not suspend. */
AW_API int aw_server_close(aw_server *server);

/* Wait until the server is closed and its last connection has ended: 0; -ECANCELED; AW_EMISUSE
 * outside a task.  Closes nothing.  Suspends. */
AW_API int aw_server_wait_closed(aw_server *server) AW_MUST_USE;

/* In a handler: its stream shall outlive it.  The server does not close the stream when the handler
 * returns, nor count it any more; whoever holds a handle ends it: aw_stream_ref() first.  From the
 * last aw_stream_unref() on .stream.close_timeout is its limit.  For connections that wait for very
 * long, and do so better in a small task of their own.  0; AW_ETHREAD.  Does not suspend. */
AW_API int aw_server_leave(aw_stream *s);

/* Close the streams of all connections: their handlers read the end, and what is pending is sent.
 * And abort them: what is pending is dropped.  Handlers that do something else go on.  0;
 * AW_ETHREAD.  Neither suspends. */
AW_API int aw_server_close_clients(aw_server *server);
AW_API int aw_server_abort_clients(aw_server *server);

/* Options of ending a server. */
typedef struct aw_server_end_opts {
    aw_server *server;
    double grace; /* seconds; 0: none */
} aw_server_end_opts;

/* int aw_server_shutdown(aw_server *server, .grace = seconds): stop accepting, give the handlers so
 * long to end, then cancel those that are left and wait for their end; what they have not sent by
 * then is dropped.
 *
 * How many connections were left after the grace; -EINVAL; -ECANCELED: they have been cancelled at
 * once.  A handler that goes on all the same is waited for.  Suspends until the last connection has
 * ended. */
#ifndef __cplusplus
#define aw_server_shutdown(...) aw_server_shutdown_(&(aw_server_end_opts){.server = __VA_ARGS__})
#endif
AW_API int aw_server_shutdown_(const aw_server_end_opts *opts) AW_MUST_USE;

/* int aw_server_serve_forever(aw_server *server, .grace = seconds): serve until this task is
 * cancelled; then shut the server down, with this grace for its handlers, and return -ECANCELED.
 *
 * 0 when somebody else has closed the server, and its connections have ended; AW_EMISUSE when it is
 * closed already, or another task is in this call; those of aw_server_start_serving().  Suspends.
 */
#ifndef __cplusplus
#define aw_server_serve_forever(...)                                                               \
    aw_server_serve_forever_(&(aw_server_end_opts){.server = __VA_ARGS__})
#endif
AW_API int aw_server_serve_forever_(const aw_server_end_opts *opts) AW_MUST_USE;

/* ---- datagrams ---- */

/* A socket of datagrams. */
typedef struct aw_datagram aw_datagram;

typedef struct aw_datagram_opts {
    aw_datagram **ret;
    const char *local_host, *local_port;   /* bind to this; NULL host with a port: all interfaces */
    const char *remote_host, *remote_port; /* connect to this: sends to and hears only it */
    const char *path;        /* in their place a local socket: bind to this path, or "@name" */
    const char *remote_path; /* and connect to this one */
    const int *socket;       /* in place of all that: a datagram socket, which is taken over */
    int family;              /* AF_INET or AF_INET6; by default as the addresses say */
    double timeout;          /* seconds for the names; 0: none */
    bool reuse_port;         /* SO_REUSEPORT */
    bool broadcast;          /* SO_BROADCAST */
    bool keep_path;          /* do not remove .path when it is closed */
} aw_datagram_opts;

/* int aw_open_datagram(aw_datagram **ret, ...options): a socket of datagrams, bound, connected or
 * both.
 *
 * Without any address it is of .family, which is then needed.  Nothing is buffered here: what comes
 * waits in the kernel, which drops what finds no room (see SO_RCVBUF).  0; the errors of
 * aw_resolve(), bind(2) and connect(2); -EINVAL for options that exclude each other.  Suspends if a
 * name must be looked up. */
#ifndef __cplusplus
#define aw_open_datagram(...) aw_open_datagram_(&(aw_datagram_opts){.ret = __VA_ARGS__})
#endif
AW_API int aw_open_datagram_(const aw_datagram_opts *opts) AW_MUST_USE;

/* Send one datagram to the connected address, or to another one: n.  Suspends while the kernel has
 * no room.  Errors: those of send(2) (-EMSGSIZE: larger than a datagram may be; -EDESTADDRREQ or
 * -ENOTCONN: not connected), -EINVAL for a NULL pointer, -ECANCELED, AW_EMISUSE outside a task.
 * That an earlier datagram was refused by its receiver is no error of this one. */
AW_API ssize_t aw_datagram_send(aw_datagram *d, const void *buf, size_t n) AW_MUST_USE;
AW_API ssize_t aw_datagram_sendto(aw_datagram *d, const void *buf, size_t n,
                                  const aw_address *to) AW_MUST_USE;

/* Receive one datagram of up to n bytes, and the address that it came from (NULL: not wanted).  Its
 * length, which is larger than n when it was cut; 0 is an empty datagram.  That an earlier datagram
 * was refused by its receiver does not end the waiting: see aw_datagram_error().  Suspends; errors
 * of recv(2), -EINVAL for a NULL buffer, -ECANCELED, AW_EMISUSE as above. */
AW_API ssize_t aw_datagram_recv(aw_datagram *d, void *buf, size_t n) AW_MUST_USE;
AW_API ssize_t aw_datagram_recvfrom(aw_datagram *d, void *buf, size_t n,
                                    aw_address *from) AW_MUST_USE;

/* The last error of an earlier datagram that was passed over (-ECONNREFUSED, -EHOSTUNREACH, ...),
 * and forget it; 0 if there was none. */
AW_API int aw_datagram_error(aw_datagram *d);

/* Its descriptor, still its own; -EINVAL for NULL. */
AW_API int aw_datagram_fd(const aw_datagram *d);

/* Close it and give it up: 0, also for NULL; AW_EMISUSE while a task sends or receives (cancel it
 * first), and it stays open.  Does not suspend. */
AW_API int aw_datagram_close(aw_datagram *d);

/* ---- socket options ---- */

/* Set and get an option of a socket by its name in C: "TCP_NODELAY", "SO_RCVBUF", "IPV6_V6ONLY".
 * All that are one number can be used; SO_LINGER is seconds, or -1 for off.  0; -EINVAL for a name
 * that is not known; errors of setsockopt(2), getsockopt(2).  For a stream: aw_stream_fd().  Any
 * thread. */
AW_API int aw_set_socket_option(int fd, const char *name, int value);
AW_API int aw_get_socket_option(int fd, const char *name, int *ret);

#ifdef __cplusplus
}
#endif
#endif
