# SPDX-License-Identifier: MIT
"""Jobs with dependencies. The graph hands out what may run and is told how it went."""
from .states import FINAL, State, StateError


class Job:
    def __init__(self, name, needs, attempts):
        self.name = name
        self.needs = tuple(needs)
        self.attempts_left = attempts
        self.attempts = attempts
        self.state = State.WAITING


class Graph:
    def __init__(self):
        self._jobs = {}

    def add(self, name, needs=(), attempts=1):
        if name in self._jobs:
            raise ValueError(f"job {name!r} exists")
        for need in needs:
            if need not in self._jobs:
                raise ValueError(f"job {name!r} needs unknown job {need!r}")
        self._jobs[name] = Job(name, needs, attempts)
        self._refresh()

    def state(self, name):
        return self._jobs[name].state

    @property
    def finished(self):
        return all(job.state in FINAL for job in self._jobs.values())

    def ready(self):
        """Names of the jobs that may start, in the order in which they were added."""
        return [job.name for job in self._jobs.values() if job.state is State.READY]

    def start(self, name):
        job = self._expect(name, State.READY)
        job.state = State.RUNNING
        job.attempts_left -= 1

    def succeed(self, name):
        self._expect(name, State.RUNNING).state = State.DONE
        self._refresh()

    def fail(self, name):
        """The job failed; it is ready again while it has attempts left."""
        job = self._expect(name, State.RUNNING)
        job.state = State.READY if job.attempts_left > 0 else State.FAILED
        self._refresh()

    def retry(self, name):
        """Give a failed job all of its attempts again."""
        job = self._jobs[name]
        job.attempts_left = job.attempts
        job.state = State.READY
        self._refresh()

    def _expect(self, name, state):
        job = self._jobs[name]
        if job.state is not state:
            raise StateError(f"job {name!r} is {job.state.value}, not {state.value}")
        return job

    def _refresh(self):
        # Jobs are kept in an order in which needs come first.
        for job in self._jobs.values():
            needs = [self._jobs[need].state for need in job.needs]
            if job.state is State.WAITING and all(s is State.DONE for s in needs):
                job.state = State.READY
