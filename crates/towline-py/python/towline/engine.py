"""Background jobs under full control, for REPLs, notebooks, scripts and GUI programs."""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import os
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Optional, TypeVar, Union, overload

from typing_extensions import ParamSpec, Unpack

from . import _checks as checks
from . import _options as options
from . import _requests as requests
from ._base import TransportOptions
from ._options import ChatOptions, CreateOptions, GenerateOptions, JobOptions, Messages
from ._towline import EngineCore, Foreground, JobCore, Reply, Update, Work
from ._transport import Transport
from ._waiting import pause, readable
from ._work import BlockingWork, CoroutineWork, GeneratorWork, LoopThread, PythonWork, log
from .job import Group, Job, JobTable

if TYPE_CHECKING:
    from ._async import AsyncClient
    from ._types import EmbedResponse, Options

P = ParamSpec("P")
T = TypeVar("T")

# How long the jobs of an engine may clean up after it was dropped or the interpreter exits, in seconds.
_DROP_GRACE = 1.0

# How much longer than its grace a shutdown may take for jobs that do not stop.
_ABORT = 1.0


class Shutdown(NamedTuple):
    """What closing an engine did, by job number.

    ::

        report = engine.close(grace=5)
        print(report.cut, report.unseen)
    """

    finished: list[int]
    """Jobs that ended by themselves in time."""
    cut: list[int]
    """Jobs that were cancelled."""
    stuck: list[int]
    """Jobs that could not be stopped: their code does not return."""
    unseen: list[int]
    """Failed jobs whose result was never read."""


