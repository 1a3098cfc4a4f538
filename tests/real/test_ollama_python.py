"""The published Python client, unchanged."""

import asyncio

import ollama
import pytest

QUESTION = [{"role": "user", "content": "What is a river?"}]
GREEDY = {"temperature": 0, "num_predict": 40}


@pytest.fixture(scope="module")
def client(towline):
    return ollama.Client(host=towline)


def test_chat(client):
    answer = client.chat("brook", QUESTION, options=GREEDY)
    assert answer.message.role == "assistant"
    assert answer.message.content
    assert answer.done and answer.done_reason in ("stop", "length")
    assert answer.prompt_eval_count == 13 and answer.eval_count > 0
    assert answer.total_duration >= answer.eval_duration > 0


def test_chat_streams_the_same_text(client):
    parts = list(client.chat("brook", QUESTION, options=GREEDY, stream=True))
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    text = "".join(part.message.content for part in parts)
    assert text == client.chat("brook", QUESTION, options=GREEDY).message.content


def test_generate_and_its_context(client):
    first = client.generate("brook", "What is a pond?", options=GREEDY)
    assert first.response and first.context
    second = client.generate("brook", "Thanks!", context=first.context, options=GREEDY)
    assert second.prompt_eval_count > len(first.context)
    streamed = list(client.generate("brook", "What is a pond?", options=GREEDY, stream=True))
    assert "".join(part.response for part in streamed) == first.response
    assert streamed[-1].context == first.context


def test_generate_raw_system_and_template(client):
    chatml = "<|im_start|>user\nWhat is a river?<|im_end|>\n<|im_start|>assistant\n"
    raw = client.generate("brook", chatml, raw=True, options=GREEDY)
    assert raw.response == client.chat("brook", QUESTION, options=GREEDY).message.content
    assert raw.context is None
    assert client.generate("brook", "hello", system="Be brief.", options=GREEDY).response


def test_embed(client):
    answer = client.embed("brook", ["a river", "a pond"])
    assert [len(vector) for vector in answer.embeddings] == [192, 192]
    assert client.embed("brook", "a river").embeddings[0] == answer.embeddings[0]
    assert len(client.embed("brook", "a river", dimensions=16).embeddings[0]) == 16
    assert len(client.embeddings("brook", "a river").embedding) == 192


def test_list_show_and_ps(client):
    (model,) = client.list().models
    assert model.model == "brook:latest"
    assert model.size > 3_000_000 and model.details.quantization_level == "Q8_0"
    show = client.show("brook")
    assert show.capabilities == ["completion"]
    assert show.modelinfo["llama.context_length"] == 512
    assert "toy" in show.modelfile and "<|im_start|>" in show.template
    client.generate("brook", keep_alive="10m")
    (running,) = client.ps().models
    assert running.model == "brook:latest" and running.context_length == 512
    assert client.generate("brook", keep_alive=0).done_reason == "unload"
    assert client.ps().models == []


@pytest.mark.parametrize(
    ("call", "status", "text"),
    [
        (lambda client: client.chat("nope", QUESTION), 404, "model 'nope' not found"),
        (lambda client: client.chat("brook", QUESTION, think=True), 400, "does not support thinking"),
        (lambda client: client.chat("brook", QUESTION, logprobs=True), 400, "does not support logprobs"),
        (lambda client: client.chat("brook", QUESTION, format="json"), 400, "does not support format"),
        (lambda client: client.chat("brook", QUESTION, tools=[print_text]), 400, "does not support tools"),
        (lambda client: client.generate("brook", "x", suffix="y"), 400, "does not support insert"),
        (lambda client: client.generate("brook", "x", template="{{ .Prompt }}"), 400, "does not support template"),
        (lambda client: client.generate("brook", "x", images=[b"\x89PNG"]), 400, "does not support vision"),
        (lambda client: client.pull("brook"), 501, "one model, brook"),
        (lambda client: client.delete("brook"), 501, "one model, brook"),
    ],
)
def test_errors(client, call, status, text):
    with pytest.raises(ollama.ResponseError) as error:
        call(client)
    assert error.value.status_code == status
    assert text in error.value.error


def print_text(text: str) -> str:
    """Prints a text.

    Args:
      text: what to print
    """
    return text


def test_leaving_a_stream_frees_its_slot(client):
    endless = {"temperature": 2, "num_predict": 400}
    for _ in range(12):  # more than can run at once
        stream = client.generate("brook", "Tell me a story", options=endless, stream=True)
        assert next(stream).done is False
        stream.close()
    assert client.chat("brook", QUESTION, options=GREEDY).done


def test_many_at_once(towline):
    async def ask(client, number):
        parts = await client.chat("brook", QUESTION, options=GREEDY | {"seed": number}, stream=True)
        return "".join([part.message.content async for part in parts])

    async def all_of_them():
        client = ollama.AsyncClient(host=towline)
        return await asyncio.gather(*(ask(client, number) for number in range(20)))

    assert len(set(asyncio.run(all_of_them()))) == 1
