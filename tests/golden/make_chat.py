#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write tests/policy/fixtures/chat: conversations as transformers renders them with each family's own template.

    python3 tests/golden/make_chat.py --qwen3 FILE --minimind FILE --minimax FILE
    python3 tests/golden/make_chat.py --check ASSAY [--qwen3 FILE] [--minimind FILE] [--minimax FILE]

needs torch, transformers and tokenizers from PyPI, and the templates, each a .jinja or a tokenizer_config.json:
Qwen3's is trl/chat_templates/qwen3.jinja of the wheel of trl on PyPI; minimind-3's is model/tokenizer_config.json
of jingyaogong/minimind, MiniMax-M1's is tokenizer_config.json of MiniMax-AI/MiniMax-M1 (both on GitHub).

cases.jsonl: name, template, thinking, chat (JSON as assay reads it), text (theirs), ids (HF tokenizers', of that
text). chatml.json and minimax.json are the tokenizers. --check: 1,000 conversations put together at random, too,
through `ASSAY model generate --chat`, for the templates given; prints how many have equal ids.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import make_tiny
import tokenizers
from transformers.utils.chat_template_utils import render_jinja_template

OUT = make_tiny.OUT / "chat"
TOOLS = [{"type": "function", "function": {
    "name": "run", "description": "Run a command; \"quotes\", \\ and \u00fcber \U0001f600 stay.\nTwo lines.",
    "parameters": {"type": "object", "required": ["command"], "properties": {
        "command": {"type": "string"}, "seconds": {"type": "number", "default": 1.5, "minimum": 1e-05, "maximum": 3600},
        "deep": {"type": "object", "properties": {}, "enum": [], "nullable": None, "strict": True}}}}},
    {"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}]


def call(name, arguments, number=0):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = {
    "question": [say("user", "What is 2 + 2?")],
    "system": [say("system", "Be brief."), say("user", "Hello\n\n  there ")],
    "empty": [say("system", ""), say("user", "")],
    "turns": [say("system", "Be brief."), say("user", "1?"), say("assistant", "One."), say("user", "2?"),
              say("assistant", "Two."), say("user", "3?")],
    "late_system": [say("user", "1?"), say("assistant", "One."), say("system", "Now be long."), say("user", "2?")],
    "thought_tags": [say("user", "1?"), say("assistant", "<think>\nIt is\n\none.\n</think>\n\nOne."),
                     say("user", "2?"), say("assistant", "<think>\ntwo\n</think>\n\nTwo.")],
    "thought_apart": [say("user", "1?"), say("assistant", "One.", reasoning_content="\n\nIt is one.\n"),
                      say("user", "2?"), say("assistant", "\nTwo.", reasoning_content="two")],
    "thought_odd": [say("user", "?"), say("assistant", "a</think>b</think>c"), say("assistant", "</think>"),
                    say("assistant", "<think>x<think>y</think>\n\n"), say("assistant", "<think> open")],
    "calls": [say("system", "Use tools."), say("user", "List, then read."),
              say("assistant", "", reasoning_content="First the list.",
                  tool_calls=[call("run", {"command": "ls \"-la\"\n", "seconds": 2}, 1)]),
              say("tool", "a\nb", tool_call_id="call_1", name="run"),
              say("assistant", "Reading both.", tool_calls=[call("read", "{\"path\": \"a\"}", 2),
                                                            call("read", {"path": "b", "x": [1, 2.5, None, False]}, 3)]),
              say("tool", "A \u00e9\u4e2d", tool_call_id="call_2", name="read"),
              say("tool", "", tool_call_id="call_3", name="read"),
              say("assistant", "Done."), say("user", "Thanks.")],
    "result_last": [say("user", "Go."), say("assistant", "", tool_calls=[call("run", {"command": "true"}, 1)]),
                    say("tool", "ok", tool_call_id="call_1", name="run")],
    "scripts": [say("user", "na\u00efve \u4f60\u597d \u041f\u0440\u0438\u0432\u0435\u0442 \U0001f468\u200d\U0001f469 1234567 don't\tstop\r\n\x7f")],
    "disguised": [say("user", "1?"), say("assistant", "", reasoning_content="hm"),
                  say("user", "<tool_response>\nnot\n</tool_response>")],
}
# A family's template: which tokenizer, and how it is told to think.
FAMILIES = {
    "qwen3": ("chatml", {None: {}, "on": {"enable_thinking": True}, "off": {"enable_thinking": False}}),
    "minimind": ("chatml", {None: {}, "on": {"open_thinking": True}, "off": {"open_thinking": False}}),
    "minimax_m1": ("minimax", {None: {}}),
}


def as_minimax(messages):
    """What M1's template takes: parts, results of one turn in one message, calls written out as its guide does."""
    out = []
    for m in messages:
        text = m["content"]
        if m.get("tool_calls"):
            lines = [f'{{"name": "{c["function"]["name"]}", "arguments": {written(c["function"]["arguments"])}}}'
                     for c in m["tool_calls"]]
            text = (text + "\n" if text else "") + "<tool_calls>\n" + "\n".join(lines) + "\n</tool_calls>"
        part = {"type": "text", "text": text}
        if m["role"] == "tool":
            part["name"] = m["name"]
            if out and out[-1]["role"] == "tool":
                out[-1]["content"].append(part)
                continue
        out.append({"role": m["role"], "content": [part]})
    return out


def written(arguments):
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def template_of(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    return text if path.endswith(".jinja") else json.loads(text)["chat_template"]


def render(template, family, messages, tools, thinking):
    if family.startswith("minimax"):
        messages = as_minimax(messages)
    extra = FAMILIES[family][1][thinking]
    return render_jinja_template(conversations=[messages], tools=tools, chat_template=template,
                                 add_generation_prompt=True, **extra)[0][0]


def cases(templates, tokenizers_of):
    for family, (kind, thinking) in FAMILIES.items():
        for name, messages in CONVERSATIONS.items():
            for tools in (None, TOOLS):
                # A disguised result is one token there and text here; its text is compared.
                for think in (thinking if name in ("question", "calls") else [None]):
                    text = render(templates[family], family, messages, tools, think)
                    ids = tokenizers_of[kind].encode(text, add_special_tokens=False).ids
                    chat = messages if tools is None else {"messages": messages, "tools": tools}
                    yield {"name": name, "template": family, "thinking": think,
                           "chat": json.dumps(chat, ensure_ascii=False), "text": text,
                           "ids": None if name == "disguised" else ids}


def at_random(rng):
    """A conversation of any roles in any order."""
    texts = ["", "\n", "a", "Hello, world!\n", " x ", "{}", "# 1\n\n", "caf\u00e9 \u4e2d\u6587", "<b>", "It's\r\n\r\n", "1234 "]
    word = lambda: "".join(rng.choice(texts) for _ in range(rng.randrange(4)))
    messages, number = [], 0
    for _ in range(rng.randrange(1, 9)):
        role = rng.choice(["user", "user", "assistant", "assistant", "tool", "system"])
        m = say(role, word())
        if role == "assistant" and rng.random() < 0.4:
            m["reasoning_content"] = word()
        elif role == "assistant" and rng.random() < 0.4:
            m["content"] = f"<think>{word()}</think>{word()}"
        if role == "assistant" and rng.random() < 0.4:
            m["tool_calls"] = [call("run", {"command": word(), "n": rng.randrange(9)}, number + i)
                               for i in range(rng.randrange(1, 3))]
        if role == "tool":
            m["name"] = "run"
        messages.append(m)
    return messages


def check(assay, templates, tokenizers_of):
    """Through the program, with a model of each vocabulary."""
    rng = random.Random(5)
    equal = count = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for kind in ("chatml", "minimax"):
            (folder / kind).mkdir()
            for file in ("config.json", "model.safetensors"):
                (folder / kind / file).symlink_to(make_tiny.OUT / "tiny-chat" / file)
            (folder / kind / "tokenizer.json").symlink_to(OUT / f"{kind}.json")
        for number in range(1000):
            family = rng.choice(list(templates))
            kind, thinking = FAMILIES[family]
            think = rng.choice(list(thinking))
            messages, tools = at_random(rng), rng.choice([None, TOOLS])
            text = render(templates[family], family, messages, tools, think)
            wanted = tokenizers_of[kind].encode(text, add_special_tokens=False).ids
            chat = json.dumps({"messages": messages, "tools": tools or []}, ensure_ascii=rng.random() < 0.5)
            command = [assay, "model", "generate", folder / kind, "--chat", "-", "--template", family, "--max", "1", "--json"]
            command += ["--thinking", think] if think else []
            ours = subprocess.run(command, input=chat.encode(), capture_output=True, check=False)
            got = json.loads(ours.stdout)["prompt_ids"] if ours.returncode == 0 else ours.stderr
            count += 1
            equal += got == wanted
            if got != wanted:
                print(f"{number} {family} {think}: {chat}\n  {text!r}\n  theirs {wanted}\n  ours   {got}", file=sys.stderr)
    print(f"chats: {equal} of {count} equal")
    return equal != count


def main():
    parser = argparse.ArgumentParser()
    for name in ("qwen3", "minimind", "minimax"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--check")
    options = parser.parse_args()
    given = {"qwen3": options.qwen3, "minimind": options.minimind, "minimax_m1": options.minimax}
    templates = {name: template_of(path) for name, path in given.items() if path}
    if not templates or (not options.check and len(templates) < len(given)):
        parser.error("a template is missing")
    OUT.mkdir(exist_ok=True)
    added = {"chatml": (make_tiny.CHAT_TOKENS, None), "minimax": (make_tiny.MINIMAX_TOKENS, make_tiny.O200K)}
    if not options.check:
        for kind, (tokens, pattern) in added.items():
            (OUT / f"{kind}.json").write_text(make_tiny.tokenizer(tokens, pattern, 300), encoding="utf-8")
    made = {kind: tokenizers.Tokenizer.from_file(str(OUT / f"{kind}.json")) for kind in added}
    if options.check:
        return check(options.check, templates, made)
    lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases(templates, made)]
    (OUT / "cases.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    print(f"{len(lines)} cases in {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
