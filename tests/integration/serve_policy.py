# SPDX-License-Identifier: MIT
"""An embedded policy as OpenAI's clients meet it: see serve_policy.sh."""
import json
import math
import threading

from serve_lib import Service, check, tests

MODEL = "tests/policy/fixtures/tiny-chat"
CHAT = "/v1/chat/completions"
ASK = {"model": "tiny-chat", "messages": [{"role": "user", "content": "Say something."}], "max_tokens": 24, "seed": 7,
       "logprobs": True, "return_token_ids": True}
TOOLS = [{"type": "function", "function": {"name": "bash", "description": "run", "parameters": {"type": "object"}}}]
service = None


def ask(path=CHAT, **more):
    reply = service.post(path, {**ASK, **more})
    check(reply.status == 200, reply)
    return reply.json


def stream(path=CHAT, **more):
    """The chunks of a streamed answer."""
    reply = service.post(path, {**ASK, **more, "stream": True})
    check(reply.status == 200 and reply.headers["Content-Type"] == "text/event-stream", reply)
    lines = [line[6:] for line in reply.body.decode().split("\n\n") if line]
    check(lines[-1] == "[DONE]", lines[-1])
    return [json.loads(line) for line in lines[:-1]]


def the_model():
    models = service.get("/v1/models").json
    check(models["object"] == "list" and models["data"][0]["id"] == "tiny-chat", models)


def an_answer_is_what_was_sampled():
    first = ask()
    choice, usage = first["choices"][0], first["usage"]
    check(first["object"] == "chat.completion" and choice["message"]["role"] == "assistant", first)
    check(choice["finish_reason"] in ("stop", "length") and usage["completion_tokens"] == len(choice["token_ids"]), first)
    check(usage["prompt_tokens"] == len(first["prompt_token_ids"]), usage)
    told = choice["logprobs"]["content"]
    check(len(told) == len(choice["token_ids"]) and all(t["logprob"] <= 0 and math.isfinite(t["logprob"]) for t in told), told)
    again = ask()
    check(again["choices"] == first["choices"], "the same seed, another answer")
    check(ask(seed=8)["choices"][0]["token_ids"] != choice["token_ids"], "another seed, the same answer")
    # The ids that it says it read, given back as they are: the same ids come out, as likely.
    text = ask("/v1/completions", messages=None, prompt=first["prompt_token_ids"], logprobs=0)
    check(text["object"] == "text_completion" and text["choices"][0]["token_ids"] == choice["token_ids"], text)
    check(text["choices"][0]["logprobs"]["token_logprobs"] == [t["logprob"] for t in told], text)
    greedy = ask(temperature=0)["choices"][0]["token_ids"]
    check(greedy == ask(temperature=0, seed=99)["choices"][0]["token_ids"], "greedy answers have no seed")
    many = ask(n=3)
    check([c["index"] for c in many["choices"]] == [0, 1, 2] and many["choices"][0]["token_ids"] == choice["token_ids"], many)


def streamed_it_is_the_same():
    whole = ask()["choices"][0]
    chunks = stream(stream_options={"include_usage": True})
    check(chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == len(whole["token_ids"]), chunks[-1])
    parts = [c["choices"][0] for c in chunks[:-1]]
    check(len(parts) > 2 and parts[0]["delta"]["role"] == "assistant", parts[0])
    check("".join(p["delta"].get("content", "") for p in parts) == whole["message"]["content"], "the text")
    check(sum((p["token_ids"] for p in parts), []) == whole["token_ids"], "the ids")
    check(sum((p["logprobs"]["content"] for p in parts), []) == whole["logprobs"]["content"], "the log-probabilities")
    check([p["finish_reason"] for p in parts] == [None] * (len(parts) - 1) + [whole["finish_reason"]], "why it ended")
    text = stream("/v1/completions", messages=None, prompt="def f(", logprobs=1)
    check("".join(c["choices"][0]["text"] for c in text) == ask("/v1/completions", messages=None, prompt="def f(", logprobs=1)["choices"][0]["text"], text)


def it_stops_where_it_is_told():
    whole = ask(temperature=0)["choices"][0]["message"]["content"]
    stop = whole[len(whole) // 2:][:3]
    check(stop, "the fixture says too little:", whole)
    cut = ask(temperature=0, stop=[stop, "never said"])["choices"][0]
    check(cut["message"]["content"] == whole[:whole.index(stop)] and cut["finish_reason"] == "stop", whole, cut)
    parts = [c["choices"][0] for c in stream(temperature=0, stop=stop)]
    check("".join(p["delta"].get("content", "") for p in parts) == cut["message"]["content"], "streamed", parts)
    check(ask(max_completion_tokens=3)["usage"]["completion_tokens"] <= 3)


def tools_are_told_of():
    plain = ask()["usage"]["prompt_tokens"]
    told = ask(tools=TOOLS, parallel_tool_calls=True)
    check(told["usage"]["prompt_tokens"] > plain, "the tools are in the prompt")
    check(ask(tools=TOOLS, tool_choice="none")["usage"]["prompt_tokens"] == plain, "no tools are")
    history = [{"role": "user", "content": [{"type": "text", "text": "Go."}]},
               {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "bash", "arguments": "{\"command\": \"ls\"}"}}]},
               {"role": "tool", "tool_call_id": "1", "content": "a.py"}]
    check(ask(messages=history, tools=TOOLS)["choices"][0]["message"]["role"] == "assistant")


def together_as_alone():
    alone = {seed: ask(seed=seed)["choices"] for seed in range(8)}
    got = {}
    threads = [threading.Thread(target=lambda s=seed: got.update({s: ask(seed=s)["choices"]})) for seed in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(got == alone, "what others ask changes an answer")


def bad_requests():
    for change, status in (({"model": "gpt-none"}, 404), ({"messages": []}, 400), ({"messages": "x"}, 400), ({"messages": [{"role": "boss", "content": ""}]}, 400),
                           ({"temperature": -1}, 400), ({"temperature": "hot"}, 400), ({"top_p": 2}, 400), ({"max_tokens": 0}, 400), ({"max_tokens": 10**9}, 400),
                           ({"n": 1000}, 400), ({"stop": 5}, 400), ({"stop": [""]}, 400), ({"stop": list("abcde")}, 400), ({"top_logprobs": 5}, 400), ({"nosuch": 1}, 400),
                           ({"tool_choice": "required", "tools": TOOLS}, 400), ({"response_format": {"type": "json_object"}}, 400), ({"frequency_penalty": 1}, 400),
                           ({"stream": "yes"}, 400), ({"seed": -1}, 400)):
        reply = service.post(CHAT, {**ASK, **change})
        check(reply.status == status and reply.json["error"]["message"], change, reply)
    for prompt in (None, "", [], ["a", "b"], [-1], [1.5], [10**9], {"a": 1}):
        reply = service.post("/v1/completions", {"model": "tiny-chat", "prompt": prompt})
        check(reply.status == 400, prompt, reply)
    check(service.get("/healthz").status == 200)


def without_a_policy():
    service.stop()
    other = Service("quick")
    check(other.get("/v1/models").json["data"] == [], "no model")
    reply = other.post(CHAT, ASK)
    check(reply.status == 404 and "--policy" in reply.json["error"]["message"], reply)
    other.stop()


service = Service("quick", "--policy", MODEL)
tests(the_model, an_answer_is_what_was_sampled, streamed_it_is_the_same, it_stops_where_it_is_told, tools_are_told_of, together_as_alone, bad_requests, without_a_policy)
