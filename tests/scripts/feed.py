#!/usr/bin/env python3
"""The feed service in an operator's life: floods, bad input, kills, restarts, a browser.

Items are counted by clients: ours (examples/feed/watch), and npm's Socket.IO client and headless
Chromium where they are to be had, else those tests are skipped by name.  What one test starts it
ends.  Arguments: names of tests, in place of all.
"""

import json
import pathlib
import random
import resource
import signal
import socket
import subprocess
import sys
import types
import urllib.error

from feed_stage import Client, Skip, all_fine, equal, get, metrics, play, post, wait_for

import browser
import feed_service


# ---- every item, once ------------------------------------------------------------------------


def ours(stage):
    """A thousand items to ten clients."""
    n = stage.size(1000)
    with stage.feed() as feed:
        watch = feed.watch(clients=10, items=n)
        equal(0, feed.producer(items=n, rate=n).wait(feed_service.LIMIT))
        all_fine(watch.result())
        got = metrics(feed)
        equal((n, n, 0, 0), tuple(got[f"feed_{name}"] for name in (
            "items_added_total", "items_emitted_total", "items_waiting",
            "messages_rejected_total")))
        equal(0, feed.end())


def npm(stage):
    """npm's clients: with an upgrade, polling, WebSocket alone."""
    modules = feed_service.npm_client()
    if not modules:
        raise Skip("npm's Socket.IO client cannot be had")
    n = stage.size(500)
    with stage.feed() as feed:
        for transports in ("polling,websocket", "polling", "websocket"):
            watch = feed.watch(modules, clients=5, items=n, run=transports, transports=transports)
            equal(0, feed.producer(items=n, rate=n, run=transports).wait(feed_service.LIMIT))
            all_fine(watch.result())
        equal(0, feed.end())


def sync(stage):
    """--sync: the same, on the disk."""
    with stage.feed("--sync") as feed:
        watch = feed.watch(clients=3, items=200)
        equal(0, feed.producer(items=200, rate=0).wait(feed_service.LIMIT))
        all_fine(watch.result())
        equal(0, feed.end())


# ---- ends and beginnings ---------------------------------------------------------------------


def term_in_a_burst(stage):
    """SIGTERM while items come: every one that was accepted has reached who was connected."""
    n = stage.size(20000)
    with stage.feed("--keep", "100000") as feed:
        watch = feed.watch(clients=5, items=n, once=1)
        producer = feed.producer(items=n, rate=0)
        wait_for("items", lambda: metrics(feed)["feed_items_emitted_total"] > n / 20)
        equal(0, feed.end())
        producer.kill()
        producer.communicate()
        seen = watch.result()
        kept = [line for line in (stage.folder / "feed.journal").read_text().splitlines()]
        waiting = sum(line[0] == "+" for line in kept) - sum(line[0] in "*-" and " " not in line
                                                             for line in kept)
        served = sum(line[0] == "*" for line in kept)
        equal((0, 0), (seen["twice"], seen["out_of_order"]))
        equal(5 * served, seen["arrived"])
        equal(0, waiting)


def kill_and_restart(stage):
    """SIGKILL in the middle, twice: who connects again has every item; twice only by its id."""
    n = stage.size(5000)
    with stage.feed("--keep", "100000") as feed:
        watch = feed.watch(clients=5, items=n, seconds=60)
        producer = feed.producer(items=n, rate=n / 2)
        for part in (5, 2):
            wait_for("items", lambda part=part: served(stage.folder) > n / part)
            feed.end(signal.SIGKILL)
            feed.start()
            wait_for("its clients", lambda: metrics(feed)["feed_clients"] == 5)
        sent = json.loads(producer.communicate(timeout=feed_service.LIMIT)[0])
        equal(n, sent["sent"])
        seen = watch.result()
        equal((0, 10), (seen["missing"], seen["breaks"]))
        # A request whose answer was lost is made again: those items are in the feed twice.
        if seen["twice"] > 5 * (sent["refused"] + 2 * 64):
            raise AssertionError(f"too many came twice: {seen}, {sent}")
        equal(0, feed.end())


def served(folder):
    text = (folder / "feed.journal").read_bytes()
    return text.count(b"\n*") + text.startswith(b"*")


