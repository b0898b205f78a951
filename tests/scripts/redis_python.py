#!/usr/bin/env python3
"""Tests the fan-out with python-socketio's servers, and a redis-server.

python-socketio, aiohttp and redis are fetched from PyPI into build/peers/redis_python, at the
versions below, when they are not there; without them, or redis-server, it is skipped by name.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import redis_peers
from redis_peers import PEERS, ROOT, skip

FOLDER = ROOT / "build" / "peers" / "redis_python"
WANTED = ["python-socketio==5.16.1", "aiohttp==3.11.11", "redis==5.2.1"]


def fetch():
    mark = FOLDER / "made-of"
    if mark.exists() and mark.read_text() == "\n".join(WANTED):
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", FOLDER,
                        *WANTED], check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        skip("python-socketio, aiohttp and redis cannot be had from PyPI")
    mark.write_text("\n".join(WANTED))


def main():
    redis_peers.check_ours()
    fetch()
    with tempfile.TemporaryDirectory(prefix="await-redis-") as folder:
        return redis_peers.run(pathlib.Path(folder), sys.executable, PEERS / "redis_python.py",
                               PYTHONPATH=str(FOLDER))


if __name__ == "__main__":
    sys.exit(main())
