# SPDX-License-Identifier: MIT
"""Recorded requests of unmodified clients, sent again: see serve_traffic.sh."""
import itertools
import json
import re
import threading

from serve_lib import Service, check, tests
from serve_socket import WebSocket

FOLDER = "tests/integration/fixtures/traffic"


def recorded(client):
    """The rows of each connection."""
    with open(f"{FOLDER}/{client}.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [list(group) for _, group in itertools.groupby(rows, lambda row: row["connection"])]


def openai():
    service = Service("quick", "--policy", "tests/policy/fixtures/tiny-chat")
    seen = {"whole": 0, "streamed": 0, "texts": 0, "models": 0, "refused": 0}
    for row in itertools.chain(*recorded("openai")):
        reply = service.ask(row["method"], row["path"], row["body"] or None, row["headers"])
        asked = json.loads(row["body"] or "{}")
        if asked.get("model") == "none":
            check(reply.status == 404 and reply.json["error"]["message"], reply)
            seen["refused"] += 1
            continue
        check(reply.status == 200, row, reply)
        if row["path"] == "/v1/models":
            seen["models"] += reply.json["data"][0]["object"] == "model"
        elif asked.get("stream"):
            check(reply.headers["Content-Type"] == "text/event-stream" and reply.body.endswith(b"data: [DONE]\n\n"), reply)
            chunks = [json.loads(line[6:]) for line in reply.body.decode().split("\n\n")[:-2]]
            check(chunks[-1]["usage"]["completion_tokens"] > 0 and chunks[-1]["choices"] == [], chunks[-1])
            seen["streamed"] += 1
        else:
            told = reply.json
            check(told["object"] == ("text_completion" if "prompt" in asked else "chat.completion"), told)
            if asked.get("logprobs") is True:
                check(len(told["choices"][0]["logprobs"]["content"]) == told["usage"]["completion_tokens"], told)
            seen["texts" if "prompt" in asked else "whole"] += 1
    check(all(seen.values()), seen)
    service.stop()


def openenv():
    service = Service("quick")
    rewards, replies = [], []

    def play(rows):
        taken = ("upgrade", "connection", "sec-websocket-version")
        first, messages = rows[0], [json.loads(row["message"]) for row in rows[1:]]
        socket = WebSocket(service, first["path"], [f"{k}: {v}" for k, v in first["headers"].items() if k not in taken])
        check(socket.status == 101, first)
        for message in messages:
            if message.get("type") == "close":
                break
            reply = socket.ask(message)
            check(reply.get("type") != "error" and "error" not in reply, message, reply)
            replies.append(reply)
            if reply.get("type") == "observation" and reply["data"]["done"]:
                rewards.append(reply["data"]["reward"])
        socket.close()

    threads = [threading.Thread(target=play, args=(rows,)) for rows in recorded("openenv") if "message" in rows[-1]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(sorted(rewards) == [0, 1, 1] and len(replies) > 12, rewards, len(replies))
    session = None  # ours for theirs
    for row in itertools.chain(*(rows for rows in recorded("openenv") if "message" not in rows[-1])):
        body = re.sub(r'"session_id":"\w+"', f'"session_id":"{session}"', row["body"])
        reply = service.ask(row["method"], row["path"], body or None, row["headers"])
        check(reply.status == 200 and "error" not in reply.json, row, reply)
        session = reply.json["result"].get("session_id", session)
    check(session and service.get("/v1/episodes").json["open"] == 0, "an episode was left open")
    service.stop()


tests(openai, openenv)
