/*
 * simulated.c - scenarios on the simulated network: where the simulator has no memory, who called
 * is told, and nothing is left behind.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "await/testing.h"
#include "core/core.h"
#include "fault/inject.h"

/* Bytes to and fro; with and without waiting. */
static int over_a_pair(void)
{
    char buf[8];
    int fds[2];
    EXPECT(aw_sim_pair(fds, SOCK_STREAM), 0);
    int err = (int)aw_send(fds[0], "hello", 5, 0);
    if (err == 5)
        err = (int)aw_recv(fds[1], buf, sizeof buf, 0);
    int first = aw_sim_close(fds[0]), second = aw_sim_close(fds[1]);
    CHECK(first == 0 && second == 0);
    EXPECT(err, 5);
    CHECK(memcmp(buf, "hello", 5) == 0);
    return 0;
}

static int connect_and_accept(int listener, int client)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(80)};
    struct sockaddr *addr = (struct sockaddr *)(void *)&at;
    EXPECT(aw_sim_bind(listener, addr, sizeof at), 0);
    EXPECT(aw_sim_listen(listener, 3), 0);
    int err = aw_connect(client, addr, sizeof at);
    if (err == -ETIMEDOUT && disturbed())
        return expected_error; /* without memory for the other end it knocks in vain */
    EXPECT(err, 0);
    int accepted = aw_accept(listener, NULL, NULL);
    AW_TRY(accepted);
    CHECK(aw_sim_shutdown(client) == 0);
    char c;
    int end = (int)aw_recv(accepted, &c, 1, 0);
    CHECK(aw_sim_close(accepted) == 0);
    EXPECT(end, 0);
    return 0;
}

static int over_a_connection(void)
{
    int listener = aw_sim_socket(AF_INET, SOCK_STREAM);
    EXPECT(listener >= 0 ? 0 : listener, 0);
    int client = aw_sim_socket(AF_INET, SOCK_STREAM);
    int err = client >= 0 ? connect_and_accept(listener, client) : client;
    if (client >= 0)
        CHECK(aw_sim_close(client) == 0);
    CHECK(aw_sim_close(listener) == 0);
    EXPECT(err, 0);
    return 0;
}

static int in_the_world(void *arg)
{
    (void)arg;
    inject_watch(aw_self.loop);
    AW_TRY(over_a_pair());
    return over_a_connection();
}

SCENARIO(simulated_network)
{
    aw_sim_counts counts;
    may_be_silent(SITE_ALLOC); /* a knock that finds no memory is repeated */
    int err = aw_sim_run(in_the_world, NULL, .latency = 0.1, .exception_handler = note_report,
                         .ret_counts = &counts);
    if (err == 0)
        CHECK(counts.left_open == 0 && counts.bytes == 5);
    return err;
}
