# SPDX-License-Identifier: MIT
"""Client of `assay serve`: verdicts, jobs and episodes. Standard library only.

A reward is a number or None: None is trouble of the service's own, never a score.
"""
from __future__ import annotations

import asyncio
import http.client
import json
import random
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

__all__ = ["AssayError", "AsyncClient", "Client", "Episode", "NoVerdict", "Turn"]

Json = Dict[str, Any]
BUSY = (429, 503)


class AssayError(Exception):
    """The service refused. `status` is HTTP's, `code` its own word."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


class NoVerdict(AssayError):
    """There is no verdict: not in time, or because of trouble of the service's own."""


@dataclass
class Turn:
    """What one action showed; once the episode is over, what it is worth."""

    text: str
    failed: bool
    exit_code: Optional[int]
    reward: Optional[float]
    terminated: bool
    truncated: bool
    pending: bool
    cause: str
    raw: Json = field(repr=False)

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated

    @staticmethod
    def read(raw: Json) -> "Turn":
        seen = raw.get("observation") or {}
        return Turn(seen.get("text", ""), bool(seen.get("failed", False)), seen.get("exit_code"), raw.get("reward"),
                    raw["terminated"], raw["truncated"], raw["pending"], raw["cause"], raw)


def sendable(item: Mapping[str, Any]) -> Json:
    """An item as the service can read it: what no JSON text may carry (a NUL, half of a pair) is U+FFFD."""
    return {key: value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if isinstance(value, str) else value for key, value in item.items()}


