"""The requests and responses, with the names and fields of the package ``ollama``."""

import json
from base64 import b64decode, b64encode
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, Generic, List, Mapping, Optional, Sequence, Type, TypeVar, Union

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_serializer,
)
from typing_extensions import Annotated, Literal

from ._errors import odd_record
from ._model import Answer, JsonObject, Lazy, Model, records

Format = Union[Literal["", "json"], JsonObject]
KeepAlive = Union[float, str]
Think = Union[bool, str]

_IMAGE_ENDINGS = ("png", "jpg", "jpeg", "webp")


def _object_in(value: Any) -> Any:
    """Some models write a call's arguments as text that contains a JSON object."""
    if isinstance(value, str):
        try:
            parsed = json.loads(value or "{}")
        except ValueError:
            return value
        return parsed if isinstance(parsed, dict) else value
    return value


def _none_if_empty(value: Any) -> Any:
    """Servers that do not know the date send an empty text."""
    return None if value == "" else value


def _message_of_model(value: Any) -> Any:
    """Servers omit the role of a message if it can only be the model's."""
    return {"role": "assistant", **value} if isinstance(value, dict) and "role" not in value else value


Date = Annotated[Optional[datetime], BeforeValidator(_none_if_empty)]

SubscriptableBaseModel = Model


class Options(Model):
    """How a model is loaded and how it samples. Omitted options are the server's choice.

    ::

        client.chat("llama3.2", messages, options=towline.Options(temperature=0.2))
    """

    numa: Optional[bool] = None
    num_ctx: Optional[int] = None
    num_batch: Optional[int] = None
    num_gpu: Optional[int] = None
    main_gpu: Optional[int] = None
    low_vram: Optional[bool] = None
    f16_kv: Optional[bool] = None
    logits_all: Optional[bool] = None
    vocab_only: Optional[bool] = None
    use_mmap: Optional[bool] = None
    use_mlock: Optional[bool] = None
    embedding_only: Optional[bool] = None
    num_thread: Optional[int] = None
    num_keep: Optional[int] = None
    seed: Optional[int] = None
    num_predict: Optional[int] = None
    top_k: Optional[int] = None
    top_p: Optional[float] = None
    min_p: Optional[float] = None
    tfs_z: Optional[float] = None
    typical_p: Optional[float] = None
    repeat_last_n: Optional[int] = None
    temperature: Optional[float] = None
    repeat_penalty: Optional[float] = None
    presence_penalty: Optional[float] = None
    frequency_penalty: Optional[float] = None
    mirostat: Optional[int] = None
    mirostat_tau: Optional[float] = None
    mirostat_eta: Optional[float] = None
    penalize_newline: Optional[bool] = None
    stop: Optional[Sequence[str]] = None


class Image(Lazy):
    """An image: a path to a file, its bytes, its base64 text, or its data URL. It is sent as base64.

    ::

        client.generate("llava", "What is it?", images=[towline.Image(value="river.png")])
    """

    value: Union[str, bytes, Path]

    @model_serializer
    def serialize_model(self) -> str:
        value = self.value
        if isinstance(value, str):
            if value.startswith("data:"):
                value = value.partition(",")[2]
            try:
                is_file = Path(value).exists()
            except (OSError, ValueError):
                # Longer than a path can be.
                is_file = False
            if not is_file:
                return _as_base64(value)
            value = Path(value)
        return b64encode(_content(value) if isinstance(value, Path) else value).decode()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"the image {path} cannot be read: {error.strerror}") from None


def _as_base64(text: str) -> str:
    if text.rpartition(".")[2].lower() in _IMAGE_ENDINGS:
        raise ValueError(f"File {text} does not exist")
    try:
        b64decode(text)
    except ValueError:
        start = text if len(text) <= 60 else text[:60] + "…"
        raise ValueError(f"Invalid image data, expected base64 string or path to image file: {start!r} is neither") from None
    return text


class Message(Answer):
    """One message of a conversation, given or received.

    ::

        messages.append(towline.Message(role="user", content="What is a river?"))
    """

    class ToolCall(Answer):
        """A function call that the model requests."""

        class Function(Answer):
            """The function's name and arguments."""

            name: str
            arguments: Annotated[Mapping[str, Any], BeforeValidator(_object_in)]

        function: Function

    role: str
    content: Optional[str] = None
    thinking: Optional[str] = None
    images: Optional[Sequence[Image]] = None
    tool_name: Optional[str] = None
    tool_calls: Optional[Sequence[ToolCall]] = None


