"""What a relay says of what it runs."""

from __future__ import annotations

from typing import Literal, Optional

from ._model import Answer


class RelayJob(Answer):
    """A stream that a relay runs or has run.

    ::

        for job in client.relay.jobs(state="running"):
            print(job.id, job.name, job.records)
    """

    id: str
    """What the relay calls it: for ``attach`` and every order."""
    name: Optional[str] = None
    """The name it was given."""
    model: Optional[str] = None
    """The model that was asked."""
    path: str = ""
    """The endpoint that was asked, for example ``/api/chat``."""
    upstream: Optional[str] = None
    """The server that it was sent to, by the name that the relay has for it."""
    state: str
    """As of a `Job`, and ``interrupted`` where the relay itself was ended."""
    created_at: str = ""
    """When it was accepted (RFC 3339)."""
    ended_at: Optional[str] = None
    """When it ended (RFC 3339)."""
    bytes: int = 0
    """Bytes in its log."""
    records: int = 0
    """Records in its log."""
    tokens_per_second: Optional[float] = None
    """How fast it is, where that is known."""
    age_s: float = 0.0
    """Seconds since it was accepted."""
    since_last_s: Optional[float] = None
    """Seconds since its server last sent something."""
    deadline_s: Optional[float] = None
    """Seconds to its deadline."""
    readers: int = 0
    """How many read it now."""
    detached: bool = False
    """Whether it also runs without a reader."""
    offset: str = ""
    """The end of its log."""
    cause: Optional[str] = None
    """Why it ended, where it did not complete."""


class RelayVersion(Answer):
    """Which relay it is.

    ::

        print(client.relay.version().uptime_s)
    """

    version: str
    """Its version."""
    pid: int = 0
    """Its process."""
    uptime_s: float = 0.0
    """How long it has run, in seconds."""


Running = Literal["running", "ended", "all"]
