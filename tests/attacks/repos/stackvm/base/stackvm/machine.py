# SPDX-License-Identifier: MIT
"""Words over a stack of integers; `: name ... ;` defines a word, `if ... else ... then` decides."""


class MachineError(Exception):
    pass


def _swap(stack):
    stack[-1], stack[-2] = stack[-2], stack[-1]


class Machine:
    def __init__(self):
        self.stack = []
        self.words = {}

    def _pop(self):
        if not self.stack:
            raise MachineError("the stack is empty")
        return self.stack.pop()

    def run(self, text):
        tokens = text.split()
        at = 0
        while at < len(tokens):
            at = self._step(tokens, at)
        return self.stack

    def _step(self, tokens, at):
        token = tokens[at]
        if token == ":":
            end = tokens.index(";", at)
            self.words[tokens[at + 1]] = " ".join(tokens[at + 2 : end])
            return end + 1
        if token == "if":
            return at + 1 if self._pop() else self._skip(tokens, at, ("else", "then"))
        if token == "else":
            return self._skip(tokens, at, ("then",))
        if token == "then":
            return at + 1
        self._word(token)
        return at + 1

    @staticmethod
    def _skip(tokens, at, ends):
        while tokens[at] not in ends:
            at += 1
        return at + 1

    def _word(self, token):
        if token in self.words:
            self.run(self.words[token])
        elif token in ("+", "-", "*", "/"):
            b, a = self._pop(), self._pop()
            self.stack.append({"+": a + b, "-": a - b, "*": a * b, "/": a // (b or 1)}[token])
        elif token == "dup":
            self.stack.append(self.stack[-1])
        elif token == "swap":
            _swap(self.stack)
        elif token == "drop":
            self._pop()
        else:
            self.stack.append(int(token))


def run(text):
    return Machine().run(text)
