#!/usr/bin/env python3
"""Train brook, the built-in toy model, and write it as GGUF.

    python train.py --out brook-q8_0.gguf [--f16 brook-f16.gguf]

Everything comes from corpus.py and the seeds below: the tokenizer (byte-level
BPE, 2,048 entries), the weights (llama architecture, 2.76 million parameters)
and the file. The learning rate follows the step number, never the clock, but
floating point sums depend on the machine and the thread count, so a second run
is close to the first, not bit-identical.
"""

import argparse
import json
import math
import time

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn

import corpus

TRAIN_SEED, VALIDATION_SEED, WEIGHT_SEED = 1, 2, 7
TRAIN_CHATS, VALIDATION_CHATS = 40_000, 600

VOCAB, DIM, LAYERS, HEADS, KV_HEADS, HEAD_DIM, FFN = 2048, 192, 6, 6, 2, 32, 512
CONTEXT, ROPE_THETA, RMS_EPS = 512, 10_000.0, 1e-5

PEAK_RATE, WARMUP_STEPS, CONSTANT_SHARE, FINAL_SHARE = 2.5e-3, 60, 0.35, 0.01
BATCH_TOKENS, SHORT_WINDOW = 2048, 256
LONG_WINDOW_EVERY = 4  # each fourth step uses windows of the full context
PROMPT_WEIGHT = 0.1  # loss weight of tokens that Brook reads rather than writes

END_OF_TEXT, TURN_START, TURN_END = 0, 1, 2
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


# ---------------------------------------------------------------- tokenizer

def render(message):
    """One message in ChatML, split into what comes before the text and the rest."""
    return f"<|im_start|>{message['role']}\n", f"{message['content']}<|im_end|>"


def train_tokenizer(chats):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, min_frequency=2, special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    texts = (f"{m['role']}\n{m['content']}\n" for chat in chats for m in chat)
    tokenizer.train_from_iterator(texts, trainer)
    assert tokenizer.get_vocab_size() == VOCAB, "the corpus is too small for the vocabulary"
    assert [tokenizer.token_to_id(t) for t in SPECIAL_TOKENS] == [0, 1, 2]
    return tokenizer


def encode(tokenizer, chats):
    """All chats as one row of token ids, their loss weights, and where each chat starts."""
    ids, weights, starts = [], [], []
    newline = tokenizer.encode("\n").ids
    for chat in chats:
        starts.append(len(ids))
        for message in chat:
            head, body = (tokenizer.encode(part).ids for part in render(message))
            written = 1.0 if message["role"] == "assistant" else PROMPT_WEIGHT
            ids += head + body + newline
            weights += [PROMPT_WEIGHT] * len(head) + [written] * len(body)
            weights += [PROMPT_WEIGHT] * len(newline)
        ids.append(END_OF_TEXT)
        weights.append(PROMPT_WEIGHT)
    return torch.tensor(ids), torch.tensor(weights), torch.tensor(starts)


# -------------------------------------------------------------------- model

class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(DIM))

    def forward(self, x):
        scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + RMS_EPS)
        return (x.float() * scale * self.weight).to(x.dtype)


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


def rotate(x, cos, sin):
    """Rotary position embedding on neighbouring pairs (ggml's llama order)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm, self.ffn_norm = RmsNorm(), RmsNorm()
        self.attn_q = linear(DIM, HEADS * HEAD_DIM)
        self.attn_k = linear(DIM, KV_HEADS * HEAD_DIM)
        self.attn_v = linear(DIM, KV_HEADS * HEAD_DIM)
        self.attn_output = linear(HEADS * HEAD_DIM, DIM)
        self.ffn_gate, self.ffn_up = linear(DIM, FFN), linear(DIM, FFN)
        self.ffn_down = linear(FFN, DIM)

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        normed = self.attn_norm(x)

        def split(projection, heads):
            return projection(normed).view(batch, length, heads, HEAD_DIM).transpose(1, 2)

        q = rotate(split(self.attn_q, HEADS), cos, sin)
        k = rotate(split(self.attn_k, KV_HEADS), cos, sin).to(q.dtype)
        v = split(self.attn_v, KV_HEADS).to(q.dtype)
        k, v = (t.repeat_interleave(HEADS // KV_HEADS, dim=1) for t in (k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, length, -1))
        normed = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(normed)) * self.ffn_up(normed))


class Brook(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embd = nn.Embedding(VOCAB, DIM)
        self.blk = nn.ModuleList(Block() for _ in range(LAYERS))
        self.output_norm = RmsNorm()
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                ends_a_branch = "attn_output" in name or "ffn_down" in name
                std = 0.02 / math.sqrt(2 * LAYERS) if ends_a_branch else 0.02
                nn.init.normal_(weight, std=std)
        frequencies = ROPE_THETA ** (-torch.arange(0, HEAD_DIM, 2).float() / HEAD_DIM)
        angles = torch.outer(torch.arange(CONTEXT).float(), frequencies)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids):
        x = self.token_embd(ids)
        cos, sin = self.cos[: ids.shape[1]].to(x.dtype), self.sin[: ids.shape[1]].to(x.dtype)
        for block in self.blk:
            x = block(x, cos, sin)
        return F.linear(self.output_norm(x), self.token_embd.weight)


# ----------------------------------------------------------------- training

def learning_rate(step, steps):
    if step < WARMUP_STEPS:
        return PEAK_RATE * (step + 1) / WARMUP_STEPS
    constant_until = max(WARMUP_STEPS, int(steps * CONSTANT_SHARE))
    if step < constant_until:
        return PEAK_RATE
    progress = (step - constant_until) / max(1, steps - constant_until)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return PEAK_RATE * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)


def windows(ids, weights, at, length):
    """Windows that begin at a chat's start: inputs, targets, target weights."""
    index = at[:, None] + torch.arange(length + 1)
    rows = ids[index]
    return rows[:, :-1], rows[:, 1:], weights[index][:, 1:]


