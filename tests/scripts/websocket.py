#!/usr/bin/env python3
"""WebSocket with real clients and servers: npm's ws and Python's websockets, both ways.

They are fetched into build/peers/websocket, in the versions named here; one that cannot be had is
skipped by name.  Besides, the example server gets a thousand clients in a row, clients that vanish
in every phase of the handshake, and is restarted under its clients; and the chat is chatted in.
"""

import base64
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys

from examples_network import LIMIT, equal, start, stop

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import packages  # noqa: E402: found by the line above

SCRIPTS = ROOT / "tests/scripts"
PEERS = packages.PEERS / "websocket"
WS, WEBSOCKETS = "8.18.3", "15.0.1"

# ---- the peers ----


def node():
    place = packages.npm_packages(PEERS / "node", f"ws@{WS}")
    return ["node", SCRIPTS / "websocket_peer.mjs", place]


def python():
    return [packages.python_with(PEERS / "python", f"websockets=={WEBSOCKETS}"),
            SCRIPTS / "websocket_peer.py"]


def foreign_client(folder, peer):
    process, port = start(folder, "23_websocket_echo", "0")
    try:
        done = subprocess.run([*peer, "client", f"ws://127.0.0.1:{port}/"], text=True,
                              capture_output=True, timeout=LIMIT * 3)
        equal((0, ""), (done.returncode, done.stdout + done.stderr))
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=LIMIT)[0]
    for why in ("(1009): a message too long, .max_message is 1048576",
                "(403): a page of another origin"):
        if why not in said:
            raise AssertionError(f"the server did not tell: {why}\n{said}")


def foreign_server(folder, peer):
    server = subprocess.Popen([*peer, "server"], text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        url = f"ws://127.0.0.1:{server.stdout.readline().strip()}/"
        words = ["hello", "grüße", "x" * 70000, ""]
        done = subprocess.run([folder / "examples/23_websocket_echo", url, *words], text=True,
                              capture_output=True, timeout=LIMIT)
        equal("\n".join(words) + "\nclosed with 1000\n", done.stdout)
        equal(0, done.returncode)
    finally:
        server.stdin.close()
        server.wait(LIMIT)


# ---- clients made by hand ----

def handshake(target):
    return (f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(b'the sample nonce').decode()}\r\n\r\n").encode()


HANDSHAKE = handshake("/chat")


def frame(opcode, payload):
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


class Client:
    """A client that has shaken hands."""

    def __init__(self, port, target="/chat"):
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(handshake(target))
        equal(b"HTTP/1.1 101 Switching Protocols\r\n", self.file.readline())
        while self.file.readline() != b"\r\n":
            pass

    def say(self, text, opcode=1):
        self.socket.sendall(frame(opcode, text.encode()))

    def hear(self):
        """The next frame, (opcode, payload); None at the end."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        first, size = head
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        return first & 15, self.file.read(size)

    def expect(self, text):
        equal((1, text.encode()), self.hear())

    def close(self):
        self.file.close()
        self.socket.close()


def many(folder):
    """A thousand clients in a row, and clients that vanish after every byte of the handshake."""
    process, port = start(folder, "23_websocket_echo", "0")
    try:
        for i in range(1000):
            client = Client(port)
            client.say(str(i))
            client.expect(str(i))
            if i % 2:
                client.socket.sendall(frame(8, b"\x03\xe8"))
                equal((8, b"\x03\xe8"), client.hear())
            client.close()
        conversation = HANDSHAKE + frame(1, b"a message") + frame(8, b"\x03\xe8")
        for n in range(len(conversation)):
            with socket.create_connection(("127.0.0.1", port), LIMIT) as client:
                client.sendall(conversation[:n])
                if n % 2:  # a reset in place of an end
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client = Client(port)
        client.say("still there?")
        client.expect("still there?")
        process.send_signal(signal.SIGTERM)
        equal((8, b"\x03\xe9"), client.hear())
        client.socket.sendall(frame(8, b"\x03\xe9"))
        client.close()
        said = process.communicate(timeout=LIMIT)[0]
    finally:
        process.kill()
    equal(0, process.returncode)
    for word in ("Sanitizer", "assertion", "overflow"):
        if word in said:
            raise AssertionError(said)


def restarted(folder):
    """The server dies under its clients, and another takes its port."""
    process, port = start(folder, "23_websocket_echo", "0")
    clients = [Client(port) for _ in range(10)]
    process.kill()
    process.communicate()
    for client in clients:
        equal(b"", client.file.read())
        client.close()
    process, port = start(folder, "23_websocket_echo", str(port))
    client = Client(port)
    client.say("again")
    client.expect("again")
    client.socket.sendall(frame(8, b""))
    client.close()
    stop(process, signal.SIGTERM)


def chat(folder):
    process, port = start(folder, "24_websocket_chat", "0")
    try:
        with socket.create_connection(("127.0.0.1", port), LIMIT) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            page = browser.makefile("rb").read()
        if b"new WebSocket" not in page:
            raise AssertionError(page)
        ann = Client(port)
        ann.say("ann")
        ann.expect("* ann is here")
        bob = Client(port)
        bob.say("bob the very, very long")
        for client in (ann, bob):
            client.expect("* bob the very, very l is here")
        ann.say("hello")
        ann.expect("ann: hello")
        bob.expect("ann: hello")
        ann.socket.sendall(frame(8, b"\x03\xe8"))
        equal((8, b"\x03\xe8"), ann.hear())
        ann.close()
        bob.expect("* ann has left")
        process.send_signal(signal.SIGTERM)
        equal((8, b"\x03\xe9the server ends"), bob.hear())
        bob.socket.sendall(frame(8, b"\x03\xe9"))
        bob.close()
        said = process.communicate(timeout=LIMIT)[0]
        equal((0, ""), (process.returncode, said))
    finally:
        process.kill()


def main():
    folder = ROOT / os.environ.get("AWAIT_BUILD_GCC", "build/gcc")
    if not (folder / "examples/23_websocket_echo").exists():
        print("skip: no build with WebSocket at hand")
        return 77
    tests = [("many", lambda: many(folder)), ("restarted", lambda: restarted(folder)),
             ("chat", lambda: chat(folder))]
    skipped = []
    for name, peer in (("ws of npm", packages.or_none(node)),
                       ("websockets of Python", packages.or_none(python))):
        if peer:
            tests.append((f"{name}, client", lambda peer=peer: foreign_client(folder, peer)))
            tests.append((f"{name}, server", lambda peer=peer: foreign_server(folder, peer)))
        else:
            skipped.append(name)
    failed = 0
    for name, test in tests:
        try:
            test()
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"FAILED {name}: {error}")
    print(f"{len(tests)} conversations, {failed} failed"
          + (f"; skip: cannot be had: {', '.join(skipped)}" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
