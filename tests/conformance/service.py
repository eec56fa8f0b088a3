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


async def main(name):
    service = Service("quick")
    try:
        what = await {"openenv": openenv, "mcp": mcp}[name](service)
        await asyncio.sleep(0.5)
        check(service.get("/v1/episodes").json["open"] == 0, "an episode was left open")
    finally:
        service.stop()
    print(f"| unmodified client, {what} | episodes to their rewards, none left open | all |")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
