# SPDX-License-Identifier: MIT
"""The service as unmodified clients from PyPI use it. Prints a row of the table of tests/conformance/run."""
import asyncio
import importlib.metadata
import os
import sys

from record import Recorder
from serve_lib import ASSAY, ONE, QUICK, TWO, Service, check, gold


async def openenv(service):
    from openenv.core.generic_client import GenericEnvClient
    from openenv.core.mcp_client import MCPToolClient

    rewards = []
    for instance, patch in ((ONE, gold(ONE)), (TWO, gold(TWO)), (ONE, None)):
        async with GenericEnvClient(base_url=service.url) as env:
            first = await env.reset(instance_id=instance, seed=1)
            check(first.observation["instance_id"] == instance and not first.done)
            seen = await env.step({"tool": "bash", "arguments": {"command": "pwd"}})
            check(seen.observation["text"] == "/testbed\n", seen)
            if patch:
                await env.step({"tool": "apply_patch", "arguments": {"patch": patch}})
            last = await env.step({"tool": "submit"})
            check(last.done and (await env.state())["step_count"] == 2 + bool(patch), last)
            rewards.append(last.reward)
    check(rewards == [1, 1, 0], rewards)
    for production in (False, True):
        async with MCPToolClient(base_url=service.url) as env:
            env.use_production_mode = production
            if not production:
                await env.reset(instance_id=TWO)
            check("bash" in [tool.name for tool in await env.list_tools()])
            check("/testbed" in str(await env.call_tool("bash", command="pwd")))
    if "ASSAY_RECORD" not in os.environ:  # a step that takes longer than the client's own pings may wait
        async with GenericEnvClient(base_url=service.url) as env:
            await env.reset(instance_id=ONE)
            seen = await env.step({"tool": "bash", "arguments": {"command": "sleep 45; echo x"}})
            check(seen.observation["text"] == "x\n", seen)
    return f"openenv-core {importlib.metadata.version('openenv-core')}: EnvClient, MCPToolClient in both modes"


async def mcp(service):
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    async def use(client):
        check(len((await client.list_tools()).tools) == 13)
        opened = await client.call_tool("open_episode", {"instance_id": ONE})
        episode = opened.structured_content["episode_id"]
        seen = await client.call_tool("bash", {"command": "pwd", "episode_id": episode})
        check(seen.content[0].text == "/testbed\n" and not seen.is_error, seen)
        await client.call_tool("apply_patch", {"patch": gold(ONE), "episode_id": episode})
        last = await client.call_tool("submit", {"episode_id": episode})
        check(last.structured_content["reward"] == 1, last)
        grade = await client.call_tool("grade", {"instance_id": TWO, "answer": "no"})
        check(grade.structured_content["reward"] == 0, grade)
        await client.call_tool("close_episode", {"episode_id": episode})
        return client.protocol_version

    spoken = []
    for mode in ("legacy", "auto"):
        async with Client(service.url + "/mcp", mode=mode) as client:
            spoken.append(await use(client))
        pipes = stdio_client(StdioServerParameters(command=ASSAY, args=["mcp", "quick"], env=dict(os.environ)))
        async with Client(pipes, mode=mode) as client:
            spoken.append(await use(client))
    check(len(set(spoken)) == 2, spoken)
    return f"mcp {importlib.metadata.version('mcp')}: HTTP and stdio, revisions {', '.join(sorted(set(spoken)))}"


async def ors(service):
    """Open Reward's client as it is: tasks of every split, sessions to their rewards, both ways to name an environment."""
    os.environ.update(OPENREWARD_SESSION_URL=service.url, OPENREWARD_API_URL=service.url, OPENREWARD_DISABLE_UPDATE_CHECK="1")
    from openreward import AsyncOpenReward
    from openreward.api.errors import ToolCallError

    client = AsyncOpenReward(api_key="none", base_url=service.url)
    rewards, seen = [], 0
    for variant in (None, "quick"):
        env = client.environments.get("quick", variant=variant)
        splits = await env.list_splits()
        known = {}
        for split in splits:
            tasks = await env.list_tasks(split)
            check(len(tasks) == await env.num_tasks(split) and (await env.get_task(split, 0)).task_spec == tasks[0].task_spec)
            check([t.task_spec for t in await env.get_task_range(split, -2)] == [t.task_spec for t in tasks[-2:]])
            known.update({t.task_spec["instance_id"]: t for t in tasks})
        check(len(known) == 21 and "bash" in [t.name for t in await env.list_tools()])
        seen += len(known)
        for instance, patch in ((ONE, gold(ONE)), (TWO, gold(TWO)), (ONE, None)):
            async with env.session(known[instance]) as session:
                check((await session.get_prompt())[0].text and (await session.get_messages())[0].role == "user")
                check("submit" in [t.name for t in await session.list_tools()])
                check((await session.list_tools("openai"))[0]["type"] == "function")
                told = await session.call_tool("bash", {"command": "pwd"})
                check(told.blocks[0].text == "/testbed\n" and told.reward is None and not told.finished, told)
                if patch:
                    await session.call_tool("apply_patch", {"patch": patch})
                last = await session.call_tool("submit", {})
                check(last.finished, last)
                rewards.append(last.reward)
                try:
                    await session.call_tool("bash", {"command": "ls"})
                    check(False, "a call after the end")
                except ToolCallError as error:
                    check(error.reason == "episode_finished", error)
    check(rewards == [1, 1, 0] * 2, rewards)
    # A call that takes longer than the client waits for a byte (30 s), in a session by index.
    async with client.environments.get("quick").session(split="train", index=0) as session:
        told = await session.call_tool("bash", {"command": "sleep 35; echo x"})
        check(told.blocks[0].text == "x\n", told)
        try:
            await session.call_tool("nosuch", {})
            check(False, "no such tool")
        except ToolCallError as error:
            check(error.reason == "not_found", error)
    await client.environments.aclose()
    return f"openreward {importlib.metadata.version('openreward')} (Open Reward Standard): {seen} tasks listed, {len(rewards)} sessions, a call of 35 s"


