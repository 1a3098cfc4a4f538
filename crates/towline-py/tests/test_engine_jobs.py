"""Jobs beyond their states: results that never hang, groups, callbacks, generators, reports."""

import asyncio
import json
import logging
import threading
import traceback

import pytest
from conftest import PATIENCE
from engine_fixtures import engine, server, until, until_state  # noqa: F401
from test_records import chat

import towline


@pytest.fixture
def long(player):
    """A server whose answer is longer than the log of `small`."""
    records = [chat(f"{number:07} ", "t") for number in range(3000)]
    last = {**chat("", "t"), "done": True}
    return player("".join(json.dumps(record) + "\n" for record in (*records, last)))


@pytest.fixture
def small(long):
    with towline.Engine(long.host, job_log_bytes=4096) as small:
        yield small


def test_a_job_whose_log_is_full_says_so_and_a_result_drains_it(small):
    job = small.chat("m", "x")
    until_state_without_reading(job, "paused")
    assert job.info.log_full and "log full" in repr(job)
    assert len(job.result(PATIENCE).text) == 3000 * 8 and not job.info.log_full


@pytest.mark.parametrize("wait", ["wait", "group", "first", "await", "callback", "gather"])
def test_every_wait_drains(small, wait):
    job = small.chat("m", "x")
    until_state_without_reading(job, "paused")
    if wait == "wait":
        assert job.wait(PATIENCE)
    elif wait == "group":
        assert small.gather(job, small.chat("m", "y")).results(PATIENCE)
    elif wait == "first":
        assert towline.wait([job], first=True, timeout=PATIENCE)[0]
    elif wait == "callback":
        told = threading.Event()
        job.add_done_callback(lambda _: told.set())
        assert told.wait(PATIENCE)
    else:
        asyncio.run(await_it(job if wait == "await" else small.gather(job)))
    assert job.state == "completed"


async def await_it(thing):
    return await asyncio.wait_for(thing, PATIENCE) if isinstance(thing, towline.Job) else await thing


def until_state_without_reading(job, state):
    while job.state != state:
        assert not job.done


def test_two_foregrounds_each_see_everything(engine):
    async def words(updates, job):
        text = ""
        async for update in updates:
            if update.job == job:
                text += update.text
                if update.ended:
                    return text

    async def main():
        job = engine.chat("slow:1000:50", "x")
        return job, await asyncio.gather(words(engine.updates(), job), words(engine.updates(), job))

    job, (one, other) = asyncio.run(asyncio.wait_for(main(), PATIENCE))
    drained = ""
    while not drained.endswith(job.text):
        drained += "".join(update.text for update in engine.drain() if update.job == job)
    assert one == other == drained == job.text != ""


def test_a_group_raises_at_the_first_failure(engine):
    slow, bad = engine.chat("never-answers", "x"), engine.chat("no-such-model", "x")
    group = engine.gather(slow, bad)
    with pytest.raises(towline.ResponseError):
        group.results(PATIENCE)
    with pytest.raises(towline.ResponseError):
        asyncio.run(await_it(group))
    ended, others = towline.wait(group, first_failure=True, timeout=PATIENCE)
    assert ended == [bad] and others == [slow] and not slow.done


def test_jobs_come_in_the_order_in_which_they_end(engine):
    gate = threading.Event()
    late, early = engine.submit_blocking(gate.wait), engine.chat("normal", "x")
    order = []
    for job in towline.as_completed([late, early], timeout=PATIENCE):
        order.append(job)
        gate.set()
    assert order == [early, late]

    async def main():
        return [job async for job in towline.as_completed([late, early])]

    assert set(asyncio.run(main())) == {late, early}
    with pytest.raises(towline.StillRunning):
        list(towline.as_completed([engine.chat("never-answers", "x")], timeout=0))


def test_map_gives_results_in_order(engine):
    async def double(number):
        return 2 * number

    assert list(engine.map(double, range(5))) == [0, 2, 4, 6, 8]
    assert list(engine.map(pow, [2, 3], [3, 2], timeout=PATIENCE)) == [8, 9]


def test_callbacks_are_called_whenever_they_are_added_and_may_fail(server, caplog):
    with towline.Engine(server) as engine:
        job = engine.chat("normal", "x")
        job.result(PATIENCE)
        told = threading.Event()
        job.add_done_callback(lambda _: 1 / 0)
        job.add_done_callback(lambda _: told.set())
        assert told.wait(PATIENCE)
    assert any("callback" in record.message for record in caplog.records)
    late = []
    job.add_done_callback(late.append)
    assert late == [job]


