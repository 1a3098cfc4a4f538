"""LangChain, LlamaIndex and Haystack, unchanged, on `towline.ollama_compat`."""

import json
import subprocess
import sys

import pytest
from conftest import PATIENCE

LANGCHAIN = """
import asyncio
from langchain_ollama import ChatOllama
model = ChatOllama(model="normal", base_url=host)
whole = model.invoke("hi").content
assert whole and "".join(chunk.content for chunk in model.stream("hi")) == whole
async def streamed():
    return "".join([chunk.content async for chunk in model.astream("hi")])
assert asyncio.run(streamed()) == whole == asyncio.run(model.ainvoke("hi")).content
def add(a: int, b: int) -> int:
    "Adds."
    return a + b
assert ChatOllama(model="tools", base_url=host).bind_tools([add]).invoke("hi").tool_calls
assert model.invoke("hi").response_metadata["done_reason"] == "stop"
thinking = ChatOllama(model="thinking", base_url=host, reasoning=True).invoke("hi")
assert thinking.additional_kwargs["reasoning_content"]
try:
    ChatOllama(model="truncate-after:3", base_url=host).invoke("hi")
except EOFError as error:
    assert type(error).__module__.startswith("towline") and error.text
else:
    raise AssertionError("a cut answer was taken for a whole one")
"""

LLAMA_INDEX = """
import asyncio
from llama_index.core.llms import ChatMessage
from llama_index.llms.ollama import Ollama
model = Ollama(model="normal", base_url=host, request_timeout=30.0, context_window=4096)
messages = [ChatMessage(role="user", content="hi")]
whole = model.chat(messages).message.content
assert whole and list(model.stream_chat(messages))[-1].message.content == whole
async def streamed():
    return [part async for part in await model.astream_chat(messages)][-1].message.content
assert asyncio.run(streamed()) == whole
assert model.complete("hi").text == whole
"""

HAYSTACK = """
from haystack.dataclasses import ChatMessage
from haystack_integrations.components.generators.ollama import OllamaChatGenerator
seen = []
generator = OllamaChatGenerator(model="normal", url=host, timeout=30, streaming_callback=lambda chunk: seen.append(chunk.content))
streamed = generator.run(messages=[ChatMessage.from_user("hi")])["replies"][0].text
whole = OllamaChatGenerator(model="normal", url=host, timeout=30).run(messages=[ChatMessage.from_user("hi")])["replies"][0].text
assert streamed == whole == "".join(seen) and whole
"""


@pytest.mark.parametrize("program", [LANGCHAIN, LLAMA_INDEX, HAYSTACK], ids=["langchain", "llama_index", "haystack"])
def test_a_framework_runs_unchanged(fake, program):
    head = f"import towline.ollama_compat, ollama; assert ollama.Client.__module__.startswith('towline'); host = {fake!r}\n"
    done = subprocess.run([sys.executable, "-c", head + program], capture_output=True, text=True, timeout=4 * PATIENCE)
    assert done.returncode == 0, done.stderr[-3000:]


def test_langchains_embeddings(player):
    server = player(json.dumps({"model": "m", "embeddings": [[0.1, 0.2], [0.3, 0.4]]}))
    program = f"""
import towline.ollama_compat
from langchain_ollama import OllamaEmbeddings
print(OllamaEmbeddings(model="m", base_url={server.host!r}).embed_documents(["a", "b"]))
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=4 * PATIENCE)
    assert out.stdout == "[[0.1, 0.2], [0.3, 0.4]]\n", out.stderr[-3000:]
