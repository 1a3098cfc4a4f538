#!/usr/bin/env python3
"""An independent decoder of the corpus: what a correct reader makes of each stream.

    make_expected.py FILE.stream ...   write FILE.expected.json next to each
    make_expected.py --check           compare every case in the corpus; exit 1 on a difference

It shares no code with the Rust reader, so the two check each other. README.md says what the rules are.
"""

import json
import re
import sys
from pathlib import Path

CORPUS = Path(__file__).parent
SURROGATE = re.compile("[\ud800-\udfff]")
OLLAMA_USAGE = {
    "prompt_eval_count": "prompt_tokens",
    "eval_count": "completion_tokens",
    "prompt_eval_cached_count": "cached_tokens",
    "total_duration": "total_ns",
    "load_duration": "load_ns",
    "prompt_eval_duration": "prompt_ns",
    "eval_duration": "completion_ns",
}
PROGRESS = ("status", "digest", "completed", "total")


class Failed(Exception):
    """The stream ends as failed."""


class Incomplete(Exception):
    """The bytes end inside a record."""


def parse(raw, last):
    """One record. Of the last bytes without a line end, what could still become a record is incomplete."""
    text = raw.decode("utf-8", "replace")
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        if last and could_go_on(text, error):
            raise Incomplete from None
        raise Failed from None
    if not isinstance(record, dict):
        raise Failed
    return record, text.count("\ufffd") - raw.count("\ufffd".encode())


def could_go_on(text, error):
    """Whether text is the beginning of JSON: the error is at its end, or inside its last string or word."""
    rest = text[error.pos :]
    if error.msg.startswith(("Unterminated string", "Invalid \\uXXXX", "Invalid \\escape")):
        return "\n" not in rest
    return rest.strip() == "" or any(word.startswith(rest) for word in ("true", "false", "null", "-"))


def lines_of(body):
    """NDJSON: the lines, each with whether it is the last and lacks its line end."""
    pieces = body.split(b"\n")
    for nth, piece in enumerate(pieces):
        if piece.strip():
            yield piece, nth == len(pieces) - 1


