/*
 * UTF-8: every character, and what is none.
 */
#include "text/utf8.h"
#include "harness/test.h"

/* Each character of Unicode, and nothing else, byte by byte. */
static size_t encode(uint32_t c, char *ret)
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        ret[i] = (char)(0x80 | (c & 63));
    ret[0] = (char)(0xf00 >> n | c);
    return n;
}

static bool is_text(const char *s, size_t n)
{
    struct aw_utf8 u = {0};
    for (size_t i = 0; i < n; i++)
        if (!aw_utf8_check(&u, s + i, 1))
            return false;
    return !u.left;
}

TEST_SLOW(utf8_every_character)
{
    char text[4];
    for (uint32_t c = 0; c < 0x120000; c++) {
        size_t n = encode(c, text);
        bool good = c < 0x110000 && (c < 0xd800 || c > 0xdfff);
        if (is_text(text, n) != good || aw_utf8_whole(text, n) != good)
            fail_msg("U+%X", c);
        if (n > 1 && aw_utf8_whole(text, n - 1))
            fail_msg("the beginning of U+%X", c);
    }
}

/* The bytes that may follow each other are those of RFC 3629's table. */
static bool is_well_formed(const uint8_t *b)
{
    if (b[0] < 0xe0 || b[0] > 0xef)
        return false;
    uint8_t low = b[0] == 0xe0 ? 0xa0 : 0x80, high = b[0] == 0xed ? 0x9f : 0xbf;
    return b[1] >= low && b[1] <= high && b[2] >= 0x80 && b[2] <= 0xbf;
}

TEST_SLOW(utf8_every_three_bytes_that_begin_one)
{
    uint8_t b[3];
    for (unsigned i = 0xe0 << 16; i < 0x1000000; i++) {
        b[0] = (uint8_t)(i >> 16), b[1] = (uint8_t)(i >> 8), b[2] = (uint8_t)i;
        if (b[0] < 0xf0 && aw_utf8_whole(b, 3) != is_well_formed(b))
            fail_msg("%06x", i);
    }
}

TEST(utf8_at_every_place_of_a_long_text)
{
    char text[64];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        assert_true(aw_utf8_whole(text, sizeof text));
        text[at] = (char)0xc0;
        assert_false(aw_utf8_whole(text, sizeof text));
        if (at + 1 < sizeof text) {
            memcpy(text + at, "\xc3\xa9", 2);
            assert_true(aw_utf8_whole(text, sizeof text));
        }
    }
    assert_true(aw_utf8_whole(NULL, 0));
}

/* Where it stops being UTF-8: at the character, not at the byte, that is none. */
TEST(utf8_good_characters_are_counted)
{
    static const struct {
        const char *text;
        size_t good;
    } known[] = {{"plain", 5},
                 {"h\303\251", 3},
                 {"\360\237\230\200", 4},
                 {"\364\217\277\277", 4},
                 {"a\377", 1},
                 {"ab\303", 2},
                 {"\300\200", 0},
                 {"\340\200\200", 0},
                 {"\355\240\200", 0},
                 {"\364\220\200\200", 0},
                 {"x\200", 1},
                 {"\360\237\230", 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(aw_utf8_good(known[i].text, strlen(known[i].text)), known[i].good);
}
