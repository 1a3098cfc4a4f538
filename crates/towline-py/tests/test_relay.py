"""Streams that a relay runs: they outlive their readers, and every client controls them."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import threading

import pytest
from conftest import PATIENCE, REPOSITORY
from engine_fixtures import until_state

import towline
from towline._transport import Transport


@pytest.fixture(scope="module")
def program():
    """The program that starts a relay."""
    program = REPOSITORY / "target/debug/towline"
    if not program.exists():
        subprocess.run(["cargo", "build", "--quiet", "-p", "towline-cli"], check=True, cwd=REPOSITORY)
    return program


@pytest.fixture
def relayed(fake, program, tmp_path, monkeypatch):
    """The options for a client with its own relay, which uses the fake server."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    yield {"host": fake, "relay": "own"}
    with towline.Client(**relayed_options(fake)) as client:
        os.kill(client.relay.version().pid, signal.SIGTERM)


def relayed_options(fake):
    return {"host": fake, "relay": "own"}


def test_a_stream_outlives_its_reader_and_is_attached_to(relayed):
    with towline.Client(**relayed) as client:
        stream = client.chat("slow:1000:300", [], stream=True)
        first = next(stream)
        relay_id = stream.relay_id
        assert stream.detach() == relay_id and list(stream) == []
        assert client.relay.job(relay_id).model == "slow:1000:300"
        whole = list(client.attach(relay_id))
        assert whole[0].message.content == first.message.content and whole[-1].done and len(whole) > 300
        assert [job.id for job in client.relay.jobs(state="ended")] == [relay_id]
        client.relay.forget(relay_id[:8])
        with pytest.raises(towline.ResponseError):
            client.relay.job(relay_id)
        with pytest.raises(RuntimeError):
            client.chat("normal", [], stream=True).detach()


def test_dropping_leaves_and_cancelling_stops(relayed):
    with towline.Client(**relayed) as client:
        dropped, cancelled = (client.chat("slow:100:10000", [], stream=True) for _ in range(2))
        ids = [(next(stream), stream.relay_id)[1] for stream in (dropped, cancelled)]
        del dropped
        cancelled.cancel()
        with pytest.raises(towline.CancelledError):
            list(cancelled)
        assert client.relay.wait(ids[1], PATIENCE).state == "cancelled"
        assert client.relay.job(ids[0]).state == "streaming"
        assert client.relay.pause(ids[0]).state == "paused"
        client.relay.unpause(ids[0])
        assert 3590 < client.relay.set_deadline(ids[0], 3600).deadline_s <= 3600
        assert client.relay.extend(ids[0], 60).deadline_s > 3600
        assert client.relay.set_deadline(ids[0], None).deadline_s is None
        assert [job.id for job in client.relay.jobs(state="running", model="slow:100:10000")] == [ids[0]]
        client.relay.cancel(ids[0], "enough")
        assert client.relay.wait(ids[0], PATIENCE).state == "cancelled"


def test_jobs_detach_and_attach(relayed):
    with towline.Engine(**relayed) as engine:
        job = engine.chat("slow:1000:300", "x")
        until_state(engine, job, "streaming")
        relay_id = job.relay_id
        assert job.detach() == relay_id and job.wait(PATIENCE) and job.state == "cancelled"
        again = engine.attach(relay_id, name="again")
        assert again.name == "again" and len(again.result(PATIENCE).text.split()) >= 300
        with pytest.raises(RuntimeError, match="no relay runs it"):
            again.detach()


