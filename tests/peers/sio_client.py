"""The tests with python-socketio's client: sio_client.py PORT.

Each runs by polling only, by WebSocket only, and with the upgrade from one to the other.
"""
import queue
import sys
import threading

import socketio

URL = f"http://127.0.0.1:{sys.argv[1]}"
WAYS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}
LIMIT = 8  # seconds that anything may take


def equal(wanted, got):
    if wanted != got:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


class Client:
    """A client that keeps what it hears."""

    def __init__(self, transports, nsp="/", auth=None):
        self.sio, self.nsp, self.heard = socketio.Client(reconnection=False), nsp, queue.Queue()
        self.gone = threading.Event()
        for event in ("auth", "message-back", "told"):
            self.sio.on(event, lambda *args, event=event: self.heard.put((event, *args)),
                        namespace=nsp)
        self.sio.on("question", lambda *args: (*args, "answer"), namespace=nsp)
        self.sio.on("disconnect", self.gone.set, namespace=nsp)
        self.sio.connect(URL, transports=transports, namespaces=[nsp], auth=auth,
                         wait_timeout=LIMIT)
        self.hear(("auth", auth or {}))

    def emit(self, event, data=None):
        self.sio.emit(event, data, namespace=self.nsp)

    def ask(self, event, data=None):
        return self.sio.call(event, data, namespace=self.nsp, timeout=LIMIT)

    def hear(self, wanted):
        equal(wanted, self.heard.get(timeout=LIMIT))

    def close(self):
        self.sio.disconnect()


def events(way):
    client = Client(way)
    client.emit("message", (1, "2", {"3": [True]}, None, "é"))
    client.hear(("message-back", 1, "2", {"3": [True]}, None, "é"))
    client.emit("message", (b"\0\1\xff", {"a": b"x" * 50000}))
    client.hear(("message-back", b"\0\1\xff", {"a": b"x" * 50000}))
    client.close()


def acks(way):
    client = Client(way)
    equal("a", client.ask("message-with-ack", "a"))
    equal(b"bytes", client.ask("message-with-ack", b"bytes"))
    equal((7, "answer"), tuple(client.ask("question", 7)))
    client.close()


def rooms(way):
    one, two = Client(way), Client(way)
    client_id = two.sio.get_sid("/")
    two.ask("join", "red")
    one.emit("tell", ("red", "hello"))
    two.hear(("told", "red", "hello"))
    one.emit("tell", (client_id, "you"))
    two.hear(("told", client_id, "you"))
    one.close()
    two.close()


def refused(way, nsp):
    """Is told so.  (Its own wait for a connection goes on to its time limit then.)"""
    sio, told = socketio.Client(reconnection=False), queue.Queue()
    sio.on("connect_error", told.put, namespace=nsp)
    sio.connect(URL, transports=way, namespaces=[nsp], wait=False)
    equal({"message": "not authorised", "data": {"code": 42}}, told.get(timeout=LIMIT))
    sio.disconnect()


def namespaces(way):
    client = Client(way, "/custom", {"token": "x"})
    equal(5, client.ask("message-with-ack", 5))
    client.close()
    refused(way, "/guarded")
    Client(way, "/guarded", {"token": "123"}).close()


def kicked(way):
    client = Client(way)
    client.emit("kick")
    if not client.gone.wait(LIMIT):
        raise AssertionError("still there")


def main():
    tests = (events, acks, rooms, namespaces, kicked)
    for test in tests:
        for name, way in WAYS.items():
            try:
                test(way)
            except Exception as error:
                raise AssertionError(f"{test.__name__} by {name}") from error
    print(f"{len(tests)} tests, each by {', '.join(WAYS)}")


main()
