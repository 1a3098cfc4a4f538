"""Prints the figures of docs/benchmarks.md for Python: this package beside ollama-python, same server, same run.

    cargo build --release -p towline-testkit --bin fakemodel
    target/venv/bin/python crates/towline-py/benches/figures.py [target/release/fakemodel]

Both packages must be installed in the Python that runs it; ours as a release build. Every figure is CPU time of a
process of its own, so that it holds on a busy machine; the two take turns, and the median of the rounds counts.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
ROUNDS = 5

PRELUDE = """
import asyncio, json, sys, time, {package} as package
host = {host!r}
options = {options}
messages = [{{"role": "user", "content": "x"}}]
def measure(work, count):
    before = time.process_time()
    assert work() == count, "records are missing"
    print(json.dumps((time.process_time() - before) / count))
"""

# The work of a loop for each record. Every attribute is really read; most records lack most of them.
READS = {
    "text": "len(record.message.content)",
    "three attributes": "len(record.message.content); record.message.thinking; record.message.tool_calls; record.done_reason",
    "six attributes": (
        "len(record.message.content); record.message.role; record.message.thinking; record.message.tool_calls; "
        "record.done; record.done_reason"
    ),
    "`model_dump()`": "record.model_dump()",
}

ITERATE = """
client = package.Client(host)
def records(n):
    count = 0
    for record in client.chat(f"flat:{n}", messages, stream=True):
        READ
        count += 1
    return count
records(100)
measure(lambda: records(RECORDS), RECORDS + 1)
"""

# A server that sends the fake server's records in pieces of 60 KB, like a server that buffers.
SERVER_OF_BLOCKS = r"""
import json, socket, sys, threading
record = json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00.000000Z", "message": {"role": "assistant", "content": " a"}, "done": False}, separators=(",", ":"))
last = json.dumps({"model": "m", "created_at": "2026-01-01T00:00:00.000000Z", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop", "eval_count": 1}, separators=(",", ":"))
block = (record + "\n") * (60_000 // (len(record) + 1))
def serve(opened):
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            more = opened.recv(65536)
            if not more:
                return
            head += more
        head, _, body = head.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        while len(body) < length:
            body += opened.recv(65536)
        count = int(json.loads(body)["model"].partition(":")[2])
        opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while count > 0:
                some = min(count, block.count("\n"))
                data = ((record + "\n") * some).encode()
                opened.sendall(b"%x\r\n%s\r\n" % (len(data), data))
                count -= some
            data = (last + "\n").encode()
            opened.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
        except OSError:
            return
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

TEXTS = """
client = package.Client(host)
records = lambda n: sum(1 for text in client.chat(f"flat:{n}", messages, stream=True).texts())
records(100)
measure(lambda: records(RECORDS), RECORDS)
"""

ASYNC = """
client = package.AsyncClient(host)
async def records(n):
    count = 0
    async for record in await client.chat(f"flat:{n}", messages, stream=True):
        len(record.message.content)
        count += 1
    return count
measure(lambda: asyncio.run(records(RECORDS)), RECORDS + 1)
"""

MANY = """
client = package.AsyncClient(host, **options)
async def one():
    count = 0
    async for record in await client.chat("paced:5:50", messages, stream=True):
        len(record.message.content)
        count += 1
    return count
async def all():
    return sum(await asyncio.gather(*[one() for _ in range(1000)]))
measure(lambda: asyncio.run(all()), 51000)
"""

LAG = """
client = package.AsyncClient(host, **options)
late = []
async def beat():
    while True:
        due = time.perf_counter() + 0.005
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - due)
async def one():
    async for record in await client.chat("paced:5:50", messages, stream=True):
        len(record.message.content)
async def all():
    await one()  # pydantic builds its models at the first use
    beating = asyncio.create_task(beat())
    await asyncio.sleep(0.1)
    await asyncio.gather(*[one() for _ in range(1000)])
    beating.cancel()
asyncio.run(all())
print(json.dumps(max(late)))
"""

IMPORT = """
import time
before = time.process_time()
import {package}
print(time.process_time() - before)
"""

IMPORT_NAMES = """
import time
before = time.process_time()
from {package} import Client, chat
print(time.process_time() - before)
"""

OPTIONS = {
    "towline": "{}",
    # By default it opens 100 connections, and the other streams wait.
    "ollama": "{'limits': __import__('httpx').Limits(max_connections=None)}",
}


def seconds(package, host, body, records=0):
    script = body
    if body not in (IMPORT, IMPORT_NAMES):
        script = PRELUDE + body.replace("{", "{{").replace("}", "}}").replace("RECORDS", str(records))
    script = script.format(package=package, host=host, options=OPTIONS[package])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def row(what, unit, host, ours, theirs, records=(0, 0), rounds=ROUNDS):
    both = [], []
    for _ in range(rounds):
        both[0].append(seconds("towline", host, ours, records[0]) * unit)
        both[1].append(seconds("ollama", host, theirs, records[1]) * unit)
    mine, other = map(statistics.median, both)
    print(f"| {what} | {mine:,.2f} | {other:,.2f} | 1/{other / mine:.1f} |", flush=True)


def main():
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "target/release/fakemodel"
    server = subprocess.Popen(
        [program, "--paced", "--until-stdin-closes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    host = server.stdout.readline().split()[-1]
    blocks = subprocess.Popen([sys.executable, "-c", SERVER_OF_BLOCKS], stdout=subprocess.PIPE, text=True)
    of_blocks = blocks.stdout.readline().strip()
    print("| what | towline | ollama-python | ratio |\n|---|---|---|---|")
    for how, address in (("", host), (", in blocks of 60 KB", of_blocks)):
        for what, read in READS.items():
            loop = ITERATE.replace("READ", read, 1)
            row(f"CPU µs a record, {what} read{how}", 1e6, address, loop, loop, (200_000, 20_000))
    blocks.kill()
    blocks.wait()
    text = ITERATE.replace("READ", READS["text"], 1)
    row("CPU µs a record, text only (`.texts()`)", 1e6, host, TEXTS, text, (300_000, 20_000))
    row("CPU µs a record, `async for` over `chat`", 1e6, host, ASYNC, ASYNC, (200_000, 20_000))
    row("CPU µs a record, 1,000 streams at 5 a second", 1e6, host, MANY, MANY, rounds=1)
    row("worst lag of the loop with them, ms", 1e3, host, LAG, LAG, rounds=1)
    row("import of the package, CPU ms", 1e3, host, IMPORT, IMPORT)
    row("`from … import Client, chat`, CPU ms", 1e3, host, IMPORT_NAMES, IMPORT_NAMES)
    server.stdin.close()
    server.wait()


if __name__ == "__main__":
    main()
