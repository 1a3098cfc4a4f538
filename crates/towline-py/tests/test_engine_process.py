"""The process around an engine: its end, a fork, Ctrl-C, subinterpreters."""

import os
import signal
import subprocess
import sys

import pytest
from engine_fixtures import PATIENCE, server  # noqa: F401

PRELUDE = """
import asyncio, os, signal, sys, threading, time
import towline
engine = towline.Engine(sys.argv[1])
async def endlessly():
    await asyncio.Event().wait()
"""


# The numbers of poll and ppoll on x86-64 and arm64.
POLLS = ("7", "271", "73")


def run(server, code, python=(sys.executable,), timeout=PATIENCE):
    command = [*python, "-X", "dev", "-W", "error", "-c", PRELUDE + code, server]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def output(server, code):
    done = run(server, code)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_a_program_that_just_ends_leaves_nothing_behind(server):
    assert output(server, "print(engine.chat('normal', 'x').state in towline.job.STATES)") == ["True"]
    code = """
cleaned = []
async def cleans_up():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned", flush=True)
job = engine.submit(cleans_up())
while job.state != "running":
    pass
engine.submit_blocking(time.sleep, 3600)
engine.chat("never-answers", "x")
"""
    assert output(server, code) == ["cleaned"]


ENDS = {
    "sys.exit": ("engine.chat('slow:100:10000', 'x'); sys.exit(5)", 5),
    "an exception": ("engine.chat('slow:100:10000', 'x'); raise RuntimeError('the end')", 1),
    "a thread that reads": (
        "job = engine.chat('slow:100:10000', 'x'); next(iter(job))\n"
        "threading.Thread(target=lambda: list(job), daemon=True).start()",
        0,
    ),
    "a client's stream half read": (
        "stream = iter(towline.Client(sys.argv[1]).chat('slow:100:10000', [], stream=True)); next(stream)",
        0,
    ),
    "an atexit that asks": (
        "import atexit; job = engine.chat('never-answers', 'x'); atexit.register(lambda: print(job.done))",
        0,
    ),
    "a generator left open": (
        """
async def numbers():
    try:
        yield 1
        await endlessly()
    finally:
        await asyncio.sleep(0)
        print("closed", flush=True)
async def read():
    async for _ in numbers():
        began.set()
        await endlessly()
began = threading.Event()
engine.submit(read()); began.wait()
""",
        0,
    ),
    "a coroutine that does not want to end": (
        """
async def stays():
    while True:
        try:
            began.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
began = threading.Event()
engine.submit(stays()); began.wait()
""",
        0,
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_program_ends_when_its_main_thread_does(server, how):
    code, status = ENDS[how]
    done = run(server, code)
    assert done.returncode == status
    complaints = ("Fatal", "never retrieved", "never awaited", "ResourceWarning", "Exception ignored", "cannot schedule")
    # asyncio itself reports the task that does not end.
    assert how.startswith("a coroutine") or not any(complaint in done.stderr for complaint in complaints), done.stderr
    assert done.stdout == {"an atexit that asks": "False\n", "a generator left open": "closed\n"}.get(how, "")


def test_an_engine_that_is_dropped_ends_its_jobs(server):
    code = """
import gc, weakref
from towline._towline import jobs_ended
job = engine.submit(endlessly())
core = job._core
gone = weakref.ref(engine)
del engine, job
gc.collect()
print(gone() is None, jobs_ended([core], "all").block(60), core.state())
"""
    assert output(server, code) == ["True", "True", "cancelled"]


def test_a_fork_after_the_start_is_refused_and_ends(server):
    code = """
import warnings
warnings.simplefilter("ignore")
job = engine.submit(endlessly())
child = os.fork()
if child == 0:
    refused = 0
    for call in (lambda: engine.chat("normal", "x"), lambda: job.state, lambda: job.result(), engine.jobs, engine.close):
        try:
            call()
        except RuntimeError as error:
            refused += "make a new Engine" in str(error)
    print(refused, repr(job).split()[-2:], repr(engine))
    with towline.Engine(sys.argv[1]) as fresh:
        print(fresh.chat("normal", "x").result(60).text.split()[0], flush=True)
    sys.exit(0)
print(os.waitpid(child, 0)[1], flush=True)
print(job.state)
"""
    done = run(server, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "5", "['another',", "'process>']", "<Engine", "of", "another", "process>", "A", "0", "running",
    ]  # fmt: skip


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says where a thread waits")
@pytest.mark.parametrize("blocked", ["job.result()", "list(job)", "towline.wait([job])", "engine.close(cancel=False, grace=3600)"])
def test_ctrl_c_interrupts_a_wait_at_once(server, blocked):
    code = f"""
job = engine.chat("stall-after:5", "x")
while job.info.tokens < 5:
    pass
main = threading.main_thread().ident
# Sent while the main thread blocks: it says so by being in poll(2).
def in_poll():
    with open(f"/proc/self/task/{{threading.main_thread().native_id}}/syscall") as file:
        return file.read().split()[0] in {POLLS}
def interrupt():
    while not in_poll():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    {blocked}
except KeyboardInterrupt:
    print("interrupted", job.state)
"""
    assert output(server, code) == ["interrupted", "streaming"]


def test_a_subinterpreter_is_refused_clearly(server):
    code = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
script = '''
import towline
try:
    towline.Engine()
except ImportError as error:
    print(error, flush=True)
'''
interpreters.run_string(interpreters.create(), script)
os._exit(0)
"""
    said = " ".join(output(server, code))
    assert "not" in said and "support" in said and "subinterpreters" in said


def test_no_thread_of_the_engine_calls_python(server):
    """The interpreter knows only the main thread and the threads that Python started."""
    code = """
import sys
engine.chat("words:1000", "x").result(60)
engine.submit(asyncio.sleep(0)).result(60)
known = {thread.ident for thread in threading.enumerate()}
print(set(sys._current_frames()) == known, sorted(thread.name for thread in threading.enumerate()))
"""
    assert output(server, code) == ["True", "['MainThread',", "'towline-asyncio']"]


