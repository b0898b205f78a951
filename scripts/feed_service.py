"""The feed service as scripts start it: the service, its clients, a producer.

What was counted comes back as a dictionary: see examples/feed/watch.c.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import packages
import servers
from packages import PEERS

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIENT = "socket.io-client@4.8.1"
EMITTER = ("@socket.io/redis-emitter@5.1.0", "redis@4.7.0")
MOTO = PEERS / "sqs"
LIMIT = 120.0  # seconds that anything may take
PREFIX = []  # of the commands of our programs, for builds that want to be run by something


def own_environment():
    """The caller's, without what would change the service."""
    return {key: value for key, value in os.environ.items()
            if not key.startswith(("FEED_", "AWS_"))}


def npm_client():
    """The folder with npm's Socket.IO client; None."""
    return packages.or_none(packages.npm_packages, PEERS / "socketio", CLIENT)


def npm_emitter():
    """The folder with npm's emitter over Redis; None."""
    return packages.or_none(packages.npm_packages, PEERS / "emitter", *EMITTER)


def of_moto():
    """What its environment is made of."""
    return packages.listed(ROOT / "tests/peers/requirements_sqs.txt")


def sqs_python():
    """The Python of an environment with moto's server of SQS, botocore and boto3."""
    return packages.python_with(MOTO, *of_moto())


def moto_at_hand():
    """The command of moto's server of SQS, if it is there; None."""
    return MOTO / "bin/moto_server" if packages.at_hand(MOTO, *of_moto()) else None


def moto_server():
    """The same, fetched if need be; None where it is not to be had."""
    return packages.or_none(sqs_python) and moto_at_hand()


def free_port():
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """Somebody else's server, a context manager; its memory ends with it.

    It listens when it has printed a line like `ready`.
    """

    def __init__(self, port, ready, *command, folder=None):
        self.port, self.ready, self.command, self.folder = port, ready, command, folder
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.process = servers.start(self.command, self.ready, cwd=self.folder,
                                     start_new_session=True)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Queues(Server):
    """A server of SQS."""

    def __init__(self, program):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(port, r"Running on http://", program, "-p", port)

    def call(self, operation, **parameters):
        request = urllib.request.Request(self.url, json.dumps(parameters).encode(), {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"AmazonSQS.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/sqs/"
                             "aws4_request, SignedHeaders=host, Signature=none"})
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return json.loads(answer.read() or "{}")

    def create(self, name):
        """The URL of a new queue."""
        return self.call("CreateQueue", QueueName=name,
                         Attributes={"VisibilityTimeout": "30"})["QueueUrl"]

    def send(self, queue, *bodies):
        for body in bodies:
            self.call("SendMessage", QueueUrl=queue, MessageBody=body)

    def left(self, queue):
        """How many messages there are, in hand or not."""
        found = self.call("GetQueueAttributes", QueueUrl=queue, AttributeNames=["All"])
        return sum(int(found["Attributes"][name]) for name in (
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"))

    def environment(self):
        return {"AWS_ENDPOINT_URL_SQS": self.url, "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


class Redis(Server):
    """A Redis server; what it has taken is there again when it was killed."""

    def __init__(self, folder):
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}"
        super().__init__(port, r"[Rr]eady to accept connections", "redis-server", "--port", port,
                         "--save", "", "--appendonly", "yes", folder=folder)


class Feed:
    """A service that runs in a folder of its own; a context manager, that may be restarted."""

    def __init__(self, build, folder, *options, **environment):
        self.programs = pathlib.Path(build).resolve() / "examples/feed"
        self.folder = pathlib.Path(folder)
        self.options = list(options)
        self.environment = {**own_environment(), **environment}
        self.port = 0
        self.process = None
        self.children = []  # clients and producers
        self.log = self.folder / "feed.log"
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
        for child in self.children:
            child.kill()
            child.wait()
            child.stdout.close()

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
                [*PREFIX, self.programs / "feed", "--port", str(self.port), *self.options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
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
        return self.child([self.programs / "produce", self.url() + "/", *flags(options)])

    def child(self, command):
        """A process that ends with the service at the latest."""
        self.children.append(subprocess.Popen([*PREFIX, *map(str, command)], text=True,
                                              stdout=subprocess.PIPE))
        return self.children[-1]

    def watch(self, npm=None, **options):
        """Starts clients, ours or npm's, and waits until they are connected."""
        command = [self.programs / "watch", self.url("ws")]
        if npm:
            command = ["node", ROOT / "examples/feed/watch.mjs", npm, self.url()]
        return Watch(self.child([*command, *flags(options)]))


def flags(options):
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


class Watch:
    """Clients that count."""

    def __init__(self, process):
        self.process = process
        line = process.stdout.readline()
        if line != "ready\n":
            raise OSError(f"the clients are not ready: {line}")

    def result(self):
        """What they have counted; waits until they have."""
        text = self.process.communicate(timeout=LIMIT)[0]
        return dict(json.loads(text), status=self.process.returncode)


if __name__ == "__main__":  # fetch what is fetched
    sys.exit(0 if npm_client() else 1)