def torn_journal(stage):
    """A last line that was cut off is left out; ids go on behind those that were given."""
    (stage.folder / "feed.journal").write_bytes(
        b'=8\n*5 {"text":"kept"}\n+6 {"text":"waits"}\n+7 {"text":"goes"}\n-7\n+8 {"text":"wai')
    with stage.feed() as feed:
        client = Client(feed)
        texts = [entry["item"]["text"] for entry in client.event("items")[0]]
        while len(texts) < 2:
            texts.append(client.event("item_added")[0]["item"]["text"])
        equal(["kept", "waits"], texts)
        equal((202, {"ids": ["8"]}), post(feed, {"text": "new"}))
        equal([{"id": "8", "item": {"text": "new"}}], client.event("item_added"))
        [told] = feed.lines("the last line of the journal was cut off")
        equal(15, told["bytes"])
        equal(0, feed.end())
    lines = (stage.folder / "feed.journal").read_text().splitlines()
    equal(["+8 {\"text\":\"new\"}", "*8"], lines[-2:])


def foreign_journal(stage):
    """A file that is no journal is left alone: the service says so, and does not start."""
    for content in (b"root:x:0:0:root:/root:/bin/bash\n", bytes(range(256)) * 10, b'{"a":1}',
                    b'feed journal, version 2\n+1 {"a":1}\n'):
        (stage.folder / "feed.journal").write_bytes(content)
        try:
            stage.feed()
        except OSError as error:
            equal(True, "feed.journal: this is no journal" in str(error))
        else:
            raise AssertionError("it has started")
        equal(content, (stage.folder / "feed.journal").read_bytes())


def damaged_journal(stage):
    """Lines that make no sense are told of and kept elsewhere; the others count."""
    content = (b'=9\n*1 {"text":"kept"}\n*2 no json\nwhat is this\n-\n+3 {"text":\0\n*3\n'
               b'+4 {"text":"waits"}\n*5 [1]\n')
    (stage.folder / "feed.journal").write_bytes(content)
    with stage.feed() as feed:
        [told] = feed.lines("the journal is damaged")
        equal((5, 3), (told["lines that make no sense"], told["the first"]))
        equal(content, (stage.folder / told["kept as"]).read_bytes())
        wait_for("the one that waits", lambda: metrics(feed)["feed_items_kept"] == 2)
        [items, _] = Client(feed).event("items")
        equal(["kept", "waits"], [entry["item"]["text"] for entry in items])
        equal(0, feed.end())


def on_a_small_disk(stage):
    """A service whose files have a limit in place of a disk's."""
    prefix = feed_service.PREFIX[:]
    feed_service.PREFIX += ["bash", "-c", 'trap "" XFSZ; ulimit -S -f 64; exec "$@"', "bash"]
    try:
        return stage.feed()
    finally:
        feed_service.PREFIX[:] = prefix


