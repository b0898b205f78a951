/*
 * server_text.c - the small languages of HTTP: %-codes, dates.
 */
#include "http/server.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t aw_http_decode(char *text, size_t n, bool is_query)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++, to++) {
        text[to] = is_query && text[i] == '+' ? ' ' : text[i];
        if (text[i] != '%')
            continue;
        int high = i + 2 < n ? hex(text[i + 1]) : -1, low = i + 2 < n ? hex(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0)
            return -1;
        text[to] = (char)(high * 16 + low);
        i += 2;
    }
    return (ptrdiff_t)to;
}

/* ---- dates ---- */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void aw_http_date_format(char text[AW_HTTP_DATE], int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm = {0};
    if (!gmtime_r(&t, &tm) || tm.tm_year > 8099)
        tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    snprintf(text, AW_HTTP_DATE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
             tm.tm_mday % 100, months + 3 * tm.tm_mon, (tm.tm_year + 1900) % 10000,
             tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
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
            return i;
    return -1;
}

/* Only the form that has been sent since 1999, "Sun, 06 Nov 1994 08:49:37 GMT". */
int64_t aw_http_date_parse(const char *text)
{
    static const char form[] = "..., .. ... .... ..:..:.. GMT";
    if (strlen(text) != sizeof form - 1)
        return -1;
    for (size_t i = 0; form[i]; i++)
        if (form[i] != '.' && form[i] != text[i])
            return -1;
    int day = number(text + 5, 2), mon = month(text + 8), year = number(text + 12, 4);
    int hour = number(text + 17, 2), min = number(text + 20, 2), sec = number(text + 23, 2);
    bool is_date = day >= 1 && day <= 31 && mon >= 0 && year >= 1970;
    if (!is_date || hour < 0 || hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 60)
        return -1;
    struct tm tm = {.tm_mday = day,
                    .tm_mon = mon,
                    .tm_year = year - 1900,
                    .tm_hour = hour,
                    .tm_min = min,
                    .tm_sec = sec};
    return (int64_t)timegm(&tm);
}
