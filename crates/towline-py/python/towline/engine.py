"""Jobs in the background, each under full control, for REPLs, notebooks, scripts and windows."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from . import _requests as requests
from ._towline import EngineCore, JobCore, Update, Work
from ._transport import Transport
from ._waiting import pause, readable
from ._work import BlockingWork, CoroutineWork, LoopThread, PythonWork
from .job import Group, Job, JobTable

if TYPE_CHECKING:
    from ._requests import Tools
    from ._types import Format, KeepAlive, Message, Options

# How long an engine that is dropped, or still there at the interpreter's end, lets its jobs clean up, in seconds.
_DROP_GRACE = 1.0


class Shutdown(NamedTuple):
    """What an engine's end did, by the numbers of the jobs."""

    finished: list[int]
    """They ended by themselves in time."""
    cut: list[int]
    """They were cancelled."""
    stuck: list[int]
    """They could not be stopped: their code does not return."""


class Engine:
    """Runs streams, coroutines and functions in the background, on threads of its own.

    ``host`` and further options (``timeout``, ``headers``, ``verify``, ``proxy``, …) are those of ``Client``. No method waits
    for a network, except those that say so. It ends with ``close()``, as a context manager, when it is dropped, or with the
    interpreter.

    ``max_running`` jobs run at once, others are queued; plain functions run on ``max_threads`` threads; ``max_ended`` jobs
    are remembered. A job's log may hold ``job_log_bytes``, all logs together ``log_bytes``.
    """

    def __init__(
        self,
        host: Optional[str] = None,
        *,
        threads: int = 2,
        max_running: int = 16_384,
        max_threads: int = 32,
        max_ended: int = 1_000,
        job_log_bytes: int = 16 << 20,
        log_bytes: int = 256 << 20,
        **client: Any,
    ) -> None:
        core = EngineCore(
            Transport(host, **client).native(),
            threads=threads,
            max_running=max_running,
            max_ended=max_ended,
            job_log_bytes=job_log_bytes,
            log_bytes=log_bytes,
        )
        self._core = core
        self._loop = LoopThread(core, max_threads)
        self._max_ended = max_ended
        self._kept: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, _end, core, self._loop, os.getpid())

    # --- streams ---------------------------------------------------------------------------------------------------

    def chat(
        self,
        model: str,
        messages: Union[str, Sequence[Union[Mapping[str, Any], Message]], None] = None,
        *,
        tools: Optional[Tools] = None,
        think: Union[bool, str, None] = None,
        format: Optional[Format] = None,
        options: Union[Mapping[str, Any], Options, None] = None,
        keep_alive: Optional[KeepAlive] = None,
        logprobs: Optional[bool] = None,
        top_logprobs: Optional[int] = None,
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
    ) -> Job:
        """Goes on with a conversation in the background, with the arguments of ``Client.chat``.

        A plain text is one message of the user. ``deadline`` is in seconds; jobs of higher ``priority`` have their turn
        first.
        """
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        request = requests.chat(
            model=model,
            messages=messages,
            tools=tools,
            think=think,
            format=format,
            options=options,
            keep_alive=keep_alive,
            logprobs=logprobs,
            top_logprobs=top_logprobs,
        )
        return self._stream("chat", request, name, group, priority, deadline)

    def generate(
        self,
        model: str,
        prompt: str = "",
        *,
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
        images: Optional[Sequence[Any]] = None,
        **request: Any,
    ) -> Job:
        """Completes a text in the background. Further arguments are those of ``Client.generate``."""
        request = requests.generate(model=model, prompt=prompt, images=images, **request)
        return self._stream("generate", request, name, group, priority, deadline)

    def pull(
        self,
        model: str,
        *,
        insecure: bool = False,
        name: Optional[str] = None,
        deadline: Optional[float] = None,
    ) -> Job:
        """Fetches a model in the background."""
        return self._stream("pull", {"model": model, "insecure": insecure}, name, None, 0, deadline)

    def _stream(
        self,
        kind: str,
        request: Mapping[str, Any],
        name: Optional[str],
        group: Optional[str],
        priority: int,
        deadline: Optional[float],
    ) -> Job:
        body = requests.body(request).decode()
        return Job(self._core.stream(kind, body, name, group, priority, deadline), self)

    # --- Python's own work -----------------------------------------------------------------------------------------

    def submit(
        self,
        coroutine: Awaitable[Any],
        *,
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
    ) -> Job:
        """Runs a coroutine on the engine's asyncio loop, which runs in the background, as a job.

        Cancelling it, and its deadline, raise ``asyncio.CancelledError`` in it; it is ``cancelling`` until it has ended.
        """
        if not isinstance(coroutine, Awaitable):
            raise TypeError(f"submit takes a coroutine, not {coroutine!r}: for a plain function use submit_blocking")
        if not asyncio.iscoroutine(coroutine):
            coroutine = _wait_for(coroutine)
        given = name or str(getattr(coroutine, "__name__", "coroutine"))
        return self._work(CoroutineWork(coroutine), given, group, priority, deadline)

    def submit_blocking(
        self,
        function: Callable[..., Any],
        *args: Any,
        job_name: Optional[str] = None,
        job_group: Optional[str] = None,
        job_priority: int = 0,
        job_deadline: Optional[float] = None,
        **kwargs: Any,
    ) -> Job:
        """Runs a plain function on a thread, as a job.

        Nothing can stop it from outside once it has begun: cancelled, it is ``cancelling`` until it returns. It can look
        at ``towline.current_job().is_cancelling`` itself.
        """
        name = job_name or str(getattr(function, "__name__", "function"))
        work = BlockingWork(functools.partial(function, *args, **kwargs), self._loop.threads)
        return self._work(work, name, job_group, job_priority, job_deadline)

    def _work(
        self,
        work: PythonWork,
        name: str,
        group: Optional[str],
        priority: int,
        deadline: Optional[float],
    ) -> Job:
        jobs: list[Job] = []

        def make() -> Work:
            made = self._core.work(name, group, priority, deadline)
            jobs.append(Job(made.job, self, work))
            work.job = weakref.ref(jobs[0])
            return made

        try:
            self._loop.add(work, make)
        except BaseException:
            work.close()
            raise
        self._keep(jobs[0])
        return jobs[0]

    def _keep(self, job: Job) -> None:
        """Keeps what the job will return for as long as the engine remembers the job."""
        with self._lock:
            self._kept[job.id] = job
            if len(self._kept) > 2 * self._max_ended + 64:
                self._kept = {i: kept for i, kept in self._kept.items() if self._core.job(i) is not None}

    def gather(self, *things: Union[Job, Awaitable[Any]], name: Optional[str] = None) -> Group:
        """A group of jobs; coroutines are submitted."""
        jobs = [thing if isinstance(thing, Job) else self.submit(thing, group=name) for thing in things]
        return Group(jobs, name)

    # --- looking ---------------------------------------------------------------------------------------------------

    def jobs(self) -> JobTable:
        """The jobs that run or wait, and the last that ended, oldest first."""
        return JobTable(self._job(core) for core in self._core.jobs())

    def job(self, number: int) -> Job:
        """The job with this number."""
        core = self._core.job(number)
        if core is None:
            raise KeyError(f"there is no job {number}")
        return self._job(core)

    def _job(self, core: JobCore) -> Job:
        with self._lock:
            kept = self._kept.get(core.id)
        return kept if kept is not None else Job(core, self)

    def fileno(self) -> int:
        """A descriptor that is readable when ``drain()`` has something: for ``select`` and every event loop.

        It is readable at first. Do not read from it.
        """
        return self._core.fileno()

    def drain(self, max_items: int = 256, max_ms: float = 4.0) -> list[Update]:
        """What is new since the last call, merged for each job: at most ``max_items`` jobs, for about ``max_ms``.

        Never waits. There is one such list, for one foreground; what is left over makes ``fileno()`` readable again.
        """
        return self._core.drain(max_items, max_ms, self._job)

    def updates(self, frame: float = 0.016) -> Updates:
        """What is new, as it comes, in asyncio or trio: ``async for update in engine.updates()``.

        Woken by the descriptor, at most once per ``frame`` seconds. It does not end by itself.
        """
        return Updates(self, frame)

    # --- the end ---------------------------------------------------------------------------------------------------

    def close(self, *, cancel: bool = True, grace: float = _DROP_GRACE) -> Shutdown:
        """Ends the engine: cancels its jobs, or lets them finish, for ``grace`` seconds. Blocks about as long at most.

        The jobs can still be looked at. Interrupted by Ctrl-C, the end goes on in the background.
        """
        self._refuse_to_block()
        self._core.ending(cancel, grace).block()
        report = Shutdown(*self._core.ended())
        self._loop.close()
        self._end.detach()
        return report

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Engine:
        return self

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.close)

    def _refuse_to_block(self) -> None:
        if self._loop.is_current():
            raise RuntimeError("this call waits, and would block the engine's own loop: await the job here instead")

    def __repr__(self) -> str:
        try:
            jobs = self._core.jobs()
        except RuntimeError:
            return "<Engine of another process>"
        running = sum(not job.has_ended() for job in jobs)
        return f"<Engine: {running} jobs running, {len(jobs) - running} ended>"