def full_disk(stage):
    """Nothing can be written: it is said, new items are refused; it goes on when there is room."""
    with on_a_small_disk(stage) as feed:
        while post(feed, {"text": "x" * 10000})[0] == 202:
            pass
        equal(1, len(feed.lines("the journal cannot be written")))
        equal(0, metrics(feed)["feed_journal_up"])
        try:
            get(feed, "/healthz")
        except urllib.error.HTTPError as error:
            equal((503, True), (error.code, b"the journal cannot be written" in error.read()))
        else:
            raise AssertionError("it is well")
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(feed.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
        wait_for("room", lambda: feed.lines("the journal can be written again"))
        equal(202, post(feed, {"text": "new"})[0])
        equal("ok", json.loads(get(feed, "/healthz"))["status"])
        equal(0, feed.end())
    equal([], feed.lines("the journal lacks its last lines"))


def full_disk_at_the_end(stage):
    """What could not be written until the end is told."""
    with on_a_small_disk(stage) as feed:
        while post(feed, {"text": "x" * 10000})[0] == 202:
            pass
        equal(0, feed.end())
    equal(1, len(feed.lines("the journal lacks its last lines")))


def two_on_one_journal(stage):
    """The second one is told, and does not start."""
    with stage.feed() as feed:
        try:
            stage.feed()
        except OSError as error:
            equal(True, "feed.journal: another process uses it" in str(error))
        else:
            raise AssertionError("two services on one journal")
        equal(0, feed.end())


# ---- bad input -------------------------------------------------------------------------------


def poison(stage):
    """500 messages of which 5 are no items: 495 are served, the five are told and put aside."""
    bad = {100: b"no json", 200: b"[1]", 300: b'{"a":"\xff"}', 400: b"{" * 5000, 500: b'{"a":1'}
    lines = [b"+%d %s\n" % (i, bad.get(i, b'{"run":"poison","n":%d,"at":0}' % i))
             for i in range(1, 501)]
    (stage.folder / "feed.journal").write_bytes(b"".join(lines))
    with stage.feed("--keep", "1000") as feed:
        wait_for("all of them", lambda: metrics(feed)["feed_items_emitted_total"] == 495)
        equal(5, metrics(feed)["feed_messages_rejected_total"])
        told = feed.lines("a message is no item")
        equal([str(i) for i in bad], [line["id"] for line in told])
        equal("nested more than 32 deep", told[3]["reason"])
        equal(5, len((stage.folder / "feed.dead").read_bytes().splitlines()))
        equal(True, b"7b2261223a22ff227d" in (stage.folder / "feed.dead").read_bytes())
        seen = [item["n"] for piece in Client(feed).kept() for item in piece]
        equal([i for i in range(1, 501) if i not in bad], seen)
        equal(0, feed.end())


def bad_requests(stage):
    """Each is refused with its reason, in one line of the log, and the next one is served."""
    with stage.feed("--waiting", "1000") as feed:
        for status, reason, body, kind in (
                (400, "line 1, column 1", b"{", "application/json"),
                (400, "an item is a JSON object", [1], "application/json"),
                (400, "an array has 1 to 1000 items", [], "application/json"),
                (400, "an array has 1 to 1000 items", [{}] * 1001, "application/json"),
                (400, "unable to decode byte 0xff", b'{"a":"\xff"}', "application/json"),
                (400, "nested more than 32 deep", b"[" * 100000, "application/json"),
                (400, "duplicate object key", b'{"a":1,"a":2}', "application/json"),
                (415, "content type", {}, "text/plain"),
                (415, "content type", {}, "application/json-seq")):
            got, answer = post(feed, body, kind)
            equal((status, True), (got, reason in answer["error"]))
            equal(True, reason in feed.lines("items refused")[-1]["reason"])
        largest = {"text": "x" * (256 * 1024 - len('{"text": ""}'))}
        equal(202, post(feed, largest)[0])
        equal(202, post(feed, {}, "Application/JSON; charset=utf-8")[0])
        equal(413, post(feed, {"text": "x" * 256 * 1024})[0])
        equal(True, "max_body" in feed.lines("request refused")[-1]["line"])
        equal("ok", json.loads(get(feed, "/healthz"))["status"])
        equal(0, feed.end())


def no_room(stage):
    """More items than may wait: 503, and later again 202."""
    with stage.feed("--waiting", "10") as feed:
        equal((503, {"error": "too many items wait"}), post(feed, [{}] * 11))
        equal(202, post(feed, [{}] * 10)[0])
        equal(0, feed.end())


def bad_options(stage):
    """What is wrong with a flag is one line, and exit status 2."""
    program = pathlib.Path(stage.build) / "examples/feed/feed"
    for words, reason in ((["--kep", "5"], "--kep: no such option"),
                          (["--keep", "x"], '"x" is not a number'),
                          (["--keep"], "--keep: a value is missing"),
                          (["--sync=perhaps"], '"perhaps" is neither 1 nor 0'),
                          (["--host", ""], "--host: the value is empty")):
        done = subprocess.run([program, *words], text=True, capture_output=True, check=False)
        equal((2, 1, True), (done.returncode, len(done.stderr.splitlines()),
                             reason in done.stderr))
    done = subprocess.run([program, "--help"], text=True, capture_output=True, check=True)
    equal(True, "FEED_JOURNAL" in done.stdout)
    done = subprocess.run([program], text=True, check=False, capture_output=True,
                          env={"FEED_BLOCKING": "off", "FEED_KEEP": "many"})
    equal((2, 'feed: FEED_KEEP: "many" is not a number from 0 to 1000000000\n'),
          (done.returncode, done.stderr))
    done = subprocess.run([program, "--journal", b"/nowhere/\xff"], text=True, check=False,
                          capture_output=True)
    equal((1, True), (done.returncode, r"/nowhere/\\xff: no such file" in done.stderr))
    for tool, words in (("produce", ["http://x", "--items", "many"]), ("watch", ["--help"])):
        done = subprocess.run([program.parent / tool, *words], text=True, check=False,
                              capture_output=True)
        equal((2, True), (done.returncode, done.stderr.startswith("usage:")))
    done = subprocess.run([program, "--journal", "/nowhere/feed"], text=True, check=False,
                          capture_output=True)
    equal((1, True), (done.returncode, "no such file" in done.stderr))


def no_log(stage):
    """Nobody reads the log any more, or there is none: the service goes on, its files are whole."""
    command = [*feed_service.PREFIX, pathlib.Path(stage.build).resolve() / "examples/feed/feed",
               "--port", "0"]
    with subprocess.Popen(command, cwd=stage.folder, stderr=subprocess.PIPE,
                          env=feed_service.own_environment()) as process:
        url = "http://" + json.loads(process.stderr.readline())["address"]
        process.stderr.close()
        feed = types.SimpleNamespace(url=lambda: url)
        equal([400, 400, 202], [post(feed, body)[0] for body in (b"", b"", {})])
        process.terminate()
        equal(0, process.wait(feed_service.LIMIT))
    port = url.rpartition(":")[2]
    command[-1] = port
    with subprocess.Popen(["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", *command],
                          cwd=stage.folder, env=feed_service.own_environment()) as process:
        wait_for("it", lambda: socket.socket().connect_ex(("127.0.0.1", int(port))) == 0)
        equal([400, 202], [post(feed, body)[0] for body in (b"", {})])
        process.terminate()
        equal(0, process.wait(feed_service.LIMIT))
    equal(["=2", "*1 {}", "+2 {}", "*2"], (stage.folder / "feed.journal").read_text().splitlines())


# ---- clients that nobody wants ---------------------------------------------------------------


def never_reads(stage):
    """Clients that never read are cut off; the others have everything."""
    n = 150
    with stage.feed() as feed:
        silent = [Client(feed) for _ in range(3)]
        for client in silent:
            client.event("items")  # the last that they read
        watch = feed.watch(clients=5, items=n)
        equal(0, feed.producer(items=n, rate=30, size=100000).wait(feed_service.LIMIT))
        all_fine(watch.result())
        wait_for("the silent ones cut off",
                 lambda: len([line for line in feed.lines("client refused")
                              if "max_buffered" in line["line"]]) == 3)
        for client in silent:
            client.reset()
        equal(0, feed.end())


def floods(stage):
    """A page that sends events without end is disconnected; unknown events are told, not served."""
    with stage.feed() as feed:
        client = Client(feed)
        client.emit("nonsense", 1)
        wait_for("its line", lambda: feed.lines("unknown event"))
        equal("nonsense", feed.lines("unknown event")[0]["name"])
        try:
            for _ in range(5000):
                client.emit("item_removed", "1")
        except OSError:
            pass
        wait_for("its end", lambda: metrics(feed)["feed_clients"] == 0)
        equal(1, metrics(feed)["feed_client_floods_total"])
        equal(1, len(feed.lines("a client sends too many events")))
        client.reset()
        watch = feed.watch(clients=2, items=50)
        equal(0, feed.producer(items=50, rate=0).wait(feed_service.LIMIT))
        all_fine(watch.result())
        equal(0, feed.end())


def resets(stage):
    """Connections are reset at random while items come; nobody else notices."""
    n = stage.size(2000)
    dice = random.Random(7)
    with stage.feed() as feed:
        watch = feed.watch(clients=5, items=n)
        producer = feed.producer(items=n, rate=1000)
        while producer.poll() is None:
            client = Client(feed, namespace=dice.random() < 0.7)
            if dice.random() < 0.5:
                client.receive()
            client.reset()
        all_fine(watch.result())
        wait_for("their ends", lambda: metrics(feed)["feed_clients"] == 0)
        equal(0, feed.end())


# ---- what clients see ------------------------------------------------------------------------


def removing(stage):
    """item_removed from one client is told to all, once, and the item is not shown again."""
    with stage.feed() as feed:
        one, two = Client(feed), Client(feed)
        equal({"ids": ["1", "2"]}, post(feed, [{"text": "a"}, {"text": "b"}])[1])
        for client in (one, two):
            for _ in range(2):
                client.event("item_added")
        one.say('4217["item_removed","1"]')
        equal(["1"], two.event("item_removed"))
        equal("4317[true]", one.until("43"))
        two.say('425["item_removed","1"]')
        equal("435[false]", two.until("43"))
        two.emit("item_removed", {"what": 1})
        two.emit("item_removed")
        equal([[{"id": "2", "item": {"text": "b"}}], False], Client(feed).event("items"))
        equal(1, metrics(feed)["feed_items_removed_total"])
        equal(0, feed.end())


def newcomers(stage):
    """Kept items come in pieces, in order, only the latest, to clients that take their time."""
    with stage.feed("--keep", "150") as feed:
        for first in range(0, 300, 100):
            post(feed, [{"n": n, "fill": "x" * 2000} for n in range(first, first + 100)])
        wait_for("all of them", lambda: metrics(feed)["feed_items_emitted_total"] == 300)
        pieces = list(Client(feed).kept())
        equal(list(range(150, 300)), [item["n"] for piece in pieces for item in piece])
        equal(True, len(pieces) > 5)
        equal(0, feed.end())


def page(stage):
    """A browser: add, see, remove, catch up after a kill; with npm's script, and the page's."""
    if not browser.find():
        raise Skip("Chromium is not installed")
    npm_script = feed_service.npm_client()
    for script in [npm_script and npm_script /
                   "node_modules/socket.io-client/dist/socket.io.min.js", "/nowhere"]:
        if script:
            drive(stage, script)


def texts(window):
    return window.evaluate("[...document.querySelectorAll('#items .what')].map(e => e.textContent)")


def state(window, wanted):
    window.wait_for(f"document.getElementById('state').dataset.state === '{wanted}'")


def drive(stage, script):
    for name in stage.folder.glob("feed.*"):
        name.unlink()
    with stage.feed("--client", str(script)) as feed, browser.Browser() as window:
        window.open(feed.url())
        equal(script == "/nowhere", window.evaluate("io.toString().includes('heart')"))
        state(window, "connected")
        window.press("n")
        window.type("<b>first</b>")
        window.press("Enter")
        window.wait_for("document.querySelectorAll('#items li').length === 1")
        equal(["<b>first</b>"], texts(window))
        window.wait_for("document.getElementById('text').value === ''")
        post(feed, [{"text": "second"}, {"other": 3}])
        window.wait_for("document.querySelectorAll('#items li').length === 3")
        equal(['{"other":3}', "second", "<b>first</b>"], texts(window))
        window.evaluate("document.getElementById('items').focus()")
        window.press("ArrowDown")
        window.press("ArrowDown")
        window.press("Delete")
        window.wait_for("document.querySelectorAll('#items li').length === 2")
        equal(['{"other":3}', "<b>first</b>"], texts(window))
        equal("Remove: <b>first</b>",
              window.evaluate("document.activeElement.getAttribute('aria-label')"))
        feed.end(signal.SIGKILL)
        state(window, "disconnected")
        feed.start()
        post(feed, {"text": "while it was away"})
        state(window, "connected")
        window.wait_for("document.querySelectorAll('#items li').length === 3")
        equal(["while it was away", '{"other":3}', "<b>first</b>"], texts(window))
        odd = [{"text": "at no time", "at": 1e300}, {"text": "at any", "at": "never"}, {"text": 1}]
        post(feed, [*odd, {"text": "after them"}])
        window.wait_for("document.querySelectorAll('#items li').length === 7")
        equal(["after them", '{"text":1}', "at any", "at no time"], texts(window)[:4])
        window.open(feed.url())  # they are among the kept ones, too
        window.wait_for("document.querySelectorAll('#items li').length === 7")
        equal(0, feed.end())


TESTS = (ours, npm, sync, term_in_a_burst, kill_and_restart, torn_journal, two_on_one_journal,
         poison, bad_requests, no_room, bad_options, no_log, never_reads, floods, resets, removing,
         newcomers, page, foreign_journal, damaged_journal, full_disk, full_disk_at_the_end)
BOTH_WAYS = (ours, npm, term_in_a_burst, kill_and_restart, poison, resets)


if __name__ == "__main__":
    sys.exit(play(TESTS, BOTH_WAYS, sys.argv[1:]))
