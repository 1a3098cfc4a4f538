"""The relay of a client for asyncio and trio. The one without async is made of this file, see ``sync.py``."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from . import _requests as requests
from ._relayed import RelayJob, RelayVersion, Running
from ._towline import NativeClient
from ._waiting import wait_for


class AsyncRelay:
    """A relay: what it runs, and telling it what to do with that. ``client.relay`` gives it.

    Each call raises ``ResponseError`` for an id that the relay does not have, or not for this owner, and ``ConnectError``
    where no relay answers. Where an id is asked for, a job's name, its number (``"%3"``) and the beginning of its id from 4
    characters on will do.

    ::

        for job in await client.relay.jobs(state="running"):
            await client.relay.cancel(job.id)
    """

    def __init__(self, native: NativeClient) -> None:
        self._native = native

    async def jobs(
        self,
        *,
        state: Running = "all",
        model: Optional[str] = None,
        name: Optional[str] = None,
        text: Optional[str] = None,
        conversation: Optional[str] = None,
        group: Optional[str] = None,
        since: Optional[float] = None,
    ) -> List[RelayJob]:
        """The jobs as they are now, the oldest first. Without an argument all; each argument leaves only those that

        - ``state``: run (``"running"``) or have ended (``"ended"``);
        - ``model``, ``name``, ``conversation``, ``group``: are of this one;
        - ``text``: have this in their name, question or model, in upper or lower case;
        - ``since``: were accepted within so many seconds until now.

        ::

            await client.relay.jobs(state="ended", text="river", since=3600)
        """
        states = {"all": None, "running": True, "ended": False}
        if state not in states:
            raise ValueError(f"state is one of {', '.join(states)}, not {state!r}")
        answer = await self._tell(
            "list",
            running=states[state],
            model=model,
            name=name,
            text=text,
            conversation=conversation,
            group=group,
            since=since,
        )
        return [RelayJob.model_validate(job) for job in json.loads(answer)]

    async def job(self, id: str) -> RelayJob:
        """The job that has this id."""
        return await self._job("find", id=id)

    async def wait(self, id: str, timeout: float) -> RelayJob:
        """The job once it has ended, or as it is after ``timeout`` seconds."""
        return await self._job("wait", id=id, seconds=timeout)

    async def cancel(self, id: str, reason: str = "the program cancelled it") -> RelayJob:
        """Tells a job to stop, for everybody who reads it. It may be ``cancelling`` for a while."""
        return await self._job("cancel", id=id, reason=reason)

    async def set_deadline(self, id: str, seconds: Optional[float]) -> RelayJob:
        """Moves a job's deadline to so many seconds from now; ``None`` for never."""
        return await self._job("deadline", id=id, seconds=seconds)

    async def extend(self, id: str, seconds: float) -> RelayJob:
        """Moves a job's deadline by so many seconds; without one, sets it so far from now."""
        return await self._job("extend", id=id, seconds=seconds)

    async def pause(self, id: str) -> RelayJob:
        """The relay stops reading from the job's server."""
        return await self._job("pause", id=id)

    async def unpause(self, id: str) -> RelayJob:
        """Ends ``pause()``."""
        return await self._job("unpause", id=id)

    async def retry(self, id: str) -> RelayJob:
        """Asks the same again: a new job, of the same conversation.

        Raises ``ResponseError`` where the relay did not keep the request: ``RelayJob.has_request`` says so.
        """
        return await self._job("retry", id=id)

    async def rename(self, id: str, name: str) -> RelayJob:
        """Gives a job another name, which no other job of this owner may have."""
        return await self._job("rename", id=id, name=name)

    async def request(self, id: str) -> Dict[str, Any]:
        """The request that a job was begun with, where the relay kept it."""
        answer = await self._tell("request", id=id)
        request: Dict[str, Any] = json.loads(answer)
        return request

    async def forget(self, id: str) -> None:
        """Deletes an answer and its record. One that runs is cancelled first."""
        await self._tell("forget", id=id)

    async def version(self) -> RelayVersion:
        """Which relay it is."""
        return requests.answer(RelayVersion, await self._tell("version"))

    async def _job(self, order: str, **fields: Any) -> RelayJob:
        return requests.answer(RelayJob, await self._tell(order, **fields))

    async def _tell(self, order: str, **fields: Any) -> bytes:
        told: Dict[str, Any] = {order: fields}
        call = self._native.relay(json.dumps(told))
        return await wait_for(call)
