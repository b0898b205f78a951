/*
 * Requests that come in pieces: what is understood does not depend on where they are cut.
 */
#include "serving.h"

static const char conversation[] =
    GET("/one?x=y", "A: b\r\n") POST("/two", "Content-Length: 5\r\n") "hello" POST(
        "/three", "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: u\r\n\r\n"
                                                    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET(
                                                        "/last", "Connection: close\r\n");

/* The moments of its answers do not matter. */
static void without_dates(char *text)
{
    for (char *at = text; (at = strstr(at, "Date: ")) != NULL; at++)
        memset(at + 6, '-', strcspn(at + 6, "\r"));
}

static struct talk whole, split;
static char whole_got[GOT_MAX];

static void assert_same(const char *sent)
{
    without_dates(split.got);
    if (strcmp(whole.got, split.got) != 0 || strcmp(whole.told, split.told) != 0)
        fail_msg("%s\ncut after %zu: %s\nwhole: %s", sent, split.split, split.got, whole.got);
}

/* Cut in two at every byte, and into single bytes. */
static void cut_everywhere(const char *sent)
{
    whole = (struct talk){.sent = sent, .got = whole_got};
    talk(&whole);
    without_dates(whole.got);
    for (size_t i = 1; i < strlen(sent); i++) {
        split = (struct talk){.sent = sent, .split = i};
        talk(&split);
        assert_same(sent);
    }
    split = (struct talk){.sent = sent, .piece = 1};
    talk(&split);
    assert_same(sent);
}

TEST_IN_LOOP(http_requests_are_split_at_every_byte)
{
    cut_everywhere(conversation);
    assert_int_equal(answers(&whole), 5);
    assert_non_null(strstr(whole.got, "POST /two? hello"));
    assert_non_null(strstr(whole.got, "POST /three? abcde"));
}

TEST_IN_LOOP(http_bad_requests_are_split_at_every_byte)
{
    static const char *const bad[] = {
        POST("/", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
        GET("/", "A: b\r\n c\r\n"),
        GET("/", "A : b\r\n"),
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        GET("/", "A: b\rc\r\n"),
        POST("/", "Transfer-Encoding: chunked\r\n") "1\r\nab\r\n",
        POST("/", "Transfer-Encoding: chunked\r\n") "1\nab\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cut_everywhere(bad[i]);
        assert_int_equal(answers(&whole), 1);
        assert_int_equal(status_of(&whole, 0), 400);
    }
}
