/*
 * testing_sockets.h - the suspending calls of sockets and open files, in the two ways that
 * testing_calls.h, which includes this, needs them.
 */
#ifndef TESTS_CORE_TESTING_SOCKETS_H
#define TESTS_CORE_TESTING_SOCKETS_H

/* ---- sockets: into what is full, out of what is empty, and with something in between ---- */

static inline int send_much(ssize_t (*call)(int fd))
{
    int err;
    do
        err = (int)call(things.full_socket[1]);
    while (err > 0);
    return err;
}

static char socket_block[4096];

static inline ssize_t send_plain(int fd)
{
    return aw_send(fd, socket_block, sizeof socket_block, 0);
}

static inline ssize_t send_message(int fd)
{
    struct iovec v = {.iov_base = socket_block, .iov_len = sizeof socket_block};
    struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
    return aw_sendmsg(fd, &msg, 0);
}

static inline ssize_t send_vector(int fd)
{
    struct iovec v = {.iov_base = socket_block, .iov_len = sizeof socket_block};
    return aw_writev(fd, &v, 1);
}

static inline ssize_t receive_plain(int fd)
{
    return aw_recv(fd, socket_block, sizeof socket_block, 0);
}

static inline ssize_t receive_message(int fd)
{
    struct iovec v = {.iov_base = socket_block, .iov_len = sizeof socket_block};
    struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
    return aw_recvmsg(fd, &msg, 0);
}

static inline ssize_t receive_vector(int fd)
{
    struct iovec v = {.iov_base = socket_block, .iov_len = sizeof socket_block};
    return aw_readv(fd, &v, 1);
}

/* Sent, and received again: 0 if it was all. */
static inline int there_and_back(ssize_t (*there)(int fd), ssize_t (*back)(int fd))
{
    int fds[2];
    AW_TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    ssize_t sent = there(fds[0]), got = back(fds[1]);
    close(fds[0]);
    close(fds[1]);
    return (int)(sent - got);
}

static inline int connect_and_accept(void)
{
    struct sockaddr_un at;
    socklen_t len = sizeof at;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AW_TRY(getsockname(things.listener, (struct sockaddr *)(void *)&at, &len));
    AW_TRY(aw_connect(fd, (struct sockaddr *)(void *)&at, len));
    int accepted = aw_accept(things.listener, NULL, NULL);
    AW_TRY(accepted);
    close(accepted);
    close(fd);
    return 0;
}

static inline int look_up(const char *host)
{
    aw_address *list;
    int n = aw_resolve(&list, host, "80");
    AW_TRY(n);
    aw_addresses_free(list);
    return n - 1;
}

static inline int connect_to(const char *host)
{
    aw_stream *s;
    return aw_open_connection(&s, host, "80");
}

static inline int serve_on(const char *host, bool for_ever)
{
    aw_server *s;
    AW_TRY(aw_start_server(&s, close_at_once, host, "0", .start_later = true));
    int err = for_ever ? aw_server_serve_forever(s) : 0;
    aw_server_unref(s);
    return err;
}

static inline int open_datagram(const char *host)
{
    aw_datagram *d;
    AW_TRY(aw_open_datagram(&d, .local_host = host, .local_port = "0"));
    return aw_datagram_close(d);
}

static inline int receive_datagram(bool there_is_one)
{
    aw_address own;
    char byte;
    AW_TRY(aw_local_address(aw_datagram_fd(things.datagram), &own));
    if (there_is_one)
        AW_TRY((int)aw_datagram_sendto(things.datagram, "", 0, &own));
    return (int)aw_datagram_recv(things.datagram, &byte, 1);
}

/* To a listener whose queue is full: nobody decides. */
static inline int connect_behind_others(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr *addr = (struct sockaddr *)(void *)&at;
    socklen_t len = sizeof at;
    int fds[4];
    for (int i = 0; i < 4; i++)
        AW_TRY(fds[i] = socket(AF_INET, SOCK_STREAM | (i < 3 ? SOCK_NONBLOCK : 0), 0));
    AW_TRY(bind(fds[0], addr, len));
    AW_TRY(listen(fds[0], 0));
    AW_TRY(getsockname(fds[0], addr, &len));
    for (int i = 1; i < 3; i++)
        if (connect(fds[i], addr, len) == 0)
            return -EPROTO;
    int err = aw_connect(fds[3], addr, len);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    return err;
}

/* ---- open files, of pipes ---- */

static inline aw_file *file_of(int fd, const char *mode)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return aw_file_open(path, mode);
}

static inline int file_byte(int fd)
{
    char byte;
    aw_file *f = file_of(fd, "r");
    int err = f ? (int)aw_file_read(f, &byte, 1) : aw_errno();
    aw_file_abort(f);
    return err;
}

static inline int file_line(int fd)
{
    char *line;
    aw_file *f = file_of(fd, "r");
    int err = f ? (int)aw_file_readline(f, &line) : aw_errno();
    aw_file_abort(f);
    return err;
}

/* Into a full pipe, or away; what was not written is dropped. */
static inline int file_bytes(int fd, int (*end)(aw_file *f))
{
    char block[4096] = {0};
    aw_file *f = file_of(fd, "w");
    if (!f)
        return aw_errno();
    int err = aw_file_write(f, block, sizeof block);
    while (err >= 0 && (err = end(f)) == 0 && fd != things.zero)
        err = aw_file_write(f, block, sizeof block);
    aw_file_abort(f);
    return err;
}

#endif
