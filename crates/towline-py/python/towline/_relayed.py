"""The data that a relay reports about its jobs."""

from __future__ import annotations

from typing import Any, Dict, List, Literal, Mapping, Optional

from typing_extensions import TypedDict

from . import _checks as checks
from . import _options as options_of
from ._model import Answer


class RelayJob(Answer):
    """A stream that a relay runs or has run.

    ::

        for job in client.relay.jobs(state="running"):
            print(job.id, job.name, job.records)
    """

    id: str
    """Its id, for ``attach`` and every order."""
    name: Optional[str] = None
    """Its name, which works like the id."""
    number: Optional[int] = None
    """Its number: ``"%3"`` works like the id until another job gets the number. ``None`` if more than 99 jobs run."""
    question: Optional[str] = None
    """The user's last message, up to 1,000 characters."""
    questions_before: int = 0
    """How many messages of the user came before it."""
    conversation: Optional[str] = None
    """Its conversation."""
    turn: Optional[str] = None
    """Its turn in that conversation."""
    group: Optional[str] = None
    """Its group."""
    asked_by: Optional[str] = None
    """Who asked: ``command``, ``prompt``, ``window``, ``python``, ``page``, or a client's own name for itself."""
    retry_of: Optional[str] = None
    """The id of the job that this one retries."""
    model: Optional[str] = None
    """The model that was asked."""
    path: str = ""
    """The endpoint that was asked, for example ``/api/chat``."""
    upstream: Optional[str] = None
    """The relay's name for the server that the request was sent to."""
    state: str
    """A state of a `Job`, or ``interrupted`` if the relay itself ended."""
    created_at: str = ""
    """When it was accepted (RFC 3339)."""
    ended_at: Optional[str] = None
    """When it ended (RFC 3339)."""
    bytes: int = 0
    """Bytes in its log."""
    records: int = 0
    """Records in its log."""
    not_understood: int = 0
    """Frames from its server that were not records; known once it has ended."""
    tokens: Optional[int] = None
    """Tokens of the answer: the server's count once it is known, else one for each record."""
    tokens_per_second: Optional[float] = None
    """Its speed, if known."""
    age_s: float = 0.0
    """Seconds since it was accepted."""
    since_last_s: Optional[float] = None
    """Seconds since its server last sent something."""
    deadline_s: Optional[float] = None
    """Seconds until its deadline."""
    readers: int = 0
    """The number of its readers."""
    sent: bool = True
    """Whether a server may have received the request. ``False`` while the job is queued."""
    has_request: bool = False
    """Whether its request is kept, so that it can be retried."""
    detached: bool = False
    """Whether it also runs without a reader."""
    offset: str = ""
    """The end of its log."""
    content_type: Optional[str] = None
    """The media type of its log."""
    cause: Optional[str] = None
    """Why it ended, if it did not complete."""


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
    """A relay's version and state.

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
    """The number of running and queued jobs."""
    queued: int = 0
    """The number of queued jobs."""
    streams: int = 0
    """The number of stored streams, running or not."""
    servers: List[RelayServer] = []
    """The model servers that it was configured with."""
    listen: List[str] = []
    """The addresses on which it listens."""


class RelayChange(Answer):
    """A change of a relay's jobs: one of ``job``, ``removed`` and ``reset``.

    ::

        for change in client.relay.watch():
            if change.job:
                print(change.job.name, change.job.state)
    """

    job: Optional[RelayJob] = None
    """A new or changed job."""
    removed: Optional[str] = None
    """The id of a job that was deleted, or no longer matches the arguments of ``watch``."""
    reset: bool = False
    """Earlier changes may be out of date: every job follows again."""


class RelayPaired(Answer):
    """A link for a phone.

    ::

        paired = client.relay.pair("phone")
        print(paired.listen, paired.token)
    """

    token: str
    """The secret of the link, which follows ``#`` in its address. It works once, for 10 minutes."""
    listen: str
    """The address for phones on which the relay listens."""
    fingerprint: Optional[str] = None
    """The SHA-256 fingerprint of the certificate, if the relay made it itself."""


class RelayDevice(Answer):
    """A browser that signed in with a link.

    ::

        print([device.name for device in client.relay.devices()])
    """

    name: str
    """Its name."""
    owner: str
    """The owner whose answers it sees."""
    created_at: str
    """Its first visit (RFC 3339)."""
    seen_at: str
    """The day of its last visit."""


class JobFilter(TypedDict, total=False):
    """A filter for a relay's jobs: all given values must match."""

    state: Literal["running", "ended", "all"]
    """Whether they run or have ended. Default: ``"all"``."""
    model: Optional[str]
    """Their model."""
    name: Optional[str]
    """Their name."""
    text: Optional[str]
    """A text in their name, question or model; case does not matter."""
    conversation: Optional[str]
    """Their conversation."""
    group: Optional[str]
    """Their group."""
    since: Optional[float]
    """The maximum number of seconds since they were accepted."""


_RUNNING: Dict[str, Optional[bool]] = {"all": None, "running": True, "ended": False}


def asked(function: str, which: Mapping[str, Any]) -> Dict[str, Any]:
    """The fields of a filter, checked."""
    options_of.check(function, JobFilter, which)
    texts = {name: value for name, value in which.items() if name not in ("state", "since")}
    for name, value in texts.items():
        if value is not None:
            checks.text(name, value)
    state = which.get("state", "all")
    checks.one_of("state", state, _RUNNING)
    return {"running": _RUNNING[state], "since": checks.seconds("since", which.get("since")), **texts}


def check_order(order: str, fields: Dict[str, Any]) -> None:
    """Rejects arguments that an order cannot have."""
    for name, value in fields.items():
        if order == "list" or value is None and (name in ("owner", "listen") or order == "deadline"):
            continue
        if name in ("seconds", "timeout"):
            checks.seconds(name, value, optional=False)
        elif name not in ("if_idle", "hosts"):
            checks.text(name, value)
