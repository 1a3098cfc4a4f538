"""GGUF files made from brook's: other architectures, tensor types, rope settings and ways to split text.

The answers of most make no sense. They need not: two engines that read the file alike give the same ones.
"""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from conftest import BROOK

# Where one K-quant block keeps its scales, as byte ranges of halves ("d", "dmin"), and its size in bytes.
K_BLOCKS = {
    Kind.Q2_K: (84, [80, 82]),
    Kind.Q3_K: (110, [108]),
    Kind.Q4_K: (144, [0, 2]),
    Kind.Q5_K: (176, [0, 2]),
    Kind.Q6_K: (210, [208]),
}
# Scales that give weights of about the size that such layers have.
K_SCALES = {Kind.Q2_K: 5e-3, Kind.Q3_K: 5e-4, Kind.Q4_K: 2e-4, Kind.Q5_K: 1e-4, Kind.Q6_K: 2e-5}


class Brook:
    """Brook's keys and weights, ready to be changed and written."""

    def __init__(self):
        self.reader = gguf.GGUFReader(BROOK)
        self.weights = {}
        for tensor in self.reader.tensors:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            shape = [int(n) for n in reversed(tensor.shape)]
            self.weights[tensor.name] = values.reshape(shape).astype(np.float32)

    def key(self, name):
        return self.reader.fields[name].contents()

    def write(self, path, architecture="llama", pre="qwen2", kind=Kind.Q8_0, raw=None, **settings):
        """`raw` holds tensors that are quantised already; `settings` go over brook's own."""
        writer = gguf.GGUFWriter(path, architecture)
        own = {
            "context_length": 512,
            "embedding_length": 192,
            "block_count": 6,
            "feed_forward_length": 512,
            "attention.head_count": 6,
            "attention.head_count_kv": 2,
            "rope.dimension_count": 32,
        } | settings
        for name, value in own.items():
            add = writer.add_uint32 if isinstance(value, int) else writer.add_float32
            add = writer.add_string if isinstance(value, str) else add
            add(f"{architecture}.{name}", value)
        writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)
        writer.add_float32(f"{architecture}.rope.freq_base", 10_000.0)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(self.key("tokenizer.ggml.tokens"))
        writer.add_token_types(self.key("tokenizer.ggml.token_type"))
        writer.add_token_merges(self.key("tokenizer.ggml.merges"))
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(False)
        writer.add_chat_template(self.key("tokenizer.chat_template"))
        for name, values in self.weights.items():
            if values.ndim == 1:
                writer.add_tensor(name, values)
            else:
                writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        for name, (data, raw_kind) in (raw or {}).items():
            writer.add_tensor(name, data, raw_dtype=raw_kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def pair_by_halves(self):
        """Reorders queries and keys so that rotation by halves does what rotation of neighbours did."""
        for name, values in self.weights.items():
            if name.endswith(("attn_q.weight", "attn_k.weight")):
                heads = values.reshape(-1, 16, 2, 192)
                self.weights[name] = heads.transpose(0, 2, 1, 3).reshape(values.shape)


def tensor_kind(path, kind):
    return Brook().write(path, kind=kind)


def split_by(path, pre):
    return Brook().write(path, pre=pre)


def linear_rope(path):
    settings = {"rope.scaling.type": "linear", "rope.scaling.factor": 2.0}
    return Brook().write(path, **settings)


def rope_factors(path):
    brook = Brook()
    brook.weights["rope_freqs.weight"] = np.linspace(1, 4, 16, dtype=np.float32)
    return brook.write(path)


def untied_output(path):
    brook = Brook()
    brook.weights["output.weight"] = brook.weights["token_embd.weight"][::-1].copy()
    return brook.write(path)


def qwen2(path):
    brook = Brook()
    brook.pair_by_halves()
    random = np.random.default_rng(1)
    for layer in range(6):
        for part, size in (("q", 192), ("k", 64), ("v", 64)):
            bias = random.normal(0, 0.05, size).astype(np.float32)
            brook.weights[f"blk.{layer}.attn_{part}.bias"] = bias
    return brook.write(path, "qwen2")


def qwen3(path):
    brook = Brook()
    brook.pair_by_halves()
    random = np.random.default_rng(2)
    for layer in range(6):
        for part in "qk":
            norm = random.uniform(0.5, 1.5, 32).astype(np.float32)
            brook.weights[f"blk.{layer}.attn_{part}_norm.weight"] = norm
    return brook.write(path, "qwen3", **{"attention.key_length": 32, "attention.value_length": 32})


def k_quant(path, kind):
    """A small model with random weights: K-quants need rows of 256 numbers, which brook does not have."""
    brook, random = Brook(), np.random.default_rng(3)
    width, inner, heads, kv_heads = 256, 512, 8, 2
    brook.weights = {"output_norm.weight": np.ones(width, np.float32)}
    raw = {}

    def matrix(name, rows, columns):
        size, scales = K_BLOCKS[kind]
        blocks = random.integers(0, 256, (rows * columns // 256, size), dtype=np.uint8)
        for at in scales:
            scale = np.float16(K_SCALES[kind]).tobytes()
            blocks[:, at : at + 2] = np.frombuffer(scale, np.uint8)
        raw[name] = (blocks.reshape(rows, -1), kind)

    for name in ("token_embd", "output"):
        values = random.normal(0, 1, (2048, width)).astype(np.float32)
        brook.weights[f"{name}.weight"] = values
    for layer in range(2):
        for norm in ("attn_norm", "ffn_norm"):
            brook.weights[f"blk.{layer}.{norm}.weight"] = np.ones(width, np.float32)
        matrix(f"blk.{layer}.attn_q.weight", width, width)
        matrix(f"blk.{layer}.attn_k.weight", 32 * kv_heads, width)
        matrix(f"blk.{layer}.attn_v.weight", 32 * kv_heads, width)
        matrix(f"blk.{layer}.attn_output.weight", width, width)
        matrix(f"blk.{layer}.ffn_gate.weight", inner, width)
        matrix(f"blk.{layer}.ffn_up.weight", inner, width)
        matrix(f"blk.{layer}.ffn_down.weight", width, inner)
    settings = {
        "embedding_length": width,
        "block_count": 2,
        "feed_forward_length": inner,
        "attention.head_count": heads,
        "attention.head_count_kv": kv_heads,
    }
    return brook.write(path, raw=raw, kind=Kind.F32, **settings)
