"""A real tkinter window, under Xvfb if there is no display."""

import asyncio
import os
import subprocess
import sys
import threading
import tkinter

import pytest
from engine_fixtures import PATIENCE, display, engine, server  # noqa: F401

import towline
import towline.tk


# Kept for the tests whose window is not attached: see towline.tk.
INTERPRETERS = []


@pytest.fixture
def root(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)
    root = tkinter.Tk()
    INTERPRETERS.append(root.tk)
    # A failing test still ends.
    root.after(PATIENCE * 1000, root.quit)
    root.errors = []
    root.report_callback_exception = lambda kind, error, trace: root.errors.append(error)
    yield root
    try:
        root.destroy()
    except tkinter.TclError:
        pass


def test_sixteen_streams_leave_the_window_responsive(root, engine):
    """Between two turns of Tk's loop, at most one frame's news is handled, so a timer is never late."""
    windows = {}
    beats, threads = [], set()

    def beat():
        beats.append(foreground.wakes)
        root.after(1, beat)

    def show(update):
        threads.add(threading.get_ident())
        windows[update.job].insert("end", update.text)
        if update.ended:
            ended.add(update.job)
        if len(ended) == 16:
            root.quit()

    ended = set()
    foreground = towline.tk.attach(root, engine, show)
    for _ in range(16):
        text = tkinter.Text(root, height=2)
        text.pack()
        windows[engine.chat("slow:200:200", "x")] = text
    beat()
    root.mainloop()
    received = {job: text.get("1.0", "end-1c") for job, text in windows.items()}
    assert received == {job: job.text for job in windows} and all(len(t.split()) == 200 for t in received.values())
    assert threads == {threading.get_ident()} and root.errors == []
    assert foreground.watches
    # 3,200 tokens, merged: at most one wake-up per frame, and the window's own timer ran in between.
    assert foreground.wakes < 3200 / 4
    longest = max(later - earlier for earlier, later in zip(beats, beats[1:]))
    assert longest <= 2, f"{longest} wakes came between two heartbeats"


def run_until(root, condition):
    def look():
        root.quit() if condition() else root.after(5, look)

    root.after(0, look)
    root.mainloop()
    assert condition()


@pytest.mark.parametrize("poll", [False, True])
def test_calls_from_other_threads_run_in_the_windows_thread(root, engine, poll):
    foreground = towline.tk.attach(root, engine, poll=poll)
    label, called = tkinter.Label(root), []

    def show(text):
        label["text"] = text
        called.append(threading.get_ident())
        return text.upper()

    async def asks():
        reply = await engine.chat("normal", "x")
        return await foreground.call(show, reply.text)

    job = engine.submit(asks())
    threading.Thread(target=foreground.call_soon, args=(called.append, "soon")).start()
    run_until(root, lambda: job.done and "soon" in called)
    assert job.result().startswith("A RIVER") and label["text"].startswith("A river")
    assert set(called) == {threading.get_ident(), "soon"}


def test_an_exception_in_a_callback_is_reported_and_ends_nothing(root, engine):
    seen = []

    def breaks(update):
        if update.ended:
            seen.append(update.job)
        raise ValueError("shown badly")

    towline.tk.attach(root, engine, breaks)
    jobs = [engine.chat("normal", "x") for _ in range(3)]
    run_until(root, lambda: len(seen) == 3)
    assert set(seen) == set(jobs) and {str(error) for error in root.errors} == {"shown badly"}


def test_a_button_runs_a_coroutine(root, engine):
    foreground = towline.tk.attach(root, engine)
    button = tkinter.Button(root, text="ask")
    answers = []

    async def ask():
        reply = await engine.chat("normal", "x")
        await foreground.call(answers.append, reply.text)

    start = towline.tk.bind_async(button, ask)
    button.invoke()
    assert button["state"] == "disabled"
    run_until(root, lambda: button["state"] == "normal")
    assert len(answers) == 1 and callable(start)


def test_a_failing_coroutine_is_reported_and_a_destroyed_widget_cancels_its_own(root, engine):
    foreground, seen = towline.tk.attach(root, engine), []
    button = tkinter.Button(root)

    async def fails():
        raise OSError("no such file")

    towline.tk.bind_async(button, fails)
    button.invoke()
    run_until(root, lambda: root.errors)
    assert str(root.errors[0]) == "no such file" and button["state"] == "normal"

    async def endlessly():
        await asyncio.Event().wait()

    job = towline.tk.bind_async(button, endlessly)()
    button.destroy()
    run_until(root, lambda: job.done)
    later = foreground.start(lambda: asyncio.sleep(0), lambda job: seen.append(job))
    run_until(root, lambda: seen == [later])
    assert job.state == "cancelled" and len(root.errors) == 1, "its end did not look for the button"


