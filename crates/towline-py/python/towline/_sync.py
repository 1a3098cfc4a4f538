"""Without async. ``sync.py`` makes this file from ``_async.py``: change that file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Literal, Mapping, Optional, Sequence, Type, TypeVar, Union, overload

from pydantic import BaseModel
from typing_extensions import Self, Unpack

from . import _checks as checks
from . import _foreign as foreign
from . import _options as options_of
from . import _requests as requests
from ._towline import Stream
from ._base import BaseClient, ClientOptions
from ._options import ChatOptions, CreateOptions, GenerateOptions, Messages, ParsedOptions
from ._transport import WEB, Transport
from ._types import (
    ChatResponse,
    CopyRequest,
    DeleteRequest,
    EmbeddingsRequest,
    EmbeddingsResponse,
    EmbedRequest,
    EmbedResponse,
    GenerateResponse,
    KeepAlive,
    ListResponse,
    Options,
    Parsed,
    ProcessResponse,
    ProgressResponse,
    ShowRequest,
    ShowResponse,
    StatusResponse,
    WebFetchRequest,
    WebFetchResponse,
    WebSearchRequest,
    WebSearchResponse,
)

if TYPE_CHECKING:
    from ._relay import Relay
    from ._systemone import SystemOneContent, SystemOneQuestion, SystemOneResponse

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)


class Client(BaseClient):
    """A client for one server.

    ``host`` has the format of Ollama's ``OLLAMA_HOST``, which is the default; for the other options see
    `ClientOptions`. With an option that only ``httpx`` supports, the client uses httpx (which must be installed) and is
    slower.

    It is usable from any thread.

    Every call raises a ``TowlineError``: ``RequestError`` for input that cannot be sent, ``ConnectError`` if no server
    answers, ``ResponseError`` if the server refuses, ``TimedOutError`` if a timeout expires, ``TruncatedError`` and
    ``ConnectionLostError`` for an incomplete answer, ``ProtocolError`` for an invalid one.

    ::

        with towline.Client() as client:
            answer = client.chat("llama3.2", [{"role": "user", "content": "What is a river?"}])
            print(answer.message.content)
    """

    def __init__(self, host: Optional[str] = None, **options: Unpack[ClientOptions]) -> None:
        super().__init__("Client", host, dict(options))

    def close(self) -> None:
        """Cancels all running requests, from any thread: each reader gets this package's ``CancelledError`` at once."""
        if isinstance(self._client, Transport):
            self._client.close()
        else:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _request_raw(self, method: str, url: str, json: Any = None) -> bytes:
        self._sends(method, url, json)
        if not isinstance(self._client, Transport):
            response = foreign.request(self._client, method, url, **foreign.json(json))
            content: bytes = response.content
            return content
        native, path = self._client.for_url(url)
        call = native.call(method, path, None if json is None else requests.body(json))
        return call.wait()

    def _request(self, cls: Type[Any], method: str, url: str, json: Any = None, stream: bool = False) -> Any:
        if not stream:
            content = self._request_raw(method, url, json)
            return self._took(requests.answer(cls, content, self._splits_thinking()))
        self._sends(method, url, json)
        if not isinstance(self._client, Transport):
            return foreign.stream(self._client, cls, method, url, json)
        native = self._client.native()
        return native.stream(requests.STREAMED[url], requests.body(json), cls, self._on_record)

    def _answer(self, cls: Type[T], method: str, url: str, json: Any) -> T:
        answer: T = self._request(cls, method, url, json=json)
        return answer

    @overload
    def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[GenerateOptions],
    ) -> GenerateResponse: ...
    @overload
    def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        stream: Literal[True],
        **options: Unpack[GenerateOptions],
    ) -> Stream[GenerateResponse]: ...
    @overload
    def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        stream: bool,
        **options: Unpack[GenerateOptions],
    ) -> Union[GenerateResponse, Stream[GenerateResponse]]: ...
    @options_of.documented_by(GenerateOptions)
    def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        stream: bool = False,
        **options: Unpack[GenerateOptions],
    ) -> Any:
        """Completes a text; with ``stream=True`` as a stream of records. For further options see `GenerateOptions`.

        ::

            answer = client.generate("llama3.2", "Rivers bend because", options={"num_predict": 40})
        """
        options_of.check("generate", GenerateOptions, options)
        json = requests.generate(model=model, prompt=prompt, suffix=suffix, stream=stream, **options)
        return self._request(GenerateResponse, "POST", "/api/generate", json=json, stream=stream)

    @overload
    def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        format: Type[M],
        stream: Literal[False] = False,
        **options: Unpack[ParsedOptions],
    ) -> Parsed[M]: ...
    @overload
    def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> ChatResponse: ...
    @overload
    def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> Stream[ChatResponse]: ...
    @overload
    def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        stream: bool,
        **options: Unpack[ChatOptions],
    ) -> Union[ChatResponse, Stream[ChatResponse]]: ...
    @options_of.documented_by(ChatOptions)
    def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        """Continues a conversation; with ``stream=True`` as a stream of records. For further options see `ChatOptions`.

        If ``format`` is a pydantic model, the answer follows the model's schema, and its ``parsed`` is an instance of
        it.

        ::

            for record in client.chat("llama3.2", messages, stream=True):
                print(record.message.content, end="")
        """
        options_of.check("chat", ChatOptions, options)
        is_joined = not stream and self._is_sent_as_stream()
        json = requests.chat(model=model, messages=messages, stream=stream or is_joined, **options)
        answer = self._request(ChatResponse, "POST", "/api/chat", json=json, stream=stream or is_joined)
        if is_joined:
            answer = requests.joined(ChatResponse, [record for record in answer])
        model_of = options.get("format")
        return answer if stream or not isinstance(model_of, type) else Parsed.of(answer, model_of)

    def embed(
        self,
        model: str = "",
        input: Union[str, Sequence[str]] = "",
        truncate: Optional[bool] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
        dimensions: Optional[int] = None,
    ) -> EmbedResponse:
        """Turns texts into vectors, with ``dimensions`` numbers if the model supports it. Texts that are too long are
        truncated, or refused with ``truncate=False``.

        ::

            vectors = client.embed("all-minilm", ["river", "lake"]).embeddings
        """
        json = requests.json_of(EmbedRequest, model=model, input=input, truncate=truncate, options=options, keep_alive=keep_alive, dimensions=dimensions)
        return self._answer(EmbedResponse, "POST", "/api/embed", json)

    def embeddings(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
    ) -> EmbeddingsResponse:
        """Turns one text into a vector; `embed` replaces it.

        ::

            vector = client.embeddings("all-minilm", "river").embedding
        """
        json = requests.json_of(EmbeddingsRequest, model=model, prompt=prompt, options=options, keep_alive=keep_alive)
        return self._answer(EmbeddingsResponse, "POST", "/api/embeddings", json)

    def systemone(
        self,
        model: str,
        state: SystemOneContent,
        questions: Mapping[str, Union[SystemOneQuestion, Mapping[str, Any]]],
        keep_alive: Optional[KeepAlive] = None,
    ) -> SystemOneResponse:
        """Answers questions about a state with probabilities.

        ::

            question = {"type": "noul", "instructions": "Is it about rivers?"}
            answers = client.systemone("m", "The Rhine bends.", {"rivers": question}).answers
        """
        fields: Dict[str, Any] = {"model": model, "state": state, "questions": questions, "keep_alive": keep_alive}
        from . import _systemone as systemone

        json = requests.build(systemone.systemone_json, fields)
        return self._answer(systemone.SystemOneResponse, "POST", "/v1/systemone", json)

    @overload
    def pull(self, model: str, *, insecure: bool = False, stream: Literal[False] = False) -> ProgressResponse: ...
    @overload
    def pull(self, model: str, *, insecure: bool = False, stream: Literal[True]) -> Stream[ProgressResponse]: ...
    @overload
    def pull(
        self, model: str, *, insecure: bool = False, stream: bool
    ) -> Union[ProgressResponse, Stream[ProgressResponse]]: ...
    def pull(self, model: str, *, insecure: bool = False, stream: bool = False) -> Any:
        """Pulls a model from a registry; with ``stream=True`` as a stream of its progress in bytes. ``insecure`` allows
        a registry without a valid certificate.

        ::

            for progress in client.pull("llama3.2", stream=True):
                print(progress.status, progress.completed, progress.total)
        """
        json = requests.pull(model=model, insecure=insecure, stream=stream)
        return self._request(ProgressResponse, "POST", "/api/pull", json=json, stream=stream)

    @overload
    def push(self, model: str, *, insecure: bool = False, stream: Literal[False] = False) -> ProgressResponse: ...
    @overload
    def push(self, model: str, *, insecure: bool = False, stream: Literal[True]) -> Stream[ProgressResponse]: ...
    @overload
    def push(
        self, model: str, *, insecure: bool = False, stream: bool
    ) -> Union[ProgressResponse, Stream[ProgressResponse]]: ...
    def push(self, model: str, *, insecure: bool = False, stream: bool = False) -> Any:
        """Pushes a model to a registry, with the arguments of `pull`.

        ::

            client.push("me/rivers")
        """
        json = requests.push(model=model, insecure=insecure, stream=stream)
        return self._request(ProgressResponse, "POST", "/api/push", json=json, stream=stream)

    @overload
    def create(
        self, model: str, quantize: Optional[str] = None, from_: Optional[str] = None, *, stream: Literal[False] = False, **options: Unpack[CreateOptions]
    ) -> ProgressResponse: ...
    @overload
    def create(
        self, model: str, quantize: Optional[str] = None, from_: Optional[str] = None, *, stream: Literal[True], **options: Unpack[CreateOptions]
    ) -> Stream[ProgressResponse]: ...
    @overload
    def create(
        self, model: str, quantize: Optional[str] = None, from_: Optional[str] = None, *, stream: bool, **options: Unpack[CreateOptions]
    ) -> Union[ProgressResponse, Stream[ProgressResponse]]: ...
    @options_of.documented_by(CreateOptions)
    def create(
        self,
        model: str,
        quantize: Optional[str] = None,
        from_: Optional[str] = None,
        *,
        stream: bool = False,
        **options: Unpack[CreateOptions],
    ) -> Any:
        """Creates a model, from another one or from files that `create_blob` sent. For further options see
        `CreateOptions`.

        ::

            client.create("rivers", from_="llama3.2", system="You know rivers.")
        """
        options_of.check("create", CreateOptions, options)
        json = requests.create(model=model, quantize=quantize, from_=from_, stream=stream, **options)
        return self._request(ProgressResponse, "POST", "/api/create", json=json, stream=stream)

    def create_blob(self, path: Union[str, Path]) -> str:
        """Sends a model file and returns its digest, for ``files`` of `create`.

        ::

            files = {"model.gguf": client.create_blob("model.gguf")}
        """
        name = requests.digest(path)
        if not isinstance(self._client, Transport):
            with open(path, "rb") as file:
                foreign.request(self._client, "POST", f"/api/blobs/{name}", content=file.read())
            return name
        self._client.native().upload(str(path), name).wait()
        return name

    def list(self) -> ListResponse:
        """The models of the server.

        ::

            print([model.model for model in client.list().models])
        """
        return self._answer(ListResponse, "GET", "/api/tags", None)

    def ps(self) -> ProcessResponse:
        """The models that the server has in memory.

        ::

            print([model.model for model in client.ps().models])
        """
        return self._answer(ProcessResponse, "GET", "/api/ps", None)

    def show(self, model: str) -> ShowResponse:
        """A model's description.

        ::

            print(client.show("llama3.2").capabilities)
        """
        return self._answer(ShowResponse, "POST", "/api/show", requests.json_of(ShowRequest, model=model))

    def delete(self, model: str) -> StatusResponse:
        """Deletes a model.

        ::

            client.delete("rivers")
        """
        self._request_raw("DELETE", "/api/delete", requests.json_of(DeleteRequest, model=model))
        return StatusResponse(status="success")

    def copy(self, source: str, destination: str) -> StatusResponse:
        """Copies a model to another name.

        ::

            client.copy("llama3.2", "rivers")
        """
        json = requests.json_of(CopyRequest, source=source, destination=destination)
        self._request_raw("POST", "/api/copy", json)
        return StatusResponse(status="success")

    def attach(self, id: str, *, start: Union[Literal["beginning", "tail"], int] = "beginning", of: str = "chat") -> Stream[Any]:
        """Reads a stream that this client's relay runs or has run: from its beginning, from the next record, or from a
        byte of its log. ``of`` is the kind of request: ``"chat"``, ``"generate"``, ``"pull"``, ``"push"``,
        ``"create"``.

        Its ``cancel()`` cancels the stream on the relay for every reader; closing or dropping it does not.

        ::

            for record in client.attach(relay_id):
                print(record.message.content, end="")
        """
        checks.one_of("of", of, tuple(requests.STREAMED.values()))
        cls = {"chat": ChatResponse, "generate": GenerateResponse}.get(of, ProgressResponse)
        return self._relay_client().attach(id, of, str(start), cls, self._on_record)

    @property
    def relay(self) -> Relay:
        """The relay that runs this client's streams, to list and control its jobs.

        Raises ``RequestError`` for a client that was made without ``relay``.
        """
        from ._relay import Relay

        return Relay(self._relay_client())

    # The two below are given to models as tools: a model reads these descriptions.

    def web_search(self, query: str, max_results: int = 3) -> WebSearchResponse:
        """Performs a web search

        Args:
            query: The query to search for
            max_results: The maximum number of results to return (default: 3)

        Returns:
            The results. The search is made at ollama.com and needs its key in ``OLLAMA_API_KEY``; without one it raises
            ``ValueError``.

        Example::

            print([result.url for result in client.web_search("rivers").results])
        """
        self._check_web_key("web search")
        json = requests.json_of(WebSearchRequest, query=query, max_results=max_results)
        return self._answer(WebSearchResponse, "POST", f"{WEB}/api/web_search", json)

    def web_fetch(self, url: str) -> WebFetchResponse:
        """Fetches the content of a web page for the provided URL.

        Args:
            url: The URL to fetch

        Returns:
            The page. It is fetched by ollama.com, which needs its key in ``OLLAMA_API_KEY``; without one it raises
            ``ValueError``.

        Example::

            print(client.web_fetch("https://example.org").content)
        """
        self._check_web_key("web fetch")
        json = requests.json_of(WebFetchRequest, url=url)
        return self._answer(WebFetchResponse, "POST", f"{WEB}/api/web_fetch", json)
