"""The examples run as printed: scripts as programs, windows with simulated clicks."""

import runpy
import subprocess
import sys
import tkinter

from engine_fixtures import EXAMPLES, PATIENCE, display, server  # noqa: F401


def test_the_walk_through_at_the_prompt(server):
    models = ["slow:500:40", "stall-after:5", "slow:20:1000"]
    command = [sys.executable, str(EXAMPLES / "repl_walkthrough.py"), server, *models]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout.splitlines()
    assert out[0].split()[:3] == ["job", "name", "state"] and len(out) >= 9
    assert "answer: A river is a stream of water" in "\n".join(out)
    assert "TimedOutError: 20 characters came" in out and any(line.startswith("CancelledError: ") for line in out)
    assert out[-2:] == ["2 answers from two_questions", "cut at the end: []"]


# Tcl aborts the process if a garbage collection on another thread deletes its interpreter. A program with one window ends
# with its window; here other tests follow, and no engine keeps the blocking example's window.
INTERPRETERS = []


def run_window(name, server, display, monkeypatch, act, model):
    """Runs an example in this process; ``act`` is called every 5 ms with its root until it is true."""
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(sys, "argv", [name, server, model])
    mainloop = tkinter.Misc.mainloop

    def acting(root, *_):
        def turn():
            root.quit() if act(root) else root.after(5, turn)

        late = []
        INTERPRETERS.append(root.tk)
        root.after(0, turn)
        root.after(PATIENCE * 1000, lambda: (late.append(True), root.quit()))
        mainloop(root)
        assert not late
        root.destroy()

    monkeypatch.setattr(tkinter.Misc, "mainloop", acting)
    names = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    engine = names.get("engine")
    if engine is not None:
        engine.close()


def widgets(root, kind):
    return [widget for widget in root.winfo_children() if type(widget) is kind]


def test_the_button_that_blocks(server, display, monkeypatch, capsys):
    """The window's own timer does not run while the callback waits."""
    turns = []

    def act(root):
        turns.append(True)
        if len(turns) == 1:
            widgets(root, tkinter.Button)[0].invoke()
            # Nothing else ran meanwhile, and the whole answer is there.
            assert len(turns) == 1 and len(widgets(root, tkinter.Label)[0]["text"].split()) == 50
        return True

    run_window("tk_button_blocking.py", server, display, monkeypatch, act, "slow:200:50")
    assert "the window was dead for" in capsys.readouterr().out


def test_the_button_that_does_not_block(server, display, monkeypatch, capsys):
    """The window's timer runs while the answer arrives, and sees it grow."""
    lengths = []

    def act(root):
        button, label = widgets(root, tkinter.Button)[0], widgets(root, tkinter.Label)[0]
        if not lengths:
            button.invoke()
        lengths.append(len(label["text"].split()))
        return lengths[-1] == 50 and str(button["state"]) == "normal"

    run_window("tk_button.py", server, display, monkeypatch, act, "slow:200:50")
    assert len({length for length in lengths if 3 < length < 50}) > 3
    assert "shown: A river is a stream" in capsys.readouterr().out


def test_the_chat_window(server, display, monkeypatch):
    said = []

    def act(root):
        entry, status = widgets(root, tkinter.Entry)[0], widgets(root, tkinter.Label)[0]
        if not said:
            entry.insert(0, "What is a river?")
            entry.focus_force()
            root.update()
            entry.event_generate("<Return>")
            said.append("asked")
        text = root.winfo_children()[0].winfo_children()[1].get("1.0", "end")
        if len(said) == 1 and text.count("A river is") >= 2:
            entry.event_generate("<Escape>")
            said.append("stopped")
        if status["text"].startswith("cancelled"):
            said.append(text)
        return len(said) == 3

    run_window("tk_chat.py", server, display, monkeypatch, act, "slow:200:5000")
    assert said[2].startswith("> What is a river?\nA river is a stream") and "[cancelled: Esc]" in said[2]


def test_the_chat_window_has_sixty_lines():
    assert len((EXAMPLES / "tk_chat.py").read_text().splitlines()) <= 60
