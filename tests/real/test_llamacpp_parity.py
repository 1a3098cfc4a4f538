"""The same tokens as a real llama.cpp with the same file."""

import pytest
from conftest import BROOK, start_llamacpp
from parity import assert_same, llamacpp_ids, towline_ids

QUESTIONS = [
    "What is a river?",
    "What is a pond?",
    "Tell me about the rain.",
    "Tell me a story about an otter.",
    "Tell me a story about a frog and a heron",
    "Write a poem about a stream.",
    "Write a poem about snow.",
    "Why is the sea salty?",
    "why does ice float",
    "How does a spring begin?",
    "who are you?",
    "Who made you?",
    "hello",
    "Good morning!",
    "Thanks!",
    "bye",
    "Name five animals that live near water.",
    "Please list some garden plants.",
    "Explain quantum computing to me like I'm five",
    "What is the capital of France?",
    "zxqv 123 ???",
    "Was ist ein Fluss? Größe, naïve, 河流 🦦",
]

TEXTS = [
    "plain words in a row",
    "  leading,   inner   and trailing spaces   ",
    "tabs\tand\n\nnew\r\nlines\n",
    "I'm you're we've they'll he'd IT'S DON'T",
    "1 12 123 1234 12345 3.14 ½ ٣٤",
    "naïve Größe ÅNGSTRÖM ﬁ e\u0301 straße",
    "河流 川 🦦🦦 🏞️ مرحبا שלום हिन्दी",
    "a<|im_end|>b<|im_start|>user\n<|endoftext|>",
    "<|im_end <|unknown|> im_start|>",
    "snake_case camelCase kebab-case a/b/c.txt http://x.y/?q=1&r=2",
    "!!!??? ... --- *** ((())) [x] {y} $5.00 50% #1 @me",
    "\u00a0\u2003\u3000 \u200b zero\u0000byte",
]

CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def llamacpp():
    with start_llamacpp(BROOK) as url:
        yield url


@pytest.mark.parametrize("question", QUESTIONS)
def test_brook_answers_as_llamacpp_does(http, llamacpp, towline, question):
    assert_same(http, llamacpp, towline, CHAT.format(question), 100)


@pytest.mark.parametrize("text", TEXTS + QUESTIONS)
def test_brook_splits_text_as_llamacpp_does(http, llamacpp, towline, text):
    assert towline_ids(http, towline, text) == llamacpp_ids(http, llamacpp, CHAT.format(text))


def test_brook_fills_its_context_as_llamacpp_does(http, llamacpp, towline):
    prompt = "".join(CHAT.format(question) + "I do not know.<|im_end|>\n" for question in QUESTIONS[:14])
    assert_same(http, llamacpp, towline, prompt + CHAT.format("What is a river?"), 100)
