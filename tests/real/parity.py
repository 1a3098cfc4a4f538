"""The same question to two engines: ids of a text, and greedy answers."""


def llamacpp_ids(http, url, text):
    body = {"content": text, "add_special": True, "parse_special": True}
    return http.post(f"{url}/tokenize", json=body).raise_for_status().json()["tokens"]


def llamacpp_greedy(http, url, ids, count):
    body = {
        "prompt": ids,
        "n_predict": count,
        "temperature": 0,
        "repeat_penalty": 1.0,
        "cache_prompt": False,
        "return_tokens": True,
    }
    answer = http.post(f"{url}/completion", json=body).raise_for_status().json()
    return answer["tokens"], answer["content"]


def towline_ids(http, url, prompt):
    """The ids of a prompt in the chat format, from the `context` of an answer."""
    body = {"model": "brook", "prompt": prompt, "stream": False, "options": {"num_predict": 1}}
    answer = http.post(f"{url}/api/generate", json=body).raise_for_status().json()
    return answer["context"][: answer["prompt_eval_count"]]


def towline_greedy(http, url, prompt, count):
    """The token counts of a raw prompt and of its answer, and the answer's text."""
    options = {"temperature": 0, "repeat_penalty": 1.0, "num_predict": count}
    body = {"model": "brook", "prompt": prompt, "raw": True, "stream": False, "options": options}
    answer = http.post(f"{url}/api/generate", json=body).raise_for_status().json()
    return answer["prompt_eval_count"], answer["eval_count"], answer["response"]


def assert_same(http, llamacpp, towline, prompt, count):
    """Both engines give the same `count` tokens of the greedy answer."""
    ids = llamacpp_ids(http, llamacpp, prompt)
    expected, expected_text = llamacpp_greedy(http, llamacpp, ids, count)
    assert towline_greedy(http, towline, prompt, count) == (len(ids), len(expected), expected_text)
