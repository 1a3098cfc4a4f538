"""The real window under a display without a screen: what a person types and clicks reaches the server and the disk."""

import json
import os
import pathlib
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
PROGRAMS = pathlib.Path(os.environ.get("TOWLINE_BIN", ROOT / "target/debug/towline")).parent
PATIENCE = 90


def until(what, look):
    """Waits for something to become true; its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail(f"waited in vain for {what}")


class Window:
    """The window on a display of its own, with one model."""

    def __init__(self, folder, model, host=None):
        self.folder = folder
        read, write = os.pipe()
        screen = ["-screen", "0", "1200x800x24", "-nolisten", "tcp", "-displayfd", str(write)]
        self.xvfb = subprocess.Popen(["Xvfb", *screen], pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as display:
            self.display = f":{display.readline().strip()}"
        (folder / "towline").mkdir(parents=True)
        state = {"model": model, "size": [1200, 800], "place": [0, 0], "theme": "dark", "notifies": False}
        (folder / "towline/window.json").write_text(json.dumps(state))
        environment = {**os.environ, "DISPLAY": self.display, "XDG_DATA_HOME": str(folder), "LIBGL_ALWAYS_SOFTWARE": "1"}
        for name in ("WAYLAND_DISPLAY", "OLLAMA_HOST"):
            environment.pop(name, None)
        arguments = ["--host", host] if host else []
        self.environment = environment
        self.gui = subprocess.Popen([PROGRAMS / "towline-gui", *arguments], env=environment)
        self.id = until("the window", lambda: self.xdotool("search", "--onlyvisible", "--name", "^Towline$", check=False))
        self.id = self.id.splitlines()[-1]
        self.xdotool("windowfocus", "--sync", self.id)

    def xdotool(self, *words, check=True):
        done = subprocess.run(["xdotool", *words], env=self.environment, capture_output=True, text=True, check=check)
        return done.stdout.strip()

    def click(self, x, y):
        self.xdotool("mousemove", str(x), str(y), "click", "1")

    def records(self):
        """What the chat's file says."""
        files = sorted((self.folder / "towline/sessions").glob("*.jsonl"))
        lines = files[-1].read_text().splitlines() if files else []
        return [json.loads(line) for line in lines]

    def first(self, kind):
        return next((record for record in self.records() if record["record"] == kind), None)

    def close(self):
        for process in (self.gui, self.xvfb):
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture
def open_window(tmp_path):
    opened = []

    def open_one(*arguments, **named):
        opened.append(Window(tmp_path / "data", *arguments, **named))
        return opened[-1]

    yield open_one
    for window in opened:
        window.close()


@pytest.fixture
def server():
    command = [PROGRAMS / "fakemodel", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.stdin.close()


def test_a_prompt_is_typed_and_its_answer_stopped(open_window, server):
    window = open_window("slow:20:4000", host=server)
    window.click(700, 770)
    window.xdotool("type", "--delay", "20", "Tell me about rivers")
    window.xdotool("key", "Return")
    assert until("the question", lambda: window.first("question"))["content"] == "Tell me about rivers"
    until("the first words", lambda: window.first("text"))
    # Stop is the last button of the row where questions are typed.
    window.click(1150, 770)
    assert until("the end", lambda: window.first("end"))["ending"] == "cancelled"


def test_without_a_server_the_built_in_model_answers(open_window):
    window = open_window("")
    window.click(700, 770)
    window.xdotool("type", "--delay", "20", "What is a river?")
    window.xdotool("key", "Return")
    assert until("the question", lambda: window.first("question"))["model"] == "brook"
    assert until("the end", lambda: window.first("end"))["ending"] == "completed"
