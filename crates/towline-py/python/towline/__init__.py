"""Towline: model streams that end properly, for people who write Python.

Names are loaded when they are first used, so ``import towline`` itself costs little.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The drop-in for the package ``ollama``.
    from ._towline import __version__ as __version__

if TYPE_CHECKING:
    # The engine.
    from ._towline import Event as Event
    from ._towline import JobInfo as JobInfo
    from ._towline import Outcome as Outcome
    from ._towline import Reply as Reply
    from ._towline import Update as Update
    from ._work import current_job as current_job
    from .engine import Engine as Engine
    from .engine import Shutdown as Shutdown
    from .engine import default_engine as default_engine
    from .ipython import load_ipython_extension as load_ipython_extension
    from .job import Group as Group
    from .job import Job as Job
    from .job import wait as wait
    from .job_errors import JobCancelled as JobCancelled
    from .job_errors import JobError as JobError
    from .job_errors import JobFailed as JobFailed
    from .job_errors import JobTimedOut as JobTimedOut
    from .job_errors import JobTruncated as JobTruncated
    from .job_errors import StillRunning as StillRunning

# Which module of the package each public name lives in.
_DROP_IN = {
    "__version__": "._towline",
}
_ENGINE: dict[str, str] = {
    "Engine": ".engine",
    "Event": "._towline",
    "Group": ".job",
    "Job": ".job",
    "JobCancelled": ".job_errors",
    "JobError": ".job_errors",
    "JobFailed": ".job_errors",
    "JobInfo": "._towline",
    "JobTimedOut": ".job_errors",
    "JobTruncated": ".job_errors",
    "Outcome": "._towline",
    "Reply": "._towline",
    "Shutdown": ".engine",
    "StillRunning": ".job_errors",
    "Update": "._towline",
    "current_job": "._work",
    "default_engine": ".engine",
    "load_ipython_extension": ".ipython",
    "wait": ".job",
}

_WHERE = {**_DROP_IN, **_ENGINE}
__all__ = [name for name in _WHERE if not name.startswith("_")]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_WHERE))
