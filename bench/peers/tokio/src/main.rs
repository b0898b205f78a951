//! The benchmarks on tokio: its current_thread runtime, which is the one to compare a loop with.
//!
//! As bench/bench.h says: `program ROW` prints the row's figures, `program --list` the rows, and
//! BENCH_SCALE divides the sizes.

use std::cell::Cell;
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{spawn_blocking, yield_now, JoinHandle};

fn count(n: usize, least: usize) -> usize {
    let by = std::env::var("BENCH_SCALE").ok().and_then(|s| s.parse().ok()).unwrap_or(1usize);
    (n / by.max(1)).max(least)
}

fn say(name: &str, value: f64) {
    println!("{name}\t{value:.6}");
}

fn say_ns(name: &str, began: Instant, n: usize) {
    say(name, began.elapsed().as_secs_f64() * 1e9 / n as f64);
}

fn say_rate(name: &str, began: Instant, n: usize) {
    say(name, n as f64 / began.elapsed().as_secs_f64() / 1e3);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

// ---- the core ----

async fn yield_among(tasks: usize, each: usize) {
    let mut all: Vec<JoinHandle<()>> = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        all.push(tokio::spawn(async move {
            for _ in 0..each {
                yield_now().await;
            }
        }));
    }
    for one in all {
        one.await.unwrap();
    }
}

fn yields(name: &str, tasks: usize, each: usize) {
    runtime().block_on(async {
        yield_among(tasks, 2).await;
        let began = Instant::now();
        yield_among(tasks, each).await;
        say_ns(name, began, tasks * each);
    });
}

fn create_join() {
    runtime().block_on(async {
        let n = count(500_000, 1);
        let began = Instant::now();
        for _ in 0..n {
            tokio::spawn(async {}).await.unwrap();
        }
        say_ns("create-join", began, n);
    });
}

fn ping_pong() {
    runtime().block_on(async {
        let n = count(300_000, 1);
        let (to, mut there) = tokio::sync::mpsc::unbounded_channel::<usize>();
        let (answer, mut back) = tokio::sync::mpsc::unbounded_channel::<usize>();
        tokio::spawn(async move {
            while let Some(ball) = there.recv().await {
                answer.send(ball).ok();
            }
        });
        let began = Instant::now();
        for i in 0..n {
            to.send(i).unwrap();
            back.recv().await.unwrap();
        }
        say_ns("ping-pong", began, n);
    });
}

fn due(i: usize) -> Duration {
    Duration::from_secs_f64(1.0 + (i % 1000) as f64 * 0.37)
}

type Timer = std::pin::Pin<Box<tokio::time::Sleep>>;

/// A timer is registered when it is first polled.
fn set(seconds: Duration, context: &mut Context<'_>) -> Timer {
    let mut timer = Box::pin(tokio::time::sleep(seconds));
    assert!(timer.as_mut().poll(context).is_pending());
    timer
}

fn timers() {
    let (present, n, times) = (count(1_000_000, 1), count(1000, 1), 500);
    runtime().block_on(std::future::poll_fn(|context| {
        let kept: Vec<Timer> = (0..present).map(|i| set(due(i), context)).collect();
        let (mut set_time, mut cancel_time) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..times {
            let began = Instant::now();
            let some: Vec<Timer> = (0..n).map(|i| set(due(i), context)).collect();
            let middle = Instant::now();
            drop(some);
            set_time += middle - began;
            cancel_time += middle.elapsed();
        }
        let each = 1e9 / (n * times) as f64;
        say("timer-set", set_time.as_secs_f64() * each);
        say("timer-cancel", cancel_time.as_secs_f64() * each);
        say("timers", (set_time + cancel_time).as_secs_f64() * each / 2.0);
        std::mem::forget(kept);
        Poll::Ready(())
    }));
    std::process::exit(0);
}

async fn gather_once() {
    let all: Vec<JoinHandle<()>> = (0..10_000).map(|_| tokio::spawn(async {})).collect();
    for one in all {
        one.await.unwrap();
    }
}

fn gather() {
    runtime().block_on(async {
        let times = count(20, 1);
        gather_once().await;
        let began = Instant::now();
        for _ in 0..times {
            gather_once().await;
        }
        say("gather-deferred", began.elapsed().as_secs_f64() * 1e6 / times as f64);
    });
}

