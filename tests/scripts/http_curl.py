#!/usr/bin/env python3
"""The server of static files (examples/22_static_files) asked by real clients: curl and wrk.

curl fetches files, parts of them and what has not changed, asks again on one connection, sends what
is refused, and tries to leave the folder; wrk keeps 50 connections busy for a second while another
client is answered, and the server stops in good order.  Skipped where there is no curl.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import examples_network as programs

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 30  # seconds that anything may take
BIG = random.Random(1).randbytes(3_000_000)


def make_site(folder):
    (folder / "public/sub").mkdir(parents=True)
    (folder / "secret.txt").write_text("secret")
    (folder / "public/index.html").write_text("<p>hello")
    (folder / "public/sub/index.html").write_text("<p>sub")
    (folder / "public/big.bin").write_bytes(BIG)
    (folder / "public/link.txt").symlink_to("../secret.txt")


class Site:
    """The server in a process of its own; asked by curl."""

    def __init__(self, build, folder):
        self.process, port = programs.start(build, "22_static_files", "0", folder / "public")
        self.url = f"http://127.0.0.1:{port}"
        self.lines = []  # read as they come: a full pipe would stop the server
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout),
                                       daemon=True)
        self.reader.start()

    def curl(self, *arguments):
        """What curl prints: the status behind the body."""
        done = subprocess.run(["curl", "-sS", "--path-as-is", "-w", "%{http_code}", *arguments],
                              capture_output=True, timeout=LIMIT, check=True)
        return done.stdout[-3:].decode(), done.stdout[:-3]

    def get(self, path, *arguments):
        return self.curl(self.url + path, *arguments)

    def end(self, number):
        self.process.send_signal(number)
        programs.equal(0, self.process.wait(LIMIT))
        self.reader.join(LIMIT)
        programs.equal("stopped, 0 connections cut off\n", self.lines[-1])
        return "".join(self.lines)


def files(site, folder):
    programs.equal(("200", b"<p>hello"), site.get("/"))
    programs.equal(("200", BIG), site.get("/big.bin"))
    programs.equal(("206", BIG[1000:2001]), site.get("/big.bin", "-r", "1000-2000"))
    programs.equal(("206", BIG[-5:]), site.get("/big.bin", "-r", "-5"))
    programs.equal(("416", True), (site.get("/big.bin", "-r", "3000000-")[0], True))
    programs.equal(("200", b"<p>sub"), site.get("/sub", "-L"))
    programs.equal("200", site.get("/big.bin", "-I")[0])
    programs.equal("404", site.get("/none")[0])
    programs.equal("405", site.get("/index.html", "-d", "x")[0])
    etags = str(folder / "etag")
    programs.equal("200", site.get("/", "--etag-save", etags)[0])
    programs.equal("304", site.get("/", "--etag-compare", etags)[0])
    programs.equal("304", site.get("/", "-z", str(folder / "public/index.html"))[0])


def traversal(site):
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/sub/..%2f..%2fsecret.txt", "/link.txt"):
        status, body = site.get(path)
        programs.equal(("404", False), (status, b"secret" in body))


def connections(site):
    """Both are answered on one connection; a body too large is refused while it is sent."""
    done = subprocess.run(["curl", "-sv", site.url + "/", site.url + "/sub/"], text=True,
                          capture_output=True, timeout=LIMIT, check=True)
    programs.equal("<p>hello<p>sub", done.stdout)
    programs.equal(True, "Re-using existing connection" in done.stderr)
    programs.equal("405", site.get("/status", "-H", "Expect:", "--data-binary", "@/dev/null")[0])


def under_load(site):
    if not shutil.which("wrk"):
        print("note: no wrk here")
        return
    load = subprocess.Popen(["wrk", "-t1", "-c50", "-d1", site.url + "/status"], text=True,
                            stdout=subprocess.PIPE)
    programs.equal("200", site.get("/status")[0])
    text = load.communicate(timeout=LIMIT)[0]
    errors = re.search(r"Socket errors: (.*), timeout", text)  # a busy machine has time-outs
    programs.equal("connect 0, read 0, write 0", errors[1] if errors else
                   "connect 0, read 0, write 0")
    programs.equal((False, True), ("Non-2xx" in text, int(text.partition(" requests in")[0]
                                                          .rpartition("\n")[2]) > 0))


def check(build):
    with tempfile.TemporaryDirectory(prefix="await-http-") as name:
        folder = pathlib.Path(name)
        make_site(folder)
        site = Site(build, folder)
        try:
            files(site, folder)
            traversal(site)
            connections(site)
            under_load(site)
            text = site.end(signal.SIGTERM)
        finally:
            site.process.kill()
        programs.equal(True, '"GET /big.bin" 206 1001' in text)


def main():
    known = ("gcc", "clang", "asan", "tsan")
    builds = [os.environ.get(f"AWAIT_BUILD_{name.upper()}") for name in known]
    builds = [ROOT / b for b in builds if b and (ROOT / b / "examples/22_static_files").exists()]
    if not builds or not shutil.which("curl"):
        print("skip: no build with HTTP at hand, or no curl")
        return 77
    failed = 0
    for build in builds:
        try:
            check(build)
            print(f"ok: {build.name}")
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            print(f"failed: {build.name}: {error}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
