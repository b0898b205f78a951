"""What is measured: rows that programs run, the figures they print, what is compared with what.

A row is what a program is told to run; it prints one or more figures.  A figure
has a unit, says whether less or more of it is better, and may have a goal: how
it should stand to the raw program of the same work, in the same run.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str           # what the programs print
    title: str
    unit: str
    more: bool = False  # more is better
    goals: tuple = ()   # (regime, "raw" or a peer or "value", the bound)


@dataclasses.dataclass(frozen=True)
class Row:
    name: str     # what the programs are told
    group: str
    program: str  # ours and the raw one: bench_<program>, limit_<program>
    figures: tuple
    regimes: tuple = ("free",)
    limit: str = ""    # the raw program, where it has another name
    share: int = 1     # of the rounds, one in so many is run
    alone: bool = False  # peers are not asked


# How much of the machine the whole program has.
REGIMES = {"free": "two CPUs or more", "one CPU": "whole program on one CPU"}
BOTH = ("free", "one CPU")

CORE = (
    Row("switch", "core", "switch", limit="core", figures=(
        Figure("switch", "switch, one way", "ns", goals=(("free", "raw", 1.1),)),)),
    Row("yield-2", "core", "core", figures=(
        Figure("yield-2", "yield, 2 tasks", "ns"),)),
    Row("yield-1000", "core", "core", figures=(
        Figure("yield-1000", "yield, 1,000 tasks", "ns", goals=(("free", "raw", 1.4),)),)),
    Row("create-join", "core", "core", figures=(
        Figure("create-join", "create + run + join", "ns", goals=(("free", "raw", 1.8),)),)),
    Row("ping-pong", "core", "core", figures=(
        Figure("ping-pong", "ping-pong through a queue, a round", "ns",
               goals=(("free", "raw", 2.4),)),)),
    Row("timers", "core", "core", limit="timers", figures=(
        Figure("timers", "timers, mean of the next two", "ns", goals=(("free", "raw", 1.5),)),
        Figure("timer-set", "timer set, a million present", "ns"),
        Figure("timer-cancel", "timer cancelled, a million present", "ns"),)),
    Row("gather-deferred", "core", "core", figures=(
        Figure("gather-deferred", "gather of 10,000, deferred", "µs",
               goals=(("free", "raw", 1.3),)),)),
    Row("gather-eager", "core", "core", figures=(
        Figure("gather-eager", "gather of 10,000, eager", "µs"),)),
)

THREADS = (
    Row("callbacks-node", "threads", "threads", regimes=BOTH, figures=(
        Figure("callbacks-node", "callbacks from a thread, the caller's own node", "k/s", more=True,
               goals=(("free", "raw", 0.45), ("free", "libuv", 1), ("one CPU", "libuv", 1))),)),
    Row("callbacks-alloc", "threads", "threads", regimes=BOTH, figures=(
        Figure("callbacks-alloc", "callbacks from a thread, allocating", "k/s", more=True,
               goals=(("free", "value", 10000), ("free", "libuv", 1),
                      ("one CPU", "libuv", 1))),)),
    Row("submit-collect", "threads", "threads", regimes=BOTH, figures=(
        Figure("submit-collect", "submit and collect, 1,000 in flight", "k/s", more=True,
               goals=(("free", "tokio", 2), ("one CPU", "tokio", 2))),)),
    Row("submit-wait", "threads", "threads", regimes=BOTH, figures=(
        Figure("submit-wait", "submit and wait", "µs",
               goals=(("free", "raw", 1.2), ("one CPU", "tokio", 1))),
        Figure("submit-wait-p99", "submit and wait, 99th percentile", "µs"),)),
    Row("submit-wait-spin", "threads", "threads", figures=(
        Figure("submit-wait-spin", "submit and wait, both sides spin for 50 µs", "µs",
               goals=(("free", "value", 1),)),
        Figure("submit-wait-spin-p99", "the same, 99th percentile", "µs"),)),
    Row("to-thread", "threads", "threads", regimes=BOTH, figures=(
        Figure("to-thread", "to_thread and back", "µs",
               goals=(("one CPU", "go", 1), ("one CPU", "tokio", 1))),)),
    Row("to-thread-64", "threads", "threads", regimes=BOTH, figures=(
        Figure("to-thread-64", "to_thread, 64 in flight", "k/s", more=True,
               goals=(("free", "libuv", 1), ("one CPU", "libuv", 1))),)),
)

SLEEPERS = (
    Row("sleepers", "sleepers", "sleepers", share=4, figures=(
        Figure("sleepers-bytes", "a million sleepers, bytes each", "B",
               goals=(("free", "value", 4608),)),
        Figure("sleepers-rate", "the same, started when warm", "k/s", more=True),
        Figure("sleepers-cpu", "the same, processor time of a warm run", "s",
               goals=(("free", "value", 5),)),)),
)

FILES = (
    Row("reads", "files", "reads", figures=(
        Figure("reads", "cached 4 KiB reads, 64 readers", "k/s", more=True,
               goals=(("free", "raw", 0.9), ("free", "go", 1), ("free", "tokio", 1),
                      ("free", "libuv", 1))),)),
    Row("cold", "files", "reads", alone=True, share=3, figures=(
        Figure("cold", "cold 4 KiB reads, 64 readers", "k/s", more=True),
        Figure("cold-lag", "the loop's lag meanwhile", "µs"),
        Figure("cold-lag-p99", "the same, 99th percentile", "µs"),
        Figure("cold-lag-most", "the same, the most", "µs"),)),
)

PROCESSES = (
    Row("processes", "processes", "processes", figures=(
        Figure("processes", "true, started and waited for, 1,000 in turn", "k/s", more=True,
               goals=(("free", "raw", 0.9),)),)),
)

ECHOES = {"50": "50 connections", "1000": "1,000 connections", "5000": "5,000 connections",
          "50x16": "50 connections, 16 at a time"}


def echo_row(load, backend, bound):
    """The server's processor time, and what its clients see; peers have one backend."""
    row, words = f"echo-{backend}{load}", ECHOES[load] + (", epoll" if backend else "")
    never_behind = tuple(("free", peer, 1) for peer in ("go", "tokio", "libuv") if not backend)
    ahead = tuple(("free", peer, 1.2) for peer in ("tokio", "libuv")
                  if load == "5000" and not backend)
    return Row(row, "echo", "echo", share=3, figures=(
        Figure(row, f"server's time per echo, {words}", "µs",
               goals=(("free", "raw", bound), *never_behind)),
        Figure(f"{row}-rate", f"echoes, {words}", "k/s", more=True, goals=ahead),
        Figure(f"{row}-p50", f"median latency, {words}", "µs"),
        Figure(f"{row}-p99", f"99th percentile, {words}", "µs", goals=(("free", "raw", 1.2),)),))


