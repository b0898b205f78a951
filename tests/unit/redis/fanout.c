/*
 * fanout.c - several Socket.IO servers behind one Redis, and the bytes between them.
 */
#include "redis/fanout.h"
#include "await/http_server.h"
#include "await/websocket.h"
#include "redis/json.h"
#include "redis/world.h"

/* ---- bytes ---- */

static void pack(struct aw_growing *t, const aw_sio_packet *p)
{
    struct json_t *arguments;
    assert_int_equal(rd_packet_arguments(p, &arguments), 0);
    rd_packet_write(t, "abcdef", "/", p, arguments);
    aw_json_unref(arguments);
    assert_int_equal(t->failed, 0);
}

/* emit('e',1,{a:'b'}) as node's redis-adapter writes it. */
TEST(redis_broadcast_has_the_bytes_of_node)
{
    static const char expected[] = "\x93\xa6"
                                   "abcdef\x83\xa4type\x02\xa4"
                                   "data\x93\xa1"
                                   "e\x01\x81\xa1"
                                   "a\xa1"
                                   "b\xa3nsp\xa1/\x83\xa5rooms\x90\xa6"
                                   "except\x90\xa5"
                                   "flags\x80";
    struct aw_growing t = {0};
    pack(&t, &(aw_sio_packet){.event = "e", .json = "[1,{\"a\":\"b\"}]"});
    assert_int_equal(t.len, sizeof expected - 1);
    assert_memory_equal(t.data, expected, t.len);
    aw_growing_clear(&t);
}

/* Everything that JSON can say, and bytes, there and back. */
TEST(redis_broadcast_there_and_back)
{
    static const char json[] = "[null,true,false,-1,-9223372036854775808,9223372036854775807,1.5,"
                               "\"\\u0000\\u0001\\\"\xc3\xa9\","
                               "[],{},{\"k\":[{\"_placeholder\":true,\"num\":0}]}]";
    static const char *const rooms[] = {"r1", "r2"}, *const except[] = {"x"};
    aw_sio_bytes bytes = {.data = "\0\1\2", .size = 3};
    struct aw_growing t = {0};
    struct rd_broadcast b;
    pack(&t, &(aw_sio_packet){.event = "ev",
                              .json = json,
                              .attachments = &bytes,
                              .n_attachments = 1,
                              .rooms = rooms,
                              .n_rooms = 2,
                              .except = except,
                              .n_except = 1,
                              .is_volatile = true});
    assert_int_equal(rd_broadcast_read(&b, t.data, t.len), 0);
    assert_string_equal(b.uid, "abcdef");
    assert_string_equal(b.nsp, "/");
    assert_string_equal(b.packet.event, "ev");
    assert_string_equal(b.packet.json, json);
    assert_int_equal(b.packet.n_attachments, 1);
    assert_memory_equal(b.packet.attachments[0].data, "\0\1\2", 3);
    assert_int_equal(b.packet.n_rooms, 2);
    assert_string_equal(b.packet.rooms[1], "r2");
    assert_string_equal(b.packet.except[0], "x");
    assert_true(b.packet.is_volatile);
    rd_broadcast_clear(&b);
    for (size_t n = 0; n < t.len; n++) /* cut anywhere, in memory that ends there */
    {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, t.data, n);
        assert_int_equal(rd_broadcast_read(&b, cut, n), -EBADMSG);
        free(cut);
    }
    aw_growing_clear(&t);
}

/* Times, undefined, and a packet without flags and options, as other emitters write it. */
TEST(redis_broadcast_of_other_emitters)
{
    static const char bytes[] = "\x92\xa1u\x82\xa4"
                                "data\x95\xa1"
                                "e\xd6\xff\x00\x00\x00\x00\xd4\x00\x00"
                                "\xd7\xff\x1d\xcd\x65\x00\x5f\x5e\x10\x00\xca\x3f\x00\x00\x00"
                                "\xa4type\x02";
    struct rd_broadcast b;
    assert_int_equal(rd_broadcast_read(&b, bytes, sizeof bytes - 1), 0);
    assert_string_equal(b.packet.json,
                        "[\"1970-01-01T00:00:00.000Z\",null,\"2020-09-13T12:26:40.125Z\",0.5]");
    assert_string_equal(b.nsp, "/");
    assert_int_equal(b.packet.n_rooms, 0);
    rd_broadcast_clear(&b);
}

