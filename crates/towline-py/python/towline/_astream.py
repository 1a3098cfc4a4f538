"""A streamed answer for asyncio and trio."""

from __future__ import annotations

from typing import Any, AsyncIterator, Generic, Optional, TypeVar

from ._towline import Stream
from ._waiting import found

T = TypeVar("T")


def text_of(record: Any) -> str:
    """The piece of the answer in a record."""
    message = getattr(record, "message", None)
    text = getattr(record, "response", None) if message is None else message.content
    return text or ""


class AsyncStream(Generic[T]):
    """One streamed answer. The request is sent at the first read; dropping the stream closes its connection.

    ::

        async with await client.chat("llama3.2", messages, stream=True) as stream:
            async for record in stream:
                print(record.message.content, end="")
    """

    def __init__(self, stream: "Stream[T]"):
        self._stream = stream
        self._closed = False
        self._waits = False

    def __aiter__(self) -> "AsyncStream[T]":
        return self

    async def __anext__(self) -> T:
        if self._closed:
            raise StopAsyncIteration
        if self._waits:
            raise RuntimeError("this stream is being read by another task")
        try:
            record = self._stream.ready()
            if record is None:
                self._waits = True
                try:
                    record = await found(self._stream.poll, self)
                finally:
                    self._waits = False
            return record
        except BaseException:
            # After its end, a failure or a cancelled task the iteration is over, as with an asynchronous generator.
            self.close()
            raise

    async def texts(self) -> AsyncIterator[str]:
        """Only the texts of the records. Records without text, such as thinking, are skipped.

        ::

            async for text in (await client.chat("llama3.2", messages, stream=True)).texts():
                print(text, end="")
        """
        async for record in self:
            text = text_of(record)
            if text:
                yield text

    def close(self) -> None:
        """Cancels the answer, from any thread, and closes its connection at once. An answer on a relay continues
        there.
        """
        self._closed = True
        self._stream.close()

    def cancel(self) -> None:
        """Cancels the answer, from any thread. Records received before are still yielded; then `CancelledError` is
        raised.
        """
        self._stream.cancel()

    @property
    def relay_id(self) -> Optional[str]:
        """The relay's id of the stream; ``None`` if no relay runs it, or before the relay has accepted it."""
        return self._stream.relay_id

    def detach(self) -> str:
        """Detaches from the answer, which its relay continues, and returns its id there, for `attach`. Iteration ends.

        Raises ``RuntimeError`` if no relay runs it, or before the first read.
        """
        relay_id = self._stream.detach()
        self._closed = True
        return relay_id

    async def aclose(self) -> None:
        """Same as `close`."""
        self.close()

    async def __aenter__(self) -> "AsyncStream[T]":
        return self

    async def __aexit__(self, *_exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._stream).replace("Stream", "AsyncStream", 1)
