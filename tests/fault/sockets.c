/*
 * sockets.c - scenarios of sockets: each call, and receivers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/core.h"
#include "core/op.h"
#include "fault/inject.h"
#include "io/receive.h"

/* ---- a connection, and a talk over it ---- */

struct talk {
    struct sockaddr_in at;
    int listener, client, server;
};

static struct sockaddr *as_addr(struct sockaddr_in *in)
{
    return (struct sockaddr *)(void *)in;
}

static int call(void *arg)
{
    struct talk *t = arg;
    return aw_connect(t->client, as_addr(&t->at), sizeof t->at);
}

static int answer(void *arg)
{
    struct talk *t = arg;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    t->server = aw_accept(t->listener, as_addr(&from), &len);
    AW_TRY(t->server);
    CHECK(len == sizeof from && from.sin_addr.s_addr == t->at.sin_addr.s_addr);
    return 0;
}

static int say_all(void *arg)
{
    const struct talk *t = arg;
    struct iovec v[2] = {{.iov_base = "ve", .iov_len = 2}, {.iov_base = "ctor", .iov_len = 4}};
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = 2};
    EXPECT(aw_send(t->client, "plain.", 6, 0), 6);
    EXPECT(aw_sendmsg(t->client, &msg, 0), 6);
    EXPECT(aw_writev(t->client, v, 2), 6);
    return 0;
}

static int hear_all(void *arg)
{
    const struct talk *t = arg;
    char a[8] = "", b[8] = "";
    struct iovec v[2] = {{.iov_base = a, .iov_len = 2}, {.iov_base = b, .iov_len = 4}};
    struct msghdr msg = {.msg_iov = v, .msg_iovlen = 2};
    EXPECT(aw_recv(t->server, a, 6, 0), 6);
    CHECK(memcmp(a, "plain.", 6) == 0);
    EXPECT(aw_recvmsg(t->server, &msg, 0), 6);
    CHECK(memcmp(a, "ve", 2) == 0 && memcmp(b, "ctor", 4) == 0);
    EXPECT(aw_readv(t->server, v, 2), 6);
    CHECK(memcmp(b, "ctor", 4) == 0);
    return 0;
}

static int converse(void *arg)
{
    EXPECT(aw_gather(AW_CORO(answer, arg), AW_CORO(call, arg)), 0);
    EXPECT(aw_gather(AW_CORO(hear_all, arg), AW_CORO(say_all, arg)), 0);
    return 0;
}

static int open_talk(struct talk *t)
{
    socklen_t len = sizeof t->at;
    *t = (struct talk){.server = -1};
    t->at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    t->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    t->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(t->listener >= 0 && t->client >= 0);
    CHECK(bind(t->listener, as_addr(&t->at), len) == 0 && listen(t->listener, 5) == 0);
    CHECK(getsockname(t->listener, as_addr(&t->at), &len) == 0);
    return 0;
}

/* A transfer that is cut short is another one. */
SCENARIO(socket_calls)
{
    struct talk t;
    AW_TRY(open_talk(&t));
    may_be_silent(SITE_RING_ENTER);
    may_be_silent(SITE_GET_OPTION); /* whether a socket listens */
    may_be_silent(SITE_SET_FLAGS); /* what connecting changes for a moment is put back */
    int err = run_main(converse, &t);
    close(t.client);
    close(t.listener);
    if (t.server >= 0)
        close(t.server);
    return err;
}

/* ---- a receiver ---- */

struct hearing {
    struct aw_receiver receiver;
    int fds[2];
    size_t heard;
    bool over;
    aw_event news;
};

static void take(struct hearing *h)
{
    struct aw_chunk *c;
    while ((c = aw_receiver_take(&h->receiver)) != NULL) {
        h->heard += c->len;
        aw_chunk_release(c);
    }
    h->over = h->receiver.op.state != AW_OP_IN_FLIGHT;
}

static void arrived(struct aw_receiver *r)
{
    struct hearing *h = aw_container_of(r, struct hearing, receiver);
    take(h);
    aw_ignore(aw_event_set(&h->news));
}

static int wait_for_news(struct hearing *h)
{
    AW_TRY(aw_event_clear(&h->news));
    return h->over ? 0 : aw_event_wait(&h->news);
}

/* Whatever happens, the record is the scenario's own again at the end. */
static void stop(struct hearing *h)
{
    if (!h->over && aw_op_cancel(aw_self.loop, &h->receiver.op))
        take(h);
}

static int receive_some(struct hearing *h)
{
    while (!h->over && h->heard < 10000)
        AW_TRY(wait_for_news(h));
    if (h->over && h->receiver.op.result < 0)
        return (int)h->receiver.op.result;
    CHECK(h->heard == 10000);
    return 0;
}

static int receive(void *arg)
{
    struct hearing *h = arg;
    static const char bytes[10000];
    if (aw_op_begin(aw_self.loop, &h->receiver.op))
        return (int)h->receiver.op.result;
    int err = send(h->fds[1], bytes, sizeof bytes, 0) == 10000 ? receive_some(h) : WRONG;
    stop(h);
    for (int i = 0; i < 1000 && !h->over; i++)
        aw_ignore(aw_sleep(0));
    return err;
}

/* A loop that has failed gives nothing back any more: its memory goes with it. */
SCENARIO(socket_receiver)
{
    struct hearing h = {.news = AW_EVENT_INIT};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, h.fds) == 0);
    aw_receiver_init(&h.receiver, h.fds[0], arrived);
    may_be_silent(SITE_RING_ENTER);
    may_be_silent(SITE_ALLOC); /* without rings of chunks it polls */
    may_be_silent(SITE_MAP);
    int err = run_main(receive, &h);
    close(h.fds[0]);
    close(h.fds[1]);
    return err;
}
