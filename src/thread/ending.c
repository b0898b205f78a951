/*
 * ending.c - the exit handler of the library.
 */
#include <stdlib.h>

#include "thread/ending.h"

/* All under the process lock: the end of the process is the process's. */
static aw_list endings[AW_ENDING_TURNS];
static bool watched;

static struct aw_ending *first_of(aw_list *list)
{
    aw_list *link = aw_list_pop_front(list);
    return link ? aw_container_of(link, struct aw_ending, link) : NULL;
}

/* The next one that is this process's own, held; NULL when all have ended. */
static struct aw_ending *take_next(void)
{
    struct aw_ending *e = NULL;
    aw_process_lock();
    for (int turn = 0; turn < AW_ENDING_TURNS && !e; turn++)
        while ((e = first_of(&endings[turn])) && e->fork_generation != aw_fork_generation())
            continue;
    if (e)
        e->hold(e);
    aw_process_unlock();
    return e;
}

static void end_all(void)
{
    struct aw_ending *e;
    while ((e = take_next()) != NULL)
        e->end(e);
}

static void watch_exit(void)
{
    for (int turn = 0; turn < AW_ENDING_TURNS; turn++)
        aw_list_init(&endings[turn]);
    watched = true;
    aw_ignore(atexit(end_all)); /* refused for want of memory: then nothing is waited for */
}

void aw_ending_add(struct aw_ending *e, enum aw_ending_turn turn)
{
    e->fork_generation = aw_fork_generation();
    aw_process_lock();
    if (!watched)
        watch_exit();
    aw_list_push_back(&endings[turn], &e->link);
    aw_process_unlock();
}

void aw_ending_remove(struct aw_ending *e)
{
    aw_process_lock();
    aw_list_remove(&e->link);
    aw_process_unlock();
}
