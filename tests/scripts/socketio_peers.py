#!/usr/bin/env python3
"""Tests the Socket.IO server with real clients, by TLS too, clients that die, and a server that
does.

npm's socket.io-client and python-socketio are fetched into build/peers/socketio, at the versions
below, when they are not there; where one cannot be had its part is skipped by name.
"""

import base64
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import packages  # noqa: E402: found by the line above

PEERS = packages.PEERS / "socketio"
CLIENTS = ROOT / "tests" / "peers"
LIMIT = 100  # seconds that a client's tests may take
RECONNECTS = 1000
NODE = ["socket.io-client@4.8.1"]
PYTHON = ["python-socketio==5.11.4", "requests==2.32.3", "websocket-client==1.8.0"]


def equal(wanted, got):
    if wanted != got:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


# ---- the server ----

class Server:
    """The server in a process of its own."""

    def __init__(self, port=0, *certificate):
        program = pathlib.Path(os.environ["AWAIT_BUILD_GCC"]) / "tests" / "sio_server"
        self.process = subprocess.Popen(["stdbuf", "-oL", program, str(port), *certificate],
                                        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.first = self.process.stdout.readline()
        equal("listening on 127.0.0.1:", self.first.rpartition(":")[0] + ":")
        self.port = int(self.first.rpartition(":")[2])

    def stop(self):
        """Ends it in good order: what it has printed, and said of its clients."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        equal((0, "0 sessions, 0 handlers"), (self.process.returncode, out.splitlines()[-1]))
        return out, err

    def kill(self):
        self.process.kill()
        self.process.communicate()


def run_client(command, **environment):
    done = subprocess.run(command, text=True, capture_output=True, timeout=LIMIT, check=False,
                          env={**os.environ, **environment})
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout.splitlines()[-1]


# ---- clients that die ----

WEBSOCKET = ("GET /socket.io/?EIO=4&transport=websocket{} HTTP/1.1\r\nHost: h\r\n"
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n")
POLLING = "GET /socket.io/?EIO=4&transport=polling{} HTTP/1.1\r\nHost: h\r\n\r\n"
POST = ("POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: h\r\n"
        "Content-Length: {}\r\n\r\n{}")


class Raw:
    """A client made of bytes, which can die at any of them."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.buffer = b""

    def send(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def until(self, text):
        while text not in self.buffer:
            got = self.socket.recv(65536)
            if not got:
                raise AssertionError(f"closed before {text!r}: {self.buffer!r}")
            self.buffer += got
        at = self.buffer.index(text) + len(text)
        head, self.buffer = self.buffer[:at], self.buffer[at:]
        return head

    def frame(self, text, cut=None):
        data = text.encode()
        whole = bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data
        self.send(whole[:cut])

    def open_polling(self):
        self.send(POLLING.format(""))
        self.until(b'"sid":"')
        sid = self.until(b'"')[:-1].decode()
        self.until(b"}")
        return sid

    def open_websocket(self, query=""):
        self.send(WEBSOCKET.format(query))
        self.until(b"\r\n\r\n")

    def open_socket(self):
        self.open_websocket()
        self.until(b"}")
        self.frame("40")
        self.until(b'42["auth",{}]')

    def die(self, hard):
        if hard:  # a reset
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


def in_upgrade(raw, port, *frames):
    sid = raw.open_polling()
    other = Raw(port)
    other.open_websocket(f"&sid={sid}")
    for frame in frames:
        other.frame(frame)
        if frame == "2probe":
            other.until(b"3probe")
    return other


# Name -> what a client has done when it dies.
PHASES = {
    "connected": lambda raw, port: None,
    "half a request": lambda raw, port: raw.send(POLLING.format("")[:30]),
    "a request": lambda raw, port: raw.send(POLLING.format("")),
    "polling": lambda raw, port: raw.open_polling(),
    "a GET that is held": lambda raw, port: raw.send(
        POLLING.format("&sid=" + raw.open_polling())),
    "half a POST": lambda raw, port: raw.send(POST.format(raw.open_polling(), 10, "40")),
    "a POST": lambda raw, port: raw.send(POST.format(raw.open_polling(), 2, "40")),
    "half a handshake": lambda raw, port: raw.send(WEBSOCKET.format("")[:120]),
    "a handshake": lambda raw, port: raw.send(WEBSOCKET.format("")),
    "a WebSocket": lambda raw, port: raw.open_websocket(),
    "half a frame": lambda raw, port: (raw.open_websocket(), raw.frame("40", 7)),
    "connecting": lambda raw, port: (raw.open_websocket(), raw.frame("40")),
    "connecting to a guard": lambda raw, port: (raw.open_websocket(), raw.frame("40/guarded,")),
    "a socket": lambda raw, port: raw.open_socket(),
    "an event": lambda raw, port: (raw.open_socket(), raw.frame('421["question"]')),
    "attachments to come": lambda raw, port: (
        raw.open_socket(), raw.frame('451-["message",{"_placeholder":true,"num":0}]')),
    "an upgrade": in_upgrade,
    "an upgrade that was probed": lambda raw, port: in_upgrade(raw, port, "2probe"),
    "an upgrade that was made": lambda raw, port: in_upgrade(raw, port, "2probe", "5"),
    "an upgrade and an event": lambda raw, port: in_upgrade(raw, port, "2probe", "5", "40"),
}


def die_everywhere():
    server = Server()
    for hard in (False, True):
        for name, begin in PHASES.items():
            raw = Raw(server.port)
            try:
                other = begin(raw, server.port)
            except (AssertionError, OSError) as error:
                raise AssertionError(name) from error
            raw.die(hard)
            if isinstance(other, Raw):
                other.die(hard)
    # It serves, and soon knows that all of them have gone.
    raw, deadline = Raw(server.port), time.monotonic() + 20
    raw.open_socket()
    number = 0
    while True:
        raw.frame(f'42{number}["count"]')
        answer = raw.until(b"]")
        if answer.endswith(f"43{number}[1]".encode()):
            break
        if time.monotonic() > deadline:
            raise AssertionError(f"still there: {answer!r}")
        number += 1
        if b"\x81\x012" in answer:
            raw.frame("3")
        time.sleep(0.1)
    raw.die(False)
    server.stop()
    return f"{2 * len(PHASES)} clients died"


# ---- a server that dies ----

def restart(node, end):
    """Clients that reconnect, and a server that is ended and comes back on its port."""
    server = Server()
    client = subprocess.Popen(["node", CLIENTS / "sio_client.js", str(server.port), "survive"],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "NODE_PEERS": str(node)})
    try:
        equal("connected\n", client.stdout.readline())
        end(server)
        equal("disconnected\n", client.stdout.readline())
        server = Server(server.port)
        out, err = client.communicate(timeout=60)
        equal((0, "connected again\n", ""), (client.returncode, out, err))
    finally:
        client.kill()
    server.stop()


# ---- TLS ----

def make_certificate(folder, name):
    """A certificate for 127.0.0.1 that nobody but itself answers for; with its key behind it."""
    path = folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", folder / "key.pem", "-out", path], check=True,
                   capture_output=True, timeout=LIMIT)
    whole = folder / f"{name}-and-key.pem"
    whole.write_text(path.read_text() + (folder / "key.pem").read_text())
    return path, whole


