#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/policy/fixtures/weights: files made by the field's own libraries, and what they hold.

    python3 tests/golden/make_weights.py        needs safetensors, torch, gguf, numpy from PyPI

expected.tsv has one line a tensor: file, name, type, shape, and its values as hexadecimal floats.
"""
import collections
import json
import pathlib

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parent.parent / "policy/fixtures/weights"
rows = []


def values(name, shape, scale=1.0):
    """A fixed function of name and place: no random state to carry."""
    count = int(np.prod(shape)) if shape else 1
    seed = sum(ord(c) * 31**i for i, c in enumerate(name)) % 10007
    x = (np.arange(count, dtype=np.float64) * 7919 + seed) % 1009
    return ((x / 1009 - 0.5) * 4 * scale).reshape(shape)


def expect(file, name, kind, array):
    array = np.asarray(array, dtype=np.float32)
    shape = "x".join(str(d) for d in array.shape) or "-"
    rows.append((file, name, kind, shape, " ".join(float(v).hex() for v in array.ravel())))


def expect_tensor(file, name, tensor):
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
             torch.float64: "F64", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}
    expect(file, name, kinds[tensor.dtype], tensor.to(torch.float32).numpy())


def tensors():
    t = collections.OrderedDict()
    for name, kind in [("a.f32", torch.float32), ("b.f16", torch.float16),
                       ("c.bf16", torch.bfloat16), ("d.f64", torch.float64)]:
        t[name] = torch.tensor(values(name, (3, 5))).to(kind)
    t["e.scalar"] = torch.tensor(1.5)
    t["f.empty"] = torch.zeros(0, 4)
    small = torch.tensor([6e-8, -6e-8, 65504.0, 6.1e-5, 0.0, -0.0])
    t["g.small"] = small.to(torch.float16)
    return t


def write_safetensors():
    t = tensors()
    every = torch.arange(256, dtype=torch.uint8)
    t["h.e4m3"] = every.view(torch.float8_e4m3fn)[:127].clone()  # up to the largest number
    t["i.e5m2"] = every.view(torch.float8_e5m2)[:124].clone()
    save_file(t, OUT / "tiny.safetensors", metadata={"format": "pt"})
    for name, tensor in t.items():
        expect_tensor("tiny.safetensors", name, tensor)
    folder = OUT / "sharded"
    folder.mkdir(exist_ok=True)
    names = list(tensors())
    weight_map = {}
    for i, part in enumerate([names[:3], names[3:]]):
        shard = f"model-0000{i + 1}-of-00002.safetensors"
        save_file({n: t[n] for n in part}, folder / shard)
        weight_map.update({n: shard for n in part})
        for n in part:
            expect_tensor("sharded", n, t[n])
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def write_torch():
    t = tensors()
    wide = torch.tensor(values("view", (6, 4)), dtype=torch.float32)
    t["j.rows"] = wide[2:4]  # a view into a larger storage
    t["k.param"] = torch.nn.Parameter(torch.tensor(values("k", (2, 2)), dtype=torch.float32))
    torch.save(t, OUT / "tiny.pth")
    for name, tensor in t.items():
        expect_tensor("tiny.pth", name, tensor.detach())


def write_gguf():
    kinds = gguf.GGMLQuantizationType
    w = gguf.GGUFWriter(str(OUT / "tiny.gguf"), "qwen3")
    w.add_uint32("qwen3.block_count", 1)
    w.add_float32("qwen3.rope.freq_base", 1e6)
    w.add_bool("test.yes", True)
    w.add_string("general.name", "tiny")
    w.add_array("test.numbers", [3, 1, 4, 1, 5])
    w.add_array("tokenizer.ggml.tokens", ["a", "b", "\u0120c", ""])
    for name, kind in [("f32", kinds.F32), ("f16", kinds.F16), ("bf16", kinds.BF16),
                       ("q4_0", kinds.Q4_0), ("q8_0", kinds.Q8_0)]:
        data = values(name, (2, 64)).astype(np.float32)
        packed = gguf.quants.quantize(data, kind)
        w.add_tensor(name, packed, raw_dtype=kind)
        expect("tiny.gguf", name, kind.name, gguf.quants.dequantize(packed, kind))
    for name, kind in [("q4_k", kinds.Q4_K), ("q5_k", kinds.Q5_K), ("q6_k", kinds.Q6_K)]:
        block = gguf.GGML_QUANT_SIZES[kind][1]
        raw = ((np.arange(2 * block, dtype=np.int64) * 7919 + 13) % 251).astype(np.uint8)
        raw = raw.reshape(2, block)
        half = np.array([0.0173, -0.0042], dtype=np.float16).view(np.uint8)  # scales that are numbers
        place = 208 if kind == kinds.Q6_K else 0
        raw[:, place:place + 2] = half[:2]
        if kind != kinds.Q6_K:
            raw[:, 2:4] = half[2:]
        w.add_tensor(name, raw, raw_dtype=kind)
        expect("tiny.gguf", name, kind.name, gguf.quants.dequantize(raw, kind))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


OUT.mkdir(parents=True, exist_ok=True)
write_safetensors()
write_torch()
write_gguf()
rows.sort()
(OUT / "expected.tsv").write_text("".join("\t".join(r) + "\n" for r in rows))
print(f"{len(rows)} tensors in {OUT}")
