"""The client in event loops of asyncio and trio, through anyio."""

import anyio
import pytest
from ask import MESSAGES
from conftest import PATIENCE

import towline

RECORD = '{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'

both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def run(backend, main):
    async def bounded():
        with anyio.fail_after(PATIENCE):
            return await main()

    return anyio.run(bounded, backend=backend)


@both
def test_answers_streams_and_failures(fake, backend):
    async def main():
        async with towline.AsyncClient(fake) as client:
            whole = (await client.chat("normal", MESSAGES)).message.content
            records = [record async for record in await client.chat("normal", MESSAGES, stream=True)]
            texts = [text async for text in (await client.chat("normal", MESSAGES, stream=True)).texts()]
            assert "".join(texts) == "".join(record.message.content for record in records) == whole
            with pytest.raises(towline.TruncatedError) as raised:
                async for _ in await client.generate("truncate-after:5", "x", stream=True):
                    pass
            return whole, raised.value.text

    whole, cut = run(backend, main)
    assert whole.startswith("A river") and whole.startswith(cut) and cut


@both
def test_many_streams_at_once(fake, backend):
    async def main():
        async with towline.AsyncClient(fake) as client, anyio.create_task_group() as group:
            counts = []

            async def one():
                counts.append(len([record async for record in await client.chat("slow:1000:50", MESSAGES, stream=True)]))

            for _ in range(150):
                group.start_soon(one)
        return counts

    assert run(backend, main) == [51] * 150


@both
@pytest.mark.parametrize("streams", [True, False])
def test_a_scope_that_is_cancelled_closes_the_connection(player, backend, streams):
    server = player(*([RECORD] if streams else []), ends=False)

    async def main():
        client = towline.AsyncClient(server.host)
        async with anyio.create_task_group() as group:

            async def ask():
                answer = await client.chat("m", MESSAGES, stream=streams)
                async for _ in answer:
                    pass

            group.start_soon(ask)
            await anyio.to_thread.run_sync(server.came.acquire)
            group.cancel_scope.cancel()

    run(backend, main)
    assert [connection.closed.wait(PATIENCE) for connection in server.connections] == [True]


@both
def test_a_file_becomes_a_blob(player, tmp_path, backend):
    server = player()
    (tmp_path / "weights").write_bytes(b"abc")

    async def main():
        async with towline.AsyncClient(server.host) as client:
            return await client.create_blob(tmp_path / "weights")

    digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert run(backend, main) == digest and server.connections[0].request.endswith(b"abc")