async def swerex(service):
    """SWE-ReX's RemoteRuntime and RemoteDeployment over one leased episode each; what they did is graded by us."""
    import tempfile
    from swerex.deployment.remote import RemoteDeployment
    from swerex.exceptions import CommandTimeoutError, NonZeroExitCodeError, SessionDoesNotExistError, SessionExistsError
    from swerex.runtime.abstract import (BashAction, BashInterruptAction, CloseBashSessionRequest, Command, CreateBashSessionRequest,
                                         ReadFileRequest, UploadRequest, WriteFileRequest)
    from swerex.runtime.remote import RemoteRuntime

    def patch_bytes(instance):
        with open(f"{QUICK}/{instance}/gold.patch", "rb") as file:  # one has CRLF
            return file.read()

    async def raises(kind, made):
        try:
            await made
        except kind:
            return
        raise AssertionError(f"no {kind}")

    rewards = []
    for instance in (ONE, TWO):
        episode = service.post("/v1/episodes", {"instance_id": instance, "observation_bytes": 200000}).json["episode_id"]
        host = f"{service.url}/swerex/{episode}"
        if instance == ONE:
            runtime = RemoteRuntime(host=host, auth_token="none", timeout=5)
            stop = runtime.close
        else:
            deployment = RemoteDeployment(host=host, auth_token="none", timeout=5)
            await deployment.start()
            check(await deployment.is_alive())
            runtime, stop = deployment.runtime, deployment.stop
        await runtime.wait_until_alive(timeout=20)
        await raises(SessionDoesNotExistError, runtime.run_in_session(BashAction(command="pwd")))
        await runtime.create_session(CreateBashSessionRequest(startup_source=["/etc/profile"]))
        await raises(SessionExistsError, runtime.create_session(CreateBashSessionRequest()))
        seen = await runtime.run_in_session(BashAction(command="cd /testbed && export A=1; pwd"))
        check(seen.output == "/testbed\n" and seen.exit_code == 0, seen)
        check((await runtime.run_in_session(BashAction(command="echo $A; (exit 7)", check="silent"))).exit_code == 7)
        await raises(NonZeroExitCodeError, runtime.run_in_session(BashAction(command="false", error_msg="it failed")))
        await raises(CommandTimeoutError, runtime.run_in_session(BashAction(command="sleep 60", timeout=1)))
        check((await runtime.run_in_session(BashInterruptAction())).exit_code == 0)
        done = await runtime.execute(Command(command=["sh", "-c", "echo out; echo err >&2; exit 3"]))
        check((done.stdout, done.stderr, done.exit_code) == ("out\n", "err\n", 3), done)
        check((await runtime.execute(Command(command="echo $HOME | wc -l", shell=True))).stdout.strip() == "1")
        await raises(NonZeroExitCodeError, runtime.execute(Command(command=["false"], check=True)))
        text = "one\n\ttwo '\"\\ ü\n" * 500
        await runtime.write_file(WriteFileRequest(path="/tmp/notes/x.txt", content=text))
        check((await runtime.read_file(ReadFileRequest(path="/tmp/notes/x.txt"))).content == text)
        await raises(FileNotFoundError, runtime.read_file(ReadFileRequest(path="/nosuch")))
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (("fix.patch", patch_bytes(instance)), ("raw", bytes(range(256)))):
                with open(f"{folder}/{name}", "wb") as file:
                    file.write(data)
            await runtime.upload(UploadRequest(source_path=folder, target_path="/tmp/tools"))
            await runtime.upload(UploadRequest(source_path=f"{folder}/raw", target_path="/tmp/deep/er/raw"))
        await runtime.execute(Command(command=["cmp", "/tmp/tools/raw", "/tmp/deep/er/raw"], check=True))
        await runtime.run_in_session(BashAction(command="cd /testbed && patch -p1 < /tmp/tools/fix.patch"))
        await runtime.close_session(CloseBashSessionRequest())
        await stop()
        rewards.append(service.post(f"/v1/episodes/{episode}/grade", {}).json["reward"])
        service.ask("DELETE", f"/v1/episodes/{episode}")
    check(rewards == [1, 1], rewards)
    return f"swe-rex {importlib.metadata.version('swe-rex')}: RemoteRuntime and RemoteDeployment, shell, commands, files, uploads"