def test_an_event_runs_a_coroutine_too(root, engine):
    towline.tk.attach(root, engine)
    events = []

    async def on_key(event):
        events.append(event.keysym)

    root.update()
    towline.tk.bind_async(root, on_key, "<<Ask>>")
    root.event_generate("<<Ask>>")
    run_until(root, lambda: events)


def test_a_destroyed_window_detaches_and_leaves_the_jobs(root, engine):
    foreground = towline.tk.attach(root, engine, lambda update: root.destroy())
    with pytest.raises(RuntimeError, match="already attached"):
        towline.tk.attach(root, engine)
    job = engine.chat("slow:1000:300", "x")
    root.mainloop()
    assert len(job.result(PATIENCE).text.split()) == 300
    with pytest.raises(RuntimeError, match="the window is gone"):
        foreground.call_soon(print)


def test_a_dialog_in_a_callback_does_not_stop_the_other_answers(root, engine):
    """Like a message box: the callback waits for a window in its own loop."""
    dialogs, texts, closed = [], [], []

    def show(update):
        if update.job == short and update.ended:
            dialog = tkinter.Toplevel(root)
            dialog.after(PATIENCE * 1000, dialog.destroy)
            dialogs.append(dialog)
            root.wait_window(dialog)
            closed.append(long.done)
        elif update.job == long:
            texts.append(update.text)
            if update.ended:
                dialogs[0].destroy()
                root.after(0, root.quit)

    towline.tk.attach(root, engine, show)
    long, short = engine.chat("slow:200:200", "x"), engine.chat("echo", "x")
    root.mainloop()
    assert closed == [True] and "".join(texts) == long.text and root.errors == []


def test_windows_come_and_go(display, server):
    """One after the other, ended by `destroy` or `quit`, each collected on another thread; then two at once."""
    code = """
import gc, sys, threading, tkinter, towline, towline.tk
engine = towline.Engine(sys.argv[1])
def window(leave):
    root, text = tkinter.Tk(), []
    label = tkinter.Label(root, textvariable=tkinter.StringVar(root), image=tkinter.PhotoImage(master=root, width=2, height=2))
    def show(update):
        if update.job == job:
            text.append(update.text)
            if update.ended:
                getattr(root, leave)()
    job = engine.chat("slow:1000:100", "x")
    towline.tk.attach(root, engine, show)
    root.mainloop()
    if leave == "quit":
        root.destroy()
    return "".join(text) == job.text
def collect():
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
for leave in ("destroy", "quit", "destroy"):
    print(window(leave))
    collect()
one, other, texts = tkinter.Tk(), tkinter.Tk(), ["", ""]
def shower(number):
    def show(update):
        if update.job == job:
            texts[number] += update.text
            if texts == [job.text] * 2 and job.done:
                one.quit()
    return show
towline.tk.attach(one, engine, shower(0))
towline.tk.attach(other, engine, shower(1))
job = engine.chat("slow:1000:100", "x")
one.mainloop()
print(texts == [job.text] * 2)
other.destroy(); one.destroy()
collect()
"""
    env = {**os.environ, "DISPLAY": display}
    done = subprocess.run([sys.executable, "-c", code, server], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout.split(), done.stderr, done.returncode) == (["True"] * 4, "", 0)


def test_an_unattached_window_is_refused(root, engine):
    with pytest.raises(RuntimeError, match="attach the window first"):
        towline.tk.bind_async(tkinter.Button(root), asyncio.sleep)


def test_an_idle_window_is_not_woken(root, engine):
    foreground = towline.tk.attach(root, engine)
    # For earlier changes: both the attachment and the engine report them, and the engine may do so after the first look.
    run_until(root, lambda: foreground.wakes >= 1)
    for _ in range(50):
        root.update()
    assert foreground.wakes <= 2


def test_a_window_that_is_garbage_does_not_abort_the_process(display, server):
    """Collected on the engine's thread, where Tcl would abort if its interpreter were not kept."""
    code = """
import gc, sys, tkinter, towline, towline.tk
engine = towline.Engine(sys.argv[1])
gc.disable()
root = tkinter.Tk()
root.cycle = root
towline.tk.attach(root, engine)
root.destroy()
del root
async def collect():
    return gc.collect()
print(engine.submit(collect()).result(60) > 0)
"""
    env = {**os.environ, "DISPLAY": display}
    done = subprocess.run([sys.executable, "-c", code, server], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)
