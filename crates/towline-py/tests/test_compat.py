"""Code written for the package ``ollama``, unchanged."""

import subprocess
import sys

from conftest import PATIENCE

SCRIPT = """
import sys
import ollama
from ollama import AsyncClient, Client, Message, ResponseError, chat
from ollama._types import ChatRequest
assert ollama.chat.__self__ is ollama._client and sys.argv[1:] == ["an", "argument"], sys.argv
try:
    for part in chat("truncate-after:2", [Message(role="user", content="hi")], stream=True):
        print(part["message"]["role"])
except Exception as error:
    print(type(error).__module__, type(error).__name__)
try:
    ollama.generate("error-status:404", "hi")
except ollama.ResponseError as error:
    print(error.status_code)
"""
SAID = "assistant\nassistant\ntowline._errors TruncatedError\n404\n"


def run(fake, *command, **more):
    environment = {"OLLAMA_HOST": fake, "PATH": "/usr/bin:/bin"}
    result = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=PATIENCE, **more
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_script_run_by_the_module(fake, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert run(fake, "-m", "towline.ollama_compat", script, "an", "argument") == SAID
    assert run(fake, "-m", "towline.ollama_compat", "-m", "script", "an", "argument", cwd=tmp_path) == SAID


def test_one_import_before_it(fake):
    assert run(fake, "-c", "import towline.ollama_compat\n" + SCRIPT, "an", "argument") == SAID


def test_wrong_use_says_how():
    result = subprocess.run([sys.executable, "-m", "towline.ollama_compat"], capture_output=True, text=True)
    assert result.returncode != 0 and "usage:" in result.stderr


def test_except_clauses_of_the_package_itself_go_on_working(fake, tmp_path):
    # A package with that name and the structure of the real one, for a program that uses both.
    (tmp_path / "ollama.py").write_text(
        "class ResponseError(Exception):\n    pass\nclass RequestError(Exception):\n    pass\n"
    )
    code = """
import ollama, towline
try:
    towline.chat("error-status:500", [])
except ollama.ResponseError as error:
    print(isinstance(error, towline.ResponseError), error.status_code)
"""
    assert run(fake, "-c", code, cwd=tmp_path) == "True 500\n"
