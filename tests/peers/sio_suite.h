/*
 * sio_suite.h - what the protocol's own test suite wants of a server's namespace.
 */
#ifndef TESTS_PEERS_SIO_SUITE_H
#define TESTS_PEERS_SIO_SUITE_H

#include <await/socketio.h>

/* Each client is emitted `auth` with what it gave; `message` is answered by `message-back` with the
 * same arguments, `message-with-ack` is acknowledged with them.  0, or an error. */
int sio_suite(aw_sio_namespace *ns);

#endif
