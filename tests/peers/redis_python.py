"""A server of python-socketio's beside two of ours, behind one Redis: who gets what.

redis_python.py REDIS_URL PORT PORT: exits 0 and says "N checks" if all is as it should be.

What follows a check on the same way, a mark, tells that nothing else has come: nobody has to wait
for what should not.
"""
import asyncio
import sys
import urllib.parse

import redis.asyncio
import socketio
from aiohttp import web

LIMIT = 10  # seconds that anything may take
BYTES = bytes(range(256))
ARGUMENTS = ((), (1,), ([1, [2]],), ([],), (1, {}), ([1], [2]), (None, 1), (BYTES,), (b"",),
             ([BYTES],), (1, BYTES), ({"a": [BYTES, 1], "b": b"x"},))


class Client:
    """A client that keeps what it hears."""

    def __init__(self):
        self.sio, self.heard = socketio.AsyncClient(reconnection=False), asyncio.Queue()
        self.gone = asyncio.Event()
        self.sio.on("*", self.hear)
        self.sio.on("disconnect", self.lose)

    async def hear(self, event, *arguments):
        self.heard.put_nowait((event, *arguments))

    async def lose(self, *_):
        self.gone.set()

    async def connect(self, port, room):
        await self.sio.connect(f"http://127.0.0.1:{port}/?room={room}", transports=["websocket"])
        return self

    def sid(self):
        return self.sio.get_sid("/")

    async def next(self):
        return await asyncio.wait_for(self.heard.get(), LIMIT)


class Stage:
    """The servers, and a client at each: a and b at ours, p at Python's."""

    def __init__(self, url):
        self.server = socketio.AsyncServer(
            async_mode="aiohttp", client_manager=socketio.AsyncRedisManager(url))
        self.server.on("connect", self.enter)
        self.a, self.b, self.p = self.clients = [Client() for _ in range(3)]
        self.checks = 0

    async def enter(self, sid, environ):
        query = urllib.parse.parse_qs(environ["QUERY_STRING"])
        await self.server.enter_room(sid, query["room"][0])

    async def start(self, url, ports):
        app = web.Application()
        self.server.attach(app)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports = [*ports, runner.addresses[0][1]]
        for client, port, room in zip(self.clients, ports, ("blue", "red", "blue")):
            await client.connect(port, room)
        asker = redis.asyncio.Redis.from_url(url)
        async with asyncio.timeout(LIMIT):  # its server subscribes when it feels like it
            while (await asker.pubsub_numsub("socketio"))[0][1] < len(ports):
                await asyncio.sleep(0.01)
        await asker.aclose()

    async def reaches(self, wanted, event, arguments, sending, mark):
        """What is sent reaches exactly these clients, with these arguments."""
        self.checks += 1
        await sending
        await mark(self.checks)
        for client in self.clients:
            if client.gone.is_set():
                continue
            got = await client.next()
            if client in wanted:
                if got != (event, *arguments):
                    raise AssertionError(f"wanted {(event, *arguments)!r}, got {got!r}")
                got = await client.next()
            if got[1:] != (self.checks,):
                raise AssertionError(f"{event}: {got!r} has come to another")

    async def ours(self, wanted, event, arguments, sending):
        await self.reaches(wanted, event, arguments, sending,
                           lambda n: self.a.sio.emit("all", n))

    async def theirs(self, wanted, arguments, sending):
        await self.reaches(wanted, "news", arguments, sending,
                           lambda n: self.server.emit("mark", n))


async def ours_to_python(s):
    say = s.a.sio.emit
    deep = {"x": [None, "é", 1.5], "y": {"z": True}}
    for arguments in (("é",), (deep,), *ARGUMENTS):
        await s.ours(s.clients, "all", arguments, say("all", arguments))
    await s.ours([s.a, s.p], "room", ("blue",), say("room", "blue"))
    await s.ours([s.b], "room", ("red",), say("room", "red"))
    await s.ours([s.p], "room", (s.p.sid(),), say("room", s.p.sid()))


async def python_to_ours(s):
    emit, deep = s.server.emit, {"deep": [1, [2, None, "é"]]}
    for arguments in ((-5,), (deep,), *ARGUMENTS):
        await s.theirs(s.clients, arguments, emit("news", arguments))
    await s.theirs(s.clients, ("bare",), emit("news", "bare"))
    await s.theirs(s.clients, (), emit("news"))
    await s.theirs([s.b], ("x",), emit("news", "x", room="red"))
    await s.theirs(s.clients, ("y",), emit("news", "y", room=["red", "blue"]))
    await s.theirs([s.b], ("z",), emit("news", "z", to=s.b.sid()))
    await s.theirs([s.b, s.p], ("w",), emit("news", "w", skip_sid=s.a.sid()))
    await s.theirs([s.p], ("v",), emit("news", "v", skip_sid=[s.a.sid(), s.b.sid()]))


async def python_without_a_server(s, url):
    alone = socketio.AsyncRedisManager(url, write_only=True)

    async def mark(n):
        await alone.emit("mark", n)
    await s.reaches(s.clients, "alone", (7, "x"), alone.emit("alone", (7, "x")), mark)
    await s.reaches([s.b], "alone", (8,), alone.emit("alone", 8, room="red"), mark)


async def python_moves_clients(s):
    emit, sid = s.server.emit, s.a.sid()
    await s.server.enter_room(sid, "green")
    await s.theirs([s.a], (1,), emit("news", 1, room="green"))
    await s.server.leave_room(sid, "green")
    await s.theirs([], (), emit("news", 2, room="green"))
    await s.server.close_room("red")
    await s.theirs([], (), emit("news", 3, room="red"))
    await s.server.disconnect(s.b.sid())
    await asyncio.wait_for(s.b.gone.wait(), LIMIT)
    await s.theirs([s.a, s.p], (4,), emit("news", 4))


async def main(url, *ports):
    s = Stage(url)
    await s.start(url, ports)
    await ours_to_python(s)
    await python_to_ours(s)
    await python_without_a_server(s, url)
    await python_moves_clients(s)
    for client in s.clients:
        await client.sio.disconnect()
    print(f"{s.checks} checks")


asyncio.run(main(*sys.argv[1:]))
