#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/policy/fixtures/tiny-*: models as transformers itself saves them, small enough to commit.

    python3 tests/golden/make_tiny.py make [NAME...]  needs torch, transformers, tokenizers; NAME: those alone
    python3 tests/golden/make_tiny.py compare A B     do two folders hold models that compute the same?

compare loads both with transformers and prints the largest difference of their logits: none, but for lightning
layers, whose decay tables transformers makes anew where a file has none (1e-6 of the largest logit). tiny-chat has a
tokenizer, too, and greedy.json: what transformers makes of a prompt when it always takes the likeliest token.
"""
import json
import pathlib
import sys

import tokenizers
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
    bound = 1e-6 if models[0].config.model_type == "minimax" else 0
    return 0 if float((a - b).abs().max()) <= bound * float(a.abs().max()) else 1


CHAT_TOKENS = [("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<tool_call>", False),
               ("</tool_call>", False), ("<tool_response>", False), ("</tool_response>", False),
               ("<think>", False), ("</think>", False)]
MINIMAX_TOKENS = [(t, True) for t in ("<end_of_document>", "<begin_of_document>", "<beginning_of_sentence>",
                                      "<end_of_sentence>")]
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PROMPT = "def add(a, b):\n    return"


def tokenizer(added, pattern, size):
    """A byte-level BPE of this repository's pages, with a family's added tokens."""
    pre = tokenizers.pre_tokenizers
    t = tokenizers.Tokenizer(tokenizers.models.BPE())
    if pattern:
        t.pre_tokenizer = pre.Sequence([pre.Split(tokenizers.Regex(pattern), "isolated"),
                                        pre.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        t.pre_tokenizer = pre.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    root = OUT.parent.parent.parent
    texts = [(root / page).read_text() for page in ("policy/README.md", "docs/models.md")]
    t.train_from_iterator(texts, tokenizers.trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False,
        special_tokens=[tokenizers.AddedToken(text, special=True, normalized=False) for text, _ in added]))
    made = json.loads(t.to_str())
    for token, (_, special) in zip(made["added_tokens"], added, strict=True):
        token["special"] = special
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")) + "\n"


def make_chat():
    """A model with a tokenizer, and what transformers generates with both."""
    folder = OUT / "tiny-chat"
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, torch_dtype=torch.float32, attn_implementation="eager").eval()
    (folder / "tokenizer.json").write_text(tokenizer(CHAT_TOKENS, None, 320), encoding="utf-8")
    t = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = t.encode(PROMPT, add_special_tokens=False).ids
    out = model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)[0, len(ids):].tolist()
    greedy = {"prompt": PROMPT, "prompt_ids": ids, "ids": out, "text": t.decode(out, skip_special_tokens=True)}
    (folder / "greedy.json").write_text(json.dumps(greedy, indent=1) + "\n")


def make(names):
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
        "tiny-chat": transformers.Qwen3Config(
            intermediate_size=24, tie_word_embeddings=False, eos_token_id=2, **dict(common, vocab_size=320)),
    }
    for name, config in kinds.items():
        if names and name not in names:
            continue
        torch.manual_seed(3)
        config.initializer_range = 0.3
        model = transformers.AutoModelForCausalLM.from_config(config, torch_dtype=torch.float32)
        model.save_pretrained(OUT / name)
        for extra in (OUT / name).glob("generation_config.json"):
            extra.unlink()
        if name == "tiny-chat":
            make_chat()


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        sys.exit(compare(*sys.argv[2:4]))
    if sys.argv[1:2] != ["make"]:
        sys.exit(__doc__)
    make(sys.argv[2:])
