/*
 * What comes, frame by frame: which messages it makes, what is answered, how it ends.  Each stream
 * of frames is written at once, then cut in two at every byte, then byte by byte; and that to a
 * server and to a client.  The cases are those that the Autobahn suite looks at.
 */
#include "unit/ws/table.h"

enum { MOST_FRAMES = 8 };

struct stream_case {
    struct frame frames[MOST_FRAMES]; /* up to one that is all zero; behind them the end */
    const char *says;                 /* messages, answers, the outcome */
};

#define F(first_, ...)                                                                             \
    {                                                                                              \
        .first = (first_), .payload = __VA_ARGS__                                                  \
    }
#define LONG_125                                                                                   \
    "*****************************************************************************************"    \
    "************************************"
#define CODE(n) (const char[]){(char)((n) >> 8), (char)((n)&255), '\0'}, 2

/* ---- one run ---- */

static void tell_answers(const struct table *t, char *text, size_t size)
{
    char payload[200];
    size_t n;
    int first;
    while ((first = get_frame(t, payload, sizeof payload, &n)) >= 0) {
        size_t at = strlen(text);
        if (first == (FIN | CLOSE))
            snprintf(text + at, size - at, "close %d|",
                     n >= 2 ? (uint8_t)payload[0] << 8 | (uint8_t)payload[1] : 0);
        else
            snprintf(text + at, size - at, "%s %s|",
                     first == (FIN | PONG)   ? "pong"
                     : first == (FIN | PING) ? "ping"
                                             : "?",
                     payload);
    }
}

/* Write the bytes in pieces: the first of `cut`, then the rest; or, if it is 0, one by one. */
static void write_cut(aw_stream *s, const char *bytes, size_t n, size_t cut)
{
    for (size_t at = 0; at < n;) {
        size_t piece = cut == 0 ? 1 : at == 0 && cut < n ? cut : n - at;
        if (aw_stream_write(s, bytes + at, piece) < 0)
            return; /* it has hung up */
        at += piece;
        passes(2);
    }
}

static void run_case(const struct stream_case *c, bool server, size_t cut, char *says, size_t size)
{
    static char bytes[4096];
    struct table t = SIT(.server = server);
    struct log log = {.ws = t.ws};
    size_t n = 0;
    for (const struct frame *f = c->frames; f->first || f->payload; f++)
        n += encode_frame(&t, f, bytes + n);
    aw_task *reader = aw_create_task(keep_log, &log);
    write_cut(t.raw, bytes, n, cut);
    aw_ignore(aw_stream_write_eof(t.raw));
    assert_int_equal(aw_join(reader), 0);
    assert_true(strlen(log.text) < size);
    memcpy(says, log.text, strlen(log.text) + 1);
    tell_answers(&t, says, size);
    size_t at = strlen(says);
    snprintf(says + at, size - at, "%s %d", aw_error_name(log.outcome),
             aw_websocket_close_code(t.ws));
    rise(&t);
}

static void check_case(const struct stream_case *c)
{
    static const char *const roles[] = {"client", "server"};
    char says[1024];
    struct table t = {.server = true};
    static char bytes[4096];
    size_t n = 0;
    for (const struct frame *f = c->frames; f->first || f->payload; f++)
        n += encode_frame(&t, f, bytes);
    for (int server = 0; server < 2; server++)
        for (size_t cut = 0; cut <= n; cut++) {
            run_case(c, server, cut, says, sizeof says);
            if (strcmp(says, c->says) != 0)
                fail_msg("to a %s, cut at %zu: %s\nwanted %s", roles[server], cut, says, c->says);
        }
}

