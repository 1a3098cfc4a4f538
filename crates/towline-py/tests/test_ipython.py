"""Job control in a real IPython on a pseudoterminal, and in a real kernel."""

import os
import re
import sys

import pexpect
import pytest
from engine_fixtures import EXAMPLES, PATIENCE, server  # noqa: F401

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")


class Prompt:
    def __init__(self, server, home):
        env = {**os.environ, "OLLAMA_HOST": server, "IPYTHONDIR": str(home), "TERM": "dumb"}
        command = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor"]
        self.child = pexpect.spawn(sys.executable, command, env=env, encoding="utf-8", timeout=PATIENCE, echo=False)
        self.count = 0
        self._prompt()

    def _prompt(self):
        self.count += 1
        self.child.expect_exact(f"In [{self.count}]: ")
        return ESCAPES.sub("", self.child.before).strip()

    def type(self, line):
        self.child.sendline(line)
        return self._prompt()


@pytest.fixture
def prompt(server, tmp_path):
    prompt = Prompt(server, tmp_path)
    yield prompt
    prompt.child.sendeof()
    prompt.child.expect(pexpect.EOF)
    prompt.child.wait()


def test_a_session_at_the_prompt(prompt):
    assert prompt.type("%load_ext towline") == ""
    assert "Job 1 stall-after:5" in prompt.type('%bg engine.chat("stall-after:5", "x")')
    prompt.type("async def forever():\n    import asyncio; await asyncio.Event().wait()\n")
    assert "Job 2 forever()" in prompt.type("%bg forever()")
    assert "Job 3 divmod(7, 2)" in prompt.type("%bg divmod(7, 2)")
    assert prompt.type("%fg 3").endswith("(3, 1)")
    # The coroutine runs while the prompt waits, unlike a plain asyncio task in IPython.
    prompt.type("while engine.job(2).state != 'running': pass\n")
    table = prompt.type("%jobs").splitlines()
    assert [line.split()[0] for line in table[-4:]] == ["job", "1", "2", "3"]
    assert "s left" in prompt.type("%timeout 2 1000")
    assert "s left" in prompt.type("%timeout 2 +1000")
    assert "s left" not in prompt.type("%timeout 2 none")
    assert "cancelled" in prompt.type("%kill 2")
    assert "%timeout takes a job" in prompt.type("%timeout 2")
    assert "there is no job 99" in prompt.type("%kill 99")
    assert "x is not a job" in prompt.type("%fg x")
    assert "%bg takes an expression" in prompt.type("%bg x = 1")


def test_ctrl_c_leaves_the_job_running(prompt):
    prompt.type("%load_ext towline")
    prompt.type('job = engine.chat("stall-after:5", "x")')
    prompt.child.sendline("%fg")
    prompt.child.expect_exact("A river is a stream ")
    prompt.child.sendintr()
    assert "streaming, in the background" in prompt._prompt()
    assert "streaming" in prompt.type("job")


def test_a_cell_runs_in_the_background(server):
    from IPython.core.interactiveshell import InteractiveShell

    import towline

    shell = InteractiveShell.instance()
    with towline.Engine(server) as engine:
        shell.push({"engine": engine})
        shell.run_line_magic("load_ext", "towline")
        job = shell.run_cell_magic("bg", "", "made = 1 + 1")
        job.result(PATIENCE)
        awaits = shell.run_cell_magic("bg", "", "import asyncio\nawait asyncio.sleep(0)\nawaited = made + 1")
        awaits.result(PATIENCE)
        assert (shell.user_ns["made"], shell.user_ns["awaited"], job.name) == (2, 3, "made = 1 + 1")
        assert "<table>" in engine.jobs()._repr_html_()
    InteractiveShell.clear_instance()


def test_the_notebook_runs(server, tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    for name, value in {"OLLAMA_HOST": server, "MODEL": "slow:500:40", "IPYTHONDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=PATIENCE, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [str(output) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("<table>" in output and "<td>first</td>" in output for output in outputs)
    assert any("A river is a stream" in output for output in outputs)
    assert any("Job 3 wait_endlessly() cancelled" in output for output in outputs)
    assert "([], [])" in outputs[-1]


def test_a_table_in_a_notebook_follows_the_jobs(server, tmp_path, monkeypatch):
    manager = pytest.importorskip("jupyter_client.manager")
    for name, value in {"OLLAMA_HOST": server, "IPYTHONDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    running, client = manager.start_new_kernel()

    def shown(kind, *parts):
        """Waits for a table with these parts; returns its position on the page."""
        while True:
            message = client.get_iopub_msg(timeout=PATIENCE)
            assert message["msg_type"] != "error", message
            content = message["content"]
            if message["msg_type"] == kind and all(part in content["data"].get("text/html", "") for part in parts):
                return content["transient"]["display_id"]

    try:
        client.execute("%load_ext towline\nfirst = engine.chat('stall-after:5', 'x', name='first')")
        client.execute("%jobs")
        place = shown("display_data", "first")
        client.execute("later = engine.chat('normal', 'x', name='later'); first.cancel()")
        assert shown("update_display_data", "first", "cancelled", "later", "completed") == place
    finally:
        client.stop_channels()
        running.shutdown_kernel(now=True)
