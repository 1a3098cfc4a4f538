"""The clients under the module name that the package ``ollama`` gives them."""

from ._async import AsyncClient
from ._errors import CONNECTION_ERROR_MESSAGE
from ._requests import copy_images as _copy_images
from ._requests import copy_messages as _copy_messages
from ._requests import copy_tools as _copy_tools
from ._sync import Client

__all__ = [
    "CONNECTION_ERROR_MESSAGE",
    "AsyncClient",
    "Client",
    "_copy_images",
    "_copy_messages",
    "_copy_tools",
]
