"""Towline: model streams that end properly, for people who write Python.

Names are loaded when they are first used, so ``import towline`` itself costs little.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    # The drop-in for the package ``ollama``.
    from ._astream import AsyncStream as AsyncStream
    from ._client import AsyncClient as AsyncClient
    from ._client import Client as Client
    from ._default import chat as chat
    from ._default import copy as copy
    from ._default import create as create
    from ._default import delete as delete
    from ._default import embed as embed
    from ._default import embeddings as embeddings
    from ._default import generate as generate
    from ._default import list as list
    from ._default import ps as ps
    from ._default import pull as pull
    from ._default import push as push
    from ._default import show as show
    from ._default import systemone as systemone
    from ._default import web_fetch as web_fetch
    from ._default import web_search as web_search
    from ._arelay import AsyncRelay as AsyncRelay
    from ._errors import CancelledError as CancelledError
    from ._errors import ClosedError as ClosedError
    from ._errors import ConnectError as ConnectError
    from ._errors import ConnectionLostError as ConnectionLostError
    from ._errors import ProtocolError as ProtocolError
    from ._errors import RequestError as RequestError
    from ._errors import ResponseError as ResponseError
    from ._errors import TimedOutError as TimedOutError
    from ._errors import TowlineError as TowlineError
    from ._errors import TruncatedError as TruncatedError
    from ._errors import UnmarkedEndWarning as UnmarkedEndWarning
    from ._relay import Relay as Relay
    from ._relayed import RelayChange as RelayChange
    from ._relayed import RelayDevice as RelayDevice
    from ._relayed import RelayJob as RelayJob
    from ._relayed import RelayPaired as RelayPaired
    from ._relayed import RelayServer as RelayServer
    from ._relayed import RelayVersion as RelayVersion
    from ._systemone import SystemOneAnswer as SystemOneAnswer
    from ._systemone import SystemOneChoiceAnswer as SystemOneChoiceAnswer
    from ._systemone import SystemOneChoiceQuestion as SystemOneChoiceQuestion
    from ._systemone import SystemOneContent as SystemOneContent
    from ._systemone import SystemOneNoulAnswer as SystemOneNoulAnswer
    from ._systemone import SystemOneNoulQuestion as SystemOneNoulQuestion
    from ._systemone import SystemOneQuestion as SystemOneQuestion
    from ._systemone import SystemOneRequest as SystemOneRequest
    from ._systemone import SystemOneResponse as SystemOneResponse
    from ._systemone import SystemOneScoreAnswer as SystemOneScoreAnswer
    from ._systemone import SystemOneScoreQuestion as SystemOneScoreQuestion
    from ._systemone import SystemOneUsage as SystemOneUsage
    from ._towline import Stream as Stream
    from ._towline import __version__ as __version__
    from ._types import ChatResponse as ChatResponse
    from ._types import EmbeddingsResponse as EmbeddingsResponse
    from ._types import EmbedResponse as EmbedResponse
    from ._types import GenerateResponse as GenerateResponse
    from ._types import Image as Image
    from ._types import ListResponse as ListResponse
    from ._types import Message as Message
    from ._types import Options as Options
    from ._types import Parsed as Parsed
    from ._types import ProcessResponse as ProcessResponse
    from ._types import ProgressResponse as ProgressResponse
    from ._types import ShowResponse as ShowResponse
    from ._types import StatusResponse as StatusResponse
    from ._types import Tool as Tool
    from ._types import WebFetchResponse as WebFetchResponse
    from ._types import WebSearchResponse as WebSearchResponse

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
    from .job import StillRunning as StillRunning
    from .job import as_completed as as_completed
    from .job import wait as wait

# Which names live in which module of the package.
_DROP_IN = {
    "._arelay": ["AsyncRelay"],
    "._astream": ["AsyncStream"],
    "._async": ["AsyncClient"],
    "._sync": ["Client"],
    "._default": [
        "chat", "copy", "create", "delete", "embed", "embeddings", "generate", "list", "ps", "pull", "push", "show",
        "systemone", "web_fetch", "web_search",
    ],
    "._errors": [
        "CancelledError", "ClosedError", "ConnectError", "ConnectionLostError", "ProtocolError", "RequestError",
        "ResponseError", "TimedOutError", "TowlineError", "TruncatedError", "UnmarkedEndWarning",
    ],
    "._relay": ["Relay"],
    "._relayed": ["RelayChange", "RelayDevice", "RelayJob", "RelayPaired", "RelayServer", "RelayVersion"],
    "._systemone": [
        "SystemOneAnswer", "SystemOneChoiceAnswer", "SystemOneChoiceQuestion", "SystemOneContent",
        "SystemOneNoulAnswer", "SystemOneNoulQuestion", "SystemOneQuestion", "SystemOneRequest", "SystemOneResponse",
        "SystemOneScoreAnswer", "SystemOneScoreQuestion", "SystemOneUsage",
    ],
    "._towline": ["Stream", "__version__"],
    "._types": [
        "ChatResponse", "EmbedResponse", "EmbeddingsResponse", "GenerateResponse", "Image", "ListResponse", "Message",
        "Options", "Parsed", "ProcessResponse", "ProgressResponse", "ShowResponse", "StatusResponse", "Tool",
        "WebFetchResponse", "WebSearchResponse",
    ],
}  # fmt: skip
_ENGINE: Dict[str, List[str]] = {
    "._towline": ["Event", "JobInfo", "Outcome", "Reply", "Update"],
    "._work": ["current_job"],
    ".engine": ["Engine", "Shutdown", "default_engine"],
    ".ipython": ["load_ipython_extension"],
    ".job": ["Group", "Job", "StillRunning", "as_completed", "wait"],
}

_WHERE = {name: module for part in (_DROP_IN, _ENGINE) for module, names in part.items() for name in names}
__all__ = [name for name in _WHERE if not name.startswith("_")]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(_WHERE))
