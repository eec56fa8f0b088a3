#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/policy/fixtures/tiny-*: models as transformers itself saves them, small enough to commit.

    python3 tests/golden/make_tiny.py              needs torch, transformers
    python3 tests/golden/make_tiny.py compare A B  do two folders hold models that compute the same?

compare loads both with transformers and prints the largest difference of their logits.
"""
import pathlib
import sys

import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parent.parent / "policy/fixtures"
IDS = torch.arange(40).reshape(1, 40) * 7 % 61


def compare(first, second):
    models = [transformers.AutoModelForCausalLM.from_pretrained(
        p, torch_dtype=torch.float32, attn_implementation="eager").eval() for p in (first, second)]
    with torch.no_grad():
        a, b = (m(IDS, use_cache=False).logits for m in models)
    print(f"largest logit {float(a.abs().max()):.6g}, largest difference {float((a - b).abs().max()):.6g}")
    # transformers makes the decay tables of lightning layers anew where a file has none.
    return 0 if float((a - b).abs().max()) <= 1e-6 * float(a.abs().max()) else 1


def make():
    common = dict(vocab_size=61, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                  num_key_value_heads=1, head_dim=8)
    kinds = {
        "tiny-qwen3": transformers.Qwen3Config(intermediate_size=24, tie_word_embeddings=True, **common),
        "tiny-qwen3-moe": transformers.Qwen3MoeConfig(
            intermediate_size=24, moe_intermediate_size=12, num_experts=3, num_experts_per_tok=2,
            norm_topk_prob=True, **common),
        "tiny-minimax": transformers.MiniMaxConfig(
            intermediate_size=12, num_local_experts=3, num_experts_per_tok=2, block_size=8,
            layer_types=["linear_attention", "full_attention"], **common),
    }
    for name, config in kinds.items():
        torch.manual_seed(3)
        config.initializer_range = 0.3
        model = transformers.AutoModelForCausalLM.from_config(config, torch_dtype=torch.float32)
        model.save_pretrained(OUT / name)
        for extra in (OUT / name).glob("generation_config.json"):
            extra.unlink()


if __name__ == "__main__":
    sys.exit(compare(*sys.argv[2:4]) if sys.argv[1:2] == ["compare"] else make())
