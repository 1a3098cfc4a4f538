"""Jobs in the caller's own event loop: asyncio and trio. Nothing blocks it and nothing polls."""

import asyncio
import warnings

import pytest
import trio
from engine_fixtures import PATIENCE, engine, server, until  # noqa: F401

import towline
import towline.trio


def run_asyncio(main):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return asyncio.run(asyncio.wait_for(main(), PATIENCE), debug=True)


def run_trio(main):
    async def bounded():
        with trio.fail_after(PATIENCE):
            return await main()

    return trio.run(bounded)


both = pytest.mark.parametrize("run", [run_asyncio, run_trio])


@both
def test_await_a_job_and_a_group(engine, run):
    async def main():
        reply = await engine.chat("normal", "x")
        with pytest.raises(towline.TruncatedError):
            await engine.chat("truncate-after:5", "x")
        return reply.text, [r.text for r in await engine.gather(engine.chat("echo", "a"), engine.chat("echo", "b"))]

    text, group = run(main)
    assert text.startswith("A river") and [word.strip() for word in group] == ["a", "b"]


@both
def test_iterate_over_events(engine, run):
    async def main():
        job = engine.chat("slow:2000:100", "x")
        pieces = [event.text async for event in job if event.kind == "text"]
        return len(pieces) > 1, "".join(pieces) == job.text

    assert run(main) == (True, True)


@both
def test_the_loop_runs_while_a_job_is_awaited(engine, run):
    """Sixteen waiters in one loop: each is woken for its own job, and cancelling a wait does not affect the job."""

    async def main():
        stuck = engine.chat("never-answers", "x")
        jobs = [engine.chat(f"words:{n + 1}", "x") for n in range(16)]
        counts = {}

        async def count(job):
            counts[job] = len((await job).text.split())

        if run is run_trio:
            async with trio.open_nursery() as nursery:
                for job in jobs:
                    nursery.start_soon(count, job)
            with trio.move_on_after(0):
                await stuck
        else:
            await asyncio.gather(*(count(job) for job in jobs))
            waiter = asyncio.ensure_future(stuck._result())
            await asyncio.sleep(0)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
        assert not stuck.done
        return [counts[job] for job in jobs]

    assert run(main) == list(range(1, 17))


@both
def test_updates_come_by_the_descriptor(engine, run):
    async def main():
        job, text = engine.chat("slow:500:60", "x"), ""
        async for update in engine.updates(frame=0.001):
            text += update.text
            if update.ended:
                assert update.job == job and update.info.state == "completed"
                return text == job.text

    assert run(main)


def test_a_second_loop_after_the_first_works_too(engine):
    async def main():
        return (await engine.chat("normal", "x")).text

    assert run_asyncio(main) == run_asyncio(main)


def test_an_engine_is_an_async_context_manager(server):
    async def main():
        async with towline.Engine(server) as engine:
            job = engine.chat("never-answers", "x")
        return job.state

    assert run_asyncio(main) == "cancelled"


def test_trio_scopes_own_jobs_if_asked_to(server):
    async def main():
        async with towline.trio.open_engine(server) as engine:
            job = engine.chat("never-answers", "x")
            with trio.move_on_after(0):
                await towline.trio.result(job)
            assert job.state == "cancelled"
            async for update in engine.updates():
                if update.job == job and update.ended:
                    return update.info.state

    assert run_trio(main) == "cancelled"


def test_a_loop_without_descriptors_is_refused_clearly(engine):
    class Blind(asyncio.SelectorEventLoop):
        def add_reader(self, *_):
            raise NotImplementedError

    async def main():
        await engine.chat("normal", "x")

    loop = Blind()
    # Its own self-pipe needs the real function, which its constructor stored under another name.
    try:
        with pytest.raises(RuntimeError, match="watches no descriptors"):
            loop.run_until_complete(main())
    finally:
        loop.close()
