#!/usr/bin/env python3
"""An independent decoder of the corpus: a correct reading of each stream.

    make_expected.py FILE.stream ...   write FILE.expected.json next to each
    make_expected.py --captured        write captured/meaning.json
    make_expected.py --check           compare every case in the corpus; exit 1 on a difference

It shares no code with the Rust reader, so the two check each other. README.md has the rules.
"""

import io
import json
import re
import sys
from bisect import bisect_left
from http.client import HTTPResponse, IncompleteRead
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


TITLE = re.compile("<(title|h1)[^>]*>(.*?)</", re.DOTALL | re.IGNORECASE)


class Failed(Exception):
    """The stream ends as failed."""


class Incomplete(Exception):
    """The bytes end inside a record."""


def parse(raw, last):
    """One record. The last bytes, if they have no line end and could still become a record, are incomplete."""
    text = raw.decode("utf-8", "replace")
    if text.startswith("<"):
        raise Failed(page(text))
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        if last and could_go_on(text, error):
            raise Incomplete from None
        raise Failed from None
    if not isinstance(record, dict):
        raise Failed
    return record, text.count("\ufffd") - raw.count("\ufffd".encode())


def page(text):
    """A web page is reported by its title."""
    title = TITLE.search(text)
    return title[2].strip() if title else re.sub("<[^>]*>", " ", text).strip()


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
    """A lone surrogate is not text."""
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return SURROGATE.sub("\ufffd", joined)


def logprobs(entries):
    keep = lambda entry: {"token": clean(entry["token"]), "logprob": entry["logprob"]}
    return [keep(entry) | {"top": [keep(top) for top in entry.get("top_logprobs") or []]} for entry in entries]


class Reading:
    """The parts read so far."""

    def __init__(self):
        self.events, self.records, self.replaced = [], 0, 0
        self.not_understood = 0
        self.complete, self.reason = False, None

    def record(self, raw, last, known):
        """The next record; `known` are the fields of which it must have one, unless it is an error."""
        record, replaced = parse(raw, last)
        self.replaced += replaced
        if any(key in record for key in (*known, "error")):
            self.records += 1
        else:
            self.not_understood += 1
        return record

    def end(self, reason):
        self.complete, self.reason = True, reason or None


def ollama(body, field, reading):
    add = reading.events.append
    for raw, last in lines_of(body):
        record = reading.record(raw, last, ("message", "response", "done"))
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
        record = reading.record(raw, last, PROGRESS)
        raise_error_of(record)
        known = {key: whole(record[key]) for key in PROGRESS if record.get(key) is not None}
        reading.events.append({"progress": known})
        if record.get("status") == "success":
            return reading.end("success")


def openai(body, reading):
    add, calls, gave_up = reading.events.append, {}, False
    # An answer that was not streamed is one record.
    whole_body = body.startswith(b"{")
    for raw, last in [(body, True)] if whole_body else events_of(body):
        if raw.strip() == b"[DONE]":
            reading.records += 1
            if reading.records == 1:
                raise Failed("without a single record")
            reading.events += finished(calls)
            return reading.end(reading.reason)
        if last and b"[DONE]".startswith(raw.strip()):
            raise Incomplete
        record = reading.record(raw, last, ("choices", "usage", "object"))
        raise_error_of(record)
        # Ollama abandons an answer whose model runner was killed with a chunk without a model's name.
        gave_up = record.get("model") == "" and record.get("system_fingerprint") == "fp_ollama"
        for choice in record.get("choices") or []:
            delta = choice.get("delta") or choice.get("message") or choice
            thinking = delta.get("reasoning_content") or delta.get("reasoning")
            if thinking:
                add({"thinking": clean(thinking)})
            text = delta.get("content") or delta.get("text")
            if text:
                add({"text": clean(text)})
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
    if gave_up and not reading.complete:
        raise Failed("abandoned the answer")


def finished(calls):
    """The assembled tool calls, in order of their index; each is yielded once."""
    done = []
    for _, call in sorted(calls.items()):
        try:
            call["arguments"] = json.loads(call["arguments"] or "{}")
        except json.JSONDecodeError:
            pass
        done.append({"tool_call": call})
    calls.clear()
    return done


def token_counts(usage):
    counts = {"prompt_tokens": usage["input_tokens"], "completion_tokens": usage["output_tokens"]}
    cached = usage.get("input_tokens_details", {}).get("cached_tokens")
    return {"usage": counts | ({} if cached is None else {"cached_tokens": cached})}


def responses(body, reading):
    """The part of OpenAI's responses that the captures use."""
    for raw, last in events_of(body):
        record = reading.record(raw, last, ("type",))
        if record["type"] == "response.output_text.delta":
            reading.events.append({"text": record["delta"]})
        if record["type"] == "response.completed":
            reading.events.append(token_counts(record["response"]["usage"]))
            return reading.end("stop")


