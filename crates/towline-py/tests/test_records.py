"""The contents of a record: everything that the server sent, in every format."""

import asyncio
import copy
import itertools
import json
import pickle
import weakref

import pytest
from ask import MESSAGES, read, text

import towline

both = pytest.mark.parametrize("how", ["sync", "async"])


def chat(content, stamp, **more):
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    return {"model": "m", "created_at": stamp, "message": message, "done": False, **more}


def at(second):
    return f"2026-01-01T00:00:{second:02}.123456Z"


def lines(*records):
    last = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "eval_count": 3}
    # In Ollama's format.
    written = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in (*records, last)]
    return "".join(f"{record}\n" for record in written)


@both
@pytest.mark.parametrize("odd", ["\u0085", "\u2028", "\u2029", "\x0b\x0c", "\r\n", '"\\"', "é𝄞"])
def test_text_is_split_at_line_feeds_only(player, how, odd):
    server = player(lines(*[chat(f"{n}{odd}", f"t{n}") for n in range(4)]))
    records, error = read(server.host, "m", how)
    assert error is None and text(records) == "".join(f"{n}{odd}" for n in range(4))


@both
def test_blank_lines_are_passed_over(player, how):
    server = player("\n\n" + lines(chat("a", "1"), chat("b", "2")).replace("\n", "\r\n\n \n"))
    records, error = read(server.host, "m", how)
    assert error is None and text(records) == "ab"


@both
def test_a_character_cut_between_packets_is_whole(player, how):
    body = lines(chat("näh🚀", "1"), chat("b🚀", "2")).encode()
    server = player(*[body[at : at + 1] for at in range(len(body))])
    records, error = read(server.host, "m", how)
    assert error is None and text(records) == "näh🚀b🚀"


@pytest.mark.parametrize("unknown", [{}, {"remote_model": "big", "odd": [1, {"a": None}]}])
def test_copies_of_a_record_are_what_the_model_makes_of_it(player, unknown):
    sent = [chat(f"text {n}", f"2026-01-01T00:00:0{n}Z", **unknown) for n in range(5)]
    sent.insert(3, chat("", "2026-01-01T00:00:09Z", message={"thinking": "hm"}, **unknown))
    records, error = read(player(lines(*sent)).host, "m")
    assert error is None and len(records) == 7
    for record, was in zip(records, sent):
        validated = towline.ChatResponse(**was)
        assert type(record) is towline.ChatResponse and type(record.message) is towline.Message
        assert record.model_dump() == validated.model_dump()
        assert record.model_dump_json() == validated.model_dump_json()
        assert record.model_dump(exclude_unset=True) == validated.model_dump(exclude_unset=True) == was
        assert record == validated and repr(record) == repr(validated) and dict(record) == dict(validated)
        for again in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record)), record.model_copy()):
            assert again == validated


def test_a_record_has_its_own_timestamp_and_nothing_of_what_was_done_to_another(player):
    stamps = ["1", "1", "2", "2", "1", "1"]
    seen = []
    with towline.Client(player(lines(*[chat("a", stamp) for stamp in stamps])).host) as client:
        for record in client.chat("m", MESSAGES, stream=True):
            seen.append((record.created_at, record.message.content, record.done_reason))
            record.created_at, record.message.content, record.done_reason, record.odd = "x", "x", "x", "x"
    assert seen == [*((stamp, "a", None) for stamp in stamps), (None, "", None)]


CHANGES = {
    "an attribute": lambda record: setattr(record, "done_reason", "x"),
    "an attribute of the message": lambda record: setattr(record.message, "thinking", "x"),
    "the text": lambda record: setattr(record.message, "content", record.message.content + "x"),
    "an item": lambda record: record.__setitem__("eval_count", 1),
    "a name of its own": lambda record: setattr(record, "odd", "x"),
    "a private name": lambda record: setattr(record, "_odd", "x"),
    "a field deleted": lambda record: delattr(record.message, "role"),
    "the dictionary": lambda record: vars(record).update(model="x"),
    "the dictionary replaced": lambda record: setattr(record, "__dict__", {"message": record.message}),
    "what has no field": lambda record: record.message.__pydantic_extra__.update(odd="x"),
    "which fields are set": lambda record: record.model_fields_set.clear(),
}


