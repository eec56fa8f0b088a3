# SPDX-License-Identifier: MIT
"""An episode as a Gymnasium environment. Works without gymnasium, too: then it is a class with the same functions."""
from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from . import Client, Episode

try:
    from gymnasium import Env as Base
    from gymnasium.spaces import Dict as DictSpace, Text
except ImportError:  # the interface is what counts
    Base = object  # type: ignore[assignment,misc]
    DictSpace = Text = None  # type: ignore[assignment,misc]

TEXT_MAX = 1 << 20


class AssayEnv(Base):  # type: ignore[misc,valid-type]
    """Actions are {"tool": ..., "arguments": {...}}, observations texts. `reward` is 0.0 until the episode is over; a
    reward that could not be had is nan, with info["reward_missing"]."""

    metadata: Dict[str, Any] = {"render_modes": []}

    def __init__(self, client: Client, instance_id: Optional[str] = None, **options: Any) -> None:
        self._client, self._instance_id, self._options = client, instance_id, options
        self.episode: Optional[Episode] = None
        if DictSpace is not None:
            self.observation_space = Text(TEXT_MAX)
            self.action_space = DictSpace({"tool": Text(64), "arguments": Text(TEXT_MAX)})

    def reset(self, *, seed: Optional[int] = None, options: Optional[Dict[str, Any]] = None) -> Tuple[str, Dict[str, Any]]:
        if Base is not object:
            super().reset(seed=seed)
        self.close()
        more = {**self._options, **(options or {})}
        if seed is not None:
            more["seed"] = seed
        self.episode = self._client.open_episode(more.pop("instance_id", self._instance_id), **more)
        return self.episode.problem, {"episode_id": self.episode.id, "instance_id": self.episode.instance_id,
                                      "tools": self.episode.tools, "workdir": self.episode.workdir}

    def step(self, action: Dict[str, Any]) -> Tuple[str, float, bool, bool, Dict[str, Any]]:
        if self.episode is None:
            raise RuntimeError("reset comes first")
        turn = self.episode.step(action["tool"], **action.get("arguments", {}))
        missing = turn.over and turn.reward is None
        reward = float("nan") if missing else float(turn.reward or 0.0)
        return turn.text, reward, turn.terminated, turn.truncated, {"cause": turn.cause, "failed": turn.failed,
                                                                     "reward_missing": missing, "raw": turn.raw}

    def close(self) -> None:
        if self.episode is not None:
            self.episode.__exit__()
        self.episode = None
