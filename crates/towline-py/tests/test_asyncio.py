"""Streams in an event loop."""

import asyncio
import subprocess
import sys

import pytest
from ask import MESSAGES
from conftest import PATIENCE

import towline

RECORD = '{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'


async def first(client):
    stream = await client.chat("m", MESSAGES, stream=True)
    assert (await stream.__anext__()).message.content == "a"
    return stream


def closed(server):
    return all(connection.closed.wait(PATIENCE) for connection in server.connections) and server.connections


def test_a_task_that_is_cancelled_closes_its_connection(player):
    server = player(RECORD, ends=False)

    async def main():
        client = towline.AsyncClient(server.host)
        stream = await first(client)
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.get_running_loop().run_in_executor(None, closed, server)
        assert [record async for record in stream] == []

    asyncio.run(main())


def test_a_call_whose_task_is_cancelled_closes_its_connection(player):
    server = player(ends=False)

    async def main():
        task = asyncio.ensure_future(towline.AsyncClient(server.host).chat("m", MESSAGES))
        await asyncio.get_running_loop().run_in_executor(None, server.came.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert closed(server)


@pytest.mark.parametrize("stop", ["close", "cancel", "aclose", "client"])
def test_a_task_that_waits_ends_when_another_stops_it(player, stop):
    server = player(RECORD, ends=False)

    async def main():
        client = towline.AsyncClient(server.host)
        stream = await first(client)
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        if stop in ("aclose", "client"):
            await (stream.aclose() if stop == "aclose" else client.close())
        else:
            getattr(stream, stop)()
        with pytest.raises(towline.CancelledError):
            await task

    asyncio.run(main())
    assert closed(server)


def test_a_stream_left_open_is_closed_with_its_loop_and_without_a_warning(player):
    server = player(RECORD, ends=False)
    script = f"""
import asyncio, towline
kept = []
async def main():
    async with towline.AsyncClient({server.host!r}) as client:
        pass
    client = towline.AsyncClient({server.host!r})
    stream = await client.chat("m", [], stream=True)
    await stream.__anext__()
    kept.append((client, stream))
    task = asyncio.ensure_future(stream.__anext__())
    await asyncio.sleep(0)
asyncio.run(main())
asyncio.run(main())
print("ended", flush=True)
input()
"""
    command = [sys.executable, "-W", "error", "-c", script]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as child:
        assert child.stdout.readline() == "ended\n"
        # The process continues and holds the streams; their connections are still closed.
        assert closed(server) and len(server.connections) == 2
        assert child.communicate("\n", timeout=PATIENCE)[1] == ""


def test_one_client_serves_one_loop_after_another(fake):
    client = towline.AsyncClient(fake)

    async def main():
        return sum([1 async for _ in await client.chat("words:50", MESSAGES, stream=True)])

    assert [asyncio.run(main()) for _ in range(3)] == [51] * 3


def test_a_stream_is_read_by_one_task_at_a_time(player):
    server = player(RECORD, ends=False)

    async def main():
        stream = await first(towline.AsyncClient(server.host))
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await stream.__anext__()
        stream.close()
        with pytest.raises(towline.CancelledError):
            await task

    asyncio.run(main())


def test_hundreds_of_streams_at_once(fake):
    async def one(client):
        return [record.message.content async for record in await client.chat("slow:200:20", MESSAGES, stream=True)]

    async def main():
        async with towline.AsyncClient(fake) as client:
            return await asyncio.gather(*[one(client) for _ in range(200)])

    texts = asyncio.run(main())
    assert len(texts) == 200 and all(text == texts[0] and len(text) == 21 for text in texts)


def test_the_other_calls(fake):
    async def main():
        async with towline.AsyncClient(fake) as client:
            assert (await client.list()).models
            answer = await client.generate("echo", "river")
            assert "river" in answer.response

    asyncio.run(main())
