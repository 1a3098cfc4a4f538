"""What a relay says of what it runs."""

from __future__ import annotations

from typing import List, Literal, Optional

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
    """The name it was given. It works wherever the id does."""
    number: Optional[int] = None
    """Its number: ``"%3"`` works wherever the id does, until another job has it. ``None`` where more than 99 run."""
    question: Optional[str] = None
    """The user's last message, up to 1,000 characters."""
    questions_before: int = 0
    """How many messages of the user came before it."""
    conversation: Optional[str] = None
    """The conversation that it belongs to."""
    turn: Optional[str] = None
    """Its place in that conversation."""
    group: Optional[str] = None
    """The group that it belongs to."""
    asked_by: Optional[str] = None
    """Who asked: ``command``, ``prompt``, ``window``, ``python``, ``page``, or what a client calls itself."""
    retry_of: Optional[str] = None
    """The id of the job whose request this one asks again."""
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
    not_understood: int = 0
    """Frames from its server that were no records; known once it has ended."""
    tokens: Optional[int] = None
    """Tokens of the answer: as the server counts them once it has, else one for each record."""
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
    sent: bool = True
    """Whether a server may have got the request. ``False`` while it waits for its turn."""
    has_request: bool = False
    """Whether its request is kept, so that it can be retried."""
    detached: bool = False
    """Whether it also runs without a reader."""
    offset: str = ""
    """The end of its log."""
    cause: Optional[str] = None
    """Why it ended, where it did not complete."""


class RelayServer(Answer):
    """A model server that a relay was configured with.

    ::

        print([server.name for server in client.relay.version().servers if server.up])
    """

    name: str
    """Its name, by which a request can choose it."""
    up: bool = True
    """Whether it answered when the relay last looked."""


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
    running: int = 0
    """Jobs that run, those included that wait for their turn."""
    queued: int = 0
    """Of these, those that wait."""
    streams: int = 0
    """Streams that it keeps, running or not."""
    servers: List[RelayServer] = []
    """The model servers that it was configured with."""
    listen: List[str] = []
    """Where it listens."""


Running = Literal["running", "ended", "all"]
