/*
 * panic.c - the end of a process whose invariants no longer hold.
 *
 * The message is built on the stack and handed over in one call: memory may be what is broken, and
 * other threads may be writing too.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/buf.h"

void aw_panic(const char *file, int line, const char *what)
{
    char text[512];
    aw_buf b;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_printf(&b, "await: %s:%d: %s\n", file, line, what);
    fputs(text, stderr);
    abort();
}
