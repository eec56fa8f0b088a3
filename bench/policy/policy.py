# SPDX-License-Identifier: MIT
"""The peer of bench/policy and bench/tiny: one round of torch a line of stdin, "SECONDS CHECKSUM" on stdout.

    loop B        64 tokens of B sequences by a hand-written loop: fused projections, keys and
                  values in memory that is there from the start, inference mode
    generate B    the same by transformers' generate()
    train NAME    a step of B 4 x T 512, forward, backward, fused AdamW; NAME: sdpa or eager
    sample B      64 tokens of B samples of one prompt of 64 by the loop, at temperature 1, and
                  their log-probabilities
    step B        a step of B x T 200 by sdpa
"""
import sys
import time

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

PROMPT, TOKENS = 8, 64
torch.set_num_threads(2)


def prompts(batch, length, vocab=6400):
    return torch.tensor([[(b * 7919 + i * 104729 + 17) % vocab for i in range(length)]
                         for b in range(batch)])


def checksum(ids):
    total = 0
    for row in ids.tolist():
        for i in row:
            total = (total * 31 + i + 1) % 2**32
    return total


class Loop:
    """Qwen3, dense; weights are those of transformers' model."""

    def __init__(self, model):
        c, self.w = model.config, model.model
        self.heads, self.groups, self.width = (
            c.num_attention_heads, c.num_key_value_heads, c.head_dim)
        self.eps = c.rms_norm_eps
        self.layers = [self.layer(x) for x in self.w.layers]
        self.embedding, self.norm = self.w.embed_tokens.weight, self.w.norm.weight
        theta = c.rope_parameters["rope_theta"]
        inv = 1 / theta ** (torch.arange(0, self.width, 2).float() / self.width)
        angle = torch.outer(torch.arange(512).float(), inv)
        self.cos, self.sin = torch.cat((angle, angle), 1).cos(), torch.cat((angle, angle), 1).sin()

    @staticmethod
    def layer(x):
        a = x.self_attn
        return (x.input_layernorm.weight,
                torch.cat((a.q_proj.weight, a.k_proj.weight, a.v_proj.weight)).contiguous(),
                a.q_norm.weight, a.k_norm.weight, a.o_proj.weight,
                x.post_attention_layernorm.weight,
                torch.cat((x.mlp.gate_proj.weight, x.mlp.up_proj.weight)).contiguous(),
                x.mlp.down_proj.weight)

    def turn(self, x, at, count):
        half = self.width // 2
        turned = torch.cat((-x[..., half:], x[..., :half]), -1)
        return x * self.cos[at:at + count] + turned * self.sin[at:at + count]

    def forward(self, ids, at, keys, values):
        batch, count = ids.shape
        h, g, d = self.heads, self.groups, self.width
        x = F.embedding(ids, self.embedding)
        for i, (n1, qkv, qn, kn, out, n2, gate_up, down) in enumerate(self.layers):
            z = F.linear(F.rms_norm(x, n1.shape, n1, self.eps), qkv).view(batch, count, h + 2 * g, d)
            q = self.turn(F.rms_norm(z[:, :, :h], (d,), qn, self.eps).transpose(1, 2), at, count)
            k = self.turn(F.rms_norm(z[:, :, h:h + g], (d,), kn, self.eps).transpose(1, 2), at, count)
            keys[i][:, :, at:at + count] = k
            values[i][:, :, at:at + count] = z[:, :, h + g:].transpose(1, 2)
            o = F.scaled_dot_product_attention(
                q, keys[i][:, :, :at + count], values[i][:, :, :at + count],
                is_causal=count > 1, enable_gqa=True)
            x = x + F.linear(o.transpose(1, 2).reshape(batch, count, h * d), out)
            z = F.linear(F.rms_norm(x, n2.shape, n2, self.eps), gate_up)
            a, b = z.chunk(2, -1)
            x = x + F.linear(F.silu(a) * b, down)
        return F.linear(F.rms_norm(x[:, -1], self.norm.shape, self.norm, self.eps), self.embedding)

    @torch.inference_mode()
    def run(self, batch):
        shape = (batch, self.groups, PROMPT + TOKENS + 1, self.width)
        keys = [torch.zeros(shape) for _ in self.layers]
        values = [torch.zeros(shape) for _ in self.layers]
        ids = torch.zeros((batch, TOKENS + 1), dtype=torch.long)
        ids[:, 0] = self.forward(prompts(batch, PROMPT), 0, keys, values).argmax(-1)
        start = time.perf_counter()
        for i in range(TOKENS):
            ids[:, i + 1] = self.forward(ids[:, i:i + 1], PROMPT + i, keys, values).argmax(-1)
        return time.perf_counter() - start, checksum(ids)

    @torch.inference_mode()
    def sample(self, batch):
        prompt, tokens = 64, 64
        shape = (batch, self.groups, prompt + tokens, self.width)
        start = time.perf_counter()
        keys = [torch.zeros(shape) for _ in self.layers]
        values = [torch.zeros(shape) for _ in self.layers]
        ids = prompts(1, prompt, self.embedding.shape[0])
        logits = self.forward(ids, 0, [k[:1] for k in keys], [v[:1] for v in values])
        for x in keys + values:
            x[1:, :, :prompt] = x[:1, :, :prompt]
        logits = logits.expand(batch, -1)
        total = 0
        for i in range(tokens):
            logp = torch.log_softmax(logits, -1)
            ids = torch.multinomial(logp.exp(), 1)
            total = total + logp.gather(1, ids)
            if i + 1 < tokens:
                logits = self.forward(ids, prompt + i, keys, values)
        return time.perf_counter() - start, 0


@torch.inference_mode()
def generate(model, batch):
    seconds = []
    for count in (1, TOKENS + 1):
        start = time.perf_counter()
        ids = prompts(batch, PROMPT)
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False,
                             min_new_tokens=count, max_new_tokens=count, pad_token_id=0)
        seconds.append(time.perf_counter() - start)
    return seconds[1] - seconds[0], checksum(out[:, PROMPT:])


class Trainer:
    def __init__(self, directory, name, batch=4, length=512):
        self.model = AutoModelForCausalLM.from_pretrained(
            directory, dtype=torch.float32, attn_implementation=name)
        self.model.train()
        self.model.config.use_cache = False
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.ids = prompts(batch, length, self.model.config.vocab_size)

    def step(self):
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=False)
        logits = self.model(self.ids, use_cache=False).logits
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]),
                               self.ids[:, 1:].reshape(-1))
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - start, int(loss.item() * 1e6)


def main():
    directory = sys.argv[1]
    model = loop = trainer = None
    for line in sys.stdin:
        what, how = line.split()
        if what not in ("train", "step") and model is None:
            model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
            model.eval()
            model.generation_config.eos_token_id = None
            with torch.no_grad():
                loop = Loop(model)
        if what == "train":
            if trainer is None or trainer[0] != how:
                trainer = (how, Trainer(directory, how))
            result = trainer[1].step()
        elif what == "step":
            trainer = trainer or (how, Trainer(directory, "sdpa", int(how), 200))
            result = trainer[1].step()
        elif what == "sample":
            result = loop.sample(int(how))
        elif what == "loop":
            result = loop.run(int(how))
        else:
            result = generate(model, int(how))
        print(*result, flush=True)


main()
