"""The types that the package promises: checked inside, checked as users see them, and compared with what is there."""

import subprocess
import sys
from pathlib import Path

CRATE = Path(__file__).resolve().parents[1]

USER = '''
from typing import AsyncIterator, Iterator, List
import towline
from towline import AsyncClient, ChatResponse, Client, Message

def texts(client: Client) -> Iterator[str]:
    for record in client.chat("m", [Message(role="user", content="hi")], stream=True):
        whole: ChatResponse = record
        yield whole.message.content or ""
    yield from client.chat("m", stream=True).texts()

def whole(client: Client) -> List[str]:
    try:
        return [client.chat("m").message.role, client.generate("m", "p").response or "", towline.chat("m").model or ""]
    except towline.TruncatedError as error:
        return [error.text]

async def later(client: AsyncClient) -> AsyncIterator[str]:
    async for record in await client.generate("m", "p", stream=True):
        yield record.response or ""
'''


def run(*command):
    result = subprocess.run([sys.executable, "-m", *command], cwd=CRATE, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_mypy_finds_nothing():
    run("mypy", "--cache-dir", "../../target/mypy")


def test_pyright_finds_nothing():
    run("pyright", "--pythonpath", sys.executable)


def test_the_stub_is_what_is_there():
    run("mypy.stubtest", "towline._towline", "--mypy-config-file", "pyproject.toml")


def test_users_see_the_types(tmp_path):
    user = tmp_path / "user.py"
    user.write_text(USER)
    run("mypy", "--config-file", "", "--strict", "--cache-dir", "../../target/mypy", user)
    run("pyright", "--pythonpath", sys.executable, user)
