/*
 * sio_suite.c - the handlers of the protocol's own test suite: see sio_suite.h.
 */
#include <stdio.h>

#include "sio_suite.h"

static int connected(aw_sio_socket *s, void *arg)
{
    char args[1024];
    (void)arg;
    snprintf(args, sizeof args, "[%s]", aw_sio_socket_auth(s));
    return aw_sio_emit(s, "auth", args);
}

static int message(aw_sio_event *e, void *arg)
{
    const aw_sio_bytes *parts = NULL;
    size_t n = aw_sio_event_attachments(e, &parts);
    (void)arg;
    return aw_sio_emit(aw_sio_event_socket(e), "message-back", aw_sio_event_json(e, NULL),
                       .attachments = parts, .n_attachments = n);
}

static int message_with_ack(aw_sio_event *e, void *arg)
{
    const aw_sio_bytes *parts = NULL;
    size_t n = aw_sio_event_attachments(e, &parts);
    (void)arg;
    return aw_sio_ack(e, aw_sio_event_json(e, NULL), .attachments = parts, .n_attachments = n);
}

int sio_suite(aw_sio_namespace *ns)
{
    AW_TRY(aw_sio_on_connect(ns, connected, NULL));
    AW_TRY(aw_sio_on(ns, "message", message, NULL));
    return aw_sio_on(ns, "message-with-ack", message_with_ack, NULL);
}
