/*
 * door.h - what the library lets its simulator have: libawait-testing comes in here.
 *
 * The simulator is a library of its own, and sees no hidden symbol.  It replaces entries of the
 * table of system calls, adds a backend, and uses a few things that every backend does.
 */
#ifndef AW_IO_DOOR_H
#define AW_IO_DOOR_H

#include "io/receive.h"

/* Grows at the end; both libraries come from one build, and `size` says so. */
struct aw_testing_door {
    size_t size;
    struct aw_sys_table *sys;
    const struct aw_io_backend *_Atomic *simulator;
    const struct aw_io_backend *inner; /* for descriptors that are not simulated */
    void *(*alloc)(size_t size);
    void (*free)(void *ptr);
    void (*lock)(void); /* the process's */
    void (*unlock)(void);
    void (*chunks_init)(struct aw_chunks *p);
    void (*chunks_fini)(struct aw_chunks *p);
    struct aw_chunk *(*chunk_get)(struct aw_chunks *p);
    void (*receiver_add)(struct aw_receiver *r, struct aw_chunk *c, size_t len);
    void (*receiver_announce)(struct aw_receiver *r, aw_list *completed);
};

#endif