// ---- sleepers ----

fn memory() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines()
        .filter(|line| line.starts_with("VmRSS:") || line.starts_with("VmPTE:"))
        .map(|line| line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0)
        .sum()
}

/// Seconds of processor time, from the scheduler's own account of this thread.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

async fn crowd(n: usize, seconds: f64) -> (f64, f64) {
    let (before, began) = (memory(), Instant::now());
    let until = tokio::time::Instant::now() + Duration::from_secs_f64(seconds);
    let mut all = Vec::with_capacity(n);
    for _ in 0..n {
        all.push(tokio::spawn(tokio::time::sleep_until(until)));
    }
    yield_now().await;
    let (start, bytes) = (began.elapsed().as_secs_f64(), memory() - before);
    for one in all {
        one.await.unwrap();
    }
    (start, bytes)
}

fn sleepers() {
    runtime().block_on(async {
        let n = count(1_000_000, 100);
        let (start, bytes) = crowd(n, n as f64 * 4e-6).await;
        let used = cpu();
        let (warm, _) = crowd(n, start * 1.5).await;
        say("sleepers-bytes", bytes / n as f64);
        say("sleepers-rate", n as f64 / warm / 1e3);
        say("sleepers-cpu", cpu() - used);
    });
}

// ---- threads ----

/// A runtime in a thread of its own.
fn other_thread() -> Handle {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let rt = runtime();
        tell.send(rt.handle().clone()).unwrap();
        rt.block_on(std::future::pending::<()>());
    });
    told.recv().unwrap()
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits in this thread, which has no runtime.
fn block_on<T>(handle: JoinHandle<T>, waker: &Waker) -> T {
    let mut handle = std::pin::pin!(handle);
    let mut context = Context::from_waker(waker);
    loop {
        match handle.as_mut().poll(&mut context) {
            Poll::Ready(result) => return result.unwrap(),
            Poll::Pending => std::thread::park(),
        }
    }
}

fn waker() -> Waker {
    Arc::new(Unpark(std::thread::current())).into()
}

/// tokio has no callbacks; a task without a handle is the nearest.
fn callbacks() {
    let n = count(500_000, 1);
    let handle = other_thread();
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(n));
    let me = std::thread::current();
    let began = Instant::now();
    for _ in 0..n {
        let (left, me) = (left.clone(), me.clone());
        handle.spawn(async move {
            if left.fetch_sub(1, std::sync::atomic::Ordering::AcqRel) == 1 {
                me.unpark();
            }
        });
    }
    while left.load(std::sync::atomic::Ordering::Acquire) > 0 {
        std::thread::park();
    }
    say_rate("callbacks-alloc", began, n);
}

fn submit_collect() {
    let n = count(200_000, 1);
    const IN_FLIGHT: usize = 1000;
    let (handle, waker) = (other_thread(), waker());
    let mut results: Vec<Option<JoinHandle<i32>>> = (0..IN_FLIGHT).map(|_| None).collect();
    let began = Instant::now();
    for i in 0..n + IN_FLIGHT {
        if let Some(result) = results[i % IN_FLIGHT].take() {
            block_on(result, &waker);
        }
        if i < n {
            results[i % IN_FLIGHT] = Some(handle.spawn(async { 0 }));
        }
    }
    say_rate("submit-collect", began, n);
}

