#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make.py ASSAY: read families.txt, write table.jsonl: what tasks/repair.c draws from.

ASSAY is the program, whose `suite mutants` lists what can be broken. Every expected value and every
failure in the table is what Python gave here for the program and the call. The same families and
the same Python make the same table. README.md has both formats.
"""
import builtins
import io
import json
import keyword
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import tokenize

HERE = os.path.dirname(os.path.abspath(__file__))
CELLS = 3  # sets of constants and inputs of each program
MUTANTS_MAX = 48  # of each program
VARIABLES_MAX = 4  # of them wrong_variable, of which there are by far the most
SECONDS_MAX = 0.25
VALUE_MAX = 40
STAND_IN = 7919  # for a drawn number while mutants are listed: it stands nowhere else
NAME = re.compile(r"\$([A-Za-z_]+)")
NUMBER = re.compile(r"@([A-Z])")
PLAIN = re.compile(r"\bq([A-Za-z_]+)q\b")


class Draw:
    """What a call in families.txt may ask for between backticks."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def r(self, low, high):
        return str(self.rng.randint(low, high))

    def pick(self, *values):
        return self.rng.choice(values)

    def w(self, count):
        return "".join(self.rng.choice("abcdefgh") for _ in range(count))

    def W(self, count):
        return self.w(count).upper()

    def word(self, count):
        return '"%s"' % self.w(count)

    def runs(self, count):
        return '"%s"' % "".join(
            self.rng.choice("abc") * self.rng.randint(1, 3) for _ in range(count))

    def ints(self, count):
        return repr(self.rng.sample(range(1, 10), count))

    def fill(self, text):
        names = {name: getattr(self, name) for name in dir(self) if name[0] != "_"}

        def one(match):
            value = eval(match.group(1), {"__builtins__": {}}, names)
            quoted = text[:match.start()].count('"') % 2 == 1
            picked = match.group(1).startswith("pick") and isinstance(value, str)
            return '"%s"' % value if picked and not quoted else str(value)

        return re.sub(r"`([^`]*)`", one, text)


def read_families(path):
    families, family = [], None
    for line in open(path):
        line = line.rstrip("\n")
        if line.startswith("= "):
            words = line.split()
            family = {"family": words[1], "unseen": words[2:] == ["unseen"], "names": {},
                      "numbers": {}, "programs": [], "calls": []}
            families.append(family)
        elif line.startswith("$") and not family["programs"]:
            words = line[1:].split()
            family["names"][words[0]] = words[1:]
        elif line.startswith("@"):
            words = line[1:].split()
            family["numbers"][words[0]] = [int(word) for word in words[1:]]
        elif line == "--":
            family["programs"].append([])
        elif line.startswith("> "):
            family["calls"].append(line[2:])
        elif family and family["programs"] and not family["calls"]:
            family["programs"][-1].append(line)
    return families


def identifiers(text):
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def choose_names(family, code, calls):
    """Of each placeholder the names that can mean nothing else in the program."""
    fixed = identifiers("\n".join([PLAIN.sub("_", plain(line)) for line in code + calls]) + "\n")
    taken = fixed | set(keyword.kwlist) | set(dir(builtins)) | {"self", "unittest", "got"}
    names = {}
    for place, pool in family["names"].items():
        names[place] = [name for name in pool if name not in taken]
        if not names[place]:
            sys.exit("%s: no name is left for $%s" % (family["family"], place))
        taken |= set(names[place])
    return names


def plain(text):
    return NAME.sub(r"q\1q", text)


def templated(text):
    return PLAIN.sub(r"$\1", text)


class Slow(Exception):
    pass


def on_alarm(signum, frame):
    raise Slow()


def is_bare(text):
    """Compared as text by the tests that are drawn (tasks/repair.c)."""
    return not re.search("[0-9'\"]", text)


def run(code, call, wanted=None):
    """What a call gives: its value as text, or "!" and the exception as text; None: no end.

    A value that a test takes for `wanted` is `wanted`: 1 and 1.0 are equal.
    """
    space = {}
    steps = [step.strip() for step in call.split(";")] if ";" in call and "(" in call else [call]
    if '"' in call and any(step.count('"') % 2 for step in steps):
        steps = [call]  # a semicolon in a string
    signal.setitimer(signal.ITIMER_REAL, SECONDS_MAX)
    try:
        exec(code, space)
        for step in steps[:-1]:
            exec(step, space)
        value = eval(steps[-1], space)
        text = repr(value)
        if wanted is not None and not is_bare(wanted) and value == eval(wanted):
            text = wanted
    except Slow:
        return None, steps
    except RecursionError:
        text = "!RecursionError: maximum recursion depth exceeded"
    except Exception as trouble:
        text = "!%s: %s" % (type(trouble).__name__, trouble)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if len(text) > VALUE_MAX:
        text = text[:VALUE_MAX] + "..."
    return text, steps


