"""Servers for the tests: the scripted one of the Rust tests, and one that sends the bytes of a test."""

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
# The longest wait for something that is certain to happen. No result depends on it.
PATIENCE = 60

# In the background of a script, the tests inherit an ignored Ctrl-C, and would pass it on to their programs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """No test depends on the address of the developer's server."""
    for name in list(os.environ):
        if name.startswith("OLLAMA_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def fake():
    """The address of the scripted server. The model's name chooses what happens."""
    program = REPOSITORY / "target/debug/fakemodel"
    if not program.exists():
        build = ["cargo", "build", "--quiet", "-p", "towline-testkit", "--bin", "fakemodel"]
        subprocess.run(build, check=True, cwd=REPOSITORY)
    arguments = [program, "--until-stdin-closes"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield server.stdout.readline().split()[-1]
        server.stdin.close()


class Connection:
    """One connection to a `Player`, as seen from the server."""

    def __init__(self, opened):
        self.socket = opened
        self.request = b""
        self.closed = threading.Event()

    def play(self, pieces, ends):
        self.request = read_request(self.socket)
        self.socket.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for piece in pieces:
            self.socket.sendall(piece)
        if ends:
            self.socket.shutdown(socket.SHUT_WR)
        try:
            # Anything that a client sends now is ignored; the end means that it disconnected.
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
        self.closed.set()
        self.socket.close()

    def header(self, name):
        for line in self.request.decode().split("\r\n"):
            field, _, value = line.partition(": ")
            if field.lower() == name:
                return value
        return None


def read_request(opened):
    def more():
        came = opened.recv(65536)
        if not came:
            raise ConnectionResetError("the client left before it had sent its request")
        return came

    data = b""
    while b"\r\n\r\n" not in data:
        data += more()
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += more()
    return head + b"\r\n\r\n" + body


class Player:
    """A server that answers every request with the same bytes, and remembers its connections."""

    def __init__(self, *pieces, ends=True):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.host = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.pieces = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
        self.ends = ends
        self.connections = []
        self.came = threading.Semaphore(0)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                opened, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(opened)
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()
            self.came.release()

    def serve(self, connection):
        try:
            connection.play(self.pieces, self.ends)
        except (BrokenPipeError, ConnectionResetError):
            connection.closed.set()

    def close(self):
        self.listener.close()


@pytest.fixture
def player():
    """Makes servers that play the given bytes."""
    made = []

    def make(*pieces, ends=True):
        made.append(Player(*pieces, ends=ends))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def anyio_backend():
    return "asyncio"
