"""Figures of the engine from Python: the heartbeat of a window under load, and the cost of a hop.

python crates/towline-py/benches/engine.py [SECONDS], with the package installed (best as a release build), the fake model
server built (`cargo build --release -p towline-testkit`), and a display or Xvfb.
"""

import asyncio
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time
import tkinter

import towline
import towline.tk

STREAMS, RATE = 16, 200
TARGET = pathlib.Path(__file__).resolve().parents[3] / "target"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def show(name, milliseconds):
    p50, p99, worst = percentile(milliseconds, 0.5), percentile(milliseconds, 0.99), max(milliseconds)
    print(f"{name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {worst:.2f} ms, of {len(milliseconds)}", flush=True)


def heartbeat(engine, seconds, streams):
    """The delay of a 10 ms timer of the window, while every token of every stream is drawn."""
    root = tkinter.Tk()
    texts, late, due = {}, [], [time.perf_counter() + 0.01]

    def beat():
        now = time.perf_counter()
        late.append(max(0.0, now - due[0]) * 1e3)
        due[0] = now + 0.01
        root.after(10, beat)

    def draw(update):
        # Lines of twelve tokens: Tk lays out a whole line at every insert.
        texts[update.job].insert("end", update.text.replace("sea. ", "sea.\n"))
        texts[update.job].see("end")

    window = towline.tk.attach(root, engine, draw)
    for number in range(streams):
        text = tkinter.Text(root, height=3, width=60, wrap="word")
        text.grid(row=number // 2, column=number % 2)
        job = engine.chat(f"slow:{RATE}:{int(seconds * RATE * 2)}", "x")
        texts[job] = text
    root.after(10, beat)
    root.after(int(seconds * 1000), root.quit)
    cpu = time.thread_time()
    root.mainloop()
    cpu = time.thread_time() - cpu
    tokens = sum(job.info.tokens for job in texts)
    for job in texts:
        job.cancel()
    show(f"heartbeat, {streams} streams × {RATE} tokens/s", late)
    print(f"  {window.wakes} wakes for {tokens} tokens; {100 * cpu / seconds:.1f} % of a core in Tk's thread", flush=True)
    root.destroy()


async def nothing():
    return None


def hops(engine, count):
    """The time from the foreground to the engine's loop and back, compared with asyncio."""
    engine.submit(nothing()).result()
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        engine.submit(nothing()).result()
        times.append((time.perf_counter() - begun) * 1e3)
    show("submit(coroutine).result()", times)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        asyncio.run_coroutine_threadsafe(nothing(), loop).result()
        times.append((time.perf_counter() - begun) * 1e3)
    show("asyncio.run_coroutine_threadsafe(coroutine, loop).result()", times)
    loop.call_soon_threadsafe(loop.stop)


def submits(engine, model, count):
    """The cost for the foreground of a call that starts a stream."""
    times = []
    jobs = []
    for _ in range(count):
        begun = time.perf_counter()
        jobs.append(engine.chat(model, "x"))
        times.append((time.perf_counter() - begun) * 1e3)
    show("engine.chat() returns after", times)
    towline.wait(jobs)
    assert all(job.state == "completed" for job in jobs)
    rates = [job.info.tokens_per_second for job in jobs]
    assert statistics.mean(rates) > 0


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    built = [path for path in (TARGET / "release/fakemodel", TARGET / "debug/fakemodel") if path.exists()]
    print(f"python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    command = [built[0], "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        with towline.Engine(server.stdout.readline().split()[-1]) as engine:
            heartbeat(engine, seconds, 0)
            heartbeat(engine, seconds, STREAMS)
            hops(engine, 3000)
            submits(engine, "normal", 500)
        server.stdin.close()


if __name__ == "__main__":
    main()
