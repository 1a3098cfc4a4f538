"""Without async. Made of ``_arelay.py`` by ``sync.py``: change that file."""

from __future__ import annotations

import json
import os
from typing import Any, Iterator, Dict, List, Optional, Sequence, Union

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


class Relay:
    """A relay: what it runs, and telling it what to do with that. ``client.relay`` gives it.

    Each call raises ``ResponseError`` for an id that the relay does not have, or not for this owner, and ``ConnectError``
    where no relay answers. Where an id is asked for, a job's name, its number (``"%3"``) and the beginning of its id from 4
    characters on will do.

    ::

        for job in client.relay.jobs(state="running"):
            client.relay.cancel(job.id)
    """

    def __init__(self, native: NativeClient) -> None:
        self._native = native

    @options_of.told(JobFilter)
    def jobs(self, **which: Unpack[JobFilter]) -> List[RelayJob]:
        """The jobs as they are now, the oldest first. Without an argument all; each argument leaves only some, see
        `JobFilter`.

        ::

            client.relay.jobs(state="ended", text="river", since=3600)
        """
        answer = self._tell("list", **asked("jobs", which))
        return [RelayJob.model_validate(job) for job in json.loads(answer)]

    @options_of.told(JobFilter)
    def watch(self, **which: Unpack[JobFilter]) -> Iterator[RelayChange]:
        """The jobs of which the arguments are true, as of `jobs`: first each as it is, then each change, as it happens.

        It does not end by itself; leave the loop, or close the client. A connection that is lost is made again, and a
        change with ``reset`` says so. Raises ``ConnectError`` where no relay answers.

        ::

            for change in client.relay.watch(state="running"):
                if change.job:
                    print(change.job.name, change.job.state)
        """
        watch = self._native.watch(json.dumps(asked("watch", which)))
        while True:
            call = watch.next()
            change = call.wait()
            yield requests.answer(RelayChange, change)

    def job(self, id: str) -> RelayJob:
        """The job that has this id."""
        return self._job("find", id=id)

    def wait(self, id: str, timeout: float) -> RelayJob:
        """The job once it has ended, or as it is after ``timeout`` seconds."""
        return self._job("wait", id=id, timeout=timeout)

    def cancel(self, id: str, reason: str = "the program cancelled it") -> RelayJob:
        """Tells a job to stop, for everybody who reads it. It may be ``cancelling`` for a while."""
        return self._job("cancel", id=id, reason=reason)

    def set_deadline(self, id: str, seconds: Optional[float]) -> RelayJob:
        """Moves a job's deadline to so many seconds from now; ``None`` for never."""
        return self._job("deadline", id=id, seconds=seconds)

    def extend(self, id: str, seconds: float) -> RelayJob:
        """Moves a job's deadline by so many seconds; without one, sets it so far from now."""
        return self._job("extend", id=id, seconds=seconds)

    def pause(self, id: str) -> RelayJob:
        """The relay stops reading from the job's server."""
        return self._job("pause", id=id)

    def unpause(self, id: str) -> RelayJob:
        """Ends ``pause()``."""
        return self._job("unpause", id=id)

    def retry(self, id: str) -> RelayJob:
        """Asks the same again: a new job, of the same conversation.

        Raises ``ResponseError`` where the relay did not keep the request: ``RelayJob.has_request`` says so.
        """
        return self._job("retry", id=id)

    def rename(self, id: str, name: str) -> RelayJob:
        """Gives a job another name, which no other job of this owner may have."""
        return self._job("rename", id=id, name=name)

    def request(self, id: str) -> Dict[str, Any]:
        """The request that a job was begun with, where the relay kept it."""
        answer = self._tell("request", id=id)
        request: Dict[str, Any] = json.loads(answer)
        return request

    def forget(self, id: str) -> None:
        """Deletes an answer and its record. One that runs is cancelled first."""
        self._tell("forget", id=id)

    def version(self) -> RelayVersion:
        """Which relay it is."""
        return requests.answer(RelayVersion, self._tell("version"))

    # --- of the relay itself -----------------------------------------------------------------------------------------

    def shutdown(self, *, if_idle: bool = False) -> None:
        """Ends the relay, once what it runs has had its time to drain. Over a Unix socket only.

        With ``if_idle`` it raises ``ResponseError`` where something runs, and ends nothing.

        ::

            client.relay.shutdown(if_idle=True)
        """
        self._tell("shutdown", if_idle=if_idle)

    def back_up(self, folder: Union[str, "os.PathLike[str]"]) -> int:
        """Copies the relay's store into a new ``folder``, as it is at this moment, while the relay runs. Over a Unix socket
        only; the relay writes the folder.

        Returns the number of streams. Raises ``ResponseError`` where the folder is there already.

        ::

            client.relay.back_up("/var/backups/towline-2026-01-01")
        """
        answer = self._tell("back_up", folder=os.path.abspath(folder))
        copied: int = json.loads(answer)
        return copied

    def page(self) -> str:
        """The address of the relay's page for a browser on this machine. It works once, for 10 minutes; what comes in by it
        lasts as long as the relay. Over a Unix socket only.

        ::

            webbrowser.openclient.relay.page()
        """
        answer = self._tell("page")
        url: str = json.loads(answer)
        return url

    def link(self, name: str = "device") -> str:
        """The token of a link for a device of this owner, called ``name``: the relay's address with ``#`` and the token
        behind it is the link. It works once, for 10 minutes.

        ::

            print("https://relay.example/#" + client.relay.link("laptop"))
        """
        answer = self._tell("link", name=name)
        token: str = json.loads(answer)
        return token

    def pair(
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

            paired = client.relay.pair("phone", hosts=["192.168.1.5"])
            print(paired.listen, paired.token)
        """
        answer = self._tell("pair", name=name, owner=owner, listen=listen, hosts=list(hosts))
        return requests.answer(RelayPaired, answer)

    def devices(self) -> List[RelayDevice]:
        """The browsers that came in by a link: those of this owner, or over a Unix socket all.

        ::

            print([device.name for device in client.relay.devices()])
        """
        answer = self._tell("devices")
        return [RelayDevice.model_validate(device) for device in json.loads(answer)]

    def revoke(self, name: str) -> None:
        """Revokes the device of this name; what it reads is cut at once.

        ::

            client.relay.revoke("phone")
        """
        self._tell("revoke", name=name)

    def _job(self, order: str, **fields: Any) -> RelayJob:
        return requests.answer(RelayJob, self._tell(order, **fields))

    def _tell(self, order: str, **fields: Any) -> bytes:
        check_order(order, fields)
        told: Dict[str, Any] = {order: fields}
        call = self._native.relay(json.dumps(told))
        return call.wait()
