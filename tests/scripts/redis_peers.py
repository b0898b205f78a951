#!/usr/bin/env python3
"""Tests the fan-out with node's servers and emitter, and a redis-server.

npm's socket.io, @socket.io/redis-adapter and @socket.io/redis-emitter are fetched into build/peers,
at the versions below, when they are not there; without them, or redis-server, it is skipped by
name.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import packages  # noqa: E402: found by the line above
import servers  # noqa: E402: the same

FOLDER = packages.PEERS / "redis"
PEERS = ROOT / "tests" / "peers"
NODE = ["socket.io@4.8.1", "socket.io-client@4.8.1", "@socket.io/redis-adapter@8.3.0",
        "@socket.io/redis-emitter@5.1.0", "redis@4.7.0"]


def skip(reason):
    print(f"skip: {reason}")
    sys.exit(77)


def start_redis(folder):
    path = folder / "redis"
    return servers.start(["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                          "--dir", folder], r"[Rr]eady to accept connections"), path


def start_server(path):
    program = pathlib.Path(os.environ["AWAIT_BUILD_GCC"]) / "tests" / "redis_server"
    process = subprocess.Popen([program, f"unix://{path}"], text=True, stdout=subprocess.PIPE)
    return process, process.stdout.readline().rpartition(":")[2].strip()


def run(folder, *command, **environment):
    """Two servers of ours behind a Redis, and a command that gets its URL and their ports."""
    processes = []
    try:
        redis, path = start_redis(folder)
        processes.append(redis)
        ports = []
        for _ in range(2):
            server, port = start_server(path)
            processes.insert(0, server)
            ports.append(port)
        done = subprocess.run([*command, f"unix://{path}", *ports], text=True,
                              capture_output=True, timeout=100, check=False,
                              env={**os.environ, **environment})
        print(done.stdout + done.stderr, end="")
        return done.returncode
    finally:
        for process in processes:
            process.terminate()
            if process.wait(20) != 0:
                sys.exit(f"{process.args[0]} has ended with {process.returncode}")


def check_ours():
    """Skips the test where what it tests is not there."""
    if "AWAIT_BUILD_GCC" not in os.environ:
        skip("no plain gcc build at hand")
    if not (pathlib.Path(os.environ["AWAIT_BUILD_GCC"]) / "tests/redis_server").exists():
        skip("await-redis is not built")
    if not shutil.which("redis-server"):
        skip("there is no redis-server")


def main():
    check_ours()
    try:
        packages.npm_packages(FOLDER, *NODE)
    except packages.Missing as error:
        skip(f"npm's socket.io and @socket.io/redis-emitter cannot be had: {error}")
    with tempfile.TemporaryDirectory(prefix="await-redis-") as folder:
        return run(pathlib.Path(folder), "node", PEERS / "redis_peers.js",
                   NODE_PATH=str(FOLDER / "node_modules"))


if __name__ == "__main__":
    sys.exit(main())
