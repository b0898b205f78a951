"""Python's websockets as a client of an echo server, and as an echo server: for websocket.py.

websocket_peer.py client URL    talks, exits 0 when all was as it should be
websocket_peer.py server        prints its port, serves until stdin ends
"""
import asyncio
import sys

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve


async def echo(ws, data):
    await ws.send(data)
    got = await ws.recv()
    assert got == data, (len(got), len(data))


async def client(url):
    async with connect(url) as ws:
        for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
            await echo(ws, "x" * size)
            await echo(ws, bytes([size & 255]) * size)
        await echo(ws, "grüße, 😀")
        await ws.send(["in ", "many ", "pieces"])
        assert await ws.recv() == "in many pieces"
        latency = await asyncio.wait_for(await ws.ping(), 10)
        assert latency >= 0
        await ws.close(4001, "bye")
        assert ws.close_code == 4001, ws.close_code
    async with connect(url, max_size=None) as ws:
        await ws.send(bytes((1 << 20) + 1))
        try:
            await ws.recv()
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd.code == 1009, closed
    try:
        async with connect(url, origin="https://evil.example"):
            raise AssertionError("a foreign origin was let in")
    except websockets.InvalidStatus as refused:
        assert refused.response.status_code == 403


async def server():
    async def handle(ws):
        async for message in ws:
            await ws.send(message)

    async with serve(handle, "127.0.0.1", 0) as listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(server() if sys.argv[1] == "server" else client(sys.argv[2]))
