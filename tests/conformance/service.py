# SPDX-License-Identifier: MIT
"""The service as unmodified clients from PyPI use it. Prints a row of the table of tests/conformance/run."""
import asyncio
import importlib.metadata
import os
import sys

from serve_lib import ASSAY, ONE, TWO, Service, check, gold


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
    # A step that takes longer than the client's own pings may wait.
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
    try:
        what = await {"openenv": openenv, "mcp": mcp, "openai": openai, "mini": mini}[name](service)
        await asyncio.sleep(0.5)
        check(service.get("/v1/episodes").json["open"] == 0, "an episode was left open")
    finally:
        service.stop()
    bound = ("all that it asked was answered", "all") if policy else ("episodes to their rewards, none left open", "all")
    print(f"| unmodified client, {what} | {bound[0]} | {bound[1]} |")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
