/*
 * log.c - the log: a JSON object per line on standard error.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "feed/feed.h"

static json_t *head(const char *level, const char *what)
{
    char text[40] = "";
    struct timespec now;
    struct tm parts;
    timespec_get(&now, TIME_UTC);
    size_t n = gmtime_r(&now.tv_sec, &parts) ? strftime(text, sizeof text, "%FT%T", &parts) : 0;
    snprintf(text + n, sizeof text - n, ".%03ldZ", now.tv_nsec / 1000000);
    return json_pack("{s:s, s:s, s:s}", "time", text, "level", level, "event", what);
}

/* What is no UTF-8, as a file's name may be, cannot be packed: the line then says so instead. */
void say(const char *level, const char *what, const char *format, ...)
{
    va_list args;
    json_t *line = head(level, what);
    va_start(args, format);
    json_t *more = format ? json_vpack_ex(NULL, 0, format, args) : NULL;
    va_end(args);
    if (format && !more)
        more = json_pack("{s:s}", "details", "left out: they are not UTF-8");
    if (more)
        json_object_update(line, more);
    char *text = json_dumps(line, JSON_COMPACT);
    if (text)
        fprintf(stderr, "%s\n", text);
    free(text);
    json_decref(more);
    json_decref(line);
}
