"""The handle of a background job, and groups of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextvars import copy_context
from html import escape
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Literal, Optional, TypeVar, overload
from weakref import WeakKeyDictionary

from . import _errors, _towline
from ._towline import Event, JobCore, JobInfo, Outcome, Reply
from ._waiting import arrival
from ._work import GeneratorWork, log

if TYPE_CHECKING:
    from ._work import PythonWork
    from .engine import Engine

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

State = Literal[
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
]
"""What a job can be doing, and how it can have ended."""

STATES: tuple[State, ...] = State.__args__  # type: ignore[attr-defined]


class StillRunning(_errors.TowlineError, TimeoutError):
    """The timeout of a wait has passed. The job continues.

    ::

        try:
            job.result(timeout=1)
        except towline.StillRunning:
            print(job.state)
    """

    kind = "timed_out"


def _job_error(job: Job[Any], outcome: Outcome) -> _errors.TowlineError:
    """The exception for a job that did not complete: the one a client raises, with the job and its outcome."""
    facts = {
        "kind": outcome.kind,
        "fault": outcome.fault,
        "clock": outcome.clock,
        "message": f"job {job.id} ({job.name}): {outcome}",
        "words": outcome.message,
        "reason": outcome.message,
        "relayed": bool(job._engine._transport.relay),
        "status": outcome.status,
        "may_have_had_effect": outcome.may_have_had_effect,
        "text": job.text,
        "thinking": outcome.reply.thinking,
    }
    error = _errors.of_facts(facts)
    error.job, error.outcome = job, outcome
    return error


class Job(Coroutine[Any, Any, T_co]):
    """A stream, coroutine, generator or function that an engine runs. Usable from any thread; a method only waits if
    its documentation says so.

    ``Job[T]`` has a result of type ``T``: a `Reply` for a stream, the returned value for the others. Dropping the
    handle does not affect the job: ``cancel()``, the deadline or the engine's end stop it. It can be awaited any number
    of times, and given to ``asyncio.create_task`` and to a ``TaskGroup``; cancelling such a wait does not affect the
    job.

    ::

        job = engine.chat("llama3.2", "What is a river?")
        print(job.state)
        print(job.result(timeout=60).text)
    """

    __slots__ = ("__weakref__", "_core", "_engine", "_waits", "_work")

    def __init__(self, core: JobCore, engine: Engine, work: Optional[PythonWork] = None) -> None:
        self._core = core
        self._engine = engine
        self._work = work
        self._waits: Optional[WeakKeyDictionary[Any, Coroutine[Any, Any, T_co]]] = None

    # --- looking ---------------------------------------------------------------------------------------------------

    @property
    def id(self) -> int:
        """Its number in its engine."""
        return self._core.id

    @property
    def info(self) -> JobInfo:
        """A snapshot of the job."""
        return self._core.info()

    @property
    def name(self) -> str:
        """Its name, as submitted or renamed."""
        return self.info.name

    @name.setter
    def name(self, name: str) -> None:
        self._core.rename(name)

    @property
    def state(self) -> State:
        """One of ``STATES``. A cancelled job is ``cancelling`` until it has ended.

        It is ``paused`` after ``pause()``, and when its log is full of unread events. Then ``info.log_full`` is true,
        and reading the job or waiting for its result lets it continue.
        """
        return self._core.state()

    @property
    def done(self) -> bool:
        """Whether it has ended, in any way."""
        return self._core.has_ended()

    @property
    def is_cancelling(self) -> bool:
        """Whether it is being cancelled. A long-running function checks this on ``towline.current_job()``."""
        return self.state == "cancelling"

    @property
    def text(self) -> str:
        """The answer received so far."""
        return self._core.text()

    @property
    def outcome(self) -> Optional[Outcome]:
        """How it ended, with everything it received; ``None`` until it has ended."""
        outcome = self._core.outcome()
        if outcome is not None:
            self._engine._kept.mark_read(self.id)
        return outcome

    @property
    def exception(self) -> Optional[BaseException]:
        """The exception that ``result()`` would raise; ``None`` for a job that completed or has not ended."""
        outcome = self.outcome
        if outcome is None or outcome.is_completed:
            return None
        if self._work is not None and self._work.error is not None:
            # Each raise adds to a traceback, and this one may be raised many times.
            return self._work.error.with_traceback(self._work.traceback)
        return _job_error(self, outcome)

    @property
    def relay_id(self) -> Optional[str]:
        """The relay's id of this job's stream; ``None`` if no relay runs it, or before the relay has accepted it."""
        return self._core.relay_id()

    # --- control ---------------------------------------------------------------------------------------------------

    def cancel(self, reason: str = "the program cancelled it", *, now: bool = False) -> None:
        """Cancels the job: it is ``cancelling`` until it has ended. With ``now``, cancels a coroutine again."""
        self._core.cancel(reason, now)

    def pause(self) -> None:
        """Stops reading; a server may continue to generate into its buffers. A coroutine pauses at its next ``await``.

        Raises ``RuntimeError`` for a plain function, which cannot be paused.
        """
        if self._work is not None and not self._work.can_pause:
            raise RuntimeError(f"job {self.id} ({self.name}) is a plain function, which cannot be paused")
        self._core.pause(True)

    def unpause(self) -> None:
        """Ends ``pause()``."""
        self._core.pause(False)

    @property
    def deadline(self) -> Optional[float]:
        """Seconds until it ends as timed out; ``None`` for never. Set it at any time, from any thread."""
        return self.info.deadline_in

    @deadline.setter
    def deadline(self, seconds: Optional[float]) -> None:
        self._core.set_deadline(seconds)

    def extend(self, seconds: float) -> None:
        """Moves the deadline by this many seconds; if there is none, sets it this far from now."""
        self._core.extend(seconds)

    def retry(self) -> Job[T_co]:
        """Sends the same request again, as a new job. Raises ``RuntimeError`` if the job is not a stream."""
        core = self._core.retry()
        if core is None:
            raise RuntimeError(f"job {self.id} ({self.name}) cannot be repeated: it is not a stream, or its engine is closed")
        return self._engine._job(core)

    def detach(self) -> str:
        """Leaves the stream to the relay that runs it, and returns its id there, for ``attach``.

        The job here ends as cancelled, with this as its reason. Raises ``RuntimeError`` if no relay runs it, or if it
        has ended.
        """
        relay_id = self._core.detach()
        if relay_id is None:
            raise RuntimeError(f"job {self.id} ({self.name}) is {self.state}, and no relay runs it")
        return relay_id

    def emit(self, text: str) -> bool:
        """Appends text to the log of a coroutine or function; ``False`` if the log is full or the job has ended."""
        if self._work is None:
            raise RuntimeError("only the job's own coroutine or function has text to emit")
        return self._work.work.emit(text)

    # --- waiting ---------------------------------------------------------------------------------------------------

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Blocks until it has ended; ``False`` after ``timeout`` seconds. The job then continues."""
        self._engine._refuse_to_block()
        return self._core.ended().block(timeout)

    def result(self, timeout: Optional[float] = None) -> T_co:
        """Blocks until it has ended. Returns the ``Reply`` of a stream, or the value that the coroutine or function
        returned.

        Raises the exception of the coroutine or function; a ``TowlineError``, as a client would, if the job did not
        complete, with ``job``, ``outcome`` and ``text``; ``StillRunning`` after ``timeout`` seconds.
        """
        if not self.wait(timeout):
            raise StillRunning(f"job {self.id} ({self.name}) is {self.state} after {timeout} s, and has not ended")
        return self._ended_result()

    def add_done_callback(self, function: Callable[[Job[T_co]], object]) -> None:
        """Calls ``function(job)`` once the job has ended, on the engine's own thread and in this context.

        If the engine is already closed, the call happens at once, on this thread. Exceptions of ``function`` are
        logged.
        """
        context = copy_context()

        async def run_when_ended() -> None:
            await arrival(self._core.ended())
            context.run(self._run_callback, function)

        if not self._engine._loop.call(run_when_ended):
            self._run_callback(function)

    def _run_callback(self, function: Callable[[Job[T_co]], object]) -> None:
        try:
            function(self)
        except Exception:
            log.exception("the callback %r of job %s (%s) failed", function, self.id, self.name)

    def __await__(self) -> Generator[Any, Any, T_co]:
        """Waits in asyncio or trio, without blocking the loop. Cancelling the wait does not affect the job."""
        return self._result().__await__()

    async def _result(self) -> T_co:
        await arrival(self._core.ended())
        return self._ended_result()

    def send(self, value: Any, /) -> Any:
        """One step of a task whose coroutine this job is."""
        return self._wait_of_task().send(value)

    def throw(self, *error: Any) -> Any:
        """Throws an exception into a task whose coroutine this job is. It does not affect the job."""
        return self._wait_of_task().throw(*error)

    def close(self) -> None:
        """Does nothing: a task that waited for the job is gone."""

    def _wait_of_task(self) -> Coroutine[Any, Any, T_co]:
        if self._waits is None:
            self._waits = WeakKeyDictionary()
        task = asyncio.current_task()
        wait = self._waits.get(task)
        if wait is None:
            wait = self._waits[task] = self._result()
        return wait

    def _ended_result(self) -> T_co:
        exception = self.exception
        if exception is not None:
            try:
                raise exception
            finally:
                # The traceback holds this frame.
                del exception
        result: Any = self._work.value if self._work is not None else None
        if self._work is None:
            outcome = self.outcome
            result = outcome.reply if outcome is not None else None
        return result  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        """What it yields, from its beginning, blocking in between: `Event`s, or what an async generator yields.

        Raises at the end unless it completed.
        """
        self._engine._refuse_to_block()
        news = _News(self)
        while True:
            found = news.take()
            if found is None:
                return
            if not found:
                news.more().block()
            yield from found

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


