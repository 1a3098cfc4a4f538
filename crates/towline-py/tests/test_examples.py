"""The examples of the drop-in run, and print what their pages show."""

import subprocess
import sys

import pytest
from conftest import PATIENCE, REPOSITORY

EXAMPLES = REPOSITORY / "examples/python"


def run(*command):
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


@pytest.mark.parametrize(
    "command",
    [
        [EXAMPLES / "drop_in_after.py"],
        ["-m", "towline.ollama_compat", EXAMPLES / "drop_in_before.py"],
    ],
)
def test_the_migration(fake, command):
    said = run(*command, fake, "normal", "tools").splitlines()
    assert "river" in said[0] and said[1].startswith("asks for ") and said[-1] == "the server said no: 404"


def test_the_migrated_program_says_when_an_answer_was_cut(fake):
    said = run(EXAMPLES / "drop_in_after.py", fake, "truncate-after:4", "normal")
    assert "\ncut after " in said



def test_stopping_from_another_thread(fake):
    assert run(EXAMPLES / "stop_from_anywhere.py", fake, "slow:50:5000").splitlines()[-1].startswith("stopped; ")
