# SPDX-License-Identifier: MIT
"""Rewards in the shapes in which trainers ask for them: the requests are those that their sources send."""
import json
import os

from serve_lib import ONE, TWO, Service, check, gold, tests

SERVICE = Service("quick", "-j", "2")
WRONG = "I do not know."


def slime():
    ask = {"prompt": "Fix it.", "response": "Here:\n```diff\n" + gold(ONE) + "```\n", "label": ONE}
    reply = SERVICE.post("/v1/reward/slime", ask)
    check(reply.status == 200 and reply.json == 1, reply)
    check(SERVICE.post("/v1/reward/slime", {**ask, "response": WRONG}).json == 0)
    for label in ({"instance_id": ONE, "suite": "quick"}, json.dumps({"instance_id": ONE})):
        check(SERVICE.post("/v1/reward/slime", {**ask, "label": label}).json == 1)
    detail = SERVICE.post("/v1/reward/slime?detail=1", ask).json
    check(detail["score"] == 1 and detail["resolved"] is True and detail["cause"] == "ok", detail)
    for label in (None, 5, "nosuch", "{", [ONE]):
        check(SERVICE.post("/v1/reward/slime", {**ask, "label": label}).status in (400, 404), label)


def openrlhf():
    prompt = "<|user|>Fix it.<|assistant|>"
    ask = {"query": [prompt + gold(ONE), prompt + WRONG, gold(TWO)], "prompts": [prompt, prompt, prompt],
           "labels": [ONE, ONE, TWO]}
    reply = SERVICE.post("/v1/reward/openrlhf", ask).json
    check(reply["rewards"] == reply["scores"] == [1, 0, 1] == reply["extra_logs"]["resolved"], reply)
    del ask["prompts"]
    check(SERVICE.post("/v1/reward/openrlhf", ask).json["rewards"][2] == 1)
    check(SERVICE.post("/v1/reward/openrlhf", {**ask, "labels": [ONE]}).status == 400)


def verl():
    ask = {"data_source": "assay/quick", "solution_str": gold(TWO), "ground_truth": TWO, "extra_info": {"index": 3}}
    reply = SERVICE.post("/v1/reward/verl", ask).json
    check(reply["score"] == reply["reward"] == 1 and reply["resolved"], reply)
    ask = {**ask, "ground_truth": "", "extra_info": {"instance_id": TWO}, "solution_str": ""}
    check(SERVICE.post("/v1/reward/verl", ask).json["score"] == 0)


def trl():
    ask = {"prompts": ["a", "b", "c"], "instance_id": [ONE, TWO, ONE],
           "completions": [gold(ONE), WRONG, [{"role": "assistant", "content": gold(ONE)}]]}
    check(SERVICE.post("/v1/reward/trl", ask).json == [1, 0, 1])
    ask["completions"][1] = "\0\\u0000\0"  # as a model may say: no reason to end a training
    check(SERVICE.post("/v1/reward/trl", ask).json == [1, 0, 1])


def nemo():
    row = {"responses_create_params": {"input": "Fix it.", "metadata": {"instance_id": ONE}}, "extra": {"kept": [1]},
           "response": {"id": "r", "output": [
               {"type": "reasoning", "summary": []},
               {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "no"}]},
               {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": gold(ONE)[:99]},
                                                                    {"type": "output_text", "text": gold(ONE)[99:]}]}]}}
    check(SERVICE.post("/seed_session", {}).json == {})
    check(SERVICE.get("/reverify_mode").json == "stateless")
    told = SERVICE.post("/verify", row).json
    check(told["reward"] == 1.0 and told["mask_sample"] is False and told["response"] == row["response"], told)
    check(told["extra"] == row["extra"] and told["assay"]["cause"] == "ok", told)
    pieces = [{"type": "output_text", "text": "x" * 100_000}] * 150  # joined one by one they would need a gigabyte
    huge = SERVICE.post("/verify", {**row, "response": {"output": [{"type": "message", "content": pieces}]}}).json
    check(huge["assay"]["cause"] != "empty_patch", huge["assay"])
    worse = SERVICE.post("/verify", {**row, "instance_id": TWO, "reward": 7}).json
    check(worse["reward"] == 0.0, worse)
    mean = SERVICE.post("/aggregate_metrics", {"verify_responses": [told, worse, {"reward": 9, "mask_sample": True}]})
    check(mean.json["key_metrics"] == {"mean/reward": 0.5} and mean.json["masked"] == 1, mean)


def no_verdict_is_no_number():
    """Boxes that cannot be made are trouble of ours: whoever knows no null is asked to come again."""
    service = Service("quick", "-j", "1")
    tree = os.path.join(os.environ["ASSAY_HOME"], "trees")
    os.rename(tree, tree + ".away")
    try:
        ask = {"response": gold(TWO) + "\n", "label": TWO}
        reply = service.post("/v1/reward/slime", ask)
        check(reply.status == 503 and reply.headers["Retry-After"], reply)
        check(service.post("/v1/reward/slime?null=null", ask).json is None)
        told = service.post("/v1/reward/trl", {"completions": [ask["response"]], "instance_id": [TWO]}).json
        check(told == [None], told)
        row = {"instance_id": TWO, "response": {"output": [{"type": "message", "content": ask["response"]}]}}
        told = service.post("/verify", row).json
        check(told["mask_sample"] is True and told["failure_reason"], told)
    finally:
        os.rename(tree + ".away", tree)
    check(service.post("/v1/reward/slime", ask).json == 1, "the same job comes to a verdict later")
    service.stop()


if __name__ == "__main__":
    try:
        tests(slime, openrlhf, verl, trl, nemo, no_verdict_is_no_number)
    finally:
        SERVICE.stop()
