"""A server that broadcasts on python-socketio and aiohttp, as bench/sio.c is one.

socketio_server.py ROW|--list.  The load generator, bench_sioload beside the one that BENCH_LOAD
names, is started with the row and the port; it measures this process, prints the figures, and the
server ends with it.
"""
import asyncio
import os
import pathlib
import sys

ROWS = ("sio-broadcast", "sio-idle")
TEXT = "0123456789012345678901234567890123456789012345678"


async def serve(row):
    import socketio
    from aiohttp import web
    sio = socketio.AsyncServer(async_mode="aiohttp")
    app = web.Application()
    sio.attach(app)

    @sio.event
    async def go(_):
        await sio.emit("news", TEXT)

    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    program = pathlib.Path(os.environ["BENCH_LOAD"]).parent / "bench_sioload"
    load = await asyncio.create_subprocess_exec(program, row, str(port))
    sys.exit(await load.wait())


def main():
    row = sys.argv[1]
    if row == "--list":
        print("\n".join(ROWS))
    elif row in ROWS:
        asyncio.run(serve(row))
    else:
        sys.exit(2)


main()
