"""Records and requests that do not fit: this package's exceptions, with the received text, and a closed connection."""

import asyncio
import copy
import functools
import json
import pickle
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Optional

import pytest
from ask import read
from conftest import PATIENCE
from test_records import chat, lines

import towline

both = pytest.mark.parametrize("how", ["sync", "async"])
ODD = [{"done": False}, chat(5, "t"), {**chat("a", "t"), "message": 5}, {**chat("a", "t"), "message": None}, [1], 5, None, "x"]


@both
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_record_that_does_not_fit_is_a_protocol_error_with_what_came(player, how, odd):
    server = player(lines(chat("part ", "1")).splitlines()[0] + "\n" + json.dumps(odd) + "\n", ends=False)
    records, error = read(server.host, "m", how)
    assert type(error) is towline.ProtocolError and error.text == "part " and len(records) == 1
    assert server.connections[0].closed.wait(PATIENCE)
    assert "part" not in str(error)


@both
def test_what_a_hook_raises_is_its_own(player, how):
    def hook(record):
        raise ValueError("mine")

    _, error = read(player(lines(chat("a", "1"))).host, "m", how, on_record=hook)
    assert type(error) is ValueError


def test_hooks_see_requests_and_records(player):
    seen = []
    with towline.Client(
        player(lines(chat("a", "1"), chat("b", "2"))).host,
        on_request=lambda method, path, body: seen.append((method, path, body["model"])),
        on_record=lambda record: seen.append(record.message.content),
    ) as client:
        list(client.chat("m", [], stream=True))
    assert seen == [("POST", "/api/chat", "m"), "a", "b", ""]


def test_the_log_names_what_is_sent_and_repeats_nothing_of_it(player, caplog):
    caplog.set_level("DEBUG", "towline")
    host = player(lines(chat("a", "1"))).host
    with towline.Client(host) as client, towline.Engine(host) as engine:
        list(client.chat("m", [{"role": "user", "content": "secret"}], stream=True))
        engine.chat("m", "secret").result(PATIENCE)
    assert [record.getMessage() for record in caplog.records if record.name == "towline"] == [
        f"POST /api/chat at {host}",
        f"job 1: chat of m at {host}",
    ]


def answers(player, body):
    return towline.Client(player(json.dumps(body)).host)