fn submit_wait() {
    let n = count(4000, 1);
    let (handle, waker) = (other_thread(), waker());
    let mut took = Vec::with_capacity(n);
    for _ in 0..n {
        let began = Instant::now();
        block_on(handle.spawn(async { 0 }), &waker);
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    took.sort_by(|a, b| a.partial_cmp(b).unwrap());
    say("submit-wait", took[n / 2]);
    say("submit-wait-p99", took[n * 99 / 100]);
}

fn to_thread() {
    runtime().block_on(async {
        let n = count(4000, 1);
        spawn_blocking(|| 0).await.unwrap();
        let began = Instant::now();
        for _ in 0..n {
            spawn_blocking(|| 0).await.unwrap();
        }
        say("to-thread", began.elapsed().as_secs_f64() * 1e6 / n as f64);
    });
}

fn to_thread_64() {
    let local = tokio::task::LocalSet::new();
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get()) + 4;
    let rt = Builder::new_current_thread().enable_all().max_blocking_threads(workers).build();
    local.block_on(&rt.unwrap(), async {
        let each = count(40_000, 1) / 64 + 1;
        let over = Rc::new(Cell::new(0));
        let began = Instant::now();
        let all: Vec<_> = (0..64)
            .map(|_| {
                let over = over.clone();
                tokio::task::spawn_local(async move {
                    for _ in 0..each {
                        spawn_blocking(|| 0).await.unwrap();
                        over.set(over.get() + 1);
                    }
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        say_rate("to-thread-64", began, each * 64);
        assert_eq!(over.get(), each * 64);
    });
}

// ---- cached reads ----

const BLOCK: usize = 4096;
const READERS: usize = 64;

fn cached_file(blocks: usize) -> File {
    let name = format!("bench-cached-{}", std::process::id());
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.read(true).write(true).create_new(true).open(&name).unwrap();
    std::fs::remove_file(&name).unwrap();
    for _ in 0..blocks / 256 {
        file.write_all(&[0u8; BLOCK * 256]).unwrap();
    }
    file
}

async fn read_all(file: &Arc<File>, blocks: usize, n: usize) {
    let each = n / READERS;
    let mut all: Vec<JoinHandle<()>> = Vec::with_capacity(READERS);
    for reader in 0..READERS {
        let file = file.clone();
        all.push(tokio::spawn(async move {
            let mut state = reader as u64;
            let mut buf = vec![0u8; BLOCK];
            for _ in 0..each {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (state >> 33) % blocks as u64 * BLOCK as u64;
                let file = file.clone();
                buf = spawn_blocking(move || {
                    file.read_exact_at(&mut buf, at).unwrap();
                    buf
                })
                .await
                .unwrap();
            }
        }));
    }
    for one in all {
        one.await.unwrap();
    }
}

fn reads() {
    let (blocks, n) = (count(65536, 256), count(100_000, READERS));
    let file = Arc::new(cached_file(blocks));
    runtime().block_on(async {
        read_all(&file, blocks, n).await;
        let began = Instant::now();
        read_all(&file, blocks, n).await;
        say_rate("reads", began, n);
    });
}

// ---- echo: measured by the load generator, a program beside this one ----

async fn echo_back(mut s: TcpStream) {
    let mut buf = [0u8; 1024];
    loop {
        match s.read(&mut buf).await {
            Ok(n) if n > 0 && s.write_all(&buf[..n]).await.is_ok() => {}
            _ => return,
        }
    }
}

fn load(row: &str, port: u16) -> ! {
    let path = std::env::var("BENCH_LOAD").unwrap();
    let status = std::process::Command::new(path).arg(row).arg(port.to_string()).status().unwrap();
    std::process::exit(status.code().unwrap_or(1))
}

fn echo(row: &'static str) {
    Builder::new_current_thread().enable_io().build().unwrap().block_on(async {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        std::thread::spawn(move || load(row, port));
        loop {
            let (s, _) = server.accept().await.unwrap();
            s.set_nodelay(true).unwrap();
            tokio::spawn(echo_back(s));
        }
    });
}

const ROWS: &[(&str, fn())] = &[
    ("yield-2", || yields("yield-2", 2, count(300_000, 1))),
    ("yield-1000", || yields("yield-1000", 1000, count(1000, 1))),
    ("create-join", create_join),
    ("ping-pong", ping_pong),
    ("timers", timers),
    ("gather-deferred", gather),
    ("sleepers", sleepers),
    ("callbacks-alloc", callbacks),
    ("submit-collect", submit_collect),
    ("submit-wait", submit_wait),
    ("to-thread", to_thread),
    ("to-thread-64", to_thread_64),
    ("reads", reads),
    ("echo-50", || echo("echo-50")),
    ("echo-1000", || echo("echo-1000")),
    ("echo-5000", || echo("echo-5000")),
    ("echo-50x16", || echo("echo-50x16")),
    ("echo-idle", || echo("echo-idle")),
];

fn main() {
    let row = std::env::args().nth(1).unwrap_or_default();
    if row == "--list" {
        ROWS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    }
    match ROWS.iter().find(|(name, _)| *name == row) {
        Some((_, run)) => {
            run();
            std::process::exit(0);
        }
        None => {
            eprintln!("usage: bench-tokio --list | ROW");
            std::process::exit(2);
        }
    }
}