/* Found by fuzzing: an event without a name, and two members of one name, with bytes each. */
TEST(redis_broadcast_of_names_twice)
{
    static const char bytes[] = "\x92\xa1u\x81\xa4"
                                "data\x92\xa0\x82\x00\xc4\x01"
                                "x\x00\xc4\x01"
                                "y";
    struct rd_broadcast b;
    assert_int_equal(rd_broadcast_read(&b, bytes, sizeof bytes - 1), 0);
    assert_string_equal(b.packet.event, "");
    assert_string_equal(b.packet.json, "[{\"0\":{\"_placeholder\":true,\"num\":0},"
                                       "\"0\":{\"_placeholder\":true,\"num\":1}}]");
    assert_int_equal(b.packet.n_attachments, 2);
    assert_memory_equal(b.packet.attachments[1].data, "y", 1);
    rd_broadcast_clear(&b);
}

#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

/* Counts that no bytes stand behind, values in values without end, names that are none. */
TEST(redis_broadcast_hostile)
{
    static const struct {
        const char *data;
        size_t n;
    } bad[] = {
        BYTES(""),
        BYTES("\xc1"),
        BYTES("\xdd\xff\xff\xff\xff"),
        BYTES("\xdf\xff\xff\xff\xff"),
        BYTES("\xdb\xff\xff\xff\xff"),
        BYTES("\x91\xa1u"),
        BYTES("\x93\xa1u\x80\x80"),
        BYTES("\x92\x01\x81\xa4"
              "data\x91\xa1"
              "e"),
        BYTES("\x92\xa1u\x81\xa4"
              "data\x91\xa2"
              "e\0"),
        BYTES("\x92\xa1u\x81\xa4"
              "data\x92\xa1"
              "e\xa1\xff"),
        BYTES("\x92\xa1u\x81\xa4"
              "data\x92\xa1"
              "e\x81\x80\x01"),
        BYTES("\x93\xa1u\x81\xa4"
              "data\x91\xa1"
              "e\x81\xa5"
              "rooms\x91\x01"),
        BYTES("\x92\xa1u\x81\xa4"
              "data\x91\xa1"
              "e\xc0"),
    };
    struct rd_broadcast b;
    char deep[200];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rd_broadcast_read(&b, bad[i].data, bad[i].n), -EBADMSG);
    memset(deep, 0x91, sizeof deep);
    assert_int_equal(rd_broadcast_read(&b, deep, sizeof deep), -EBADMSG);
}

/* ---- servers ---- */

/* One of the servers, as though it were a process of its own. */
struct node {
    aw_redis *redis;
    aw_sio *io;
    aw_sio_namespace *root;
    aw_redis_fanout *fanout;
    aw_http_server *server;
    char url[128];
    char events[256];
};

static int on_connect(aw_sio_socket *s, void *arg)
{
    (void)arg;
    const char *query = aw_sio_socket_query(s), *room = strstr(query, "room=");
    return room ? aw_sio_join(s, room + 5) : 0;
}

static void on_server_event(aw_sio_namespace *ns, const char *event, const char *json, void *arg)
{
    struct node *n = arg;
    snprintf(n->events, sizeof n->events, "%s %s %s", aw_sio_namespace_name(ns), event, json);
}