ECHO = (
    *(echo_row(load, "", 1.1) for load in ECHOES),
    *(echo_row(load, "epoll-", 1.15) for load in ECHOES),
    Row("echo-idle", "echo", "echo", share=3, figures=(
        Figure("echo-idle-bytes", "10,000 idle connections, bytes each", "B",
               goals=(("free", "value", 6144),)),)),
)

TLS = (
    Row("tls-bulk", "tls", "tls", share=3, figures=(
        Figure("tls-bulk", "a file of 1 GiB by TLS, one client", "MB/s", more=True,
               goals=(("free", "raw", 0.9),)),
        Figure("tls-bulk-cpu", "the server's time for it, per GB", "s"),)),
)

HTTP_LOADS = {"50": "50 connections", "1000": "1,000 connections"}


def http_row(load):
    """The server's processor time, and what wrk sees.  What one worker could serve is the inverse
    of its time: with both on a small machine wrk is the slower one, and the rate is its own."""
    row, words = f"http-{load}", HTTP_LOADS[load]
    return Row(row, "http", "http", share=3, figures=(
        Figure(row, f"server's time per request, {words}", "µs",
               goals=(("free", "nginx", 1.11), ("free", "go", 0.67), ("free", "uvicorn", 0.1))),
        Figure(f"{row}-rate", f"requests, {words}", "k/s", more=True,
               goals=(("free", "nginx", 0.9),)),
        Figure(f"{row}-p99", f"99th percentile, {words}", "µs"),))


HTTP = tuple(http_row(load) for load in HTTP_LOADS)

WEBSOCKETS = {"50": ECHOES["50"], "1000": ECHOES["1000"], "50x16": ECHOES["50x16"]}


def websocket_row(load):
    """The server's processor time for a message of 64 bytes and its echo, and what clients see."""
    row, words = f"websocket-{load}", WEBSOCKETS[load]
    return Row(row, "websocket", "websocket", share=3, figures=(
        Figure(row, f"server's time per echo of a message, {words}", "µs",
               goals=(("free", "ws", 0.33), ("free", "websockets", 0.1))),
        Figure(f"{row}-rate", f"echoes of messages, {words}", "k/s", more=True),
        Figure(f"{row}-p50", f"median latency of messages, {words}", "µs"),
        Figure(f"{row}-p99", f"99th percentile of messages, {words}", "µs"),))


WEBSOCKET = (
    *(websocket_row(load) for load in WEBSOCKETS),
    Row("websocket-idle", "websocket", "websocket", share=3, figures=(
        Figure("websocket-idle-bytes", "10,000 idle WebSockets, bytes each", "B",
               goals=(("free", "value", 10000),)),)),
)

