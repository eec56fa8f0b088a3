#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What others reach on the same GPU: torch, transformers and, where it is installed, fla.

    python3 bench/gpu/peers.py [lightning] [train] [generate] [head] [sdpa]

One line a figure, `name value unit`; medians of timed runs after warm-ups. fla's gradients are
checked against the recurrence in double before its times count.
"""
import sys
import time

import torch

DEVICE = "cuda"


def median_ms(call, rounds=7, warm=2):
    for _ in range(warm):
        call()
    torch.cuda.synchronize()
    times = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(True), torch.cuda.Event(True)
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    times.sort()
    return times[len(times) // 2]


def put(name, value, unit):
    print(f"{name} {value:.6g} {unit}", flush=True)


def slopes(heads):
    return torch.tensor([2 ** (-8 * (h + 1) / heads) for h in range(heads)], device=DEVICE)


def recurrence(q, k, v, slope):
    """The definition, token by token, of [B, T, H, D] in double."""
    batch, length, heads, width = q.shape
    state = torch.zeros(batch, heads, width, width, device=q.device, dtype=q.dtype)
    out = []
    for t in range(length):
        state = torch.exp(-slope)[None, :, None, None] * state + k[:, t, :, :, None] * v[:, t, :, None, :]
        out.append((q[:, t, :, :, None] * state).sum(-2))
    return torch.stack(out, 1)


def ratio(a, b):
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def lightning():
    try:
        from fla.ops.simple_gla import chunk_simple_gla
    except Exception as error:  # an import that fails for any reason is told, not hidden
        print(f"fla: not here ({str(error)[:200]})", flush=True)
        return
    slope = slopes(8)

    def fla(q, k, v, s):
        out = chunk_simple_gla(q, k, v, g_gamma=-s, scale=1.0)
        return out[0] if isinstance(out, tuple) else out

    torch.manual_seed(0)
    tensors = [torch.randn(1, 512, 8, 128, device=DEVICE).bfloat16().requires_grad_() for _ in range(3)]
    truth = [x.detach().double().requires_grad_() for x in tensors]
    out, want = fla(*tensors, slope), recurrence(*truth, slope.double())
    grad = torch.randn_like(out)
    out.backward(grad)
    want.backward(grad.double())
    put("fla_error_out", ratio(out, want), "rms")
    for name, ours, theirs in zip("qkv", tensors, truth):
        put(f"fla_error_d{name}", ratio(ours.grad, theirs.grad), "rms")
    for heads, length in ((64, 131072), (96, 8192)):
        q, k, v = [torch.randn(1, length, heads, 128, device=DEVICE, dtype=torch.bfloat16, requires_grad=True)
                   for _ in range(3)]
        grad = torch.randn_like(v)
        slope = slopes(heads)
        with torch.no_grad():
            put(f"fla_forward_h{heads}_t{length}", median_ms(lambda: fla(q, k, v, slope)), "ms")

        def both():
            q.grad = k.grad = v.grad = None
            fla(q, k, v, slope).backward(grad)

        put(f"fla_both_h{heads}_t{length}", median_ms(both), "ms")
        del q, k, v, grad
        torch.cuda.empty_cache()


def sdpa():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention
    q, k, v = [torch.randn(1, 64, 131072, 128, device=DEVICE, dtype=torch.bfloat16) for _ in range(3)]
    for backend, name in ((SDPBackend.CUDNN_ATTENTION, "cudnn"), (SDPBackend.FLASH_ATTENTION, "flash")):
        with sdpa_kernel(backend):
            put(f"sdpa_{name}_forward_h64_t131072",
                median_ms(lambda: scaled_dot_product_attention(q, k, v, is_causal=True), 3, 1), "ms")


def minimind():
    from transformers import Qwen3Config, Qwen3ForCausalLM
    config = Qwen3Config(vocab_size=6400, hidden_size=768, intermediate_size=2432, num_hidden_layers=8,
                         num_attention_heads=8, num_key_value_heads=4, head_dim=96,
                         max_position_embeddings=32768, rope_theta=1e6, tie_word_embeddings=True)
    return Qwen3ForCausalLM(config).to(DEVICE).to(torch.bfloat16)


def train():
    model = minimind()
    compiled = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(0, 6400, (32, 1024), device=DEVICE)

    def step(which):
        which(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    put("train_compiled", 32 * 1024 / median_ms(lambda: step(compiled), 9, 4) * 1e3, "tokens/s")
    put("train_eager", 32 * 1024 / median_ms(lambda: step(model), 5, 2) * 1e3, "tokens/s")


def generate():
    model = minimind().eval()
    for batch in (1, 256):
        prompt = torch.randint(0, 6400, (batch, 128), device=DEVICE)
        count = 128 if batch == 1 else 64
        common = dict(do_sample=True, use_cache=True, eos_token_id=None, pad_token_id=0)
        model.generate(prompt, max_new_tokens=8, **common)
        torch.cuda.synchronize()
        begin = time.time()
        model.generate(prompt, max_new_tokens=count, min_new_tokens=count, **common)
        torch.cuda.synchronize()
        put(f"generate_batch{batch}", batch * count / (time.time() - begin), "tokens/s")


def head():
    rows, vocab, width = 32768, 200064, 2048
    weight = (torch.randn(vocab, width, device=DEVICE, dtype=torch.bfloat16) * 0.02).requires_grad_()
    hidden = torch.randn(rows, width, device=DEVICE, dtype=torch.bfloat16)
    target = torch.randint(0, vocab, (rows,), device=DEVICE)

    def chunked(size=1024):
        for at in range(0, rows, size):
            part = hidden[at:at + size].detach().requires_grad_()
            logits = (part @ weight.T).float()
            logp = torch.log_softmax(logits, -1).gather(1, target[at:at + size, None])
            logp.sum().backward()
        weight.grad = None

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    put("head_chunked", median_ms(chunked, 3, 1), "ms")
    put("head_chunked_memory", (torch.cuda.max_memory_allocated() - before) / 1e6, "MB")


def copy():
    x = torch.randn(1 << 30, device=DEVICE, dtype=torch.bfloat16)
    y = torch.empty_like(x)
    put("copy", 2 * x.numel() * 2 / median_ms(lambda: y.copy_(x)) / 1e9, "TB/s")


ALL = {"copy": copy, "lightning": lightning, "sdpa": sdpa, "head": head, "generate": generate, "train": train}

if __name__ == "__main__":
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}", flush=True)
    for name in sys.argv[1:] or ALL:
        ALL[name]()
        torch.cuda.empty_cache()
