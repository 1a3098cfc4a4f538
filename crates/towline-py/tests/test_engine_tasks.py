"""Coroutines and functions as jobs: a true state, a deadline that can change, and real cancellation."""

import asyncio
import gc
import threading
import warnings
import weakref

import pytest
from engine_fixtures import PATIENCE, engine, server, until_state  # noqa: F401

import towline


async def value(of):
    await asyncio.sleep(0)
    return of


async def endlessly():
    await asyncio.Event().wait()


def test_a_coroutine_is_a_job_with_its_result(engine):
    job = engine.submit(value(7))
    assert job.result(PATIENCE) == 7 and job.state == "completed" and job.name == "value"
    assert engine.submit(value(1), name="one").name == "one"
    assert engine.job(job.id).result() == 7, "the table's handle has it too"


def test_a_running_coroutine_says_so(engine):
    job = engine.submit(endlessly())
    until_state(engine, job, "running")
    job.cancel()
    until_state(engine, job, "cancelled")


def test_what_it_raises_is_raised(engine):
    class Own(Exception):
        pass

    async def fails():
        raise Own("no")

    job = engine.submit(fails())
    with pytest.raises(Own, match="no"):
        job.result(PATIENCE)
    assert job.state == "failed" and isinstance(job.exception, Own)
    assert (job.outcome.kind, job.outcome.message) == ("task", "Own: no")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exit_inside_ends_that_job_alone(engine, error):
    async def leaves():
        raise error

    job = engine.submit(leaves())
    with pytest.raises(error):
        job.result(PATIENCE)
    assert engine.submit(value(1)).result(PATIENCE) == 1


def test_cancelling_is_not_cancelled(engine):
    """asyncio's own future gets this wrong: it is done while the task still cleans up."""
    may_end = threading.Event()

    async def cleans_up():
        try:
            await endlessly()
        finally:
            while not may_end.is_set():
                await asyncio.sleep(0.001)

    job = engine.submit(cleans_up())
    until_state(engine, job, "running")
    job.cancel("enough")
    assert (job.state, job.done, job.outcome, job.is_cancelling) == ("cancelling", False, None, True)
    may_end.set()
    with pytest.raises(towline.CancelledError, match="enough"):
        job.result(PATIENCE)


def test_a_result_that_survives_its_cancellation_is_kept(engine):
    async def survives():
        try:
            await endlessly()
        except asyncio.CancelledError:
            return "all the same"

    job = engine.submit(survives())
    until_state(engine, job, "running")
    job.cancel()
    assert job.result(PATIENCE) == "all the same" and job.state == "completed"


def test_the_deadline_moves_from_any_thread_and_lets_it_clean_up(engine):
    cleaned = []

    async def works():
        try:
            await endlessly()
        finally:
            cleaned.append(True)

    job = engine.submit(works(), deadline=1000)
    until_state(engine, job, "running")
    job.deadline = None
    assert job.deadline is None
    job.deadline = 0
    with pytest.raises(towline.TimedOutError):
        job.result(PATIENCE)
    assert cleaned == [True] and job.state == "timed_out"


def test_one_that_never_began_is_closed(server):
    with warnings.catch_warnings(), towline.Engine(server, max_running=1) as engine:
        warnings.simplefilter("error")
        first = engine.submit(endlessly())
        coroutine = value(1)
        second = engine.submit(coroutine)
        assert second.state == "queued"
        second.cancel()
        until_state(engine, second, "cancelled")
        first.cancel()
        first.wait(PATIENCE)
        assert engine.submit(value(2)).result(PATIENCE) == 2
        with pytest.raises(RuntimeError, match="cannot reuse"):
            coroutine.send(None)


def test_a_paused_coroutine_stops_at_its_next_await(engine):
    steps, go = [], threading.Event()

    async def counts():
        while not go.is_set():
            await asyncio.sleep(0)
        for step in range(3):
            await asyncio.sleep(0)
            steps.append(step)
        return len(steps)

    job = engine.submit(counts())
    until_state(engine, job, "running")
    job.pause()
    # The order has been carried out once a later one has been.
    engine.submit(value(0)).result(PATIENCE)
    go.set()
    engine.submit(value(0)).result(PATIENCE)
    assert (steps, job.state) == ([], "paused")
    job.unpause()
    assert job.result(PATIENCE) == 3


