"""The fake model server, an engine at it, and waiting without sleeping. Import the fixtures by name."""

import pathlib
import selectors
import subprocess
import time

import pytest

import towline

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"

# A test fails if it waits this long, in seconds.
PATIENCE = 60


@pytest.fixture(scope="session")
def server(fake):
    """The address of the fake model server."""
    return fake


@pytest.fixture
def engine(server):
    with towline.Engine(server) as engine:
        yield engine


@pytest.fixture(scope="session")
def display():
    """A separate display, so that no window of the tests appears on a real one."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as xvfb:
        yield f":{xvfb.stdout.readline().strip()}"
        xvfb.terminate()


def until(engine, condition, what):
    """Looks at every change of any job, as a foreground does."""
    give_up = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        selector.register(engine.fileno(), selectors.EVENT_READ)
        while not condition():
            assert time.monotonic() < give_up, f"timed out waiting for: {what}"
            selector.select(PATIENCE)
            engine.drain()


def until_state(engine, job, state):
    until(engine, lambda: job.state == state, f"{job} becomes {state}")
