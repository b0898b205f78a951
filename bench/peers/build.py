"""Builds the peers' programs, each with the flags that it recommends itself.

A peer that is not installed, or cannot be had, is not compared: Missing says
why.  What scripts/setup can install it has installed before; crates and Python
packages come by their own tools, into the build folder.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from packages import Missing, call, listed, need, npm_packages, python_with  # noqa: E402

WS, WEBSOCKETS, SOCKET_IO, PYTHON_SOCKETIO = "8.18.3", "15.0.1", "4.8.1", "5.11.4"
BOTO3, CLIENT_SQS = "1.37.3", "3.758.0"
LIMIT = 600  # seconds that compiling a peer may take
PYTHON = f"Python {sys.version.split()[0]}"


def version_in(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text())
    except OSError:
        return ""
    return ".".join(found.groups()) if found else ""


def go(folder):
    need("go")
    program = folder / "go"
    call("go", "build", "-o", str(program), ".", cwd=HERE / "go", timeout=LIMIT)
    return [program], call("go", "version").split()[2]


def tokio(folder):
    need("cargo")
    call("cargo", "build", "--quiet", "--release", "--locked", "--target-dir",
         str(folder / "tokio"), cwd=HERE / "tokio", timeout=LIMIT)
    version = version_in(HERE / "tokio/Cargo.toml", r'tokio = .*version = "=([\d.]+)"')
    return [folder / "tokio/release/bench-tokio"], f"{version}, current_thread"


def libuv(folder):
    if not pathlib.Path("/usr/include/uv.h").exists():
        raise Missing("no uv.h")
    program = folder / "libuv"
    call("gcc", "-O2", f"-I{ROOT}", str(HERE / "libuv.c"), "-o", str(program), "-luv")
    return [program], call("pkg-config", "--modversion", "libuv").strip()


def state_threads(folder):
    if not pathlib.Path("/usr/include/st.h").exists():
        raise Missing("no st.h")
    program = folder / "state_threads"
    call("gcc", "-O2", "-D_GNU_SOURCE", f"-I{ROOT}", str(HERE / "state_threads.c"), "-o",
         str(program), "-lst")
    return [program], version_in("/usr/include/st.h", r"ST_VERSION\s+\"([\d.]+)\"")


def boost_context(folder):
    if not pathlib.Path("/usr/include/boost/context/fiber.hpp").exists():
        raise Missing("no boost/context/fiber.hpp")
    program = folder / "boost_context"
    call("g++", "-O2", "-DNDEBUG", f"-I{ROOT}", str(HERE / "boost_context.cpp"), "-o",
         str(program), "-lboost_context")
    version = version_in("/usr/include/boost/version.hpp", r'BOOST_LIB_VERSION "([\d_]+)"')
    return [program], version.replace("_", ".")


def asyncio(folder):
    del folder
    return [sys.executable, HERE / "python.py"], f"of {PYTHON}"


def version_of(python, module):
    return call(str(python), "-c", f"import {module}; print({module}.__version__)").strip()


def node():
    return f"node {call('node', '-v').strip()}"


def uvloop(folder):
    python = python_with(folder / "python", *listed(HERE / "requirements.txt"))
    return [python, HERE / "python.py", "--uvloop"], version_of(python, "uvloop")


def nginx(folder):
    del folder
    need("nginx")
    need("wrk")
    done = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
    version = done.stderr.rpartition("/")[2].strip()
    return [sys.executable, HERE / "http_servers.py", "nginx"], version


def uvicorn(folder):
    need("wrk")
    python = python_with(folder / "python", *listed(HERE / "requirements.txt"))
    return [python, HERE / "http_servers.py", "uvicorn"], version_of(python, "uvicorn")


def npm_ws(folder):
    place = npm_packages(folder / "node", f"ws@{WS}")
    return ["node", HERE / "websocket.mjs", place], f"{WS}, {node()}"


def python_websockets(folder):
    python = python_with(folder / "websockets", f"websockets=={WEBSOCKETS}")
    return [python, HERE / "websocket.py"], f"{WEBSOCKETS}, {PYTHON}"


def aiohttp(folder):
    python = python_with(folder / "aiohttp", *listed(HERE / "requirements-aiohttp.txt"))
    return [python, HERE / "aiohttp_client.py"], version_of(python, "aiohttp")


def npm_socketio(folder):
    place = npm_packages(folder / "socketio-node", f"socket.io@{SOCKET_IO}")
    return ["node", HERE / "socketio.mjs", place], f"{SOCKET_IO}, {node()}"


def python_socketio(folder):
    python = python_with(folder / "socketio", f"python-socketio=={PYTHON_SOCKETIO}",
                         "aiohttp==3.11.11")
    return [python, HERE / "socketio_server.py"], f"{PYTHON_SOCKETIO}, {PYTHON}"


def boto3(folder):
    python = python_with(folder / "boto3", f"boto3=={BOTO3}")
    return [python, HERE / "boto3_client.py"], f"{BOTO3}, {PYTHON}"


def npm_sqs(folder):
    place = npm_packages(folder / "sqs-node", f"@aws-sdk/client-sqs@{CLIENT_SQS}")
    return ["node", HERE / "sqs.mjs", place], f"{CLIENT_SQS}, {node()}"


def libdispatch(folder):
    del folder
    raise Missing("no program for it yet: the distribution it was to be tried on has no package")


PEERS = {"go": go, "tokio": tokio, "libuv": libuv, "asyncio": asyncio, "uvloop": uvloop,
         "nginx": nginx, "uvicorn": uvicorn, "ws": npm_ws, "websockets": python_websockets,
         "aiohttp": aiohttp,
         "socket.io": npm_socketio, "python-socketio": python_socketio,
         "boto3": boto3, "client-sqs": npm_sqs,
         "State Threads": state_threads, "Boost.Context": boost_context,
         "libdispatch": libdispatch}
