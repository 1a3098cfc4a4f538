"""The handle of a background job, and groups of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Optional

from . import _errors, _towline
from ._towline import Event, JobCore, JobInfo, Outcome
from ._waiting import arrival

if TYPE_CHECKING:
    from ._work import PythonWork
    from .engine import Engine

STATES = (
    "queued",
    "connecting",
    "waiting",
    "streaming",
    "running",
    "paused",
    "cancelling",
    "completed",
    "truncated",
    "cancelled",
    "timed_out",
    "failed",
)
"""What a job can be doing, and how it can have ended."""


class StillRunning(_errors.TowlineError, TimeoutError):
    """The time one wanted to wait is up. The job goes on."""

    kind = "timed_out"


def _job_error(job: Job, outcome: Outcome) -> _errors.TowlineError:
    """The exception for a job that did not complete: the one a client raises, with the job and its outcome."""
    facts = {
        "kind": outcome.kind,
        "origin": outcome.origin,
        "message": f"job {job.id} ({job.name}): {outcome}",
        "words": outcome.message,
        "status": outcome.status,
        "may_have_had_effect": outcome.may_have_had_effect,
        "text": job.text,
        "thinking": outcome.reply.thinking,
    }
    error = _errors.of_facts(facts)
    error.job, error.outcome = job, outcome
    return error


class Job:
    """A stream, coroutine or function that an engine runs. From any thread; only what says so waits.

    Dropping it leaves the job alone: ``cancel()``, the deadline or the engine's end stop it.
    """

    __slots__ = ("__weakref__", "_core", "_engine", "_work")

    def __init__(self, core: JobCore, engine: Engine, work: Optional[PythonWork] = None) -> None:
        self._core = core
        self._engine = engine
        self._work = work

    # --- looking ---------------------------------------------------------------------------------------------------

    @property
    def id(self) -> int:
        """Its number in its engine."""
        return self._core.id

    @property
    def info(self) -> JobInfo:
        """Everything there is to see, at this moment."""
        return self._core.info()

    @property
    def name(self) -> str:
        return self.info.name

    @name.setter
    def name(self, name: str) -> None:
        self._core.rename(name)

    @property
    def state(self) -> str:
        """One of ``STATES``, and true: it is ``cancelling`` until it has in truth ended."""
        return self._core.state()

    @property
    def done(self) -> bool:
        """Whether it has ended, in whichever way."""
        return self._core.has_ended()

    @property
    def is_cancelling(self) -> bool:
        """Whether it was told to stop: a function that runs for long asks this of ``towline.current_job()``."""
        return self.state == "cancelling"

    @property
    def text(self) -> str:
        """The answer as far as it came."""
        return self._core.text()

    @property
    def outcome(self) -> Optional[Outcome]:
        """How it ended, with all it received; ``None`` while it has not."""
        return self._core.outcome()

    @property
    def exception(self) -> Optional[BaseException]:
        """What ``result()`` would raise; ``None`` for a job that completed or has not ended."""
        outcome = self.outcome
        if outcome is None or outcome.is_completed:
            return None
        if self._work is not None and self._work.error is not None:
            return self._work.error
        return _job_error(self, outcome)

    # --- control ---------------------------------------------------------------------------------------------------

    def cancel(self, reason: str = "the program cancelled it", *, now: bool = False) -> None:
        """Tells it to stop: it is ``cancelling`` until it has. With ``now`` a coroutine is told again."""
        self._core.cancel(reason, now)

    def pause(self) -> None:
        """Reads no further; a server may go on generating into its buffers. A coroutine stops at its next ``await``."""
        if self._work is not None and not self._work.can_pause:
            raise RuntimeError(f"job {self.id} ({self.name}) is a plain function, which cannot be paused")
        self._core.pause(True)

    def resume(self) -> None:
        """Goes on after ``pause()``."""
        self._core.pause(False)

    @property
    def deadline(self) -> Optional[float]:
        """Seconds until it ends as timed out; ``None`` for never. Set it at any time, from any thread."""
        return self.info.deadline_in

    @deadline.setter
    def deadline(self, seconds: Optional[float]) -> None:
        self._core.set_deadline(seconds)

    def extend(self, seconds: float) -> None:
        """Moves the deadline by so much; without one, sets it so far from now."""
        self._core.extend(seconds)

    def retry(self) -> Job:
        """Asks the same again, as a new job."""
        core = self._core.retry()
        if core is None:
            raise RuntimeError(f"job {self.id} ({self.name}) cannot be repeated: it is no stream, or its engine is gone")
        return self._engine._job(core)

    def emit(self, text: str) -> bool:
        """Appends text to the log of a coroutine or function; ``False`` when the log is full or the job has ended."""
        if self._work is None:
            raise RuntimeError("only the job's own coroutine or function has text to emit")
        return self._work.work.emit(text)

    # --- waiting ---------------------------------------------------------------------------------------------------

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Blocks until it has ended; ``False`` when ``timeout`` seconds were not enough. The job goes on then."""
        self._engine._refuse_to_block()
        return self._core.ended().block(timeout)

    def result(self, timeout: Optional[float] = None) -> Any:
        """Blocks until it has ended: the ``Reply`` of a stream, or what the coroutine or function returned.

        Raises what the coroutine or function raised; a ``TowlineError``, as a client would, if the job did not complete,
        with ``job``, ``outcome`` and ``text``; ``StillRunning`` when ``timeout`` seconds were not enough.
        """
        if not self.wait(timeout):
            raise StillRunning(f"job {self.id} ({self.name}) is {self.state} after {timeout} s, and goes on")
        return self._ended_result()

    def __await__(self) -> Generator[Any, Any, Any]:
        """Waits in asyncio or trio, without blocking it. Cancelling the wait leaves the job alone."""
        return self._result().__await__()

    async def _result(self) -> Any:
        await arrival(self._core.ended())
        return self._ended_result()

    def _ended_result(self) -> Any:
        exception = self.exception
        if exception is not None:
            raise exception
        if self._work is not None:
            return self._work.value
        outcome = self.outcome
        return outcome.reply if outcome is not None else None

    def __iter__(self) -> Iterator[Event]:
        """What it yields, from its beginning, blocking in between. Raises at the end unless it completed."""
        self._engine._refuse_to_block()
        cursor = self._core.cursor()
        while True:
            events = cursor.take()
            if events is None:
                self._raise_unless_completed()
                return
            if not events:
                cursor.news().block()
            yield from events

    def __aiter__(self) -> JobEvents:
        """The same in asyncio or trio."""
        return JobEvents(self)

    def _raise_unless_completed(self) -> None:
        exception = self.exception
        if exception is not None:
            raise exception

    # --- showing ---------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Job):
            return NotImplemented
        return self._engine is other._engine and self.id == other.id

    def __hash__(self) -> int:
        return hash((id(self._engine), self.id))

    def __repr__(self) -> str:
        try:
            return f"<Job {' '.join(filter(None, _row(self.info)))}>"
        except RuntimeError:
            return f"<Job {self.id} of another process>"

    def _repr_html_(self) -> str:
        return JobTable([self])._repr_html_()


