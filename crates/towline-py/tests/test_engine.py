"""Streams in the background: watched, controlled, and ended properly."""

import selectors
import threading

import pytest
from engine_fixtures import PATIENCE, engine, server, until, until_state  # noqa: F401

import towline

SENTENCE = "A river is a stream of water that runs to the sea. "


def test_a_chat_returns_at_once_and_has_a_reply(engine):
    job = engine.chat("normal", "What is a river?")
    reply = job.result(PATIENCE)
    assert (reply.text, str(reply), job.text, job.state) == (SENTENCE, SENTENCE, SENTENCE, "completed")
    assert reply.model == "normal" and reply.usage["completion_tokens"] == 12
    assert job.outcome.is_completed and job.outcome.finish_reason == "stop" and job.outcome.message is None
    assert job.exception is None and job.done


def test_messages_and_options_reach_the_server(engine):
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "one two three"}]
    job = engine.chat("echo", messages, options={"temperature": 0.0}, keep_alive="5m", think=False)
    assert job.result(PATIENCE).text.split() == ["one", "two", "three"]
    assert engine.generate("echo", "four five", system="x").result(PATIENCE).text.split() == ["four", "five"]
    assert engine.pull("normal").result(PATIENCE).progress["status"] == "success"


def test_a_request_that_makes_no_sense_says_which_part(engine):
    with pytest.raises(TypeError, match="unexpected keyword argument 'temprature'"):
        engine.generate("normal", "x", temprature=1)
    with pytest.raises(ValueError, match="deadline must be a number of seconds, 0 or more, not -1"):
        engine.chat("normal", "x", deadline=-1)
    with pytest.raises(ValueError, match="content"):
        engine.chat("normal", [{"role": "user", "content": object()}])
    with pytest.raises(ValueError, match="scheme"):
        towline.Engine("gopher://x")


def test_events_come_in_order_and_end_with_the_stream(engine):
    events = list(engine.chat("thinking", "x"))
    kinds = [event.kind for event in events]
    assert kinds[0] == "thinking" and kinds[-1] == "usage" and "text" in kinds
    text = "".join(event.text for event in events if event.kind == "text")
    assert text == SENTENCE
    call = next(event for event in engine.chat("tools", "x") if event.kind == "tool_call")
    assert isinstance(call.data["arguments"], dict) and call.data["name"] in repr(call)


@pytest.mark.parametrize(
    ("model", "error", "builtin"),
    [
        ("truncate-after:5", towline.TruncatedError, Exception),
        ("reset-after:5", towline.TowlineError, Exception),
        ("error-after:5", towline.ResponseError, Exception),
        ("no-such-model", towline.ResponseError, Exception),
    ],
)
def test_what_is_not_whole_raises_with_what_came(engine, model, error, builtin):
    job = engine.chat(model, "x")
    with pytest.raises(error) as raised:
        job.result(PATIENCE)
    assert isinstance(raised.value, (towline.TowlineError, builtin))
    assert raised.value.job is job and raised.value.outcome.message == job.outcome.message
    assert raised.value.text == job.text and (job.text != "") == (":" in model)
    with pytest.raises(towline.TowlineError):
        list(job)


def test_cancel_keeps_the_text(engine):
    job = engine.chat("stall-after:5", "x")
    until(engine, lambda: job.info.tokens == 5, "five tokens come")
    job.cancel("enough")
    with pytest.raises(towline.CancelledError, match="enough"):
        job.result(PATIENCE)
    assert job.state == "cancelled" and job.text == "A river is a stream "


def test_a_deadline_moves_while_the_job_runs(engine):
    job = engine.chat("stall-after:5", "x", deadline=1000)
    assert 0 < job.deadline <= 1000
    job.extend(1000)
    assert 1000 < job.deadline <= 2000
    job.deadline = None
    assert job.deadline is None
    until(engine, lambda: job.info.tokens == 5, "five tokens come")
    job.deadline = 0
    with pytest.raises(TimeoutError) as raised:
        job.result(PATIENCE)
    assert isinstance(raised.value, towline.TimedOutError) and job.state == "timed_out"


def test_waiting_with_a_limit_leaves_the_job_alone(engine):
    job = engine.chat("never-answers", "x")
    assert not job.wait(0)
    with pytest.raises(towline.StillRunning, match="has not ended"):
        job.result(timeout=0)
    assert not job.done and job.exception is None
    job.cancel()
    assert job.wait(PATIENCE)


def test_pause_and_resume(engine):
    job = engine.chat("slow:1000:300", "x")
    job.pause()
    assert job.state == "paused"
    job.unpause()
    assert len(job.result(PATIENCE).text.split()) == 300


