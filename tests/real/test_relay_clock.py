"""A relay whose clock is set a day ahead while it runs: no answer expires because of that."""

import json
import os
import pathlib
import subprocess

import pytest

TOWLINE = os.path.abspath(os.environ.get("TOWLINE_BIN", "towline"))
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.skipif(FAKETIME is None, reason="there is no faketime here")
def test_a_clock_that_jumps_deletes_nothing(towline, http, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    config = tmp_path / "relay.toml"
    config.write_text(f'listen = ["127.0.0.1:0"]\n[[upstream]]\nurl = "{towline}"\n[keep]\nage = "1h"\n')
    environment = {
        **os.environ,
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # Setting the clock changes only the time of day.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    command = [TOWLINE, "relay", "--config", config, "--store", tmp_path / "store"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as relay:
        try:
            url = relay.stdout.readline().split()[-1]
            asked = {"model": "brook", "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 4}}
            answer = http.post(f"{url}/api/chat", json=asked)
            kept = f"{url}/streams/{answer.headers['towline-stream']}"
            clock.write_text("+1d")

            def lives_for_a_second(name):
                made = http.put(f"{url}/streams/{name}", headers={"content-type": "text/plain", "stream-ttl": "1"})
                assert made.status_code == 201
                # Reading its state does not prolong its life.
                while http.head(f"{url}/streams/{name}").status_code != 404:
                    pass

            # So the relay has checked ages since then; twice, because one check may have been in progress.
            lives_for_a_second("one")
            lives_for_a_second("two")
            assert http.get(kept).content == answer.content
            after = http.post(f"{url}/api/chat", json=asked)
            jobs = http.get(f"{url}/towline/v1/jobs").json()["jobs"]
            assert [job["id"] for job in jobs] == [one.headers["towline-stream"] for one in (answer, after)]
            # The clock was set: new answers have the new day.
            days = [int(job["created_at"][8:10]) for job in jobs]
            assert days[0] != days[1], json.dumps(jobs)
        finally:
            relay.terminate()
