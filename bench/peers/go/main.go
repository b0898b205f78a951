// The benchmarks in Go: goroutines, channels, time.AfterFunc.
//
// As bench/bench.h says: `program ROW` prints the row's figures, `program --list` the rows, and
// BENCH_SCALE divides the sizes.  The rows of the core run with GOMAXPROCS(1), as the others have
// one thread there.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func count(n, least int) int {
	if by, err := strconv.Atoi(os.Getenv("BENCH_SCALE")); err == nil && by > 0 {
		n /= by
	}
	if n < least {
		return least
	}
	return n
}

func say(name string, value float64) {
	fmt.Printf("%s\t%.6g\n", name, value)
}

func sayNs(name string, began time.Time, n int) {
	say(name, float64(time.Since(began).Nanoseconds())/float64(n))
}

func sayRate(name string, began time.Time, n int) {
	say(name, float64(n)/time.Since(began).Seconds()/1e3)
}

// ---- the core ----

func yieldAmong(tasks, each int) {
	var all sync.WaitGroup
	all.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func() {
			for n := each; n > 0; n-- {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
}

func yield(name string, tasks, each int) {
	runtime.GOMAXPROCS(1)
	yieldAmong(tasks, 2)
	began := time.Now()
	yieldAmong(tasks, each)
	sayNs(name, began, tasks*each)
}

func createJoin() {
	runtime.GOMAXPROCS(1)
	n := count(500000, 1)
	over := make(chan struct{})
	began := time.Now()
	for i := 0; i < n; i++ {
		go func() { over <- struct{}{} }()
		<-over
	}
	sayNs("create-join", began, n)
}

func pingPong() {
	runtime.GOMAXPROCS(1)
	n := count(300000, 1)
	there, back := make(chan int), make(chan int)
	go func() {
		for ball := range there {
			back <- ball
		}
	}()
	began := time.Now()
	for i := 0; i < n; i++ {
		there <- i
		<-back
	}
	sayNs("ping-pong", began, n)
	close(there)
}

func due(i int) time.Duration {
	return time.Duration((1 + float64(i%1000)*0.37) * 1e9)
}

func timers() {
	runtime.GOMAXPROCS(1)
	present, n, times := count(1000000, 1), count(1000, 1), 500
	var set, cancel time.Duration
	kept := make([]*time.Timer, present)
	for i := range kept {
		kept[i] = time.AfterFunc(time.Hour+due(i), func() {})
	}
	some := make([]*time.Timer, n)
	for k := 0; k < times; k++ {
		began := time.Now()
		for i := range some {
			some[i] = time.AfterFunc(due(i), func() {})
		}
		middle := time.Now()
		for i := range some {
			some[i].Stop()
		}
		set += middle.Sub(began)
		cancel += time.Since(middle)
	}
	each := 1 / float64(n*times)
	say("timer-set", float64(set.Nanoseconds())*each)
	say("timer-cancel", float64(cancel.Nanoseconds())*each)
	say("timers", float64((set+cancel).Nanoseconds())*each/2)
	runtime.KeepAlive(kept)
}

func gather() {
	runtime.GOMAXPROCS(1)
	times := count(20, 1)
	once := func() {
		var all sync.WaitGroup
		all.Add(10000)
		for i := 0; i < 10000; i++ {
			go all.Done()
		}
		all.Wait()
	}
	once()
	began := time.Now()
	for i := 0; i < times; i++ {
		once()
	}
	say("gather-deferred", float64(time.Since(began).Nanoseconds())/1e3/float64(times))
}

// ---- sleepers ----

func memory() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	var sum float64
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS:") || strings.HasPrefix(line, "VmPTE:") {
			kb, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
			sum += kb * 1024
		}
	}
	return sum
}

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// n goroutines asleep at once; how long starting them took, and the memory that they hold.
func crowd(n int, seconds float64) (start, bytes float64) {
	var all sync.WaitGroup
	all.Add(n)
	before, began := memory(), time.Now()
	until := began.Add(time.Duration(seconds * 1e9))
	for i := 0; i < n; i++ {
		go func() {
			time.Sleep(time.Until(until))
			all.Done()
		}()
	}
	runtime.Gosched()
	start = time.Since(began).Seconds()
	bytes = memory() - before
	all.Wait()
	return start, bytes
}

func sleepers() {
	runtime.GOMAXPROCS(1)
	n := count(1000000, 100)
	start, bytes := crowd(n, float64(n)*8e-6)
	used := cpu()
	warm, _ := crowd(n, start*1.5)
	say("sleepers-bytes", bytes/float64(n))
	say("sleepers-rate", float64(n)/warm/1e3)
	say("sleepers-cpu", cpu()-used)
}

// ---- threads ----

// What the other side does: takes functions from a channel and calls them, on a thread of its own.
func locked(calls chan func()) {
	runtime.LockOSThread()
	for call := range calls {
		call()
	}
}

func callbacks() {
	runtime.LockOSThread()
	n := count(500000, 1)
	calls, over := make(chan func(), 1024), make(chan struct{})
	go locked(calls)
	left := n
	began := time.Now()
	for i := 0; i < n; i++ {
		calls <- func() {
			if left--; left == 0 {
				close(over)
			}
		}
	}
	<-over
	sayRate("callbacks-alloc", began, n)
}

