#!/usr/bin/env python3
"""Runs the Socket.IO chat of the examples, with clients made of bytes."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/scripts"))
from socketio_peers import Raw, equal  # noqa: E402: found by the line above


class Guest(Raw):
    """A client of the chat."""

    def __init__(self, port):
        super().__init__(port)
        self.number = 0
        self.open_websocket()
        self.until(b"}")
        self.frame("40")
        self.until(b"}")

    def emit(self, *arguments):
        self.frame("42" + json.dumps(arguments, separators=(",", ":")))

    def ask(self, *arguments):
        self.number += 1
        self.frame(f"42{self.number}" + json.dumps(arguments, separators=(",", ":")))
        self.until(f"43{self.number}".encode())
        return json.loads(self.until(b"]"))

    def hear(self, *arguments):
        self.until(b"42")
        equal(list(arguments), json.loads(self.until(b"]")))


def chat(folder):
    process = subprocess.Popen(["stdbuf", "-oL", folder / "examples/24_socketio_chat", "0"],
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        port = int(process.stdout.readline().rpartition(":")[2])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            page = answer.read().decode()
            equal(True, "new WebSocket" in page and page.endswith("</script>\n"))
        ann, bob, cid = Guest(port), Guest(port), Guest(port)
        equal(["a name and a room, please"], ann.ask("join", "", "red"))
        equal([None, "", "ann"], ann.ask("join", "ann", "red"))
        equal(["you are in a room already"], ann.ask("join", "ann", "blue"))
        equal([None, "", "ann", "bob"], bob.ask("join", "b\"ob", "red"))
        ann.hear("notice", "bob", "is here")
        equal([None, "", "cid"], cid.ask("join", "cid", "blue"))
        ann.emit("say", "good \"morning\"")
        bob.hear("said", "ann", "good \"morning\"")
        cid.emit("say", 7)
        cid.hear("notice", "server", "join a room, and say little")
        equal(["nothing was said before you came"], cid.ask("history"))
        ann.die(False)
        bob.hear("notice", "ann", "has left: transport close")
        process.send_signal(signal.SIGTERM)
        equal("2 clients\n", process.communicate(timeout=20)[0])
        equal(0, process.returncode)
    finally:
        process.kill()


def main():
    folder = pathlib.Path(os.environ["AWAIT_BUILD_GCC"])
    if not (folder / "examples/24_socketio_chat").exists():
        print("skip: there is no Socket.IO in this build")
        return 77
    chat(folder)
    print("the chat")
    return 0


if __name__ == "__main__":
    sys.exit(main())
