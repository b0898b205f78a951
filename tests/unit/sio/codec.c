/*
 * codec.c - packets and payloads, byte by byte, and what is refused.
 */
#include "harness/test.h"
#include "sio/engine.h"
#include "sio/packet.h"

/* ---- Engine.IO ---- */

static void expect_packet(const struct aw_eio_packet *p, char type, bool binary, const char *data)
{
    assert_int_equal(p->type, type);
    assert_int_equal(p->binary, binary);
    assert_int_equal(p->len, strlen(data));
    assert_memory_equal(p->data, data, p->len);
}

TEST(engineio_packets)
{
    struct aw_eio_packet p;
    char text[] = "4hello";
    assert_int_equal(aw_eio_decode(&p, text, 6), 0);
    expect_packet(&p, AW_EIO_MESSAGE, false, "hello");
    char ping[] = "2probe";
    assert_int_equal(aw_eio_decode(&p, ping, 6), 0);
    expect_packet(&p, AW_EIO_PING, false, "probe");
    char bad[][4] = {"7", "abc", "/", ""};
    for (int i = 0; i < 4; i++)
        assert_int_equal(aw_eio_decode(&p, bad[i], strlen(bad[i])), -EBADMSG);
}

TEST(engineio_payload_is_parted_by_0x1e)
{
    struct aw_eio_payload payload;
    struct aw_eio_packet p;
    char text[] = "4one\x1e"
                  "bAQIDBA==\x1e"
                  "3\x1e"
                  "4";
    aw_eio_payload_begin(&payload, text, sizeof text - 1, 4);
    assert_int_equal(aw_eio_payload_next(&payload, &p), 1);
    expect_packet(&p, AW_EIO_MESSAGE, false, "one");
    assert_int_equal(aw_eio_payload_next(&payload, &p), 1);
    expect_packet(&p, AW_EIO_MESSAGE, true, "\1\2\3\4");
    assert_int_equal(aw_eio_payload_next(&payload, &p), 1);
    expect_packet(&p, AW_EIO_PONG, false, "");
    assert_int_equal(aw_eio_payload_next(&payload, &p), 1);
    expect_packet(&p, AW_EIO_MESSAGE, false, "");
    assert_int_equal(aw_eio_payload_next(&payload, &p), 0);
    assert_int_equal(aw_eio_payload_next(&payload, &p), 0);
}

TEST(engineio_payload_refuses_what_is_no_packet)
{
    static const char *const bad[] = {"",
                                      "\x1e",
                                      "4a\x1e",
                                      "\x1e"
                                      "4a",
                                      "4a\x1e\x1e"
                                      "4b",
                                      "abc",
                                      "b!",
                                      "bAQI=="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct aw_eio_payload payload;
        struct aw_eio_packet p;
        char text[16];
        snprintf(text, sizeof text, "%s", bad[i]);
        aw_eio_payload_begin(&payload, text, strlen(text), 10);
        int err;
        do
            err = aw_eio_payload_next(&payload, &p);
        while (err > 0);
        assert_int_equal(err, -EBADMSG);
    }
}

/* CVE-2020-36048: many packets in one body cost no more than was allowed. */
TEST(engineio_payload_has_a_limit_of_packets)
{
    struct aw_eio_payload payload;
    struct aw_eio_packet p;
    char text[] = "2\x1e"
                  "2\x1e"
                  "2";
    aw_eio_payload_begin(&payload, text, sizeof text - 1, 2);
    assert_int_equal(aw_eio_payload_next(&payload, &p), 1);
    assert_int_equal(aw_eio_payload_next(&payload, &p), 1);
    assert_int_equal(aw_eio_payload_next(&payload, &p), AW_ELIMIT);
}

/* ---- Socket.IO ---- */

