#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/policy/fixtures/packed: models with four-bit weights, and what their weights are.

    python3 tests/golden/make_packed.py [--check ASSAY]     needs numpy, safetensors, torch; compressed-tensors if there

NAME/ is a model as compressed-tensors or GPTQ saves it, NAME.safetensors its weights as they are meant, read from
NAME/ by unpack() below: plain numpy, a loop over elements, nothing taken from policy/. Where the package
compressed-tensors is installed, its own packing must give the same words. --check: larger ones of every kind and
of random shapes, through `ASSAY model convert --type F32`; every weight must be the same float.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parent.parent / "policy/fixtures/packed"
PARTS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
DENSE = dict(model_type="qwen3", architectures=["Qwen3ForCausalLM"], vocab_size=24, hidden_size=16, num_hidden_layers=1,
             num_attention_heads=2, num_key_value_heads=1, head_dim=8, intermediate_size=24, rms_norm_eps=1e-6,
             tie_word_embeddings=True, hidden_act="silu", attention_bias=False, rope_theta=1e4)
MOE = dict(DENSE, model_type="qwen3_moe", architectures=["Qwen3MoeForCausalLM"], num_experts=2, num_experts_per_tok=1,
           moe_intermediate_size=24, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[])


def shapes(c):
    """name: rows, cols of each matrix, and the length of each norm; fp are never packed."""
    h, d, kv = c["num_attention_heads"] * c["head_dim"], c["head_dim"], c["num_key_value_heads"] * c["head_dim"]
    width = c["hidden_size"]
    yield "model.embed_tokens.weight", (c["vocab_size"], width)
    yield "model.norm.weight", (width,)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (width,)
        yield p + "post_attention_layernorm.weight", (width,)
        for name, rows, cols in (("q", h, width), ("k", kv, width), ("v", kv, width), ("o", width, h)):
            yield f"{p}self_attn.{name}_proj.weight", (rows, cols)
        for name in "qk":
            yield f"{p}self_attn.{name}_norm.weight", (d,)
        inner = c.get("moe_intermediate_size", c["intermediate_size"])
        ffns = [f"{p}mlp.experts.{e}." for e in range(c["num_experts"])] if "num_experts" in c else [p + "mlp."]
        if "num_experts" in c:
            yield p + "mlp.gate.weight", (c["num_experts"], width)
        for f in ffns:
            yield f + "gate_proj.weight", (inner, width)
            yield f + "up_proj.weight", (inner, width)
            yield f + "down_proj.weight", (width, inner)


def words_of_rows(nibbles):
    """Eight of a row to a word, the first in the lowest bits."""
    n = nibbles.astype(np.uint32).reshape(nibbles.shape[0], -1, 8)
    return (n << (4 * np.arange(8, dtype=np.uint32))).sum(axis=2, dtype=np.uint64).astype(np.uint32).view(np.int32)


def theirs(signed, dim):
    """compressed-tensors' own packing, or None where it is not installed."""
    try:
        from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
    except ImportError:
        return None
    return pack_to_int32(torch.tensor(signed), 4, packed_dim=dim).numpy()


