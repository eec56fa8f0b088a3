# SPDX-License-Identifier: MIT
"""Kill one training again and again: kill_often.py KILLS MARGIN RUN COMMAND...

RUN is the run's directory. The kills are spread over the run, each at a random moment of its part, some of them while a
life begins; a kill counts only if the run was not finished, so fewer than KILLS is a failure. Steps are seen on stderr
through a pipe so small that the training cannot run away from whoever reads it; the last MARGIN steps are left to it."""
import fcntl
import os
import random
import re
import subprocess
import sys
import time

F_SETPIPE_SZ = 1031
AT = re.compile(rb" train (?:sft|rl|eval) at=(\d+)/(\d+) ")


def life(command, share, margin):
    """Until it has come to its share of the run and a random moment more; the last position seen, and what it said."""
    read, write = os.pipe()
    fcntl.fcntl(write, F_SETPIPE_SZ, 4096)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=write)
    os.close(write)
    position, tail, began, lines = -1, [], time.monotonic(), 0
    with os.fdopen(read, "rb") as said:
        if share is None:
            time.sleep(random.random() * 0.4)
        else:
            for line in said:
                tail = tail[-9:] + [line]
                at = AT.search(line)
                if at:
                    position, total, lines = int(at[1]), int(at[2]), lines + 1
                    if position >= share * (total - margin):
                        time.sleep(random.random() * min(0.5, 2 * (time.monotonic() - began) / lines))
                        break
        child.kill()
    return child.wait(), position, b"".join(tail).decode(errors="replace")


def main():
    kills, margin, run, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    seen = []
    for kill in range(kills):
        share = None if kill % 4 == 2 else (kill + random.random()) / kills
        code, position, said = life(command, share, margin)
        if code != -9 or os.path.exists(run + "/final"):
            sys.exit(f"kill {kill + 1} of {kills}: the run is over (exit {code}):\n{said}")
        seen.append("start" if position < 0 else str(position))
    print(f"{kills} kills of {os.path.basename(run)}, at steps", *seen)


main()