class Tool(Model):
    """A function that a model may ask for.

    ::

        tool = towline.Tool(function=towline.Tool.Function(name="add", description="Adds two numbers."))
    """

    class Function(Model):
        """Its name, its purpose and its parameters."""

        class Parameters(Model):
            """A JSON schema of its arguments."""

            class Property(Model):
                """One argument."""

                model_config = ConfigDict(arbitrary_types_allowed=True)

                type: Optional[Union[str, Sequence[str]]] = None
                items: Optional[Any] = None
                description: Optional[str] = None
                enum: Optional[Sequence[Any]] = None

            model_config = ConfigDict(populate_by_name=True)

            type: Optional[Literal["object"]] = "object"
            defs: Optional[Any] = Field(None, alias="$defs")
            items: Optional[Any] = None
            required: Optional[Sequence[str]] = None
            properties: Optional[Mapping[str, Property]] = None

        name: Optional[str] = None
        description: Optional[str] = None
        parameters: Optional[Parameters] = None

    type: Optional[str] = "function"
    function: Optional[Function] = None


# --- requests --------------------------------------------------------------------------------------------------------


class BaseRequest(Model):
    model: Annotated[str, Field(min_length=1)]


class BaseStreamableRequest(BaseRequest):
    stream: Optional[bool] = None


class BaseGenerateRequest(BaseStreamableRequest):
    options: Optional[Union[Mapping[str, Any], Options]] = None
    format: Optional[Format] = None
    keep_alive: Optional[KeepAlive] = None
    think: Optional[Think] = None
    logprobs: Optional[bool] = None
    top_logprobs: Optional[int] = None


class GenerateRequest(BaseGenerateRequest):
    prompt: Optional[str] = None
    suffix: Optional[str] = None
    system: Optional[str] = None
    template: Optional[str] = None
    context: Optional[Sequence[int]] = None
    raw: Optional[bool] = None
    images: Optional[Sequence[Image]] = None
    width: Optional[int] = None
    height: Optional[int] = None
    steps: Optional[int] = None


class ChatRequest(BaseGenerateRequest):
    # Lists: pydantic checks and dumps other sequences in Python.
    messages: Optional[List[Union[Mapping[str, Any], Message]]] = None
    tools: Optional[List[Tool]] = None

    @model_serializer(mode="wrap")
    def serialize_model(self, serialize: Any) -> Dict[str, Any]:
        output: Dict[str, Any] = serialize(self)
        for tool in output.get("tools") or ():
            parameters = (tool.get("function") or {}).get("parameters") or {}
            if "defs" in parameters:
                parameters["$defs"] = parameters.pop("defs")
        return output


class EmbedRequest(BaseRequest):
    input: Union[str, Sequence[str]]
    truncate: Optional[bool] = None
    options: Optional[Union[Mapping[str, Any], Options]] = None
    keep_alive: Optional[KeepAlive] = None
    dimensions: Optional[int] = None


class EmbeddingsRequest(BaseRequest):
    prompt: Optional[str] = None
    options: Optional[Union[Mapping[str, Any], Options]] = None
    keep_alive: Optional[KeepAlive] = None


class PullRequest(BaseStreamableRequest):
    insecure: Optional[bool] = None


class PushRequest(BaseStreamableRequest):
    insecure: Optional[bool] = None


class CreateRequest(BaseStreamableRequest):
    quantize: Optional[str] = None
    from_: Optional[str] = None
    files: Optional[Dict[str, str]] = None
    adapters: Optional[Dict[str, str]] = None
    template: Optional[str] = None
    license: Optional[Union[str, List[str]]] = None
    system: Optional[str] = None
    parameters: Optional[Union[Mapping[str, Any], Options]] = None
    messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None

    @model_serializer(mode="wrap")
    def serialize_model(self, serialize: Any) -> Dict[str, Any]:
        output: Dict[str, Any] = serialize(self)
        if "from_" in output:
            output["from"] = output.pop("from_")
        return output


class DeleteRequest(BaseRequest):
    """Delete a model."""


class ShowRequest(BaseRequest):
    """Describe a model."""


class CopyRequest(Model):
    source: str
    destination: str


class WebSearchRequest(Model):
    query: str
    max_results: Optional[int] = None


class WebFetchRequest(Model):
    url: str


# --- responses -------------------------------------------------------------------------------------------------------


class BaseGenerateResponse(Answer):
    """The common fields of answers. Durations are in nanoseconds; the last record has the statistics."""

    model: Optional[str] = None
    created_at: Optional[str] = None
    done: Optional[bool] = None
    done_reason: Optional[str] = None
    total_duration: Optional[int] = None
    load_duration: Optional[int] = None
    prompt_eval_count: Optional[int] = None
    prompt_eval_duration: Optional[int] = None
    eval_count: Optional[int] = None
    eval_duration: Optional[int] = None


class TokenLogprob(Answer):
    token: str
    logprob: float


class Logprob(TokenLogprob):
    top_logprobs: Optional[Sequence[TokenLogprob]] = None


