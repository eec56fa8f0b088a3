# SPDX-License-Identifier: MIT
"""The Python client against the running service: see serve_client.sh."""
import asyncio
import os
import threading
import time

from serve_lib import ONE, TWO, Service, check, gold, tests

from assay_client import AssayError, AsyncClient, Client, NoVerdict
from assay_client.env import AssayEnv
from assay_client.rewards import trl_reward, verl_score

SERVICE = Service("quick", "-j", "2")
CLIENT = Client(SERVICE.url, timeout=60)


def verdicts():
    check(CLIENT.version()["name"] == "assay" and CLIENT.suites()[0]["name"] == "quick")
    check(len(CLIENT.instances("quick")) == 21)
    check(CLIENT.grade(ONE, gold(ONE))["resolved"])
    many = CLIENT.grade_many([{"instance_id": ONE, "patch": ""}, {"instance_id": TWO, "patch": gold(TWO)}])
    check([v["reward"] for v in many] == [0, 1], many)
    job = CLIENT.submit([{"instance_id": TWO, "patch": "later"}])[0]
    while CLIENT.job(job)["state"] != "finished":
        time.sleep(0.05)
    for call, status in ((lambda: CLIENT.grade("nosuch", ""), 404), (lambda: CLIENT.grade(ONE, "", format="no"), 400),
                         (lambda: CLIENT.job("nosuch"), 404)):
        try:
            call()
            check(False, "not refused")
        except AssayError as error:
            check(error.status == status, error)


def episodes():
    with CLIENT.open_episode(ONE, seed=3, shell="fresh") as episode:
        check(episode.problem and episode.tools and episode.workdir == "/testbed")
        check(episode.step("bash", command="echo a >new.txt; exit 4").exit_code == 4)
        with episode.fork() as fork:
            check("+a" in fork.patch() and fork.grade().reward == 0)
        episode.step("apply_patch", patch=gold(ONE))
        last = episode.step("submit")
        check(last.over and last.terminated and last.reward == 1, last)
    check(CLIENT.episodes() == [])


def environment():
    env = AssayEnv(CLIENT)
    seen, info = env.reset(seed=1, options={"instance_id": TWO, "turns": 2})
    check(seen and info["instance_id"] == TWO and info["tools"], info)
    seen, reward, terminated, truncated, _ = env.step({"tool": "apply_patch", "arguments": {"patch": gold(TWO)}})
    check(reward == 0 and not terminated and not truncated)
    seen, reward, terminated, truncated, info = env.step({"tool": "bash", "arguments": {"command": "ls"}})
    check(reward == 1 and truncated and not terminated and info["cause"] == "turn_limit", reward, info)
    env.reset(seed=2)
    env.close()
    check(CLIENT.episodes() == [])


def trainers():
    reward = trl_reward(CLIENT)
    told = reward(prompts=["a", "b"], completions=[gold(ONE), [{"role": "assistant", "content": "no"}]],
                  instance_id=[ONE, TWO], other=[1, 2])
    check(told == [1, 0], told)
    check(reward(completions=["a\0b\ud800", "\0"], instance_id=[ONE, TWO]) == [0, 0], "what a model may say has a reward")
    score = verl_score(CLIENT)
    check(score("assay", gold(TWO), TWO)["score"] == 1)
    check(score("assay", "", "?", {"instance_id": TWO})["score"] == 0)
    tree = os.path.join(os.environ["ASSAY_HOME"], "trees")
    os.rename(tree, tree + ".away")
    try:
        check(reward(completions=["x" + gold(ONE)], instance_id=[ONE]) == [None])
        try:
            score("assay", "x" + gold(ONE), ONE)
            check(False, "a score without a verdict")
        except NoVerdict:
            pass
    finally:
        os.rename(tree + ".away", tree)


def many_at_once():
    async def play():
        client = AsyncClient(SERVICE.url)
        told = await asyncio.gather(*(client.grade(TWO if i % 2 else ONE, gold(TWO if i % 2 else ONE)) for i in range(20)))
        check(all(v["reward"] == 1 for v in told))
        episode = await client.open_episode(ONE)
        check((await client.step(episode, "bash", command="echo hi")).text == "hi\n")
        await client.close(episode)

    asyncio.run(play())
    heard = []

    def listen():
        for event in CLIENT.events():
            heard.append(event)
            break

    thread = threading.Thread(target=listen)
    thread.start()
    time.sleep(0.3)
    CLIENT.grade(ONE, "heard")
    thread.join(20)
    check(heard and heard[0]["instance_id"] == ONE, heard)


def a_service_that_comes_back():
    """Asked while it is away, and answered when it is there again."""
    first = Service("quick")
    client = Client(first.url, tries=10)
    first.kill()
    told = []
    thread = threading.Thread(target=lambda: told.append(client.grade(ONE, gold(ONE))))
    thread.start()
    time.sleep(0.3)
    second = Service("quick", listen=f"127.0.0.1:{first.port}")
    thread.join(60)
    check(told and told[0]["reward"] == 1, told)
    second.stop()


if __name__ == "__main__":
    try:
        tests(verdicts, episodes, environment, trainers, many_at_once, a_service_that_comes_back)
    finally:
        SERVICE.stop()