SOCKETIO = (
    Row("sio-broadcast", "sio", "sio", share=3, figures=(
        Figure("sio-broadcast", "server's time per 100,000 deliveries of a broadcast to 1,000", "s",
               goals=(("free", "value", 0.4), ("free", "socket.io", 0.5),
                      ("free", "python-socketio", 0.1))),
        Figure("sio-broadcast-rate", "deliveries of a broadcast to 1,000", "k/s", more=True),)),
    Row("sio-idle", "sio", "sio", share=3, figures=(
        Figure("sio-idle-bytes", "10,000 idle clients of Socket.IO, bytes each", "B",
               goals=(("free", "value", 10000),)),)),
)

SIZES = tuple(10 ** n for n in range(1, 7))
FLAT_KINDS = {"task": "create + run + join, n parked",
              "timer": "timer set and cancelled, n present",
              "wake": "wake-up of one of n parked, in turn"}
FLAT = (
    Row("flat", "flat", "flat", alone=True, share=3, figures=tuple(
        Figure(f"flat-{kind}-{n}", f"{title}: n = {n:,}", "ns")
        for kind, title in FLAT_KINDS.items() for n in SIZES)),
)

WEB = (
    Row("http-client", "web", "http_client", figures=(
        Figure("http-client", "GET of 1 KiB, 64 at a time, connections kept", "k/s", more=True,
               goals=(("free", "raw", 0.95), ("free", "aiohttp", 3))),)),
)

SQS = (
    Row("sqs", "sqs", "sqs", share=3, figures=(
        Figure("sqs", "messages sent, received, deleted, in tens by 8", "k/s", more=True,
               goals=(("free", "boto3", 1), ("free", "client-sqs", 1))),
        Figure("sqs-cpu", "the client's time per message", "µs",
               goals=(("free", "boto3", 0.1),)),)),
)

ROWS = (CORE + THREADS + SLEEPERS + FILES + PROCESSES + ECHO + TLS + HTTP + WEB + WEBSOCKET
        + SOCKETIO + SQS + FLAT)
GROUPS = {"core": "The core", "threads": "Threads", "sleepers": "A million sleepers",
          "files": "Files", "processes": "Subprocesses", "echo": "An echo server",
          "tls": "TLS",
          "http": "An HTTP server",
          "web": "An HTTP client",
          "websocket": "An echo server of WebSocket", "sio": "Broadcasts by Socket.IO",
          "sqs": "A client of the queue service",
          "flat": "From ten to a million"}

# What a reader has to know before comparing: (peer, row or "*") -> words.
NOTES = {
    ("go", "yield-2"): "through its scheduler",
    ("raw", "sio-broadcast"): "one send() for each client",
    ("go", "submit-collect"): "goroutines: there is no foreign thread",
    ("go", "callbacks-alloc"): "a channel of functions between two locked threads",
    ("go", "submit-wait"): "a channel of functions between two locked threads",
    ("tokio", "callbacks-alloc"): "tasks: it has no callbacks",
    ("tokio", "*"): "tasks are state machines without stacks",
    ("libuv", "submit-wait"): "a callback and a semaphore: it has no coroutines",
    ("libuv", "to-thread"): "callbacks",
    ("libuv", "to-thread-64"): "callbacks",
    ("libuv", "sleepers"): "timers: it has no tasks",
    ("Boost.Context", "create-join"): "no scheduler: made, run, given back",
    ("State Threads", "yield-2"): "by st_usleep(0)",
    ("State Threads", "yield-1000"): "by st_usleep(0)",
    ("State Threads", "ping-pong"): "a cell with a condition variable: it has no channel",
    ("raw", "switch"): "a call and a jump; ours is inlined",
    ("raw", "ping-pong"): "a cell of one item",
    ("raw", "sleepers"): "parked, and woken in turn: no timers",
    ("raw", "reads"): "the better of preadv2 and io_uring",
    ("go", "reads"): "on one CPU: GOMAXPROCS(1)",
    ("tokio", "reads"): "spawn_blocking and pread",
    ("libuv", "reads"): "by its thread pool",
    ("raw", "processes"): "posix_spawn and waitpid",
    ("raw", "tls-bulk"): "openssl s_server -WWW",
    ("raw", "http-client"): "libcurl's multi interface and epoll",
    ("raw", "echo-idle"): "connections without tasks",
    ("libuv", "echo-idle"): "connections without tasks",
    ("python-socketio", "*"): "on aiohttp",
    ("nginx", "*"): "return 200, one worker",
    ("uvicorn", "*"): "one worker, with the parser that it comes with",
    ("boto3", "sqs"): "eight threads; moto, the server of all three, is the limit of their rate",
    ("client-sqs", "sqs"): "@aws-sdk/client-sqs",
    ("raw", "to-thread"): "one worker",
    ("raw", "to-thread-64"): "one worker",
    ("asyncio", "timers"): "100,000 present",
    ("uvloop", "timers"): "100,000 present",
}


def note(who, row):
    return NOTES.get((who, row)) or NOTES.get((who, "*"))
