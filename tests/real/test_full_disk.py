"""A relay on a full disk: a file system of a few megabytes, filled by another file."""

import contextlib
import http.client
import os
import subprocess
import time

import pytest

TOWLINE = os.path.abspath(os.environ.get("TOWLINE_BIN", "towline"))
MEBI = 1 << 20
SIZE = 24 * MEBI


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def relay(folder, config, reserve):
    config.write_text(
        f"""
listen = ["127.0.0.1:0"]
[[upstream]]
url = "http://127.0.0.1:9"
[store]
folder = "{folder}/store"
reserve = "{reserve}"
[log]
level = "off"
"""
    )
    with subprocess.Popen([TOWLINE, "relay", "--config", config], stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip().removeprefix("listening on http://")

        def ask(method, path, body=None):
            with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
                connection.request(method, path, body, {"Content-Type": "application/octet-stream"})
                answer = connection.getresponse()
                return answer.status, answer.read()

        yield ask
        process.terminate()
        assert process.wait(timeout=60) == 0


def fill(folder, but):
    about = os.statvfs(folder)
    with open(folder / "of-somebody-else", "wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, about.f_bavail * about.f_frsize - but)


@pytest.mark.parametrize(("reserve", "status"), [("4M", 507), ("0", 503)], ids=["nearly full", "full to the last byte"])
def test_what_was_acknowledged_stays_what_is_deleted_goes_and_the_relay_recovers(small_disk, tmp_path, reserve, status):
    piece = os.urandom(MEBI)
    config = tmp_path / "relay.toml"
    with relay(small_disk, config, reserve) as ask:
        assert ask("PUT", "/streams/small", b"kept") == (201, b"")
        fill(small_disk, but=8 * MEBI)
        kept = []
        while (put := ask("PUT", f"/streams/s{len(kept)}", piece))[0] == 201:
            kept.append(f"/streams/s{len(kept)}")
        assert len(kept) > 2 and put[0] == status, put
        assert ask("DELETE", kept[2])[0] in (204, 503), "it is answered, and done at once or once the disk has room"
        assert ask("GET", kept[2])[0] == 404
        assert ask("GET", f"{kept[0]}?offset=-1") == (200, piece)
        assert ask("GET", "/streams/small?offset=-1") == (200, b"kept")
        if status == 507:
            ready = ask("GET", "/readyz")
            assert ready[0] == 503 and b"the disk of the store is full" in ready[1]
            assert b"towline_relay_store_full 1\n" in ask("GET", "/metrics")[1]
        (small_disk / "of-somebody-else").unlink()
        until = time.monotonic() + 60
        while ask("PUT", "/streams/again", b"again")[0] != 201:
            assert time.monotonic() < until, "the relay does not recover"
        assert b"towline_relay_store_full 0\n" in ask("GET", "/metrics")[1]
        assert ask("GET", f"{kept[0]}?offset=-1") == (200, piece)
    with relay(small_disk, config, reserve) as ask:
        assert ask("GET", f"{kept[0]}?offset=-1") == (200, piece)
        assert ask("GET", kept[2])[0] == 404
        assert ask("GET", "/streams/again?offset=-1") == (200, b"again")
