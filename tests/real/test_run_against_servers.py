"""`towline run` and the model commands against real servers: the built-in model's, llama.cpp's, and, where OLLAMA_HOST
names one that answers, a real Ollama."""

import json
import os
import signal
import subprocess

import httpx
import pytest

from conftest import BROOK, start_llamacpp, start_towline

TOWLINE = os.environ.get("TOWLINE_BIN", "towline")
QUESTION = "What is a river?"


class Server:
    def __init__(self, url, model, speaks_ollama):
        self.url, self.model, self.speaks_ollama = url, model, speaks_ollama

    def command(self, verb, *arguments, model=True):
        named = ["-m", self.model] if model else []
        return [TOWLINE, verb, "--host", self.url, *named, *arguments]


def real_ollama():
    """The real Ollama at OLLAMA_HOST, if there is one with a model."""
    host = os.environ.get("OLLAMA_HOST")
    if not host:
        return None
    url = host if "://" in host else f"http://{host}"
    try:
        models = httpx.get(f"{url}/api/tags", timeout=5).json()["models"]
    except (httpx.HTTPError, ValueError, KeyError):
        return None
    return Server(url, models[0]["name"], True) if models else None


REAL_OLLAMA = real_ollama()


@pytest.fixture(scope="module", params=["towline", "llamacpp"] + (["ollama"] if REAL_OLLAMA else []))
def server(request):
    if request.param == "towline":
        with start_towline() as url:
            yield Server(url, "brook", True)
    elif request.param == "llamacpp":
        with start_llamacpp(BROOK) as url:
            yield Server(url, "brook", False)
    else:
        yield REAL_OLLAMA


def run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **more)


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_prompt_streams_to_its_end(server):
    result = run(server.command("run", "--json", "-o", "temperature=0", QUESTION))
    records = lines(result)
    assert result.returncode == 0, result
    assert records[0]["event"] == "start" and records[-1]["event"] == "end"
    text = "".join(record["text"] for record in records if record["event"] == "text")
    end = records[-1]
    assert (end["outcome"], end["reason"], end["error"]) == ("completed", "stop", None)
    assert end["text_bytes"] == len(text.encode()) > 20
    assert len([record for record in records if record["event"] == "text"]) > 5, "one line for each record"
    assert end["usage"] is not None


def test_text_in_a_pipe_is_the_text_of_the_records(server):
    options = ["-o", "temperature=0"]
    text = run(server.command("run", *options, QUESTION))
    records = lines(run(server.command("run", "--json", *options, QUESTION)))
    assert text.returncode == 0
    assert text.stdout.rstrip("\n") == "".join(r["text"] for r in records if r["event"] == "text").rstrip("\n")


def test_the_token_limit_is_a_reason(server):
    end = lines(run(server.command("run", "--json", "-o", "num_predict=3", QUESTION)))[-1]
    assert (end["outcome"], end["reason"]) == ("completed", "length")


def test_a_deadline_ends_with_124(server):
    result = run(server.command("run", "--json", "--timeout", "1ms", "Tell me a story."))
    assert result.returncode == 124
    assert lines(result)[-1]["outcome"] == "timed_out"


def test_a_missing_model_says_what_to_do():
    with start_towline() as url:
        result = run([TOWLINE, "run", "--host", url, "-m", "no-such-model", QUESTION])
    assert result.returncode == 1
    assert "no-such-model" in result.stderr and "pull" in result.stderr


def test_models_are_listed_and_shown(server):
    if not server.speaks_ollama:
        return
    listed = run(server.command("list", model=False))
    assert listed.returncode == 0 and server.model.split(":")[0] in listed.stdout
    shown = run(server.command("show", server.model, model=False))
    assert shown.returncode == 0, shown.stderr


@pytest.fixture()
def slow_server():
    """The built-in model, with a limited rate so that a test can interrupt a stream in the middle."""
    command = [TOWLINE, "serve", "--listen", "127.0.0.1:0", "--rate", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split(" on ")[1].strip()
        try:
            yield process, url
        finally:
            process.kill()


def start_story(url):
    """A stream that is certainly in the middle: its first text has arrived."""
    command = [TOWLINE, "run", "--json", "--host", url, "-m", "brook", "Tell me a story about an otter."]
    stream = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    seen = []
    for line in stream.stdout:
        seen.append(json.loads(line))
        if seen[-1]["event"] == "text":
            return stream, seen
    raise AssertionError(f"no text came: {seen}")


def rest_of(stream, seen):
    seen += [json.loads(line) for line in stream.stdout]
    return stream.wait(timeout=30), seen


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_and_keeps_the_text(slow_server, stop, status):
    stream, seen = start_story(slow_server[1])
    stream.send_signal(stop)
    code, records = rest_of(stream, seen)
    assert code == status
    assert records[-1]["outcome"] == "cancelled" and records[-1]["text_bytes"] > 0


def test_a_server_that_is_killed_truncates(slow_server):
    process, url = slow_server
    stream, seen = start_story(url)
    process.kill()
    code, records = rest_of(stream, seen)
    end = records[-1]
    assert (code, end["outcome"]) in ((3, "truncated"), (1, "failed")), end
    assert end["error"]["fault"] == "transport" and end["text_bytes"] > 0
