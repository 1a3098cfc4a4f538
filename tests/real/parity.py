"""The same question to two engines: ids of a text, and greedy answers, token for token."""


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


def towline_greedy(http, url, model, prompt, count):
    """The prompt's ids, the answer's ids and its text. A template that is only the prompt leaves it as it is."""
    body = {
        "model": model,
        "prompt": prompt,
        "template": "{{ .Prompt }}",
        "stream": False,
        "options": {"temperature": 0, "repeat_penalty": 1.0, "num_predict": count},
    }
    answer = http.post(f"{url}/api/generate", json=body).raise_for_status().json()
    ids, at = answer["context"], answer["prompt_eval_count"]
    return ids[:at], ids[at:], answer["response"]


def assert_same(http, llamacpp, towline, model, prompt, count):
    """Both engines agree on the ids of the prompt, and on `count` tokens of the greedy answer."""
    ids, answer, text = towline_greedy(http, towline, model, prompt, count)
    assert ids == llamacpp_ids(http, llamacpp, prompt)
    expected, expected_text = llamacpp_greedy(http, llamacpp, ids, count)
    # llama.cpp reports the token that ended the answer, Ollama's API does not.
    assert answer == expected[: len(answer)]
    assert len(expected) - len(answer) <= 1
    assert text.strip() == expected_text.strip()


def assert_alike(http, llamacpp, towline, model, prompt, count):
    """As `assert_same`, up to the first place where llama.cpp itself finds both tokens about as likely.

    The engines round activations slightly differently, which decides between two such tokens and nothing else.
    """
    ids, answer, _ = towline_greedy(http, towline, model, prompt, count)
    assert ids == llamacpp_ids(http, llamacpp, prompt)
    expected, _ = llamacpp_greedy(http, llamacpp, ids, count)
    for at, (found, wanted) in enumerate(zip(answer, expected)):
        if found != wanted:
            likely = likelihoods(http, llamacpp, ids + expected[:at])
            assert found in likely, f"token {at}: {found}, llama.cpp says {likely}"
            assert likely[wanted] - likely[found] < NEAR, f"token {at}: {found}, llama.cpp says {likely}"
            return
    assert len(expected) - len(answer) <= 1


# Two tokens whose log probabilities are closer than this are about as likely.
NEAR = 0.1


def likelihoods(http, url, ids):
    """llama.cpp's log probabilities of the likeliest next tokens."""
    body = {"prompt": ids, "n_predict": 1, "temperature": 0, "cache_prompt": False, "n_probs": 5}
    answer = http.post(f"{url}/completion", json=body).raise_for_status().json()
    top = answer["completion_probabilities"][0]["top_logprobs"]
    return {entry["id"]: entry["logprob"] for entry in top}
