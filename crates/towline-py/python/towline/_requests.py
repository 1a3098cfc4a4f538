"""The requests of clients and engines: one function for each request with its own arguments."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, Mapping, Optional, Sequence, Type, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from ._errors import ProtocolError, RequestError, bad_request, odd_record, response_error
from ._model import is_about_surrogates, without_surrogates
from ._towline import split_thinking
from ._types import ChatRequest, CreateRequest, GenerateRequest, Image, Message, PullRequest, PushRequest, Tool

T = TypeVar("T", bound=BaseModel)

STREAMED = {
    "/api/chat": "chat",
    "/api/generate": "generate",
    "/api/pull": "pull",
    "/api/push": "push",
    "/api/create": "create",
}

if TYPE_CHECKING:
    from ._options import Tools


_OF_SERIALIZER = re.compile(r"\AError calling function `\w+`: \w+: ")
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def body(content: Any) -> bytes:
    """A request's JSON. Invalid Unicode is sent as U+FFFD."""
    try:
        text = _JSON.encode(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise bad_request(error) from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        sent: bytes = without_surrogates(text).encode()
        return sent


def build(make: Callable[[Any], Any], given: Any) -> Any:
    """Applies ``make`` to ``given``. Input that cannot be sent raises a `RequestError` that names the position."""
    try:
        try:
            return make(given)
        except ValidationError as error:
            if not is_about_surrogates(error):
                raise
            return make(without_surrogates(given))
    except PydanticSerializationError as error:
        # Before what one of our own serializers raised, pydantic says which function that is.
        raise bad_request(ValueError(_OF_SERIALIZER.sub("", str(error)))) from None
    except ValidationError as error:
        raise bad_request(error) from None


def json_of(cls: Type[BaseModel], /, **fields: Any) -> Dict[str, Any]:
    """The JSON of a plain request."""
    made: Dict[str, Any] = build(lambda given: cls(**given).model_dump(exclude_none=True), fields)
    return made


def answer(cls: Type[T], content: bytes, splits_thinking: bool = False) -> T:
    """The model of a whole answer. Invalid UTF-8 is repaired; an answer that is not JSON, or does not fit the model,
    raises a `ProtocolError`. With ``splits_thinking``, thinking between tags at the start of the text moves to
    ``thinking``.
    """
    try:
        parsed = json.loads(content.decode("utf-8", "replace"))
    except ValueError:
        start = content[:100].decode("utf-8", "replace")
        error = ProtocolError(f"the server sent something that is not JSON: {start!r}")
        error.kind, error.fault, error.may_have_had_effect = "protocol", "protocol", True
        raise error from None
    if isinstance(parsed, dict) and isinstance(parsed.get("error"), str):
        raise response_error(parsed["error"], -1)
    if splits_thinking and "<think>" in text_in(parsed):
        split_thinking_in(parsed)
    try:
        return cls.model_validate(parsed)
    except ValidationError as error:
        raise odd_record(error, text_in(parsed)) from None


def split_thinking_in(record: Dict[str, Any]) -> None:
    """Moves the thinking at the start of a record's text to its ``thinking``, unless the server has separated it
    itself.
    """
    message = record.get("message")
    part, name = (message, "content") if isinstance(message, dict) else (record, "response")
    if not part.get("thinking"):
        thinking, part[name] = split_thinking(part[name])
        if thinking:
            part["thinking"] = thinking


def text_in(record: Any) -> str:
    """The answer's text in a record of any kind."""
    if not isinstance(record, dict):
        return ""
    message = record.get("message")
    text = message.get("content") if isinstance(message, dict) else record.get("response")
    return text if isinstance(text, str) else ""


def joined(cls: Type[T], records: Sequence[T]) -> T:
    """The whole answer from a stream's records, as a server would have sent it."""
    last: Any = records[-1]
    whole: Dict[str, Any] = last.model_dump(exclude_unset=True)
    parts = [record.model_dump(exclude_none=True) for record in records]
    messages = [part["message"] for part in parts]
    message = whole["message"]
    for name in ("content", "thinking"):
        text = "".join(one.get(name, "") for one in messages)
        if text:
            message[name] = text
    for name in ("tool_calls", "images"):
        values = [value for one in messages for value in one.get(name, ())]
        if values:
            message[name] = values
    logprobs = [value for part in parts for value in part.get("logprobs", ())]
    if logprobs:
        whole["logprobs"] = logprobs
    return cls.model_validate(whole)


def each(name: str, values: Any, make: Callable[[Any], T]) -> Iterator[T]:
    """Applies ``make`` to each of the ``values``; an error names the position of the value."""
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise bad_request(TypeError(f"{name} must be a list, not of type {type(values).__name__}"))
    for number, value in enumerate(values):
        try:
            yield make(value)
        except (ValidationError, TypeError, ValueError) as error:
            if isinstance(error, RequestError) or isinstance(error, ValidationError) and is_about_surrogates(error):
                raise
            raise bad_request(error, f"{name}.{number}") from None


def copy_images(images: Optional[Sequence[Any]], name: str = "images") -> Iterator[Image]:
    def copy(image: Any) -> Image:
        if isinstance(image, Image):
            return image
        if not isinstance(image, (str, bytes, bytearray, os.PathLike)):
            raise TypeError(f"an image must be a path, bytes, base64 text or a data URL, not of type {type(image).__name__}")
        return Image(value=image)  # type: ignore[arg-type]

    return each(name, images or (), copy)


def copy_messages(messages: Optional[Sequence[Any]]) -> Iterator[Message]:
    def copy(message: Any) -> Message:
        if not isinstance(message, (Mapping, BaseModel)):
            raise TypeError(f"a message needs a role and content, and cannot be of type {type(message).__name__}")
        fields = {name: value for name, value in dict(message).items() if value}
        images = fields.get("images")
        if images:
            fields["images"] = list(copy_images(images))
        return Message.model_validate(fields)

    return each("messages", messages or (), copy)


def copy_tools(tools: Optional[Tools] = None) -> Iterator[Tool]:
    def copy(tool: Any) -> Tool:
        if callable(tool):
            from ._utils import convert_function_to_tool

            return convert_function_to_tool(tool)
        return Tool.model_validate(tool)

    return each("tools", tools or (), copy)


def schema(format: Any) -> Any:
    """The ``format`` of a request: for a pydantic model, its schema."""
    return format.model_json_schema() if isinstance(format, type) and issubclass(format, BaseModel) else format


def generate(**fields: Any) -> Dict[str, Any]:
    def make(given: Dict[str, Any]) -> Dict[str, Any]:
        images = given.get("images")
        given = {**given, "images": list(copy_images(images)) if images else None, "format": schema(given.get("format"))}
        request = GenerateRequest(**given)
        return request.model_dump(exclude_none=True)

    made: Dict[str, Any] = build(make, fields)
    return made


def chat(**fields: Any) -> Dict[str, Any]:
    def make(given: Dict[str, Any]) -> Dict[str, Any]:
        messages, tools = list(copy_messages(given.get("messages"))), list(copy_tools(given.get("tools")))
        given = {**given, "messages": messages, "tools": tools, "format": schema(given.get("format"))}
        return ChatRequest(**given).model_dump(exclude_none=True)

    made: Dict[str, Any] = build(make, fields)
    return made


def create(**fields: Any) -> Dict[str, Any]:
    return json_of(CreateRequest, **fields)


def pull(**fields: Any) -> Dict[str, Any]:
    return json_of(PullRequest, **fields)


def push(**fields: Any) -> Dict[str, Any]:
    return json_of(PushRequest, **fields)


def digest(path: Any) -> str:
    """The digest that names a file among a server's blobs."""
    import hashlib

    summed = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            summed.update(piece)
    return f"sha256:{summed.hexdigest()}"
