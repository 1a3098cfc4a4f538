"""The types under the module name that the package ``ollama`` gives them: all in one."""

from ._errors import RequestError, ResponseError
from ._systemone import *  # noqa: F403
from ._types import *  # noqa: F403

__all__ = ["RequestError", "ResponseError"]