def test_what_servers_leave_out_or_write_otherwise_is_taken(player):
    call = {"id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}
    whole = answers(player, {**chat("", "1"), "message": {"content": "x", "tool_calls": [call]}, "done": True}).chat("m", [])
    assert whole.message.role == "assistant" and whole.message.tool_calls[0].function.arguments == {"a": 1}
    assert answers(player, {"details": {}, "capabilities": ["completion"]}).show("m").modelinfo is None
    models = answers(player, {"models": [{"model": "a", "modified_at": "", "details": None}]}).list().models
    assert models[0].modified_at is None


@pytest.mark.parametrize("body", [{"embeddings": [[None, 0.5]]}, {"embeddings": None}, {"embedding": None}, [], 5])
def test_an_answer_that_does_not_fit_is_a_protocol_error(player, body):
    client = answers(player, body)
    with pytest.raises(towline.ProtocolError, match="does not fit"):
        client.embed("m", "x")
    with pytest.raises(towline.ProtocolError, match="does not fit"):
        client.embeddings("m", "x")


LONE = "caf\udce9 \ud83d\ude00 \ud83d"


@pytest.mark.parametrize("body", [{"model": "m", "embeddings": [[None, 0.5]]}, {"embeddings": None}, {"embedding": None}])
def test_vectors_of_nulls_are_a_protocol_error(player, body):
    client = answers(player, body)
    with pytest.raises(towline.ProtocolError):
        client.embed("m", "x") if "embeddings" in body else client.embeddings("m", "x")


def test_records_can_be_copied_pickled_and_dumped(fake):
    with towline.Client(fake) as client:
        whole, parts = client.chat("normal", []), list(client.chat("tools", [], stream=True))
    for thing in (whole, whole.message, *parts, parts[-1].message):
        assert copy.deepcopy(thing) == copy.copy(thing) == pickle.loads(pickle.dumps(thing)) == thing
        assert json.loads(thing.model_dump_json(exclude_none=True)) == thing.model_dump(mode="json", exclude_none=True)
        assert dict(thing) and thing.model_copy(update={"extra": 1}).extra == 1


def test_text_that_is_no_unicode_is_sent_repaired(player):
    server = player(lines(chat("a", "1")))
    client, message = towline.Client(server.host), {"role": "user", "content": LONE}
    tool = {"type": "function", "function": {"name": "f", "description": LONE}}
    for messages in ([message], [towline.Message(**message)]):
        list(client.chat("m", messages, stream=True, tools=[tool], options={"stop": [LONE]}))
    with towline.Engine(server.host) as engine:
        engine.chat("m", LONE).result(PATIENCE)
    bodies = [json.loads(connection.request.partition(b"\r\n\r\n")[2]) for connection in server.connections]
    assert [body["messages"][0]["content"] for body in bodies] == ["caf\ufffd 😀 \ufffd"] * 3
    assert bodies[0]["options"]["stop"] == ["caf\ufffd 😀 \ufffd"]


USER = {"role": "user", "content": "x"}
# An argument, and its message: which input, and what was wrong.
BAD_REQUESTS = [
    (lambda client: client.chat(""), "model: String should have at least 1 character"),
    (lambda client: client.chat("m", [USER, {**USER, "content": 5}]), "messages.1.content: Input should be a valid string"),
    (lambda client: client.chat("m", [USER, {"content": "x"}]), "messages.1.role: Field required"),
    (lambda client: client.chat("m", "x"), "messages must be a list, not of type str"),
    (lambda client: client.chat("m", USER), "messages must be a list, not of type dict"),
    (lambda client: client.chat("m", [5]), "messages.0: a message needs a role and content, and cannot be of type int"),
    (lambda client: client.chat("m", [{**USER, "images": ["nofile.png"]}]), "File nofile.png does not exist"),
    (lambda client: client.generate("m", "p", images=["/nowhere/a.png"]), "File /nowhere/a.png does not exist"),
    (lambda client: client.generate("m", "p", images=[Path("/nowhere/a")]), "the image /nowhere/a cannot be read: No such file"),
    (lambda client: client.generate("m", "p", images=["/"]), "the image / cannot be read: Is a directory"),
    (lambda client: client.generate("m", "p", images=["no image"]), "path to image file: 'no image' is neither"),
    (lambda client: client.generate("m", "p", images=[b"", 5]), "images.1: an image must be a path, bytes, base64 text or a data URL"),
    (lambda client: client.chat("m", [], options={"stop": object()}), "not JSON serializable"),
    (lambda client: client.chat("m", [], options={"temperature": float("nan")}), "Out of range float values"),
    (lambda client: client.chat("m", [], options=[1]), "sent: options: Input should be a valid dictionary or"),
    (lambda client: client.chat("m", [], keep_alive=[]), "keep_alive: Input should be a valid number or a valid string"),
    (lambda client: client.chat("m", [], tools=[iter]), "iter cannot be a tool"),
    (lambda client: client.chat("m", [], tools=[5]), "tools.0: Input should be a valid dictionary or instance of Tool"),
    (lambda client: client.chat("m", [], tools=5), "tools must be a list, not of type int"),
]


@pytest.mark.parametrize(("call", "said"), BAD_REQUESTS, ids=[said for _, said in BAD_REQUESTS])
def test_what_cannot_be_sent_is_a_request_error_that_says_what_and_why(fake, call, said):
    with towline.Client(fake) as client, pytest.raises(towline.RequestError) as raised:
        call(client)
    assert said in str(raised.value)
    assert "serialize" not in str(raised.value).replace("serializable", "") and "function-" not in str(raised.value)


BAD_OPTIONS = [
    ({"host": 5}, "host must be a str, not 5"),
    ({"host": "http://a b"}, '"a b" is not a host name or address'),
    ({"host": "localhost:99999"}, "99999 is not a port"),
    ({"relay": 5}, "relay must be a str, not 5"),
    ({"timeout": "x"}, "timeout must be seconds"),
    ({"timeout": -1}, "timeout must be a number of seconds, 0 or more, not -1"),
    ({"connect": "x"}, "connect must be a number of seconds, 0 or more, not 'x'"),
    ({"total": float("nan")}, "total must be a number of seconds, 0 or more, not nan"),
    ({"retries": -1}, "retries must be a whole number, 0 or more, not -1"),
    ({"retries": "x"}, "retries must be a whole number, 0 or more, not 'x'"),
    ({"resume": "x"}, 'resume must be "never", "continue" or a number of times'),
    ({"api": "x"}, "api must be one of 'auto', 'ollama', 'openai', not 'x'"),
    ({"headers": 5}, "headers must be a mapping of names to values, not of type int"),
]


@pytest.mark.parametrize(("options", "said"), BAD_OPTIONS, ids=[said for _, said in BAD_OPTIONS])
@pytest.mark.parametrize("cls", [towline.Client, towline.Engine])
def test_an_option_that_cannot_be_kept_is_a_request_error_that_names_it(cls, options, said):
    with pytest.raises(towline.RequestError) as raised:
        cls(**options)
    assert said in str(raised.value)


def test_what_an_engine_cannot_do_names_the_argument(fake):
    with pytest.raises(towline.RequestError, match="max_running must be a whole number, 0 or more, not 'x'"):
        towline.Engine(fake, max_running="x")
    with towline.Engine(fake) as engine:
        with pytest.raises(towline.RequestError, match="deadline must be a number of seconds, 0 or more, not 'x'"):
            engine.chat("m", "x", deadline="x")
        with pytest.raises(towline.RequestError, match="no relay is configured"):
            engine.attach("x")


NOBODY = "127.0.0.1:1"


REFUSED = [
    ({"host": NOBODY}, "Failed to connect to Ollama. ", "running and accessible. https://ollama.com/download (http://127.0.0.1:1 "),
    ({"host": None, "relay": NOBODY}, "Failed to connect to the relay: http://127.0.0.1:1 ", 'relay= is "own"'),
    ({"host": None, "relay": "unix:/nowhere"}, "to the relay: cannot connect to unix:/nowhere", "unix:/path"),
]


@both
@pytest.mark.parametrize(("asked", "said", "advice"), REFUSED)
def test_where_nobody_answers_the_message_has_the_address_and_what_to_do(how, asked, said, advice):
    _, error = read(model="m", how=how, **asked)
    assert isinstance(error, towline.ConnectError) and error.reason in str(error)
    assert said in str(error) and advice in str(error)


def test_so_it_has_in_calls_jobs_and_clients_of_httpx():
    def ask_engine():
        with towline.Engine(NOBODY, retries=0) as engine:
            engine.chat("m", "x").result(PATIENCE)

    for ask in (ask_engine, towline.Client(NOBODY).list, towline.Client(NOBODY, cookies={}).list):
        with pytest.raises(towline.ConnectError, match="Failed to connect to Ollama.*http://127.0.0.1:1") as raised:
            ask()
        assert raised.value.reason in str(raised.value)


def test_a_message_of_an_error_holds_no_prompt(fake):
    with towline.Client(fake) as client, pytest.raises(towline.RequestError) as raised:
        client.chat("m", [{"role": "user", "content": {"secret": "prompt"}}])
    assert "content" in str(raised.value) and "prompt" not in str(raised.value) and "secret" not in str(raised.value)


def test_a_data_url_is_an_image(player):
    server = player(json.dumps({"response": "x", "done": True}))
    towline.Client(server.host).generate("m", "p", images=["data:image/png;base64,aGk="])
    assert json.loads(server.connections[0].request.partition(b"\r\n\r\n")[2])["images"] == ["aGk="]


@pytest.mark.parametrize("verify", [False, "/nowhere/ca.pem", 5], ids=repr)
def test_a_verify_that_cannot_be_kept_is_a_request_error(verify):
    with pytest.raises(towline.RequestError):
        towline.Client("https://localhost", verify=verify)


def test_a_context_of_ssl_is_for_httpx():
    client = towline.Client("https://localhost", verify=ssl.create_default_context())
    assert type(client._client).__module__.startswith("httpx")


HANDLERS = """
import sys
import httpx
import towline as ollama
url = sys.argv[1]
def attempt(call, *errors):
    for error in errors:
        try: call()
        except error as raised: print(type(raised).__name__, error.__name__, isinstance(raised, ollama.TowlineError), bool(str(raised)))
message = [{"role": "user", "content": "x"}]
stream = lambda model, **options: lambda: list(ollama.Client(url, **options).chat(model, message, stream=True))
attempt(stream("never-answers", timeout=0.2), httpx.ReadTimeout, httpx.TimeoutException, httpx.HTTPError, TimeoutError)
attempt(stream("truncate-after:3"), httpx.RemoteProtocolError, httpx.TransportError, EOFError)
attempt(stream("reset-after:3"), httpx.ReadError, httpx.RemoteProtocolError, ConnectionError)
url = "http://127.0.0.1:1"
attempt(stream("m"), httpx.ConnectError, ConnectionError)
"""


def test_handlers_that_catch_what_httpx_raised_keep_working(fake):
    out = subprocess.run([sys.executable, "-c", HANDLERS, fake], capture_output=True, text=True, timeout=PATIENCE)
    rows = [line.split() for line in out.stdout.splitlines()]
    assert len(rows) == 12 and all(row[2:] == ["True", "True"] for row in rows), out.stdout + out.stderr


def test_exceptions_and_clients_can_be_copied_and_pickled(fake):
    with towline.Client(fake) as client:
        for again in (copy.copy(client), copy.deepcopy(client), pickle.loads(pickle.dumps(client))):
            assert again.chat("normal", []).done and again is not client
    with towline.Engine(fake) as engine:
        job = engine.chat("truncate-after:3", "x")
        assert job.wait(PATIENCE)
        error = job.exception
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) and again.text == error.text and again.job is None
    for error in (towline.ResponseError("no", 404), towline.ConnectError("no"), towline.ClosedError()):
        again = pickle.loads(pickle.dumps(error))
        assert isinstance(again, type(error)) and str(again) == str(error) and vars(again) == vars(error)


