/*
 * send.c - sending: messages become frames, and frames bytes that are pending in the stream.
 *
 * A message is put into the stream's queue whole, in one write that never waits; the waiting is
 * done before.  So a call that fails, or is cancelled while it waits, has sent nothing, and frames
 * of two messages never mix: while one is sent in pieces its task is the speaker, and others wait.
 *
 * While more frames have come than were looked at, short answers to them are held together, to be
 * written at once: when everything was looked at, when they are too many, or in the loop's next
 * pass, whichever comes first.
 */
#include <stdatomic.h>
#include <string.h>

#include "ws/ws.h"

enum {
    AT_ONCE = 512,   /* bytes of a frame that are gathered on the stack */
    HELD_MAX = 4096, /* bytes that are held together */
};

struct aw_websocket_frame {
    atomic_size_t handles;
    uint8_t opcode;
    size_t header_size, size;
    uint8_t bytes[]; /* as a server sends them: the header, and then the payload */
};

/* ---- frames into the stream ---- */

/* Four bytes that nobody can foretell. */
static int take_mask(aw_websocket *ws, uint8_t ret[4])
{
    if (!ws->random_left) {
        int err = aw_random_bytes(ws->random, sizeof ws->random);
        if (err < 0)
            return aw_raise(err, "no random bytes to mask a frame with");
        ws->random_left = sizeof ws->random;
    }
    ws->random_left -= 4;
    memcpy(ret, ws->random + ws->random_left, 4);
    return 0;
}

static int write_now(aw_websocket *ws, const void *data, size_t n)
{
    AW_TRY(aw_stream_write(ws->stream, data, n));
    ws->written += n;
    return 0;
}

/* The calls that have sent this have said that they did: if it cannot be done all is over. */
int ws_flush(aw_websocket *ws)
{
    uint8_t *held = ws->held;
    if (!held)
        return 0;
    ws->held = NULL;
    aw_handle_cancel(ws->flusher);
    aw_handle_unref(ws->flusher);
    ws->flusher = NULL;
    int err = write_now(ws, held, ws->held_size);
    ws->held_size = 0;
    aw_mem_free(held);
    if (err < 0 && !ws->ended) {
        aw_ignore(aw_stream_abort(ws->stream));
        ws_end(ws, err);
    }
    return err;
}

static int flush_it(void *arg)
{
    aw_websocket *ws = arg;
    ws_hold(ws);
    aw_ignore(ws_flush(ws)); /* who receives is told */
    ws_let_go(ws);
    return 0;
}

/* Is this to be held back for a moment?  Then there is a place for it. */
static bool may_hold(aw_websocket *ws, size_t n)
{
    if (n > AT_ONCE || (!ws->codec.ahead && !aw_stream_buffered(ws->stream)))
        return false;
    if (ws->held)
        return n <= HELD_MAX - ws->held_size;
    ws->held = aw_mem_alloc(HELD_MAX);
    if (ws->held && aw_call_soon(flush_it, ws, .handle = &ws->flusher) < 0) {
        aw_mem_free(ws->held);
        ws->held = NULL;
    }
    return ws->held != NULL;
}

static int write_bytes(aw_websocket *ws, const void *data, size_t n)
{
    if (may_hold(ws, n)) {
        memcpy(ws->held + ws->held_size, data, n);
        ws->held_size += n;
        return 0;
    }
    AW_TRY(ws_flush(ws));
    return write_now(ws, data, n);
}

size_t ws_pending(const aw_websocket *ws)
{
    return aw_stream_pending(ws->stream) + ws->held_size;
}

/* Encode a frame as this side sends it to `place`, as ws_encode() has it: how many bytes. */
static ssize_t encode(aw_websocket *ws, uint8_t *place, uint8_t opcode, bool fin, const void *data,
                      size_t n)
{
    uint8_t mask[4];
    if (!ws->server)
        AW_TRY(take_mask(ws, mask));
    return (ssize_t)ws_encode(place, opcode, fin, ws->server ? NULL : mask, data, n);
}

static int put_into(aw_websocket *ws, uint8_t *place, uint8_t opcode, bool fin, const void *data,
                    size_t n)
{
    ssize_t size = encode(ws, place, opcode, fin, data, n);
    return size < 0 ? (int)size : write_bytes(ws, place, (size_t)size);
}