class Engine:
    """Runs streams, coroutines, generators and functions in the background, on its own threads.

    ``host`` and further options (``timeout``, ``headers``, ``verify``, ``proxy``, …) are those of `Client`. No method
    waits for the network unless its documentation says so. The engine ends with ``close()``, as a context manager, when
    it is dropped, or with the interpreter.

    Up to ``max_running`` jobs run at once, others are queued. Streams are read on ``threads`` threads; plain functions run
    on up to ``max_threads`` others. ``max_ended`` ended jobs are remembered. The log of a job may hold ``job_log_bytes``,
    all logs together ``log_bytes``: a job whose log is full of unread events is paused until a reader reads it or a call
    waits for its result.

    Raises ``RequestError`` for an invalid host or option, ``OSError`` if the operating system cannot start threads.

    ::

        with towline.Engine() as engine:
            jobs = [engine.chat("llama3.2", question) for question in questions]
            for job in towline.as_completed(jobs):
                print(job.result().text)
    """

    def __init__(
        self,
        host: Optional[str] = None,
        *,
        threads: int = 1,
        max_running: int = 16_384,
        max_threads: int = 32,
        max_ended: int = 1_000,
        job_log_bytes: int = 16 << 20,
        log_bytes: int = 256 << 20,
        **client: Unpack[TransportOptions],
    ) -> None:
        # Unlike the drop-in client, which like the package ``ollama`` sends everything once, and to Ollama.
        transport: TransportOptions = {"retries": 2, "api": "auto", **client}
        self._transport = Transport(host, **transport)
        core = EngineCore(
            self._transport.native(),
            threads=checks.count("threads", threads),
            max_running=checks.count("max_running", max_running),
            max_ended=checks.count("max_ended", max_ended),
            job_log_bytes=checks.count("job_log_bytes", job_log_bytes),
            log_bytes=checks.count("log_bytes", log_bytes),
        )
        self._core = core
        self._loop = LoopThread(core, max_threads)
        self._kept = _Kept(core, max_ended)
        self._foreground: Optional[Foreground] = None
        self._client: Optional[AsyncClient] = None
        # The jobs that ran when the shutdown began.
        self._at_end: Optional[list[JobCore]] = None
        self._end = weakref.finalize(self, _dropped, core, self._loop, self._kept, os.getpid())
        self._end.atexit = False
        _engines.add(self)

    # --- streams ---------------------------------------------------------------------------------------------------

    @options.documented_by(ChatOptions)
    def chat(
        self,
        model: str,
        messages: Union[str, Messages, None] = None,
        *,
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
        **request: Unpack[ChatOptions],
    ) -> Job[Reply]:
        """Continues a conversation in the background, with the arguments of ``Client.chat``. Returns at once.

        A plain text is one message of the user. ``deadline`` is in seconds; jobs with a higher ``priority`` start
        first. Raises ``RequestError`` for input that cannot be sent; every other failure is reported by the job.

        ::

            job = engine.chat("llama3.2", "What is a river?", name="rivers", deadline=600)
        """
        options.check("chat", ChatOptions, request)
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        body = requests.chat(model=model, messages=messages, stream=True, **request)
        return self._stream("chat", body, name, group, priority, deadline)

    @options.documented_by(GenerateOptions)
    def generate(
        self,
        model: str,
        prompt: str = "",
        suffix: Optional[str] = None,
        *,
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
        **request: Unpack[GenerateOptions],
    ) -> Job[Reply]:
        """Completes a text in the background, with the arguments of ``Client.generate``. Returns at once.

        ::

            job = engine.generate("llama3.2", "Rivers bend because", options={"num_predict": 40})
        """
        options.check("generate", GenerateOptions, request)
        body = requests.generate(model=model, prompt=prompt, suffix=suffix, stream=True, **request)
        return self._stream("generate", body, name, group, priority, deadline)

    def pull(self, model: str, *, insecure: bool = False, **job: Unpack[JobOptions]) -> Job[Reply]:
        """Pulls a model from a registry in the background; its events report the progress in bytes.

        ::

            for event in engine.pull("llama3.2"):
                print(event.text, event.data)
        """
        return self._transfer("pull", model, insecure, job)

    def push(self, model: str, *, insecure: bool = False, **job: Unpack[JobOptions]) -> Job[Reply]:
        """Pushes a model to a registry in the background; its events report the progress in bytes.

        ::

            engine.push("me/rivers").result()
        """
        return self._transfer("push", model, insecure, job)

    @options.documented_by(CreateOptions)
    def create(
        self,
        model: str,
        quantize: Optional[str] = None,
        from_: Optional[str] = None,
        *,
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
        **request: Unpack[CreateOptions],
    ) -> Job[Reply]:
        """Creates a model in the background, with the arguments of ``Client.create``.

        ::

            engine.create("rivers", from_="llama3.2", system="You know rivers.").result()
        """
        options.check("create", CreateOptions, request)
        body = requests.create(model=model, quantize=quantize, from_=from_, stream=True, **request)
        return self._stream("create", body, name, group, priority, deadline)

    def embed(
        self,
        model: str,
        input: Union[str, Sequence[str]],
        *,
        truncate: Optional[bool] = None,
        options: Union[Mapping[str, Any], Options, None] = None,
        keep_alive: Union[float, str, None] = None,
        dimensions: Optional[int] = None,
        **job: Unpack[JobOptions],
    ) -> Job[EmbedResponse]:
        """Turns texts into vectors in the background, with the arguments of ``Client.embed``.

        ::

            vectors = engine.embed("all-minilm", ["river", "lake"]).result().embeddings
        """
        if self._client is None:
            from ._async import AsyncClient

            self._client = AsyncClient._over(self._transport)
        asked = self._client.embed(model, input, truncate, options, keep_alive, dimensions)
        named: JobOptions = {"name": model, **job}
        return self.submit(asked, **named)

    def attach(
        self,
        id: str,
        *,
        start: Union[Literal["beginning", "tail"], int] = "beginning",
        **job: Unpack[JobOptions],
    ) -> Job[Reply]:
        """Reads a stream that this engine's relay runs or has run, as a job that controls it: from its beginning, from
        the next record, or from a byte of its log. Needs ``Engine(relay=…)``.

        ::

            relay_id = engine.chat("llama3.2", "A long story.").detach()
            print(engine.attach(relay_id).result().text)
        """
        options.check("attach", JobOptions, job)
        self._transport.relay_client()
        name, group, deadline = job.get("name"), job.get("group"), checks.seconds("deadline", job.get("deadline"))
        return Job(self._core.attach(id, str(start), name, group, job.get("priority", 0), deadline), self)

    def _transfer(self, kind: str, model: str, insecure: bool, job: JobOptions) -> Job[Reply]:
        options.check(kind, JobOptions, job)
        body = getattr(requests, kind)(model=model, insecure=insecure, stream=True)
        return self._stream(kind, body, **job)

    def _stream(
        self,
        kind: str,
        request: Mapping[str, Any],
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
    ) -> Job[Reply]:
        body, deadline = requests.body(request), checks.seconds("deadline", deadline)
        job = Job[Reply](self._core.stream(kind, request["model"], body, name, group, priority, deadline), self)
        log.debug("job %s: %s of %s at %s", job.id, kind, request["model"], self._transport.base_url)
        return job

    # --- Python's own work -----------------------------------------------------------------------------------------

    @overload
    def submit(self, work: Job[T], **job: Unpack[JobOptions]) -> Job[T]: ...
    @overload
    def submit(self, work: Awaitable[T], **job: Unpack[JobOptions]) -> Job[T]: ...
    @overload
    def submit(self, work: AsyncIterator[Any], **job: Unpack[JobOptions]) -> Job[None]: ...
    def submit(
        self,
        work: Any,
        *,
        name: Optional[str] = None,
        group: Optional[str] = None,
        priority: int = 0,
        deadline: Optional[float] = None,
    ) -> Job[Any]:
        """Runs a coroutine or an async generator as a job, on the engine's asyncio loop in the background.

        It runs in the context (``contextvars``) of the caller. Cancelling it, and its deadline, raise
        ``asyncio.CancelledError`` in it; its state is ``cancelling`` until it has ended. Iterating over the job gives
        the values that a generator yields; the job keeps up to 65,536 values. Raises ``TypeError`` for anything else.

        ::

            async def answer() -> str:
                reply = await engine.chat("llama3.2", "What is a river?")
                return reply.text

            print(engine.submit(answer(), deadline=60).result())
        """
        if isinstance(work, Job):
            return work
        given = name or str(getattr(work, "__name__", None) or "coroutine")
        if isinstance(work, AsyncIterator):
            return self._work(GeneratorWork(work, given), given, group, priority, deadline)
        if not isinstance(work, Awaitable):
            raise TypeError(f"submit takes a coroutine, not {work!r}: for a plain function use submit_blocking")
        coroutine = work if asyncio.iscoroutine(work) else _wait_for(work)
        return self._work(CoroutineWork(coroutine, given), given, group, priority, deadline)

    def submit_blocking(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Job[T]:
        """Runs a plain function as a job on a thread, in the context (``contextvars``) of the caller.

        Nothing can stop it from outside once it has begun: after a cancel, its state is ``cancelling`` until it
        returns. The function can check ``towline.current_job().is_cancelling`` itself. See `run_blocking` for a name, a
        group or a deadline.

        ::

            print(engine.submit_blocking(sum, [1, 2, 3]).result())
        """
        return self.run_blocking(functools.partial(function, *args, **kwargs), name=_name_of(function))

    def run_blocking(self, function: Callable[[], T], **job: Unpack[JobOptions]) -> Job[T]:
        """Like `submit_blocking`, for a function without arguments, with the options of a job.

        ::

            engine.run_blocking(lambda: parse(page), name="parse", deadline=10)
        """
        options.check("run_blocking", JobOptions, job)
        name = job.get("name") or _name_of(function)
        work = BlockingWork(function, self._loop.threads)
        return self._work(work, name, job.get("group"), job.get("priority", 0), job.get("deadline"))

    def map(self, function: Callable[..., Any], *iterables: Iterable[Any], timeout: Optional[float] = None) -> Iterator[Any]:
        """Calls ``function`` with the items of the ``iterables``, each call as a job: a coroutine function on the
        engine's loop, any other on threads. All are submitted at once; the results come in order, and waiting for each
        may take ``timeout`` seconds.

        ::

            for page in engine.map(fetch, addresses):
                print(len(page))
        """
        is_async = inspect.iscoroutinefunction(function)
        calls = [functools.partial(function, *arguments) for arguments in zip(*iterables)]
        name = _name_of(function)
        jobs = [self.submit(call(), name=name) if is_async else self.run_blocking(call, name=name) for call in calls]
        return (job.result(timeout) for job in jobs)

    def _work(
        self,
        work: PythonWork,
        name: str,
        group: Optional[str],
        priority: int,
        deadline: Optional[float],
    ) -> Job[Any]:
        try:
            deadline = checks.seconds("deadline", deadline)
            # Before any lock: in a fork, the thread that holds it may not exist.
            self._core.check()
            made = self._loop.add(self, work, lambda: self._core.work(name, group, priority, deadline))
        except BaseException:
            work.close()
            raise
        self._kept.keep(made, work)
        return Job(made.job, self, work)

    def gather(self, *things: Union[Job[T], Awaitable[T]], name: Optional[str] = None) -> Group[T]:
        """Makes a group of jobs; coroutines are submitted.

        ::

            replies = engine.gather(*[engine.chat(model, "Rivers?") for model in models]).results()
        """
        jobs = [thing if isinstance(thing, Job) else self.submit(thing, group=name) for thing in things]
        return Group(jobs, name)

    # --- looking ---------------------------------------------------------------------------------------------------

    def jobs(self) -> JobTable:
        """The running and waiting jobs, and the most recently ended ones, oldest first."""
        return JobTable(self._job(core) for core in self._core.jobs())

    def job(self, number: int) -> Job[Any]:
        """The job with this number. Raises ``KeyError`` for an unknown or forgotten job."""
        core = self._core.job(number)
        if core is None:
            raise KeyError(f"there is no job {number}")
        return self._job(core)

    def _job(self, core: JobCore) -> Job[Any]:
        return Job(core, self, self._kept.work_of(core.id))

    def _own_foreground(self) -> Foreground:
        if self._foreground is None:
            self._foreground = self._core.foreground()
        return self._foreground

    def _drain(self, foreground: Foreground, max_items: int, max_ms: float) -> list[Update]:
        updates = foreground.drain(max_items, max_ms, self._job)
        for update in updates:
            if update.ended:
                self._kept.mark_read(update.info.id)
        return updates

    def fileno(self) -> int:
        """A file descriptor that is readable when ``drain()`` has updates, for ``select`` and every event loop.

        It is readable at first. Do not read from it.
        """
        return self._own_foreground().fileno()

    def drain(self, max_items: int = 256, max_ms: float = 4.0) -> list[Update]:
        """The updates since the last call, merged for each job: of at most ``max_items`` jobs, for about ``max_ms``.

        Never waits. Remaining updates make ``fileno()`` readable again. ``updates()`` and attached windows have their
        own positions and take nothing away from here.
        """
        return self._drain(self._own_foreground(), max_items, max_ms)

    def updates(self, frame: float = 0.016) -> Updates:
        """The updates as they arrive, in asyncio or trio. Each call starts from the beginning of every job.

        It is woken by a file descriptor, at most once per ``frame`` seconds. It does not end by itself.

        ::

            async for update in engine.updates():
                print(update.job.id, update.text)
        """
        return Updates(self, frame)

    # --- the end ---------------------------------------------------------------------------------------------------

    def close(self, *, cancel: bool = True, grace: float = _DROP_GRACE) -> Shutdown:
        """Ends the engine: cancels its jobs, or lets them finish, for ``grace`` seconds. Blocks for about that time at
        most.

        The jobs stay readable. Failed jobs whose result nobody has read are logged and named in the returned report. If
        Ctrl-C interrupts the call, closing continues in the background; another call with ``cancel`` speeds it up.
        """
        self._refuse_to_block()
        if self._at_end is None:
            self._at_end = [core for core in self._core.jobs() if not core.has_ended()]
        is_over = _end(self._core, self._loop, cancel, grace)
        self._end.detach()
        stuck = self._core.stuck() if is_over else []
        report = Shutdown([], [], [], self._kept.log_unread_failures())
        for core in self._at_end:
            outcome = core.outcome()
            if outcome is None or core.id in stuck:
                report.stuck.append(core.id)
            else:
                (report.cut if outcome.ending == "cancelled" else report.finished).append(core.id)
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


class _Kept:
    """The results and exceptions of the jobs that the engine remembers, and which of them were read."""

    def __init__(self, core: EngineCore, max_ended: int) -> None:
        self._core = core
        self._limit = 2 * max_ended + 64
        self._works: dict[int, PythonWork] = {}
        self._read_jobs: set[int] = set()
        self._lock = threading.Lock()

    def keep(self, made: Work, work: PythonWork) -> None:
        forgotten: dict[int, PythonWork] = {}
        with self._lock:
            self._works[made.job.id] = work
            if len(self._works) > self._limit:
                forgotten = {i: kept for i, kept in self._works.items() if self._core.job(i) is None}
                for number in forgotten:
                    del self._works[number]
        for number, kept in forgotten.items():
            if kept.error is not None:
                self._log_failure(number, kept.error)

    def work_of(self, number: int) -> Optional[PythonWork]:
        return self._works.get(number)

    def mark_read(self, number: int) -> None:
        with self._lock:
            self._read_jobs.add(number)
            if len(self._read_jobs) > self._limit:
                known = {core.id for core in self._core.jobs()}
                self._read_jobs &= known

    def log_unread_failures(self) -> list[int]:
        """Logs the failed jobs whose result nobody has read, once; returns their numbers."""
        unread = []
        for core in self._core.jobs():
            outcome = core.outcome()
            if outcome is None or outcome.ending not in ("failed", "truncated", "timed_out"):
                continue
            if core.id not in self._read_jobs:
                unread.append(core.id)
                work = self.work_of(core.id)
                self._log_failure(core.id, work.error if work is not None and work.error is not None else str(outcome))
                self.mark_read(core.id)
        return unread

    def _log_failure(self, number: int, error: Union[BaseException, str]) -> None:
        if number in self._read_jobs:
            return
        trace = error if isinstance(error, BaseException) else None
        log.error("job %s failed, and nobody asked how it ended: %s", number, error, exc_info=trace)


class Updates:
    """An iterator over the updates of all jobs of an engine. It does not need to be closed."""

    def __init__(self, engine: Engine, frame: float) -> None:
        self._engine = engine
        self._foreground = engine._core.foreground()
        self._frame = frame
        self._new: deque[Update] = deque()
        self._has_drained = False

    def __aiter__(self) -> Updates:
        return self

    async def __anext__(self) -> Update:
        while not self._new:
            if self._has_drained:
                await pause(self._frame)
            await readable(self._foreground.fileno())
            self._new.extend(self._engine._drain(self._foreground, 256, 4.0))
            self._has_drained = True
        return self._new.popleft()


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _end(core: EngineCore, loop: LoopThread, cancel: bool, grace: float) -> bool:
    """Ends an engine; returns whether it has ended. With cancellation, hurries an engine that lets its jobs finish."""
    ending = core.ending(cancel, grace)
    is_over = ending.block(0.0 if cancel else None)
    for now in (False, True):
        if not is_over:
            for job in core.jobs():
                job.cancel("the engine is closing", now)
            is_over = ending.block(_ABORT if now else grace + _ABORT)
    loop.close()
    return is_over


def _dropped(core: EngineCore, loop: LoopThread, kept: _Kept, process: int) -> None:
    """Ends a dropped engine, on any thread, without waiting."""
    if os.getpid() != process:
        return
    for job in core.jobs():
        job.cancel("the engine was dropped", False)

    def finish() -> None:
        _end(core, loop, True, _DROP_GRACE)
        kept.log_unread_failures()

    try:
        threading.Thread(target=finish, name="towline-end").start()
    except RuntimeError:
        # The interpreter is exiting and starts no more threads.
        finish()


@atexit.register
def _end_all() -> None:
    """Called when the interpreter ends: lets the engines' jobs clean up."""
    for engine in list(_engines):
        parts = engine._end.detach()
        if parts is None or parts[2][3] != os.getpid():
            continue
        _end(engine._core, engine._loop, True, 0.0 if engine._loop.is_current() else _DROP_GRACE)
        engine._kept.log_unread_failures()


async def _wait_for(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", "function"))


_default: Optional[Engine] = None
_default_process = 0
_default_lock = threading.Lock()


def _forked() -> None:
    global _default_lock
    _default_lock = threading.Lock()
    _engines.clear()


os.register_at_fork(after_in_child=_forked)


def default_engine() -> Engine:
    """The engine of this process, created at the first call. It ends with the interpreter.

    ::

        towline.default_engine().chat("llama3.2", "What is a river?")
    """
    global _default, _default_process
    with _default_lock:
        if _default is None or _default_process != os.getpid():
            _default, _default_process = Engine(), os.getpid()
        return _default