def list_mutants(assay, code):
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write("\n".join(code) + "\n")
        file.flush()
        lines = subprocess.run([assay, "suite", "mutants", file.name, "--json"], check=True,
                               capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def with_numbers(text, numbers):
    return NUMBER.sub(lambda match: str(numbers[match.group(1)]), text)


def is_value(text):
    try:
        return not text.endswith("...") and repr(compile(text, "", "eval") and eval(text)) == text
    except Exception:
        return False


def make_cell(family, code, seed, index):
    draw = Draw(seed)
    numbers = {name: pool[index % len(pool)] for name, pool in family["numbers"].items()}
    program = [with_numbers(line, numbers) for line in code]
    cases = []
    for call in family["calls"]:
        text = plain(with_numbers(draw.fill(call), numbers))
        if any(text == case["text"] for case in cases):
            continue
        got, steps = run("\n".join(program), text)
        if got is None or not is_value(got):
            continue  # one program of a family may know less than another
        cases.append({"text": text, "steps": steps, "value": got})
    if len(cases) < 3:
        sys.exit("%s: %d calls are too few" % (family["family"], len(cases)))
    return {"numbers": numbers, "program": program, "cases": cases}


def fails(cell, line, text):
    """Of a mutant the calls that go wrong, and how; None: some call has no end."""
    program = list(cell["program"])
    program[line - 1] = text
    wrong = []
    for index, case in enumerate(cell["cases"]):
        got, _ = run("\n".join(program), case["text"], case["value"])
        if got is None:
            return None
        if got != case["value"]:
            wrong += [index, templated(got)]
    return wrong


def make_program(assay, family, code):
    listed = {name: STAND_IN + at for at, name in enumerate(sorted(family["numbers"]))}
    code = [plain(line) for line in code]
    cells = [make_cell(family, code, "%s/%s/%d" % (family["family"], code, index), index)
             for index in range(CELLS)]
    mutants, seen, variables = [], set(), 0
    for mutant in list_mutants(assay, [with_numbers(line, listed) for line in code]):
        line, text = mutant["line"], mutant["text"]
        for name, number in listed.items():
            text = re.sub(r"\b%d\b" % number, "@" + name, text)
        # A drawn number that is another now could not be known from what is left.
        if len(NUMBER.findall(text)) != len(NUMBER.findall(code[line - 1])):
            continue
        if (line, text) in seen or re.search(r"\b79[12]\d\b", text):
            continue
        seen.add((line, text))
        wrong = [fails(cell, line, with_numbers(text, cell["numbers"])) for cell in cells]
        if None in wrong or not any(wrong):
            continue
        if mutant["operator"] == "wrong_variable":
            if variables == VARIABLES_MAX:
                continue
            variables += 1
        mutants.append([line, mutant["operator"], templated(text)] + wrong)
        if len(mutants) == MUTANTS_MAX:
            break
    return {
        "names": choose_names(family, code, [case["text"] for cell in cells
                                             for case in cell["cases"]]),
        "numbers": list(family["numbers"]),
        "code": [templated(line) for line in code],
        "cells": [[list(cell["numbers"].values())] +
                  [[templated(step) for step in case["steps"]] + [case["value"]]
                   for case in cell["cases"]] for cell in cells],
        "mutants": mutants,
    }


def main():
    signal.signal(signal.SIGALRM, on_alarm)
    counts = [0, 0, 0]
    table = os.path.join(HERE, "table.jsonl")
    with open(table + ".new", "w") as out:
        for family in read_families(os.path.join(HERE, "families.txt")):
            programs = [make_program(sys.argv[1], family, code) for code in
                        (strip(code) for code in family["programs"])]
            row = {"family": family["family"], "unseen": family["unseen"], "programs": programs}
            out.write(json.dumps(row, separators=(",", ":")) + "\n")
            counts[0] += 1
            counts[1] += len(programs)
            counts[2] += sum(len(program["mutants"]) for program in programs)
    os.rename(table + ".new", table)
    print("%d families, %d programs, %d mutants" % tuple(counts))


def strip(code):
    while code and not code[-1]:
        code = code[:-1]
    return code


if __name__ == "__main__":
    main()
