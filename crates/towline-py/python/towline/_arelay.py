"""The relay of a client for asyncio and trio. ``sync.py`` makes the version without async from this file."""

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
    """A relay, which lists and controls its jobs. ``client.relay`` returns it.

    Each call raises ``ResponseError`` for an id that the relay does not have for this owner, and ``ConnectError`` if no
    relay answers. An id may also be a job's name, its number (``"%3"``), or the first 4 or more characters of its
    id.

    ::

        for job in await client.relay.jobs(state="running"):
            await client.relay.cancel(job.id)
    """

    def __init__(self, native: NativeClient) -> None:
        self._native = native

    @options_of.documented_by(JobFilter)
    async def jobs(self, **which: Unpack[JobFilter]) -> List[RelayJob]:
        """The jobs as they are now, the oldest first. Each argument restricts the list, see
        `JobFilter`.

        ::

            await client.relay.jobs(state="ended", text="river", since=3600)
        """
        answer = await self._send("list", **asked("jobs", which))
        return [RelayJob.model_validate(job) for job in json.loads(answer)]

    @options_of.documented_by(JobFilter)
    async def watch(self, **which: Unpack[JobFilter]) -> AsyncIterator[RelayChange]:
        """The jobs that match the arguments, which are those of `jobs`: first each as it is, then each change.

        It does not end by itself; leave the loop, or close the client. It reconnects after a lost connection, and then yields
        a change with ``reset``. Raises ``ConnectError`` if no relay answers.

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
        """The job with this id."""
        return await self._job("find", id=id)

    async def wait(self, id: str, timeout: float) -> RelayJob:
        """Waits until the job has ended, for at most ``timeout`` seconds, and returns it."""
        return await self._job("wait", id=id, timeout=timeout)

    async def cancel(self, id: str, reason: str = "the program cancelled it") -> RelayJob:
        """Cancels a job for all its readers. It may be ``cancelling`` for a while."""
        return await self._job("cancel", id=id, reason=reason)

    async def set_deadline(self, id: str, seconds: Optional[float]) -> RelayJob:
        """Moves a job's deadline to this many seconds from now; ``None`` for no deadline."""
        return await self._job("deadline", id=id, seconds=seconds)

    async def extend(self, id: str, seconds: float) -> RelayJob:
        """Moves a job's deadline by this many seconds; if there is none, sets it this far from now."""
        return await self._job("extend", id=id, seconds=seconds)

    async def pause(self, id: str) -> RelayJob:
        """Pauses a job: the relay stops reading from its server."""
        return await self._job("pause", id=id)

    async def unpause(self, id: str) -> RelayJob:
        """Ends ``pause()``."""
        return await self._job("unpause", id=id)

    async def retry(self, id: str) -> RelayJob:
        """Sends the same request again, as a new job of the same conversation.

        Raises ``ResponseError`` if the relay did not keep the request (``RelayJob.has_request``).
        """
        return await self._job("retry", id=id)

    async def rename(self, id: str, name: str) -> RelayJob:
        """Gives a job another name, which no other job of this owner may have."""
        return await self._job("rename", id=id, name=name)

    async def request(self, id: str) -> Dict[str, Any]:
        """The request of a job, if the relay kept it."""
        answer = await self._send("request", id=id)
        request: Dict[str, Any] = json.loads(answer)
        return request

    async def forget(self, id: str) -> None:
        """Deletes an answer and its record. A running answer is cancelled first."""
        await self._send("forget", id=id)

    async def version(self) -> RelayVersion:
        """The relay's version and state."""
        return requests.answer(RelayVersion, await self._send("version"))

    # --- of the relay itself -----------------------------------------------------------------------------------------

    async def shutdown(self, *, if_idle: bool = False) -> None:
        """Shuts the relay down; running answers may finish within its drain time. Only over a Unix socket.

        With ``if_idle``, raises ``ResponseError`` instead if an answer runs.

        ::

            await client.relay.shutdown(if_idle=True)
        """
        await self._send("shutdown", if_idle=if_idle)

    async def back_up(self, folder: Union[str, "os.PathLike[str]"]) -> int:
        """Copies the current state of the relay's store into a new ``folder``, while the relay runs. Only over a Unix socket;
        the relay writes the folder.

        Returns the number of streams. Raises ``ResponseError`` if the folder exists.

        ::

            await client.relay.back_up("/var/backups/towline-2026-01-01")
        """
        answer = await self._send("back_up", folder=os.path.abspath(folder))
        copied: int = json.loads(answer)
        return copied

    async def page(self) -> str:
        """The address of the relay's page for a browser on this machine. It works once, for 10 minutes; the browser stays
        signed in as long as the relay runs. Only over a Unix socket.

        ::

            webbrowser.open(await client.relay.page())
        """
        answer = await self._send("page")
        url: str = json.loads(answer)
        return url

    async def link(self, name: str = "device") -> str:
        """The token of a link for a device of this owner, called ``name``. The link is the relay's address, ``#`` and the
        token. It works once, for 10 minutes.

        ::

            print("https://relay.example/#" + await client.relay.link("laptop"))
        """
        answer = await self._send("link", name=name)
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
        """A link for a phone, and the address with TLS that the phone uses: the relay opens one if it has none. Only over a Unix
        socket.

        ``name`` is the name of the phone. It sees the answers of ``owner``; default: the caller's. ``listen`` is the address
        for phones, if the relay has no address with TLS; default: ``0.0.0.0:11437``. ``hosts`` are names and
        addresses for the certificate, if the relay makes one; default: this machine's name.

        ::

            paired = await client.relay.pair("phone", hosts=["192.168.1.5"])
            print(paired.listen, paired.token)
        """
        answer = await self._send("pair", name=name, owner=owner, listen=listen, hosts=list(hosts))
        return requests.answer(RelayPaired, answer)

    async def devices(self) -> List[RelayDevice]:
        """The browsers that signed in with a link: those of this owner, or over a Unix socket all of them.

        ::

            print([device.name for device in await client.relay.devices()])
        """
        answer = await self._send("devices")
        return [RelayDevice.model_validate(device) for device in json.loads(answer)]

    async def revoke(self, name: str) -> None:
        """Revokes the device with this name; its streams are cut at once.

        ::

            await client.relay.revoke("phone")
        """
        await self._send("revoke", name=name)

    async def _job(self, order: str, **fields: Any) -> RelayJob:
        return requests.answer(RelayJob, await self._send(order, **fields))

    async def _send(self, order: str, **fields: Any) -> bytes:
        check_order(order, fields)
        command: Dict[str, Any] = {order: fields}
        call = self._native.relay(json.dumps(command))
        return await wait_for(call)