async def openai(service):
    """The openai client as it is: models, whole and streamed answers, texts."""
    from openai import AsyncOpenAI, NotFoundError

    async with AsyncOpenAI(base_url=service.url + "/v1", api_key="none") as client:
        model = (await client.models.list()).data[0].id
        words = {"model": model, "messages": [{"role": "user", "content": "Say something."}], "seed": 3, "max_tokens": 32}
        tools = [{"type": "function", "function": {"name": "bash", "description": "run", "parameters": {"type": "object", "properties": {}}}}]
        whole = await client.chat.completions.create(**words, logprobs=True, tools=tools, extra_body={"return_token_ids": True})
        choice = whole.choices[0]
        check(len(choice.logprobs.content) == whole.usage.completion_tokens == len(choice.token_ids), whole)
        whole = await client.chat.completions.create(**words)
        text = ""
        async for chunk in await client.chat.completions.create(**words, stream=True, stream_options={"include_usage": True}):
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        check(text == whole.choices[0].message.content and chunk.usage == whole.usage, text, whole)
        many = await asyncio.gather(*(client.chat.completions.create(**words) for _ in range(16)))
        check(all(m.choices[0].message.content == text for m in many), "together as alone")
        done = await client.completions.create(model=model, prompt="def f(", max_tokens=8, logprobs=1)
        check(len(done.choices[0].logprobs.token_logprobs) == done.usage.completion_tokens, done)
        try:
            await client.chat.completions.create(**{**words, "model": "none"})
            check(False, "another model answered")
        except NotFoundError:
            pass
    return f"openai {importlib.metadata.version('openai')}: models, chats and texts, whole and streamed, 16 at once"


async def mini(service):
    """mini-swe-agent with a model that knows nothing: every message is asked and answered, to its limit."""
    from minisweagent.agents.default import DefaultAgent
    from minisweagent.environments.local import LocalEnvironment
    from minisweagent.models.litellm_model import LitellmModel
    import yaml
    from minisweagent.config import get_config_path

    with open(get_config_path("mini"), encoding="utf-8") as file:
        config = yaml.safe_load(file)["agent"]
    model = LitellmModel(model_name="openai/tiny-chat", cost_tracking="ignore_errors",
                         model_kwargs={"api_base": service.url + "/v1", "api_key": "none", "max_tokens": 16, "temperature": 0})
    agent = DefaultAgent(model, LocalEnvironment(), **{**{k: v for k, v in config.items() if k.endswith("template")}, "step_limit": 3, "cost_limit": 0})
    result = await asyncio.to_thread(agent.run, "Do nothing.")
    said = [m for m in agent.messages if m.get("role") == "assistant"]
    check(agent.n_calls == 3 if hasattr(agent, "n_calls") else model.n_calls >= 3, agent.messages[-1])
    return f"mini-swe-agent {importlib.metadata.version('mini-swe-agent')} against /v1/chat/completions: {len(said)} messages, {str(result)[:40]!r}".replace("|", "/")


async def main(name):
    policy = ["--policy", "tests/policy/fixtures/tiny-chat"] if name in ("openai", "mini") else []
    service = Service("quick", *policy)
    # ASSAY_RECORD: a folder for what the client sends (tests/integration/fixtures/traffic).
    recorder = Recorder(service.port) if "ASSAY_RECORD" in os.environ else None
    if recorder:
        service.url = recorder.url
    try:
        what = await {"openenv": openenv, "mcp": mcp, "ors": ors, "swerex": swerex, "openai": openai, "mini": mini}[name](service)
        await asyncio.sleep(0.5)
        check(service.get("/v1/episodes").json["open"] == 0, "an episode was left open")
    finally:
        service.stop()
        if recorder:
            recorder.write(os.path.join(os.environ["ASSAY_RECORD"], f"{name}.jsonl"))
    bound = ("all that it asked was answered", "all") if policy else ("episodes to their rewards, none left open", "all")
    print(f"| unmodified client, {what} | {bound[0]} | {bound[1]} |")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
