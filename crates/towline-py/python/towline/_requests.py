"""What the synchronous and the asynchronous client send: one function for each request with arguments of its own."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence, Type, TypeVar, Union

from pydantic import BaseModel

from ._errors import ProtocolError, response_error
from ._types import ChatRequest, GenerateRequest, Image, Message, Tool

T = TypeVar("T", bound=BaseModel)

STREAMED = {
    "/api/chat": "chat",
    "/api/generate": "generate",
    "/api/pull": "pull",
    "/api/push": "push",
    "/api/create": "create",
}

Tools = Sequence[Union[Mapping[str, Any], Tool, Callable[..., Any]]]


def body(content: Any) -> bytes:
    """A request's JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def answer(cls: Type[T], content: bytes) -> T:
    """The model of a whole answer. Text that is not valid UTF-8 is repaired; what is not JSON is a `ProtocolError`."""
    try:
        parsed = json.loads(content.decode("utf-8", "replace"))
    except ValueError:
        start = content[:100].decode("utf-8", "replace")
        error = ProtocolError(f"the server sent something that is not JSON: {start!r}")
        error.kind, error.origin, error.may_have_had_effect = "protocol", "protocol", True
        raise error from None
    if isinstance(parsed, dict) and isinstance(parsed.get("error"), str):
        raise response_error(parsed["error"], -1)
    return cls.model_validate(parsed)


def copy_images(images: Optional[Sequence[Any]]) -> Iterator[Image]:
    for image in images or ():
        yield image if isinstance(image, Image) else Image(value=image)


def copy_messages(messages: Optional[Sequence[Any]]) -> Iterator[Message]:
    for message in messages or ():
        fields = {name: value for name, value in dict(message).items() if value}
        images = fields.get("images")
        if images:
            fields["images"] = list(copy_images(images))
        yield Message.model_validate(fields)


def copy_tools(tools: Optional[Tools] = None) -> Iterator[Tool]:
    for tool in tools or ():
        if callable(tool):
            from ._utils import convert_function_to_tool

            yield convert_function_to_tool(tool)
        else:
            yield Tool.model_validate(tool)


def generate(**fields: Any) -> Dict[str, Any]:
    images = fields.pop("images")
    fields["images"] = list(copy_images(images)) if images else None
    return GenerateRequest(**fields).model_dump(exclude_none=True)


def chat(**fields: Any) -> Dict[str, Any]:
    messages, tools = fields.pop("messages"), fields.pop("tools")
    request = ChatRequest(messages=list(copy_messages(messages)), tools=list(copy_tools(tools)), **fields)
    return request.model_dump(exclude_none=True)


def digest(path: Any) -> str:
    """The name of a file among a server's blobs."""
    import hashlib

    summed = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            summed.update(piece)
    return f"sha256:{summed.hexdigest()}"
