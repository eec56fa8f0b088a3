#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""llama_server.py FOLDER: llama.cpp's own server on loopback, with a tiny random model.

Writes FOLDER/tiny.gguf (architecture llama, a letter a token) and FOLDER/address once it listens; ends with its input.
Needs the PyPI packages xllamacpp (llama.cpp's server as a wheel), gguf and numpy.
"""
import os
import sys

import gguf
import numpy as np
import xllamacpp

WIDTH, HEADS, LAYERS, INNER, CONTEXT = 64, 4, 2, 128, 65536
SPECIALS = ["<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def letters():
    """What GPT-2 calls the bytes of plain text. There are no others: a token that is half a letter has no text of its own."""
    return [chr(256 + 9), chr(256 + 10), chr(256 + 32)] + [chr(byte) for byte in range(33, 127)]


def write_model(path):
    tokens = letters() + ["in"] + SPECIALS  # a merge, as no list may be empty
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - 2) + [gguf.TokenType.CONTROL] * 2
    rng = np.random.default_rng(1)
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(INNER)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges(["i n"])
    out.add_bos_token_id(len(tokens) - 2)
    out.add_eos_token_id(len(tokens) - 1)
    out.add_chat_template(TEMPLATE)

    def put(name, *shape):
        out.add_tensor(name, rng.normal(0, 0.05, shape).astype(np.float32))

    put("token_embd.weight", len(tokens), WIDTH)
    put("output.weight", len(tokens), WIDTH)
    out.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        block = "blk.%d." % layer
        for norm in ("attn_norm", "ffn_norm"):
            out.add_tensor(block + norm + ".weight", np.ones(WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            put(block + name + ".weight", WIDTH, WIDTH)
        put(block + "ffn_gate.weight", INNER, WIDTH)
        put(block + "ffn_up.weight", INNER, WIDTH)
        put(block + "ffn_down.weight", WIDTH, INNER)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    folder = sys.argv[1]
    path = os.path.join(folder, "tiny.gguf")
    write_model(path)
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = CONTEXT
    params.n_parallel = 2
    params.cpuparams.n_threads = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    server = xllamacpp.Server(params)
    address = server.listening_address
    with open(os.path.join(folder, "address.new"), "w") as file:
        file.write(address)
    os.rename(os.path.join(folder, "address.new"), os.path.join(folder, "address"))
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