int ws_put(aw_websocket *ws, uint8_t opcode, bool fin, const void *data, size_t n)
{
    uint8_t small[WS_HEADER_MAX + AT_ONCE];
    if (n <= AT_ONCE)
        return put_into(ws, small, opcode, fin, data, n);
    uint8_t *place = n < SIZE_MAX / 2 ? aw_mem_alloc(WS_HEADER_MAX + n) : NULL;
    if (!place)
        return aw_raise(-ENOMEM, NULL);
    int err = put_into(ws, place, opcode, fin, data, n);
    aw_mem_free(place);
    return err;
}

/* ---- waiting ---- */

static int may_send(const aw_websocket *ws)
{
    if (ws->ended || ws->close_sent)
        return aw_raise(-EPIPE, "the WebSocket is closed or closing");
    return 0;
}

/* May this task send a message now?  0: yes. */
static bool is_spoken_for(const aw_websocket *ws)
{
    return ws->speaker && ws->speaker != aw_current_task();
}

static bool is_crowded(const aw_websocket *ws, size_t high)
{
    return ws_pending(ws) > high;
}

static int check_now(const aw_websocket *ws, size_t n)
{
    size_t pending = ws_pending(ws), most = ws->limits.max_pending;
    if (is_spoken_for(ws))
        return aw_raise(AW_EFULL, "another task is in the middle of a message");
    if (n > most || pending > most - n)
        return aw_raise(AW_EFULL, "more would be pending than .max_pending");
    return 0;
}

/* Until it is this task's turn, and there is room. */
static int wait_for_turn(aw_websocket *ws)
{
    int err = may_send(ws);
    while (err >= 0 && (is_spoken_for(ws) || is_crowded(ws, ws->limits.high))) {
        err = ws_flush(ws);
        if (err >= 0)
            err = is_spoken_for(ws) ? aw_event_wait(&ws->spoken) : aw_stream_drain(ws->stream);
        if (err >= 0)
            err = may_send(ws);
    }
    return err;
}

static int get_turn(aw_websocket *ws, size_t n, bool nowait)
{
    AW_TRY(may_send(ws));
    if (nowait)
        return check_now(ws, n);
    if (!is_spoken_for(ws) && !is_crowded(ws, ws->limits.high))
        return 0;
    ws_hold(ws);
    int err = wait_for_turn(ws);
    ws_let_go(ws);
    return err;
}

/* ---- messages in pieces ---- */

static int begin_speaking(aw_websocket *ws, bool binary)
{
    aw_task *me = aw_current_task();
    if (!me)
        return aw_raise(AW_EMISUSE, "a message is sent in pieces by a task");
    ws->speaker = aw_ref(me);
    ws->sent_binary = binary;
    return aw_event_clear(&ws->spoken);
}

static void end_speaking(aw_websocket *ws)
{
    aw_unref(ws->speaker);
    ws->speaker = NULL;
    aw_ignore(aw_event_set(&ws->spoken));
}

/* Text is checked as it goes; what was checked is not sent unless the whole piece is. */
static int check_piece(const aw_websocket_send_opts *o, struct aw_utf8 *u)
{
    const aw_websocket *ws = o->ws;
    *u = (struct aw_utf8){0};
    if (ws->speaker && ws->sent_binary != o->binary)
        return aw_raise(-EINVAL, "the pieces of a message are of one kind");
    if (o->binary)
        return 0;
    if (ws->speaker)
        *u = ws->sent_utf8;
    if (!aw_utf8_check(u, o->data, o->size) || (!o->more && u->left))
        return aw_raise(-EILSEQ, "the text is not UTF-8");
    return 0;
}

static int put_piece(const aw_websocket_send_opts *o)
{
    aw_websocket *ws = o->ws;
    bool first = !ws->speaker;
    struct aw_utf8 u;
    AW_TRY(check_piece(o, &u));
    if (first && o->more)
        AW_TRY(begin_speaking(ws, o->binary));
    uint8_t opcode = !first ? WS_CONTINUATION : o->binary ? WS_BINARY : WS_TEXT;
    int err = ws_put(ws, opcode, !o->more, o->data, o->size);
    if (err >= 0)
        ws->sent_utf8 = u;
    if (ws->speaker && (err >= 0 ? !o->more : first))
        end_speaking(ws);
    return err;
}

/* ---- messages ---- */