#define TEST_FRAMES(name, says_, ...)                                                              \
    static int name##_main(void *arg)                                                              \
    {                                                                                              \
        (void)arg;                                                                                 \
        check_case(&(struct stream_case){.frames = {__VA_ARGS__}, .says = (says_)});               \
        return 0;                                                                                  \
    }                                                                                              \
    TEST_SLOW(name)                                                                                \
    {                                                                                              \
        assert_int_equal(aw_run(name##_main, NULL, .exception_handler = collect_report), 0);       \
        assert_reports(0);                                                                         \
    }                                                                                              \
    _Static_assert(true, "a declaration, to be ended by a semicolon")

/* ---- messages ---- */

TEST_FRAMES(ws_frames_text_and_binary, "Thello|Bbytes|T|close 1000|0 1000", F(FIN | TEXT, "hello"),
            F(FIN | BINARY, "bytes"), F(FIN | TEXT, NULL), F(FIN | CLOSE, CODE(1000)));
TEST_FRAMES(ws_frames_of_125_and_126, "T" LONG_125 "|T" LONG_125 "x|AW_EOF 1006",
            F(FIN | TEXT, LONG_125), F(FIN | TEXT, LONG_125 "x"));
TEST_FRAMES(ws_frames_fragments, "Tabc|Bde|AW_EOF 1006", F(TEXT, "a"), F(CONT, "b"),
            F(FIN | CONT, "c"), F(BINARY, "d"), F(CONT, ""), F(FIN | CONT, "e"));
TEST_FRAMES(ws_frames_empty_fragments, "T|AW_EOF 1006", F(TEXT, NULL), F(CONT, ""),
            F(FIN | CONT, ""));
TEST_FRAMES(ws_frames_control_between_fragments, "Tab|pong x|pong y|AW_EOF 1006", F(TEXT, "a"),
            F(FIN | PING, "x"), F(FIN | PONG, "?"), F(FIN | PING, "y"), F(FIN | CONT, "b"));
TEST_FRAMES(ws_frames_end_within_a_message, "AW_EOF 1006", F(TEXT, "a"), F(CONT, "b"));
TEST_FRAMES(ws_frames_end_within_a_frame, "AW_EOF 1006",
            F(FIN | TEXT, "abc", .length_bytes = 2, .declared = 1000));

/* ---- pings and pongs ---- */

TEST_FRAMES(ws_frames_ping_empty_and_125, "pong |pong " LONG_125 "|AW_EOF 1006",
            F(FIN | PING, NULL), F(FIN | PING, LONG_125));
TEST_FRAMES(ws_frames_pong_unasked, "Tx|AW_EOF 1006", F(FIN | PONG, "hm"), F(FIN | PONG, NULL),
            F(FIN | TEXT, "x"));
TEST_FRAMES(ws_frames_ping_of_126, "close 1002|-EPROTO 1006", F(FIN | PING, LONG_125 "x"));
TEST_FRAMES(ws_frames_ping_in_fragments, "close 1002|-EPROTO 1006", F(PING, "a"),
            F(FIN | CONT, "b"));
TEST_FRAMES(ws_frames_close_in_fragments, "close 1002|-EPROTO 1006", F(CLOSE, CODE(1000)));

/* ---- order ---- */

TEST_FRAMES(ws_frames_continuation_of_nothing, "close 1002|-EPROTO 1006", F(FIN | CONT, "a"));
TEST_FRAMES(ws_frames_continuation_behind_a_whole, "Ta|close 1002|-EPROTO 1006", F(FIN | TEXT, "a"),
            F(CONT, "b"));
TEST_FRAMES(ws_frames_message_within_a_message, "close 1002|-EPROTO 1006", F(TEXT, "a"),
            F(FIN | TEXT, "b"));
TEST_FRAMES(ws_frames_binary_within_a_text, "close 1002|-EPROTO 1006", F(TEXT, "a"),
            F(BINARY, "b"));

/* ---- bits ---- */

TEST_FRAMES(ws_frames_reserved_bit_1, "close 1002|-EPROTO 1006", F(FIN | TEXT | 0x40, "a"));
TEST_FRAMES(ws_frames_reserved_bit_2, "Tx|close 1002|-EPROTO 1006", F(FIN | TEXT, "x"),
            F(FIN | BINARY | 0x20, "a"));
TEST_FRAMES(ws_frames_reserved_bit_3_of_a_ping, "close 1002|-EPROTO 1006",
            F(FIN | PING | 0x10, "a"));
TEST_FRAMES(ws_frames_reserved_bit_of_a_continuation, "close 1002|-EPROTO 1006", F(TEXT, "a"),
            F(FIN | CONT | 0x40, "b"));
TEST_FRAMES(ws_frames_opcode_3, "close 1002|-EPROTO 1006", F(FIN | 3, NULL));
TEST_FRAMES(ws_frames_opcode_7, "close 1002|-EPROTO 1006", F(FIN | 7, "a"));
TEST_FRAMES(ws_frames_opcode_11, "close 1002|-EPROTO 1006", F(FIN | 11, NULL));
TEST_FRAMES(ws_frames_opcode_15, "close 1002|-EPROTO 1006", F(FIN | 15, "a"));
TEST_FRAMES(ws_frames_masked_wrongly, "Ta|close 1002|-EPROTO 1006", F(FIN | TEXT, "a"),
            F(FIN | TEXT, "b", .other_mask = true));
TEST_FRAMES(ws_frames_ping_masked_wrongly, "close 1002|-EPROTO 1006",
            F(FIN | PING, NULL, .other_mask = true));
TEST_FRAMES(ws_frames_length_not_the_shortest_of_2, "close 1002|-EPROTO 1006",
            F(FIN | TEXT, "abc", .length_bytes = 2));
TEST_FRAMES(ws_frames_length_not_the_shortest_of_8, "close 1002|-EPROTO 1006",
            F(FIN | TEXT, "abc", .length_bytes = 8));

/* ---- closes ---- */

TEST_FRAMES(ws_frames_close_without_code, "close 0|0 1005", F(FIN | CLOSE, NULL));
TEST_FRAMES(ws_frames_close_with_one_byte, "close 1002|-EPROTO 1006", F(FIN | CLOSE, "x"));
TEST_FRAMES(ws_frames_close_with_reason, "close 1001|0 1001", F(FIN | CLOSE, "\x03\xe9good night"));
TEST_FRAMES(ws_frames_close_with_bad_reason, "close 1007|-EILSEQ 1006",
            F(FIN | CLOSE, "\x03\xe9\xce\xba\xe1\xbd"));
TEST_FRAMES(ws_frames_close_within_a_message, "close 1000|0 1000", F(TEXT, "a"),
            F(FIN | CLOSE, CODE(1000)));
TEST_FRAMES(ws_frames_nothing_counts_behind_a_close, "close 1000|0 1000",
            F(FIN | CLOSE, CODE(1000)), F(FIN | TEXT, "late"), F(FIN | PING, "late"));

/* ---- text ---- */

TEST_FRAMES(ws_frames_text_cut_within_a_character, "T\xce\xba\xf0\x9f\x98\x80|AW_EOF 1006",
            F(TEXT, "\xce"), F(CONT, "\xba\xf0\x9f"), F(CONT, "\x98"), F(FIN | CONT, "\x80"));
TEST_FRAMES(ws_frames_text_bad_at_once, "close 1007|-EILSEQ 1006", F(TEXT, "ok\xff"), F(CONT, "x"));
TEST_FRAMES(ws_frames_text_ends_within_a_character, "close 1007|-EILSEQ 1006",
            F(FIN | TEXT, "\xce"));
TEST_FRAMES(ws_frames_text_bad_in_a_later_fragment, "close 1007|-EILSEQ 1006", F(TEXT, "\xed"),
            F(FIN | CONT, "\xa0\x80"));
TEST_FRAMES(ws_frames_binary_is_not_text, "B\xff\xfe|AW_EOF 1006", F(FIN | BINARY, "\xff\xfe"));

/* A text is refused at its first bad byte, and not when its frame is complete. */
TEST_IN_LOOP(ws_frames_text_fails_fast)
{
    struct table t = SIT(.server = true);
    aw_websocket_message m;
    PUT(&t, FIN | TEXT, "abc\xff", .length_bytes = 2, .declared = 60000);
    double before = aw_time();
    assert_int_equal(aw_stream_write_eof(t.raw), 0);
    assert_int_equal(aw_websocket_receive(t.ws, &m), -EILSEQ);
    assert_time(aw_time() - before, 0);
    expect_close(&t, AW_WS_BAD_TEXT);
    rise(&t);
}

/* ---- close codes, one by one ---- */

static const char *code_says(int code, bool server)
{
    static char says[128];
    struct stream_case c = {
        .frames = {F(FIN | CLOSE, (const char[]){(char)(code >> 8), (char)code}, 2)}};
    run_case(&c, server, 4, says, sizeof says);
    return says;
}

TEST_IN_LOOP(ws_frames_close_codes_that_may_be)
{
    static const int codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "close %d|0 %d", codes[i], codes[i]);
        assert_string_equal(code_says(codes[i], i % 2), wanted);
    }
}

TEST_IN_LOOP(ws_frames_close_codes_that_may_not_be)
{
    static const int codes[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                1016, 1100, 2000, 2999, 5000, 65535};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_string_equal(code_says(codes[i], i % 2), "close 1002|-EPROTO 1006");
}
