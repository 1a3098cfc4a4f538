"""Jobs for IPython and Jupyter: ``%load_ext towline`` adds ``%bg``, ``%jobs``, ``%fg``, ``%kill`` and ``%timeout``.

It uses the engine in the variable ``engine``, if there is one; else the engine of the process, which it assigns to that
name.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import inspect
from types import CodeType
from typing import Any, Optional

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class
from IPython.display import DisplayHandle

from ._waiting import pause, readable
from .engine import Engine, default_engine
from .job import Job, JobTable

# How often a table in a notebook is drawn at most, in seconds.
_TABLE_FRAME = 0.25

def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext towline``: adds ``%bg``, ``%jobs``, ``%fg``, ``%kill`` and ``%timeout``.

    ::

        %load_ext towline
        %bg fetch(url)
        %jobs
    """
    shell.register_magics(JobMagics(shell))
    if not isinstance(shell.user_ns.get("engine"), Engine):
        shell.push({"engine": default_engine()})


@magics_class
class JobMagics(Magics):
    """Job control at the prompt."""

    @property
    def _names(self) -> dict[str, Any]:
        """The user's variables."""
        names: dict[str, Any] = self._shell.user_ns
        return names

    @property
    def _shell(self) -> Any:
        return self.shell

    @property
    def _engine(self) -> Engine:
        engine = self._names.get("engine")
        return engine if isinstance(engine, Engine) else default_engine()

    @line_cell_magic
    def bg(self, line: str, cell: Optional[str] = None) -> Job[Any]:
        """Runs an expression, or with %%bg a cell, in the background, and returns its job.

        ``%bg coroutine()`` and ``%bg await thing`` run on the engine's asyncio loop, ``%bg function(…)`` on a thread:
        only its arguments are evaluated here. ``%bg engine.chat(…)`` is already a job.
        """
        if cell is not None:
            return self._run_cell(cell)
        source = line.strip().removeprefix("await ")
        try:
            tree = ast.parse(source, "<bg>", "eval").body
        except SyntaxError as error:
            raise UsageError(f"%bg takes an expression, such as %bg fetch(url): {error.msg}") from None
        name = source if len(source) <= 40 else f"{source[:39]}…"
        if isinstance(tree, ast.Call):
            return self._call(tree, name)
        return self._job_of(self._value(tree), name)

    def _call(self, call: ast.Call, name: str) -> Job[Any]:
        function = self._value(call.func)
        # The arguments are evaluated now; the function runs in the background.
        keep = ast.parse("lambda *args, **kwargs: (args, kwargs)", "<bg>", "eval").body
        args, kwargs = self._value(ast.Call(keep, call.args, call.keywords))
        runs_here = inspect.iscoroutinefunction(function) or isinstance(getattr(function, "__self__", None), Engine)
        if runs_here:
            return self._job_of(function(*args, **kwargs), name)
        return self._engine.run_blocking(functools.partial(function, *args, **kwargs), name=name)

    def _job_of(self, value: Any, name: str) -> Job[Any]:
        if isinstance(value, Job):
            return value
        if inspect.isawaitable(value):
            return self._engine.submit(value, name=name)
        raise UsageError(f"%bg: {name} is neither a call nor something to await")

    def _value(self, tree: ast.expr) -> Any:
        expression = ast.fix_missing_locations(ast.Expression(tree))
        return eval(compile(expression, "<bg>", "eval"), self._names)

    def _run_cell(self, cell: str) -> Job[Any]:
        code = compile(self._shell.transform_cell(cell), "<bg>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        name = cell.strip().splitlines()[0][:40] if cell.strip() else "cell"
        if code.co_flags & inspect.CO_COROUTINE:
            return self._engine.submit(_awaited(code, self._names), name=name)
        return self._engine.run_blocking(functools.partial(exec, code, self._names), name=name)

    @line_magic
    def jobs(self, line: str) -> Optional[JobTable]:
        """The jobs of the engine. In a notebook, the table is updated until no job runs."""
        table = self._engine.jobs()
        if getattr(self._shell, "kernel", None) is None or all(job.done for job in table):
            return table
        shown: Any = DisplayHandle()  # type: ignore[no-untyped-call]
        shown.display(table)
        self._engine._loop.call(lambda: _follow(self._engine, shown))
        return None

    @line_magic
    def fg(self, line: str) -> Any:
        """``%fg [N]``: shows the output of job N, or of the last one, until it ends; Ctrl-C leaves it running."""
        job = self._job(line, last=True)
        shown = False
        try:
            for event in job:
                if event.kind in ("text", "thinking"):
                    print(event.text, end="", flush=True)
                    shown = True
        except KeyboardInterrupt:
            print(f"\n[{job.id}] {job.state}, in the background")
            return None
        if shown:
            print()
        result = job.result()
        return None if shown else result

    @line_magic
    def kill(self, line: str) -> Job[Any]:
        """``%kill N``: cancels a job."""
        job = self._job(line)
        job.cancel("killed at the prompt")
        job.wait(1.0)
        return job

    @line_magic
    def timeout(self, line: str) -> Job[Any]:
        """``%timeout N 30``: job N ends in 30 seconds; ``+10``: 10 seconds later; ``none``: no deadline."""
        words = line.split()
        if len(words) != 2:
            raise UsageError("%timeout takes a job and a time in seconds: %timeout 1 30, %timeout 1 +10 or %timeout 1 none")
        job, time = self._job(words[0]), words[1].rstrip("s")
        if words[1] == "none":
            job.deadline = None
            return job
        try:
            seconds = float(time)
        except ValueError:
            raise UsageError(f"%timeout: {words[1]} is not a number of seconds, such as 30, +10 or none") from None
        if time.startswith("+"):
            job.extend(seconds)
        else:
            job.deadline = seconds
        return job

    def _job(self, line: str, last: bool = False) -> Job[Any]:
        word = line.strip().lstrip("%")
        if not word and last:
            jobs = self._engine.jobs()
            if not jobs:
                raise UsageError("there are no jobs")
            return jobs[-1]
        try:
            return self._engine.job(int(word))
        except ValueError:
            raise UsageError(f"{word or 'nothing'} is not a job: give a number that %jobs shows") from None
        except KeyError as error:
            raise UsageError(str(error.args[0])) from None


async def _follow(engine: Engine, shown: Any) -> None:
    """Updates a table until no job runs, at most once per frame."""
    foreground = engine._core.foreground()
    while True:
        table = engine.jobs()
        # Before they are drawn: one may end meanwhile.
        are_over = all(job.done for job in table)
        shown.update(table)
        if are_over:
            return
        await readable(foreground.fileno())
        engine._drain(foreground, len(table), 4.0)
        await pause(_TABLE_FRAME)


async def _awaited(code: CodeType, names: dict[str, Any]) -> None:
    coroutine = eval(code, names)
    if asyncio.iscoroutine(coroutine):
        await coroutine
