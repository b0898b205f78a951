/*
 * await.h - asyncio for C: the core in one include.
 *
 * A coroutine is an ordinary function on a stack of its own; awaiting is an ordinary call.  Read
 * the headers in this order: error, task, work, scope, compose, loop, sync, queue, local, io, file,
 * stream, thread, executor, process_pool, channel, report, memory.
 */
#ifndef AWAIT_H
#define AWAIT_H

#include "await/channel.h"
#include "await/compose.h"
#include "await/error.h"
#include "await/executor.h"
#include "await/file.h"
#include "await/io.h"
#include "await/local.h"
#include "await/loop.h"
#include "await/memory.h"
#include "await/process_pool.h"
#include "await/queue.h"
#include "await/report.h"
#include "await/runner.h"
#include "await/scope.h"
#include "await/stream.h"
#include "await/sync.h"
#include "await/task.h"
#include "await/thread.h"
#include "await/work.h"

/* The version of these headers. */
#define AW_VERSION_MAJOR 0
#define AW_VERSION_MINOR 1
#define AW_VERSION_PATCH 0

#endif