class _News:
    """What a job yields, from its beginning: the events of its log, or the values of a generator."""

    def __init__(self, job: Job[Any]) -> None:
        self._job = job
        self._cursor = job._core.cursor()
        self._values = job._work.values if isinstance(job._work, GeneratorWork) else None
        self._next = 0

    def take(self) -> Optional[Sequence[Any]]:
        """What is new; ``None`` at the end. Raises there unless the job completed."""
        events = self._cursor.take()
        if self._values is not None:
            found = self._values[self._next :]
            self._next += len(found)
            if found or events is not None:
                return found
        if events is None:
            self._job._raise_unless_completed()
        return events

    def more(self) -> _towline.Wait:
        return self._cursor.news()


class JobEvents:
    """What a job yields, from its beginning, in an event loop. It does not need to be closed."""

    def __init__(self, job: Job[Any]) -> None:
        self._news = _News(job)
        self._new: deque[Any] = deque()

    def __aiter__(self) -> JobEvents:
        return self

    async def __anext__(self) -> Any:
        while not self._new:
            found = self._news.take()
            if found is None:
                raise StopAsyncIteration
            self._new.extend(found)
            if not found:
                await arrival(self._news.more())
        return self._new.popleft()


_HEADS = ("job", "name", "state", "tokens", "rate", "age", "deadline")


