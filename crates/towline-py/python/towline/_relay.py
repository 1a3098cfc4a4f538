"""Without async. Made of ``_arelay.py`` by ``sync.py``: change that file."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from . import _requests as requests
from ._relayed import RelayJob, RelayVersion, Running
from ._towline import NativeClient


class Relay:
    """A relay: what it runs, and telling it what to do with that. ``client.relay`` gives it.

    Each call raises ``ResponseError`` for an id that the relay does not have, or not for this owner, and ``ConnectError``
    where no relay answers. An id may be shortened to its beginning.

    ::

        for job in client.relay.jobs(state="running"):
            client.relay.cancel(job.id)
    """

    def __init__(self, native: NativeClient) -> None:
        self._native = native

    def jobs(
        self, *, state: Running = "all", model: Optional[str] = None, name: Optional[str] = None
    ) -> List[RelayJob]:
        """The jobs that run, that have ended, or all; of one model, or of one name."""
        running = {"all": None, "running": True, "ended": False}[state]
        answer = self._tell("list", running=running, model=model, name=name)
        return [RelayJob.model_validate(job) for job in json.loads(answer)]

    def job(self, id: str) -> RelayJob:
        """The job whose id is this, or begins so."""
        return self._job("find", id=id)

    def wait(self, id: str, timeout: float) -> RelayJob:
        """The job once it has ended, or as it is after ``timeout`` seconds."""
        return self._job("wait", id=self._whole(id), seconds=timeout)

    def cancel(self, id: str, reason: str = "the program cancelled it") -> RelayJob:
        """Tells a job to stop, for everybody who reads it. It may be ``cancelling`` for a while."""
        return self._job("cancel", id=self._whole(id), reason=reason)

    def set_deadline(self, id: str, seconds: Optional[float]) -> RelayJob:
        """Moves a job's deadline to so many seconds from now; ``None`` for never."""
        return self._job("deadline", id=self._whole(id), seconds=seconds)

    def extend(self, id: str, seconds: float) -> RelayJob:
        """Moves a job's deadline by so many seconds; without one, sets it so far from now."""
        return self._job("extend", id=self._whole(id), seconds=seconds)

    def pause(self, id: str) -> RelayJob:
        """The relay stops reading from the job's server."""
        return self._job("pause", id=self._whole(id))

    def unpause(self, id: str) -> RelayJob:
        """Ends ``pause()``."""
        return self._job("unpause", id=self._whole(id))

    def forget(self, id: str) -> None:
        """Deletes an answer and its record. One that runs is cancelled first."""
        self._tell("forget", id=self._whole(id))

    def version(self) -> RelayVersion:
        """Which relay it is."""
        return requests.answer(RelayVersion, self._tell("version"))

    def _whole(self, id: str) -> str:
        return self.job(id).id

    def _job(self, order: str, **fields: Any) -> RelayJob:
        return requests.answer(RelayJob, self._tell(order, **fields))

    def _tell(self, order: str, **fields: Any) -> bytes:
        told: Dict[str, Any] = {order: fields}
        call = self._native.relay(json.dumps(told))
        return call.wait()
