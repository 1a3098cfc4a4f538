"""The documentation of every public name, and the pages made from it."""

import inspect
import subprocess
import sys

import pytest

import towline

# Names of types in signatures.
ALIASES = {"SystemOneAnswer", "SystemOneContent", "SystemOneQuestion"}
METHODS = [
    f"{cls.__name__}.{name}"
    for cls in (towline.AsyncClient, towline.AsyncRelay, towline.Client, towline.Engine, towline.Group, towline.Job, towline.Relay)
    for name, value in vars(cls).items()
    if not name.startswith("_") and (callable(value) or isinstance(value, property))
]


@pytest.mark.parametrize("name", sorted(set(towline.__all__) - ALIASES))
def test_every_public_name_is_documented_with_an_example(name):
    assert "::\n" in (inspect.getdoc(getattr(towline, name)) or "")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_documented(name):
    cls, _, method = name.partition(".")
    assert inspect.getdoc(getattr(getattr(towline, cls), method))


def test_the_pages_are_built(tmp_path):
    command = [sys.executable, "-m", "pdoc", "--docformat", "restructuredtext", "-o", str(tmp_path), "towline"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    page = (tmp_path / "towline.html").read_text()
    assert all(f'id="{name}"' in page for name in ("Client", "Engine", "Job", "as_completed", "RelayJob"))
