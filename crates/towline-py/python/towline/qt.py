"""Qt (PySide6, PyQt6, PySide2 or PyQt5): callbacks in the GUI thread, woken by a QSocketNotifier."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any, Optional

from ._foreground import Foreground, OnUpdate
from .engine import Engine
from .job import Job

_BINDINGS = ("PySide6", "PyQt6", "PySide2", "PyQt5")


def _qt_core() -> Any:
    """QtCore of the binding that the program uses: the imported one, or else the first installed one."""
    for binding in sorted(_BINDINGS, key=lambda name: name not in sys.modules):
        try:
            return import_module(f"{binding}.QtCore")
        except ImportError:
            continue
    raise ImportError(f"towline.qt needs one of {', '.join(_BINDINGS)}: for example pip install PySide6-Essentials")


def attach(engine: Engine, on_update: Optional[OnUpdate] = None, *, frame_ms: int = 16) -> QtForeground:
    """Calls ``on_update(update)`` in this thread for each job with updates, at most once per ``frame_ms`` and job.

    Call it on the GUI thread, after the application was created. It ends with ``detach()``.
    """
    return QtForeground(engine, on_update, frame_ms)


class QtForeground(Foreground):
    """A Qt application's connection to an engine."""

    def __init__(self, engine: Engine, on_update: Optional[OnUpdate], frame_ms: int) -> None:
        super().__init__(engine, on_update, frame_ms)
        core = _qt_core()
        if core.QCoreApplication.instance() is None:
            raise RuntimeError("create the QApplication first")
        read = core.QSocketNotifier.Type.Read if hasattr(core.QSocketNotifier, "Type") else core.QSocketNotifier.Read
        self._notifier = core.QSocketNotifier(self._place.fileno(), read)
        self._notifier.activated.connect(self._ready)
        self._timer = core.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(frame_ms)
        self._timer.timeout.connect(self._arm)
        self._notifier.setEnabled(True)

    def _ready(self, *_: object) -> None:
        # Not watched again before the next frame, which also comes while a callback has a dialog open.
        self._notifier.setEnabled(False)
        self._timer.start()
        self._handle_updates()

    def _arm(self) -> None:
        self._notifier.setEnabled(self._attached)

    def _report(self, error: BaseException) -> None:
        sys.excepthook(type(error), error, error.__traceback__)

    def detach(self) -> None:
        super().detach()
        self._timer.stop()
        self._notifier.setEnabled(False)

    def bind_async(self, button: Any, coroutine_function: Callable[[], Awaitable[Any]]) -> Callable[..., Job[Any]]:
        """Makes ``button`` run a coroutine as a job when it is clicked; the button is disabled while the job runs.

        The coroutine runs on the engine's loop, so it updates widgets with ``await foreground.call(function, …)``. The
        job is cancelled when the button is destroyed. Returns the function that starts the job.
        """
        running: set[Job[Any]] = set()

        def start(*_: object) -> Job[Any]:
            job = self.start(coroutine_function, ended)
            running.add(job)
            button.setEnabled(False)
            return job

        def ended(job: Job[Any]) -> None:
            if job not in running:
                return
            running.discard(job)
            button.setEnabled(True)
            error = job.exception
            if error is not None and job.state != "cancelled":
                self._report(error)

        def destroyed(*_: object) -> None:
            while running:
                running.pop().cancel("its button was destroyed")

        button.clicked.connect(start)
        button.destroyed.connect(destroyed)
        return start
