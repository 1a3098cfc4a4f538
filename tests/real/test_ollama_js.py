"""The published npm client, unchanged."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

PACKAGE = "ollama@0.6.4"

SCRIPT = """
import { Ollama } from 'ollama'

const client = new Ollama({ host: process.argv[2] })
const messages = [{ role: 'user', content: 'What is a river?' }]
const options = { temperature: 0, num_predict: 40 }
const model = 'brook'
const found = {}

const whole = await client.chat({ model, messages, options })
found.chat = whole.message.content
found.done = whole.done

let streamed = ''
let ended = 0
for await (const part of await client.chat({ model, messages, options, stream: true })) {
  streamed += part.message.content
  ended += part.done ? 1 : 0
}
found.streamed = streamed
found.ended = ended

found.generate = ''
for await (const part of await client.generate({ model, prompt: 'What is a river?', options, stream: true })) {
  found.generate += part.response
}

const endless = await client.generate({ model, prompt: 'a story', stream: true, options: { temperature: 2, num_predict: 400 } })
try {
  for await (const part of endless) endless.abort()
} catch (error) {
  found.aborted = error.name
}

found.embed = (await client.embed({ model, input: ['a', 'b'] })).embeddings.map((vector) => vector.length)
found.list = (await client.list()).models.map((entry) => entry.model)
found.show = (await client.show({ model })).capabilities
found.ps = (await client.ps()).models.map((entry) => entry.model)
found.version = (await client.version()).version
try {
  await client.chat({ model: 'nope', messages })
} catch (error) {
  found.error = [error.status_code, error.message]
}
console.log(JSON.stringify(found))
"""


@pytest.fixture(scope="module")
def project(pytestconfig):
    """A folder with the package, installed by name; later runs reuse it."""
    if not shutil.which("npm"):
        pytest.fail("this test needs node and npm")
    cache = os.environ.get("TOWLINE_TEST_CACHE") or pytestconfig.cache.mkdir("towline")
    folder = pathlib.Path(cache) / PACKAGE.replace("@", "-")
    if not (folder / "node_modules" / "ollama").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--no-audit", "--no-fund", "--save-exact", PACKAGE]
        subprocess.run(command, cwd=folder, check=True, timeout=300)
    (folder / "script.mjs").write_text(SCRIPT)
    return folder


def test_the_npm_client(project, towline):
    command = ["node", "script.mjs", towline]
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["chat"] and found["done"] is True
    assert found["streamed"] == found["generate"] == found["chat"]
    assert found["ended"] == 1
    assert found["aborted"] == "AbortError"
    assert found["embed"] == [192, 192]
    assert found["list"] == found["ps"] == ["brook:latest"]
    assert found["show"] == ["completion"]
    assert found["version"].startswith("0.")
    assert found["error"] == [404, "model 'nope' not found"]