def test_jobs_are_listed_by_what_they_are(relayed):
    with towline.Engine(**relayed) as engine, towline.Client(**relayed) as client:
        asked = {
            "rivers": engine.chat("normal", "Why do rivers bend?", name="rivers", group="school"),
            "lakes": engine.chat("normal", "Why are lakes still?", name="lakes", group="school"),
            "seas": engine.chat("slow:1000:5", "Why is the sea salt?", name="seas"),
        }
        for job in asked.values():
            assert job.wait(PATIENCE) and job.state == "completed"
        ids = {name: job.relay_id for name, job in asked.items()}

        def named(**filter):
            return sorted(job.name for job in client.relay.jobs(**filter))

        assert named() == named(state="ended") == named(since=3600) == sorted(asked)
        assert named(group="school") == ["lakes", "rivers"]
        assert named(text="RIVERS BEND") == named(name="rivers") == ["rivers"]
        assert named(model="slow:1000:5") == ["seas"]
        assert named(conversation="none") == named(state="running") == []
        rivers = client.relay.job("rivers")
        assert (rivers.id, rivers.group, rivers.asked_by) == (ids["rivers"], "school", "python")
        assert rivers.question == "Why do rivers bend?" and rivers.sent and rivers.tokens > 0
        assert client.relay.request("rivers")["messages"][-1]["content"] == rivers.question
        again = client.relay.retry("rivers")
        assert again.retry_of == rivers.id and client.relay.wait(again.id, PATIENCE).state == "completed"
        assert client.relay.rename("seas", "oceans").id == ids["seas"]
        in_lines = engine.chat("normal", "x", name="two\nlines")
        assert in_lines.wait(PATIENCE) and client.relay.job(in_lines.relay_id).name == "two-lines"
        version = client.relay.version()
        assert version.streams == 5 and version.running == 0 and version.listen
        with pytest.raises(towline.RequestError, match="number of seconds, 0 or more"):
            client.relay.jobs(since=-1)
        with pytest.raises(ValueError, match="'all', 'running', 'ended', not 'finished'"):
            client.relay.jobs(state="finished")
        with pytest.raises(ValueError, match="ASCII"):
            engine.chat("normal", "x", group="Schöne Flüsse")


def test_the_same_without_blocking(relayed):
    async def main():
        async with towline.AsyncClient(**relayed) as client:
            stream = await client.chat("slow:1000:300", [], stream=True)
            await stream.__anext__()
            relay_id = stream.detach()
            assert (await client.relay.job(relay_id)).id == relay_id
            return [record async for record in client.attach(relay_id)]

    assert asyncio.run(main())[-1].done


def test_changes_are_watched(relayed):
    with towline.Client(**relayed) as client:
        stream = client.chat("slow:100:10000", [], stream=True)
        next(stream)
        other = client.chat("normal", [], stream=True)
        next(other)
        relay_id = stream.detach()
        states = []
        for change in client.relay.watch(model="slow:100:10000"):
            assert not change.reset
            if change.removed:
                assert change.removed == relay_id
                break
            assert change.job.id == relay_id
            if change.job.state == "streaming" and not states:
                client.relay.cancel(relay_id)
            elif change.job.state == "cancelled" and "cancelled" not in states:
                client.relay.forget(relay_id)
            states.append(change.job.state)
        assert states[0] == "streaming" and states[-1] == "cancelled"


def test_a_watch_ends_with_its_client_or_its_task(relayed):
    client = towline.Client(**relayed)
    ended = []

    def watch():
        with pytest.raises(towline.TowlineError) as raised:
            list(client.relay.watch())
        ended.append(raised.value)

    thread = threading.Thread(target=watch)
    thread.start()
    client.close()
    thread.join(PATIENCE)
    assert isinstance(ended[0], (towline.CancelledError, towline.ClosedError))

    async def watch_without_blocking():
        async with towline.AsyncClient(**relayed) as client:
            watch = client.relay.watch()
            looking = asyncio.ensure_future(watch.__anext__())
            stream = await client.chat("normal", [], stream=True)
            await stream.__anext__()
            first = await looking
            looking = asyncio.ensure_future(watch.__anext__())
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            return first, stream.relay_id

    first, relay_id = asyncio.run(watch_without_blocking())
    assert first.job.id == relay_id


def come_in_by_link(address, token):
    """The status of the first request of a browser that opens a link."""
    host = address.rpartition("/")[2]
    connection = http.client.HTTPConnection("127.0.0.1", int(host.rpartition(":")[2]), timeout=PATIENCE)
    headers = {"Host": host, "Towline-Page": "true", "Content-Type": "application/json"}
    connection.request("POST", "/towline/v1/session", json.dumps({"token": token}), headers)
    return connection.getresponse().status


