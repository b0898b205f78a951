"""Two HTTP servers that are programs of their own, under wrk: nginx, and uvicorn.

As bench/bench.h says: `http_servers.py nginx ROW` prints the row's figures, `http_servers.py nginx
--list` the rows.  One worker each, answering everything with six bytes, without a log.
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import http_load  # noqa: E402: found by the line above

ROWS = ("http-50", "http-1000")
CONFIG = """
worker_processes 1; daemon off; error_log /dev/null; pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder};
  proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 "hello\\n"; }} }} }}
"""


async def application(scope, receive, send):
    """What uvicorn serves."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", b"6")]})
    await send({"type": "http.response.body", "body": b"hello\n"})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def command(peer, folder, port):
    if peer == "uvicorn":
        return [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "critical",
                "--no-access-log", "--app-dir", str(pathlib.Path(__file__).parent),
                "http_servers:application"]
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port))
    return ["nginx", "-c", str(config), "-p", folder]


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("the server does not listen")


def worker_of(pid):
    """The process that serves: nginx's worker, or the server itself."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def main():
    peer, row = sys.argv[1:]
    if row == "--list":
        print("\n".join(ROWS))
        return None
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        server = subprocess.Popen(command(peer, folder, port), stderr=subprocess.DEVNULL,
                                  env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        try:
            wait_for(port)
            return http_load.measure(row, port, worker_of(server.pid))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
