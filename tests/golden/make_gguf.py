#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/policy/fixtures/gguf: GGUF files by the package gguf, of models and vocabularies that are here otherwise, too.

    python3 tests/golden/make_gguf.py [--check ASSAY TOOL]    needs gguf, numpy, safetensors, tokenizers

chatml, qwen2, minimax .gguf: vocabularies alone, those of the .json beside them or in ../chat. tiny-chat and
tiny-minimax .gguf: the models of ../tiny-*, the first with its vocabulary.
--check: a model with every type of element in many random blocks through `ASSAY model convert --type F32`, against
gguf's dequantize; vocabularies through TOOL (tests/tokenize_tool), against HF tokenizers, minimind's among them,
whose files name another pattern than the one that its tokens were made with.
"""
import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import gguf
import make_tiny
import numpy as np
import tokenizers
from safetensors.numpy import load_file

OUT = make_tiny.OUT / "gguf"
KINDS = gguf.GGMLQuantizationType
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.qkv_proj": "attn_qkv",
         "self_attn.output_gate": "attn_gate", "self_attn.norm": "attn_norm_2", "self_attn.out_proj": "attn_output",
         "block_sparse_moe.gate": "ffn_gate_inp"}
EXPERTS = {"w1": "ffn_gate_exps", "w3": "ffn_up_exps", "w2": "ffn_down_exps"}


def add_vocabulary(writer, path, pre, pad=0):
    """A tokenizer.json's tokens, as converters of models write them."""
    t = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    tokens = dict(sorted((i, text) for text, i in t["model"]["vocab"].items()))
    types = dict.fromkeys(tokens, gguf.TokenType.NORMAL)
    for added in t["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    for i in range(len(tokens), pad):
        tokens[i], types[i] = f"[PAD{i}]", gguf.TokenType.UNUSED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([tokens[i] for i in range(len(tokens))])
    writer.add_token_types([types[i] for i in range(len(tokens))])
    writer.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in t["model"]["merges"]])
    writer.add_eos_token_id(2)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(name):
    parts = name.removesuffix(".weight").split(".")
    if parts[:2] == ["model", "layers"]:
        return f"blk.{parts[2]}.{NAMES['.'.join(parts[3:])]}.weight"
    return NAMES[".".join(parts)] + ".weight"


def add_config(writer, c, hybrid):
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_key_length(c["head_dim"])
    writer.add_value_length(c["head_dim"])
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(c["rope_parameters"]["rope_theta"])
    if hybrid:
        writer.add_rope_dimension_count(c["head_dim"])
        writer.add_expert_count(c["num_local_experts"])
        writer.add_expert_used_count(c["num_experts_per_tok"])
        writer.add_array("minimax-01.attention.recurrent_layers",
                         [k == "linear_attention" for k in c["layer_types"]])


def write_model(path, folder, hybrid, vocabulary=None):
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(str(path), "minimax-01" if hybrid else "qwen3")
    add_config(writer, config, hybrid)
    if vocabulary:
        add_vocabulary(writer, vocabulary, "gpt-2")
    experts = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if ".experts." in name:
            _, _, layer, *_, expert, part, _ = name.split(".")
            experts.setdefault((layer, part), {})[int(expert)] = tensor
        elif name.split(".")[-1] == "weight":
            writer.add_tensor(gguf_name(name), tensor)
    for (layer, part), tensors in experts.items():
        writer.add_tensor(f"blk.{layer}.{EXPERTS[part]}.weight", np.stack([tensors[e] for e in sorted(tensors)]))
    finish(writer)


def vocabularies():
    """name: (tokenizer.json, pre)."""
    return {"chatml": (make_tiny.OUT / "chat/chatml.json", "gpt-2"), "qwen2": (OUT / "qwen2.json", "qwen2"),
            "minimax": (make_tiny.OUT / "chat/minimax.json", "gpt-4o")}


def qwen2():
    made = json.loads(make_tiny.tokenizer(make_tiny.CHAT_TOKENS, QWEN2, 320))
    made["normalizer"] = {"type": "NFC"}
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n"


# --- check -----------------------------------------------------------------------------------------

