"""The real window on a virtual display: a user types, reads and cancels; the history has what happened."""

import os
import socket
import subprocess

import pytest

import desktop

# The window's colours for buttons that stop something (theme.rs).
STOP_LIGHT = (184, 30, 30)
STOP_DARK = (244, 128, 120)
# Right of the field where questions are typed.
BESIDE_COMPOSER = (0.85, 0.9, 1.0, 1.0)


# The fake model's text, which it repeats.
FAKE_ANSWER = "A river is a stream of water that runs to the sea."


def program(name):
    return os.path.join(os.path.dirname(os.environ["TOWLINE_BIN"]), name)


@pytest.fixture
def fake_model():
    command = [program("fakemodel")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield "http://" + process.stdout.readline().split("http://")[1].strip()
        process.terminate()


@pytest.fixture(autouse=True)
def own_relay(tmp_path):
    """The relay that windows start ends with the test."""
    yield
    if (tmp_path / "towline" / "relay.sock").exists():
        surroundings = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
        for arguments in (["kill", "--all"], ["relay", "stop"]):
            subprocess.run([os.environ["TOWLINE_BIN"], *arguments], env=surroundings, capture_output=True)


def records(window, kind):
    return [record for record in window.session() if record["record"] == kind]


@pytest.mark.parametrize("theme,stop", [("light", STOP_LIGHT), ("dark", STOP_DARK)])
def test_stop_keeps_what_came(tmp_path, fake_model, theme, stop):
    model = "slow:50:100000"
    gui = program("towline-gui")
    with desktop.window(gui, tmp_path, "--host", fake_model, model=model, theme=theme) as window:
        window.type("what is a river")
        window.key("Return")
        desktop.until(lambda: records(window, "text"), "the first token is in the history")
        place = desktop.until(lambda: window.find(stop, BESIDE_COMPOSER), "there is a button that stops")
        window.click(*place)
        end = desktop.until(lambda: records(window, "end"), "the end is in the history")
        assert end[0]["ending"] == "cancelled"
        desktop.until(lambda: not window.find(stop, BESIDE_COMPOSER), "the button is gone")
        text = "".join(record["text"] for record in records(window, "text"))
        assert f"{FAKE_ANSWER} ".startswith(text[: len(FAKE_ANSWER)])
        assert window.close() == 0
    question = next(record for record in window.session() if record["record"] == "question")
    assert question["content"] == "what is a river"


@pytest.fixture
def command(tmp_path):
    """Runs `towline` as the window's user, whose relay ends with the test."""

    def run(*arguments):
        surroundings = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
        command = [os.environ["TOWLINE_BIN"], *arguments]
        return subprocess.run(command, env=surroundings, check=True, capture_output=True, text=True).stdout

    yield run
    with socket.socket(socket.AF_UNIX) as relay:
        relay.connect(str(tmp_path / "towline" / "relay.sock"))
        relay.sendall(b"POST /towline/v1/shutdown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        assert relay.recv(64).startswith(b"HTTP/1.1 202")


@pytest.mark.parametrize("is_killed", [False, True])
def test_an_answer_outlives_the_window(tmp_path, fake_model, command, is_killed):
    gui = program("towline-gui")
    # The window starts the relay, as `towline run -d` does.
    arguments = {"model": "slow:20:100", "theme": "dark"}
    with desktop.window(gui, tmp_path, "--host", fake_model, **arguments) as window:
        desktop.until((tmp_path / "towline" / "relay.sock").exists, "the relay runs")
        window.type("what is a river")
        window.key("Return")
        desktop.until(lambda: records(window, "text"), "the first token is in the history")
        if not is_killed:
            assert window.close() == 0
    [identifier] = [record["id"] for record in records(window, "relay")]
    assert not records(window, "end")
    assert identifier in command("jobs", "--json")
    with desktop.window(gui, tmp_path, "--host", fake_model) as window:
        end = desktop.until(lambda: records(window, "end"), "the end is in the history")
        assert end[0]["ending"] == "completed"
        assert "".join(record["text"] for record in records(window, "text")) == command("log", identifier).rstrip("\n")
        assert window.close() == 0


def test_a_signal_closes_it_as_its_button_does(tmp_path, fake_model):
    gui = program("towline-gui")
    with desktop.window(gui, tmp_path, "--host", fake_model, model="slow:50:100000") as window:
        window.type("what is a river")
        window.key("Return")
        desktop.until(lambda: records(window, "text"), "the first token is in the history")
        window.process.terminate()
        assert window.process.wait(timeout=desktop.LONGEST_WAIT_SECONDS) == 143
    assert records(window, "question")[0]["content"] == "what is a river"
    text = "".join(record["text"] for record in records(window, "text"))
    assert f"{FAKE_ANSWER} ".startswith(text[: len(FAKE_ANSWER)])


def test_the_first_start_needs_no_server(tmp_path):
    with desktop.window(program("towline-gui"), tmp_path, theme="dark") as window:
        window.type("what is a river")
        window.key("Return")
        end = desktop.until(lambda: records(window, "end"), "the built-in model's answer ends")
        assert end[0]["ending"] == "completed"
        assert records(window, "text")
        assert window.close() == 0
