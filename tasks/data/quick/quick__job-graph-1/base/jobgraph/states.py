# SPDX-License-Identifier: MIT
import enum


class StateError(RuntimeError):
    pass


class State(enum.Enum):
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


FINAL = frozenset({State.DONE, State.FAILED, State.SKIPPED})