class Client:
    """One service. Thread-safe: every call has a connection of its own."""

    def __init__(self, base_url: str = "http://127.0.0.1:8080", token: Optional[str] = None, timeout: float = 180.0,
                 tries: int = 8) -> None:
        self._url = urllib.parse.urlsplit(base_url)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ValueError(f"{base_url!r} is no http URL")
        self._token, self._timeout, self._tries = token, timeout, tries

    # --- one request ---

    def _send(self, method: str, path: str, body: Optional[Mapping[str, Any]], timeout: float) -> "tuple[int, Json, float]":
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(self._url.hostname), self._url.port, timeout=timeout)
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        text = None if body is None else json.dumps(body)
        if text is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, self._url.path.rstrip("/") + path, text, headers)
            reply = connection.getresponse()
            data = reply.read()
            pause = reply.headers.get("Retry-After") or "0"
            told = json.loads(data) if data else {}
            return reply.status, told if isinstance(told, dict) else {"value": told}, float(pause if pause.isdigit() else 0)
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None, *, again: bool = False,
             timeout: Optional[float] = None) -> Json:
        """One request. `again`: it may be sent more than once, and is, while the service is busy or away."""
        for attempt in range(1, self._tries + 1):
            pause = min(0.25 * 2 ** attempt, 30.0) * (0.5 + random.random() / 2)
            last = not again or attempt == self._tries
            try:
                status, told, wanted = self._send(method, path, body, timeout or self._timeout)
            except (OSError, http.client.HTTPException):
                if last:
                    raise
                time.sleep(pause)
                continue
            if status < 400:
                return told
            if status not in BUSY or last:
                error = told.get("error", {})
                kind = NoVerdict if status == 503 else AssayError
                raise kind(status, error.get("code", "?"), error.get("message", str(told)))
            time.sleep(max(wanted, pause))
        raise AssertionError("unreachable")

    # --- verdicts ---

    def version(self) -> Json:
        return self.call("GET", "/v1/version", again=True)

    def suites(self) -> List[Json]:
        return self.call("GET", "/v1/suites", again=True)["suites"]

    def instances(self, suite: str) -> List[Json]:
        return self.call("GET", f"/v1/suites/{urllib.parse.quote(suite, safe='')}", again=True)["instances"]

    def job(self, job_id: str) -> Json:
        return self.call("GET", f"/v1/jobs/{job_id}", again=True)

    def submit(self, items: Sequence[Mapping[str, Any]]) -> List[str]:
        """Have answers graded; the ids of their jobs. An item is what POST /v1/grade takes."""
        told = self.call("POST", "/v1/grade", {"items": [sendable(item) for item in items], "wait_s": 0}, again=True)
        return [item["job_id"] for item in told["items"]]

    def grade_many(self, items: Sequence[Mapping[str, Any]], *, patience: float = 3600.0) -> List[Json]:
        """The verdict of each, in order."""
        deadline = time.monotonic() + patience
        asked = [sendable(item) for item in items]
        while True:
            left = max(0.0, deadline - time.monotonic())
            wait = int(min(left, max(1.0, self._timeout - 10)))
            told = self.call("POST", "/v1/grade", {"items": asked, "wait_s": wait}, again=True)
            if all(item["state"] == "finished" for item in told["items"]):
                return [item["verdict"] for item in told["items"]]
            if left <= 0:
                raise NoVerdict(202, "queued", "not graded in time")

    def grade(self, instance_id: str, answer: str, *, suite: Optional[str] = None, patience: float = 3600.0,
              **more: Any) -> Json:
        """The verdict of one answer: a patch in any common format, or what the task asks for."""
        item: Json = {"instance_id": instance_id, "answer": answer, **more}
        if suite is not None:
            item["suite"] = suite
        return self.grade_many([item], patience=patience)[0]

    # --- episodes ---

    def open_episode(self, instance_id: Optional[str] = None, **more: Any) -> "Episode":
        """`more`: seed, suite, turns, wall_s, cpu_s, command_s, observation_bytes, shell, idle_s."""
        body = dict(more)
        if instance_id is not None:
            body["instance_id"] = instance_id
        return Episode(self, self.call("POST", "/v1/episodes", body))

    def episodes(self) -> List[Json]:
        return self.call("GET", "/v1/episodes", again=True)["episodes"]

    def events(self) -> Iterator[Json]:
        """What is graded, as it happens, until the service ends."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(self._url.hostname), self._url.port, timeout=self._timeout)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            connection.request("GET", self._url.path.rstrip("/") + "/v1/events", None, headers)
            reply = connection.getresponse()
            while line := reply.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        finally:
            connection.close()


class Episode:
    """A leased episode. Leaving its `with` gives it back."""

    def __init__(self, client: Client, told: Json) -> None:
        self._client = client
        self.id: str = told["episode_id"]
        self.instance_id: str = told["instance_id"]
        self.workdir: str = told["workdir"]
        self.problem: str = told.get("problem", "")
        self.tools: List[Json] = told.get("tools", [])
        self.differs: int = told.get("differs", 0)

    def __enter__(self) -> "Episode":
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.close()
        except AssayError as error:
            if error.status != 404:
                raise

    def _post(self, what: str, body: Optional[Json] = None, again: bool = False) -> Json:
        return self._client.call("POST", f"/v1/episodes/{self.id}/{what}", body or {}, again=again)

    def step(self, tool: str, /, **arguments: Any) -> Turn:
        """One action. If it ends the episode, its grading is waited for."""
        turn = Turn.read(self._post("step", {"tool": tool, "arguments": arguments}))
        while turn.pending:
            graded = self._post("grade", again=True)
            turn.reward, turn.pending, turn.raw = graded["reward"], graded["pending"], {**turn.raw, **graded}
        return turn

    def grade(self) -> Turn:
        """What it is worth as it stands: it is over then."""
        while True:
            turn = Turn.read(self._post("grade", again=True))
            if not turn.pending:
                return turn

    def fork(self, turn: Optional[int] = None) -> "Episode":
        return Episode(self._client, self._post("fork", {} if turn is None else {"turn": turn}))

    def patch(self) -> str:
        """What it changed; it is over then."""
        return self._post("patch", again=True)["patch"]

    def close(self) -> None:
        self._client.call("DELETE", f"/v1/episodes/{self.id}")


class AsyncClient:
    """The functions of Client as coroutines, each on a thread of its own."""

    def __init__(self, base_url: str = "http://127.0.0.1:8080", token: Optional[str] = None, timeout: float = 180.0,
                 tries: int = 8) -> None:
        self.client = Client(base_url, token, timeout, tries)

    async def grade(self, instance_id: str, answer: str, **more: Any) -> Json:
        return await asyncio.to_thread(self.client.grade, instance_id, answer, **more)

    async def grade_many(self, items: Sequence[Mapping[str, Any]], **more: Any) -> List[Json]:
        return await asyncio.to_thread(self.client.grade_many, items, **more)

    async def open_episode(self, instance_id: Optional[str] = None, **more: Any) -> Episode:
        return await asyncio.to_thread(self.client.open_episode, instance_id, **more)

    async def step(self, episode: Episode, tool: str, /, **arguments: Any) -> Turn:
        return await asyncio.to_thread(episode.step, tool, **arguments)

    async def close(self, episode: Episode) -> None:
        await asyncio.to_thread(episode.close)
