#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Token ids of ours beside HF tokenizers (PyPI).

    tokenizer_ids.py compare TOOL [--count N] [--seed S] [--o200k FILE] [--json FILE]...
        N fuzzed strings for each of the vocabularies below, trained here, through both. TOOL is the built
        tests/tokenize_tool. FILE of --o200k: the ranks of o200k_base as tiktoken keeps them (wheels that count
        tokens ship them; pip download litellm, tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790). --json: any
        other tokenizer.json.
    tokenizer_ids.py train ASSAY
        Vocabularies of HF's BpeTrainer and of assay model tokenizer-train from the same texts.
    tokenizer_ids.py make DIR
        The fixture of tests/policy/tokenizer_test.c.

Exit 1 when an id differs; the first strings that differ are printed.
"""

import argparse
import base64
import json
import os
import random
import struct
import subprocess
import sys
import sysconfig
import tempfile
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ADDED = [
    AddedToken("<|endoftext|>", special=True, normalized=False),
    AddedToken("<|im_start|>", special=True, normalized=False),
    AddedToken("<|im_end|>", special=True, normalized=False),
    AddedToken("<think>", special=False, normalized=False),
    AddedToken("</think>", special=False, normalized=False),
    AddedToken("<tool", special=False, normalized=False),
    AddedToken("<tool_call>", special=False, normalized=False),
    AddedToken("Caf\u00e9!", special=False, normalized=True),
    AddedToken("de\u0301ja\u0300", special=False, normalized=True),
    AddedToken("<l>", special=False, normalized=False, lstrip=True),
    AddedToken("<r>", special=False, normalized=False, rstrip=True),
    AddedToken("<lr>", special=False, normalized=True, lstrip=True, rstrip=True),
    AddedToken("word", special=False, normalized=False, single_word=True),
    AddedToken("\u6f22\u5b57", special=False, normalized=True, single_word=True),
    AddedToken("  ", special=False, normalized=True),
]


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior, invert),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


# name: (normalizer, pre-tokenizer, ignore_merges)
KINDS = {
    "gpt2": (None, pre_tokenizers.ByteLevel(add_prefix_space=False), False),
    "qwen2": (normalizers.NFC(), split(QWEN2), False),
    "o200k": (None, split(O200K), True),
    "prefix": (normalizers.NFC(), pre_tokenizers.ByteLevel(add_prefix_space=True), False),
    "whole": (None, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False), False),
    "removed": (None, split(r"\s+", "removed"), False),
    "previous": (None, split(r"[\p{P}\p{S}]", "merged_with_previous"), False),
    "next": (None, split(r"[\p{Lu}\s]", "merged_with_next"), False),
    "joined": (None, split(r"\p{N}", "contiguous"), False),
    "inverted": (None, split(r"\p{L}+|\p{N}", "removed", True), False),
}


def corpus():
    """Sources and documentation strings of the standard library, and a line of each script."""
    folder = sysconfig.get_paths()["stdlib"]
    for name in sorted(os.listdir(folder))[:120]:
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8", errors="ignore") as source:
                yield source.read()
    for first in range(0x80, 0x30000, 0x40):
        yield " ".join(chr(c) for c in range(first, first + 0x40) if unicodedata.category(chr(c))[0] != "C")


def build(kind, vocab_size):
    normalizer, pre, ignore = KINDS[kind]
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens(ADDED)
    return tokenizer


def from_tiktoken(path):
    """o200k_base as a tokenizer.json: the pair that made each token is found by merging its bytes up to its rank."""
    with open(path, "rb") as lines:
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    letters = bytes_to_letters()

    def pair(token, rank):
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min(
                ((ranks.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1)), key=lambda x: x[0]
            )
            if best[0] >= rank:
                return None
            parts[best[1] : best[1] + 2] = [parts[best[1]] + parts[best[1] + 1]]
        return parts

    spell = lambda token: "".join(letters[b] for b in token)
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1 and (parts := pair(token, rank)):
            merges.append((spell(parts[0]), spell(parts[1])))
    tokenizer = Tokenizer(
        models.BPE(vocab={spell(t): r for t, r in ranks.items()}, merges=merges, ignore_merges=True)
    )
    tokenizer.pre_tokenizer = split(O200K)
    tokenizer.add_tokens(ADDED)
    return tokenizer


def bytes_to_letters():
    itself = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in itself]
    return {**{b: chr(b) for b in itself}, **{b: chr(0x100 + i) for i, b in enumerate(rest)}}


# --- strings --------------------------------------------------------------------------------------

PIECES = [
    "'s", "'S", "'t", "'T", "'re", "'RE", "'ll", "'Ll", "'d", "'m", "'ve", "'\u017f", "can't", "IT'S", "we'Ve", "don't",
    " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\r", " \n", "\n ", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0",
    "\u1680", "\u180e", "\u2003", "\u200b", "\u200c", "\u200d", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff",
    "0", "1", "42", "123", "1234", "3.14", "\u0663", "\u00b2", "\u00bd", "\u2167", "\U0001d7d8", "\U00010d45",
    "a", "A", "hello", "Hello", "HELLO", "helloWorld", "XMLHttp", "snake_case", "def f(x):", "return x", "word", "words",
    "the", " the", "The ", "naive", "na\u00efve", "cafe\u0301", "Caf\u00e9!", "Cafe\u0301!", "d\u00e9j\u00e0",
    "de\u0301ja\u0300", "\u00c5", "A\u030a", "\u212b", "\u1e9b\u0323", "\uac00", "\u1100\u1161\u11a8", "\u0340", "\u0958",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f", "\U0001f1e9\U0001f1ea", "\u6f22\u5b57",
    "\u65e5\u672c\u8a9e", "\u043f\u0440\u0438\u0432\u0435\u0442", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0645\u0631\u062d\u0628\u0627",
    "\u01c5", "\u02b0", "\u0130", "\u0131", "\u00df", "\u1e9e", "\ufb01", "\u24d0", "\u00aa", "\u0300", "\u0301\u0323", "\u0323\u0301",
    "!", "!!", "?!", "...", "//", "/", "/\n", ";\n", "{", "}", "()", "=>", "->", "==", "_", "__init__", "#", "\\", '"', "'", "''", "`", "$", "+",
    "<", ">", "<|", "|>", "\x00", "\x01", "\x7f", "\u00ad", "\ue000", "\uffff", "\U0010ffff", "\U000e0001", "\u0378",
    "http://x.y/z?a=1&b=2", "import os\n", "    if x:\n        pass\n", "a" * 40, " " * 33, "\n" * 9, "=" * 80, "ab" * 20, "\u0301" * 12,
]  # fmt: skip
PIECES += [t.content for t in ADDED] * 3
MARKS = [c for c in range(0x300, 0x1F000) if unicodedata.combining(chr(c))]
BLOCKS = [b for b in range(0, 0x1FC00, 0x80) if not 0xD800 <= b < 0xE000] + [0x20000, 0x2A6C0, 0x2EBF0, 0x30000, 0x31350, 0xE0000, 0xE0100]


def any_code(rng):
    return chr(rng.choice(BLOCKS) + rng.randrange(0x80))


def script_run(rng):
    block = rng.choice(BLOCKS)
    return "".join(chr(block + rng.randrange(0x80)) for _ in range(rng.randrange(1, 9)))


def strings(count, seed):
    rng = random.Random(seed)
    makers = (
        lambda: rng.choice(PIECES),
        lambda: rng.choice(PIECES),
        lambda: rng.choice(PIECES),
        lambda: any_code(rng),
        lambda: script_run(rng),
        lambda: "".join(chr(rng.choice(MARKS)) for _ in range(rng.randrange(1, 5))),
        lambda: chr(rng.randrange(0x20, 0x7F)) * rng.choice((1, 1, 1, 2, 3, 7)),
        lambda: str(rng.randrange(10 ** rng.randrange(1, 9))),
    )
    for _ in range(count):
        yield "".join(rng.choice(makers)() for _ in range(rng.randrange(1, 9)))


# --- both sides -----------------------------------------------------------------------------------


def ours(tool, path, texts):
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        for text in texts:
            stdin.write(struct.pack("<I", len(text)) + text)
        stdin.seek(0)
        subprocess.run([tool, path], stdin=stdin, stdout=stdout, check=True)
        stdout.seek(0)
        data = memoryview(stdout.read()).cast("I")
    lists, at = [], 0
    while at < len(data):
        lists.append(data[at + 1 : at + 1 + data[at]].tolist())
        at += 1 + data[at]
    return lists


def compare(tool, name, tokenizer, count, seed, folder):
    path = os.path.join(folder, name + ".json")
    tokenizer.save(path)
    different = 0
    for first in range(0, count, 50000):
        texts = list(strings(min(50000, count - first), f"{seed} {name} {first}"))
        theirs = tokenizer.encode_batch(texts, add_special_tokens=False)
        for text, wanted, got in zip(texts, theirs, ours(tool, path, [t.encode() for t in texts]), strict=True):
            if wanted.ids != got:
                different += 1
                if different <= 5:
                    print(f"{name}: {text!r}\n  HF   {wanted.ids}\n  ours {got}", file=sys.stderr)
    print(f"{name}: {count - different} of {count} equal", flush=True)
    return different


def make(folder):
    os.makedirs(folder, exist_ok=True)
    texts = list(strings(10000, "fixture"))
    with open(os.path.join(folder, "strings.bin"), "wb") as out:
        for text in texts:
            out.write(struct.pack("<H", len(text.encode())) + text.encode())
    for kind in ("gpt2", "qwen2", "o200k"):
        tokenizer = build(kind, 1500)
        text = json.loads(tokenizer.to_str())
        with open(os.path.join(folder, kind + ".json"), "w", encoding="utf-8") as out:
            json.dump(text, out, ensure_ascii=False, separators=(",", ":"))
        with open(os.path.join(folder, kind + ".ids"), "wb") as out:
            for e in tokenizer.encode_batch(texts, add_special_tokens=False):
                out.write(struct.pack(f"<H{len(e.ids)}H", len(e.ids), *e.ids))
    make_trained(folder, texts)


def trained(texts, kind, vocab_size):
    """HF's vocabulary and merges of these texts."""
    normalizer, pre, _ = KINDS[kind]
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=["<|endoftext|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return json.loads(tokenizer.to_str())["model"]


def make_trained(folder, texts):
    for kind in ("gpt2", "qwen2", "o200k"):
        model = trained(texts, kind, 1200)
        with open(os.path.join(folder, kind + ".merges"), "w", encoding="utf-8") as out:
            out.writelines(f"{left} {right}\n" for left, right in model["merges"])


def train(assay):
    """HF's trainer beside assay model tokenizer-train on the standard library's sources."""
    different = 0
    texts = [text for text in corpus()]
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, text in enumerate(texts):
            paths.append(os.path.join(folder, f"{number}.txt"))
            with open(paths[-1], "w", encoding="utf-8", newline="") as out:
                out.write(text)
        for kind in ("gpt2", "qwen2", "o200k"):
            made = os.path.join(folder, kind + ".json")
            command = [assay, "model", "tokenizer-train", *paths, "--vocab", "6000", "--pattern", kind, "--out", made]
            subprocess.run([*command, "--special", "<|endoftext|>", "--special", "<|im_end|>"], check=True)
            wanted = trained(texts, kind, 6000)
            got = json.loads(Tokenizer.from_file(made).to_str())["model"]
            same = got["vocab"] == wanted["vocab"] and got["merges"] == wanted["merges"]
            print(f"train {kind}: {'equal' if same else 'different'}", flush=True)
            different += not same
    return different


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=("compare", "make", "train"))
    parser.add_argument("path")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--o200k")
    parser.add_argument("--only")
    parser.add_argument("--json", action="append", default=[])
    options = parser.parse_args()
    if options.verb == "make":
        make(options.path)
        return 0
    if options.verb == "train":
        return 1 if train(options.path) else 0
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(k for k in KINDS if options.only in (None, k)):
            tokenizer = build(kind, 2000 + 500 * (number % 9))
            different += compare(options.path, kind, tokenizer, options.count, options.seed, folder)
        if options.o200k:
            different += compare(
                options.path, "o200k_base", from_tiktoken(options.o200k), options.count, options.seed, folder
            )
        for path in options.json:
            name = os.path.basename(path)
            different += compare(options.path, name, Tokenizer.from_file(path), options.count, options.seed, folder)
    return 1 if different else 0


sys.exit(main())
