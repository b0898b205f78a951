/*
 * process_inside.c - in a worker process: read a request, call the function, send the answer.
 *
 * The program is trusted here, as it could do anything to this process; so what it sends is taken
 * as it is.  The function is called only if the same module lies at the same place in both, which
 * it does unless it was loaded after the fork.  What it printed is flushed before the answer goes,
 * so that it is seen even if the worker is killed next.
 */
#include <stdio.h>
#include <string.h>

#include "thread/process.h"

struct aw_process_reply {
    char *data;
    size_t size, room, limit;
};

/* ---- what comes out ---- */

static int grow(aw_process_reply *out, size_t size)
{
    size_t room = out->room ? out->room : 256;
    while (room < size)
        room *= 2;
    char *data = aw_mem_alloc(room);
    if (!data)
        return aw_fail(-ENOMEM, NULL);
    if (out->size)
        memcpy(data, out->data, out->size);
    aw_mem_free(out->data);
    out->data = data;
    out->room = room;
    return 0;
}

int aw_process_write(aw_process_reply *out, const void *data, size_t n)
{
    if (!out || (n && !data))
        return aw_fail(-EINVAL, "no reply, or no data to write to it");
    if (n > out->limit - out->size)
        return aw_fail(AW_ELIMIT, "more than the pool's .output_limit would come out of the job");
    if (out->size + n > out->room)
        AW_TRY(grow(out, out->size + n));
    if (n)
        memcpy(out->data + out->size, data, n);
    out->size += n;
    return 0;
}

/* ---- the socket ---- */

/* True: all n bytes came. */
static bool read_all(int fd, void *buf, size_t n)
{
    for (char *at = buf; n > 0;) {
        ssize_t got = aw_sys.read(fd, at, n);
        if (got == -EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static bool write_all(int fd, const void *buf, size_t n)
{
    for (const char *at = buf; n > 0;) {
        ssize_t done = aw_sys.write(fd, at, n);
        if (done == -EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

static bool skip(int fd, uint64_t n)
{
    char waste[4096];
    for (size_t part; n > 0; n -= part) {
        part = n < sizeof waste ? (size_t)n : sizeof waste;
        if (!read_all(fd, waste, part))
            return false;
    }
    return true;
}

/* ---- one job ---- */

static bool is_here(const struct aw_proc_request *r)
{
    char where[AW_PROC_WHERE];
    aw_code_address(*(void *const *)&r->fn, where, sizeof where);
    bool in_module = strncmp(where, "0x", 2) != 0;
    return in_module && strcmp(where, r->where) == 0;
}

static int call(const struct aw_proc_request *r, const void *input, aw_process_reply *out)
{
    if (!is_here(r))
        return aw_fail(AW_EMISUSE, "the job's function is in no module that was there when "
                                   "aw_process_server() was called");
    int result = r->fn(input, (size_t)r->size, out);
    fflush(NULL);
    return result;
}

static bool send_answer(int data, struct aw_proc_answer *a, const aw_process_reply *out)
{
    struct aw_text *detail = a->result < 0 ? aw_errslot_share(&aw_self.err, a->result) : NULL;
    a->size = a->result < 0 ? 0 : out->size;
    a->detail = detail ? strlen(detail->s) : 0;
    if (a->detail > AW_PROC_DETAIL_MAX)
        a->detail = AW_PROC_DETAIL_MAX;
    bool sent = write_all(data, a, sizeof *a) && write_all(data, out->data, (size_t)a->size) &&
                (!detail || write_all(data, detail->s, (size_t)a->detail));
    aw_text_unref(detail);
    return sent;
}

/* False: the program is gone. */
static bool serve(int data, const struct aw_proc_request *r)
{
    struct aw_proc_answer a = {.magic = AW_PROC_ANSWER, .number = r->number};
    aw_process_reply out = {.limit = (size_t)r->output_limit};
    char *input = aw_mem_alloc((size_t)r->size + 1);
    if (!(input ? read_all(data, input, (size_t)r->size) : skip(data, r->size)))
        return false;
    aw_errslot_fini(&aw_self.err); /* what an earlier job has left there */
    a.result = input ? call(r, input, &out) : aw_fail(-ENOMEM, "in the worker process");
    bool sent = send_answer(data, &a, &out);
    aw_mem_free(out.data);
    aw_mem_free(input);
    return sent;
}

void aw_proc_worker_main(int data)
{
    struct aw_proc_request r;
    while (read_all(data, &r, sizeof r) && serve(data, &r))
        continue;
}