class GenerateResponse(BaseGenerateResponse):
    """An answer of ``generate``, or one record of it.

    ::

        print(client.generate("llama3.2", "Rivers bend because").response)
    """

    response: Optional[str] = None
    thinking: Optional[str] = None
    context: Optional[Sequence[int]] = None
    logprobs: Optional[Sequence[Logprob]] = None
    image: Optional[str] = None
    completed: Optional[int] = None
    total: Optional[int] = None


class ChatResponse(BaseGenerateResponse):
    """An answer of ``chat``, or one record of it.

    ::

        answer = client.chat("llama3.2", messages)
        print(answer.message.content, answer.eval_count)
    """

    message: Annotated[Message, BeforeValidator(_message_of_model)]
    logprobs: Optional[Sequence[Logprob]] = None


M = TypeVar("M", bound=BaseModel)


class Parsed(ChatResponse, Generic[M]):
    """An answer of ``chat`` that follows a pydantic model.

    ::

        print(client.chat("llama3.2", messages, format=River).parsed)
    """

    _parsed: M = PrivateAttr()

    @property
    def parsed(self) -> M:
        """The answer as an instance of that model."""
        return self._parsed

    @classmethod
    def of(cls, answer: ChatResponse, model: Type[M]) -> "Parsed[M]":
        """Raises ``ProtocolError``, with ``text``, if the answer does not fit."""
        text = answer.message.content or ""
        try:
            parsed = model.model_validate_json(text)
        except ValidationError as error:
            raise odd_record(error, text) from None
        made = cls.model_construct(answer.model_fields_set, **dict(answer))
        made._parsed = parsed
        return made


class EmbedResponse(BaseGenerateResponse):
    """An answer of ``embed``: one vector for each text.

    ::

        vectors = client.embed("all-minilm", ["river", "lake"]).embeddings
    """

    embeddings: Sequence[Sequence[float]]


class EmbeddingsResponse(Answer):
    """An answer of ``embeddings``: one vector.

    ::

        vector = client.embeddings("all-minilm", "river").embedding
    """

    embedding: Sequence[float]


class StatusResponse(Answer):
    """A server's report on a completed operation.

    ::

        print(client.copy("llama3.2", "rivers").status)
    """

    status: Optional[str] = None


class ProgressResponse(StatusResponse):
    """The progress of a pull, push or create; the numbers are bytes of one layer.

    ::

        for progress in client.pull("llama3.2", stream=True):
            print(progress.status, progress.completed, progress.total)
    """

    completed: Optional[int] = None
    total: Optional[int] = None
    digest: Optional[str] = None


class ModelDetails(Answer):
    parent_model: Optional[str] = None
    format: Optional[str] = None
    family: Optional[str] = None
    families: Optional[Sequence[str]] = None
    parameter_size: Optional[str] = None
    quantization_level: Optional[str] = None


class ListResponse(Answer):
    """The models of a server.

    ::

        for model in client.list().models:
            print(model.model, model.size)
    """

    class Model(Answer):
        model: Optional[str] = None
        modified_at: Date = None
        digest: Optional[str] = None
        size: Optional[ByteSize] = None
        details: Optional[ModelDetails] = None

    models: Sequence[Model]


class ProcessResponse(Answer):
    """The models that a server has in memory.

    ::

        for model in client.ps().models:
            print(model.model, model.size_vram)
    """

    class Model(Answer):
        model: Optional[str] = None
        name: Optional[str] = None
        digest: Optional[str] = None
        expires_at: Date = None
        size: Optional[ByteSize] = None
        size_vram: Optional[ByteSize] = None
        details: Optional[ModelDetails] = None
        context_length: Optional[int] = None

    models: Sequence[Model]


class ShowResponse(Answer):
    """A model's description.

    ::

        print(client.show("llama3.2").capabilities)
    """

    modified_at: Date = None
    template: Optional[str] = None
    modelfile: Optional[str] = None
    license: Optional[str] = None
    details: Optional[ModelDetails] = None
    modelinfo: Optional[Mapping[str, Any]] = Field(None, alias="model_info")
    parameters: Optional[str] = None
    capabilities: Optional[List[str]] = None


class WebSearchResult(Answer):
    content: Optional[str] = None
    title: Optional[str] = None
    url: Optional[str] = None


class WebSearchResponse(Answer):
    """The results of a web search.

    ::

        for result in client.web_search("rivers").results:
            print(result.title, result.url)
    """

    results: Sequence[WebSearchResult]


class WebFetchResponse(Answer):
    """A web page, as text.

    ::

        print(client.web_fetch("https://example.org").content)
    """

    title: Optional[str] = None
    content: Optional[str] = None
    links: Optional[Sequence[str]] = None


records(ChatResponse, GenerateResponse, Message, ProgressResponse)
