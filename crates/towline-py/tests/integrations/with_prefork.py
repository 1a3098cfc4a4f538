"""A server with four workers that are forked after everything was loaded and used, under load for half a minute."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from conftest import PATIENCE

SECONDS = 30
CLIENTS = 16

SERVER = """
import http.server, json, os, signal, socket, sys, threading
import towline
host = sys.argv[1]
client, engine = towline.Client(host), towline.default_engine()
assert client.chat("normal", []).done and list(client.chat("normal", [], stream=True))

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/client":
            text = "".join(client.chat("normal", [], stream=True).texts())
        else:
            text = towline.default_engine().chat("normal", "x").result(30).text
        body = json.dumps([os.getpid(), text, len(os.listdir("/proc/self/fd"))]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

server = Server(("127.0.0.1", 0), Handler)
workers = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        server.serve_forever()
    workers.append(pid)
print(server.server_port, flush=True)
sys.stdin.read()
for pid in workers:
    os.kill(pid, signal.SIGKILL)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc lists the descriptors")
def test_four_workers_under_load(fake):
    environment = {**os.environ, "OLLAMA_HOST": fake}
    command = [sys.executable, "-W", "ignore", "-c", SERVER, fake]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        port = int(server.stdout.readline())
        answers, failures, until = [], [], time.monotonic() + SECONDS

        def ask(number):
            try:
                while time.monotonic() < until:
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                    for _ in range(20):
                        connection.request("GET", "/client" if number % 2 else "/engine")
                        answers.append(json.loads(connection.getresponse().read()))
                    connection.close()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.stdin.close()
    assert not failures and len({text for _, text, _ in answers}) == 1
    by_worker = {}
    for pid, _, descriptors in answers:
        by_worker.setdefault(pid, []).append(descriptors)
    print(f"{len(answers)} answers in {SECONDS} s by {len(by_worker)} workers; at most {max(map(max, by_worker.values()))} descriptors")
    for descriptors in by_worker.values():
        half = len(descriptors) // 2
        assert max(descriptors[half:]) <= max(descriptors[:half]) + 3 * CLIENTS
