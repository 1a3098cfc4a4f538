"""A key goes to its own host and to no other."""

import pytest

import towline
from towline._transport import WEB, Transport

WHOLE = '{"model":"m","message":{"role":"assistant","content":"a"},"done":true}\n'


def sent(transport, origin=""):
    return dict(transport._headers_for(origin)).get("authorization")


def test_a_key_is_sent_as_the_caller_says(player):
    server = player(WHOLE)
    towline.Client(server.host, headers={"Authorization": "Bearer mine", "X-Own": "1"}).chat("m", [])
    assert server.connections[0].header("authorization") == "Bearer mine"
    assert server.connections[0].header("x-own") == "1"


@pytest.mark.parametrize(
    "host, own_server, web",
    [
        (None, "Bearer env", "Bearer env"),
        ("127.0.0.1:8080", "Bearer env", "Bearer env"),
        ("https://ollama.com", "Bearer env", "Bearer env"),
        ("https://gateway.example", "Bearer env", None),
        ("http://gateway.example", None, "Bearer env"),
    ],
)
def test_the_key_of_the_environment_goes_to_one_owner(monkeypatch, host, own_server, web):
    monkeypatch.setenv("OLLAMA_API_KEY", "env")
    transport = Transport(host)
    assert (sent(transport), sent(transport, WEB)) == (own_server, web)


@pytest.mark.parametrize("host, web", [(None, "Bearer mine"), ("https://gateway.example", None)])
def test_a_given_key_goes_to_ollama_com_only_where_no_other_server_is_named(host, web):
    transport = Transport(host, headers={"authorization": "Bearer mine", "x-secret": "1"})
    assert (sent(transport), sent(transport, WEB)) == ("Bearer mine", web)
    assert "x-secret" not in dict(transport._headers_for(WEB))


def test_a_web_search_without_a_key_says_what_to_do():
    with pytest.raises(ValueError, match="OLLAMA_API_KEY"):
        towline.Client("https://gateway.example", headers={"authorization": "Bearer mine"}).web_search("rivers")


def test_a_redirect_to_another_host_is_not_followed(player):
    elsewhere = player(WHOLE)
    server = player()

    def redirect(connection):
        from conftest import read_request

        read_request(connection.socket)
        head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere.host.replace('127.0.0.1', 'localhost')}/api/chat\r\n"
        connection.socket.sendall((head + "Content-Length: 0\r\n\r\n").encode())

    server.serve = redirect
    with pytest.raises(towline.TowlineError):
        towline.Client(server.host, headers={"authorization": "Bearer mine"}).chat("m", [])
    assert elsewhere.connections == []


def test_keys_do_not_show(monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", "env-secret")
    client = towline.Client(headers={"x-key": "given-secret"})
    assert "secret" not in repr(client) + repr(client._client) + repr(client._client.headers)


def test_an_address_that_is_none_is_a_value_error():
    for host in ("http://user:pass word@host:1:2", "gopher://host", "http://bad host"):
        with pytest.raises(ValueError) as caught:
            towline.Client(host)
        assert "pass word" not in str(caught.value)


def test_a_user_and_a_password_in_an_address_go_to_that_server_and_do_not_show(player):
    server = player('{"models":[]}')
    client = towline.Client(server.host.replace("//", "//user:password@"))
    client.list()
    assert server.connections[0].header("authorization").startswith("Basic ")
    assert "password" not in repr(client) + repr(client._client.base_url)