def add(a: int, b: "Optional[int]" = None) -> int:
    """Adds.

    Args:
        a: The first.
        b: The second.
    """
    return a


class Adder:
    def __call__(self, a: int) -> int:
        "Adds one."
        return a

    def method(self, a: int) -> int:
        "Adds two."
        return a


def with_local_type():
    class Shape:
        side: int

    def area(shape: "Shape", scale: float = 1.0) -> float:
        "Its area."
        return scale

    return area


@pytest.mark.parametrize(
    ("function", "name", "about", "asked"),
    [
        (add, "add", "Adds.", {"a": "integer", "b": "integer"}),
        (functools.partial(add, b=2), "add", "Adds.", {"a": "integer"}),
        (functools.partial(add, 1), "add", "Adds.", {"b": "integer"}),
        (Adder(), "Adder", "Adds one.", {"a": "integer"}),
        (Adder().method, "method", "Adds two.", {"a": "integer"}),
        (with_local_type(), "area", "Its area.", {"shape": "object", "scale": "number"}),
        (lambda x: x, "lambda", "", {"x": "string"}),
    ],
)
def test_anything_that_can_be_called_is_a_tool(function, name, about, asked):
    from towline._utils import convert_function_to_tool

    tool = convert_function_to_tool(function).function
    assert (tool.name, tool.description) == (name, about)
    assert {field: schema.type for field, schema in tool.parameters.properties.items()} == asked


