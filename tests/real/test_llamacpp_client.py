"""The command line against a real llama.cpp server: its dialect is detected, and every outcome is reported."""

import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import BROOK, HERE, start_llamacpp

SHORT = ["-o", "num_predict=12", "-o", "temperature=0"]
COMMAND = [sys.executable, str(HERE / "llamacpp_server.py"), str(BROOK), "512"]


@pytest.fixture(scope="module")
def llamacpp():
    with start_llamacpp(BROOK) as url:
        yield url


def command(url, *arguments):
    """The program with the address of the server."""
    return [os.environ["TOWLINE_BIN"], "run", "--host", url, "-m", "brook", *arguments]


def records(url, *arguments):
    """The status, and the lines of ``--json``."""
    done = subprocess.run(command(url, "--json", *arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_an_answer_is_whole(llamacpp):
    code, lines = records(llamacpp, *SHORT, "What is a river?")
    end = lines[-1]
    assert code == 0 and end["outcome"] == "completed" and end["not_understood"] is None
    assert end["reason"] == "length" and end["usage"]["completion_tokens"] == 12
    assert "".join(line["text"] for line in lines if line["event"] == "text").startswith("A river")


def test_the_same_words_without_json(llamacpp):
    _, lines = records(llamacpp, *SHORT, "What is a river?")
    plain = subprocess.run(
        command(llamacpp, *SHORT, "What is a river?"), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert plain.stdout == "".join(line["text"] for line in lines if line["event"] == "text")
    assert "tried" not in plain.stderr


def test_a_refusal_is_reported_in_its_words(llamacpp):
    code, lines = records(llamacpp, "river " * 600)
    error = lines[-1]["error"]
    assert code != 0 and lines[-1]["outcome"] == "failed"
    assert error["status"] == 400 and "exceeds the available context size" in error["message"]


def test_a_server_that_is_killed_truncates_the_answer():
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        asked = command(url, "--json", "-o", "num_predict=400", "-o", "temperature=2", "-o", "ignore_eos=true", "A story")
        with subprocess.Popen(asked, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as answer:
            lines = [json.loads(answer.stdout.readline()) for _ in range(4)]
            server.send_signal(signal.SIGKILL)
            lines += [json.loads(line) for line in answer.stdout]
    end = lines[-1]
    assert end["outcome"] in ("truncated", "failed") and answer.returncode != 0
    assert end["text_bytes"] == len("".join(line["text"] for line in lines if line["event"] == "text").encode()) > 0
