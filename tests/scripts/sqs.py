#!/usr/bin/env python3
"""The queue service's client against others: moto's server, and signatures beside botocore's.

Both come from PyPI into an environment of their own, build/peers/sqs, made once; where that cannot
be done the test is skipped and says so.  Servers listen on free ports of this machine and are ended
with this process.  What asks them is tests/peers/sqs_against.c.
"""

import http.server
import logging
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import feed_service  # noqa: E402: found by the line above
import packages  # noqa: E402: the same

LIMIT = 60  # seconds that anything may take
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCY",
        "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}


def skip(why):
    print(f"skip: {why}")
    sys.exit(77)


def equal(wanted, got):
    if wanted != got:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


def ask(*arguments, **variables):
    """Runs the client to a good end; returns what it printed."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env.update(KEYS, AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/nonexistent",
               AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
    env.update({k: v for k, v in variables.items() if v is not None})
    for name in [k for k, v in variables.items() if v is None]:
        env.pop(name, None)
    done = subprocess.run([BINARY, *map(str, arguments)], text=True, capture_output=True,
                          timeout=LIMIT, env=env, check=False)
    if done.returncode:
        raise AssertionError(f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


# ---- moto ----

def start_moto():
    from moto.server import ThreadedMotoServer
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return server, f"http://{host}:{port}"


def boto(endpoint):
    import boto3
    return boto3.client("sqs", endpoint_url=endpoint, region_name="eu-west-1",
                        aws_access_key_id="a", aws_secret_access_key="b")


def fill(client, name, n):
    """Puts the numbers below n into a queue, by boto3."""
    url = client.create_queue(QueueName=name)["QueueUrl"]
    for first in range(0, n, 10):
        client.send_message_batch(QueueUrl=url, Entries=[
            {"Id": str(i), "MessageBody": str(i)} for i in range(first, min(first + 10, n))])
    return url


def left(client, url):
    got = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return (int(got["ApproximateNumberOfMessages"]),
            int(got["ApproximateNumberOfMessagesNotVisible"]))


def test_operations(endpoint):
    ask("operations", AWS_ENDPOINT_URL=endpoint)
    ask("operations", AWS_ENDPOINT_URL_SQS=endpoint, AWS_ENDPOINT_URL="http://127.0.0.1:1")


def test_consumer(endpoint):
    """Messages of boto3's, each worked on, and once where one poller asks.

    moto takes no lock between the requests of several: now and then it gives a message twice, and
    forgets that some were deleted.  The unit tests have a server that does not.
    """
    client = boto(endpoint)
    for pollers, n in ((1, 100), (3, 200)):
        url = fill(client, f"numbers-{pollers}", n)
        said = ask("consume", f"numbers-{pollers}", n, AWS_ENDPOINT_URL=endpoint,
                   POLLERS=str(pollers)).split()
        seen, twice, deleted = (int(said[i]) for i in (1, 3, 5))
        equal(n, seen)
        if pollers == 1:
            equal((0, n), (twice, deleted))
            equal((0, 0), left(client, url))
        elif twice > n // 10:
            raise AssertionError(f"{twice} of {n} were given twice")


def test_words(endpoint):
    """What is wrong is said in one line."""
    cases = (
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "-ENOKEY", "no credentials"),
        ({"AWS_REGION": "not a region"}, "-EINVAL", "the region not a region"),
        ({"AWS_ENDPOINT_URL": "ftp://x"}, "-EINVAL", "the endpoint ftp://x is no URL"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "-ECONNREFUSED", "GetQueueUrl q: "),
        ({}, "-ENOENT", "GetQueueUrl q: QueueDoesNotExist: "),
    )
    for variables, code, words in cases:
        said = ask("fails", **{"AWS_ENDPOINT_URL": endpoint, **variables})
        equal(1, said.count("\n"))
        if not said.startswith(code + ": ") or words not in said:
            raise AssertionError(said)


def test_example(endpoint):
    """examples/25_sqs_worker.c: done, failed, buried, and what SIGTERM leaves."""
    client = boto(endpoint)
    url = client.create_queue(QueueName="jobs")["QueueUrl"]
    for body in ("one", "fail", "sleep 1.5", "two"):
        client.send_message(QueueUrl=url, MessageBody=body)
    env = dict(os.environ, **KEYS, AWS_ENDPOINT_URL=endpoint)
    process = subprocess.Popen([BINARY.parents[1] / "examples/25_sqs_worker", "jobs"], text=True,
                               env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = []
    while "buried: fail\n" not in said:
        said.append(process.stdout.readline())
        if not said[-1]:
            raise AssertionError(f"{said}, {process.communicate()[1]}")
    client.send_message(QueueUrl=url, MessageBody="sleep 1")
    while left(client, url)[1] == 0:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LIMIT)
    equal(0, process.returncode)
    said = sorted("".join(said + [out]).splitlines())
    equal(["buried: fail", "done: one", "done: sleep 1", "done: sleep 1.5", "done: two",
           f"working on {url}"], said)
    equal(["fail: it was to fail (-EIO)"] * 3, err.splitlines())
    equal((0, 0), left(client, url))
    dead = client.get_queue_url(QueueName="jobs-dead")["QueueUrl"]
    equal((1, 0), left(client, dead))


# ---- signatures ----

class Recorder(http.server.BaseHTTPRequestHandler):
    """Writes down what comes, and answers so that it is content."""

    protocol_version = "HTTP/1.1"
    seen = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, list(self.headers.items()), body))
        answer = b'{"QueueUrl":"http://q/1","MessageId":"m"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def botocores(path, headers, body, token):
    """What botocore signs the same request with: all the headers that we say are signed."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    given = dict((k.lower(), v) for k, v in headers)
    signed = given["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    keys = botocore.credentials.Credentials(KEYS["AWS_ACCESS_KEY_ID"],
                                            KEYS["AWS_SECRET_ACCESS_KEY"], token)
    auth = botocore.auth.SigV4Auth(keys, "sqs", "eu-west-1")
    request = botocore.awsrequest.AWSRequest(
        "POST", f"http://{given['host']}{path}", data=body,
        headers={name: given[name] for name in signed if name != "host"})
    request.context["timestamp"] = given["x-amz-date"]
    request.headers["Host"] = given["host"]
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return (f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, "
            f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(request))}, "
            f"Signature={auth.signature(text, request)}"), given["authorization"], signed


