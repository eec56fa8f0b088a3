#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: every assay command in a fenced block of a page runs as written and exits 0, and
# every `assay ...` in the text names a real command with real options.
. "$(dirname "$0")/lib.sh"

cd "$ROOT"
/usr/bin/python3 - "$ASSAY" "$WORK" <<'PY'
import atexit, glob, os, re, shlex, subprocess, sys
assay, work = sys.argv[1:]
pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
pages += sorted(glob.glob("*/README.md") + glob.glob("docs/*.md") + glob.glob("tasks/data/*/README.md")
                + glob.glob("tasks/data/README.md"))
os.makedirs(f"{work}/bin")
os.symlink(assay, f"{work}/bin/assay")
os.symlink(os.path.dirname(assay) + "/assay-box", f"{work}/bin/assay-box")
env = dict(os.environ, PATH=f"{work}/bin:" + os.environ["PATH"])
help_of = {}
def known(words, where):
    """The command and its options exist, by its own help."""
    for n in (2, 1):
        name = " ".join(words[:n])
        if name not in help_of:
            p = subprocess.run([assay, *words[:n], "--help"], capture_output=True, text=True)
            help_of[name] = p.stdout if p.returncode == 0 else None
        if help_of[name]:
            break
    else:
        sys.exit(f"{where}: no such command: assay {' '.join(words)}")
    for word in words[n:]:
        if word.startswith("--") and not re.search(rf"{re.escape(word.split('=')[0])}\b", help_of[name]):
            sys.exit(f"{where}: assay {name} has no {word}")
served = {}
def serve(words):
    """As written, but at a port that is free; until the end of this test."""
    words = [w for w in words if w != "&"] + ["--listen", "127.0.0.1:0"]
    process = subprocess.Popen([assay, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    atexit.register(lambda: (process.terminate(), process.wait()))
    served["at"] = process.stdout.readline().strip().removeprefix("http://")
ran = checked = 0
for page in pages:
    fenced, lines = False, open(page).read().splitlines()
    joined, text = [], ""
    for number, line in enumerate(lines, 1):
        text += line
        if text.endswith("\\"):
            text = text[:-1]
            continue
        joined.append((number, text))
        text = ""
    for number, line in joined:
        where = f"{page}:{number}"
        if line.startswith("```"):
            fenced = not fenced and line.strip() == "```sh"
        elif fenced and line.strip().startswith("assay "):
            command = line.split(" #")[0].strip()
            words = shlex.split(command)[1:]
            known(words, where)
            if page == "README.md" and words[0] == "serve":
                serve(words)
                ran += 1
            elif page == "README.md" or "tasks/data/quick" in command or words[0] in ("doctor", "version"):
                p = subprocess.run(["sh", "-c", command.replace("report.html", f"{work}/report.html")], env=env,
                                   capture_output=True, text=True, stdin=subprocess.DEVNULL)
                if p.returncode:
                    sys.exit(f"{where}: exit {p.returncode}: {command}\n{p.stdout}{p.stderr}")
                ran += 1
        elif fenced and page == "README.md" and line.startswith("curl "):
            command = line.replace("localhost:8080", served["at"])
            p = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if p.returncode or '"reward":' not in p.stdout:
                sys.exit(f"{where}: exit {p.returncode}: {command}\n{p.stdout}{p.stderr}")
            ran += 1
        elif not fenced:
            for inline in re.findall(r"`assay ([^`]+)`", line):
                words = [w for w in re.split(r"[\s,]+", inline.split("#")[0]) if w]
                if words and re.fullmatch(r"[a-z]+", words[0]) and "{" not in inline:
                    known(words, where)
                    checked += 1
assert ran >= 6, f"only {ran} commands were found to run"
print(f"docs: {ran} commands run, {checked} more checked against their help")
PY