static void node_open(struct node *n, struct redis_server *s, struct world *w)
{
    aw_address a;
    assert_int_equal(aw_redis_open(&n->redis, s->url, .lazy = true, .logger = keep_line,
                                   .logger_arg = w, .backoff_max = 0.2),
                     0);
    n->io = aw_sio_new();
    assert_non_null(n->io);
    n->root = aw_sio_of(n->io, "/");
    assert_int_equal(aw_sio_on_connect(n->root, on_connect, NULL), 0);
    assert_int_equal(aw_redis_fanout_start(&n->fanout, n->redis, n->io,
                                           .python_channel = "socketio",
                                           .server_event = on_server_event, .arg = n),
                     0);
    assert_int_equal(aw_http_serve(&n->server, aw_sio_handler, "127.0.0.1", "0", .arg = n->io), 0);
    assert_int_equal(aw_http_server_address(n->server, 0, &a), 0);
    snprintf(n->url, sizeof n->url,
             "ws://127.0.0.1:%d/socket.io/?EIO=4&transport=websocket&room=", aw_address_port(&a));
}

static void node_close(struct node *n)
{
    assert_int_equal(aw_redis_fanout_stop(n->fanout), 0);
    assert_true(aw_sio_close(n->io, .grace = 0) >= 0);
    aw_sio_unref(n->io);
    assert_true(aw_http_server_shutdown(n->server, .grace = 0) >= 0);
    aw_http_server_unref(n->server);
    assert_int_equal(aw_redis_close(n->redis), 0);
    aw_redis_unref(n->redis);
}

/* The next event of a client; pings are passed over. */
static void next(aw_websocket *ws, char *buf, size_t size)
{
    aw_websocket_message m;
    do
        assert_int_equal(aw_websocket_receive(ws, &m), 1);
    while (!m.binary && strcmp(m.data, "2") == 0);
    snprintf(buf, size, "%s", m.data);
}

static void expect(aw_websocket *ws, const char *text)
{
    char buf[512];
    next(ws, buf, sizeof buf);
    assert_string_equal(buf, text);
}

/* A client in a room; its id is in id. */
static aw_websocket *client(struct node *n, const char *room, char id[32])
{
    aw_websocket *ws;
    char url[192], buf[512];
    snprintf(url, sizeof url, "%s%s", n->url, room);
    assert_int_equal(aw_websocket_connect(&ws, url), 0);
    next(ws, buf, sizeof buf);
    assert_int_equal(buf[0], '0');
    assert_int_equal(aw_websocket_send(ws, "40", 2), 0);
    next(ws, buf, sizeof buf);
    assert_int_equal(sscanf(buf, "40{\"sid\":\"%31[^\"]", id), 1);
    return ws;
}

static void with_servers(void (*fn)(struct node *a, struct node *b, struct redis_server *s,
                                    struct world *w))
{
    struct redis_server s;
    struct world w = {.seen = 0};
    struct node *nodes = calloc(2, sizeof *nodes);
    redis_server_make(&s);
    redis_server_start(&s);
    node_open(&nodes[0], &s, &w);
    node_open(&nodes[1], &s, &w);
    fn(&nodes[0], &nodes[1], &s, &w);
    node_close(&nodes[0]);
    node_close(&nodes[1]);
    free(nodes);
    redis_server_stop(&s);
    redis_server_forget(&s);
}

/* ---- broadcasts ---- */

