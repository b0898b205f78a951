/*
 * receive.c - receiving: pieces of frames become messages, under limits.
 *
 * Whoever receives takes what the stream has buffered, and waits only for that; everything that a
 * half received message is lies in the connection.  So a cancellation, which comes only while it
 * waits, loses nothing.  Before it waits it gives back all memory that is not half a message, and
 * the first time what its stack has used and left.
 */
#include <assert.h>
#include <string.h>

#include "ws/ws.h"

/* ---- memory of the message ---- */

/* Room for n more bytes of a message that is to be `whole` bytes at least: what has come at most
 * doubles it, and nothing is reserved for what was only announced. */
static int reserve(aw_websocket *ws, size_t n, size_t whole)
{
    size_t need = ws->len + n, size = 2 * ws->size;
    if (ws->data && need <= ws->size)
        return 0;
    if (size > whole)
        size = whole;
    if (size < need)
        size = need;
    char *data = aw_mem_alloc(size + 1);
    if (!data)
        return -ENOMEM;
    if (ws->len)
        memcpy(data, ws->data, ws->len);
    aw_mem_free(ws->data);
    ws->data = data;
    ws->size = size;
    return 0;
}

/* The caller has come back, or there is nobody for the message. */
static void drop_message(aw_websocket *ws)
{
    ws->given = false;
    ws->opcode = 0;
    ws->len = 0;
}

static void rest(aw_websocket *ws)
{
    ws_codec_rest(&ws->codec);
    if (ws->opcode || ws->given)
        return;
    aw_mem_free(ws->data);
    ws->data = NULL;
    ws->size = 0;
}

/* ---- pieces ---- */

static int fail(aw_websocket *ws, const char *why)
{
    return ws_fail(ws, -EPROTO, AW_WS_PROTOCOL_ERROR, why, 0);
}

/* What is wrong with a frame as such; NULL: nothing.  wslay has seen to lengths, and that control
 * frames are short and whole. */
static const char *complaint(const aw_websocket *ws, const struct ws_piece *p)
{
    if (p->reserved)
        return "a reserved bit is set";
    if (p->masked != ws->server)
        return p->masked ? "a server's frame is masked" : "a client's frame is not masked";
    if (p->opcode > WS_PONG || (p->opcode > WS_BINARY && p->opcode < WS_CLOSE))
        return "a reserved opcode";
    if (p->opcode == WS_CONTINUATION && !ws->opcode)
        return "a continuation of nothing";
    if ((p->opcode == WS_TEXT || p->opcode == WS_BINARY) && ws->opcode)
        return "a message within a message";
    return NULL;
}

static int begin_data(aw_websocket *ws, const struct ws_piece *p)
{
    if (!ws->opcode) {
        ws->opcode = p->opcode;
        ws->fragments = 0;
        ws->len = 0;
        ws->utf8 = (struct aw_utf8){0};
    }
    if (++ws->fragments > ws->limits.max_fragments)
        return ws_fail(ws, -EMSGSIZE, AW_WS_POLICY,
                       "a message in too many fragments, .max_fragments", ws->limits.max_fragments);
    if (p->length > ws->limits.max_message - ws->len)
        return ws_fail(ws, -EMSGSIZE, AW_WS_TOO_BIG, "a message too long, .max_message",
                       ws->limits.max_message);
    return 0;
}

/* A part of a message: 1 when that is complete, 0, or an error that has ended the connection. */
static int take_data(aw_websocket *ws, const struct ws_piece *p, bool keep)
{
    if (p->first)
        AW_TRY(begin_data(ws, p));
    if (ws->opcode == WS_TEXT && !aw_utf8_check(&ws->utf8, p->data, p->size))
        return ws_fail(ws, -EILSEQ, AW_WS_BAD_TEXT, "a text is not UTF-8", 0);
    size_t whole = p->last ? 0 : ws->limits.max_message;
    if (keep && reserve(ws, p->size, whole) < 0)
        return ws_fail(ws, -ENOMEM, AW_WS_INTERNAL, "no memory for a message", 0);
    if (keep && p->size)
        memcpy(ws->data + ws->len, p->data, p->size);
    ws->len += p->size;
    if (!p->last || !p->fin)
        return 0;
    if (ws->opcode == WS_TEXT && ws->utf8.left)
        return ws_fail(ws, -EILSEQ, AW_WS_BAD_TEXT, "a text ends within a character", 0);
    return 1;
}

