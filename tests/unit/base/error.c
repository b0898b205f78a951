/*
 * Error codes: every code has a name and a text, and no two share one.
 */
#include "await/error.h"

#include <limits.h>

#include "base/errnos.h"
#include "harness/test.h"

struct code {
    int code;
    const char *name, *text;
};

static const struct code codes[] = {
#define OWN_CODE(name, number, text) {name, #name, text},
    AW_ERROR_TABLE(OWN_CODE)
#define ERRNO_CODE(name, text) {-name, "-" #name, text},
        AW_ERRNO_TABLE(ERRNO_CODE)};

enum { CODES = sizeof codes / sizeof *codes };

TEST(error_every_code_has_its_name_and_text)
{
    for (size_t i = 0; i < CODES; i++) {
        assert_string_equal(aw_error_name(codes[i].code), codes[i].name);
        assert_string_equal(aw_strerror(codes[i].code), codes[i].text);
        assert_true(strlen(codes[i].text) > 5);
    }
}

TEST(error_no_two_codes_are_the_same)
{
    for (size_t i = 0; i < CODES; i++)
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i].code, codes[j].code);
            assert_string_not_equal(codes[i].name, codes[j].name);
            assert_string_not_equal(codes[i].text, codes[j].text);
        }
}

/* The C library knows a text for each errno of the system: so must we. */
TEST(error_no_errno_of_the_system_is_missing)
{
    for (int number = 1; number < 200; number++) {
        bool system_knows = strncmp(strerror(number), "Unknown error", 13) != 0;
        bool we_know = strcmp(aw_strerror(-number), "unknown error") != 0;
        assert_int_equal(we_know, system_knows);
    }
}

TEST(error_names_stand_as_in_c_source)
{
    assert_string_equal(aw_error_name(-ENOENT), "-ENOENT");
    assert_string_equal(aw_error_name(AW_ESTATE), "AW_ESTATE");
    assert_string_equal(aw_strerror(-ENOENT), "no such file or directory");
    assert_string_equal(aw_error_name(0), "0");
}

TEST(error_unknown_codes_are_said_to_be_unknown)
{
    static const int strange[] = {1, ENOENT, -41, -58, -134, -4999, -5999, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        assert_string_equal(aw_strerror(strange[i]), "unknown error");
        assert_non_null(aw_error_name(strange[i]));
    }
}
