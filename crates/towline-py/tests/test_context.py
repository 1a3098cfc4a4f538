"""The context of the submitter, and what handlers, dialogs and locks may do meanwhile."""

import asyncio
import contextvars
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import PATIENCE
from engine_fixtures import engine, server  # noqa: F401

import towline

tenant = contextvars.ContextVar("tenant", default="nobody")


async def who():
    await asyncio.sleep(0)
    return tenant.get(), await asyncio.create_task(inner())


async def inner():
    return tenant.get()


def as_(name, call):
    """The result of ``call`` for a caller with that name, on a separate thread."""
    found = []

    def run():
        tenant.set(name)
        found.append(call())

    thread = threading.Thread(target=lambda: contextvars.copy_context().run(run))
    thread.start()
    thread.join()
    return found[0]


NAMES = ["ann", "bob", "cy"]


def test_work_runs_in_the_context_of_its_submitter(engine):
    assert [as_(name, lambda: engine.submit(who()).result(PATIENCE)) for name in NAMES] == [(n, n) for n in NAMES]
    assert [as_(name, lambda: engine.submit_blocking(tenant.get).result(PATIENCE)) for name in NAMES] == NAMES
    assert engine.submit(who()).result(PATIENCE) == ("nobody", "nobody")

    async def yields():
        yield tenant.get()

    assert [list(as_(name, lambda: engine.submit(yields()))) for name in NAMES] == [[name] for name in NAMES]


def test_a_done_callback_runs_in_the_context_of_the_code_that_added_it(engine):
    told = {name: threading.Event() for name in NAMES}
    job = engine.chat("normal", "x")
    for name in NAMES:
        as_(name, lambda: job.add_done_callback(lambda ended: ended == job and told[tenant.get()].set()))
    assert all(event.wait(PATIENCE) for event in told.values())


def test_what_a_job_changes_in_its_context_stays_there(engine):
    def changes():
        tenant.set("changed")

    engine.submit_blocking(changes).result(PATIENCE)
    assert tenant.get() == "nobody" and engine.submit(who()).result(PATIENCE)[0] == "nobody"


def test_tasks_have_the_names_of_their_jobs(engine):
    async def name():
        return asyncio.current_task().get_name()

    assert engine.submit(name(), name="the name").result(PATIENCE) == "the name"


def test_threads_that_call_a_closed_client_do_not_freeze_the_process(fake):
    code = f"""
import sys, threading, time, towline
sys.setswitchinterval(1e-5)
client = towline.Client({fake!r}); client.close()
counts = []
def call():
    for count in range(20_000):
        try: client.list()
        except towline.ClosedError: pass
    counts.append(count)
threads = [threading.Thread(target=call) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(counts)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert out.stdout == "[19999, 19999, 19999, 19999]\n", out.stderr


def test_no_lock_but_those_that_exclude_python_is_waited_for():
    """`Leaf` cannot run Python code; a stream's turn is never waited for; a parker is waited at without the GIL."""
    locks = set()
    for path in (Path(__file__).parents[1] / "src").rglob("*.rs"):
        for found in re.finditer(r"(\w+)\s*\.(lock|try_lock)\(\)", path.read_text()):
            locks.add((path.name, *found.groups()))
    # The lock in `relay.rs` is tokio's: a task of the runtime awaits it, and holds no Python objects.
    awaited = {("relay.rs", "watch", "lock")}
    assert locks - awaited == {("leaf.rs", "0", "lock"), ("parker.rs", "rung", "lock"), ("stream.rs", "reading", "try_lock")}


@pytest.mark.parametrize("outer", ["stream", "call", "job"])
def test_a_signal_handler_may_make_calls_of_its_own(fake, outer):
    code = f"""
import signal, sys, towline
client = towline.Client({fake!r}); engine = towline.Engine({fake!r})
handled = []
client.chat("normal", []); list(client.chat("normal", [], stream=True))  # pydantic is imported now
def handler(*_):
    client.chat("normal", []); list(client.chat("normal", [], stream=True)); engine.chat("normal", "x").result()
    handled.append(1)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
if {outer!r} == "stream":
    print(len(list(client.chat("slow:100:100", [], stream=True))))
elif {outer!r} == "call":
    calls = 0
    while calls < 300 or not handled:
        calls += client.chat("normal", []).done
    print(calls >= 300)
else:
    print(engine.chat("slow:100:100", "x").result().text.count(" ") > 50)
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(handled) > 0)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert out.returncode == 0 and out.stdout.endswith("True\n") and "False" not in out.stdout, out.stdout + out.stderr


def test_a_closed_event_loop_leaves_no_descriptor(fake):
    code = f"""
import asyncio, os, towline
client = towline.AsyncClient({fake!r})
def once():
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.list())
    loop.close()
def descriptors(): return len(os.listdir("/proc/self/fd"))
once(); once()
before = descriptors()
for _ in range(100): once()
print(descriptors() - before)
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("/proc lists the descriptors")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert out.stdout == "0\n", out.stderr


def test_dropping_ends_without_the_collector(fake):
    """Neither a reference cycle nor pydantic's copy of the caller's frame keeps a stream or an engine alive."""
    code = f"""
import asyncio, gc, weakref, towline
gc.disable()
def stream_is_gone():
    stream = towline.Client({fake!r}).chat("slow:100:10000", [], stream=True)
    next(stream)
    weak = weakref.ref(stream)
    del stream
    return weak() is None
async def quick(): return 1
def engine_is_gone():
    engine = towline.Engine({fake!r})
    engine.submit(quick()).result(); engine.submit_blocking(int).result(); engine.drain()
    job = engine.chat("slow:100:10000", "x")
    ended = job._core.ended()
    weak = weakref.ref(engine)
    del engine, job
    return weak() is None and ended.block(30)
print(stream_is_gone(), engine_is_gone())
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert out.stdout == "True True\n", out.stderr


def test_dropping_an_engine_does_not_block_a_loop(server):
    async def main():
        one = towline.Engine(server)

        async def cleans_up_slowly():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.5)

        job = one.submit(cleans_up_slowly())
        while job.state != "running":
            await asyncio.sleep(0)
        ended, loop = job._core.ended(), asyncio.get_running_loop()
        begun = loop.time()
        del one, job
        took = loop.time() - begun
        await loop.run_in_executor(None, ended.block)
        return took

    assert asyncio.run(main()) < 0.4


