#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/golden/models: what transformers computes for tiny models of each family.

    python3 tests/golden/make_models.py [NAME...]     needs torch, transformers, safetensors, numpy

A case is NAME.json (its config.json as the family writes it) and NAME.safetensors:
    ids [B, T]; logits [16, V] of the last sequence's rows `rows`; loss (mean cross entropy of the next token,
    with the load-balancing loss where there are experts), aux;
    grad.ROLE.LAYER [257]: norm of a weight's gradient, and 256 entries of it at hashed places.
logits and loss are computed in float32, gradients in float64 (exact()): where terms cancel, as in a router whose
one expert always has weight 1, float32 leaves nothing but its own rounding.
Weights are not stored: element i of a tensor is u(fnv1a(ROLE.LAYER) + i), see weight(). transformers applies RoPE
to whole heads and has its own slopes; for model_type minimax_m1 both are replaced here by the formulas
that the weights of MiniMax-M1 were trained with.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import transformers
import transformers.models.minimax.modeling_minimax as hf_minimax
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).resolve().parent / "models"
MASK = (1 << 64) - 1


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def mix(start, count):
    """splitmix64 of start + i, for i in range(count)."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(start)
        z = z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def unit(key, count):
    """In [-1, 1), multiples of 2^-23: exact in float."""
    return (mix(fnv1a(key), count) >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def weight(key, shape):
    """Norms near 1, the embedding in [-1, 1), matrices with rows of length about 1."""
    x = unit(key, int(np.prod(shape)))
    role = key.split(".")[0]
    if role.endswith("norm"):
        x = 1 + x * 0.125
    elif role != "embedding":
        x = x * (np.float32(1.75) / np.sqrt(np.float32(shape[-1]))).astype(np.float64)
    return torch.tensor(x.astype(np.float32)).reshape(shape)


def roles(model):
    """(key, parameter, slice of its rows or None) of every weight."""
    plain = {"model.embed_tokens.weight": "embedding", "lm_head.weight": "head",
             "model.norm.weight": "final_norm"}
    layer_names = {"input_layernorm.weight": "attn_norm", "post_attention_layernorm.weight": "ffn_norm",
                   "self_attn.q_proj.weight": "q", "self_attn.k_proj.weight": "k",
                   "self_attn.v_proj.weight": "v", "self_attn.o_proj.weight": "attn_out",
                   "self_attn.q_norm.weight": "q_norm", "self_attn.k_norm.weight": "k_norm",
                   "self_attn.qkv_proj.weight": "lightning_qkv",
                   "self_attn.output_gate.weight": "lightning_gate",
                   "self_attn.norm.weight": "lightning_norm",
                   "self_attn.out_proj.weight": "lightning_out", "mlp.gate.weight": "router",
                   "mlp.experts.down_proj": "expert_down", "mlp.gate_proj.weight": "ffn_gate",
                   "mlp.up_proj.weight": "ffn_up", "mlp.down_proj.weight": "ffn_down"}
    for name, p in model.named_parameters():
        if name in plain:
            yield plain[name] + ".", p, None
            continue
        _, _, layer, rest = name.split(".", 3)
        if rest == "mlp.experts.gate_up_proj":
            half = p.shape[1] // 2
            yield f"expert_gate.{layer}", p, slice(0, half)
            yield f"expert_up.{layer}", p, slice(half, None)
        else:
            yield f"{layer_names[rest]}.{layer}", p, None


def part(tensor, rows):
    return tensor if rows is None else tensor[:, rows]


# --- MiniMax-M1's own formulas ---------------------------------------------------------------------

def rope_partial(rotary_dim, theta):
    def apply(q, k, cos, sin, *args, **kwargs):
        t = torch.arange(q.shape[-2], dtype=torch.float32)
        inv = 1.0 / theta ** (torch.arange(0, rotary_dim, 2, dtype=torch.float32) / rotary_dim)
        angle = torch.cat([torch.outer(t, inv)] * 2, dim=-1)

        def turn(x):
            head, rest = x[..., :rotary_dim], x[..., rotary_dim:]
            a, b = head.chunk(2, dim=-1)
            head = head * angle.cos() + torch.cat([-b, a], dim=-1) * angle.sin()
            return torch.cat([head, rest], dim=-1)
        return turn(q), turn(k)
    return apply


def alibi(heads):
    power = 2 ** int(np.floor(np.log2(heads)))
    first = [2.0 ** (-8 * (i + 1) / power) for i in range(power)]
    rest = [2.0 ** (-8 * (i + 1) / (2 * power)) for i in range(2 * power)][::2]
    return first + rest[:heads - power]


def as_m1(model, config):
    count = config["num_hidden_layers"]
    for i, layer in enumerate(model.model.layers):
        attention = layer.self_attn
        if not hasattr(attention, "slope_rate"):
            continue
        factor = 1 - (i / (count - 1) if count > 1 else 0) + 1e-5
        slopes = torch.tensor(alibi(config["num_attention_heads"]), dtype=torch.float64) * factor
        slopes = slopes.to(torch.float32)[:, None, None]
        q, k, d = attention.decay_factors(slopes)
        attention.slope_rate, attention.query_decay = slopes, q
        attention.key_decay, attention.diagonal_decay = k, d


# --- float64 ---------------------------------------------------------------------------------------

def norm_forward(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def router_forward(self, x):
    logits = torch.nn.functional.linear(x.reshape(-1, self.hidden_dim), self.weight)
    value, index = torch.topk(torch.softmax(logits, dim=-1), self.top_k, dim=-1)
    if getattr(self, "norm_topk_prob", True):
        value = value / value.sum(dim=-1, keepdim=True)
    return logits, value, index


def exact(model):
    """The same model in float64: transformers casts to float32 in norms and routers."""
    model.double()
    for module in model.modules():
        name = type(module).__name__
        if name.endswith("RMSNorm"):
            module.forward = norm_forward.__get__(module)
        elif name.endswith("TopKRouter"):
            module.forward = router_forward.__get__(module)


# --- cases -----------------------------------------------------------------------------------------

MINIMAX = dict(model_type="minimax", vocab_size=512, hidden_size=64, intermediate_size=96,
               num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
               num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-5, block_size=8,
               layer_types=["linear_attention"] * 7 + ["full_attention"],
               full_attn_alpha_factor=3.5566, full_attn_beta_factor=1.0,
               linear_attn_alpha_factor=3.5566, linear_attn_beta_factor=1.0,
               mlp_alpha_factor=3.5566, mlp_beta_factor=1.0, router_aux_loss_coef=0.001,
               rope_parameters=dict(rope_type="default", rope_theta=1e6), tie_word_embeddings=False)
M1 = dict(model_type="minimax_m1", vocab_size=512, hidden_size=64, intermediate_size=96,
          num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2, head_dim=32,
          rotary_dim=16, num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-5,
          attn_type_list=[0, 0, 0, 1], postnorm=True, rope_theta=1e4, router_aux_loss_coef=0.001,
          layernorm_linear_attention_alpha=1.8612, layernorm_linear_attention_beta=1.0,
          layernorm_full_attention_alpha=1.8612, layernorm_full_attention_beta=0.5,
          layernorm_mlp_alpha=1.5, layernorm_mlp_beta=0.75, tie_word_embeddings=False)
QWEN = dict(model_type="qwen3", vocab_size=384, hidden_size=48, intermediate_size=80,
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=24,
            rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e6),
            tie_word_embeddings=True, attention_bias=False, use_sliding_window=False)
MOE = dict(QWEN, model_type="qwen3_moe", moe_intermediate_size=56, num_experts=6,
           num_experts_per_tok=2, norm_topk_prob=True, router_aux_loss_coef=0.01,
           decoder_sparse_step=1, mlp_only_layers=[], tie_word_embeddings=False)
YARN = dict(rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=16,
            beta_fast=32.0, beta_slow=1.0)
CASES = {  # name: config, sequences, tokens of each
    "minimax_8": (MINIMAX, 2, 41),
    "minimax_256": (dict(MINIMAX, block_size=256), 1, 300),
    "minimax_one": (MINIMAX, 3, 1),
    "minimax_7": (MINIMAX, 1, 7),
    "minimax_block": (MINIMAX, 1, 8),
    "minimax_9": (MINIMAX, 1, 9),
    "minimax_wide": (dict(MINIMAX, num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=3,
                          layer_types=["full_attention", "linear_attention", "full_attention"],
                          num_local_experts=5, num_experts_per_tok=3, tie_word_embeddings=True,
                          mlp_beta_factor=0.5, full_attn_alpha_factor=2.0), 2, 70),
    "minimax_linear": (dict(MINIMAX, num_hidden_layers=2, layer_types=["linear_attention"] * 2,
                            head_dim=16, num_attention_heads=5, num_key_value_heads=1), 1, 130),
    "minimax_m1": (M1, 2, 70),
    "minimax_m1_deep": (dict(M1, num_hidden_layers=8, attn_type_list=[0, 1] * 4, rotary_dim=32,
                             num_attention_heads=4), 1, 40),
    # Attention so small that its norm's eps counts: see QUIET.
    "minimax_m1_quiet": (dict(M1, num_hidden_layers=2, attn_type_list=[0, 1], hidden_size=32, vocab_size=96,
                              intermediate_size=32, num_attention_heads=2, num_key_value_heads=1), 1, 12),
    "qwen3": (QWEN, 2, 70),
    "qwen3_untied": (dict(QWEN, tie_word_embeddings=False, num_key_value_heads=1, head_dim=32), 1, 33),
    "qwen3_yarn": (dict(QWEN, rope_parameters=YARN, max_position_embeddings=64), 1, 60),
    "qwen3_moe": (MOE, 2, 50),
    "qwen3_moe_top1": (dict(MOE, num_experts=4, num_experts_per_tok=1, head_dim=96,
                            mlp_only_layers=[1], tie_word_embeddings=True), 1, 65),
    "qwen3_moe_raw": (dict(MOE, norm_topk_prob=False, num_experts_per_tok=4), 1, 20),
}


QUIET = 0.25  # of the formula's lightning_qkv, in cases named so: the outputs shrink by its third power


def build(config):
    kwargs = dict(config)
    kind = kwargs.pop("model_type")
    if kind.startswith("minimax"):
        if kind == "minimax_m1":
            names = {"layernorm_linear_attention": "linear_attn", "layernorm_full_attention": "full_attn",
                     "layernorm_mlp": "mlp"}
            for old, new in names.items():
                for factor in ("alpha", "beta"):
                    kwargs[f"{new}_{factor}_factor"] = kwargs.pop(f"{old}_{factor}")
            kwargs["layer_types"] = [["linear_attention", "full_attention"][t]
                                     for t in kwargs.pop("attn_type_list")]
            kwargs["rope_parameters"] = dict(rope_type="default", rope_theta=kwargs.pop("rope_theta"))
            del kwargs["postnorm"], kwargs["rotary_dim"]
        hf = transformers.MiniMaxConfig(**kwargs)
        cls = transformers.MiniMaxForCausalLM
    elif kind == "qwen3":
        hf, cls = transformers.Qwen3Config(**kwargs), transformers.Qwen3ForCausalLM
    else:
        hf, cls = transformers.Qwen3MoeConfig(**kwargs), transformers.Qwen3MoeForCausalLM
    hf._attn_implementation = "eager"
    if hasattr(hf, "_experts_implementation"):
        hf._experts_implementation = "eager"
    model = cls(hf).to(torch.float32)
    model.train()  # gradients; no dropout in any of them
    with torch.no_grad():
        for key, p, rows in roles(model):
            target = part(p, rows)
            target.copy_(weight(key, tuple(target.shape)))
    if kind == "minimax_m1":
        as_m1(model, config)
    return model, kind


def run(model, config, ids, sparse):
    out = model(ids, use_cache=False, **(dict(output_router_logits=True) if sparse else {}))
    logp = torch.log_softmax(out.logits, dim=-1)
    aux = out.aux_loss if sparse else torch.zeros(())
    loss = -logp[:, :-1].gather(-1, ids[:, 1:, None]).mean() if ids.shape[1] > 1 else logp.sum() * 0
    return out, loss + config.get("router_aux_loss_coef", 0) * aux, aux


def make(name):
    config, sequences, length = CASES[name]
    model, kind = build(config)
    with torch.no_grad():
        for key, p, _ in roles(model):
            if name.endswith("_quiet") and key.startswith("lightning_qkv"):
                p.mul_(QUIET)
    whole = hf_minimax.apply_rotary_pos_emb
    if kind == "minimax_m1":
        hf_minimax.apply_rotary_pos_emb = rope_partial(config["rotary_dim"], config["rope_theta"])
    vocab = config["vocab_size"]
    ids = torch.tensor((mix(fnv1a("ids." + name), sequences * length) % np.uint64(vocab))
                       .astype(np.int64)).reshape(sequences, length)
    out, loss, aux = run(model, config, ids, kind != "qwen3")
    exact(model)
    run(model, config, ids, kind != "qwen3")[1].backward()
    hf_minimax.apply_rotary_pos_emb = whole
    count = min(16, length)
    rows = torch.tensor(sorted({int(i * (length - 1) / max(count - 1, 1)) for i in range(count)}))
    store = {"ids": ids, "rows": rows, "logits": out.logits[-1, rows].detach().contiguous(),
             "loss": loss.detach().reshape(1), "aux": aux.detach().reshape(1).to(torch.float32)}
    for key, p, rows_of in roles(model):
        grad = part(p.grad if p.grad is not None else torch.zeros_like(p), rows_of)
        grad = grad.detach().reshape(-1)
        places = torch.tensor((mix(fnv1a("places." + key), 256) % np.uint64(grad.numel()))
                              .astype(np.int64))
        norm = grad.double().norm().to(torch.float32).reshape(1)
        store["grad." + key] = torch.cat([norm, grad[places].to(torch.float32)])
    save_file(store, OUT / f"{name}.safetensors")
    (OUT / f"{name}.json").write_text(json.dumps(config, indent=1) + "\n")
    print(f"{name}: loss {float(loss.detach()):.6f}, {len(store)} tensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    for case in sys.argv[1:] or CASES:
        make(case)
