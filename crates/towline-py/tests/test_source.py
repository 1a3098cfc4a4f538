"""What is made of something else is what that makes of it."""

import subprocess
import sys
from pathlib import Path

CRATE = Path(__file__).resolve().parents[1]


def test_the_client_without_async_is_made_of_the_one_with_it():
    code = "import sync; print(sync.made() == (sync.PACKAGE / '_sync.py').read_text())"
    out = subprocess.run([sys.executable, "-c", code], cwd=CRATE, capture_output=True, text=True)
    assert out.stdout == "True\n", f"run crates/towline-py/sync.py {out.stderr}"
