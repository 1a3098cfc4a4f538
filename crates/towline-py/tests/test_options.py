"""The options of a client beyond those of the package ``ollama``: retries, resuming, timeouts, dialects."""

import asyncio
import http.server
import itertools
import json
import threading
from types import SimpleNamespace

import pytest
from conftest import PATIENCE

import towline
from towline import _transport

MESSAGES = [{"role": "user", "content": "Count."}]


class Script:
    """A server that answers each request with a function of its path, its JSON and the number of earlier requests."""

    def __init__(self, answer):
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                script.asked.append((self.path, body))
                status, headers, lines = answer(self.path, body, len(script.asked) - 1)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write("".join(lines).encode())

            def log_message(self, *_):
                pass

        self.asked = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def script():
    made = []

    def make(answer):
        made.append(Script(answer))
        return made[-1]

    yield make
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def line(text, done=False):
    return json.dumps({"model": "m", "message": {"role": "assistant", "content": text}, "done": done}) + "\n"


def read(host, how, **options):
    """The texts of a stream's records, and of the whole answer."""
    if how == "sync":
        with towline.Client(host, **options) as client:
            records = list(client.chat("m", MESSAGES, stream=True))
            return records, client.chat("m", MESSAGES)

    async def main():
        async with towline.AsyncClient(host, **options) as client:
            records = [record async for record in await client.chat("m", MESSAGES, stream=True)]
            return records, await client.chat("m", MESSAGES)

    return asyncio.run(main())


both = pytest.mark.parametrize("how", ["sync", "async"])


def busy_at_first(path, body, before):
    if before == 0:
        return 503, {"Retry-After": "0"}, ['{"error":"busy"}']
    return 200, {}, [line("one", done=True)]


def test_a_busy_server_is_asked_again_if_requested(script):
    with pytest.raises(towline.ResponseError) as raised:
        list(towline.Client(script(busy_at_first).host).chat("m", MESSAGES, stream=True))
    assert raised.value.status_code == 503 and raised.value.retry_after == 0
    patient = script(busy_at_first)
    assert len(list(towline.Client(patient.host, retries=1).chat("m", MESSAGES, stream=True))) == 1
    assert len(patient.asked) == 2
    with towline.Engine(script(busy_at_first).host) as engine:
        assert engine.chat("m", "x").result(PATIENCE).text == "one"
    with towline.Engine(script(busy_at_first).host, retries=0) as engine, pytest.raises(towline.ResponseError):
        engine.chat("m", "x").result(PATIENCE)


def cut_once(path, body, before):
    if body.get("_debug_render_only"):
        return 200, {}, [json.dumps({"model": "m", "_debug_info": {"rendered_template": "PROMPT:"}})]
    if path == "/api/chat":
        return 200, {}, [line("one "), line("two ")]
    assert body["raw"] and body["prompt"] == "PROMPT:one two "
    end = {"model": "m", "response": "", "done": True, "done_reason": "stop", "eval_count": 2}
    return 200, {}, [json.dumps({"model": "m", "response": text}) + "\n" for text in ("three ", "four")] + [json.dumps(end)]


@pytest.mark.parametrize("resume", ["continue", 1])
def test_a_cut_answer_is_continued_if_requested(script, resume):
    with pytest.raises(towline.TruncatedError) as raised:
        list(towline.Client(script(cut_once).host).chat("m", MESSAGES, stream=True))
    assert raised.value.text == "one two "
    records = list(towline.Client(script(cut_once).host, resume=resume).chat("m", MESSAGES, stream=True))
    assert "".join(record.message.content for record in records) == "one two three four"
    assert records[-1].done and records[-1].done_reason == "stop" and all(record.message.role for record in records)
    with towline.Engine(script(cut_once).host, resume=resume) as engine:
        assert engine.chat("m", "Count.").result(PATIENCE).text == "one two three four"


@pytest.mark.parametrize("bad", ["sometimes", -1, None])
def test_a_resume_that_means_nothing_is_refused(bad):
    with pytest.raises(towline.RequestError, match="resume must be"):
        towline.Client("x", resume=bad)


@pytest.mark.parametrize(
    ("model", "timeouts"),
    [
        ("never-answers", {"first_event": 0.1}),
        ("stall-after:3", {"idle": 0.1}),
        ("slow:100:10000", {"total": 0.2}),
        ("never-answers", {"timeout": None, "first_event": 0.1}),
    ],
)
def test_each_clock_ends_a_stream(fake, model, timeouts):
    with towline.Client(fake, **timeouts) as client, pytest.raises(towline.TimedOutError):
        list(client.chat(model, [], stream=True))
    with towline.Engine(fake, **timeouts) as engine:
        job = engine.chat(model, "x")
        assert job.wait(PATIENCE) and job.state == "timed_out" and job.outcome.clock in timeouts


class OneAndBlanks:
    """A record, and then endless blank lines, which are not records."""

    def __iter__(self):
        return itertools.chain([line("one").encode()], itertools.repeat(b"\n"))


