/*
 * report_named.c - reports about things that layers above the core have made.
 */
#include "core/core.h"

#define TEXT_SIZE 1024
#define NAME_MAX_SHOWN 128

void aw_report_child(aw_loop *l, const char *message, const char *name, const char *file, int line)
{
    char text[TEXT_SIZE];
    aw_buf b;
    aw_report r = {.kind = AW_REPORT_CHILD,
                   .message = message,
                   .name = name,
                   .file = file,
                   .line = line,
                   .loop = l};
    aw_report_begin(&b, text, sizeof text, message);
    aw_buf_printf(&b, "  process: %.*s\n  created: %s:%d\n", NAME_MAX_SHOWN, name,
                  file ? file : "?", line);
    aw_report_deliver(&r, &b, aw_context_here());
}
