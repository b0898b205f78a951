/*
 * Dates: every day of some centuries, and HTTP's form.
 */
#include "text/date.h"
#include "harness/test.h"

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The day after this one. */
static void step(struct aw_date *d)
{
    static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    d->weekday = (d->weekday + 1) % 7;
    if (++d->day <= length[d->month - 1] + (d->month == 2 && is_leap(d->year)))
        return;
    d->day = 1;
    if (++d->month <= 12)
        return;
    d->month = 1;
    d->year++;
}

/* 1 January of the year 0 was a Saturday. */
TEST(date_of_every_day)
{
    struct aw_date wanted = {.year = 0, .month = 1, .day = 1, .weekday = 6};
    for (int64_t s = -62167219200; wanted.year < 2500; s += 86400, step(&wanted)) {
        struct aw_date d;
        aw_date_of(s + 86399, &d);
        if (d.year != wanted.year || d.month != wanted.month || d.day != wanted.day ||
            d.weekday != wanted.weekday || d.hour != 23 || d.minute != 59 || d.second != 59)
            fail_msg("%lld-%d-%d", (long long)wanted.year, wanted.month, wanted.day);
        if (aw_date_seconds(&wanted) != (wanted.year < 1970 ? -1 : s))
            fail_msg("%lld-%d-%d", (long long)wanted.year, wanted.month, wanted.day);
    }
}

TEST(date_of_http)
{
    static const char *const none[] = {"",
                                       "yesterday",
                                       "Sun, 06 Nov 1994 08:49:37",
                                       "Sun, 06 Foo 1994 08:49:37 GMT",
                                       "Sun, 41 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 24:49:37 GMT",
                                       "Sun, 06 Nov 1994 0x:49:37 GMT",
                                       "Sun, 06 Nov 1894 08:49:37 GMT",
                                       "Sunday, 06-Nov-94 08:49:37 GMT"};
    char text[AW_DATE_HTTP];
    aw_date_http(text, 784111777);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_int_equal(aw_date_of_http(text), 784111777);
    aw_date_http(text, 253402300800);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(aw_date_of_http(none[i]), -1);
    assert_int_equal(aw_date_of_http(NULL), -1);
}
