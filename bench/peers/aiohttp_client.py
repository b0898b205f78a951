#!/usr/bin/env python3
"""The rows of HTTP clients in aiohttp, for the asyncio loop."""

import asyncio
import os
import subprocess
import sys
import time

CLIENTS, BODY, REQUESTS = 64, 1024, 60000


def count(n):
    return max(n // int(os.environ.get("BENCH_SCALE", "1")), 640)


async def ask_often(session, url, n):
    left = n

    async def ask():
        nonlocal left
        while left > 0:
            left -= 1
            async with session.get(url) as response:
                assert response.status == 200 and len(await response.read()) == BODY
    await asyncio.gather(*(ask() for _ in range(CLIENTS)))


async def http_client(port):
    import aiohttp
    n = count(REQUESTS)
    url = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession() as session:
        await ask_often(session, url, n // 10)
        began = time.perf_counter()
        await ask_often(session, url, n)
        print(f"http-client\t{n / (time.perf_counter() - began) / 1e3:.6g}")


def main(arguments):
    if arguments == ["--list"]:
        print("http-client")
        return
    if arguments != ["http-client"]:
        sys.exit("usage: aiohttp_client.py --list | http-client")
    program = os.environ["BENCH_HTTP_SERVER"]  # the same server as for the others
    with subprocess.Popen([program, "--serve"], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE) as server:
        asyncio.run(http_client(int(server.stdout.readline())))


if __name__ == "__main__":
    main(sys.argv[1:])
