"""The feed service as scripts start it: the service, its clients, a producer.

What was counted comes back as a dictionary: see examples/feed/watch.c.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULES = ROOT / "build/peers/socketio"
CLIENT = "socket.io-client@4.8.1"
LIMIT = 120.0  # seconds that anything may take


def own_environment():
    """The caller's, without what would change the service."""
    return {key: value for key, value in os.environ.items() if not key.startswith("FEED_")}


def npm_client():
    """The folder with npm's Socket.IO client, fetched if need be; None where it is not to be had."""
    if not shutil.which("node"):
        return None
    if not (MODULES / "node_modules/socket.io-client/package.json").exists():
        if not shutil.which("npm"):
            return None
        MODULES.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix",
                            MODULES, CLIENT], check=True, timeout=LIMIT, capture_output=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
    return MODULES


class Feed:
    """A service that runs in a folder of its own; a context manager, that may be restarted."""

    def __init__(self, build, folder, *options):
        self.programs = pathlib.Path(build).resolve() / "examples/feed"
        self.folder = pathlib.Path(folder)
        self.options = list(options)
        self.port = 0
        self.process = None
        self.log = self.folder / "feed.log"
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def start(self):
        """Start it, at the port that it had before if it had one, and wait until it listens.

        A client that tries to connect may have got that very port as its own, for a moment.
        """
        until = time.monotonic() + LIMIT
        while True:
            try:
                return self._start()
            except OSError as error:
                if "address already in use" not in str(error) or time.monotonic() > until:
                    raise

    def _start(self):
        with open(self.log, "ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                [self.programs / "feed", "--port", str(self.port), *self.options], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=own_environment())
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            found = re.search(rb'"listening","address":"[^"]*:(\d+)"',
                              self.log.read_bytes()[begin:])
            if found:
                self.port = int(found.group(1))
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise OSError(f"the feed does not start: {self.log.read_text(errors='replace')}")

    def end(self, number=signal.SIGTERM):
        """End it by a signal; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LIMIT)

    def url(self, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port}"

    def lines(self, event=None):
        """The lines of its log, those of one event if it is named."""
        found = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()
                 if line.startswith("{")]
        return [line for line in found if event in (None, line["event"])]

    def producer(self, **options):
        """Starts a producer."""
        return subprocess.Popen([self.programs / "produce", self.url() + "/", *flags(options)],
                                text=True, stdout=subprocess.PIPE)

    def watch(self, npm=None, **options):
        """Starts clients, ours or npm's, and waits until they are connected."""
        command = [self.programs / "watch", self.url("ws")]
        if npm:
            command = ["node", ROOT / "examples/feed/watch.mjs", npm, self.url()]
        return Watch([*command, *flags(options)])


def flags(options):
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


class Watch:
    """Clients that count."""

    def __init__(self, command):
        self.process = subprocess.Popen(list(map(str, command)), text=True, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.process.kill()
            self.process.wait()
            raise OSError(f"the clients are not ready: {line}")

    def result(self):
        """What they have counted; waits until they have."""
        text = self.process.communicate(timeout=LIMIT)[0]
        return dict(json.loads(text), status=self.process.returncode)

    def kill(self):
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":  # fetch what is fetched
    sys.exit(0 if npm_client() else 1)
