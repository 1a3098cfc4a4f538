"""Makes the client without async, ``towline/_sync.py``, of the one with it, ``towline/_async.py``.

    python crates/towline-py/sync.py

The result is kept in the repository, so that it can be read; a test sees that it is what this makes.
"""

import re
from pathlib import Path

PACKAGE = Path(__file__).parent / "python" / "towline"

HEAD = '"""The client for programs without async. Made of ``_async.py`` by ``sync.py``: change that file."""'

# In this order. What `unasync` replaces token by token, and what only these files have.
REPLACEMENTS = (
    (r"\A\"\"\".*?\"\"\"", HEAD),
    (r"    It is usable from any number of event loops.*?are closed\.\n", "    It is usable from any thread.\n"),
    (r"\basync def\b", "def"),
    (r"\basync (with|for)\b", r"\1"),
    (r"\(await ([a-z_.]+\((?:[^()]|\([^()]*\))*\))\)", r"\1"),
    (r"\bawait ", ""),
    (r"AsyncStream\((native\.stream\(.*\))\)", r"\1"),
    (r"\bAsyncStream\b", "Stream"),
    (r"from \._astream import Stream", "from ._towline import Stream"),
    (r"\bAsyncClient\b", "Client"),
    (r"\b(request|stream)_async\b", r"\1"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"self\._client\.aclose\(\)", "self._client.close()"),
    (r"wait_for\((.*)\)\n", r"\1.wait()\n"),
    (r"from \._waiting import .*\n", ""),
    (r"\bdigest\(path\)", "requests.digest(path)"),
)


def made() -> str:
    text = (PACKAGE / "_async.py").read_text()
    for pattern, replacement in REPLACEMENTS:
        text, count = re.subn(pattern, replacement, text, flags=re.DOTALL if "\\A" in pattern or ".*?" in pattern else 0)
        assert count, f"nothing is replaced by {pattern!r}"
    return text


if __name__ == "__main__":
    (PACKAGE / "_sync.py").write_text(made())
