"""The client for programs without async: every call blocks, every stream can be stopped from another thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Mapping, Optional, Sequence, Type, TypeVar, Union, overload

from . import _foreign as foreign
from . import _requests as requests
from ._base import BaseClient
from ._towline import Stream
from ._requests import Tools
from ._transport import Transport
from ._types import (
    ChatResponse,
    CopyRequest,
    CreateRequest,
    DeleteRequest,
    EmbeddingsRequest,
    EmbeddingsResponse,
    EmbedRequest,
    EmbedResponse,
    Format,
    GenerateResponse,
    Image,
    KeepAlive,
    ListResponse,
    Message,
    Options,
    ProcessResponse,
    ProgressResponse,
    PullRequest,
    PushRequest,
    ShowRequest,
    ShowResponse,
    StatusResponse,
    WebFetchRequest,
    WebFetchResponse,
    WebSearchRequest,
    WebSearchResponse,
)

if TYPE_CHECKING:
    from ._systemone import SystemOneContent, SystemOneQuestion, SystemOneResponse

T = TypeVar("T")


class Client(BaseClient):
    """A client of one server, usable from any thread.

    ``host`` is read as Ollama reads ``OLLAMA_HOST``, which is the default. ``timeout`` is in seconds, for the connection,
    the first record and between records; unless given, 10 s, 20 min and 5 min; ``None`` switches all three off. Further
    options as of ``httpx.Client``: ``headers``, ``follow_redirects``, ``verify``, ``proxy``, ``trust_env``, ``http2``. With any
    other one the client is httpx's own (``httpx`` must be installed), and slower.
    """

    def __init__(self, host: Optional[str] = None, **kwargs: Any) -> None:
        super().__init__("Client", host, kwargs)

    def close(self) -> None:
        """Stops everything under way, from any thread: a thread that reads gets a ``CancelledError`` at once."""
        self._client.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_exception: Any) -> None:
        self.close()

    def _request_raw(self, method: str, url: str, json: Any = None) -> bytes:
        if not isinstance(self._client, Transport):
            content: bytes = foreign.request(self._client, method, url, **foreign.json(json)).content
            return content
        native, path = self._client.for_url(url)
        return native.call(method, path, None if json is None else requests.body(json)).wait()

    def _request(self, cls: Type[Any], method: str, url: str, json: Any = None, stream: bool = False) -> Any:
        if not stream:
            return requests.answer(cls, self._request_raw(method, url, json))
        if not isinstance(self._client, Transport):
            return foreign.stream(self._client, cls, method, url, json)
        return self._client.native().stream(requests.STREAMED[url], requests.body(json), cls)

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
        system: Optional[str] = None,
        template: Optional[str] = None,
        context: Optional[Sequence[int]] = None,
        stream: Literal[False] = False,
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        raw: Optional[bool] = None,
        format: Optional[Format] = None,
        images: Optional[Sequence[Union[str, bytes, Image]]] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
        width: Optional[int] = None,
        height: Optional[int] = None,
        steps: Optional[int] = None,
    ) -> GenerateResponse: ...

    @overload
    def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        system: Optional[str] = None,
        template: Optional[str] = None,
        context: Optional[Sequence[int]] = None,
        stream: Literal[True],
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        raw: Optional[bool] = None,
        format: Optional[Format] = None,
        images: Optional[Sequence[Union[str, bytes, Image]]] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
        width: Optional[int] = None,
        height: Optional[int] = None,
        steps: Optional[int] = None,
    ) -> Stream[GenerateResponse]: ...

    @overload
    def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        system: Optional[str] = None,
        template: Optional[str] = None,
        context: Optional[Sequence[int]] = None,
        stream: bool = False,
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        raw: Optional[bool] = None,
        format: Optional[Format] = None,
        images: Optional[Sequence[Union[str, bytes, Image]]] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
        width: Optional[int] = None,
        height: Optional[int] = None,
        steps: Optional[int] = None,
    ) -> Union[GenerateResponse, Stream[GenerateResponse]]: ...

    def generate(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        suffix: Optional[str] = None,
        *,
        system: Optional[str] = None,
        template: Optional[str] = None,
        context: Optional[Sequence[int]] = None,
        stream: bool = False,
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        raw: Optional[bool] = None,
        format: Optional[Format] = None,
        images: Optional[Sequence[Union[str, bytes, Image]]] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
        width: Optional[int] = None,
        height: Optional[int] = None,
        steps: Optional[int] = None,
    ) -> Any:
        """Completes a text; with ``stream=True`` in records as they come."""
        json = requests.generate(model=model, prompt=prompt, suffix=suffix, system=system, template=template, context=context, stream=stream, think=think, logprobs=logprobs, top_logprobs=top_logprobs, raw=raw, format=format, images=images, options=options, keep_alive=keep_alive, width=width, height=height, steps=steps)
        return self._request(GenerateResponse, "POST", "/api/generate", json=json, stream=stream)

    @overload
    def chat(
        self,
        model: str = "",
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        tools: Optional[Tools] = None,
        stream: Literal[False] = False,
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        format: Optional[Format] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
    ) -> ChatResponse: ...

    @overload
    def chat(
        self,
        model: str = "",
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        tools: Optional[Tools] = None,
        stream: Literal[True],
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        format: Optional[Format] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
    ) -> Stream[ChatResponse]: ...

    @overload
    def chat(
        self,
        model: str = "",
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        tools: Optional[Tools] = None,
        stream: bool = False,
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        format: Optional[Format] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
    ) -> Union[ChatResponse, Stream[ChatResponse]]: ...

    def chat(
        self,
        model: str = "",
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        tools: Optional[Tools] = None,
        stream: bool = False,
        think: Optional[Union[bool, str]] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        format: Optional[Format] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
    ) -> Any:
        """Goes on with a conversation. ``tools`` may be Python functions with docstrings in Google's style."""
        json = requests.chat(model=model, messages=messages, tools=tools, stream=stream, think=think, logprobs=logprobs, top_logprobs=top_logprobs, format=format, options=options, keep_alive=keep_alive)
        return self._request(ChatResponse, "POST", "/api/chat", json=json, stream=stream)

    def embed(
        self,
        model: str = "",
        input: Union[str, Sequence[str]] = "",
        truncate: Optional[bool] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
        dimensions: Optional[int] = None,
    ) -> EmbedResponse:
        """Turns texts into vectors."""
        json = EmbedRequest(model=model, input=input, truncate=truncate, options=options, keep_alive=keep_alive, dimensions=dimensions).model_dump(exclude_none=True)
        return self._answer(EmbedResponse, "POST", "/api/embed", json)

    def embeddings(
        self,
        model: str = "",
        prompt: Optional[str] = None,
        options: Optional[Union[Mapping[str, Any], Options]] = None,
        keep_alive: Optional[KeepAlive] = None,
    ) -> EmbeddingsResponse:
        """Turns one text into a vector; `embed` replaces it."""
        json = EmbeddingsRequest(model=model, prompt=prompt, options=options, keep_alive=keep_alive).model_dump(exclude_none=True)
        return self._answer(EmbeddingsResponse, "POST", "/api/embeddings", json)

    def systemone(
        self,
        model: str,
        state: SystemOneContent,
        questions: Mapping[str, Union[SystemOneQuestion, Mapping[str, Any]]],
        keep_alive: Optional[KeepAlive] = None,
    ) -> SystemOneResponse:
        """Answers questions about a state with probabilities."""
        fields: Dict[str, Any] = {"model": model, "state": state, "questions": questions, "keep_alive": keep_alive}
        from . import _systemone as systemone

        json = systemone.systemone_json(fields)
        return self._answer(systemone.SystemOneResponse, "POST", "/v1/systemone", json)

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: Literal[False] = False,
    ) -> ProgressResponse: ...

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: Literal[True],
    ) -> Stream[ProgressResponse]: ...

    @overload
    def pull(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: bool = False,
    ) -> Union[ProgressResponse, Stream[ProgressResponse]]: ...

    def pull(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: bool = False,
    ) -> Any:
        """Fetches a model from a registry."""
        json = PullRequest(model=model, insecure=insecure, stream=stream).model_dump(exclude_none=True)
        return self._request(ProgressResponse, "POST", "/api/pull", json=json, stream=stream)

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: Literal[False] = False,
    ) -> ProgressResponse: ...

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: Literal[True],
    ) -> Stream[ProgressResponse]: ...

    @overload
    def push(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: bool = False,
    ) -> Union[ProgressResponse, Stream[ProgressResponse]]: ...

    def push(
        self,
        model: str,
        *,
        insecure: bool = False,
        stream: bool = False,
    ) -> Any:
        """Sends a model to a registry."""
        json = PushRequest(model=model, insecure=insecure, stream=stream).model_dump(exclude_none=True)
        return self._request(ProgressResponse, "POST", "/api/push", json=json, stream=stream)

    @overload
    def create(
        self,
        model: str,
        quantize: Optional[str] = None,
        from_: Optional[str] = None,
        files: Optional[Dict[str, str]] = None,
        adapters: Optional[Dict[str, str]] = None,
        template: Optional[str] = None,
        license: Optional[Union[str, List[str]]] = None,
        system: Optional[str] = None,
        parameters: Optional[Union[Mapping[str, Any], Options]] = None,
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        stream: Literal[False] = False,
    ) -> ProgressResponse: ...

    @overload
    def create(
        self,
        model: str,
        quantize: Optional[str] = None,
        from_: Optional[str] = None,
        files: Optional[Dict[str, str]] = None,
        adapters: Optional[Dict[str, str]] = None,
        template: Optional[str] = None,
        license: Optional[Union[str, List[str]]] = None,
        system: Optional[str] = None,
        parameters: Optional[Union[Mapping[str, Any], Options]] = None,
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        stream: Literal[True],
    ) -> Stream[ProgressResponse]: ...

    @overload
    def create(
        self,
        model: str,
        quantize: Optional[str] = None,
        from_: Optional[str] = None,
        files: Optional[Dict[str, str]] = None,
        adapters: Optional[Dict[str, str]] = None,
        template: Optional[str] = None,
        license: Optional[Union[str, List[str]]] = None,
        system: Optional[str] = None,
        parameters: Optional[Union[Mapping[str, Any], Options]] = None,
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        stream: bool = False,
    ) -> Union[ProgressResponse, Stream[ProgressResponse]]: ...

    def create(
        self,
        model: str,
        quantize: Optional[str] = None,
        from_: Optional[str] = None,
        files: Optional[Dict[str, str]] = None,
        adapters: Optional[Dict[str, str]] = None,
        template: Optional[str] = None,
        license: Optional[Union[str, List[str]]] = None,
        system: Optional[str] = None,
        parameters: Optional[Union[Mapping[str, Any], Options]] = None,
        messages: Optional[Sequence[Union[Mapping[str, Any], Message]]] = None,
        *,
        stream: bool = False,
    ) -> Any:
        """Makes a model."""
        json = CreateRequest(model=model, quantize=quantize, from_=from_, files=files, adapters=adapters, template=template, license=license, system=system, parameters=parameters, messages=messages, stream=stream).model_dump(exclude_none=True)
        return self._request(ProgressResponse, "POST", "/api/create", json=json, stream=stream)

    def create_blob(self, path: Union[str, Path]) -> str:
        """Sends a model file and returns its digest, for ``files`` of `create`."""
        name = requests.digest(path)
        if not isinstance(self._client, Transport):
            with open(path, "rb") as file:
                foreign.request(self._client, "POST", f"/api/blobs/{name}", content=file)
            return name
        self._client.native().upload(str(path), name).wait()
        return name

    def list(self) -> ListResponse:
        """The models the server has."""
        return self._answer(ListResponse, "GET", "/api/tags", None)

    def ps(self) -> ProcessResponse:
        """The models the server has in memory."""
        return self._answer(ProcessResponse, "GET", "/api/ps", None)

    def show(self, model: str) -> ShowResponse:
        """A model's description."""
        json = ShowRequest(model=model).model_dump(exclude_none=True)
        return self._answer(ShowResponse, "POST", "/api/show", json)

    def delete(self, model: str) -> StatusResponse:
        """Deletes a model."""
        self._request_raw("DELETE", "/api/delete", DeleteRequest(model=model).model_dump(exclude_none=True))
        return StatusResponse(status="success")

    def copy(self, source: str, destination: str) -> StatusResponse:
        """Copies a model to another name."""
        json = CopyRequest(source=source, destination=destination).model_dump(exclude_none=True)
        self._request_raw("POST", "/api/copy", json)
        return StatusResponse(status="success")

    def web_search(self, query: str, max_results: int = 3) -> WebSearchResponse:
        """Searches the web at ollama.com, which wants a key."""
        self._check_web_key("web search")
        json = WebSearchRequest(query=query, max_results=max_results).model_dump(exclude_none=True)
        return self._answer(WebSearchResponse, "POST", "https://ollama.com/api/web_search", json)

    def web_fetch(self, url: str) -> WebFetchResponse:
        """Fetches a web page at ollama.com, which wants a key."""
        self._check_web_key("web fetch")
        json = WebFetchRequest(url=url).model_dump(exclude_none=True)
        return self._answer(WebFetchResponse, "POST", "https://ollama.com/api/web_fetch", json)
