"""The client for asyncio and trio. ``sync.py`` beside the package makes the client without async from this file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Literal, Mapping, Optional, Sequence, Type, TypeVar, Union, overload

from pydantic import BaseModel
from typing_extensions import Self, Unpack

from . import _checks as checks
from . import _foreign as foreign
from . import _options as options_of
from . import _requests as requests
from ._astream import AsyncStream
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
from ._waiting import digest, wait_for

if TYPE_CHECKING:
    from ._arelay import AsyncRelay
    from ._systemone import SystemOneContent, SystemOneQuestion, SystemOneResponse

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=BaseModel)


class AsyncClient(BaseClient):
    """A client for one server.

    ``host`` has the format of Ollama's ``OLLAMA_HOST``, which is the default; for the other options see
    `ClientOptions`. With an option that only ``httpx`` supports, the client uses httpx (which must be installed) and is
    slower.

    It is usable from any number of event loops, of asyncio and trio. A cancelled task closes its connection at once.
    Streams left open when their asyncio loop is shut down are closed.

    Every call raises a ``TowlineError``: ``RequestError`` for input that cannot be sent, ``ConnectError`` if no server
    answers, ``ResponseError`` if the server refuses, ``TimedOutError`` if a timeout expires, ``TruncatedError`` and
    ``ConnectionLostError`` for an incomplete answer, ``ProtocolError`` for an invalid one.

    ::

        async with towline.AsyncClient() as client:
            answer = await client.chat("llama3.2", [{"role": "user", "content": "What is a river?"}])
            print(answer.message.content)
    """

    def __init__(self, host: Optional[str] = None, **options: Unpack[ClientOptions]) -> None:
        super().__init__("AsyncClient", host, dict(options))

    async def close(self) -> None:
        """Cancels all running requests, from any thread: each reader gets this package's ``CancelledError`` at once."""
        if isinstance(self._client, Transport):
            self._client.close()
        else:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def _request_raw(self, method: str, url: str, json: Any = None) -> bytes:
        self._sends(method, url, json)
        if not isinstance(self._client, Transport):
            response = await foreign.request_async(self._client, method, url, **foreign.json(json))
            content: bytes = response.content
            return content
        native, path = self._client.for_url(url)
        call = native.call(method, path, None if json is None else requests.body(json))
        return await wait_for(call)

    async def _request(self, cls: Type[Any], method: str, url: str, json: Any = None, stream: bool = False) -> Any:
        if not stream:
            content = await self._request_raw(method, url, json)
            return self._took(requests.answer(cls, content, self._splits_thinking()))
        self._sends(method, url, json)
        if not isinstance(self._client, Transport):
            return foreign.stream_async(self._client, cls, method, url, json)
        native = self._client.native()
        return AsyncStream(native.stream(requests.STREAMED[url], requests.body(json), cls, self._on_record))

    async def _answer(self, cls: Type[T], method: str, url: str, json: Any) -> T:
        answer: T = await self._request(cls, method, url, json=json)
        return answer

    @overload
    async def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[GenerateOptions],
    ) -> GenerateResponse: ...
    @overload
    async def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        stream: Literal[True],
        **options: Unpack[GenerateOptions],
    ) -> AsyncStream[GenerateResponse]: ...
    @overload
    async def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        stream: bool,
        **options: Unpack[GenerateOptions],
    ) -> Union[GenerateResponse, AsyncStream[GenerateResponse]]: ...
    @options_of.documented_by(GenerateOptions)
    async def generate(
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

            answer = await client.generate("llama3.2", "Rivers bend because", options={"num_predict": 40})
        """
        options_of.check("generate", GenerateOptions, options)
        json = requests.generate(model=model, prompt=prompt, suffix=suffix, stream=stream, **options)
        return await self._request(GenerateResponse, "POST", "/api/generate", json=json, stream=stream)

    @overload
    async def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        format: Type[M],
        stream: Literal[False] = False,
        **options: Unpack[ParsedOptions],
    ) -> Parsed[M]: ...
    @overload
    async def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> ChatResponse: ...
    @overload
    async def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> AsyncStream[ChatResponse]: ...
    @overload
    async def chat(
        self,
        model: str = "",
        messages: Optional[Messages] = None,
        *,
        stream: bool,
        **options: Unpack[ChatOptions],
    ) -> Union[ChatResponse, AsyncStream[ChatResponse]]: ...
    @options_of.documented_by(ChatOptions)
    async def chat(
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

            async for record in await client.chat("llama3.2", messages, stream=True):
                print(record.message.content, end="")
        """
        options_of.check("chat", ChatOptions, options)
        is_joined = not stream and self._is_sent_as_stream()
        json = requests.chat(model=model, messages=messages, stream=stream or is_joined, **options)
        answer = await self._request(ChatResponse, "POST", "/api/chat", json=json, stream=stream or is_joined)
        if is_joined:
            answer = requests.joined(ChatResponse, [record async for record in answer])
        model_of = options.get("format")
        return answer if stream or not isinstance(model_of, type) else Parsed.of(answer, model_of)

    async def embed(
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

            vectors = (await client.embed("all-minilm", ["river", "lake"])).embeddings
        """
        json = requests.json_of(EmbedRequest, model=model, input=input, truncate=truncate, options=options, keep_alive=keep_alive, dimensions=dimensions)
        return await self._answer(EmbedResponse, "POST", "/api/embed", json)

    async def embeddings(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
    ) -> EmbeddingsResponse:
        """Turns one text into a vector; `embed` replaces it.

        ::

            vector = (await client.embeddings("all-minilm", "river")).embedding
        """
        json = requests.json_of(EmbeddingsRequest, model=model, prompt=prompt, options=options, keep_alive=keep_alive)
        return await self._answer(EmbeddingsResponse, "POST", "/api/embeddings", json)

    async def systemone(
        self,
        model: str,
        state: SystemOneContent,
        questions: Mapping[str, Union[SystemOneQuestion, Mapping[str, Any]]],
        keep_alive: Optional[KeepAlive] = None,
    ) -> SystemOneResponse:
        """Answers questions about a state with probabilities.

        ::

            question = {"type": "noul", "instructions": "Is it about rivers?"}
            answers = (await client.systemone("m", "The Rhine bends.", {"rivers": question})).answers
        """
        fields: Dict[str, Any] = {"model": model, "state": state, "questions": questions, "keep_alive": keep_alive}
        from . import _systemone as systemone

        json = requests.build(systemone.systemone_json, fields)
        return await self._answer(systemone.SystemOneResponse, "POST", "/v1/systemone", json)

    @overload
    async def pull(self, model: str, *, insecure: bool = False, stream: Literal[False] = False) -> ProgressResponse: ...
    @overload
    async def pull(self, model: str, *, insecure: bool = False, stream: Literal[True]) -> AsyncStream[ProgressResponse]: ...
    @overload
    async def pull(
        self, model: str, *, insecure: bool = False, stream: bool
    ) -> Union[ProgressResponse, AsyncStream[ProgressResponse]]: ...
    async def pull(self, model: str, *, insecure: bool = False, stream: bool = False) -> Any:
        """Pulls a model from a registry; with ``stream=True`` as a stream of its progress in bytes. ``insecure`` allows
        a registry without a valid certificate.

        ::

            async for progress in await client.pull("llama3.2", stream=True):
                print(progress.status, progress.completed, progress.total)
        """
        json = requests.pull(model=model, insecure=insecure, stream=stream)
        return await self._request(ProgressResponse, "POST", "/api/pull", json=json, stream=stream)

    @overload
    async def push(self, model: str, *, insecure: bool = False, stream: Literal[False] = False) -> ProgressResponse: ...
    @overload
    async def push(self, model: str, *, insecure: bool = False, stream: Literal[True]) -> AsyncStream[ProgressResponse]: ...
    @overload
    async def push(
        self, model: str, *, insecure: bool = False, stream: bool
    ) -> Union[ProgressResponse, AsyncStream[ProgressResponse]]: ...
    async def push(self, model: str, *, insecure: bool = False, stream: bool = False) -> Any:
        """Pushes a model to a registry, with the arguments of `pull`.

        ::

            await client.push("me/rivers")
        """
        json = requests.push(model=model, insecure=insecure, stream=stream)
        return await self._request(ProgressResponse, "POST", "/api/push", json=json, stream=stream)

    @overload
    async def create(
        self, model: str, quantize: Optional[str] = None, from_: Optional[str] = None, *, stream: Literal[False] = False, **options: Unpack[CreateOptions]
    ) -> ProgressResponse: ...
    @overload
    async def create(
        self, model: str, quantize: Optional[str] = None, from_: Optional[str] = None, *, stream: Literal[True], **options: Unpack[CreateOptions]
    ) -> AsyncStream[ProgressResponse]: ...
    @overload
    async def create(
        self, model: str, quantize: Optional[str] = None, from_: Optional[str] = None, *, stream: bool, **options: Unpack[CreateOptions]
    ) -> Union[ProgressResponse, AsyncStream[ProgressResponse]]: ...
    @options_of.documented_by(CreateOptions)
    async def create(
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

            await client.create("rivers", from_="llama3.2", system="You know rivers.")
        """
        options_of.check("create", CreateOptions, options)
        json = requests.create(model=model, quantize=quantize, from_=from_, stream=stream, **options)
        return await self._request(ProgressResponse, "POST", "/api/create", json=json, stream=stream)

    async def create_blob(self, path: Union[str, Path]) -> str:
        """Sends a model file and returns its digest, for ``files`` of `create`.

        ::

            files = {"model.gguf": await client.create_blob("model.gguf")}
        """
        name = await digest(path)
        if not isinstance(self._client, Transport):
            with open(path, "rb") as file:
                await foreign.request_async(self._client, "POST", f"/api/blobs/{name}", content=file.read())
            return name
        await wait_for(self._client.native().upload(str(path), name))
        return name

    async def list(self) -> ListResponse:
        """The models of the server.

        ::

            print([model.model for model in (await client.list()).models])
        """
        return await self._answer(ListResponse, "GET", "/api/tags", None)

    async def ps(self) -> ProcessResponse:
        """The models that the server has in memory.

        ::

            print([model.model for model in (await client.ps()).models])
        """
        return await self._answer(ProcessResponse, "GET", "/api/ps", None)

    async def show(self, model: str) -> ShowResponse:
        """A model's description.

        ::

            print((await client.show("llama3.2")).capabilities)
        """
        return await self._answer(ShowResponse, "POST", "/api/show", requests.json_of(ShowRequest, model=model))

    async def delete(self, model: str) -> StatusResponse:
        """Deletes a model.

        ::

            await client.delete("rivers")
        """
        await self._request_raw("DELETE", "/api/delete", requests.json_of(DeleteRequest, model=model))
        return StatusResponse(status="success")

    async def copy(self, source: str, destination: str) -> StatusResponse:
        """Copies a model to another name.

        ::

            await client.copy("llama3.2", "rivers")
        """
        json = requests.json_of(CopyRequest, source=source, destination=destination)
        await self._request_raw("POST", "/api/copy", json)
        return StatusResponse(status="success")

    def attach(self, id: str, *, start: Union[Literal["beginning", "tail"], int] = "beginning", of: str = "chat") -> AsyncStream[Any]:
        """Reads a stream that this client's relay runs or has run: from its beginning, from the next record, or from a
        byte of its log. ``of`` is the kind of request: ``"chat"``, ``"generate"``, ``"pull"``, ``"push"``,
        ``"create"``.

        Its ``cancel()`` cancels the stream on the relay for every reader; closing or dropping it does not.

        ::

            async for record in client.attach(relay_id):
                print(record.message.content, end="")
        """
        checks.one_of("of", of, tuple(requests.STREAMED.values()))
        cls = {"chat": ChatResponse, "generate": GenerateResponse}.get(of, ProgressResponse)
        return AsyncStream(self._relay_client().attach(id, of, str(start), cls, self._on_record))

    @property
    def relay(self) -> AsyncRelay:
        """The relay that runs this client's streams, to list and control its jobs.

        Raises ``RequestError`` for a client that was made without ``relay``.
        """
        from ._arelay import AsyncRelay

        return AsyncRelay(self._relay_client())

    # The two below are given to models as tools: a model reads these descriptions.

    async def web_search(self, query: str, max_results: int = 3) -> WebSearchResponse:
        """Performs a web search

        Args:
            query: The query to search for
            max_results: The maximum number of results to return (default: 3)

        Returns:
            The results. The search is made at ollama.com and needs its key in ``OLLAMA_API_KEY``; without one it raises
            ``ValueError``.

        Example::

            print([result.url for result in (await client.web_search("rivers")).results])
        """
        self._check_web_key("web search")
        json = requests.json_of(WebSearchRequest, query=query, max_results=max_results)
        return await self._answer(WebSearchResponse, "POST", f"{WEB}/api/web_search", json)

    async def web_fetch(self, url: str) -> WebFetchResponse:
        """Fetches the content of a web page for the provided URL.

        Args:
            url: The URL to fetch

        Returns:
            The page. It is fetched by ollama.com, which needs its key in ``OLLAMA_API_KEY``; without one it raises
            ``ValueError``.

        Example::

            print((await client.web_fetch("https://example.org")).content)
        """
        self._check_web_key("web fetch")
        json = requests.json_of(WebFetchRequest, url=url)
        return await self._answer(WebFetchResponse, "POST", f"{WEB}/api/web_fetch", json)
