# SPDX-License-Identifier: MIT
import unittest

from jobgraph import Graph, State, StateError


def chain():
    graph = Graph()
    graph.add("fetch")
    graph.add("build", ["fetch"])
    graph.add("publish", ["build"])
    return graph


class TestGraph(unittest.TestCase):
    def run_job(self, graph, name, good=True):
        graph.start(name)
        (graph.succeed if good else graph.fail)(name)

    def test_order(self):
        graph = chain()
        seen = []
        while not graph.finished:
            for name in graph.ready():
                self.run_job(graph, name)
                seen.append(name)
        self.assertEqual(seen, ["fetch", "build", "publish"])

    def test_cannot_start_a_waiting_job(self):
        with self.assertRaises(StateError):
            chain().start("build")

    def test_attempts(self):
        graph = Graph()
        graph.add("flaky", attempts=2)
        self.run_job(graph, "flaky", good=False)
        self.assertEqual(graph.ready(), ["flaky"])
        self.run_job(graph, "flaky", good=False)
        self.assertIs(graph.state("flaky"), State.FAILED)

    def test_unknown_need(self):
        with self.assertRaises(ValueError):
            Graph().add("x", ["y"])
