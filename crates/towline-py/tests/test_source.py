"""Generated files are up to date."""

import subprocess
import sys
from pathlib import Path

CRATE = Path(__file__).resolve().parents[1]


def test_the_clients_without_async_are_made_of_those_with_it():
    code = "import sync; print(all((sync.PACKAGE / name).read_text() == text for name, text in sync.made().items()))"
    out = subprocess.run([sys.executable, "-c", code], cwd=CRATE, capture_output=True, text=True)
    assert out.stdout == "True\n", f"run crates/towline-py/sync.py {out.stderr}"
