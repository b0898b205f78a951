/*
 * await/process.h - child processes that run other programs.
 *
 *     aw_process_result r;
 *     int err = aw_run_process(AW_ARGV("git", "log", "-1"), .ret = &r, .timeout = 10);
 *     if (err >= 0)
 *         printf("status %d: %s", r.status, r.out.data);
 *     aw_process_result_fini(&r);
 *
 * or, piece by piece,
 *
 *     aw_process *p = aw_create_subprocess_exec(AW_ARGV("sort"), .in = AW_PIPE, .out = AW_PIPE);
 *     int err = p ? aw_process_communicate(p, text, n, .out = &sorted) : aw_errno();
 *     aw_process_unref(p);
 *
 * Starting.  The program gets its arguments, the environment (.env, or this process's), and three
 * descriptors, and no others but those of .pass_fds.  Its mask of signals is empty; signals that
 * are handled here have their default action there, as has SIGPIPE; those ignored stay so.
 *
 * Ending.  The loop waits for its children and sees them off as they end, whether somebody waits
 * for them or not; so none is left as a zombie, and only children of this library's are waited for.
 * There is no handler of SIGCHLD; a program that ignores that signal, or waits for every child, has
 * statuses lost: calls then answer -ECHILD.
 *
 * A status is the exit status, 0..255, or the negative number of the signal that ended the child:
 * -SIGKILL (-9).  It is not a result and not an error, so it always has a place of its own.
 *
 * Giving up the last handle (aw_process_unref()) does not end the child: it goes on without pipes.
 * A child that runs when its loop is closed, at the end of aw_run() for one, is killed, seen off
 * and reported.  To end one in good order use aw_process_stop().
 *
 * Handles belong to the thread that runs the loop: AW_ETHREAD elsewhere, AW_EFORKED in the child of
 * a fork; for NULL the reason why there is none (aw_errno()), or -EINVAL.
 */
#ifndef AWAIT_PROCESS_H
#define AWAIT_PROCESS_H

#include "await/stream.h"
#include "await/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A child process. */
typedef struct aw_process aw_process;

/* For .in, .out and .err: besides them, the number of a descriptor above 0, which stays the
 * caller's.  0 is the default. */
enum {
    AW_PIPE = -1,    /* a pipe; the other end is aw_process_stdin() and so on */
    AW_DEVNULL = -2, /* nothing to read, and what is written is lost */
    AW_STDOUT = -3,  /* .err only: where .out goes */
    AW_INHERIT = -4  /* this process's own */
};

/* What a child wrote: `size` bytes, and a zero byte behind them.  `data` is NULL where there was no
 * pipe. */
typedef struct aw_output {
    char *data;
    size_t size;
} aw_output;

/* Free it, and make it empty. */
AW_API void aw_output_fini(aw_output *o);

/* What became of a program. */
typedef struct aw_process_result {
    int status;
    aw_output out, err;
} aw_process_result;

/* Free its outputs, and make them empty. */
AW_API void aw_process_result_fini(aw_process_result *r);

/* ---- starting ---- */

typedef struct aw_process_opts {
    const char *file; /* filled by the macros */
    int line;
    const char *const *argv; /* up to a NULL; the first is the program: looked for in PATH unless
                                there is a slash in it */
    const char *command;     /* aw_create_subprocess_shell() */
    const char *program;     /* the program, when argv[0] is to be something else */
    int in, out, err;        /* see above; 0: this process's own */
    const char *const *env;  /* "NAME=value", up to a NULL: in place of this process's */
    const char *cwd;         /* working directory */
    const int *pass_fds;     /* n_pass_fds descriptors that it has too, under the same numbers */
    size_t n_pass_fds;
    bool new_session; /* setsid(): without a terminal, and the leader of a group of its own */
    bool new_group;   /* setpgid(): the leader of a group of its own */
    size_t limit;     /* .limit of its streams */
    /* aw_run_process() only: -EINVAL elsewhere. */
    const void *input; /* `input_size` bytes to its standard input */
    size_t input_size;
    double timeout;         /* seconds; 0: none */
    double grace;           /* seconds from SIGTERM to SIGKILL; 2 by default, negative: none */
    size_t output_limit;    /* most bytes of each output; 0: any number */
    aw_process_result *ret; /* receives what became of it */
} aw_process_opts;

/* An argv: AW_ARGV("ls", "-l"). */
#ifndef __cplusplus
#define AW_ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#endif

/* aw_process *aw_create_subprocess_exec(const char *const *argv, ...options): start a program.
 *
 * Lets others run once, which is where a cancellation ends it (-ECANCELED, and there is no child);
 * then the child is made, which takes the thread until the program has begun.  NULL with aw_errno()
 * and, in aw_errmsg(), the program or directory it is about: -ENOENT, -EACCES, -ENOEXEC, -E2BIG and
 * others of execve(2); those of chdir(2); -EBADF (a descriptor that is none); -EMFILE, -EAGAIN,
 * -ENOMEM; -EINVAL (no argv, options that contradict each other); AW_EMISUSE outside a task. */
#ifndef __cplusplus
#define aw_create_subprocess_exec(...)                                                             \
    aw_create_subprocess_exec_(                                                                    \
        &(aw_process_opts){.file = __FILE__, .line = __LINE__, .argv = __VA_ARGS__})
#endif
AW_API aw_process *aw_create_subprocess_exec_(const aw_process_opts *opts);

/* aw_process *aw_create_subprocess_shell(const char *command, ...options): have /bin/sh run it.
 * Nothing is quoted: never make a command of what strangers have sent.  As above; a command that
 * does not exist is the shell's to tell, by status 127. */
