"""Makes the clients without async, ``towline/_sync.py`` and ``_relay.py``, from ``_async.py`` and ``_arelay.py``.

    python crates/towline-py/sync.py

The results are in the repository, so that they can be read; a test checks that they are up to date.
"""

import re
from pathlib import Path
from typing import Dict

PACKAGE = Path(__file__).parent / "python" / "towline"
FILES = {"_async.py": "_sync.py", "_arelay.py": "_relay.py"}

# In this order.
REPLACEMENTS = (
    (r"\A\"\"\".*?\"\"\"", '"""Without async. ``sync.py`` makes this file from ``{source}``: change that file."""'),
    (r"    It is usable from any number of event loops.*?are closed\.\n", "    It is usable from any thread.\n"),
    (r"\basync def\b", "def"),
    (r"\basync (with|for)\b", r"\1"),
    (r"\(await ([a-z_.]+\((?:[^()]|\([^()]*\))*\))\)", r"\1"),
    (r"\bawait ", ""),
    (r"AsyncStream\(((?:native|self\._relay_client\(\))\.[a-z]+\(.*\))\)", r"\1"),
    (r"\bAsyncStream\b", "Stream"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"from \._astream import Stream", "from ._towline import Stream"),
    (r"from \._arelay import AsyncRelay", "from ._relay import Relay"),
    (r"\bAsyncRelay\b", "Relay"),
    (r"\bAsyncClient\b", "Client"),
    (r"\b(request|stream)_async\b", r"\1"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"self\._client\.aclose\(\)", "self._client.close()"),
    (r"wait_for\((.*)\)\n", r"\1.wait()\n"),
    (r"from \._waiting import .*\n", ""),
    (r"\bdigest\(path\)", "requests.digest(path)"),
)


def made() -> Dict[str, str]:
    """The texts of the files without async, by name."""
    texts = {result: (PACKAGE / source).read_text() for source, result in FILES.items()}
    for pattern, replacement in REPLACEMENTS:
        replaced = 0
        for source, result in FILES.items():
            flags = re.DOTALL if ".*?" in pattern else 0
            text, count = re.subn(pattern, replacement.replace("{source}", source), texts[result], flags=flags)
            texts[result], replaced = text, replaced + count
        assert replaced, f"nothing is replaced by {pattern!r}"
    return texts


if __name__ == "__main__":
    for name, text in made().items():
        (PACKAGE / name).write_text(text)
