"""The files in deploy/: systemd accepts the units, and the program accepts the arguments of the units and the container."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess

import pytest

TOWLINE = os.path.abspath(os.environ.get("TOWLINE_BIN", "towline"))
DEPLOY = pathlib.Path(__file__).parent.parent.parent / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
SOCKETS = sorted(DEPLOY.glob("*.socket"))
ANALYZE = shutil.which("systemd-analyze")

units = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


@pytest.mark.parametrize("unit", UNITS + SOCKETS, ids=lambda unit: unit.name)
@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd here")
def test_systemd_understands_the_unit(unit, tmp_path):
    for one in [unit, unit.with_suffix(".service")]:
        started = re.sub(r"^ExecStart=\S+", f"ExecStart={TOWLINE}", one.read_text(), flags=re.M)
        (tmp_path / one.name).write_text(started)
    named = tmp_path / unit.name
    scope = "--user" if "user" in unit.stem else "--system"
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    ran = subprocess.run([ANALYZE, scope, "verify", named], env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


@units
def test_the_program_understands_what_the_unit_starts(unit, tmp_path):
    line = re.search(r"^ExecStart=(.+)$", unit.read_text(), flags=re.M)[1]
    for stands, is_here in [
        ("%h", tmp_path),
        ("%t", tmp_path),
        ("${CREDENTIALS_DIRECTORY}", tmp_path),
        # A test has no fixed port.
        (":11435", ":0"),
    ]:
        line = line.replace(stands, str(is_here))
    (tmp_path / "towline").mkdir(mode=0o700)
    (tmp_path / "relay.toml").write_text(
        'listen = ["own", "127.0.0.1:0"]\n[[upstream]]\nurl = "http://127.0.0.1:9"\n'
    )
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [TOWLINE, *shlex.split(line)[1:]]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as relay:
        said = [relay.stdout.readline().strip() for _ in range(2)]
        relay.send_signal(signal.SIGTERM)
        _, logged = relay.communicate(timeout=60)
    assert said[0] == f"listening on unix:{tmp_path}/towline/relay.sock", logged
    assert said[1].startswith("listening on http://127.0.0.1:"), logged
    assert relay.returncode == 0, logged


def relay_over(tmp_path, command, sockets, **more):
    """A relay that gets these sockets as from systemd: from descriptor 3 on, for the process in LISTEN_PID."""
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PATH": os.environ["PATH"]}

    def pass_on():
        copies = [os.dup(one.fileno()) for one in sockets]
        for number, copy in enumerate(copies):
            os.dup2(copy, 3 + number)

    # Only the process itself knows its number.
    script = f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@"'
    return subprocess.Popen(
        ["sh", "-c", script, "sh", *command],
        env=environment,
        preexec_fn=pass_on,
        close_fds=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def opened(path, mode):
    """A listening Unix socket, and a port on loopback."""
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(path))
    os.chmod(path, mode)
    port = socket.create_server(("127.0.0.1", 0))
    unix.listen()
    return unix, port


def test_a_relay_listens_on_the_sockets_that_it_is_passed(tmp_path):
    path = tmp_path / "relay.sock"
    unix, port = opened(path, 0o600)
    address = "127.0.0.1:{}".format(port.getsockname()[1])
    command = [TOWLINE, "relay", "--upstream", "http://127.0.0.1:9", "--store", "memory"]
    for listen in [[], ["--listen", f"unix:{path}", "--listen", address]]:
        # Earlier connections are answered too, because the socket queues them.
        early = socket.create_connection(port.getsockname())
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with relay_over(tmp_path, command + listen, [unix, port]) as relay:
            said = sorted(relay.stdout.readline().strip() for _ in range(2))
            assert early.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
            relay.send_signal(signal.SIGTERM)
            _, logged = relay.communicate(timeout=60)
        early.close()
        assert said == [f"listening on http://{address}", f"listening on unix:{path}"], logged
        assert relay.returncode == 0, logged
        assert path.exists(), "the socket is not the relay's to remove"
    with relay_over(tmp_path, [*command, "--listen", f"unix:{path}"], [unix, port]) as relay:
        _, logged = relay.communicate(timeout=60)
    assert relay.returncode == 2 and f"name {address} too" in logged, logged
    os.chmod(path, 0o660)
    with relay_over(tmp_path, command, [unix, port]) as relay:
        _, logged = relay.communicate(timeout=60)
    assert relay.returncode == 2 and "SocketMode=0600" in logged, logged
    unix.close()
    port.close()


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="there is no systemd here")
def test_systemd_starts_the_relay_at_the_first_connection(tmp_path):
    path = tmp_path / "relay.sock"
    environment = {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PATH": os.environ["PATH"]}
    command = ["systemd-socket-activate", "-l", str(path), "-E", "XDG_STATE_HOME", "-E", "XDG_RUNTIME_DIR"]
    command += [TOWLINE, "relay", "--upstream", "http://127.0.0.1:9", "--store", "memory"]
    old = os.umask(0o077)
    activate = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.umask(old)
    with activate:
        # It reports when it listens.
        assert "Listening on" in activate.stderr.readline()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        activate.send_signal(signal.SIGTERM)
        said, _ = activate.communicate(timeout=60)
    assert said.strip() == f"listening on unix:{path}"


def test_the_health_check_of_the_container_tells_a_relay_that_answers_from_one_that_does_not(tmp_path):
    lines = (DEPLOY / "Containerfile").read_text()
    start = json.loads(re.search(r"^ENTRYPOINT (.+)$", lines, flags=re.M)[1])
    start += json.loads(re.search(r"^CMD (.+)$", lines, flags=re.M)[1])
    check = json.loads(re.search(r"^HEALTHCHECK .*CMD (.+)$", lines, flags=re.M)[1])
    variables = re.search(r"^ENV (XDG_.+)$", lines, flags=re.M)[1].split()
    assert sorted(variable.split("=")[0] for variable in variables) == ["XDG_RUNTIME_DIR", "XDG_STATE_HOME"]
    environment = {variable.split("=")[0]: str(tmp_path) for variable in variables}
    config = tmp_path / "relay.toml"
    config.write_text('listen = ["own", "127.0.0.1:0"]\n[[upstream]]\nurl = "http://127.0.0.1:9"\n')
    start[0], check[0] = TOWLINE, TOWLINE
    start[start.index("--config") + 1] = str(config)

    def health():
        return subprocess.run(check, env=environment, capture_output=True, timeout=60).returncode

    assert health() != 0
    with subprocess.Popen(start, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as relay:
        said = relay.stdout.readline().strip()
        healthy = health()
        relay.send_signal(signal.SIGTERM)
        _, logged = relay.communicate(timeout=60)
    assert said == f"listening on unix:{tmp_path}/towline/relay.sock", logged
    assert healthy == 0
    assert health() != 0
