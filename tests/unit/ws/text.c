/*
 * Keys, lists, URLs.
 */
#include "ws/text.h"
#include "unit/core/util.h"
#include "ws/head.h"

static void expect_sha1(const char *text, const char *wanted)
{
    uint8_t digest[WS_SHA1_SIZE];
    char hex[2 * WS_SHA1_SIZE + 1];
    ws_sha1(text, strlen(text), digest);
    for (size_t i = 0; i < WS_SHA1_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(hex, wanted);
}

TEST(ws_sha1_of_known_texts)
{
    expect_sha1("", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect_sha1("abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect_sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    expect_sha1("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
                "klmnopqrlmnopqrsmnopqrstnopqrstu",
                "a49b2446a02c645bf419f995b67091253a04a259");
}

TEST(ws_key_is_answered_as_the_rfc_says)
{
    char answer[WS_ACCEPT_SIZE + 1];
    ws_key_answer("dGhlIHNhbXBsZSBub25jZQ==", answer);
    assert_string_equal(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(ws_key_is_16_bytes_in_base64)
{
    char key[WS_KEY_SIZE + 1];
    ws_key_make((const uint8_t *)"the sample nonce", key);
    assert_string_equal(key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_true(ws_key_check(key, 24));
    static const char *const bad[] = {"",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZQ==x",
                                      "dGhlIHNhbXBsZSBub25jZR==",
                                      "dGhl HNhbXBsZSBub25jZQ==",
                                      "dGhlIHNhbXBsZSBub25jZQ=A",
                                      "dGhlIHNhbXBsZSBub25jZAAA"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ws_key_check(bad[i], strlen(bad[i])));
    assert_false(ws_key_check("dGhlIHNhbXBsZSBub25j\0Q==", 24));
}

TEST(ws_list_has_tokens)
{
    static const struct {
        const char *list;
        bool has;
    } cases[] = {{"upgrade", true},     {"keep-alive, Upgrade", true}, {" UPGRADE\t,x", true},
                 {"", false},           {"upgraded", false},           {"up grade", false},
                 {"x,upgrade,y", true}, {"upgrade;q=1", false},        {",,upgrade", true},
                 {"not-upgrade", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ws_list_has(cases[i].list, strlen(cases[i].list), "upgrade") != cases[i].has)
            fail_msg("%s", cases[i].list);
}

static void expect_url(const char *url, const char *host, const char *port, const char *target,
                       bool secure)
{
    struct ws_url u;
    assert_int_equal(ws_url_parse(url, &u), 0);
    assert_string_equal(u.host, host);
    assert_string_equal(u.port, port);
    assert_string_equal(u.target, target);
    assert_true(u.secure == secure);
    ws_url_free(&u);
}

TEST(ws_url_is_taken_apart)
{
    expect_url("ws://example.org", "example.org", "80", "", false);
    expect_url("WSS://example.org/a?b=c", "example.org", "443", "/a?b=c", true);
    expect_url("ws://h:8080?q", "h", "8080", "?q", false);
    expect_url("ws://[::1]:9/x", "::1", "9", "/x", false);
    expect_url("ws://[::1]/", "::1", "80", "/", false);
    expect_url("ws://h:/", "h", "80", "/", false);
}

TEST(ws_url_that_is_none)
{
    static const char *const bad[] = {"",
                                      "ws",
                                      "http://h",
                                      "ws:/h",
                                      "ws://",
                                      "ws:///x",
                                      "ws://:80",
                                      "ws://[::1",
                                      "ws://[]",
                                      "ws://[::1]x",
                                      "ws://h:x",
                                      "ws://h:0",
                                      "ws://h:65536",
                                      "ws://h:99999999999999999999",
                                      "ws://u@h",
                                      "ws://h/a#b",
                                      "ws://h/a b",
                                      "ws://h/\r\nX: y",
                                      "ws://h/\xc3\xa9",
                                      "://h"};
    struct ws_url u;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (ws_url_parse(bad[i], &u) != -EINVAL)
            fail_msg("%s", bad[i]);
        ws_url_free(&u);
    }
    assert_int_equal(ws_url_parse(NULL, &u), -EINVAL);
}
