/*
 * object.h - what an aw_file is made of: see object.c.
 */
#ifndef AW_FS_OBJECT_H
#define AW_FS_OBJECT_H

#include "await/file.h"
#include "fs/fs.h"

struct aw_file {
    int fd;
    int dir;        /* of a temporary file: where its name is removed at the end; or -1 */
    size_t name_at; /* and where in `path` that name begins */
    bool positional, reads, writes;
    bool writing;      /* the buffer is to be written, and was not read */
    bool busy;         /* a task is inside of a call */
    bool in_long_line; /* behind the beginning of a line that was refused */
    size_t limit;      /* bytes of a line, its newline left out */
    size_t size, start, end;
    int64_t at;
    char *buf;   /* made when it is needed */
    char path[]; /* as it was given */
};

/* One that has no descriptor yet, named `folder`/`name`; NULL without memory. */
aw_file *aw_file_new(const char *folder, const char *name, int flags, size_t limit);

#endif