def test_a_job_that_waits_for_its_turn_is_queued(server):
    with towline.Engine(server, max_running=1) as engine:
        first, second = engine.chat("never-answers", "x"), engine.chat("normal", "x", name="patient")
        assert (second.state, second.name) == ("queued", "patient")
        first.cancel()
        assert second.result(PATIENCE).text == SENTENCE


def test_the_same_can_be_asked_again(engine):
    job = engine.chat("normal", "x")
    again = job.retry()
    assert again != job and again.result(PATIENCE).text == job.result(PATIENCE).text


def test_groups_and_waiting_for_the_first(engine):
    quick, stuck = engine.chat("normal", "x"), engine.chat("never-answers", "x")
    ended, others = towline.wait([stuck, quick], first=True, timeout=PATIENCE)
    assert (ended, others) == ([quick], [stuck])
    ended, others = towline.wait([stuck, quick], timeout=0)
    assert (ended, others) == ([quick], [stuck])
    group = engine.gather(quick, stuck, name="both")
    assert len(group) == 2 and list(group) == [quick, stuck] and not group.done
    with pytest.raises(towline.StillRunning, match="1 of 2"):
        group.results(timeout=0)
    group.cancel()
    assert group.wait(PATIENCE) and [outcome.ending for outcome in group.outcomes] == ["completed", "cancelled"]
    with pytest.raises(towline.CancelledError):
        group.results()
    assert towline.wait([]) == ([], [])


def test_the_table_shows_every_job(engine):
    engine.chat("normal", "x", name="<b>").wait(PATIENCE)
    stuck = engine.chat("stall-after:5", "x", deadline=1000)
    until(engine, lambda: stuck.info.tokens == 5, "five tokens come")
    table = engine.jobs()
    lines = repr(table).splitlines()
    assert lines[0].split() == ["job", "name", "state", "tokens", "rate", "age", "deadline"]
    assert "<b>" in lines[1] and "completed" in lines[1]
    assert "streaming" in lines[2] and "5 tokens" in lines[2] and "s left" in lines[2]
    assert "<td>&lt;b&gt;</td>" in table._repr_html_() and "<b>" not in table._repr_html_()
    assert repr(stuck).startswith("<Job 2 stall-after:5 streaming 5 tokens") and "<table>" in stuck._repr_html_()
    assert repr(engine) == "<Engine: 1 jobs running, 1 ended>"
    assert engine.job(2) == stuck and len({engine.job(2), stuck}) == 1
    with pytest.raises(KeyError, match="no job 99"):
        engine.job(99)


def test_drain_gives_each_job_once_merged_and_wakes_for_the_rest(engine):
    jobs = [engine.chat("words:200", "x") for _ in range(8)]
    towline.wait(jobs)
    with selectors.DefaultSelector() as selector:
        selector.register(engine.fileno(), selectors.EVENT_READ)
        texts, looks = {job: "" for job in jobs}, 0
        while selector.select(0):
            updates = engine.drain(max_items=3)
            assert len(updates) <= 3 and len({update.job for update in updates}) == len(updates)
            for update in updates:
                texts[update.job] += update.text
            looks += 1
        assert looks >= 3
    assert all(texts[job] == job.text for job in jobs)
    assert engine.drain() == []


def test_a_shut_down_engine_refuses_and_still_shows(server):
    engine = towline.Engine(server)
    done, stuck = engine.chat("normal", "x"), engine.chat("never-answers", "x")
    done.wait(PATIENCE)
    report = engine.close()
    assert report.cut == [stuck.id] and report.stuck == []
    assert stuck.state == "cancelled" and done.text == SENTENCE
    with pytest.raises(towline.TowlineError, match="shut down"):
        engine.chat("normal", "x").result()
    assert engine.close() == report, "a second close is no error"


def test_a_close_reports_each_job_that_ran_once(server):
    for _ in range(20):
        engine = towline.Engine(server)
        jobs = [engine.chat("never-answers", "x") for _ in range(3)]
        assert engine.close() == ([], [job.id for job in jobs], [], [])


def test_any_thread_may_control_a_job_that_another_waits_for(engine):
    job = engine.chat("never-answers", "x")
    raised = []
    waiter = threading.Thread(target=lambda: raised.append(job.exception if job.wait(PATIENCE) else None))
    waiter.start()
    job.cancel("by another thread")
    waiter.join(PATIENCE)
    assert isinstance(raised[0], towline.CancelledError)


def test_a_paused_job_is_shown_so(engine):
    job = engine.chat("stall-after:5", "x")
    until(engine, lambda: job.info.tokens == 5, "five tokens come")
    job.pause()
    until_state(engine, job, "paused")
    job.cancel()
    until_state(engine, job, "cancelled")
