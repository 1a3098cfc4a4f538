"""A Tk and a Qt window that show the answers of two engines, and stay responsive."""

import os
import subprocess
import sys

import pytest
from conftest import PATIENCE
from engine_fixtures import display  # noqa: F401

HEAD = """
import sys, time
import towline
host = sys.argv[1]
engines = [towline.Engine(host), towline.Engine(host)]
shown, ended, late, due = {}, set(), [], [time.perf_counter() + 0.01]
def draw(update):
    shown[update.job] = shown.get(update.job, "") + update.text
    if update.ended:
        ended.add(update.job)
def beat():
    now = time.perf_counter()
    late.append(now - due[0])
    due[0] = now + 0.01
"""

TAIL = """
assert ended == jobs and all(shown[job] == job.text != "" for job in jobs), "an answer is not whole"
late.sort()
print(f"{len(jobs)} answers, {len(late)} beats, p50 {late[len(late) // 2] * 1e3:.1f} ms late, p99 {late[int(len(late) * 0.99)] * 1e3:.1f} ms")
for engine in engines: engine.close()
"""

TK = """
import tkinter, towline.tk
root = tkinter.Tk()
for engine in engines: towline.tk.attach(root, engine, draw)
jobs = {engine.chat("slow:200:400", "x") for engine in engines for _ in range(8)}
def tick():
    beat()
    root.destroy() if ended >= jobs else root.after(10, tick)
root.after(10, tick)
root.mainloop()
"""

QT = """
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QLabel
import towline.qt
application = QApplication([])
label = QLabel("x"); label.show()
windows = [towline.qt.attach(engine, draw) for engine in engines]
jobs = {engine.chat("slow:200:400", "x") for engine in engines for _ in range(8)}
timer = QTimer()
def tick():
    beat()
    if ended >= jobs: application.quit()
timer.timeout.connect(tick); timer.start(10)
application.exec()
for window in windows: window.detach()
"""


@pytest.mark.parametrize("toolkit", [TK, QT], ids=["tk", "qt"])
def test_a_window_of_two_engines(fake, display, toolkit):
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", HEAD + toolkit + TAIL, fake]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
