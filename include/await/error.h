/*
 * await/error.h - what a call returns when it cannot do what it was asked to.
 *
 * Every call returns a value >= 0, or a negative code: an errno negated (-ENOMEM, -ECANCELED,
 * -ETIMEDOUT, ...), or one of the library's own, which lie beyond errno's range.  One table makes
 * the codes, their names and their texts, so that the three cannot drift apart.
 *
 * A call that makes something returns NULL instead; the reason is then in aw_errno().
 */
#ifndef AWAIT_ERROR_H
#define AWAIT_ERROR_H

#include <errno.h>

#if defined(__GNUC__)
/* Visible outside the shared library, whose other symbols are hidden. */
#define AW_API __attribute__((visibility("default")))
/* Whose result must not be dropped: it may say that the task was cancelled. */
#define AW_MUST_USE __attribute__((warn_unused_result))
#else
/* Nothing where the compiler has no such attribute. */
#define AW_API
/* Nothing where the compiler has no such attribute. */
#define AW_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, number, text): the library's own codes; asyncio's name for each is in the text's place
 * in docs/guide.  Numbers are part of the ABI and are never reused. */
#define AW_ERROR_TABLE(X)                                                                          \
    X(AW_ESTATE, -5001, "the future is not in a state that allows this")                           \
    X(AW_EMISUSE, -5002, "this call makes no sense here")                                          \
    X(AW_ETHREAD, -5003, "called from the wrong thread or for the wrong loop")                     \
    X(AW_EINTR, -5004, "interrupted by a signal to the runner")                                    \
    X(AW_EGROUP, -5005, "several tasks of a group failed")                                         \
    X(AW_EEMPTY, -5006, "the queue or the channel is empty")                                       \
    X(AW_EFULL, -5007, "the queue or the channel is full")                                         \
    X(AW_ESHUTDOWN, -5008, "the queue or the channel is shut down")                                \
    X(AW_EBROKEN, -5009, "the barrier or the pool is broken")                                      \
    X(AW_EOF, -5010, "the data ended before the read was complete")                                \
    X(AW_ELIMIT, -5011, "the limit was reached before the separator")                              \
    X(AW_EFORKED, -5012, "the loop belongs to the parent of this forked process")

/* The codes as an enum, so that debuggers print their names. */
enum aw_error_code {
#define AW_ERROR_ENUM(name, number, text) name = number,
    AW_ERROR_TABLE(AW_ERROR_ENUM)
#undef AW_ERROR_ENUM
};

/* The text of a code: one of the library's own, or a negated errno.  Never NULL, never freed;
 * a code that nobody knows gives "unknown error".  Any thread, never suspends. */
AW_API const char *aw_strerror(int code);

/* The name of a code as it stands in C source: "AW_ESTATE", "-ENOENT".  As aw_strerror(). */
AW_API const char *aw_error_name(int code);

/* Why the last call of this task (outside tasks: of this thread) that returned NULL did so:
 * a negative code, or 0 if none ever did.  Calls that return int do not change it. */
AW_API int aw_errno(void);

/* The detail of this task's (outside tasks: this thread's) last failing call: "certificate has
 * expired", the message given to aw_cancel(), a host, a file.  Never NULL; "" when there is none.
 * Valid until this task's next failing call.
 *
 * It is one line of UTF-8 that can be written to a log or a terminal, whoever the words in it are
 * from: a newline is "\n" in it, and other control characters, and bytes that are no UTF-8, are
 * "\x1b" and the like.  So are messages of cancellations, and names of tasks.
 *
 * Calls of I/O (await/io.h, file.h, stream.h, net.h, tls.h, process.h) that fail always leave one:
 * what was tried, with which descriptor, path, address or host, and why.
 *
 *     aw_read of descriptor 7: connection reset by peer
 *     cannot bind 127.0.0.1:80: address already in use
 *     app.conf: writing at 4096: no space left on device
 *
 * The reason comes last: aw_strerror() of the code, or something that says more.  There is none
 * only where there was no memory for it, and with -EAGAIN, which is no failure but the answer to
 * who will not wait.  A call that was cancelled has the words of who cancelled it. */
AW_API const char *aw_errmsg(void);

/* Return the error of an expression from the enclosing function; go on otherwise. */
#define AW_TRY(expr)                                                                               \
    do {                                                                                           \
        int aw_try_err_ = (expr);                                                                  \
        if (aw_try_err_ < 0)                                                                       \
            return aw_try_err_;                                                                    \
    } while (0)

/* "I mean to ignore this": takes the result of a call that must not be dropped by accident. */
static inline void aw_ignore(int result)
{
    (void)result;
}

#ifdef __cplusplus
}
#endif
#endif