def random_blocks(kind, rows, cols, rng):
    """Any bits but for the scales, which are drawn so that they are numbers."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    if kind in (KINDS.F32, KINDS.F16, KINDS.BF16):
        return gguf.quants.quantize(rng.normal(size=(rows, cols)).astype(np.float32), kind)
    raw = rng.integers(0, 256, (rows * cols // elements, size), dtype=np.uint8)
    places = {KINDS.Q4_0: [0], KINDS.Q8_0: [0], KINDS.Q4_K: [0, 2], KINDS.Q5_K: [0, 2], KINDS.Q6_K: [208]}[kind]
    for place in places:
        scale = rng.normal(size=len(raw)).astype(np.float16)
        raw[:, place:place + 2] = scale.view(np.uint8).reshape(-1, 2)
    return raw.reshape(rows, -1)


def check_types(assay, work):
    """Every matrix of every layer has the next type; all that a file of each type can hold."""
    rng = np.random.default_rng(7)
    kinds = [KINDS.F32, KINDS.F16, KINDS.BF16, KINDS.Q4_0, KINDS.Q8_0, KINDS.Q4_K, KINDS.Q5_K, KINDS.Q6_K]
    config = {"num_hidden_layers": 8, "max_position_embeddings": 64, "hidden_size": 512, "intermediate_size": 768,
              "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 256, "rms_norm_eps": 1e-6,
              "rope_parameters": {"rope_theta": 1e6}}
    writer = gguf.GGUFWriter(str(work / "types.gguf"), "qwen3")
    add_config(writer, config, False)
    meant, types = {}, {}

    def add(name, shape, kind):
        raw = random_blocks(kind, *shape, rng) if len(shape) == 2 else rng.normal(size=shape).astype(np.float32)
        writer.add_tensor(gguf_name(name), raw, raw_dtype=kind)
        meant[name], types[name] = gguf.quants.dequantize(raw, kind).reshape(shape), kind

    add("model.embed_tokens.weight", (64, 512), KINDS.Q6_K)
    add("lm_head.weight", (64, 512), KINDS.Q8_0)
    add("model.norm.weight", (512,), KINDS.F32)
    shapes = {"self_attn.q_proj": (512, 512), "self_attn.k_proj": (256, 512), "self_attn.v_proj": (256, 512),
              "self_attn.o_proj": (512, 512), "mlp.gate_proj": (768, 512), "mlp.up_proj": (768, 512),
              "mlp.down_proj": (512, 768), "input_layernorm": (512,), "post_attention_layernorm": (512,),
              "self_attn.q_norm": (256,), "self_attn.k_norm": (256,)}
    for layer in range(8):
        for place, (name, shape) in enumerate(shapes.items()):
            add(f"model.layers.{layer}.{name}.weight", shape, kinds[(layer + place) % 8] if len(shape) == 2 else KINDS.F32)
    finish(writer)
    subprocess.run([assay, "model", "convert", work / "types.gguf", work / "types", "--type", "F32"], check=True,
                   capture_output=True)
    got = load_file(work / "types/model.safetensors")
    bad = 0
    for kind in kinds:
        names = [n for n in meant if types[n] == kind]
        count = sum(meant[n].size for n in names)
        same = sum(int((got[n] == meant[n]).sum()) for n in names)
        print(f"gguf {kind.name}: {same} of {count} elements equal")
        bad += same != count
    return bad


def check_ids(tool, work):
    """GGUF vocabularies through our reader, beside HF's of the tokenizer.json that they are from."""
    strings = (make_tiny.OUT / "tokenizers/strings.bin").read_bytes()
    texts, at = [], 0
    while at < len(strings):
        size = struct.unpack_from("<H", strings, at)[0]
        texts.append(strings[at + 2:at + 2 + size])
        at += 2 + size
    cases = {name: (OUT / f"{name}.gguf", path) for name, (path, _) in vocabularies().items()}
    writer = gguf.GGUFWriter(str(work / "minimind.gguf"), "qwen3")
    add_vocabulary(writer, make_tiny.OUT / "chat/chatml.json", "qwen2", 6400)
    finish(writer)
    cases["minimind"] = (work / "minimind.gguf", make_tiny.OUT / "chat/chatml.json")
    bad = 0
    for name, (path, source) in cases.items():
        theirs = tokenizers.Tokenizer.from_file(str(source)).encode_batch(
            [t.decode() for t in texts], add_special_tokens=False)
        data = b"".join(struct.pack("<I", len(t)) + t for t in texts)
        out = np.frombuffer(subprocess.run([tool, path], input=data, capture_output=True, check=True).stdout, dtype="<u4")
        equal, at = 0, 0
        for wanted in theirs:
            ids = out[at + 1:at + 1 + out[at]].tolist()
            at += 1 + int(out[at])
            equal += ids == wanted.ids
        print(f"gguf vocabulary {name}: {equal} of {len(texts)} equal")
        bad += equal != len(texts)
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", nargs=2)
    options = parser.parse_args()
    if options.check:
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            return 1 if check_types(options.check[0], work) + check_ids(options.check[1], work) else 0
    OUT.mkdir(exist_ok=True)
    (OUT / "qwen2.json").write_text(qwen2(), encoding="utf-8")
    for name, (path, pre) in vocabularies().items():
        writer = gguf.GGUFWriter(str(OUT / f"{name}.gguf"), "qwen3")
        add_vocabulary(writer, path, pre)
        finish(writer)
    write_model(OUT / "tiny-chat.gguf", make_tiny.OUT / "tiny-chat", False, make_tiny.OUT / "tiny-chat/tokenizer.json")
    write_model(OUT / "tiny-minimax.gguf", make_tiny.OUT / "tiny-minimax", True)
    print(f"5 files in {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
