"""Without async. ``sync.py`` makes this file from ``_arelay.py``: change that file."""

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
    """A relay, which lists and controls its jobs. ``client.relay`` returns it.

    Each call raises ``ResponseError`` for an id that the relay does not have for this owner, and ``ConnectError`` if no
    relay answers. An id may also be a job's name, its number (``"%3"``), or the first 4 or more characters of its
    id.

    ::

        for job in client.relay.jobs(state="running"):
            client.relay.cancel(job.id)
    """

    def __init__(self, native: NativeClient) -> None:
        self._native = native

    @options_of.documented_by(JobFilter)
    def jobs(self, **which: Unpack[JobFilter]) -> List[RelayJob]:
        """The jobs as they are now, the oldest first. Each argument restricts the list, see
        `JobFilter`.

        ::

            client.relay.jobs(state="ended", text="river", since=3600)
        """
        answer = self._send("list", **asked("jobs", which))
        return [RelayJob.model_validate(job) for job in json.loads(answer)]

    @options_of.documented_by(JobFilter)
    def watch(self, **which: Unpack[JobFilter]) -> Iterator[RelayChange]:
        """The jobs that match the arguments, which are those of `jobs`: first each as it is, then each change.

        It does not end by itself; leave the loop, or close the client. It reconnects after a lost connection, and then yields
        a change with ``reset``. Raises ``ConnectError`` if no relay answers.

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
        """The job with this id."""
        return self._job("find", id=id)

    def wait(self, id: str, timeout: float) -> RelayJob:
        """Waits until the job has ended, for at most ``timeout`` seconds, and returns it."""
        return self._job("wait", id=id, timeout=timeout)

    def cancel(self, id: str, reason: str = "the program cancelled it") -> RelayJob:
        """Cancels a job for all its readers. It may be ``cancelling`` for a while."""
        return self._job("cancel", id=id, reason=reason)

    def set_deadline(self, id: str, seconds: Optional[float]) -> RelayJob:
        """Moves a job's deadline to this many seconds from now; ``None`` for no deadline."""
        return self._job("deadline", id=id, seconds=seconds)

    def extend(self, id: str, seconds: float) -> RelayJob:
        """Moves a job's deadline by this many seconds; if there is none, sets it this far from now."""
        return self._job("extend", id=id, seconds=seconds)

    def pause(self, id: str) -> RelayJob:
        """Pauses a job: the relay stops reading from its server."""
        return self._job("pause", id=id)

    def unpause(self, id: str) -> RelayJob:
        """Ends ``pause()``."""
        return self._job("unpause", id=id)

    def retry(self, id: str) -> RelayJob:
        """Sends the same request again, as a new job of the same conversation.

        Raises ``ResponseError`` if the relay did not keep the request (``RelayJob.has_request``).
        """
        return self._job("retry", id=id)

    def rename(self, id: str, name: str) -> RelayJob:
        """Gives a job another name, which no other job of this owner may have."""
        return self._job("rename", id=id, name=name)

    def request(self, id: str) -> Dict[str, Any]:
        """The request of a job, if the relay kept it."""
        answer = self._send("request", id=id)
        request: Dict[str, Any] = json.loads(answer)
        return request

    def forget(self, id: str) -> None:
        """Deletes an answer and its record. A running answer is cancelled first."""
        self._send("forget", id=id)

    def version(self) -> RelayVersion:
        """The relay's version and state."""
        return requests.answer(RelayVersion, self._send("version"))

    # --- of the relay itself -----------------------------------------------------------------------------------------

    def shutdown(self, *, if_idle: bool = False) -> None:
        """Shuts the relay down; running answers may finish within its drain time. Only over a Unix socket.

        With ``if_idle``, raises ``ResponseError`` instead if an answer runs.

        ::

            client.relay.shutdown(if_idle=True)
        """
        self._send("shutdown", if_idle=if_idle)

    def back_up(self, folder: Union[str, "os.PathLike[str]"]) -> int:
        """Copies the current state of the relay's store into a new ``folder``, while the relay runs. Only over a Unix socket;
        the relay writes the folder.

        Returns the number of streams. Raises ``ResponseError`` if the folder exists.

        ::

            client.relay.back_up("/var/backups/towline-2026-01-01")
        """
        answer = self._send("back_up", folder=os.path.abspath(folder))
        copied: int = json.loads(answer)
        return copied

    def page(self) -> str:
        """The address of the relay's page for a browser on this machine. It works once, for 10 minutes; the browser stays
        signed in as long as the relay runs. Only over a Unix socket.

        ::

            webbrowser.openclient.relay.page()
        """
        answer = self._send("page")
        url: str = json.loads(answer)
        return url

    def link(self, name: str = "device") -> str:
        """The token of a link for a device of this owner, called ``name``. The link is the relay's address, ``#`` and the
        token. It works once, for 10 minutes.

        ::

            print("https://relay.example/#" + client.relay.link("laptop"))
        """
        answer = self._send("link", name=name)
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
        """A link for a phone, and the address with TLS that the phone uses: the relay opens one if it has none. Only over a Unix
        socket.

        ``name`` is the name of the phone. It sees the answers of ``owner``; default: the caller's. ``listen`` is the address
        for phones, if the relay has no address with TLS; default: ``0.0.0.0:11437``. ``hosts`` are names and
        addresses for the certificate, if the relay makes one; default: this machine's name.

        ::

            paired = client.relay.pair("phone", hosts=["192.168.1.5"])
            print(paired.listen, paired.token)
        """
        answer = self._send("pair", name=name, owner=owner, listen=listen, hosts=list(hosts))
        return requests.answer(RelayPaired, answer)

    def devices(self) -> List[RelayDevice]:
        """The browsers that signed in with a link: those of this owner, or over a Unix socket all of them.

        ::

            print([device.name for device in client.relay.devices()])
        """
        answer = self._send("devices")
        return [RelayDevice.model_validate(device) for device in json.loads(answer)]

    def revoke(self, name: str) -> None:
        """Revokes the device with this name; its streams are cut at once.

        ::

            client.relay.revoke("phone")
        """
        self._send("revoke", name=name)

    def _job(self, order: str, **fields: Any) -> RelayJob:
        return requests.answer(RelayJob, self._send(order, **fields))

    def _send(self, order: str, **fields: Any) -> bytes:
        check_order(order, fields)
        command: Dict[str, Any] = {order: fields}
        call = self._native.relay(json.dumps(command))
        return call.wait()
