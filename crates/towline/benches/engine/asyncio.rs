//! The same two figures of asyncio's loop in a thread, in the same run.

use std::process::Command;

use crate::Failure;

const SCRIPT: &str = r#"
import asyncio, threading, time, sys
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
async def now(): return time.perf_counter_ns()
async def nothing(): pass
hops, trips = [], []
for _ in range(5000):
    submitted = time.perf_counter_ns()
    running = asyncio.run_coroutine_threadsafe(now(), loop).result()
    trips.append(time.perf_counter_ns() - submitted)
    hops.append(running - submitted)
def show(what, times):
    times.sort()
    print(f"{what:<44} p50 {times[len(times)//2]/1000:>7.1f}µs   p99 {times[len(times)*99//100]/1000:>7.1f}µs")
show("asyncio: submit to running", hops)
show("asyncio: submit to result", trips)
count, last = 10000, []
def submit():
    for _ in range(count):
        future = asyncio.run_coroutine_threadsafe(nothing(), loop)
    last.append(future)
begun = time.perf_counter()
threads = [threading.Thread(target=submit) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
submitted = time.perf_counter() - begun
for future in last: future.result()
ended = time.perf_counter() - begun
print(f"asyncio: submits from 4 threads {4*count/submitted:>12.0f}/s   to the end of all {4*count/ended:>12.0f}/s")
print("asyncio: Python", sys.version.split()[0])
"#;

pub(crate) fn run() -> Result<(), Failure> {
    match Command::new("python3").args(["-c", SCRIPT]).output() {
        Ok(output) if output.status.success() => print!("{}", String::from_utf8_lossy(&output.stdout)),
        Ok(output) => {
            println!("asyncio: skipped, python3 failed: {}", String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => println!("asyncio: skipped, no python3: {error}"),
    }
    Ok(())
}