def test_web_search_is_a_tool_with_the_words_that_models_know():
    from towline._utils import convert_function_to_tool

    tool = convert_function_to_tool(towline.web_search).function
    assert tool.description == "Performs a web search" and tool.parameters.required == ["query", "max_results"]
    assert tool.parameters.properties["max_results"].description == "The maximum number of results to return (default: 3)"
    assert convert_function_to_tool(towline.AsyncClient("x").web_fetch).function.name == "web_fetch"


def test_an_answer_that_follows_a_model_is_parsed(player):
    from pydantic import BaseModel

    class River(BaseModel):
        name: str
        length: int

    server = player(json.dumps({**chat('{"name": "Rhine", "length": 1230}', "1"), "done": True, "odd": 1}))
    answer = towline.Client(server.host).chat("m", [], format=River)
    assert answer.parsed == River(name="Rhine", length=1230) and answer.message.content and answer.odd == 1
    assert json.loads(server.connections[0].request.partition(b"\r\n\r\n")[2])["format"] == River.model_json_schema()
    client = answers(player, {**chat("no river", "1"), "done": True})
    with pytest.raises(towline.ProtocolError) as raised:
        client.chat("m", [], format=River)
    assert raised.value.text == "no river"


def test_an_unknown_argument_is_a_type_error(fake):
    with towline.Client(fake) as client:
        for call in (client.chat, client.generate, client.create):
            with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'modle'"):
                call("m", modle=1)


def test_texts_of_an_async_stream(fake):
    async def main():
        async with towline.AsyncClient(fake) as client:
            return [text async for text in (await client.chat("thinking", [], stream=True)).texts()]

    with towline.Client(fake) as client:
        assert asyncio.run(main()) == list(client.chat("thinking", [], stream=True).texts())
