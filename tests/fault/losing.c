/*
 * losing.c - the functions of the library that may lose what they ask memory for.
 *
 * Each is wrapped by the linker (see tests/meson.build): an allocation that fails in one of them
 * may stay unnoticed.
 */
#include "await/stream.h"
#include "core/core.h"
#include "fault/inject.h"

_Thread_local unsigned inject_benign;

/* Only the words beside an error, or a default name, are lost in these. */
#define MAY_LOSE(type, call, ...)                                                                  \
    inject_benign++;                                                                               \
    type result = call(__VA_ARGS__);                                                               \
    inject_benign--;                                                                               \
    return result

bool __real_aw_cancel_(const aw_cancel_opts *opts);
bool __wrap_aw_cancel_(const aw_cancel_opts *opts);
bool __wrap_aw_cancel_(const aw_cancel_opts *opts)
{
    MAY_LOSE(bool, __real_aw_cancel_, opts);
}

int __real_aw_set_error_(aw_future *f, const aw_error_opts *opts);
int __wrap_aw_set_error_(aw_future *f, const aw_error_opts *opts);
int __wrap_aw_set_error_(aw_future *f, const aw_error_opts *opts)
{
    MAY_LOSE(int, __real_aw_set_error_, f, opts);
}

int __real_aw_stream_set_error_(const aw_stream_error_opts *opts);
int __wrap_aw_stream_set_error_(const aw_stream_error_opts *opts);
int __wrap_aw_stream_set_error_(const aw_stream_error_opts *opts)
{
    MAY_LOSE(int, __real_aw_stream_set_error_, opts);
}

void *__real_aw_refuse(int code, const char *msg);
void *__wrap_aw_refuse(int code, const char *msg);
void *__wrap_aw_refuse(int code, const char *msg)
{
    MAY_LOSE(void *, __real_aw_refuse, code, msg);
}

int __real_aw_raise(int code, const char *msg);
int __wrap_aw_raise(int code, const char *msg);
int __wrap_aw_raise(int code, const char *msg)
{
    MAY_LOSE(int, __real_aw_raise, code, msg);
}

const char *__real_aw_task_name(aw_task *t);
const char *__wrap_aw_task_name(aw_task *t);
const char *__wrap_aw_task_name(aw_task *t)
{
    MAY_LOSE(const char *, __real_aw_task_name, t);
}

struct aw_text *__real_aw_errslot_share(const struct aw_errslot *slot, int code);
struct aw_text *__wrap_aw_errslot_share(const struct aw_errslot *slot, int code);
struct aw_text *__wrap_aw_errslot_share(const struct aw_errslot *slot, int code)
{
    MAY_LOSE(struct aw_text *, __real_aw_errslot_share, slot, code);
}

/* Without an alternate stack an overflow still ends the process, in silence. */
bool __real_aw_overflow_watch(void);
bool __wrap_aw_overflow_watch(void);
bool __wrap_aw_overflow_watch(void)
{
    inject_benign++;
    bool watching = __real_aw_overflow_watch();
    inject_benign--;
    return watching;
}

/* A task that cannot be noted down is told as not counted. */
void __real_aw_stacks_count(struct aw_tcb *t);
void __wrap_aw_stacks_count(struct aw_tcb *t);
void __wrap_aw_stacks_count(struct aw_tcb *t)
{
    inject_benign++;
    __real_aw_stacks_count(t);
    inject_benign--;
}

void __real_aw_stacks_look(struct aw_tcb *t);
void __wrap_aw_stacks_look(struct aw_tcb *t);
void __wrap_aw_stacks_look(struct aw_tcb *t)
{
    inject_benign++;
    __real_aw_stacks_look(t);
    inject_benign--;
}