def test_what_an_async_generator_yields_are_the_events(engine):
    async def numbers():
        yield "one "
        yield 2
        await asyncio.sleep(0)
        yield {"three": 3}

    job = engine.submit(numbers(), name="numbers")
    assert list(job) == ["one ", 2, {"three": 3}] and job.text == "one " and job.result(PATIENCE) is None

    async def collect():
        return [value async for value in job]

    assert asyncio.run(collect()) == list(job)

    closed = threading.Event()

    async def endless():
        try:
            while True:
                yield 1
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    job = engine.submit(endless())
    assert next(iter(job)) == 1
    job.cancel()
    assert job.wait(PATIENCE) and closed.wait(PATIENCE) and job.state == "cancelled"


def test_a_job_is_the_coroutine_of_a_task(engine):
    async def main():
        job = engine.chat("normal", "x")
        one, other = asyncio.create_task(job), asyncio.create_task(job)
        assert (await one).text == (await other).text == (await asyncio.wait_for(job, PATIENCE)).text
        stuck = engine.chat("never-answers", "x")
        task = asyncio.create_task(stuck)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not stuck.done and asyncio.iscoroutine(stuck)
        if hasattr(asyncio, "TaskGroup"):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(job)
            assert task.result().text == job.text

    asyncio.run(main())


def test_embed_push_and_create_are_jobs(player):
    embedded = player(json.dumps({"model": "m", "embeddings": [[0.5]]}))
    with towline.Engine(embedded.host) as other:
        job = other.embed("m", "a", name="embedded")
        assert job.result(PATIENCE).embeddings == [[0.5]] and job.name == "embedded"
    pushed = player('{"status":"success"}\n')
    with towline.Engine(pushed.host) as other:
        for job in (other.push("me/m", insecure=True), other.create("new", from_="m", name="made")):
            assert job.result(PATIENCE).progress["status"] == "success"
    bodies = [json.loads(connection.request.partition(b"\r\n\r\n")[2]) for connection in pushed.connections]
    assert bodies[0] == {"model": "me/m", "insecure": True, "stream": True}
    assert bodies[1] == {"model": "new", "from": "m", "stream": True}


def test_the_engine_sends_the_bytes_of_the_client(player):
    server = player('{"message":{"role":"assistant","content":""},"response":"","done":true}\n')
    options = {"temperature": 0.1, "unknown": [1, {"a": None}]}
    schema = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}}
    with towline.Client(server.host) as client, towline.Engine(server.host) as engine:
        messages = [{"role": "user", "content": "é", "images": [b"x"]}]
        list(client.chat("m", messages, stream=True, format=schema, options=options, keep_alive=1.5, think="high"))
        engine.chat("m", messages, format=schema, options=options, keep_alive=1.5, think="high").result(PATIENCE)
        list(client.generate("m", "p", "s", stream=True, raw=True, context=[1, 2]))
        engine.generate("m", "p", "s", raw=True, context=[1, 2]).result(PATIENCE)
    bodies = [connection.request.partition(b"\r\n\r\n")[2] for connection in server.connections]
    assert bodies[0] == bodies[1] and bodies[2] == bodies[3] and bodies[0]


def test_raising_the_same_exception_again_does_not_grow_its_traceback(engine):
    async def fails():
        raise KeyError("x")

    job = engine.submit(fails())
    depths = []
    for _ in range(5):
        with pytest.raises(KeyError) as raised:
            job.result(PATIENCE)
        depths.append(len(traceback.extract_tb(raised.value.__traceback__)))
    assert len(set(depths)) == 1


def test_a_failed_job_that_nobody_read_is_logged(server, caplog):
    async def fails(text):
        raise ValueError(text)

    with caplog.at_level(logging.ERROR, "towline"):
        engine = towline.Engine(server)
        unseen = [engine.submit(fails("unseen-1")), engine.chat("truncate-after:3", "x")]
        seen = engine.submit(fails("seen"))
        with pytest.raises(ValueError):
            seen.result(PATIENCE)
        cancelled = engine.chat("never-answers", "x")
        cancelled.cancel()
        towline.wait([*unseen, cancelled], timeout=PATIENCE)
        assert sorted(engine.close().unseen) == sorted(job.id for job in unseen)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and any("unseen-1" in text for text in said)
    assert engine.close().unseen == []


def test_a_second_close_hurries_the_first(server):
    engine = towline.Engine(server)
    job = engine.chat("never-answers", "x")
    first = threading.Thread(target=engine.close, kwargs={"cancel": False, "grace": 3600})
    first.start()
    while engine.chat("normal", "x").exception is None:
        pass  # until the first close has begun: it refuses new jobs
    report = engine.close()
    first.join(PATIENCE)
    assert not first.is_alive() and job.state == "cancelled" and report.cut == [job.id]
