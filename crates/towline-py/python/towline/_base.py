"""What both clients have in common."""

from __future__ import annotations

from typing import Any, Dict, Optional

from . import _foreign as foreign
from ._transport import Transport


class BaseClient:
    """Holds the connection: this package's own, or httpx's where the caller uses options that only httpx has."""

    _client: Any

    def __init__(self, of_httpx: str, host: Optional[str], options: Dict[str, Any]) -> None:
        if foreign.OWN_OPTIONS.issuperset(options):
            self._client = Transport(host, **options)
        else:
            self._client = foreign.client(of_httpx, host, options)

    def _check_web_key(self, what: str) -> None:
        key = self._client.web_key() if isinstance(self._client, Transport) else foreign.key(self._client)
        if not key or not key.startswith("Bearer "):
            raise ValueError(
                f"Authorization header with Bearer token is required for {what}: "
                "set OLLAMA_API_KEY to a key of ollama.com"
            )

    def __repr__(self) -> str:
        return f"<towline.{type(self).__name__} of {self._client.base_url}>"
