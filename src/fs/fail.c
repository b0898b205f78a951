/*
 * fail.c - what an error with a file says: which file, what was done, and where in it.
 */
#include "fs/fs.h"

#include <inttypes.h>

#include "await/error.h"
#include "await/loop.h"
#include "base/buf.h"

enum { SHOWN = 300 /* bytes of a path */, WORDS = 512 };

static bool has_words_of_its_own(int code)
{
    return code == -ECANCELED || (code < -5000 && code != AW_ELIMIT);
}

int aw_fs_fail_at(int code, const char *path, const char *what, int64_t at)
{
    char text[WORDS];
    aw_buf b;
    if (code >= 0 || has_words_of_its_own(code))
        return code;
    aw_buf_init(&b, text, sizeof text);
    aw_buf_add_end(&b, path, SHOWN);
    if (what)
        aw_buf_printf(&b, ": %s", what);
    if (at >= 0)
        aw_buf_printf(&b, " at %" PRId64, at);
    aw_buf_printf(&b, ": %s", code == AW_ELIMIT ? "longer than the limit" : aw_strerror(code));
    return aw_raise(code, text);
}

int aw_fs_fail(int code, const char *path, const char *what)
{
    return aw_fs_fail_at(code, path, what, -1);
}