/* The same of a control frame: 2 when it was the close. */
static int take_control(aw_websocket *ws, const struct ws_piece *p)
{
    if (p->first)
        ws->control_len = 0;
    assert(p->size <= sizeof ws->control - ws->control_len);
    if (p->size)
        memcpy(ws->control + ws->control_len, p->data, p->size);
    ws->control_len = (uint8_t)(ws->control_len + p->size);
    return p->last ? ws_control(ws, p->opcode) : 0;
}

/* Take what is buffered: 1 when a message is complete, 0 when there is nothing (for now), 2 when
 * both closes were said; or what has ended the connection. */
static int take_pieces(aw_websocket *ws, bool keep)
{
    uint8_t room[WS_ROOM];
    struct ws_piece p;
    int err;
    while ((err = ws_codec_next(&ws->codec, room, &p)) > 0) {
        const char *wrong = p.first ? complaint(ws, &p) : NULL;
        if (wrong)
            return fail(ws, wrong);
        err = p.opcode & WS_CLOSE ? take_control(ws, &p) : take_data(ws, &p, keep);
        if (err == 1 && !keep)
            drop_message(ws);
        else if (err != 0)
            return err;
    }
    if (err == -EPROTO)
        return fail(ws, "a frame that cannot be");
    if (err == -ENOMEM)
        return ws_fail(ws, -ENOMEM, AW_WS_INTERNAL, "no memory for a frame", 0);
    return err < 0 ? ws_end(ws, err) : 0;
}

/* ---- waiting ---- */

/* The stream has ended: in order only if the other side had said so. */
static int ended(aw_websocket *ws, ssize_t n)
{
    if (n < 0)
        return ws_end(ws, (int)n);
    return ws_end(ws, aw_raise(AW_EOF, "the connection ended without a closing handshake"));
}

/* The handshake, and what came before it, has been deeper than anything that will come. */
static void trim_once(aw_websocket *ws)
{
    if (!ws->trimmed)
        aw_trim_stack();
    ws->trimmed = true;
}

/* Until something is buffered: 0; what has ended the connection; -ECANCELED. */
static int wait_for_more(aw_websocket *ws)
{
    AW_TRY(ws_flush(ws));
    rest(ws);
    trim_once(ws);
    ws->waiting = true;
    ssize_t n = aw_stream_wait_readable(ws->stream);
    ws->waiting = false;
    if (ws->ended)
        return ws_outcome(ws);
    if (n > 0 || n == -ECANCELED || n == AW_EMISUSE)
        return n > 0 ? 0 : (int)n;
    return ended(ws, n);
}

static int receive(aw_websocket *ws, aw_websocket_message *ret)
{
    int err = 0;
    while (err == 0 && !ws->ended) {
        err = take_pieces(ws, ret != NULL);
        if (err == 0 && !ws->ended)
            err = wait_for_more(ws);
    }
    if (err == 2)
        return ws_part(ws);
    if (err != 1)
        return err;
    ws->data[ws->len] = '\0';
    *ret = (aw_websocket_message){ws->data, ws->len, ws->opcode == WS_BINARY};
    ws->opcode = 0;
    ws->given = true;
    return 1;
}

int ws_receive(aw_websocket *ws, aw_websocket_message *ret)
{
    ws_hold(ws);
    ws->receiving = true;
    ws->patient = false;
    ws->discarding = !ret;
    int err = receive(ws, ret);
    ws->receiving = ws->discarding = ws->patient = false;
    ws_let_go(ws);
    return err;
}

/* The close that another task waits for throws away what comes: there is only the end to tell. */
static int wait_for_end(aw_websocket *ws)
{
    ws_hold(ws);
    int err = aw_event_wait(&ws->end);
    if (err >= 0)
        err = ws_outcome(ws);
    ws_let_go(ws);
    return err;
}

int aw_websocket_receive(aw_websocket *ws, aw_websocket_message *ret)
{
    AW_TRY(ws_check(ws));
    if (!ret)
        return aw_raise(-EINVAL, "there is no place for a message");
    if (!aw_current_task())
        return aw_raise(AW_EMISUSE, "receiving is for tasks");
    if (ws->receiving && !ws->discarding)
        return aw_raise(AW_EMISUSE, "another task receives");
    if (ws->given)
        drop_message(ws);
    if (ws->ended)
        return ws_outcome(ws);
    return ws->discarding ? wait_for_end(ws) : ws_receive(ws, ret);
}
