/*
 * context.h - the C library's own switch of contexts, for processors that have none of ours.
 */
#ifndef AW_CONTEXT_H
#define AW_CONTEXT_H

#include <ucontext.h>

#endif
