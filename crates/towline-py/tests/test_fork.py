"""Servers that fork their workers after the package was used: each process has its own connections."""

import os
import subprocess
import sys

import pytest
from conftest import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PRELUDE = """
import multiprocessing, os, signal, sys, threading, warnings
warnings.simplefilter("ignore")
import towline
host = sys.argv[1]
def read(n):
    signal.alarm(50)
    client = towline.Client(host)
    return sum(len(list(client.chat("slow:1000:20", [], stream=True))) for _ in range(n))
def children(work, count=4):
    pids = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            os._exit(0 if work() else 1)
        pids.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if hasattr(os, "waitstatus_to_exitcode")
            else os.WEXITSTATUS(os.waitpid(pid, 0)[1]) for pid in pids]
"""


def output(server, code):
    command = [sys.executable, "-c", PRELUDE + code, server]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_children_of_a_process_that_has_read_do_not_share_its_wakes(fake):
    assert output(fake, "read(1); print(children(lambda: read(10) > 100))") == ["[0, 0, 0, 0]"]


def test_a_pool_of_processes_reads(fake):
    code = """
read(1)
with multiprocessing.get_context("fork").Pool(4) as pool:
    print(len(set(pool.map(read, [3] * 8))))
"""
    assert output(fake, code) == ["1"]


def test_a_child_has_engines_of_its_own_and_is_refused_its_parents(fake):
    code = """
engine = towline.Engine(host)
running = engine.chat("slow:100:10000", "x")
default = towline.default_engine()
next(iter(running))
threading.Thread(target=lambda: list(running), daemon=True).start()
refused = []
def work():
    signal.alarm(50)
    for call in (lambda: engine.submit_blocking(int), lambda: engine.chat("normal", "x"), lambda: running.state,
                 running.cancel, engine.fileno, engine.close, lambda: engine.updates(), lambda: list(running)):
        try:
            call()
        except RuntimeError as error:
            refused.append("make a new Engine" in str(error))
    with towline.Engine(host) as own:
        whole = own.chat("normal", "x").result(40).text and own.submit_blocking(int).result(40) == 0
    return whole and refused == [True] * 8 and towline.default_engine() is not default
print(children(work), running.state)
"""
    assert output(fake, code) == ["[0, 0, 0, 0] streaming"]


def test_what_a_child_drops_or_closes_leaves_the_parents_connections_alone(fake):
    code = """
client = towline.Client(host)
list(client.chat("normal", [], stream=True))
stream = client.chat("slow:100:10000", [], stream=True)
next(stream)
def work():
    global client, stream
    client.close(); stream.close(); stream.cancel()
    del stream, client
    import gc; gc.collect()
    return read(2) > 10
print(children(work))
print(len([next(stream) for _ in range(100)]))
"""
    assert output(fake, code) == ["[0, 0, 0, 0]", "100"]


def test_a_prefork_server_answers_from_every_worker(fake):
    """Like gunicorn with ``preload``: the application, with its client and a first use, exists before the fork."""
    code = """
import http.server, socket, urllib.request, json
client = towline.Client(host)
client.chat("normal", [])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = "".join(part.message.content for part in client.chat("normal", [], stream=True))
        body = json.dumps([os.getpid(), text]).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
address = f"http://127.0.0.1:{server.server_port}/"
workers = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        server.serve_forever()
    workers.append(pid)
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(16) as pool:
    answers = list(pool.map(lambda _: json.load(urllib.request.urlopen(address, timeout=40)), range(200)))
for pid in workers: os.kill(pid, signal.SIGKILL)
print(len(answers), len({text for _, text in answers}), {pid for pid, _ in answers} <= set(workers))
"""
    assert output(fake, code) == ["200 1 True"]