def weighted_loss(model, inputs, targets, weights):
    logits = model(inputs)
    each = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    flat = weights.flatten()
    return (each * flat).sum(), flat.sum()


@torch.no_grad()
def validation_loss(model, data):
    """Nats per token over the words that Brook writes, and over everything."""
    ids, weights, starts = data
    totals = np.zeros(4)
    usable = starts[starts < len(ids) - SHORT_WINDOW - 1][::3]
    for at in usable.split(16):
        inputs, targets, weight = windows(ids, weights, at, SHORT_WINDOW)
        logits = model(inputs)
        each = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
        written = (weight.flatten() == 1.0).float()
        totals += [(each * written).sum(), written.sum(), each.sum(), each.numel()]
    return totals[0] / totals[1], totals[2] / totals[3]


def train(train_data, validation_data, steps, save):
    torch.manual_seed(WEIGHT_SEED)
    model = Brook()
    print(f"parameters: {sum(p.numel() for p in model.parameters()):,}", flush=True)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": norms, "weight_decay": 0.0}],
        lr=PEAK_RATE, betas=(0.9, 0.95))
    ids, weights, starts = train_data
    starts = starts[starts < len(ids) - CONTEXT - 1]
    picker = torch.Generator().manual_seed(WEIGHT_SEED)
    began, cpu_began, seen = time.time(), time.process_time(), 0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        length = CONTEXT if step % LONG_WINDOW_EVERY == LONG_WINDOW_EVERY - 1 else SHORT_WINDOW
        at = starts[torch.randint(len(starts), (BATCH_TOKENS // length,), generator=picker)]
        total, weight = weighted_loss(model, *windows(ids, weights, at, length))
        loss = total / weight
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += BATCH_TOKENS
        if (step + 1) % 20 == 0:
            print(f"step {step + 1:5d}  loss {loss.item():.3f}  tokens {seen:,}  "
                  f"wall {time.time() - began:.0f} s  cpu {time.process_time() - cpu_began:.0f} s",
                  flush=True)
        if (step + 1) % 200 == 0 or step + 1 == steps:
            written, everything = validation_loss(model, validation_data)
            print(f"step {step + 1:5d}  validation: {written:.4f} nats per written token, "
                  f"{everything:.4f} over all tokens", flush=True)
            save(model)  # an interrupted run leaves a usable file
    return model


# ------------------------------------------------------------------- export

def export(model, tokenizer, path, kind):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("brook")
    writer.add_description("A toy that chats about rivers and gardens; Towline's built-in model")
    writer.add_license("MIT OR Apache-2.0")
    writer.add_size_label("2.8M")
    writer.add_type("model")
    writer.add_languages(["en"])
    file_types = {"q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "f16": gguf.LlamaFileType.MOSTLY_F16}
    writer.add_file_type(file_types[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    writer.add_vocab_size(VOCAB)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(DIM)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(ROPE_THETA)
    writer.add_layer_norm_rms_eps(RMS_EPS)

    bpe = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in bpe["merges"]]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if t in SPECIAL_TOKENS else normal for t in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(END_OF_TEXT)
    writer.add_eos_token_id(TURN_END)
    writer.add_eot_token_id(TURN_END)
    writer.add_pad_token_id(END_OF_TEXT)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)

    matrix_type = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "f16": gguf.GGMLQuantizationType.F16}[kind]
    for name, weight in model.named_parameters():
        values = weight.detach().float().numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, matrix_type), raw_dtype=matrix_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"wrote {path}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="brook-q8_0.gguf", help="the q8_0 file")
    parser.add_argument("--f16", help="also write an f16 file here")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    train_chats = corpus.chats(TRAIN_SEED, TRAIN_CHATS)
    tokenizer = train_tokenizer(train_chats)
    train_data = encode(tokenizer, train_chats)
    validation_data = encode(tokenizer, corpus.chats(VALIDATION_SEED, VALIDATION_CHATS))
    print(f"corpus: {len(train_chats):,} chats, {len(train_data[0]):,} tokens", flush=True)

    def save(model):
        export(model, tokenizer, args.out, "q8_0")
        if args.f16:
            export(model, tokenizer, args.f16, "f16")

    train(train_data, validation_data, args.steps, save)


if __name__ == "__main__":
    main()
