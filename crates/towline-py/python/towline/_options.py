"""The keyword options of requests and jobs. Each is defined once and used by clients, engine and functions."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Type, TypeVar, Union

from pydantic import BaseModel
from typing_extensions import TypedDict

from ._types import Format, Image, KeepAlive, Message, Options, Tool

Tools = Sequence[Union[Mapping[str, Any], Tool, Callable[..., Any]]]
Messages = Sequence[Union[Mapping[str, Any], Message]]


class PlainOptions(TypedDict, total=False):
    """The common options of `chat` and `generate`, except the answer's format. Omitted options are the server's
    choice.
    """

    think: Union[bool, str, None]
    """Whether the model reasons first; for some models how much: ``"low"``, ``"medium"``, ``"high"``."""
    logprobs: Optional[bool]
    """Whether the log probabilities of the answer's tokens are sent."""
    top_logprobs: Optional[int]
    """The number of likely tokens to list for each token, 0 to 20. Needs ``logprobs``."""
    options: Union[Mapping[str, Any], Options, None]
    """How the model is loaded and samples."""
    keep_alive: Optional[KeepAlive]
    """How long the model stays loaded: seconds, or a text such as ``"10m"``; ``-1`` keeps it, ``0`` unloads it."""


class ParsedOptions(PlainOptions, total=False):
    """The options of `chat` besides model, messages and the answer's format."""

    tools: Optional[Tools]
    """Functions that the model may call: schemas, or Python functions with docstrings in Google's style."""


class ChatOptions(ParsedOptions, total=False):
    """The options of `chat` besides model and messages."""

    format: Union[Format, Type[BaseModel], None]
    """``"json"``, a JSON schema, or a pydantic model whose schema the answer must follow."""


class GenerateOptions(PlainOptions, total=False):
    """The options of `generate` besides model, prompt and suffix."""

    format: Union[Format, Type[BaseModel], None]
    """``"json"``, a JSON schema, or a pydantic model whose schema the answer must follow."""
    system: Optional[str]
    """Instructions that replace the model's own."""
    template: Optional[str]
    """A prompt template that replaces the model's own."""
    context: Optional[Sequence[int]]
    """The tokens of an earlier answer, to continue it."""
    raw: Optional[bool]
    """Whether the prompt is sent to the model unchanged."""
    images: Optional[Sequence[Union[str, bytes, Image]]]
    """Images for a model with vision: paths, bytes, base64 or data URLs."""
    width: Optional[int]
    """Of an image to generate, in pixels."""
    height: Optional[int]
    """Of an image to generate, in pixels."""
    steps: Optional[int]
    """Of an image to generate."""


class CreateOptions(TypedDict, total=False):
    """The options of `create` besides the model's name, its quantization and its base model."""

    files: Optional[Dict[str, str]]
    """Its files: names and digests, as `create_blob` returns them."""
    adapters: Optional[Dict[str, str]]
    """Its adapters: names and digests."""
    template: Optional[str]
    """Its prompt template."""
    license: Union[str, List[str], None]
    """Its licenses."""
    system: Optional[str]
    """Its instructions."""
    parameters: Union[Mapping[str, Any], Options, None]
    """Its parameters."""
    messages: Optional[Messages]
    """The beginning of each of its conversations."""


class JobOptions(TypedDict, total=False):
    """The options of a job when it is submitted."""

    name: Optional[str]
    """Its name, also on a relay. Default: the name of the model or function; on a relay, a name made from the question."""
    group: Optional[str]
    """Its group, also on a relay, which takes up to 128 ASCII characters. Default: none."""
    priority: int
    """Queued jobs with a higher priority start first. Default: 0."""
    deadline: Optional[float]
    """Seconds until it times out. ``job.deadline`` changes it. Default: none."""


F = TypeVar("F", bound=Callable[..., Any])


def documented_by(options: Any) -> Callable[[F], F]:
    """Makes ``help`` and ``inspect.signature`` show the names in ``**`` of a function."""

    def show(function: F) -> F:
        signature = inspect.signature(function)
        named = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        kind = inspect.Parameter.KEYWORD_ONLY
        more = [
            inspect.Parameter(name, kind, default=None, annotation=getattr(annotation, "__forward_arg__", annotation))
            for name, annotation in options.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        return function

    return show


def check(function: str, allowed: Any, given: Mapping[str, Any]) -> None:
    """Rejects an argument that a function does not have, as Python itself does."""
    for name in given:
        if name not in allowed.__optional_keys__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