def _row(info: JobInfo) -> tuple[str, ...]:
    return (
        str(info.id),
        info.name,
        f"{info.state} (log full)" if info.log_full else info.state,
        f"{info.tokens} tokens" if info.tokens else "",
        f"{info.tokens_per_second:.1f}/s" if info.tokens > 1 else "",
        f"{info.age:.1f} s",
        "" if info.deadline_in is None else f"{info.deadline_in:.1f} s left",
    )


class JobTable(list["Job[Any]"]):
    """Jobs, shown as a table: as text, or in a notebook as HTML."""

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


class Group(Sequence["Job[T_co]"], Generic[T_co]):
    """Jobs that belong together. Each can still be controlled on its own.

    ::

        both = engine.gather(engine.chat("llama3.2", "Rivers?"), engine.chat("llama3.2", "Lakes?"))
        print([reply.text for reply in both.results(timeout=600)])
    """

    def __init__(self, jobs: Iterable[Job[T_co]], name: Optional[str] = None) -> None:
        self.jobs = list(jobs)
        self.name = name

    def __len__(self) -> int:
        return len(self.jobs)

    @overload
    def __getitem__(self, index: int) -> Job[T_co]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Job[T_co]]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.jobs[index]

    @property
    def done(self) -> bool:
        """Whether all jobs have ended."""
        return all(job.done for job in self.jobs)

    @property
    def outcomes(self) -> list[Optional[Outcome]]:
        """How each job ended; ``None`` for those that have not."""
        return [job.outcome for job in self.jobs]

    def cancel(self, reason: str = "its group was cancelled") -> None:
        """Cancels every job that has not ended."""
        for job in self.jobs:
            job.cancel(reason)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Blocks until all jobs have ended; ``False`` after ``timeout`` seconds."""
        return not wait(self.jobs, timeout=timeout)[1]

    def results(self, timeout: Optional[float] = None) -> list[T_co]:
        """Blocks until all jobs have completed. Returns their results, in order.

        Raises the exception of the first job that fails, as soon as it has failed; the others continue. Raises
        ``StillRunning`` after ``timeout`` seconds.
        """
        self._raise_failure(wait(self.jobs, first_failure=True, timeout=timeout)[0])
        if not self.done:
            late = sum(not job.done for job in self.jobs)
            raise StillRunning(f"{late} of {len(self)} jobs have not ended after {timeout} s")
        return [job._ended_result() for job in self.jobs]

    def _raise_failure(self, ended: Iterable[Job[T_co]]) -> None:
        for job in ended:
            job._raise_unless_completed()

    def __await__(self) -> Generator[Any, Any, list[T_co]]:
        return self._results().__await__()

    async def _results(self) -> list[T_co]:
        await arrival(_towline.jobs_ended([job._core for job in self.jobs], "failure"))
        self._raise_failure(job for job in self.jobs if job.done)
        return [job._ended_result() for job in self.jobs]

    def __repr__(self) -> str:
        return repr(JobTable(self.jobs))

    def _repr_html_(self) -> str:
        return JobTable(self.jobs)._repr_html_()


def wait(
    jobs: Iterable[Job[T]], *, first: bool = False, first_failure: bool = False, timeout: Optional[float] = None
) -> tuple[list[Job[T]], list[Job[T]]]:
    """Blocks until all ``jobs`` have ended, with ``first`` until one has, with ``first_failure`` until one has ended
    without completing, or until ``timeout`` seconds have passed.

    Returns the jobs that have ended and those that have not. It does not affect the jobs.

    ::

        ended, others = towline.wait(jobs, first=True, timeout=60)
    """
    waited = list(jobs)
    for job in waited[:1]:
        job._engine._refuse_to_block()
    until = "first" if first else "failure" if first_failure else "all"
    _towline.jobs_ended([job._core for job in waited], until).block(timeout)
    ended = [job.done for job in waited]
    return [j for j, e in zip(waited, ended) if e], [j for j, e in zip(waited, ended) if not e]


class as_completed(Generic[T]):
    """The ``jobs`` in the order in which they end: ``for`` blocks in between, ``async for`` does not.

    Raises ``StillRunning`` after ``timeout`` seconds. It does not affect the jobs.

    ::

        for job in towline.as_completed(jobs):
            print(job.name, job.result().text)
    """

    def __init__(self, jobs: Iterable[Job[T]], *, timeout: Optional[float] = None) -> None:
        self._left = list(jobs)
        self._ended: deque[Job[T]] = deque()
        self._until = None if timeout is None else monotonic() + timeout

    def __iter__(self) -> Iterator[Job[T]]:
        while self._left:
            left = None if self._until is None else max(0.0, self._until - monotonic())
            ended, self._left = wait(self._left, first=True, timeout=left)
            if not ended:
                raise StillRunning(f"{len(self._left)} jobs have not ended in time")
            yield from ended

    async def __aiter__(self) -> AsyncIterator[Job[T]]:
        while self._left:
            await arrival(_towline.jobs_ended([job._core for job in self._left], "first"))
            done = [job.done for job in self._left]
            ended = [job for job, is_done in zip(self._left, done) if is_done]
            self._left = [job for job, is_done in zip(self._left, done) if not is_done]
            for job in ended:
                yield job


__all__ = ["STATES", "Event", "Group", "Job", "JobInfo", "JobTable", "Outcome", "Reply", "State", "StillRunning", "as_completed", "wait"]