@both
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_done_to_a_record_that_was_dropped_is_not_in_a_later_one(player, how, change):
    sent = [chat(f" text {n}", at(second)) for n, second in enumerate([1, 1, 2, 2, 2, 3, 3, 3])]
    seen = []

    def look(record):
        seen.append((record.model_dump(), set(record.model_fields_set), repr(record), record._towline_fields.keys() - vars(record)))
        change(record)

    host = player(lines(*sent)).host
    if how == "sync":
        for record in towline.Client(host).chat("m", MESSAGES, stream=True):
            look(record)
    else:

        async def loop():
            async for record in await towline.AsyncClient(host).chat("m", MESSAGES, stream=True):
                look(record)

        asyncio.run(loop())
    expected = [towline.ChatResponse(**record) for record in sent]
    assert seen[:-1] == [(record.model_dump(), record.model_fields_set, repr(record), set()) for record in expected]


KEPT = {
    "the record": lambda record: record,
    "its message": lambda record: record.message,
    "its dictionary": lambda record: vars(record),
    "the message's dictionary": lambda record: vars(record.message),
    "a view of it": lambda record: vars(record.message).items(),
    "a bound method": lambda record: record.message.get,
    "a copy": copy.copy,
}


@pytest.mark.parametrize("keep", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("every", [1, 2, 3])
def test_what_is_kept_of_a_record_stays_as_it_is(player, keep, every):
    def shown(kept):
        return repr(kept("content")) if callable(kept) else repr(kept)

    kept, expected = [], []
    sent = [chat(f" text {n}", at(n // 3)) for n in range(12)]
    for n, record in enumerate(towline.Client(player(lines(*sent)).host).chat("m", MESSAGES, stream=True)):
        if n % every == 0:
            kept.append(keep(record))
            expected.append(shown(kept[-1]))
    assert [shown(one) for one in kept] == expected and len(set(expected)) > 1


def test_a_loop_over_records_makes_two_objects(player):
    sent = [chat(f" {n}", at(n)) for n in range(40)]
    stream = towline.Client(player(lines(*sent)).host).chat("m", MESSAGES, stream=True)
    # The model makes the first, and also the last.
    seen = [weakref.ref(record) for record in itertools.islice(stream, 1, 40)]
    assert len(seen) == 39 and len({id(one()) for one in seen}) == 2 and None not in [one() for one in seen]


def fresh(player):
    sent = [chat(f"text {n}", f"t{n}") for n in range(3)]
    return read(player(lines(*sent)).host, "m")[0][1]


@pytest.mark.parametrize(
    "use",
    [
        lambda record: record.model_dump() == towline.ChatResponse(**chat("text 1", "t1")).model_dump(),
        lambda record: record.model_dump_json() == towline.ChatResponse(**chat("text 1", "t1")).model_dump_json(),
        lambda record: list(dict(record)) == list(towline.ChatResponse.model_fields),
        lambda record: "done_reason=None" in repr(record) and "created_at='t1'" in str(record),
        lambda record: pickle.loads(pickle.dumps(record)).message.content == "text 1",
        lambda record: copy.copy(record).created_at == copy.deepcopy(record).created_at == "t1",
        lambda record: record.model_copy(update={"model": "n"}).model == "n",
        lambda record: record.done_reason is None and record.message.tool_calls is None,
        lambda record: record.model_fields_set == {"model", "created_at", "message", "done"},
        lambda record: record["message"]["content"] == "text 1" and record.get("eval_count", 7) is None,
        lambda record: "eval_count" not in record and "model" in record and "nothing" not in record,
        lambda record: not hasattr(record, "nothing") and record.get("nothing", 7) == 7,
        lambda record: setattr(record, "model", "n") is None and record["model"] == "n",
        lambda record: towline.ChatResponse.model_validate(record) is record,
        lambda record: towline.Message(**record.message.model_dump()) == record.message,
    ],
)
def test_the_first_use_of_a_copy_may_be_any(player, use):
    assert use(fresh(player))


def test_a_field_that_is_not_there_is_a_key_error(player):
    with pytest.raises(KeyError):
        fresh(player)["nothing"]


def test_a_received_message_is_sent_back_whole(player):
    call = {"id": "call_7", "function": {"index": 0, "name": "add", "arguments": {"b": 1, "a": 2}}}
    record = read(player(lines(chat("", "1", message={"tool_calls": [call]}))).host, "m")[0][0]
    assert record.message.tool_calls[0].id == "call_7"
    server = player(lines())
    answer = {"role": "tool", "content": "3", "tool_name": "add", "tool_call_id": "call_7"}
    towline.Client(server.host).chat("m", [*MESSAGES, record.message, answer])
    sent = json.loads(server.connections[0].request.partition(b"\r\n\r\n")[2])
    assert sent["messages"][1]["tool_calls"] == [call] and sent["messages"][2] == answer


def test_texts_are_the_answer_without_the_objects(fake):
    client = towline.Client(fake)
    for model in ("normal", "thinking", "unicode", "words:3000"):
        stream = client.chat(model, MESSAGES, stream=True)
        expected = [r.message.content for r in client.chat(model, MESSAGES, stream=True) if r.message.content]
        assert list(stream.texts()) == expected and expected


def test_a_long_line_is_one_record(fake):
    records, error = read(fake, "long-line:9MB")
    assert error is None and len(text(records)) > 8_000_000


def test_generate_and_pull_have_their_own_records(fake):
    client = towline.Client(fake)
    records = list(client.generate("normal", "Why?", stream=True))
    assert all(type(record) is towline.GenerateResponse for record in records) and records[-1].done
    assert "".join(record.response for record in records) == client.generate("normal", "Why?").response


def by_the_serializer(record):
    return type(record).__pydantic_serializer__.to_python(record)


@pytest.mark.parametrize("model", ["normal", "thinking", "tools", "unicode"])
def test_a_record_is_dumped_as_the_serializer_does_it(fake, model):
    with towline.Client(fake) as client:
        records = [*client.chat(model, MESSAGES, stream=True), *client.generate(model, "x", stream=True)]
        records += [client.chat(model, MESSAGES), client.chat(model, MESSAGES).message, towline.Message(role="user")]
    assert len(records) > 10
    for record in records:
        dumped, expected = record.model_dump(), by_the_serializer(record)
        assert dumped == expected and list(dumped) == list(expected)
        assert list(dumped.get("message", ())) == list(expected.get("message", ()))


@pytest.mark.parametrize("unknown", [{"a": 1}, {"a": None, "b": "c"}, {"a": {"b": [1]}}, {"message": {"d": 0.5}}])
def test_a_dump_has_what_no_field_is_for_and_is_the_callers_own(player, unknown):
    server = player(lines(*[chat("a", f"t{n}", **copy.deepcopy(unknown)) for n in range(3)]))
    for record in towline.Client(server.host).chat("m", MESSAGES, stream=True):
        dumped = record.model_dump()
        assert dumped == by_the_serializer(record)
        dumped["message"]["content"] = dumped["model"] = "changed"
        if "a" in dumped:
            dumped["a"] = "changed"
        assert "changed" not in str(record)
        record.message.content, record.done_reason = "mine", "stop"
        assert record.model_dump() == by_the_serializer(record) and record.model_dump()["message"]["content"] == "mine"


def test_a_class_that_says_how_it_is_dumped_is_asked():
    from pydantic import field_serializer

    class Loud(towline.Message):
        @field_serializer("content")
        def louder(self, content):
            return content.upper()

    loud = Loud(role="assistant", content="a")
    assert loud.model_dump()["content"] == "A"
    assert towline.ChatResponse(message=loud).model_dump() == by_the_serializer(towline.ChatResponse(message=loud))