def events_of(body):
    """SSE: the data of each event, with whether the event is cut off by the end of the body."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    lines = re.split(rb"\r\n|\r|\n", body)
    data, unfinished = [], lines[-1] != b""
    for nth, line in enumerate(lines):
        last = nth == len(lines) - 1
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        if (line == b"" or last) and b"".join(data):
            yield b"\n".join(data), last and unfinished
            data = []
        elif line == b"":
            data = []


def raise_error_of(record):
    error = record.get("error")
    if error is None:
        return
    if isinstance(error, dict):
        error = error.get("message", error)
    raise Failed(error if isinstance(error, str) else json.dumps(error, ensure_ascii=False))


def whole(number):
    return int(number) if isinstance(number, float) else number


def clean(text):
    """Half a surrogate pair is no text."""
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return SURROGATE.sub("\ufffd", joined)


def logprobs(entries):
    keep = lambda entry: {"token": clean(entry["token"]), "logprob": entry["logprob"]}
    return [keep(entry) | {"top": [keep(top) for top in entry.get("top_logprobs") or []]} for entry in entries]


class Reading:
    """What was read so far."""

    def __init__(self):
        self.events, self.records, self.replaced = [], 0, 0
        self.complete, self.reason = False, None

    def record(self, raw, last):
        record, replaced = parse(raw, last)
        self.records += 1
        self.replaced += replaced
        return record

    def end(self, reason):
        self.complete, self.reason = True, reason or None


def ollama(body, field, reading):
    add = reading.events.append
    for raw, last in lines_of(body):
        record = reading.record(raw, last)
        raise_error_of(record)
        part = record if field == "response" else record.get("message") or {}
        if part.get("thinking"):
            add({"thinking": clean(part["thinking"])})
        if part.get(field):
            add({"text": clean(part[field])})
        for call in part.get("tool_calls") or []:
            name, arguments = call["function"]["name"], call["function"].get("arguments") or {}
            add({"tool_call": {"id": call.get("id"), "name": name, "arguments": arguments}})
        if record.get("logprobs"):
            add({"logprobs": logprobs(record["logprobs"])})
        if record.get("done") is True:
            usage = {name: whole(record[key]) for key, name in OLLAMA_USAGE.items() if key in record}
            reading.events += [{"usage": usage}] if usage else []
            return reading.end(record.get("done_reason"))


def progress(body, reading):
    for raw, last in lines_of(body):
        record = reading.record(raw, last)
        raise_error_of(record)
        known = {key: whole(record[key]) for key in PROGRESS if record.get(key) is not None}
        reading.events.append({"progress": known})
        if record.get("status") == "success":
            return reading.end("success")


def openai(body, reading):
    add, calls = reading.events.append, {}
    for raw, last in events_of(body):
        if raw.strip() == b"[DONE]":
            reading.records += 1
            reading.events += finished(calls)
            return reading.end(reading.reason)
        if last and b"[DONE]".startswith(raw.strip()):
            raise Incomplete
        record = reading.record(raw, last)
        raise_error_of(record)
        for choice in record.get("choices") or []:
            delta = choice.get("delta") or {}
            thinking = delta.get("reasoning_content") or delta.get("reasoning")
            if thinking:
                add({"thinking": clean(thinking)})
            if delta.get("content"):
                add({"text": clean(delta["content"])})
            for piece in delta.get("tool_calls") or []:
                call = calls.setdefault(piece.get("index", 0), {"id": None, "name": "", "arguments": ""})
                function = piece.get("function") or {}
                call["id"] = call["id"] or piece.get("id")
                call["name"] += function.get("name") or ""
                call["arguments"] += function.get("arguments") or ""
            if (choice.get("logprobs") or {}).get("content"):
                add({"logprobs": logprobs(choice["logprobs"]["content"])})
            if choice.get("finish_reason"):
                reading.events += finished(calls)
                reading.end(reading.reason or choice["finish_reason"])
        usage = record.get("usage")
        if usage:
            counts = {key: whole(usage[key]) for key in ("prompt_tokens", "completion_tokens") if key in usage}
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
            add({"usage": counts | ({} if cached is None else {"cached_tokens": cached})})


def finished(calls):
    """The assembled tool calls, in order of their index; each is given out once."""
    done = []
    for _, call in sorted(calls.items()):
        try:
            call["arguments"] = json.loads(call["arguments"] or "{}")
        except json.JSONDecodeError:
            pass
        done.append({"tool_call": call})
    calls.clear()
    return done


DECODERS = {
    "ollama-chat": lambda body, reading: ollama(body, "content", reading),
    "ollama-generate": lambda body, reading: ollama(body, "response", reading),
    "ollama-pull": progress,
    "ollama-push": progress,
    "ollama-create": progress,
    "openai-chat": openai,
}


def expected(dialect, body):
    reading, error = Reading(), None
    try:
        DECODERS[dialect](body, reading)
    except Incomplete:
        pass
    except Failed as failed:
        error = str(failed)
    # An answer that was complete stays complete, whatever follows.
    end = {"ending": "completed" if reading.complete else "failed" if error is not None else "truncated"}
    end["reason"] = reading.reason
    if error and not reading.complete:
        end["error_contains"] = error
    result = {"events": reading.events} | end | {"records": reading.records}
    return result | ({"replaced_utf8": reading.replaced} if reading.replaced else {})


def show(value):
    """One event a line, so that a difference is read at a glance."""
    events = ",\n".join("    " + json.dumps(event, ensure_ascii=False) for event in value["events"])
    rest = {key: kept for key, kept in value.items() if key != "events"}
    listed = f"[\n{events}\n  ]" if events else "[]"
    tail = ",\n  ".join(f"{json.dumps(key)}: {json.dumps(kept, ensure_ascii=False)}" for key, kept in rest.items())
    return f'{{\n  "events": {listed},\n  {tail}\n}}\n'


def main():
    checking = sys.argv[1:] == ["--check"]
    streams = sorted(CORPUS.glob("*/*.stream")) if checking else [Path(name) for name in sys.argv[1:]]
    wrong = 0
    for stream in streams:
        found = expected(stream.resolve().parent.name, stream.read_bytes())
        file = stream.with_suffix(".expected.json")
        if not checking:
            file.write_text(show(found), encoding="utf-8")
            continue
        wanted = json.loads(file.read_text(encoding="utf-8"))
        message = wanted.get("error_contains", "")
        if message and message in found.get("error_contains", ""):
            found["error_contains"] = message
        if found != wanted:
            wrong += 1
            print(f"{stream}\n  wanted {json.dumps(wanted)}\n  found  {json.dumps(found)}")
    print(f"{len(streams)} streams, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
