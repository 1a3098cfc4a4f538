"""What is in deploy/: systemd understands the units, and the program understands what they and the container start it with."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess

import pytest

TOWLINE = os.path.abspath(os.environ.get("TOWLINE_BIN", "towline"))
DEPLOY = pathlib.Path(__file__).parent.parent.parent / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")

units = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


@units
@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd here")
def test_systemd_understands_the_unit(unit, tmp_path):
    named = tmp_path / unit.name
    named.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={TOWLINE}", unit.read_text(), flags=re.M))
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
        # A test has no port of its own.
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