def by_tls(node):
    """All that clients do, by TLS; and clients that believe somebody else, and plain ones."""
    with tempfile.TemporaryDirectory() as name:
        authority, certificate = make_certificate(pathlib.Path(name), "server")
        stranger, _ = make_certificate(pathlib.Path(name), "stranger")
        server = Server(0, certificate)
        command = ["node", str(CLIENTS / "sio_client.js"), str(server.port)]
        said = run_client(command, NODE_PEERS=str(node), SIO_CA=str(authority))
        equal("not believed", run_client([*command, "distrust"], NODE_PEERS=str(node),
                                         SIO_CA=str(stranger)))
        raw = Raw(server.port)
        raw.send(POLLING.format(""))
        raw.socket.settimeout(10)
        try:
            equal(False, raw.socket.recv(4096).startswith(b"HTTP"))
        except ConnectionResetError:
            pass
        raw.die(False)
        lines = server.stop()[1].splitlines()
    for line in lines:  # a refusal each: those that did not believe, and the plain one
        equal(True, "127.0.0.1:" in line and "refused: TLS: " in line)
    if not 4 <= len(lines) <= 7:  # each of three clients may try once more before it hears of it
        raise AssertionError(f"{len(lines)} lines, not 4 to 7")
    return said


def main():
    skipped = []
    print(die_everywhere())
    server = Server()
    node = packages.or_none(packages.npm_packages, PEERS / "node", *NODE)
    python = packages.or_none(packages.python_with, PEERS / "python", *PYTHON)
    if node:
        command = ["node", str(CLIENTS / "sio_client.js"), str(server.port)]
        print("socket.io-client:", run_client(command, NODE_PEERS=str(node)))
        print("socket.io-client:", run_client([*command, "reconnects", str(RECONNECTS)],
                                              NODE_PEERS=str(node)))
        print("socket.io-client by TLS:", by_tls(node))
    else:
        skipped.append("socket.io-client")
    if python:
        command = [python, str(CLIENTS / "sio_client.py"), str(server.port)]
        print("python-socketio:", run_client(command))
    else:
        skipped.append("python-socketio")
    said = server.stop()[1]
    equal("", said)
    if node:
        restart(node, Server.stop)
        restart(node, Server.kill)
        print("the server was restarted under connected clients")
    if skipped:
        print(f"skip: {', '.join(skipped)} cannot be had here")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