class JobEvents:
    """What a job yields, from its beginning, in an event loop. There is nothing to close."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._cursor = job._core.cursor()
        self._new: deque[Event] = deque()

    def __aiter__(self) -> JobEvents:
        return self

    async def __anext__(self) -> Event:
        while not self._new:
            events = self._cursor.take()
            if events is None:
                self._job._raise_unless_completed()
                raise StopAsyncIteration
            self._new.extend(events)
            if not events:
                await arrival(self._cursor.news())
        return self._new.popleft()


_HEADS = ("job", "name", "state", "tokens", "rate", "age", "deadline")


def _row(info: JobInfo) -> tuple[str, ...]:
    return (
        str(info.id),
        info.name,
        info.state,
        f"{info.tokens} tokens" if info.tokens else "",
        f"{info.tokens_per_second:.1f}/s" if info.tokens > 1 else "",
        f"{info.age:.1f} s",
        "" if info.deadline_in is None else f"{info.deadline_in:.1f} s left",
    )


class JobTable(list["Job"]):
    """Jobs that are shown as a table."""

    def __repr__(self) -> str:
        if not self:
            return "no jobs"
        rows = [_HEADS, *(_row(job.info) for job in self)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def line(cells: Iterable[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        rows = (line(_row(job.info), "td") for job in self)
        return f"<table><thead>{line(_HEADS, 'th')}</thead><tbody>{''.join(rows)}</tbody></table>"


class Group(Sequence[Job]):
    """Jobs that belong together. Each can still be controlled on its own."""

    def __init__(self, jobs: Iterable[Job], name: Optional[str] = None) -> None:
        self.jobs = list(jobs)
        self.name = name

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: Any) -> Any:
        return self.jobs[index]

    @property
    def done(self) -> bool:
        return all(job.done for job in self.jobs)

    @property
    def outcomes(self) -> list[Optional[Outcome]]:
        """How each ended; ``None`` for those that have not."""
        return [job.outcome for job in self.jobs]

    def cancel(self, reason: str = "its group was cancelled") -> None:
        """Cancels every job that has not ended."""
        for job in self.jobs:
            job.cancel(reason)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Blocks until all have ended; ``False`` when ``timeout`` seconds were not enough."""
        return not wait(self.jobs, timeout=timeout)[1]

    def results(self, timeout: Optional[float] = None) -> list[Any]:
        """Blocks until all have ended: their results, in order. Raises what the first that has none raised."""
        if not self.wait(timeout):
            late = sum(not job.done for job in self.jobs)
            raise StillRunning(f"{late} of {len(self)} jobs have not ended after {timeout} s, and go on")
        return [job.result() for job in self.jobs]

    def __await__(self) -> Generator[Any, Any, list[Any]]:
        return self._results().__await__()

    async def _results(self) -> list[Any]:
        await arrival(_towline.all_ended([job._core for job in self.jobs]))
        return [job._ended_result() for job in self.jobs]

    def __repr__(self) -> str:
        return repr(JobTable(self.jobs))

    def _repr_html_(self) -> str:
        return JobTable(self.jobs)._repr_html_()


def wait(
    jobs: Iterable[Job], *, first: bool = False, timeout: Optional[float] = None
) -> tuple[list[Job], list[Job]]:
    """Blocks until all ``jobs`` have ended, with ``first`` until one has, or until ``timeout`` seconds are up.

    Returns those that have ended and those that have not. It leaves them all alone.
    """
    waited = list(jobs)
    for job in waited[:1]:
        job._engine._refuse_to_block()
    cores = [job._core for job in waited]
    (_towline.any_ended(cores) if first else _towline.all_ended(cores)).block(timeout)
    ended = [job.done for job in waited]
    return [j for j, e in zip(waited, ended) if e], [j for j, e in zip(waited, ended) if not e]
