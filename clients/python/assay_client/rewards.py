# SPDX-License-Identifier: MIT
"""Reward functions in the shapes that trainers call."""
from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from . import Client, NoVerdict

Completion = Union[str, Sequence[Dict[str, Any]]]


def last_words(completion: Completion) -> str:
    """The text of a completion: itself, or what its last message says."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1].get("content") or "") if completion else ""


def trl_reward(client: Client, patience: float = 3600.0) -> Callable[..., List[Optional[float]]]:
    """For TRL's trainers: the data set's column `instance_id` says which task a prompt is. None where there is no
    verdict, which TRL leaves out of the group."""

    def assay_reward(completions: Sequence[Completion], instance_id: Sequence[str], **_: Any) -> List[Optional[float]]:
        items = [{"instance_id": task, "answer": last_words(said)} for said, task in zip(completions, instance_id)]
        return [verdict["reward"] for verdict in client.grade_many(items, patience=patience)]

    return assay_reward


def verl_score(client: Client, patience: float = 3600.0) -> Callable[..., Dict[str, Any]]:
    """For verl's custom_reward_function. verl knows no missing reward: there, NoVerdict is raised."""

    def compute_score(data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None) -> Dict[str, Any]:
        task = (extra_info or {}).get("instance_id") if isinstance(extra_info, dict) else None
        verdict = client.grade(str(task or ground_truth), solution_str, patience=patience)
        if verdict["reward"] is None:
            raise NoVerdict(503, verdict["cause"], verdict["reason"])
        return {"score": verdict["reward"], "reward": verdict["reward"], "resolved": verdict["resolved"],
                "cause": verdict["cause"]}

    return compute_score
