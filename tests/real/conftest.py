"""Real servers on loopback, started once per session and stopped at its end."""

import os
import pathlib
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent.parent / "models"
BROOK = MODELS / "brook-q8_0.gguf"


@contextmanager
def _process(command):
    """A server that prints its address on its first line, and ends when its input is closed or on request."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert "http://" in line, f"{command[0]} did not start: {line!r}"
            yield "http://" + line.split("http://")[1].strip().rstrip("/")
        finally:
            process.terminate()
            process.stdin.close()
            process.wait(timeout=30)


@contextmanager
def start_towline():
    """The program under test with its built-in model; yields its URL."""
    binary = os.environ.get("TOWLINE_BIN")
    if not binary:
        pytest.fail("TOWLINE_BIN must name the towline program")
    with _process([binary, "serve", "--listen", "127.0.0.1:0"]) as url:
        yield url


@contextmanager
def start_llamacpp(gguf_file, context=512):
    """A real llama.cpp server with this file; yields its URL."""
    command = [sys.executable, str(HERE / "llamacpp_server.py"), str(gguf_file), str(context)]
    with _process(command) as url:
        yield url


@pytest.fixture(scope="session")
def towline():
    with start_towline() as url:
        yield url


@pytest.fixture(scope="session")
def http():
    with httpx.Client(timeout=60) as client:
        yield client
