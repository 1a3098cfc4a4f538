"""The relay of a client for asyncio and trio. The one without async is made of this file, see ``sync.py``."""

from __future__ import annotations

import json
import os
from typing import Any, AsyncIterator, Dict, List, Optional, Sequence, Union

from typing_extensions import Unpack

from . import _options as options_of
from . import _requests as requests
from ._relayed import (
    JobFilter,
    RelayChange,
    RelayDevice,
    RelayJob,
    RelayPaired,
    RelayVersion,
    asked,
    check_order,
)
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

    @options_of.told(JobFilter)
    async def jobs(self, **which: Unpack[JobFilter]) -> List[RelayJob]:
        """The jobs as they are now, the oldest first. Without an argument all; each argument leaves only some, see
        `JobFilter`.

        ::

            await client.relay.jobs(state="ended", text="river", since=3600)
        """
        answer = await self._tell("list", **asked("jobs", which))
        return [RelayJob.model_validate(job) for job in json.loads(answer)]

    @options_of.told(JobFilter)
    async def watch(self, **which: Unpack[JobFilter]) -> AsyncIterator[RelayChange]:
        """The jobs of which the arguments are true, as of `jobs`: first each as it is, then each change, as it happens.

        It does not end by itself; leave the loop, or close the client. A connection that is lost is made again, and a
        change with ``reset`` says so. Raises ``ConnectError`` where no relay answers.

        ::

            async for change in client.relay.watch(state="running"):
                if change.job:
                    print(change.job.name, change.job.state)
        """
        watch = self._native.watch(json.dumps(asked("watch", which)))
        while True:
            call = watch.next()
            change = await wait_for(call)
            yield requests.answer(RelayChange, change)

    async def job(self, id: str) -> RelayJob:
        """The job that has this id."""
        return await self._job("find", id=id)

    async def wait(self, id: str, timeout: float) -> RelayJob:
        """The job once it has ended, or as it is after ``timeout`` seconds."""
        return await self._job("wait", id=id, timeout=timeout)

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

    # --- of the relay itself -----------------------------------------------------------------------------------------

    async def shutdown(self, *, if_idle: bool = False) -> None:
        """Ends the relay, once what it runs has had its time to drain. Over a Unix socket only.

        With ``if_idle`` it raises ``ResponseError`` where something runs, and ends nothing.

        ::

            await client.relay.shutdown(if_idle=True)
        """
        await self._tell("shutdown", if_idle=if_idle)

    async def back_up(self, folder: Union[str, "os.PathLike[str]"]) -> int:
        """Copies the relay's store into a new ``folder``, as it is at this moment, while the relay runs. Over a Unix socket
        only; the relay writes the folder.

        Returns the number of streams. Raises ``ResponseError`` where the folder is there already.

        ::

            await client.relay.back_up("/var/backups/towline-2026-01-01")
        """
        answer = await self._tell("back_up", folder=os.path.abspath(folder))
        copied: int = json.loads(answer)
        return copied

    async def page(self) -> str:
        """The address of the relay's page for a browser on this machine. It works once, for 10 minutes; what comes in by it
        lasts as long as the relay. Over a Unix socket only.

        ::

            webbrowser.open(await client.relay.page())
        """
        answer = await self._tell("page")
        url: str = json.loads(answer)
        return url

    async def link(self, name: str = "device") -> str:
        """The token of a link for a device of this owner, called ``name``: the relay's address with ``#`` and the token
        behind it is the link. It works once, for 10 minutes.

        ::

            print("https://relay.example/#" + await client.relay.link("laptop"))
        """
        answer = await self._tell("link", name=name)
        token: str = json.loads(answer)
        return token

    async def pair(
        self,
        name: str = "device",
        *,
        owner: Optional[str] = None,
        listen: Optional[str] = None,
        hosts: Sequence[str] = (),
    ) -> RelayPaired:
        """A link for a phone, and an address with TLS where it can come in: the relay opens one where it has none. Over a Unix
        socket only.

        ``name`` is what the phone is called. It sees the answers of ``owner``; default: the caller's. ``listen`` is where
        the relay listens for phones, where it has no address with TLS; default: ``0.0.0.0:11437``. ``hosts`` are names and
        addresses for the certificate, where the relay makes one; default: this machine's name.

        ::

            paired = await client.relay.pair("phone", hosts=["192.168.1.5"])
            print(paired.listen, paired.token)
        """
        answer = await self._tell("pair", name=name, owner=owner, listen=listen, hosts=list(hosts))
        return requests.answer(RelayPaired, answer)

    async def devices(self) -> List[RelayDevice]:
        """The browsers that came in by a link: those of this owner, or over a Unix socket all.

        ::

            print([device.name for device in await client.relay.devices()])
        """
        answer = await self._tell("devices")
        return [RelayDevice.model_validate(device) for device in json.loads(answer)]

    async def revoke(self, name: str) -> None:
        """Revokes the device of this name; what it reads is cut at once.

        ::

            await client.relay.revoke("phone")
        """
        await self._tell("revoke", name=name)

    async def _job(self, order: str, **fields: Any) -> RelayJob:
        return requests.answer(RelayJob, await self._tell(order, **fields))

    async def _tell(self, order: str, **fields: Any) -> bytes:
        check_order(order, fields)
        told: Dict[str, Any] = {order: fields}
        call = self._native.relay(json.dumps(told))
        return await wait_for(call)