def test_signatures():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    compared = 0
    for token in (None, "a/session+token=="):
        for address in (endpoint, endpoint.replace("127.0.0.1", "localhost") + "/some/path"):
            Recorder.seen.clear()
            ask("signed", AWS_ENDPOINT_URL=address, AWS_SESSION_TOKEN=token)
            equal(8, len(Recorder.seen))
            for path, headers, body in Recorder.seen:
                theirs, ours, signed = botocores(path, headers, body, token)
                equal(theirs.split(), ours.split())
                names = {"content-type", "host", "x-amz-date", "x-amz-target", "x-amzn-query-mode"}
                equal(names | ({"x-amz-security-token"} if token else set()), set(signed))
                compared += 1
    server.shutdown()
    print(f"sqs: {compared} signatures are botocore's too")


# ---- faults ----

def test_restart():
    """The server goes away in the middle of a queue and comes back: nothing is lost."""
    from moto.server import ThreadedMotoServer
    server, endpoint = start_moto()
    port = int(endpoint.rpartition(":")[2])
    client = boto(endpoint)
    url = fill(client, "restarted", 150)
    env = dict(os.environ, **KEYS, AWS_ENDPOINT_URL=endpoint, POLLERS="2")
    process = subprocess.Popen([BINARY, "consume", "restarted", "150"], text=True, env=env,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while sum(left(client, url)) > 100:
        time.sleep(0.05)
    server.stop()
    time.sleep(0.5)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    text = process.communicate(timeout=LIMIT)[0]
    server.stop()
    equal(0, process.returncode)
    said = text.split()
    equal(150, int(said[1]))
    print(f"sqs: of 150 messages, {said[3]} were seen twice when the server was restarted")


def main():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server, endpoint = start_moto()
    urllib.request.urlopen(endpoint + "/moto-api/", timeout=LIMIT).close()
    test_operations(endpoint)
    test_consumer(endpoint)
    test_words(endpoint)
    test_example(endpoint)
    test_signatures()
    server.stop()
    test_restart()
    print("sqs: operations, consumer, words, example, signatures, restart")
    return 0


if __name__ == "__main__":
    BINARY = ROOT / os.environ.get("AWAIT_BUILD_GCC", "") / "tests/sqs_against"
    if not BINARY.exists():
        skip("no plain gcc build with await-sqs at hand")
    if sys.prefix != str(feed_service.MOTO):
        try:
            inside = str(feed_service.sqs_python())
        except packages.Missing as error:
            skip(f"moto and botocore cannot be had from PyPI: {error}")
        os.execv(inside, [inside, __file__])
    sys.exit(main())
