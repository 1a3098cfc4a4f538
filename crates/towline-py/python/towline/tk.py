"""tkinter: callbacks in Tk's thread, woken by a file descriptor; there is no polling if Tk can watch one."""

from __future__ import annotations

import tkinter
from collections.abc import Awaitable, Callable
from typing import Any, Optional
from weakref import WeakKeyDictionary

from ._foreground import Foreground, OnUpdate
from .engine import Engine
from .job import Job

# The polling intervals if Tk cannot watch a descriptor, in milliseconds: the first while updates arrive.
_POLL_MS = (16, 250)

# Tcl aborts the process if a thread other than its own deletes an interpreter, and Python's garbage collector
# runs on any thread that runs Python, including the engine's loop: an attached interpreter lives as long as the process.
_interpreters: list[Any] = []

# The engines of a window, the first of them first.
_attached: WeakKeyDictionary[tkinter.Misc, list[TkForeground]] = WeakKeyDictionary()


def attach(
    root: tkinter.Misc,
    engine: Engine,
    on_update: Optional[OnUpdate] = None,
    *,
    frame_ms: int = 16,
    poll: bool = False,
) -> TkForeground:
    """Calls ``on_update(update)`` in Tk's thread for each job with updates, at most once per ``frame_ms`` and job.

    Call it on the thread that created ``root``. It ends when ``root`` is destroyed. If Tk cannot watch a file
    descriptor (Windows), or with ``poll``, it polls every 16 ms while updates arrive, and up to every 250 ms otherwise.
    """
    if any(foreground.engine is engine for foreground in _attached.get(root, ())):
        raise RuntimeError("this window is already attached to this engine: detach it first")
    if not any(root.tk is kept for kept in _interpreters):
        _interpreters.append(root.tk)
    foreground = TkForeground(root, engine, on_update, frame_ms, poll)
    _attached.setdefault(root, []).append(foreground)
    return foreground


class TkForeground(Foreground):
    """A tkinter window's connection to an engine."""

    def __init__(
        self, root: tkinter.Misc, engine: Engine, on_update: Optional[OnUpdate], frame_ms: int, poll: bool
    ) -> None:
        super().__init__(engine, on_update, frame_ms)
        self._root = root
        self._timer: Optional[str] = None
        self._poll_ms = _POLL_MS[0]
        self.watches = not poll and hasattr(root.tk, "createfilehandler")
        self._armed = False
        self._destroyed = root.bind("<Destroy>", self._on_destroy, add="+")
        self._arm()

    def _arm(self) -> None:
        self._timer = None
        if not self.watches:
            self._timer = self._root.after(self._poll_ms, self._arm)
            self._poll_ms = _POLL_MS[0] if self._handle_updates() else min(2 * self._poll_ms, _POLL_MS[1])
            return
        self._root.tk.createfilehandler(self._place.fileno(), tkinter.READABLE, self._ready)
        self._armed = True

    def _ready(self, *_: object) -> None:
        # Not watched again before the next frame, which also comes while a callback has a dialog open.
        self._disarm()
        self._timer = self._root.after(self.frame_ms, self._arm)
        self._handle_updates()

    def _disarm(self) -> None:
        if self._armed:
            self._root.tk.deletefilehandler(self._place.fileno())
            self._armed = False

    def _report(self, error: BaseException) -> None:
        # The window's own reporting, which a program may have replaced.
        window: Any = self._root
        window._root().report_callback_exception(type(error), error, error.__traceback__)

    def _on_destroy(self, event: Any) -> None:
        if event.widget is self._root:
            self.detach()
            # The interpreter stays, and its scheduled callbacks would find nothing.
            for timer in self._root.tk.splitlist(self._root.tk.call("after", "info")):
                self._root.after_cancel(timer)

    def detach(self) -> None:
        if not self._attached:
            return
        super().detach()
        self._disarm()
        if self._timer is not None:
            self._root.after_cancel(self._timer)
            self._timer = None
        if self in (attached := _attached.get(self._root, [])):
            attached.remove(self)


def bind_async(
    widget: Any,
    coroutine_function: Callable[..., Awaitable[Any]],
    sequence: Optional[str] = None,
    *,
    engine: Optional[Engine] = None,
) -> Callable[..., Job[Any]]:
    """Makes ``widget`` run a coroutine as a job of ``engine``: a button by its command, others by an event.

    Without ``engine``, it uses the one that the window was first attached to. Without ``sequence``, it sets the
    widget's ``command``, and the widget is disabled while the job runs; with a ``sequence``, the coroutine function
    receives the event. The coroutine runs on the engine's loop, not in Tk's thread, so it updates widgets with ``await
    foreground.call(function, …)``. Its exception is reported like one of a Tk callback. The job is cancelled when the
    widget is destroyed. Returns the function that starts the job.
    """
    attached = _attached.get(widget._root(), [])
    foreground = next((one for one in attached if engine is None or one.engine is engine), None)
    if foreground is None:
        raise RuntimeError("attach the window first: towline.tk.attach(root, engine)")
    running: set[Job[Any]] = set()

    def start(*event: Any) -> Job[Any]:
        job = foreground.start(lambda: coroutine_function(*event), ended)
        running.add(job)
        if sequence is None:
            widget.configure(state="disabled")
        return job

    def ended(job: Job[Any]) -> None:
        if job not in running:
            return
        running.discard(job)
        if sequence is None:
            widget.configure(state="normal")
        error = job.exception
        if error is not None and job.state != "cancelled":
            foreground._report(error)

    def destroyed(event: Any) -> None:
        if event.widget is widget:
            while running:
                running.pop().cancel("its widget was destroyed")

    if sequence is None:
        widget.configure(command=start)
    else:
        widget.bind(sequence, start, add="+")
    widget.bind("<Destroy>", destroyed, add="+")
    return start