#ifndef __cplusplus
#define aw_create_subprocess_shell(...)                                                            \
    aw_create_subprocess_shell_(                                                                   \
        &(aw_process_opts){.file = __FILE__, .line = __LINE__, .command = __VA_ARGS__})
#endif
AW_API aw_process *aw_create_subprocess_shell_(const aw_process_opts *opts);

/* Another handle; returns `p`.  And one less: with the last one the pipes are closed.  NULL is
 * allowed in both. */
AW_API aw_process *aw_process_ref(aw_process *p);
AW_API void aw_process_unref(aw_process *p);

/* ---- looking ---- */

/* Its process id, also when it has ended. */
AW_API int aw_process_pid(aw_process *p);

/* Its end of a pipe as a stream; the process's: use aw_stream_ref() to keep it longer.  NULL with
 * aw_errno(): -EBADF where there is no pipe (AW_PIPE was not asked for, or it was closed), -ENOMEM
 * where there is no memory for the stream, AW_ETHREAD, -EINVAL for NULL. */
AW_API aw_stream *aw_process_stdin(aw_process *p);
AW_API aw_stream *aw_process_stdout(aw_process *p);
AW_API aw_stream *aw_process_stderr(aw_process *p);

/* Has it ended, as far as the loop has seen?  Then its status, if it is wanted: *ret. */
AW_API bool aw_process_returncode(aw_process *p, int *ret);

/* The same, asked of the system now: 1 and the status, 0 while it runs; -ECHILD when the status was
 * lost. */
AW_API int aw_process_poll(aw_process *p, int *ret);

/* ---- waiting ---- */

/* Suspend until it has ended: 0 and the status, if it is wanted.  Any number of tasks may wait.
 * Cancelling one leaves the child alone.  A child that writes to a pipe that nobody reads may never
 * end: see aw_process_communicate().  -ECANCELED, -ECHILD (the status was lost), AW_EMISUSE outside
 * a task. */
AW_API int aw_process_wait(aw_process *p, int *ret) AW_MUST_USE;

typedef struct aw_communicate_opts {
    aw_process *process;
    const void *input; /* `size` bytes; what the child does not read is lost */
    size_t size;
    aw_output *out, *err; /* receive what came; may be NULL, and then it is read and lost */
    int *status;          /* receives its status */
    double timeout;       /* seconds; 0: none */
    size_t limit;         /* most bytes of each output; 0: any number */
} aw_communicate_opts;

/* int aw_process_communicate(aw_process *p, const void *input, size_t size, ...options): send the
 * input, close the child's standard input, read its outputs until they end, wait until it has
 * ended.
 *
 * 0; -ECANCELED, -ETIMEDOUT, AW_ELIMIT (an output is longer than .limit), -ENOMEM: then the child
 * is still there, with its pipes, and the outputs have what has come so far.  -ECHILD as
 * aw_process_wait().  Outputs are the caller's, whatever it returns: aw_output_fini().  -EINVAL for
 * an input where there is no pipe to send it by; AW_EMISUSE outside a task. */
#ifndef __cplusplus
#define aw_process_communicate(...)                                                                \
    aw_process_communicate_(&(aw_communicate_opts){.process = __VA_ARGS__})
#endif
AW_API int aw_process_communicate_(const aw_communicate_opts *opts) AW_MUST_USE;

/* int aw_run_process(const char *const *argv, ...options): run a program to its end.
 *
 * What .ret receives are its status and its outputs: .out and .err are pipes unless something else
 * is said, and .in is nothing unless there is an .input.  0 whatever the status is.  Else the child
 * is stopped as aw_process_stop() does, and has been seen off before it returns (if that could not
 * be done, its error is returned): -ECANCELED, -ETIMEDOUT, AW_ELIMIT, -ENOMEM; .ret then has what
 * came so far.  The errors of aw_create_subprocess_exec().  .ret is set in any case:
 * aw_process_result_fini().  Suspends. */
#ifndef __cplusplus
#define aw_run_process(...)                                                                        \
    aw_run_process_(&(aw_process_opts){.file = __FILE__, .line = __LINE__, .argv = __VA_ARGS__})
#endif
AW_API int aw_run_process_(const aw_process_opts *opts) AW_MUST_USE;

/* ---- ending ---- */

/* Send it a signal: 0; -ESRCH when it has been waited for, never to a process that has its number
 * since; -EINVAL (no such signal), -EPERM.  Any time, also in callbacks; never suspends. */
AW_API int aw_process_send_signal(aw_process *p, int signo);
AW_API int aw_process_terminate(aw_process *p); /* SIGTERM */
AW_API int aw_process_kill(aw_process *p);      /* SIGKILL */

/* Send a signal to the group of a child that was made with .new_session or .new_group, which are
 * its own children too, unless they left it.  As above; AW_EMISUSE for any other child. */
AW_API int aw_process_signal_group(aw_process *p, int signo);

/* Have it end and wait for that: SIGTERM, and SIGKILL if it has not ended `grace` seconds later (0
 * or less: at once); to its group where it leads one.  0 and the status, if it is wanted; also when
 * it has ended before.  A cancellation makes it SIGKILL at once and is returned (-ECANCELED) when
 * the child has ended.  -EPERM when it runs as somebody else by now, and is left alone; -EINVAL for
 * NaN; -ECHILD, AW_EMISUSE as aw_process_wait(). */
AW_API int aw_process_stop(aw_process *p, double grace, int *ret) AW_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
