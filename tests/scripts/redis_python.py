#!/usr/bin/env python3
"""Tests the fan-out with python-socketio's servers, and a redis-server.

python-socketio, aiohttp and redis come from PyPI into an environment of their own, at the versions
below, when they are not there; without them, or redis-server, it is skipped by name.
"""

import pathlib
import sys
import tempfile

import redis_peers
from redis_peers import PEERS, packages, skip

WANTED = ["python-socketio==5.16.1", "aiohttp==3.11.11", "redis==5.2.1"]


def main():
    redis_peers.check_ours()
    try:
        python = packages.python_with(packages.PEERS / "redis_python", *WANTED)
    except packages.Missing as error:
        skip(f"python-socketio, aiohttp and redis cannot be had: {error}")
    with tempfile.TemporaryDirectory(prefix="await-redis-") as folder:
        return redis_peers.run(pathlib.Path(folder), python, PEERS / "redis_python.py")


if __name__ == "__main__":
    sys.exit(main())