def messages(body, reading):
    """The part of Anthropic's messages that the captures use."""
    reason = None
    for raw, last in events_of(body):
        record = reading.record(raw, last, ("type",))
        if record["type"] == "content_block_delta":
            reading.events.append({"text": record["delta"]["text"]})
        if record["type"] == "message_delta":
            reason = {"max_tokens": "length", "end_turn": "stop"}[record["delta"]["stop_reason"]]
            reading.events.append(token_counts(record["usage"]))
        if record["type"] == "message_stop":
            return reading.end(reason)


DECODERS = {
    "ollama-chat": lambda body, reading: ollama(body, "content", reading),
    "ollama-generate": lambda body, reading: ollama(body, "response", reading),
    "ollama-pull": progress,
    "ollama-push": progress,
    "ollama-create": progress,
    "openai-chat": openai,
    "openai-responses": responses,
    "anthropic-messages": messages,
}
# The kind of request of a POST to each path.
DIALECTS = {
    "/api/chat": "ollama-chat",
    "/api/generate": "ollama-generate",
    "/api/pull": "ollama-pull",
    "/api/push": "ollama-push",
    "/api/create": "ollama-create",
    "/v1/chat/completions": "openai-chat",
    "/v1/completions": "openai-chat",
    "/v1/responses": "openai-responses",
    "/v1/messages": "anthropic-messages",
}


def expected(dialect, body):
    reading, error = Reading(), None
    try:
        if body.lstrip().startswith(b"<"):
            raise Failed(page(body.decode("utf-8", "replace")))
        DECODERS[dialect](body, reading)
    except Incomplete:
        pass
    except Failed as failed:
        error = str(failed)
    # A complete answer stays complete, whatever follows.
    end = {"ending": "completed" if reading.complete else "failed" if error is not None else "truncated"}
    end["reason"] = reading.reason
    if error and not reading.complete:
        end["error_contains"] = error
    result = {"events": reading.events} | end | {"records": reading.records}
    rare = {"not_understood": reading.not_understood, "replaced_utf8": reading.replaced}
    return result | {key: count for key, count in rare.items() if count}


def show(value):
    """One event per line, so that a difference is easy to see."""
    events = ",\n".join("    " + json.dumps(event, ensure_ascii=False) for event in value["events"])
    rest = {key: kept for key, kept in value.items() if key != "events"}
    listed = f"[\n{events}\n  ]" if events else "[]"
    tail = ",\n  ".join(f"{json.dumps(key)}: {json.dumps(kept, ensure_ascii=False)}" for key, kept in rest.items())
    return f'{{\n  "events": {listed},\n  {tail}\n}}\n'


class Socket:
    """Recorded bytes, for http.client."""

    def __init__(self, recorded):
        self.recorded = recorded

    def makefile(self, _mode):
        return io.BytesIO(self.recorded)


def words_of(error):
    """The server's message in the body of an error response, which may be JSON in JSON."""
    try:
        error = json.loads(error)
    except (json.JSONDecodeError, TypeError):
        pass
    if isinstance(error, dict):
        return words_of(error.get("error") or error["message"])
    return error.strip()


def meaning(request):
    """The meaning of a captured exchange: for a stream all events of each kind together, for an error its message."""
    method, path, _ = request.read_bytes().split(b"\r\n")[0].decode().split()
    response = HTTPResponse(Socket(request.with_suffix(".response").read_bytes()), method=method)
    response.begin()
    try:
        body = response.read()
    except IncompleteRead as cut:
        body = cut.partial
    said = {"status": response.status}
    if response.status >= 400:
        return said | {"error": words_of(body.decode())}
    dialect = DIALECTS.get(path) if method == "POST" else None
    if dialect is None:
        return said
    read = lambda length: expected(dialect, body[:length])
    whole = read(len(body))
    said |= {"ending": whole["ending"], "reason": whole["reason"], "records": whole["records"]}
    if whole["ending"] == "completed":
        is_complete = lambda length: read(length)["ending"] == "completed"
        said["complete_at"] = bisect_left(range(len(body) + 1), True, key=is_complete)
    if "error_contains" in whole:
        said["error"] = words_of(whole["error_contains"])
    of_kind = lambda kind: [event[kind] for event in whole["events"] if kind in event]
    for kind in ("text", "thinking"):
        said |= {kind: "".join(of_kind(kind))} if of_kind(kind) else {}
    for kind in ("tool_call", "usage"):
        said |= {kind: of_kind(kind)[-1]} if of_kind(kind) else {}
    if of_kind("progress"):
        said["progress"] = [of_kind("progress")[0], of_kind("progress")[-1]]
    return said


def show_meanings():
    """One exchange per line."""
    requests = sorted((CORPUS / "captured").glob("*/*.request"))
    lines = [f"{json.dumps(f'{file.parent.name}/{file.stem}')}: {json.dumps(meaning(file), ensure_ascii=False)}" for file in requests]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    meanings = CORPUS / "captured" / "meaning.json"
    if sys.argv[1:] == ["--captured"]:
        meanings.write_text(show_meanings(), encoding="utf-8")
        return 0
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
    if checking and show_meanings() != meanings.read_text(encoding="utf-8"):
        wrong += 1
        print(f"{meanings} differs")
    print(f"{len(streams)} streams, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