func submitCollect() {
	runtime.LockOSThread()
	n := count(200000, 1)
	const inFlight = 1000
	var results [inFlight]chan int
	began := time.Now()
	for i := 0; i < n+inFlight; i++ {
		if i >= inFlight && i-inFlight < n {
			<-results[i%inFlight]
		}
		if i < n {
			result := make(chan int, 1)
			results[i%inFlight] = result
			go func() { result <- 0 }()
		}
	}
	sayRate("submit-collect", began, n)
}

func submitWait() {
	runtime.LockOSThread()
	took := make([]float64, count(4000, 1))
	calls, over := make(chan func(), 1024), make(chan int, 1)
	go locked(calls)
	for i := range took {
		began := time.Now()
		calls <- func() { over <- 0 }
		<-over
		took[i] = float64(time.Since(began).Nanoseconds()) / 1e3
	}
	sort.Float64s(took)
	say("submit-wait", took[len(took)/2])
	say("submit-wait-p99", took[len(took)*99/100])
}

type job struct{ over chan int }

func workers(n int) chan job {
	jobs := make(chan job, 1024)
	for i := 0; i < n; i++ {
		go func() {
			runtime.LockOSThread()
			for j := range jobs {
				j.over <- 0
			}
		}()
	}
	return jobs
}

func toThread() {
	n := count(4000, 1)
	jobs, over := workers(runtime.NumCPU()+4), make(chan int, 1)
	began := time.Now()
	for i := 0; i < n; i++ {
		jobs <- job{over}
		<-over
	}
	say("to-thread", float64(time.Since(began).Nanoseconds())/1e3/float64(n))
}

func toThread64() {
	each := count(20000, 1)/64 + 1
	jobs := workers(runtime.NumCPU() + 4)
	var all sync.WaitGroup
	all.Add(64)
	began := time.Now()
	for i := 0; i < 64; i++ {
		go func() {
			over := make(chan int, 1)
			for k := 0; k < each; k++ {
				jobs <- job{over}
				<-over
			}
			all.Done()
		}()
	}
	all.Wait()
	sayRate("to-thread-64", began, each*64)
}

// ---- cached reads ----

const block, readers = 4096, 64

func cachedFile(blocks int) *os.File {
	file, err := os.CreateTemp(".", "bench-cached-")
	if err != nil {
		panic(err)
	}
	os.Remove(file.Name())
	some := make([]byte, block*256)
	for i := 0; i < blocks; i += 256 {
		file.Write(some)
	}
	return file
}

func readAll(file *os.File, blocks, n int) {
	var all sync.WaitGroup
	all.Add(readers)
	for r := 0; r < readers; r++ {
		go func(state uint64) {
			buf := make([]byte, block)
			for i := 0; i < n/readers; i++ {
				state = state*6364136223846793005 + 1442695040888963407
				at := int64((state>>33)%uint64(blocks)) * block
				if _, err := file.ReadAt(buf, at); err != nil {
					panic(err)
				}
			}
			all.Done()
		}(uint64(r))
	}
	all.Wait()
}

func reads() {
	runtime.GOMAXPROCS(1)
	blocks, n := count(65536, 256), count(1000000, readers)
	file := cachedFile(blocks)
	readAll(file, blocks, n)
	began := time.Now()
	readAll(file, blocks, n)
	sayRate("reads", began, n)
}

// ---- echo: measured by the load generator, a program beside this one ----

func echoBack(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 1024)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func echo(row string) {
	runtime.GOMAXPROCS(1)
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				panic(err)
			}
			go echoBack(c)
		}
	}()
	port := strconv.Itoa(server.Addr().(*net.TCPAddr).Port)
	load := exec.Command(os.Getenv("BENCH_LOAD"), row, port)
	load.Stdout, load.Stderr = os.Stdout, os.Stderr
	if err := load.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ---- HTTP: measured by wrk ----

func serveHttp(row string) {
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "hello\n")
	})
	go http.Serve(listener, handler)
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	load := exec.Command("python3", os.Getenv("BENCH_HTTP_LOAD"), row, port,
		strconv.Itoa(os.Getpid()))
	load.Stdout, load.Stderr = os.Stdout, os.Stderr
	if err := load.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var rows = map[string]func(){
	"yield-2":         func() { yield("yield-2", 2, count(500000, 1)) },
	"yield-1000":      func() { yield("yield-1000", 1000, count(1000, 1)) },
	"create-join":     createJoin,
	"ping-pong":       pingPong,
	"timers":          timers,
	"gather-deferred": gather,
	"sleepers":        sleepers,
	"callbacks-alloc": callbacks,
	"submit-collect":  submitCollect,
	"submit-wait":     submitWait,
	"to-thread":       toThread,
	"to-thread-64":    toThread64,
	"reads":           reads,
	"echo-50":         func() { echo("echo-50") },
	"echo-1000":       func() { echo("echo-1000") },
	"echo-5000":       func() { echo("echo-5000") },
	"echo-50x16":      func() { echo("echo-50x16") },
	"http-50":         func() { serveHttp("http-50") },
	"http-1000":       func() { serveHttp("http-1000") },
	"echo-idle":       func() { echo("echo-idle") },
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for name := range rows {
			fmt.Println(name)
		}
		return
	}
	if len(os.Args) != 2 || rows[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go-peer --list | ROW")
		os.Exit(2)
	}
	rows[os.Args[1]]()
}
