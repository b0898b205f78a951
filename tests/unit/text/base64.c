/*
 * Base64: both ways, and what is none.
 */
#include "text/base64.h"
#include "harness/test.h"

TEST(base64_both_ways)
{
    static const struct {
        const char *bytes, *text;
    } known[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[32] = "";
        size_t n = strlen(known[i].bytes);
        assert_int_equal(aw_base64_size(n), strlen(known[i].text));
        aw_base64_encode(text, known[i].bytes, n);
        assert_string_equal(text, known[i].text);
        assert_int_equal(aw_base64_decode(text, text, strlen(text)), n);
        assert_memory_equal(text, known[i].bytes, n);
    }
    char unpadded[] = "Zm8";
    assert_int_equal(aw_base64_decode(unpadded, unpadded, 3), 2);
}

TEST(base64_refuses_what_is_none)
{
    static const char *const bad[] = {
        "Z", "Zg=", "Zm9v=", "Zm 9", "Zh==", "====", "=", "Z\x80==", "Zm9vZ"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[16];
        snprintf(text, sizeof text, "%s", bad[i]);
        assert_int_equal(aw_base64_decode(text, text, strlen(text)), -EBADMSG);
    }
}

TEST(base64_of_every_byte)
{
    unsigned char bytes[256];
    char text[400];
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    aw_base64_encode(text, bytes, 256);
    assert_int_equal(aw_base64_decode(text, text, aw_base64_size(256)), 256);
    assert_memory_equal(text, bytes, 256);
}

TEST(base64_behind_what_is_there)
{
    struct aw_growing t = {0};
    aw_growing_base64(&t, "", 0);
    aw_growing_addc(&t, 'b');
    aw_growing_base64(&t, "\377\376", 2);
    assert_int_equal(t.len, 5);
    assert_memory_equal(t.data, "b//4=", 5);
    aw_growing_clear(&t);
}