def test_bytes_that_make_no_record_run_out_of_the_records_clock(player):
    server = player()
    server.pieces = OneAndBlanks()
    with towline.Client(server.host, idle=PATIENCE, record=0.2) as client, pytest.raises(towline.TimedOutError) as raised:
        list(client.chat("m", MESSAGES, stream=True))
    assert raised.value.text == "one"
    with towline.Engine(server.host, idle=PATIENCE, record=0.2) as engine:
        job = engine.chat("m", "x")
        assert job.wait(PATIENCE) and job.outcome.clock == "record" and job.text == "one"


@pytest.mark.parametrize(
    ("timeout", "timeouts"),
    [
        (_transport.DEFAULT, (10.0, 1200.0, 300.0, 1200.0)),
        (30, (30, 30, 30, 1200.0)),
        ((5, 60), (5, 60, 60, 1200.0)),
        (SimpleNamespace(connect=1, read=5), (1, 5, 5, 1200.0)),
        ((5, None), (5, None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_what_a_timeout_says_of_each_clock(timeout, timeouts):
    assert _transport.timeouts(timeout) == dict(zip(("connect", "first_event", "idle", "record"), timeouts))


def openai_only(path, body, before):
    if path != "/v1/chat/completions":
        return 404, {"Content-Type": "text/plain"}, ["404 page not found"]
    deltas = [{"role": "assistant", "reasoning_content": "hm"}, {"content": "one "}, {"content": "two "}, {"content": "three"}]
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    chunks = [{"model": "m", "choices": [{"index": 0, "delta": delta}]} for delta in (*deltas, {"tool_calls": [call]})]
    chunks.append({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({"model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    return 200, {"Content-Type": "text/event-stream"}, [*(f"data: {json.dumps(c)}\n\n" for c in chunks), "data: [DONE]\n\n"]


@both
@pytest.mark.parametrize("api", ["auto", "openai"])
def test_a_server_that_speaks_only_openais_dialect(script, how, api):
    server = script(openai_only)
    records, whole = read(server.host, how, api=api)
    assert all(type(record) is towline.ChatResponse and record.message.role == "assistant" for record in records)
    assert [record.message.content for record in records if record.message.content] == ["one ", "two ", "three"]
    assert records[-1].done and (records[-1].prompt_eval_count, records[-1].eval_count) == (3, 4)
    assert whole.done and whole.message.content == "one two three" and whole.message.thinking == "hm"
    assert whole.message.tool_calls[0].function.arguments == {"a": 1} and whole.done_reason == records[-1].done_reason
    assert len([path for path, _ in server.asked if path == "/api/chat"]) == (1 if api == "auto" else 0)
    with towline.Engine(server.host) as engine:
        assert engine.chat("m", "Count.").result(PATIENCE).text == "one two three"


def test_the_drop_in_speaks_ollamas_dialect_alone(script):
    with pytest.raises(towline.ResponseError) as raised:
        read(script(openai_only).host, "sync")
    assert raised.value.status_code == 404
    with pytest.raises(ValueError, match="api must be one of"):
        towline.Client("x", api="gemini")


def thinks_in_its_text(path, body, before):
    texts = ["<think>", "hm", "</think>", "yes"]
    if path == "/api/chat":
        return 200, {}, [*map(line, texts), line("", done=True)] if body["stream"] else [line("".join(texts), done=True)]
    chunks = [{"model": "m", "choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    return 200, {"Content-Type": "text/event-stream"}, [*(f"data: {json.dumps(c)}\n\n" for c in chunks), "data: [DONE]\n\n"]


@both
@pytest.mark.parametrize("api", ["ollama", "openai"])
@pytest.mark.parametrize("keep", [True, False])
def test_thinking_inside_the_text_is_separated_unless_it_is_kept(script, how, api, keep):
    server = script(thinks_in_its_text)
    wanted = ("<think>hm</think>yes", "") if keep else ("yes", "hm")
    records, whole = read(server.host, how, api=api, keep_think_tags=keep)
    for answer in (records, [whole]):
        found = "".join(r.message.content or "" for r in answer), "".join(r.message.thinking or "" for r in answer)
        assert found == wanted
    with towline.Engine(server.host, api=api, keep_think_tags=keep) as engine:
        reply = engine.chat("m", "x").result(PATIENCE)
        assert (reply.text, reply.thinking) == wanted


def test_whole_answers_without_a_thought_at_their_start_stay(script):
    texts = {"open": "<think>hm", "later": "a <think>b</think>", "told": "<think>a</think>"}

    def answer(path, body, before):
        told = {"thinking": "t"} if body["model"] == "told" else {}
        return 200, {}, [json.dumps({"model": "m", "response": texts[body["model"]], "done": True, **told})]

    with towline.Client(script(answer).host) as client:
        found = {model: client.generate(model, "x") for model in texts}
    assert {model: (each.thinking, each.response) for model, each in found.items()} == {
        "open": ("hm", ""),
        "later": (None, texts["later"]),
        "told": ("t", texts["told"]),
    }


def test_a_timeout_that_is_none_says_what_one_is():
    with pytest.raises(towline.RequestError, match="timeout must be seconds, .* not 'soon'"):
        towline.Client(timeout="soon")