def test_a_paused_coroutine_can_be_cancelled(engine):
    job = engine.submit(endlessly())
    until_state(engine, job, "running")
    job.pause()
    job.cancel()
    with pytest.raises(towline.CancelledError):
        job.result(PATIENCE)


def test_timeouts_and_groups_of_asyncio_work_inside(engine):
    async def uses_asyncio():
        try:
            await asyncio.wait_for(endlessly(), 0.01)
        except asyncio.TimeoutError:
            pass
        return await asyncio.gather(value(1), value(2))

    assert engine.submit(uses_asyncio()).result(PATIENCE) == [1, 2]


def test_jobs_wait_for_jobs_by_await_and_not_by_blocking(engine):
    async def waits():
        return await engine.chat("normal", "x"), await engine.submit(value(3))

    reply, three = engine.submit(waits()).result(PATIENCE)
    assert reply.text and three == 3

    async def blocks():
        engine.chat("never-answers", "x").result()

    with pytest.raises(RuntimeError, match="await the job here instead"):
        engine.submit(blocks()).result(PATIENCE)


def test_a_task_can_emit_text_and_knows_its_job(engine):
    async def talks():
        job = towline.current_job()
        job.emit("one ")
        job.emit("two")
        return job

    job = engine.submit(talks())
    assert "".join(event.text for event in job) == "one two" and job.text == "one two"
    assert job.result() == job
    with pytest.raises(RuntimeError, match="no job is running here"):
        towline.current_job()


def test_gather_submits_coroutines(engine):
    group = engine.gather(value(1), value(2), engine.submit_blocking(int, "3"), name="three")
    assert group.results(PATIENCE) == [1, 2, 3]
    assert [job.info.group for job in group] == ["three", "three", None]


def test_only_coroutines_are_submitted(engine):
    with pytest.raises(TypeError, match="use submit_blocking"):
        engine.submit(len)
    with pytest.raises(RuntimeError, match="cannot be repeated"):
        engine.submit(value(1)).retry()


def test_a_submit_to_a_closed_engine_says_so(server):
    engine = towline.Engine(server)
    engine.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job = engine.submit(value(1))
        gc.collect()
    with pytest.raises(towline.TowlineError, match="shut down"):
        job.result(PATIENCE)


def test_a_function_runs_on_a_thread(engine):
    job = engine.submit_blocking(threading.current_thread)
    assert job.result(PATIENCE) is not threading.current_thread() and job.name == "current_thread"
    with pytest.raises(ZeroDivisionError):
        engine.submit_blocking(divmod, 1, 0).result(PATIENCE)


def test_a_function_is_cancelling_until_it_returns(engine):
    may_end = threading.Event()

    def works():
        may_end.wait(PATIENCE)
        return towline.current_job().is_cancelling

    job = engine.run_blocking(works, name="stubborn")
    until_state(engine, job, "running")
    with pytest.raises(RuntimeError, match="cannot be paused"):
        job.pause()
    job.cancel()
    assert (job.state, job.done) == ("cancelling", False)
    may_end.set()
    assert job.result(PATIENCE) is True, "it ran to its end, and knew"


def test_a_function_is_queued_until_a_thread_is_free(server):
    with towline.Engine(server, max_threads=1) as engine:
        may_end = threading.Event()
        first = engine.submit_blocking(may_end.wait, PATIENCE)
        until_state(engine, first, "running")
        second, third = engine.submit_blocking(int, "2"), engine.submit_blocking(int, "3")
        assert second.state == "queued"
        second.cancel()
        until_state(engine, second, "cancelled")
        may_end.set()
        assert third.result(PATIENCE) == 3


def test_a_close_reports_a_function_that_does_not_return(server):
    engine, may_end = towline.Engine(server), threading.Event()
    job = engine.submit_blocking(may_end.wait, PATIENCE)
    until_state(engine, job, "running")
    assert engine.close(grace=0).stuck == [job.id]
    may_end.set()


def test_what_has_ended_is_let_go(server):
    class Thing:
        pass

    with towline.Engine(server, max_ended=1) as engine:

        async def makes():
            return Thing()

        job = engine.submit(makes())
        thing = weakref.ref(job.result(PATIENCE))
        del job
        for number in range(80):
            engine.submit(value(number)).result(PATIENCE)
        gc.collect()
        assert thing() is None and not engine._loop._works
