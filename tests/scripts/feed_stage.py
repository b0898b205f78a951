"""What the tests of the feed service play with: a stage, a client by hand, others' servers.

What one test starts it ends: everything here that runs is a context manager, or a child of one.
"""

import http.server
import json
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import feed_service  # noqa: E402: found by the line above
import websocket  # noqa: E402

WAIT = 30.0
BUILDS = ("gcc", "clang", "asan", "tsan")


class Skip(Exception):
    """Why a test cannot run here."""


def equal(wanted, got):
    if wanted != got:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


def wait_for(what, condition, limit=WAIT):
    until = time.monotonic() + limit
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.01)


def post(feed, body, kind="application/json", path="/items"):
    """The status and the answer, a value if it is JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(feed.url() + path, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text


def get(feed, path):
    with urllib.request.urlopen(feed.url() + path, timeout=WAIT) as answer:
        return answer.read().decode()


def metrics(feed):
    return {name: float(value) for name, value in
            (line.split() for line in get(feed, "/metrics").splitlines() if line[0] != "#")}


def all_fine(result):
    for name in ("missing", "twice", "out_of_order", "only_kept"):
        equal((name, 0), (name, result[name]))
    equal(0, result["status"])


# ---- on the stage ---------------------------------------------------------------------------


class Client(websocket.Client):
    """A Socket.IO client by hand, over a WebSocket: what the others cannot be made to do."""

    def __init__(self, feed, namespace=True):
        super().__init__(feed.port, "/socket.io/?EIO=4&transport=websocket")
        if namespace:
            self.say("40")
            self.until("40")

    def emit(self, *event):
        self.say("42" + json.dumps(event))

    def receive(self):
        """The next text; None at the end."""
        opcode, data = self.hear() or (8, b"")
        return None if opcode == 8 else data.decode()

    def until(self, start):
        """The first text that begins so."""
        while True:
            text = self.receive()
            if text is None or text.startswith(start):
                return text

    def event(self, name):
        """The arguments of the next event of this name; acknowledges what wants it."""
        while True:
            text = self.receive()
            if text is None:
                return None
            if text.startswith("42"):
                number, _, rest = text[2:].partition("[")
                if number:
                    self.say(f"43{number}[]")
                value = json.loads("[" + rest)
                if value[0] == name:
                    return value[1:]

    def kept(self):
        """The items that were kept for it, in the pieces in which they come."""
        more = True
        while more:
            some, more = self.event("items")
            yield [entry["item"] for entry in some]

    def reset(self):
        """The end without a good-bye."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()


class Stage:
    """Where a test plays: a build, a folder, the way the pump runs."""

    def __init__(self, build, folder, blocking, slow):
        self.build, self.folder, self.slow = build, pathlib.Path(folder), slow
        self.options = ["--blocking"] if blocking else []

    def feed(self, *options, **environment):
        return feed_service.Feed(self.build, self.folder, *self.options, *options, **environment)

    def size(self, items):
        """Fewer where everything is slow."""
        return items // 5 if self.slow else items


# ---- others' servers -------------------------------------------------------------------------


def server_of_queues():
    command = feed_service.moto_server()
    if not command:
        raise Skip("moto's server of SQS cannot be had")
    return feed_service.Queues(command)


class Gate:
    """A way to the server of queues that lets only some operations pass; a context manager."""

    def __init__(self, queues):
        self.denied, gate = (), self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Passes a request on, or says that it is not allowed."""
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                status, answer = 403, {"__type": "AccessDenied", "message": f"no {operation}"}
                try:
                    if operation not in gate.denied:
                        status, answer = 200, queues.call(operation, **json.loads(body))
                except OSError:  # the server has ended
                    status, answer = 503, {}
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # whoever asked has gone
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def server_of_redis(stage):
    """A Redis server, where there is one and the service can use it."""
    if not shutil.which("redis-server"):
        raise Skip("redis-server is not installed")
    program = pathlib.Path(stage.build) / "examples/feed/feed"
    done = subprocess.run([program, "--port", "0", "--redis", "redis://127.0.0.1:1"], text=True,
                          cwd=stage.folder, capture_output=True, check=False)
    if "built without" in done.stderr:
        raise Skip("the service is built without Redis")
    equal((1, True), (done.returncode, "refused" in done.stderr))
    return feed_service.Redis(stage.folder)


def copies_of(stage, server, n=2):
    """So many copies, each in a folder of its own."""
    for number in range(n):
        folder = stage.folder / str(number)
        folder.mkdir()
        yield feed_service.Feed(stage.build, folder, *stage.options, "--redis", server.url)


# ---- all of them ------------------------------------------------------------------------------


def runs(tests, both_ways, chosen, tsan):
    """(test, blocking) of each; with TSan those with a thread."""
    for test in tests:
        if not chosen or test.__name__ in chosen:
            if not tsan:
                yield test, False
            if test in both_ways:
                yield test, True


def prepare(name):
    """As tests/run.py has it for the tests of such a build: TSan wants addresses as they were."""
    if name == "tsan":
        feed_service.PREFIX[:] = ["setarch", platform.machine(), "-R"]
        os.environ["AWAIT_BACKEND"] = "epoll"


def run(test, build, blocking, slow):
    """How it ended: "ok", "skipped" or "failed"; says what went wrong."""
    name = test.__name__ + (", blocking" if blocking else "")
    with tempfile.TemporaryDirectory(prefix="await-feed-") as folder:
        try:
            test(Stage(build, folder, blocking, slow))
            print(f"ok: {name}", flush=True)
            return "ok"
        except Skip as reason:
            print(f"skip: {name}: {reason}", flush=True)
            return "skipped"
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            log = pathlib.Path(folder, "feed.log")
            end = log.read_text(errors="replace")[-3000:] if log.exists() else ""
            print(f"FAILED: {name}: {error}\n{end}", flush=True)
            return "failed"


def play(tests, both_ways, chosen):
    """Runs them, or the chosen ones, with every build at hand: the exit status.

    Those of `both_ways` are run with --blocking, too.
    """
    builds = {name: os.environ.get(f"AWAIT_BUILD_{name.upper()}") for name in BUILDS}
    builds = {name: ROOT / folder for name, folder in builds.items() if folder}
    if not any((folder / "examples/feed/feed").exists() for folder in builds.values()):
        print("skip: no build with the feed service at hand")
        return 77
    ended = []
    for name, folder in builds.items():
        prepare(name)
        for test, blocking in runs(tests, both_ways, chosen, name == "tsan"):
            ended.append(run(test, folder, blocking, name in ("asan", "tsan")))
    print(", ".join(f"{ended.count(how)} {how}" for how in ("ok", "skipped", "failed")))
    return 1 if "failed" in ended else 0
