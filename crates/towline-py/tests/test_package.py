"""The package as it is installed."""

import subprocess
import sys

import pytest

import towline


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        towline.no_such_name


def test_every_public_name_is_there():
    for name in towline.__all__:
        assert getattr(towline, name) is not None


@pytest.mark.parametrize(
    ("how", "heavy"),
    [
        ("import towline", "pydantic asyncio towline._towline"),
        ("from towline import Client, chat", "asyncio httpx shutil tempfile towline._relayed towline._systemone"),
    ],
)
def test_an_import_loads_nothing_heavy_that_it_does_not_need(how, heavy):
    code = f"{how}; import sys; print([name for name in {heavy.split()} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


def test_a_subinterpreter_is_refused_clearly():
    interpreters = pytest.importorskip("_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters")
    code = f"""
import {interpreters.__name__} as interpreters
import towline._towline
refused = '''
try:
    import towline._towline
except ImportError as error:
    print(error)
'''
own = interpreters.create()
interpreters.{"run_string" if hasattr(interpreters, "run_string") else "exec"}(own, refused)
"""
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "subinterpreter" in out
