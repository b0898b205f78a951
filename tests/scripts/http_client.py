#!/usr/bin/env python3
"""The HTTP client against a real server: nginx, with TLS, HTTP/2, compression and redirects.

nginx runs in the foreground in a folder of its own, on ports that were free, and is
ended by its process id.  What asks it is examples/22_http_client.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import servers  # noqa: E402: found by the line above

LIMIT = 30  # seconds that anything may take
PAGE = "a page of a thousand bytes or so, which says the same again and again\n" * 15

CONFIG = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/plain txt; }}
    gzip on;
    gzip_types text/plain;
    server {{
        listen 127.0.0.1:{plain};
        root {folder}/pages;
        location = /moved {{ return 301 https://localhost:{tls}/page.txt; }}
        location = /round {{ return 302 /round; }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        root {folder}/pages;
    }}
}}
"""


def equal(wanted, got):
    if wanted != got:
        raise AssertionError(f"wanted {wanted!r}, got {got!r}")


def has(text, *wanted):
    for line in wanted:
        if line not in text.splitlines():
            raise AssertionError(f"no line {line!r} in:\n{text}")


def free_ports(n):
    """Ports that nobody had a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
                   check=True, capture_output=True)


class Server:
    """An nginx of this test's."""

    def __init__(self, nginx, folder):
        self.folder = folder
        self.plain, self.tls = free_ports(2)
        pages = pathlib.Path(folder) / "pages"
        pages.mkdir()
        (pages / "page.txt").write_text(PAGE)
        (pages / "big.bin").write_bytes(bytes(range(256)) * 20000)
        certificate(folder)
        config = pathlib.Path(folder) / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, plain=self.plain, tls=self.tls))
        # Said when the sockets have been opened.
        self.process = servers.start([nginx, "-p", folder, "-e", "stderr", "-c", config],
                                     r'using the "\w+" event method')

    def stop(self):
        self.process.terminate()
        self.process.wait(LIMIT)


def ask(folder, *arguments):
    """What the client says: its exit status and its lines."""
    environment = dict(os.environ)
    if "tsan" in str(folder):
        environment["AWAIT_BACKEND"] = "epoll"
    done = subprocess.run([folder / "examples/22_http_client", *map(str, arguments)], text=True,
                          env=environment, capture_output=True, timeout=LIMIT, check=False)
    return done.returncode, done.stdout + done.stderr


def plain_page(folder, server):
    status, text = ask(folder, f"http://127.0.0.1:{server.plain}/page.txt")
    equal(0, status)
    has(text, "version     1.1", "status      200 OK", "header      Content-Encoding: gzip",
        f"body        {len(PAGE)} bytes", "answers     1 alike, 1 connections")


def big_file(folder, server):
    status, text = ask(folder, f"http://127.0.0.1:{server.plain}/big.bin", "", 10)
    equal(0, status)
    has(text, "body        5120000 bytes", "answers     10 alike, 10 connections")


def multiplexed(folder, server):
    url = f"https://localhost:{server.tls}/page.txt"
    status, text = ask(folder, url, f"{server.folder}/cert.pem", 50)
    equal(0, status)
    has(text, "version     2.0", f"body        {len(PAGE)} bytes",
        "answers     50 alike, 1 connections")


def redirected(folder, server):
    url = f"http://127.0.0.1:{server.plain}/moved"
    status, text = ask(folder, url, f"{server.folder}/cert.pem")
    equal(0, status)
    has(text, f"redirect    301 {url}", f"url         https://localhost:{server.tls}/page.txt",
        "version     2.0", f"body        {len(PAGE)} bytes")


def in_a_circle(folder, server):
    status, text = ask(folder, f"http://127.0.0.1:{server.plain}/round")
    equal((1, True), (status, "too many redirects" in text))


def not_there(folder, server):
    status, text = ask(folder, f"http://127.0.0.1:{server.plain}/missing")
    equal(0, status)
    has(text, "status      404 Not Found")


def not_trusted(folder, server):
    """Unknown authority; known, but for another name."""
    url = f"https://localhost:{server.tls}/"
    for address, arguments in ((url, []), (url.replace("localhost", "127.0.0.1"),
                                           [f"{server.folder}/cert.pem"])):
        status, text = ask(folder, address, *arguments)
        equal((1, True), (status, bool(re.search(r"SSL: no alternative|certificate", text))))


CHECKS = (plain_page, big_file, multiplexed, redirected, in_a_circle, not_there, not_trusted)


def main():
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not nginx:
        print("skip: no nginx at hand")
        return 77
    known = ("gcc", "clang", "asan", "tsan")
    builds = {name: ROOT / folder for name in known
              if (folder := os.environ.get(f"AWAIT_BUILD_{name.upper()}"))
              and (ROOT / folder / "examples/22_http_client").exists()}
    if not builds:
        print("skip: no build with the HTTP client at hand")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(prefix="await-http-") as folder:
        server = Server(nginx, folder)
        try:
            for name, build in builds.items():
                for check in CHECKS:
                    try:
                        check(build, server)
                        print(f"ok: {name}: {check.__name__}")
                    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                        print(f"failed: {name}: {check.__name__}: {error}")
                        failed += 1
        finally:
            server.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
