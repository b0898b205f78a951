/*
 * date.c - dates: see date.h.
 *
 * Years begin in March here, so that the leap day is the last of its year, and days are counted
 * from the first of March of the year 0.  An era is 400 years, after which everything repeats.
 */
#include <stdio.h>
#include <string.h>

#include "text/date.h"

enum { DAY = 86400, ERA = 146097, TO_1970 = 719468 /* days */ };

/* ---- the calendar ---- */

void aw_date_of(int64_t seconds, struct aw_date *ret)
{
    int64_t days = seconds / DAY, rest = seconds % DAY;
    if (rest < 0) {
        rest += DAY;
        days--;
    }
    int64_t weekday = (days + 4) % 7;
    days += TO_1970;
    int64_t era = (days >= 0 ? days : days - (ERA - 1)) / ERA, of_era = days - era * ERA;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * year + year / 4 - year / 100));
    int month = (5 * of_year + 2) / 153;
    *ret = (struct aw_date){.year = era * 400 + year + (month >= 10),
                            .month = month + (month < 10 ? 3 : -9),
                            .day = of_year - (153 * month + 2) / 5 + 1,
                            .hour = (int)(rest / 3600),
                            .minute = (int)(rest / 60 % 60),
                            .second = (int)(rest % 60),
                            .weekday = (int)(weekday < 0 ? weekday + 7 : weekday)};
}

int64_t aw_date_seconds(const struct aw_date *d)
{
    if (d->year < 1970 || d->year > 9999 || d->month < 1 || d->month > 12 || d->day < 1 ||
        d->day > 31)
        return -1;
    if (d->hour < 0 || d->hour > 23 || d->minute < 0 || d->minute > 59 || d->second < 0 ||
        d->second > 60)
        return -1;
    int64_t year = d->year - (d->month <= 2), of_era = year % 400;
    int of_year = (153 * (d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;
    int64_t days = year / 400 * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_1970;
    return days * DAY + d->hour * 3600 + d->minute * 60 + d->second;
}

/* ---- HTTP's ---- */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void aw_date_http(char text[AW_DATE_HTTP], int64_t seconds)
{
    struct aw_date d;
    aw_date_of(seconds, &d);
    if (d.year < 0 || d.year > 9999)
        aw_date_of(0, &d);
    snprintf(text, AW_DATE_HTTP, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * d.weekday,
             d.day, months + 3 * (d.month - 1), (int)d.year, d.hour, d.minute, d.second);
}

/* Two or four digits; -1. */
static int number(const char *p, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        value = value * 10 + p[i] - '0';
    }
    return value;
}

static int month(const char *p)
{
    for (int i = 0; i < 12; i++)
        if (memcmp(p, months + 3 * i, 3) == 0)
            return i + 1;
    return 0;
}

/* Only the form that has been sent since 1999. */
int64_t aw_date_of_http(const char *text)
{
    static const char form[] = "..., .. ... .... ..:..:.. GMT";
    if (!text || strlen(text) != sizeof form - 1)
        return -1;
    for (size_t i = 0; form[i]; i++)
        if (form[i] != '.' && form[i] != text[i])
            return -1;
    return aw_date_seconds(&(struct aw_date){.year = number(text + 12, 4),
                                             .month = month(text + 8),
                                             .day = number(text + 5, 2),
                                             .hour = number(text + 17, 2),
                                             .minute = number(text + 20, 2),
                                             .second = number(text + 23, 2)});
}
