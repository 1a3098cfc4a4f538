"""Every way a stream can end, with its own exception."""

import pytest
from ask import read, text

import towline

both = pytest.mark.parametrize("how", ["sync", "async"])


@both
def test_a_whole_answer_ends_without_an_exception(fake, how):
    records, error = read(fake, "normal", how)
    assert error is None
    assert len(records) > 10 and records[-1].done and records[-1].done_reason == "stop"
    assert all(isinstance(record, towline.ChatResponse) for record in records)


@both
@pytest.mark.parametrize(
    "model, kind, builtin",
    [
        ("truncate-after:5", towline.TruncatedError, EOFError),
        ("close-after:5", towline.TruncatedError, EOFError),
        ("reset-after:5", towline.ConnectionLostError, ConnectionError),
        ("error-after:5", towline.ResponseError, Exception),
    ],
)
def test_a_cut_answer_raises_and_carries_what_came(fake, how, model, kind, builtin):
    records, error = read(fake, model, how)
    assert type(error) is kind and isinstance(error, (builtin, towline.TowlineError))
    assert len(records) == 5
    assert error.text == text(records) != ""


@both
def test_half_a_line_is_no_record(fake, how):
    records, error = read(fake, "half-line", how)
    assert len(records) == 3 and isinstance(error, towline.TruncatedError)


@both
@pytest.mark.parametrize("model, kind", [("empty", towline.TruncatedError), ("html", towline.ProtocolError)])
def test_what_is_no_answer_raises(fake, how, model, kind):
    records, error = read(fake, model, how)
    assert records == [] and type(error) is kind


@pytest.mark.parametrize("body, kind", [("<html>", towline.ProtocolError), ('{"error":"no"}', towline.ResponseError)])
def test_a_single_answer_that_is_none_raises(player, body, kind):
    with pytest.raises(kind):
        towline.Client(player(body).host).generate("m", "p")


def test_a_single_answer_with_invalid_text_is_repaired(player):
    server = player(b'{"response":"a\xff\xc2\x85","done":true}')
    assert towline.Client(server.host).generate("m", "p").response == "a\ufffd\x85"


@both
@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_an_error_status_is_a_response_error(fake, how, status):
    _, error = read(fake, f"error-status:{status}", how)
    assert type(error) is towline.ResponseError and error.status_code == status
    assert f"(status code: {status})" in str(error)
    with pytest.raises(towline.ResponseError):
        towline.Client(fake).chat(f"error-status:{status}", [])


@both
def test_the_terminal_record_is_the_end_whatever_the_server_does_next(fake, how):
    records, error = read(fake, "hang-after-done", how)
    assert error is None and records[-1].done


@both
@pytest.mark.parametrize("model", ["stall-after:3", "never-answers"])
def test_a_silent_server_is_a_timeout(fake, how, model):
    records, error = read(fake, model, how, timeout=0.2)
    assert isinstance(error, TimeoutError) and isinstance(error, towline.TowlineError)
    assert error.text == text(records)


@both
def test_no_server_is_a_connection_error(how):
    _, error = read("127.0.0.1:1", "normal", how)
    assert isinstance(error, ConnectionError) and isinstance(error, towline.ConnectError)
    assert "refused" in error.reason


@both
def test_a_server_that_hangs_up_is_a_connection_error(player, how):
    server = player()
    server.serve = lambda connection: connection.socket.close()
    _, error = read(server.host, "normal", how)
    assert isinstance(error, ConnectionError)


@both
def test_a_server_that_never_says_done_is_taken_at_its_word_with_a_warning(player, how):
    server = player('{"message":{"role":"assistant","content":"a"}}\n{"message":{"role":"assistant","content":"b"}}\n')
    with pytest.warns(towline.UnmarkedEndWarning):
        records, error = read(server.host, "any", how)
    assert error is None and text(records) == "ab"


@both
def test_one_word_about_done_makes_its_absence_an_error(player, how):
    server = player('{"message":{"role":"assistant","content":"a"},"done":false}\n')
    _, error = read(server.host, "any", how)
    assert isinstance(error, towline.TruncatedError)


def test_a_model_without_a_name_is_refused_before_anything_is_sent(fake):
    with pytest.raises(ValueError):
        towline.Client(fake).chat("", [])