def pack(kind, name, rng, shape, group, scale_type):
    """The tensors that stand for one matrix; values are drawn, since any four bits are a weight."""
    rows, cols = shape
    groups = cols // group
    q = rng.integers(0, 16, (rows, cols))
    scales = torch.tensor(rng.uniform(-0.2, 0.2, (rows, groups)).astype(np.float32)).to(scale_type)
    order = rng.permutation(np.arange(cols) // group).astype(np.int32)
    base = name.removesuffix("weight")
    if kind.startswith("w4a16"):
        packed = words_of_rows(q)
        other = theirs((q - 8).astype(np.int8), 1)
        assert other is None or np.array_equal(packed, other)
        out = {base + "weight_packed": torch.tensor(packed), base + "weight_scale": scales,
               base + "weight_shape": torch.tensor([rows, cols])}
        if kind == "w4a16-zeros":
            zeros = rng.integers(0, 16, (rows, groups))
            packed = np.ascontiguousarray(words_of_rows(np.ascontiguousarray(zeros.T)).T)
            other = theirs((zeros - 8).astype(np.int8), 0)
            assert other is None or np.array_equal(packed, other)
            out |= {base + "weight_zero_point": torch.tensor(packed), base + "weight_g_idx": torch.tensor(order)}
        return out
    zeros = rng.integers(1, 16, (groups, rows))
    stored = zeros if kind == "gptq-v2" else zeros - 1
    return {base + "qweight": torch.tensor(np.ascontiguousarray(words_of_rows(q).T)),
            base + "qzeros": torch.tensor(words_of_rows(stored)), base + "scales": scales.T.contiguous(),
            base + "g_idx": torch.tensor(order if kind == "gptq" else (np.arange(cols) // group).astype(np.int32))}


def unpack(tensors, base, kind):
    """One matrix of a file, element by element, as its format's own text defines it."""
    if kind.startswith("w4a16"):
        packed, scale = tensors[base + "weight_packed"], tensors[base + "weight_scale"].to(torch.float32)
        rows, cols = (int(x) for x in tensors[base + "weight_shape"])
        zero, order = tensors.get(base + "weight_zero_point"), tensors.get(base + "weight_g_idx")
    else:
        packed, scale = tensors[base + "qweight"], tensors[base + "scales"].to(torch.float32)
        rows, cols = packed.shape[1], packed.shape[0] * 8
        zero, order = tensors[base + "qzeros"], tensors[base + "g_idx"]
    groups = scale.shape[1] if kind.startswith("w4a16") else scale.shape[0]
    out = np.zeros((rows, cols), dtype=np.float32)

    def four(word, place):
        return (int(word) & 0xFFFFFFFF) >> (4 * place) & 15

    for r in range(rows):
        for c in range(cols):
            g = int(order[c]) if order is not None else c * groups // cols
            if kind.startswith("w4a16"):
                q = four(packed[r, c // 8], c % 8) - 8
                z = four(zero[r // 8, g], r % 8) - 8 if zero is not None else 0
                s = scale[r, g]
            else:
                q = four(packed[c // 8, r], c % 8)
                z = four(zero[g, r // 8], r % 8) + (kind == "gptq")
                s = scale[g, r]
            out[r, c] = np.float32(q - z) * np.float32(s)
    return out


def quantization(kind, group):
    if kind.startswith("w4a16"):
        weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": group,
                   "symmetric": kind == "w4a16", "actorder": None if kind == "w4a16" else "group"}
        return {"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
                "ignore": ["lm_head", "re:.*mlp.gate$"],
                "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": None}}}
    return {"quant_method": "gptq", "bits": 4, "group_size": group, "desc_act": kind == "gptq", "sym": False,
            **({"checkpoint_format": "gptq_v2"} if kind == "gptq-v2" else {})}


def write(folder, kind, config, group, scale_type, seed):
    """A model and what it means: returns its weights by name, float32."""
    rng = np.random.default_rng(seed)
    tensors, meant = {}, {}
    for name, shape in shapes(config):
        if len(shape) == 2 and name.split(".")[-2] in PARTS:
            made = pack(kind, name, rng, shape, group, scale_type)
            tensors |= made
            meant[name] = unpack(made, name.removesuffix("weight"), kind)
        else:
            x = torch.tensor(rng.uniform(0.5, 1.5, shape).astype(np.float32)).to(torch.bfloat16)
            tensors[name] = x
            meant[name] = x.to(torch.float32).numpy()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    text = json.dumps(config | {"quantization_config": quantization(kind, group)}, indent=1)
    (folder / "config.json").write_text(text + "\n")
    return meant


CASES = {"w4a16": (MOE, 8, torch.bfloat16), "w4a16-zeros": (DENSE, 8, torch.float16),
         "gptq": (DENSE, 8, torch.float16), "gptq-v2": (DENSE, 8, torch.float16)}


def check(assay):
    bad = count = 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for kind, (config, _, scale_type) in CASES.items():
            for seed in range(3):
                group = (8, 32, 16)[seed]
                big = dict(config, hidden_size=64 * (seed + 1), head_dim=32, intermediate_size=96, num_hidden_layers=1,
                           moe_intermediate_size=96) if config is MOE else dict(
                               config, hidden_size=64 * (seed + 1), head_dim=32, intermediate_size=160)
                meant = write(work / f"{kind}{seed}", kind, big, group, scale_type, seed)
                subprocess.run([assay, "model", "convert", work / f"{kind}{seed}", work / f"{kind}{seed}-f32", "--type", "F32"],
                               check=True, capture_output=True)
                got = load_file(work / f"{kind}{seed}-f32/model.safetensors")
                for name, weight in meant.items():
                    count += 1
                    bad += not np.array_equal(got[name], weight)
    print(f"packed: {count - bad} of {count} tensors equal")
    return bad != 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check")
    options = parser.parse_args()
    if options.check:
        return check(options.check)
    for kind, (config, group, scale_type) in CASES.items():
        meant = write(OUT / kind, kind, config, group, scale_type, 1)
        save_file({n: torch.tensor(w) for n, w in meant.items()}, OUT / f"{kind}.safetensors")
        again = load_torch(OUT / kind / "model.safetensors")
        for name in meant:
            if name not in again:
                assert np.array_equal(unpack(again, name.removesuffix("weight"), kind), meant[name])
    print(f"{len(CASES)} models in {OUT}; compressed-tensors {'agrees' if theirs(np.zeros((1, 8), np.int8), 1) is not None else 'is not installed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
