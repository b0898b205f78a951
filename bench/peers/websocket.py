#!/usr/bin/env python3
"""An echo server on Python's websockets, as bench/websocket.c is one: `websocket.py ROW|--list`.

The load generator, named by BENCH_LOAD, is started with the row and the port;
it measures this process, prints the figures, and the server ends with it.
"""
import asyncio
import logging
import os
import sys

ROWS = ("websocket-50", "websocket-1000", "websocket-50x16", "websocket-idle")


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def serve_row(row):
    from websockets.asyncio.server import serve
    logging.disable(logging.CRITICAL)  # the load generator goes without a word
    async with serve(echo, "127.0.0.1", 0, compression=None, backlog=1024,
                     ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        load = await asyncio.create_subprocess_exec(os.environ["BENCH_LOAD"], row, str(port))
        os._exit(await load.wait())


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(ROWS))
    elif len(sys.argv) == 2 and sys.argv[1] in ROWS:
        asyncio.run(serve_row(sys.argv[1]))
    else:
        sys.exit("usage: websocket.py --list | ROW")