static void broadcasts(struct node *a, struct node *b, struct redis_server *s, struct world *w)
{
    char ida[32], idb[32];
    aw_websocket *ca = client(a, "red", ida), *cb = client(b, "blue", idb);
    aw_websocket_message m;
    (void)s, (void)w;
    assert_int_equal(aw_sio_broadcast(a->root, "all", "[1,\"x\"]"), 0);
    expect(ca, "42[\"all\",1,\"x\"]");
    expect(cb, "42[\"all\",1,\"x\"]");
    assert_int_equal(aw_sio_broadcast(a->root, "room", "[]", .room = "blue"), 0);
    expect(cb, "42[\"room\"]");
    assert_int_equal(aw_sio_broadcast(a->root, "one", "[{}]", .room = idb), 0);
    expect(cb, "42[\"one\",{}]");
    assert_int_equal(aw_sio_broadcast(b->root, "not", "[]", .except_room = "red"), 0);
    expect(cb, "42[\"not\"]");
    aw_sio_bytes bytes = {.data = "\0\xff", .size = 2};
    assert_int_equal(aw_sio_broadcast(b->root, "bin", "[{\"_placeholder\":true,\"num\":0}]",
                                      .attachments = &bytes, .n_attachments = 1, .room = "red"),
                     0);
    expect(ca, "451-[\"bin\",{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(aw_websocket_receive(ca, &m), 1);
    assert_true(m.binary && m.size == 2 && memcmp(m.data, "\0\xff", 2) == 0);
    /* an emitter, one of Python's, and to rooms that do not exist */
    assert_int_equal(aw_redis_emit(a->redis, "/", "emitted", "[7]"), 0);
    expect(ca, "42[\"emitted\",7]");
    expect(cb, "42[\"emitted\",7]");
    assert_int_equal(aw_redis_emit(a->redis, "/", "nobody", "[]", .room = "green"), 0);
    assert_int_equal(aw_redis_emit(a->redis, "/nowhere", "nobody", "[]"), 0);
    assert_int_equal(aw_redis_emit(a->redis, "/", "x", "{}"), -EINVAL);
    assert_int_equal(aw_redis_command(a->redis, NULL, "PUBLISH socketio %s",
                                      "{\"method\":\"emit\",\"event\":\"py\",\"data\":[1],"
                                      "\"namespace\":\"/\",\"room\":\"blue\",\"skip_sid\":null}"),
                     0);
    expect(cb, "42[\"py\",1]");
    assert_int_equal(aw_sio_broadcast(b->root, "end", "[]"), 0);
    expect(ca, "42[\"end\"]");
    expect(cb, "42[\"end\"]");
    aw_websocket_unref(ca);
    aw_websocket_unref(cb);
}

static int run_broadcasts(void *arg)
{
    with_servers(broadcasts);
    return arg ? 1 : 0;
}

/* Two servers: what one broadcasts, the clients of both get, once each and in order. */
TEST_SLOW_REAL_CLOCK(redis_fanout_broadcasts)
{
    RUN(run_broadcasts);
}

/* ---- Python's ---- */

/* What is published for Python's, by one of ours; and the client of the other one has it too. */
static void said(aw_redis_subscription *s, const char *data)
{
    aw_redis_message m;
    assert_int_equal(aw_redis_next(s, &m), 0);
    if (!strstr(m.data, data))
        assert_string_equal(m.data, data);
    assert_non_null(strstr(m.data, "\"method\":\"emit\",\"event\":\"e\",\"data\":"));
    assert_non_null(strstr(m.data, "\"host_id\":\"await:"));
}

static void to_python(struct node *a, struct node *b, struct redis_server *s, struct world *w)
{
    aw_redis_subscription *sub;
    aw_sio_bytes bytes[] = {{"\0\xff", 2}, {"", 0}};
    (void)b, (void)s, (void)w;
    assert_int_equal(aw_redis_subscribe(&sub, a->redis, "socketio"), 0);
    assert_int_equal(aw_sio_broadcast(a->root, "e", NULL), 0);
    said(sub, "\"data\":null,\"binary\":false,\"namespace\":\"/\",\"room\":null,");
    assert_int_equal(aw_sio_broadcast(a->root, "e", "[{\"a\":[1]}]", .room = "red"), 0);
    said(sub, "\"data\":{\"a\":[1]},\"binary\":false,\"namespace\":\"/\",\"room\":\"red\",");
    assert_int_equal(aw_sio_broadcast(a->root, "e", "[[1,2]]"), 0);
    said(sub, "\"data\":[[1,2]],\"binary\":false");
    assert_int_equal(aw_sio_broadcast(a->root, "e", "[1,2]"), 0);
    said(sub, "\"data\":[1,2],\"binary\":false");
    assert_int_equal(aw_sio_broadcast(a->root, "e",
                                      "[{\"_placeholder\":true,\"num\":1},"
                                      "{\"_placeholder\":true,\"num\":0}]",
                                      .attachments = bytes, .n_attachments = 2),
                     0);
    said(sub, "\"data\":[[{\"_placeholder\":true,\"num\":1},{\"_placeholder\":true,\"num\":0}],"
              "\"AP8=\",\"\"],\"binary\":true");
    assert_int_equal(aw_redis_unsubscribe(sub), 0);
}

static int run_to_python(void *arg)
{
    with_servers(to_python);
    return arg ? 1 : 0;
}

/* A broadcast as python-socketio's servers expect it: its arguments, and bytes in base64. */
TEST_SLOW_REAL_CLOCK(redis_fanout_to_python)
{
    RUN(run_to_python);
}

static void publish(struct node *a, const char *data)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"method\":\"emit\",\"event\":\"py\",\"namespace\":\"/\",\"room\":null,%s}", data);
    assert_int_equal(aw_redis_command(a->redis, NULL, "PUBLISH socketio %s", text), 0);
}