def test_a_relay_is_administered(relayed, tmp_path):
    with towline.Client(**relayed) as client:
        relay = client.relay
        assert client.chat("normal", []).done
        assert relay.back_up(tmp_path / "copy") == relay.version().streams and any((tmp_path / "copy").iterdir())
        with pytest.raises(towline.ResponseError, match="copy"):
            relay.back_up(tmp_path / "copy")
        address, _, secret = relay.page().partition("/#")
        assert secret and relay.devices() == []
        assert come_in_by_link(address, relay.link("laptop")) == 204
        assert [device.name for device in relay.devices()] == ["laptop"]
        relay.revoke("laptop")
        assert relay.devices() == []
        with pytest.raises(towline.ResponseError, match="laptop"):
            relay.revoke("laptop")
        running = client.chat("slow:100:10000", [], stream=True)
        next(running)
        with pytest.raises(towline.ResponseError):
            relay.shutdown(if_idle=True)
        relay.cancel(running.relay_id)
        assert relay.wait(running.relay_id, PATIENCE).state == "cancelled"


def test_a_phone_is_paired_and_revoked(relayed):
    with towline.Client(**relayed) as client:
        relay = client.relay
        paired = relay.pair("phone", listen="127.0.0.1:0", hosts=["localhost"])
        assert paired.token and paired.fingerprint and not paired.listen.endswith(":0")


ORDERS = [
    (lambda relay: relay.wait("a", -1), "timeout must be a number of seconds, 0 or more, not -1"),
    (lambda relay: relay.wait("a", None), "timeout must be a number of seconds, 0 or more, not None"),
    (lambda relay: relay.extend("a", "x"), "seconds must be a number of seconds, 0 or more, not 'x'"),
    (lambda relay: relay.set_deadline("a", "x"), "seconds must be a number of seconds, 0 or more, not 'x'"),
    (lambda relay: relay.job(5), "id must be a str, not 5"),
    (lambda relay: relay.job(""), '"" is neither the id nor the name'),
    (lambda relay: relay.jobs(since="x"), "since must be a number of seconds, 0 or more, not 'x'"),
    (lambda relay: relay.jobs(model=5), "model must be a str, not 5"),
    (lambda relay: relay.pair(None), "name must be a str, not None"),
]


@pytest.mark.parametrize(("order", "said"), ORDERS, ids=[said for _, said in ORDERS])
def test_an_order_that_cannot_be_given_names_the_argument(order, said):
    with towline.Client(relay="127.0.0.1:1") as client, pytest.raises(towline.RequestError) as raised:
        order(client.relay)
    assert said in str(raised.value)


def test_without_a_relay_that_is_said(fake):
    with towline.Client(fake) as client:
        with pytest.raises(towline.RequestError, match="no relay"):
            client.relay
        with pytest.raises(towline.RequestError, match="no relay"):
            client.attach("x")


def test_each_client_names_its_server_and_brings_its_key(relayed, player):
    server = player('{"model":"m","message":{"role":"assistant","content":"a"},"done":true}\n')
    key = {"Authorization": "Bearer mine"}
    with towline.Client(**relayed) as first, towline.Client(server.host, relay="own", headers=key) as second:
        assert list(first.chat("normal", [], stream=True))[-1].done
        assert [record.message.content for record in second.chat("m", [], stream=True)] == ["a"]
        assert server.connections[0].header("authorization") == "Bearer mine"
        jobs = first.relay.jobs()
    assert len({job.upstream for job in jobs}) == 2 and {job.asked_by for job in jobs} == {"python"}


def test_the_key_of_the_environment_goes_through_the_relay_where_it_would_go_without(relayed, monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", "env")
    for host, key in [("http://gateway.example", None), ("https://gateway.example", "Bearer env")]:
        transport = Transport(host, relay="own")
        assert dict(transport._headers_for("")).get("authorization") == key
        transport.close()