/* A packet in a line: type, attachments, namespace, id (-1: none), JSON. */
static void decoded(const char *text, char line[100], int *err)
{
    struct aw_sio_wire p;
    char copy[100];
    snprintf(copy, sizeof copy, "%s", text);
    *err = aw_sio_packet_decode(&p, copy, strlen(copy), 10);
    if (*err == 0)
        snprintf(line, 100, "%d %u %.*s %lld %.*s", (int)p.type, p.attachments, (int)p.nsp_len,
                 p.nsp, p.has_id ? (long long)p.id : -1, (int)p.json_len, p.json);
}

TEST(socketio_packets_read)
{
    static const char *const known[][2] = {
        {"0", "0 0 / -1 "},
        {"0{\"token\":\"123\"}", "0 0 / -1 {\"token\":\"123\"}"},
        {"0/custom,", "0 0 /custom -1 "},
        {"0/custom", "0 0 /custom -1 "},
        {"0/custom,{}", "0 0 /custom -1 {}"},
        {"1", "1 0 / -1 "},
        {"1/custom,", "1 0 /custom -1 "},
        {"2[\"a\"]", "2 0 / -1 [\"a\"]"},
        {"2456[\"a\",1]", "2 0 / 456 [\"a\",1]"},
        {"2/custom,7[\"a\"]", "2 0 /custom 7 [\"a\"]"},
        {"3456[1]", "3 0 / 456 [1]"},
        {"52-[\"a\"]", "5 2 / -1 [\"a\"]"},
        {"52-/custom,789[\"a\"]", "5 2 /custom 789 [\"a\"]"},
        {"61-789[1]", "6 1 / 789 [1]"},
        {"2999999999999999[\"a\"]", "2 0 / 999999999999999 [\"a\"]"},
        {"2abc[\"a\"]", "2 0 / -1 abc[\"a\"]"}, /* its JSON will be refused */
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char line[100] = "";
        int err;
        decoded(known[i][0], line, &err);
        assert_int_equal(err, 0);
        assert_string_equal(line, known[i][1]);
    }
}

TEST(socketio_packets_refused)
{
    static const char *const bad[] = {
        "",
        "abc",
        "7",
        "2",
        "3",
        "3[1]",
        "312",
        "4{}",
        "1{}",
        "5[\"a\"]",
        "5-[\"a\"]",
        "5",
        "51",
        "51[\"a\"]",
        "51-",
        "61-[1]",
        "5-1-[\"a\"]",
        "21234567890123456[\"a\"]",
        "51234567890123456789-[\"a\"]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[100];
        int err;
        decoded(bad[i], line, &err);
        if (err != -EBADMSG)
            fail_msg("%s: %d", bad[i], err);
    }
}

/* Socket.IO packets: attachments <= 10, whatever the packet says. */
TEST(socketio_packet_has_a_limit_of_attachments)
{
    char line[100];
    int err;
    decoded("510-[\"a\"]", line, &err);
    assert_int_equal(err, 0);
    decoded("511-[\"a\"]", line, &err);
    assert_int_equal(err, AW_ELIMIT);
    decoded("5999999999999999-[\"a\"]", line, &err);
    assert_int_equal(err, AW_ELIMIT);
}

TEST(socketio_heads_written)
{
    struct aw_growing t = {0};
    aw_sio_packet_head(&t, &(struct aw_sio_wire){.type = AW_SIO_BINARY_ACK,
                                                 .attachments = 2,
                                                 .nsp = "/custom",
                                                 .nsp_len = 7,
                                                 .has_id = true,
                                                 .id = 789});
    assert_int_equal(t.len, strlen("62-/custom,789"));
    assert_memory_equal(t.data, "62-/custom,789", t.len);
    aw_growing_clear(&t);
    aw_sio_packet_head(&t, &(struct aw_sio_wire){.type = AW_SIO_EVENT, .nsp = "/", .nsp_len = 1});
    assert_int_equal(t.len, 1);
    assert_memory_equal(t.data, "2", 1);
    aw_growing_clear(&t);
}

TEST(socketio_reserved_names)
{
    assert_true(aw_sio_reserved("connect", 7));
    assert_true(aw_sio_reserved("disconnecting", 13));
    assert_false(aw_sio_reserved("connect!", 8));
    assert_false(aw_sio_reserved("message", 7));
}
