/*
 * traces.h - which orders are the same: what has been done so far, but for the order of steps that
 * do not touch the same word.
 */
#ifndef TESTS_MODEL_TRACES_H
#define TESTS_MODEL_TRACES_H

#include "model/clocks.h"

/* A new order begins. */
void traces_reset(void);

/* `who` does something to this word, or something happens to `who` that is not a step. */
void trace_step(int who, const void *addr, bool write);
void trace_event(int who, uint64_t what);

/* Was there an order that had come to the same, and to `more`, with as little bad luck?  If not,
 * there is now. */
bool trace_seen(uint64_t more, int bad_luck);

/* How many there have been since all were forgotten. */
unsigned long traces_known(void);
void traces_forget(void);

#endif