class Updates:
    """What is new in all jobs of an engine, one after the other. There is nothing to close."""

    def __init__(self, engine: Engine, frame: float) -> None:
        self._engine = engine
        self._frame = frame
        self._new: deque[Update] = deque()
        self._looked = False

    def __aiter__(self) -> Updates:
        return self

    async def __anext__(self) -> Update:
        while not self._new:
            if self._looked:
                await pause(self._frame)
            await readable(self._engine.fileno())
            self._new.extend(self._engine.drain())
            self._looked = True
        return self._new.popleft()


def _end(core: EngineCore, loop: LoopThread, process: int) -> None:
    """The end of an engine that was dropped, or that is there when the interpreter ends."""
    if os.getpid() != process:
        return
    # An end that lets them finish may be under way: it hurries up.
    for job in core.jobs():
        job.cancel("the engine ended", False)
    grace = 0.0 if loop.is_current() else _DROP_GRACE
    core.ending(True, grace).block(2 * _DROP_GRACE)
    loop.close()


async def _wait_for(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


_default: Optional[Engine] = None
_default_process = 0
_default_lock = threading.Lock()


def default_engine() -> Engine:
    """The engine of this process, made when it is first asked for. It ends with the interpreter."""
    global _default, _default_process
    with _default_lock:
        if _default is None or _default_process != os.getpid():
            _default, _default_process = Engine(), os.getpid()
        return _default
