"""The code of the guide runs as printed, with a model of the fake server in place of the named one."""

import re

from engine_fixtures import EXAMPLES, server  # noqa: F401

GUIDE = EXAMPLES.parents[1] / "docs" / "guide" / "python-engine.md"


def test_the_guide_runs(server, monkeypatch, capsys):
    monkeypatch.setenv("OLLAMA_HOST", server)
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), flags=re.DOTALL | re.MULTILINE)
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(block.replace('"llama3.2"', '"normal"'), "guide", "exec"), names)
    said = capsys.readouterr().out
    assert len(blocks) == 7 and said.startswith("<Job 1 normal ") and "done 0 1 2" in said
    assert said.splitlines()[-1] == "Shutdown(finished=[], cut=[], stuck=[], unseen=[])"
