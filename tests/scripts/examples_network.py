#!/usr/bin/env python3
"""Runs the examples that serve, or need a server, with real clients and servers on loopback.

Each prints where it listens; ports are free ones.  Certificates are made as they are needed.
"""

import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 20  # seconds that anything may take
# The last two: http_client.py and sqs.py.
NAMES = ("19_chat", "20_proxy", "21_tls_client", "22_http_client", "25_sqs_worker")


def equal(wanted, got):
    if wanted != got:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


def start(folder, name, *arguments):
    """A server in a process of its own, and the port that it listens on."""
    process = subprocess.Popen(["stdbuf", "-oL", folder / "examples" / name, *arguments], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    first = process.stdout.readline()
    if not first.startswith("listening on 127.0.0.1:"):
        process.kill()
        raise AssertionError(first + process.communicate()[0])
    return process, int(first.rpartition(":")[2])


def stop(process, number):
    """Ends a server by a signal: the rest of what it prints."""
    process.send_signal(number)
    text = process.communicate(timeout=LIMIT)[0]
    equal((0, text), (process.returncode, text))
    return text


class Client:
    """One end of a connection that speaks in lines."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self.lines = self.socket.makefile("r", newline="\n")

    def say(self, text):
        self.socket.sendall(text.encode())

    def hear(self, line):
        equal(line, self.lines.readline())


def guest(port, name, others=()):
    client = Client(port)
    client.hear("your name?\n")
    client.say(f"{name}\r\n")
    for other in others:
        other.hear(f"* {name} is here\n")
    return client


def chat(folder, number):
    process, port = start(folder, "19_chat", "0", "2")
    try:
        ann = guest(port, "ann")
        # Ann is known when her own line has been read: the server answers the one too long.
        ann.say("x" * 3000 + "\n")
        ann.hear("* too long\n")
        bob = guest(port, "bob", [ann])
        ann.say("hello\n")
        bob.hear("ann: hello\n")
        bob.say("good morning")
        bob.say(" to you\n")
        ann.hear("bob: good morning to you\n")
        waiting = Client(port)  # the third: let in when one of the others has left
        waiting.socket.settimeout(0)
        try:
            raise AssertionError(f"let in: {waiting.socket.recv(100)}")
        except BlockingIOError:
            waiting.socket.settimeout(LIMIT)
        bob.socket.close()
        bob.lines.close()
        ann.hear("* bob has left\n")
        waiting.hear("your name?\n")
        waiting.say("eve\n")
        ann.hear("* eve is here\n")
        equal("2 clients\n", stop(process, number))
        for client in (ann, waiting):
            client.hear("* the server ends\n")
    finally:
        process.kill()


def upstream(listener):
    """Reads to the end of what a client asks, and only then answers: needs half-close."""
    client = listener.accept()[0]
    with client:
        asked = client.makefile("rb").read()
        client.sendall(asked.upper() + b"end\n")


def proxy(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = listener.getsockname()[1]
        process, port = start(folder, "20_proxy", "0", "127.0.0.1", str(target))
        try:
            thread = threading.Thread(target=upstream, args=(listener,), daemon=True)
            thread.start()
            client = Client(port)
            client.say("one\ntwo\n" * 5000)
            client.socket.shutdown(socket.SHUT_WR)
            equal("ONE\nTWO\n" * 5000 + "end\n", client.lines.read())
            thread.join(LIMIT)
            equal("10000 lines there, 10001 back: ok\nstopped, 0 connections cut off\n",
                  stop(process, signal.SIGTERM))
        finally:
            process.kill()


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
                   check=True, capture_output=True)


def secure_server(listener, folder):
    """Answers one client; one that does not trust us ends the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    context.set_alpn_protocols(["http/1.1"])
    try:
        with context.wrap_socket(listener.accept()[0], server_side=True) as client:
            client.settimeout(LIMIT)
            client.makefile("rb").readline()
            client.sendall(b"HTTP/1.0 200 OK\r\nServer: small\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n")
            client.unwrap()
    except (ssl.SSLError, OSError):
        pass  # what the client says of it is what counts


def ask_securely(folder, host, keys, *arguments):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=secure_server, args=(listener, keys), daemon=True)
        thread.start()
        port = str(listener.getsockname()[1])
        done = subprocess.run([folder / "examples/21_tls_client", host, port, *arguments],
                              text=True, capture_output=True, timeout=LIMIT, check=False)
        thread.join(LIMIT)
        return done.returncode, done.stdout


def tls_client(folder):
    if not (folder / "examples/21_tls_client").exists():
        return  # a build without TLS
    with tempfile.TemporaryDirectory(prefix="await-tls-") as keys:
        certificate(keys)
        ca_file = f"{keys}/cert.pem"
        status, text = ask_securely(folder, "localhost", keys, ca_file)
        lines = text.splitlines()
        equal((0, "version     TLSv1.3", "protocol    http/1.1"), (status, lines[0], lines[2]))
        equal(["answer      HTTP/1.0 200 OK", "answer      Server: small", "answer      A: 1",
               "answer      B: 2"], lines[4:])
        for host, arguments in (("127.0.0.1", [ca_file]), ("localhost", [])):
            status, text = ask_securely(folder, host, keys, *arguments)
            equal((1, True), (status, "certificate" in text or "mismatch" in text))


def checks(folder):
    yield "19_chat, SIGTERM", lambda: chat(folder, signal.SIGTERM)
    yield "19_chat, SIGINT", lambda: chat(folder, signal.SIGINT)
    yield "20_proxy", lambda: proxy(folder)
    yield "21_tls_client", lambda: tls_client(folder)


def main():
    known = ("gcc", "clang", "asan", "tsan")
    builds = {name: os.environ.get(f"AWAIT_BUILD_{name.upper()}") for name in known}
    if not any(builds.values()):
        print("skip: no build at hand")
        return 77
    failed = 0
    for name, folder in builds.items():
        for what, check in checks(ROOT / folder) if folder else ():
            try:
                check()
                print(f"ok: {name}: {what}")
            except (AssertionError, OSError, subprocess.TimeoutExpired, IndexError) as error:
                print(f"failed: {name}: {what}: {error}")
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
