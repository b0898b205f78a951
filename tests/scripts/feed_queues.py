#!/usr/bin/env python3
"""The feed service on other queues than its own: SQS, and several copies behind one Redis.

moto is the server of SQS.  What is not to be had skips its tests, by name.  What one test starts it
ends.  Arguments: names of tests, in place of all.
"""

import json
import socket
import subprocess
import sys

from feed_stage import (WAIT, Client, Gate, Skip, all_fine, copies_of, equal, get, metrics, play,
                        post, server_of_queues, server_of_redis, wait_for)

import feed_service


# ---- a queue of SQS ---------------------------------------------------------------------------


def sqs(stage):
    """A queue of SQS: items once at each, what is none in the dead-letter queue, nothing left."""
    n = stage.size(200)
    with server_of_queues() as queues:
        queue, dead = queues.create("items"), queues.create("dead")
        with stage.feed("--queue", queue, "--dead-queue", dead, **queues.environment()) as feed:
            watch = feed.watch(clients=5, items=n)
            queues.send(queue, "no json", "[1]\n", '{"text":\n"two lines"}')
            equal(0, feed.producer(items=n, rate=n).wait(feed_service.LIMIT))
            all_fine(watch.result())
            wait_for("the last deletion", lambda: queues.left(queue) == 0)
            equal(2, queues.left(dead))
            equal(["no json", "[1]\n"], [json.loads(line)["body"] for line in
                                         (stage.folder / "feed.dead").read_text().splitlines()])
            equal(0, feed.end())
        equal(True, '{"text": "two lines"}' in (stage.folder / "feed.journal").read_text())


def sqs_away(stage):
    """The queue's server goes away, and comes back: each is said once, the clients stay."""
    with server_of_queues() as queues:
        queue = queues.create("items")
        with stage.feed("--queue", queue, **queues.environment()) as feed:
            before = feed.watch(clients=3, items=20, run="before")
            after = feed.watch(clients=3, items=20, run="after")
            equal(0, feed.producer(items=20, rate=0, run="before").wait(feed_service.LIMIT))
            all_fine(before.result())
            queues.stop()
            wait_for("its line", lambda: feed.lines("the queue fails"))
            wait_for("some attempts", lambda: metrics(feed)["feed_queue_failures_total"] > 2)
            equal(0, metrics(feed)["feed_queue_up"])
            equal((503, {"error": "the queue fails"}), post(feed, {}))
            equal(True, "refused" in feed.lines("items refused")[-1]["reason"])
            queues.start()
            queues.create("items")
            wait_for("its other line", lambda: feed.lines("the queue is back"))
            equal(0, feed.producer(items=20, rate=0, run="after").wait(feed_service.LIMIT))
            all_fine(after.result())
            for line in ("the queue fails", "the queue is back"):
                equal((line, 1), (line, len(feed.lines(line))))
            equal(0, feed.end())


def sqs_mistakes(stage):
    """A queue that is not there, no keys: one line says so, and the page is served all the same."""
    with server_of_queues() as queues:
        nowhere = queues.url + "/123456789012/nowhere"
        keyless = {**queues.environment(), "AWS_ACCESS_KEY_ID": "",
                   "AWS_SECRET_ACCESS_KEY": "", "HOME": str(stage.folder),
                   "AWS_EC2_METADATA_DISABLED": "true"}
        for environment, reason in ((queues.environment(), "QueueDoesNotExist"),
                                    (keyless, "credentials")):
            with stage.feed("--queue", nowhere, **environment) as feed:
                wait_for("its line", lambda feed=feed: feed.lines("the queue fails"))
                wait_for("some attempts", lambda feed=feed:
                         metrics(feed)["feed_queue_failures_total"] > 2)
                equal(1, len(feed.lines("the queue fails")))
                equal(True, reason in feed.lines("the queue fails")[0]["detail"])
                equal(True, "<title>Feed</title>" in get(feed, "/"))
                equal(0, feed.end())
            (stage.folder / "feed.log").unlink()


def sqs_permissions(stage):
    """Keys that are good for some operations only: what fails is said once, until it does not."""
    stays = "a message stays in the queue, and comes again"
    with server_of_queues() as queues, Gate(queues) as gate:
        queue = queues.create("items")
        gate.denied = ("ReceiveMessage",)
        environment = {**queues.environment(), "AWS_ENDPOINT_URL_SQS": gate.url}
        with stage.feed("--queue", queue, **environment) as feed:
            wait_for("some attempts", lambda: metrics(feed)["feed_queue_failures_total"] > 3)
            equal(0, metrics(feed)["feed_queue_up"])
            gate.denied = ("GetQueueAttributes", "DeleteMessageBatch", "DeleteMessage")
            queues.send(queue, *(json.dumps({"n": n}) for n in range(20)))
            wait_for("them", lambda: metrics(feed)["feed_items_emitted_total"] == 20)
            wait_for("its line", lambda: feed.lines(stays))
            equal("ok", json.loads(get(feed, "/healthz"))["status"])
            for line in ("the queue fails", "the queue is back", stays):
                equal((line, 1), (line, len(feed.lines(line))))
            equal(0, feed.end())


