"""A real Qt application, offscreen."""

import asyncio
import os
import threading

import pytest
from engine_fixtures import PATIENCE, engine, server  # noqa: F401
from PySide6.QtCore import QCoreApplication, QEventLoop, QTimer

import towline.qt


@pytest.fixture(scope="module")
def application():
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtWidgets import QApplication

    yield QApplication.instance() or QApplication([])


def run_until(application, condition):
    """Looks after every turn of Qt's loop."""
    timer, end = QTimer(), QTimer()
    timer.timeout.connect(lambda: application.quit() if condition() else None)
    timer.start(5)
    end.singleShot(PATIENCE * 1000, application.quit)
    application.exec()
    timer.stop()
    assert condition()


def test_an_engine_needs_an_application_first(engine):
    if QCoreApplication.instance() is None:
        with pytest.raises(RuntimeError, match="create the QApplication first"):
            towline.qt.attach(engine)


def test_updates_come_in_the_windows_thread_merged(application, engine):
    texts, threads = {}, set()

    def show(update):
        threads.add(threading.get_ident())
        texts[update.job] = texts.get(update.job, "") + update.text

    foreground = towline.qt.attach(engine, show)
    jobs = [engine.chat("slow:200:100", "x") for _ in range(8)]
    run_until(application, lambda: all(job.done and texts.get(job) == job.text for job in jobs))
    assert threads == {threading.get_ident()} and foreground.wakes < 800 / 4
    foreground.detach()
    with pytest.raises(RuntimeError, match="detached"):
        foreground.call_soon(print)


def test_a_button_runs_a_coroutine_and_a_destroyed_one_cancels_it(application, engine, monkeypatch):
    from PySide6.QtWidgets import QPushButton

    foreground, button, answers = towline.qt.attach(engine), QPushButton("ask"), []

    async def ask():
        answers.append(await foreground.call(lambda: threading.get_ident()))
        raise OSError("no such file")

    errors = []
    monkeypatch.setattr("sys.excepthook", lambda kind, error, trace: errors.append(error))
    foreground.bind_async(button, ask)
    button.click()
    assert not button.isEnabled()
    run_until(application, button.isEnabled)
    assert answers == [threading.get_ident()] and [str(error) for error in errors] == ["no such file"]

    async def endlessly():
        await asyncio.Event().wait()

    other = QPushButton("wait")
    job = foreground.bind_async(other, endlessly)()
    other.deleteLater()
    run_until(application, lambda: job.done)
    assert job.state == "cancelled" and len(errors) == 1
    foreground.detach()


def test_a_dialog_in_a_callback_does_not_stop_the_other_answers(application, engine):
    dialog, texts, closed = QEventLoop(), [], []

    def show(update):
        if update.job == short and update.ended:
            dialog.exec()
            closed.append(long.done)
        elif update.job == long:
            texts.append(update.text)
            if update.ended:
                dialog.quit()

    foreground = towline.qt.attach(engine, show)
    short, long = engine.chat("echo", "x"), engine.chat("slow:200:100", "x")
    run_until(application, lambda: closed)
    assert closed == [True] and "".join(texts) == long.text
    foreground.detach()
