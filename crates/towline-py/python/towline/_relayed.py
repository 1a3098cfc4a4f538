"""What a relay says of what it runs."""

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
    content_type: Optional[str] = None
    """The media type of its log."""
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


class RelayChange(Answer):
    """What changed among a relay's jobs: one of ``job``, ``removed`` and ``reset``.

    ::

        for change in client.relay.watch():
            if change.job:
                print(change.job.name, change.job.state)
    """

    job: Optional[RelayJob] = None
    """A job that is new, or as it is now."""
    removed: Optional[str] = None
    """The id of a job that is gone, or of which the arguments of ``watch`` are no longer true."""
    reset: bool = False
    """What was known may be out of date: every job follows again."""


class RelayPaired(Answer):
    """A link for a phone.

    ::

        paired = client.relay.pair("phone")
        print(paired.listen, paired.token)
    """

    token: str
    """The secret of the link, which stands behind ``#`` in its address. It works once, for 10 minutes."""
    listen: str
    """Where the phone comes in, as the relay listens."""
    fingerprint: Optional[str] = None
    """The SHA-256 fingerprint of the certificate, where the relay made it itself."""


class RelayDevice(Answer):
    """A browser that came in by a link.

    ::

        print([device.name for device in client.relay.devices()])
    """

    name: str
    """Its name."""
    owner: str
    """Whose answers it sees."""
    created_at: str
    """When it came first (RFC 3339)."""
    seen_at: str
    """When it came last, to the day."""


class JobFilter(TypedDict, total=False):
    """Which of a relay's jobs: those of which all that is named is true."""

    state: Literal["running", "ended", "all"]
    """Whether they run or have ended. Default: ``"all"``."""
    model: Optional[str]
    """Their model."""
    name: Optional[str]
    """Their name."""
    text: Optional[str]
    """What their name, question or model has in it, in upper or lower case."""
    conversation: Optional[str]
    """Their conversation."""
    group: Optional[str]
    """Their group."""
    since: Optional[float]
    """Within how many seconds until now they were accepted."""


_RUNNING: Dict[str, Optional[bool]] = {"all": None, "running": True, "ended": False}


def asked(function: str, which: Mapping[str, Any]) -> Dict[str, Any]:
    """What is asked of a relay's jobs."""
    options_of.check(function, JobFilter, which)
    texts = {name: value for name, value in which.items() if name not in ("state", "since")}
    for name, value in texts.items():
        if value is not None:
            checks.text(name, value)
    state = which.get("state", "all")
    checks.one_of("state", state, _RUNNING)
    return {"running": _RUNNING[state], "since": checks.seconds("since", which.get("since")), **texts}


def check_order(order: str, fields: Dict[str, Any]) -> None:
    """Refuses arguments that an order cannot have."""
    for name, value in fields.items():
        if order == "list" or value is None and (name in ("owner", "listen") or order == "deadline"):
            continue
        if name in ("seconds", "timeout"):
            checks.seconds(name, value, optional=False)
        elif name not in ("if_idle", "hosts"):
            checks.text(name, value)
