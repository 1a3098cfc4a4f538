"""Token for token what a real llama.cpp says on the same file."""

import pytest
import variants
from conftest import BROOK, start_llamacpp, start_towline
from gguf import GGMLQuantizationType as Kind
from parity import assert_alike, assert_same, llamacpp_ids, towline_greedy

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

VARIANTS = {
    "f32": lambda path: variants.tensor_kind(path, Kind.F32),
    "f16": lambda path: variants.tensor_kind(path, Kind.F16),
    "bf16": lambda path: variants.tensor_kind(path, Kind.BF16),
    "q4_0": lambda path: variants.tensor_kind(path, Kind.Q4_0),
    "q4_1": lambda path: variants.tensor_kind(path, Kind.Q4_1),
    "q5_0": lambda path: variants.tensor_kind(path, Kind.Q5_0),
    "q5_1": lambda path: variants.tensor_kind(path, Kind.Q5_1),
    "q2_k": lambda path: variants.k_quant(path, Kind.Q2_K),
    "q3_k": lambda path: variants.k_quant(path, Kind.Q3_K),
    "q4_k": lambda path: variants.k_quant(path, Kind.Q4_K),
    "q5_k": lambda path: variants.k_quant(path, Kind.Q5_K),
    "q6_k": lambda path: variants.k_quant(path, Kind.Q6_K),
    "linear_rope": variants.linear_rope,
    "rope_factors": variants.rope_factors,
    "untied_output": variants.untied_output,
    "qwen2": variants.qwen2,
    "qwen3": variants.qwen3,
    "pre-gpt2": lambda path: variants.split_by(path, "gpt-2"),
    "pre-smollm": lambda path: variants.split_by(path, "smollm"),
    "pre-llama-bpe": lambda path: variants.split_by(path, "llama-bpe"),
}


@pytest.fixture(scope="module")
def llamacpp():
    with start_llamacpp(BROOK) as url:
        yield url


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants")
    return {name: make(folder / f"{name}.gguf") for name, make in VARIANTS.items()}


@pytest.fixture(scope="module")
def towline_with_files(files):
    with start_towline(*files.values()) as url:
        yield url


@pytest.mark.parametrize("question", QUESTIONS)
def test_brook_answers_as_llamacpp_does(http, llamacpp, towline, question):
    assert_same(http, llamacpp, towline, "brook", CHAT.format(question), 100)


@pytest.mark.parametrize("text", TEXTS)
def test_brook_splits_text_as_llamacpp_does(http, llamacpp, towline, text):
    ids, _, _ = towline_greedy(http, towline, "brook", text, 1)
    assert ids == llamacpp_ids(http, llamacpp, text)


def test_brook_fills_its_context_as_llamacpp_does(http, llamacpp, towline):
    prompt = "".join(CHAT.format(question) + "I do not know.<|im_end|>\n" for question in QUESTIONS[:14])
    assert_same(http, llamacpp, towline, "brook", prompt + CHAT.format("What is a river?"), 100)


@pytest.mark.parametrize("name", VARIANTS)
def test_other_files_give_what_llamacpp_gives(http, files, towline_with_files, name):
    with start_llamacpp(files[name]) as llamacpp:
        for text in TEXTS:
            ids, _, _ = towline_greedy(http, towline_with_files, name, text, 1)
            assert ids == llamacpp_ids(http, llamacpp, text)
        for question in QUESTIONS[:8]:
            assert_alike(http, llamacpp, towline_with_files, name, CHAT.format(question), 30)
