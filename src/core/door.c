/*
 * door.c - what the simulator is let have: see io/door.h.
 */
#include "io/door.h"
#include "await/testing.h"
#include "core/core.h"

const struct aw_testing_door *aw_testing_door(void)
{
    static const struct aw_testing_door door = {
        .size = sizeof door,
        .sys = &aw_sys,
        .simulator = &aw_io_simulator,
        .inner = &aw_io_epoll,
        .alloc = aw_mem_alloc,
        .free = aw_mem_free,
        .lock = aw_process_lock,
        .unlock = aw_process_unlock,
        .chunks_init = aw_chunks_init,
        .chunks_fini = aw_chunks_fini,
        .chunk_get = aw_chunk_get,
        .receiver_add = aw_receiver_add,
        .receiver_announce = aw_receiver_announce,
    };
    return &door;
}