/* Frames of .fragment bytes, one behind the other in one block. */
static int put_fragments(const aw_websocket_send_opts *o)
{
    aw_websocket *ws = o->ws;
    const char *data = o->data;
    size_t frames = (o->size + o->fragment - 1) / o->fragment, used = 0;
    if (frames > (SIZE_MAX - o->size) / (2 * WS_HEADER_MAX))
        return aw_raise(-EINVAL, ".fragment is too small");
    uint8_t *block = aw_mem_alloc(o->size + frames * WS_HEADER_MAX + WS_HEADER_MAX);
    int err = block ? 0 : aw_raise(-ENOMEM, NULL);
    for (size_t i = 0; err >= 0 && i < frames; i++) {
        size_t at = i * o->fragment, left = o->size - at;
        size_t n = left < o->fragment ? left : o->fragment;
        uint8_t opcode = i ? WS_CONTINUATION : o->binary ? WS_BINARY : WS_TEXT;
        ssize_t size = encode(ws, block + used, opcode, n == left, data + at, n);
        err = size < 0 ? (int)size : 0;
        used += size > 0 ? (size_t)size : 0;
    }
    if (err >= 0)
        err = write_bytes(ws, block, used);
    aw_mem_free(block);
    return err;
}

static int check_send(const aw_websocket_send_opts *o)
{
    AW_TRY(ws_check(o->ws));
    if (!o->data && o->size)
        return aw_raise(-EINVAL, "the data is NULL");
    if (o->fragment && (o->more || (o->ws->speaker && !is_spoken_for(o->ws))))
        return aw_raise(-EINVAL, ".fragment and .more exclude each other");
    return 0;
}

int aw_websocket_send_(const aw_websocket_send_opts *opts)
{
    AW_TRY(check_send(opts));
    AW_TRY(get_turn(opts->ws, opts->size, opts->nowait));
    if (!opts->fragment || opts->size <= opts->fragment)
        return put_piece(opts);
    if (!opts->binary && !aw_utf8_whole(opts->data, opts->size))
        return aw_raise(-EILSEQ, "the text is not UTF-8");
    return put_fragments(opts);
}

/* ---- messages for many ---- */

static const uint8_t *payload_of(const aw_websocket_frame *frame)
{
    return frame->bytes + frame->header_size;
}

aw_websocket_frame *aw_websocket_frame_new_(const aw_websocket_frame_opts *o)
{
    if (!o->data && o->size)
        return aw_refuse(-EINVAL, "the data is NULL");
    if (!o->binary && !aw_utf8_whole(o->data, o->size))
        return aw_refuse(-EILSEQ, "the text is not UTF-8");
    aw_websocket_frame *f =
        o->size < SIZE_MAX / 2 ? aw_mem_alloc(sizeof *f + WS_HEADER_MAX + o->size) : NULL;
    if (!f)
        return aw_refuse(-ENOMEM, NULL);
    atomic_init(&f->handles, 1);
    f->opcode = o->binary ? WS_BINARY : WS_TEXT;
    f->size = o->size;
    f->header_size = ws_encode(f->bytes, f->opcode, true, NULL, o->data, o->size) - o->size;
    return f;
}

aw_websocket_frame *aw_websocket_frame_ref(aw_websocket_frame *frame)
{
    if (frame)
        atomic_fetch_add_explicit(&frame->handles, 1, memory_order_relaxed);
    return frame;
}

/* What the others did with it happened before the last one frees it. */
void aw_websocket_frame_unref(aw_websocket_frame *frame)
{
    if (frame && atomic_fetch_sub_explicit(&frame->handles, 1, memory_order_acq_rel) == 1)
        aw_mem_free(frame);
}

size_t aw_websocket_frame_size(const aw_websocket_frame *frame)
{
    return frame ? frame->header_size + frame->size : 0;
}

static int put_frame(aw_websocket *ws, const aw_websocket_frame *frame)
{
    if (ws->speaker) /* this task itself: the others have had to wait */
        return aw_raise(AW_EMISUSE, "this task is in the middle of a message");
    if (ws->server)
        return write_bytes(ws, frame->bytes, aw_websocket_frame_size(frame));
    return ws_put(ws, frame->opcode, true, payload_of(frame), frame->size);
}

/* Who waits may lose the connection meanwhile, but not the frame. */
int aw_websocket_send_frame_(const aw_websocket_send_frame_opts *o)
{
    AW_TRY(ws_check(o->ws));
    if (!o->frame)
        return aw_raise(-EINVAL, "the frame is NULL");
    AW_TRY(get_turn(o->ws, o->frame->size, o->nowait));
    return put_frame(o->ws, o->frame);
}