static void from_python(struct node *a, struct node *b, struct redis_server *s, struct world *w)
{
    static const struct {
        const char *sent, *expected;
    } cases[] = {
        {"\"data\":[]", "42[\"py\"]"},
        {"\"data\":[null]", "42[\"py\"]"},
        {"\"data\":null", "42[\"py\"]"},
        {"\"data\":7", "42[\"py\",7]"},
        {"\"data\":[[1,2]]", "42[\"py\",[1,2]]"},
        {"\"data\":[1,{}],\"binary\":false", "42[\"py\",1,{}]"},
        {"\"data\":[[1]],\"binary\":true", "42[\"py\",1]"},
    };
    char id[32];
    aw_websocket *c = client(b, "blue", id);
    aw_websocket_message m;
    (void)s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        publish(a, cases[i].sent);
        expect(c, cases[i].expected);
    }
    publish(a, "\"data\":[[{\"_placeholder\":true,\"num\":0}],\"AP8=\"],\"binary\":true");
    expect(c, "451-[\"py\",{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(aw_websocket_receive(c, &m), 1);
    assert_true(m.binary && m.size == 2 && memcmp(m.data, "\0\xff", 2) == 0);
    /* what is no bytes, too many, no arguments, and pickled */
    publish(a, "\"data\":[[{\"_placeholder\":true,\"num\":0}],\"A\"],\"binary\":true");
    publish(a, "\"data\":[[{\"_placeholder\":true,\"num\":0}],1],\"binary\":true");
    publish(a, "\"data\":[[],\"AP8=\"],\"binary\":true");
    assert_int_equal(aw_redis_command(a->redis, NULL, "PUBLISH socketio %s", "\x80\4}."), 0);
    publish(a, "\"data\":\"none\",\"binary\":true");
    publish(a, "\"data\":\"end\"");
    expect(c, "42[\"py\",\"end\"]");
    assert_non_null(strstr(w->lines, "a message on socketio is dropped: it is pickled, not JSON"));
    aw_websocket_unref(c);
}

static int run_from_python(void *arg)
{
    with_servers(from_python);
    return arg ? 1 : 0;
}

/* What python-socketio's servers publish: arguments as an array or alone, and bytes; what is wrong
 * with one of them is told, and the next one comes. */
TEST_SLOW_REAL_CLOCK(redis_fanout_from_python)
{
    RUN(run_from_python);
}

/* ---- requests ---- */

/* Publish a request to the servers, and take n answers. */
static void request(struct node *a, const char *json, size_t n, const char *contains)
{
    aw_redis_subscription *sub;
    aw_redis_message m;
    aw_redis_reply *counted;
    assert_int_equal(aw_redis_subscribe(&sub, a->redis, "socket.io-response#/#"), 0);
    assert_int_equal(aw_redis_command(a->redis, &counted, "PUBLISH socket.io-request#/# %s", json),
                     0);
    assert_int_equal(counted->integer, 2);
    aw_redis_reply_free(counted);
    for (size_t found = 0; n > 0; n--) {
        assert_int_equal(aw_redis_next(sub, &m), 0);
        found += strstr(m.data, contains) != NULL;
        if (n == 1)
            assert_true(found > 0);
    }
    assert_int_equal(aw_redis_unsubscribe(sub), 0);
}

