"""Cancelling an answer: from its own thread, from another one, by the keyboard, and by dropping it."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from ask import MESSAGES
from conftest import PATIENCE

import towline

RECORD = '{"model":"m","message":{"role":"assistant","content":"a"},"done":false}\n'
WHOLE = RECORD + '{"model":"m","message":{"role":"assistant","content":""},"done":true}\n'


def in_thread(work):
    """Runs `work` in a thread; returns a function that waits for its result or exception."""
    said = []

    def run():
        try:
            said.append(work())
        except BaseException as error:
            said.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(PATIENCE)
        assert not thread.is_alive()
        return said[0]

    return result


def open_stream(player, *pieces):
    server = player(*pieces, ends=False)
    client = towline.Client(server.host)
    stream = client.chat("m", MESSAGES, stream=True)
    return server, client, stream


@pytest.mark.parametrize("stop", ["close", "cancel", "client"])
def test_a_read_that_blocks_ends_at_once_when_another_thread_stops_it(player, stop):
    server, client, stream = open_stream(player, RECORD)
    assert next(stream).message.content == "a"
    result = in_thread(lambda: next(stream))
    {"close": stream.close, "cancel": stream.cancel, "client": client.close}[stop]()
    # A reader that starts after the stream was closed finds it ended.
    assert isinstance(result(), (towline.CancelledError, StopIteration))
    assert server.connections[0].closed.wait(PATIENCE)


def test_a_call_that_blocks_ends_when_the_client_is_closed(fake):
    client = towline.Client(fake)
    result = in_thread(lambda: client.chat("never-answers", MESSAGES))
    client.close()
    assert isinstance(result(), (towline.CancelledError, towline.ClosedError))


def test_what_came_before_a_cancel_is_still_read(player):
    _, _, stream = open_stream(player, RECORD * 50)
    records = [next(stream)]
    stream.cancel()
    with pytest.raises(towline.CancelledError) as caught:
        records.extend(stream)
    assert caught.value.text == "a" * len(records)
    assert list(stream) == []


def test_a_closed_client_refuses(player):
    server = player(WHOLE)
    client = towline.Client(server.host)
    client.close()
    with pytest.raises(towline.ClosedError, match="make a new one"):
        client.chat("m", MESSAGES)
    with pytest.raises(RuntimeError):
        next(client.chat("m", MESSAGES, stream=True))
    assert server.connections == []


def test_a_stream_is_read_by_one_at_a_time(player):
    _, _, stream = open_stream(player, RECORD)
    next(stream)
    result = in_thread(lambda: next(stream))
    refused = False
    while not refused:
        try:
            stream.poll(towline._towline.Hub(), 1)
        except ValueError as error:
            refused = "another thread" in str(error)
    stream.close()
    assert isinstance(result(), towline.CancelledError)


def test_letting_go_of_a_stream_closes_its_connection(player):
    server, _, stream = open_stream(player, RECORD)
    next(stream)
    del stream
    assert server.connections[0].closed.wait(PATIENCE)


def test_leaving_the_block_of_a_stream_closes_its_connection(player):
    server, _, stream = open_stream(player, RECORD)
    with stream:
        for _ in stream:
            break
    assert server.connections[0].closed.wait(PATIENCE)
    assert list(stream) == []


def test_an_exception_in_the_loop_closes_the_connection(player):
    server, client, stream = open_stream(player, RECORD)
    del stream

    def ask():
        for _ in client.chat("m", MESSAGES, stream=True):
            raise KeyError("mine")

    with pytest.raises(KeyError):
        ask()
    assert server.connections[0].closed.wait(PATIENCE)


def test_nothing_is_sent_before_the_first_read(player):
    server, _, stream = open_stream(player, WHOLE)
    stream.close()
    assert list(stream) == [] and server.connections == []


def test_many_more_streams_than_a_hundred_at_a_time(player):
    server = player(RECORD, ends=False)
    client = towline.Client(server.host)
    streams = [client.chat("m", MESSAGES, stream=True) for _ in range(250)]
    for stream in streams:
        assert next(stream).message.content == "a"
    assert len(server.connections) == 250
    client.close()
    for connection in server.connections:
        assert connection.closed.wait(PATIENCE)


def test_streams_of_one_client_read_by_many_threads(fake):
    client = towline.Client(fake)
    results = [in_thread(lambda: sum(1 for _ in client.chat("words:2000", MESSAGES, stream=True))) for _ in range(16)]
    assert [result() for result in results] == [2001] * 16


@pytest.mark.parametrize("what", ["stream", "call"])
def test_ctrl_c_interrupts_a_read_that_blocks(fake, what):
    script = f"""
import towline
client = towline.Client({fake!r})
try:
    if {what!r} == "stream":
        for record in client.chat("stall-after:1", [], stream=True):
            print("reading", flush=True)
    else:
        print("reading", flush=True)
        client.chat("never-answers", [])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "reading\n"
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=PATIENCE)[0] == "interrupted\n"
        assert child.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_gets_an_error_and_can_begin_again(fake):
    script = f"""
import os, towline
client = towline.Client({fake!r})
stream = client.chat("slow:100:10000", [], stream=True)
next(stream)
child = os.fork()
if child == 0:
    try:
        for record in stream: pass
    except RuntimeError as error:
        print("told" if "forked" in str(error) else error, flush=True)
    print(client.chat("normal", []).done, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(next(stream).done, flush=True)
"""
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert out.stdout == "told\nTrue\nFalse\n", out.stderr


def test_a_flood_that_nobody_reads_stays_with_the_server(fake):
    script = f"""
import resource, towline
client = towline.Client({fake!r})
client.chat("normal", [])
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
stream = client.chat("flood:400MB", [], stream=True)
next(stream)
other = client.chat("words:20000", [], stream=True)
for _ in other: pass
print(peak() - before)
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert int(out.stdout) < 16 * 1024
