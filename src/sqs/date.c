/*
 * date.c - dates of the proleptic Gregorian calendar in UTC: see date.h.  The C library's functions
 * for that belong to time zones and locales, or to POSIX.
 */
#include <stdio.h>
#include <string.h>

#include "sqs/date.h"

/* Days from 1970-01-01: years begin in March, so that the leap day is the last of its year. */
static long long days_of(long long year, int month, int day)
{
    year -= month <= 2;
    long long era = year / 400, of_era = year % 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(long long days, int *year, int *month, int *day)
{
    days += 719468;
    long long era = days / 146097, of_era = days % 146097;
    long long y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * y + y / 4 - y / 100)), m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (int)(y + era * 400 + (*month <= 2));
}

void aw_sqs_date_write(double wall, char out[20])
{
    long long s = wall > 0 && wall < 2e11 ? (long long)wall : 0;
    unsigned of_day = (unsigned)(s % 86400);
    int year, month, day;
    date_of(s / 86400, &year, &month, &day);
    snprintf(out, 20, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)day % 100, of_day / 3600 % 24, of_day / 60 % 60, of_day % 60);
}

static double seconds_of(int year, int month, int day, const int clock[3])
{
    if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31)
        return -1;
    if (clock[0] < 0 || clock[0] > 23 || clock[1] < 0 || clock[1] > 59 || clock[2] < 0 ||
        clock[2] > 60)
        return -1;
    return (double)(days_of(year, month, day) * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2]);
}

double aw_sqs_date_http(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char name[4] = "";
    int day, year, clock[3];
    if (!text || sscanf(text, "%*3[A-Za-z], %d %3[A-Za-z] %d %d:%d:%d", &day, name, &year,
                        &clock[0], &clock[1], &clock[2]) != 6)
        return -1;
    const char *at = strstr(months, name);
    if (!at || strlen(name) != 3 || (at - months) % 3)
        return -1;
    return seconds_of(year, (int)(at - months) / 3 + 1, day, clock);
}

double aw_sqs_date_iso(const char *text)
{
    int year, month, day, clock[3];
    if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &clock[0], &clock[1],
                        &clock[2]) != 6)
        return -1;
    return seconds_of(year, month, day, clock);
}