static void wait_until(struct node *n, const char *room, size_t sockets)
{
    while (aw_sio_room_sockets(n->root, room) != sockets)
        assert_int_equal(aw_sleep(0.001), 0);
}

static void requests(struct node *a, struct node *b, struct redis_server *s, struct world *w)
{
    char id[32], text[256];
    aw_websocket *c = client(b, "blue", id);
    aw_redis_reply *n;
    (void)s, (void)w;
    assert_int_equal(aw_redis_command(a->redis, &n, "PUBSUB NUMSUB socket.io-request#/#"), 0);
    assert_int_equal(n->elements[1].integer, 2);
    aw_redis_reply_free(n);
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"handshake\":", id);
    request(a,
            "{\"uid\":\"u\",\"requestId\":\"q1\",\"type\":5,\"opts\":{\"rooms\":[],\"except\":[]}}",
            2, text);
    request(a, "{\"uid\":\"u\",\"requestId\":\"q2\",\"type\":0,\"rooms\":[\"blue\"]}", 2, id);
    request(a, "{\"uid\":\"u\",\"requestId\":\"q3\",\"type\":1}", 2, "\"blue\"");
    request(a, "{\"uid\":\"u\",\"requestId\":\"q4\",\"type\":6,\"data\":[\"hello\",1,\"x\"]}", 2,
            "\"data\":null");
    assert_string_equal(b->events, "/ hello [1,\"x\"]");
    request(a, "{\"type\":2,\"opts\":{\"rooms\":[\"blue\"],\"except\":[]},\"rooms\":[\"new\"]}", 0,
            "");
    wait_until(b, "new", 1);
    request(a, "{\"type\":3,\"opts\":{\"rooms\":[],\"except\":[]},\"rooms\":[\"new\"]}", 0, "");
    wait_until(b, "new", 0);
    request(a, "{not json", 0, "");
    request(a, "{\"type\":4,\"opts\":{\"rooms\":[\"blue\"],\"except\":[]},\"close\":true}", 0, "");
    wait_until(b, "blue", 0);
    aw_websocket_unref(c);
}

static int run_requests(void *arg)
{
    with_servers(requests);
    return arg ? 1 : 0;
}

/* What other servers ask: counted by them, done, and answered. */
TEST_SLOW_REAL_CLOCK(redis_fanout_requests)
{
    RUN(run_requests);
}

/* ---- Redis goes ---- */

static void outage(struct node *a, struct node *b, struct redis_server *s, struct world *w)
{
    char id[32], buf[128];
    aw_websocket *ca = client(a, "red", id), *cb = client(b, "blue", id);
    redis_server_stop(s);
    while (aw_redis_connected(a->redis))
        assert_int_equal(aw_sleep(0.001), 0);
    assert_int_equal(aw_sio_broadcast(a->root, "alone", "[]"), -ENOTCONN);
    expect(ca, "42[\"alone\"]");
    redis_server_start(s);
    while (!aw_redis_connected(a->redis) || !strstr(w->lines, "is lost\n") ||
           !b->redis->messages.stream || !a->redis->messages.stream)
        assert_int_equal(aw_sleep(0.001), 0);
    do { /* as long as the other one has not subscribed again, they are lost, and told so */
        aw_ignore(aw_sio_broadcast(a->root, "again", "[]"));
        assert_int_equal(aw_sleep(0.01), 0);
        expect(ca, "42[\"again\"]");
        aw_ignore(aw_sio_broadcast(b->root, "local", "[]", .room = "blue"));
        next(cb, buf, sizeof buf);
    } while (strcmp(buf, "42[\"local\"]") == 0);
    assert_string_equal(buf, "42[\"again\"]");
    aw_websocket_unref(ca);
    aw_websocket_unref(cb);
}

static int run_outage(void *arg)
{
    with_servers(outage);
    return arg ? 1 : 0;
}

/* Redis is stopped and started: what is lost is told, and then they are together again. */
TEST_SLOW_REAL_CLOCK(redis_fanout_outlives_redis)
{
    RUN(run_outage);
}