def no_dead_queue(stage):
    """A message that is no item and cannot be put aside comes again; the others are served."""
    with server_of_queues() as queues:
        queue = queues.create("items")
        nowhere = queues.url + "/123456789012/nowhere"
        with stage.feed("--queue", queue, "--dead-queue", nowhere, **queues.environment()) as feed:
            queues.send(queue, "no json", '{"n":1}', "[]", '{"n":2}')
            wait_for("the items", lambda: metrics(feed)["feed_items_emitted_total"] == 2)
            wait_for("the last deletion", lambda: queues.left(queue) == 2)
            wait_for("their lines", lambda: len(
                feed.lines("a dead letter is not taken, it comes again")) == 2)
            equal(0, metrics(feed)["feed_messages_rejected_total"])
            equal("ok", json.loads(get(feed, "/healthz"))["status"])
            equal(0, feed.end())
        equal(2, queues.left(queue))


# ---- several copies behind one Redis ------------------------------------------------------------


def copies(stage):
    """Two copies: what one takes reaches the clients of both; what is kept is shared."""
    n = stage.size(500)
    with server_of_redis(stage) as server:
        one, two = copies_of(stage, server)
        with one, two:
            watches = [feed.watch(clients=5, items=n) for feed in (one, two)]
            equal(0, one.producer(items=n, rate=n).wait(feed_service.LIMIT))
            for watch in watches:
                all_fine(watch.result())
            here, there = Client(one), Client(two)
            [ident] = post(two, {"text": "to be removed"})[1]["ids"]
            for client in (here, there):
                equal([{"id": ident, "item": {"text": "to be removed"}}],
                      client.event("item_added"))
            here.emit("item_removed", ident)
            for client in (here, there):
                equal([ident], client.event("item_removed"))
            seen = [item.get("n") for piece in Client(two).kept() for item in piece]
            # The removed one was one of the latest 200.
            equal(list(range(n + 1 - len(seen), n + 1)), seen)
            equal(min(n, 199), len(seen))
            equal((0, 0), (one.end(), two.end()))


def redis_away(stage):
    """Redis is stopped and started: no item is lost, and every client has all of them."""
    n = 100
    with server_of_redis(stage) as server:
        one, two = copies_of(stage, server)
        with one, two:
            watches = [feed.watch(clients=3, items=n) for feed in (one, two)]
            producer = one.producer(items=n, rate=50)
            wait_for("some", lambda: metrics(one)["feed_items_emitted_total"] > n / 4)
            server.stop()
            wait_for("its line", lambda: one.lines("the queue fails"))
            equal(0, producer.wait(feed_service.LIMIT))  # accepted all the same
            server.start()
            wait_for("its other line", lambda: one.lines("the queue is back"))
            for watch in watches:
                seen = watch.result()
                equal((0, 0), (seen["missing"], seen["breaks"]))
            equal((0, 0), (one.end(), two.end()))


def ask(server, *words):
    """What Redis answers to a command, as it comes."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words)))
        return connection.recv(65536).decode()


def redis_refuses(stage):
    """What Redis does not take is not done, and is told; what others write there harms nobody."""
    with server_of_redis(stage) as server:
        ask(server, "XADD", "feed:items", "*", "what", "ever")
        for ident, body in (("a", "no json"), ('"', "{}"), ("b", "[1]"), ("c", '{"text":"fine"}')):
            ask(server, "XADD", "feed:items", "*", "id", ident, "body", body)
        [feed] = copies_of(stage, server, 1)
        with feed:
            equal([[{"id": "c", "item": {"text": "fine"}}], False], Client(feed).event("items"))
            ask(server, "SET", "feed:items", "not a stream")
            equal(202, post(feed, {"text": "new"})[0])
            wait_for("its line", lambda: feed.lines("the queue fails"))
            equal(True, "WRONGTYPE" in feed.lines("the queue fails")[0]["detail"])
            equal(0, metrics(feed)["feed_queue_up"])
            ask(server, "DEL", "feed:items")
            wait_for("its other line", lambda: feed.lines("the queue is back"))
            [[item], _] = Client(feed).event("items")
            equal("new", item["item"]["text"])
            for _ in range(20):  # in pieces, however large
                equal(202, post(feed, {"text": "x" * 200000})[0])
            wait_for("all of them", lambda: ":21\r\n" == ask(server, "XLEN", "feed:items"))
            equal(0, feed.end())


def emitter(stage):
    """What npm's emitter says through Redis reaches the clients of both copies."""
    modules = feed_service.npm_emitter()
    if not modules:
        raise Skip("npm's emitter cannot be had")
    with server_of_redis(stage) as server:
        one, two = copies_of(stage, server)
        with one, two:
            here, there = Client(one), Client(two)
            item = {"id": "from afar", "item": {"text": "Grüße"}}
            script = ("const {createClient} = require('redis');"
                      "const {Emitter} = require('@socket.io/redis-emitter');"
                      f"const client = createClient({{url: '{server.url}'}});"
                      "client.connect().then(() => {"
                      f"  new Emitter(client).emit('item_added', {json.dumps(item)});"
                      "  return client.quit(); });")
            subprocess.run(["node", "-e", script], cwd=modules, check=True, timeout=WAIT)
            for client in (here, there):
                equal([item], client.event("item_added"))
            equal((0, 0), (one.end(), two.end()))


TESTS = (sqs, sqs_away, sqs_mistakes, sqs_permissions, no_dead_queue, copies, redis_away,
         redis_refuses, emitter)
BOTH_WAYS = (sqs, sqs_away, copies)


if __name__ == "__main__":
    sys.exit(play(TESTS, BOTH_WAYS, sys.argv[1:]))
