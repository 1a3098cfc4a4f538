"""The package's types: checked inside, checked as users see them, and compared with the actual objects."""

import subprocess
import sys
from pathlib import Path

CRATE = Path(__file__).resolve().parents[1]

USER = '''
import asyncio
from pathlib import Path
from typing import AsyncIterator, Iterator, List, Literal, Sequence
from pydantic import BaseModel
import towline
from towline import AsyncClient, ChatResponse, Client, Engine, Group, Job, Message, RelayJob, Reply, Update

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
    async for record in await client.generate("m", "p", stream=True, options={"seed": 1}):
        yield record.response or ""
    async for text in (await client.chat("m", stream=True)).texts():
        yield text
    jobs: List[RelayJob] = await client.relay.jobs(state="running")
    yield jobs[0].id
    async for change in client.relay.watch(state="running"):
        yield change.job.state if change.job else change.removed or str(change.reset)

def administered(client: Client) -> List[str]:
    for change in client.relay.watch():
        if change.reset:
            break
    streams: int = client.relay.back_up(Path("/backup"))
    paired = client.relay.pair("phone", hosts=["localhost"])
    names = [device.name for device in client.relay.devices()]
    return [client.relay.page(), client.relay.link(), paired.listen, str(streams), *names]

class River(BaseModel):
    name: str

def parsed(client: Client) -> River:
    return client.chat("m", format=River, think="low").parsed

async def number() -> int:
    return 1

async def numbers() -> AsyncIterator[int]:
    yield 1

def power(base: int, exponent: float) -> str:
    return str(base**exponent)

def jobs(engine: Engine) -> str:
    reply: Job[Reply] = engine.chat("m", "x", name="x", group="g", priority=1, deadline=1.0, tools=[power], logprobs=True)
    one: Job[int] = engine.submit(number(), name="one")
    none: Job[None] = engine.submit(numbers())
    text: Job[str] = engine.submit_blocking(power, 2, exponent=0.5)
    vectors: Sequence[Sequence[float]] = engine.embed("m", ["a"], name="v").result().embeddings
    both: Group[Reply] = engine.gather(reply, engine.generate("m", "p", system="s"))
    texts: List[Reply] = both.results(timeout=1.0)
    state: Literal["queued", "connecting", "waiting", "streaming", "running", "paused", "cancelling",
                   "completed", "truncated", "cancelled", "timed_out", "failed"] = reply.state
    for done in towline.as_completed([reply]):
        done.add_done_callback(lambda job: print(job.result().text))
    ended, others = towline.wait([one], first_failure=True, timeout=1.0)
    left: List[Job[int]] = others
    outcome = reply.outcome
    ending = outcome.ending if outcome is not None else state
    again: Job[Reply] = engine.attach(reply.detach(), start="tail")
    return f"{text.result()}{one.result() + len(left)}{vectors}{texts[0].text}{ending}{none.result()}{again.text}"

async def tasks(engine: Engine) -> str:
    reply: Reply = await engine.chat("m", "x")
    task: "asyncio.Task[Reply]" = asyncio.create_task(engine.chat("m", "x"))
    update: Update
    async for update in engine.updates():
        break
    return reply.text + (await task).text

def clients() -> None:
    Client("h", timeout=1, first_event=2.0, total=None, retries=1, resume="continue", api="auto", relay="own")
    Engine("h", api="openai", max_running=1, headers={"a": "b"})
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


WRONG = """
import towline
from towline import Client, Engine, Job
def wrong(client: Client, engine: Engine) -> None:
    client.generate("m", "p", temprature=1)
    engine.chat("m", "x", options=5)
    one: Job[str] = engine.submit_blocking(len, "x")
    engine.submit_blocking(len, 5)
    if engine.chat("m").state == "finished":
        Client("h", api="gemini")
"""


def test_type_checkers_report_mistakes(tmp_path):
    user = tmp_path / "user.py"
    user.write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--config-file", "", "--strict", "--cache-dir", "../../target/mypy", str(user)]
    out = subprocess.run(command, cwd=CRATE, capture_output=True, text=True).stdout
    lines = {int(line.split(":")[1]) for line in out.splitlines() if ": error:" in line}
    assert lines == {5, 6, 7, 8, 9, 10}, out


def test_users_see_the_types(tmp_path):
    user = tmp_path / "user.py"
    user.write_text(USER)
    run("mypy", "--config-file", "", "--strict", "--cache-dir", "../../target/mypy", user)
    run("pyright", "--pythonpath", sys.executable, user)
