# SPDX-License-Identifier: MIT
"""Mutations of test logs: what keeps most of a log readable and makes the rest strange."""

SPACES = [" ", "\t", "  ", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u1680", "\u180e",
          "\u2003", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"]
TOKENS = ["PASSED", "FAILED", "SKIPPED", "ERROR", "XFAIL", "XPASS", "PASS", "FAIL", "ok", "not ok", " ... ", "...", " ... ok",
          " ... FAIL", " ... ERROR", " ... skipped", "FAIL:", "ERROR:", "✓", "✔", "✕", "×", "✗", "✖", "✘", "○", "↓", "↩", "●", "[", "]",
          "[1]", "[100%]", "(", ")", " (3 ms)", "(12ms)", " (1.2 s)", " 5ms", " - ", " - passed", " - failed", ": .", "= .", ". ", ".F",
          "1) ", "  2) ", "---", "--- PASS: ", " (0.00s)", "test ", "BUILD SUCCESS", "BUILD FAILURE", "-Dtest=", "[junit] [PASS] ",
          " > ", "[ OK ]", "[  FAILED  ]", "[ok]: ", "[err]: ", " in ", "pass ", "skip ", "\x1b[31m", "\x1b[0m", "[32m", "\x1b",
          "PASS ", "FAIL ", "Test Suites", "  ● ", "Error:", "Error", "FAILED\n", "Starting browser", "SUMMARY:", "TOTAL", "ERRORS",
          "failures:", "[smoke]", "[unit]", "32mok", "31mFAILED", "34mINFO", "/tmp/a.qmd", "/tmp/b/", "steps", "<a>", "</a>", "{", "}",
          "\"", "\\", "\\u00e9", ",", ":", "null", "<SubCase name=\"x\">", "</SubCase>", "&amp;", "&", "success=\"true\"", "0", "٣", "é", "\U0001d7d8",
          "²", "½", "_", "\x00", "-", "/", "//", "*", "=", "E", "F", "O", "#", "# SKIP", "Executed 1 of 1", "12 passing", " ./node_modules/.bin/jest ",
          " xvfb-run ", "running 2 test files", "test_", "Testing against Django installed in", " silenced).", "None"]


def mutate_line(random_, line):
    for _ in range(random_.choice([1, 1, 2, 3])):
        at = random_.randrange(len(line) + 1)
        kind = random_.randrange(6)
        if kind == 0:
            line = line[:at] + random_.choice(SPACES) + line[at:]
        elif kind == 1:
            line = line[:at] + random_.choice(TOKENS) + line[at:]
        elif kind == 2:
            line = line[:at] + line[at + random_.choice([1, 1, 2, 5]):]
        elif kind == 3:
            words = line.split(" ")
            words[random_.randrange(len(words))] = random_.choice(TOKENS)
            line = " ".join(words)
        elif kind == 4:
            line = random_.choice(SPACES + TOKENS) + line
        else:
            line = line + random_.choice(SPACES + TOKENS)
    return line


def mutate(random_, text, pool):
    """Some lines changed, dropped, doubled, moved, joined, split, or taken from other logs."""
    lines = text.split("\n")
    if len(lines) > 250:  # a window of a long log, with its head
        at = random_.randrange(len(lines) - 200)
        lines = lines[:10] + lines[at:at + 200]
    for _ in range(random_.choice([1, 2, 3, 5, 8])):
        at = random_.randrange(len(lines))
        kind = random_.randrange(12)
        if kind < 5:
            lines[at] = mutate_line(random_, lines[at])
        elif kind == 5:
            del lines[at]
        elif kind == 6:
            lines.insert(at, random_.choice(lines))
        elif kind == 7:
            other = random_.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 8 and at + 1 < len(lines):
            lines[at:at + 2] = [lines[at] + lines[at + 1]]
        elif kind == 9:
            cut = random_.randrange(len(lines[at]) + 1)
            lines[at:at + 1] = [lines[at][:cut], lines[at][cut:]]
        elif kind == 10:
            lines.insert(at, random_.choice(pool))
        else:
            lines[at] = random_.choice(SPACES) * random_.choice([1, 2, 4]) + lines[at].lstrip()
        if not lines:
            lines = [""]
    return "\n".join(lines)
