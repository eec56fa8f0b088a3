# SPDX-License-Identifier: MIT
"""Kill one training again and again: kill_often.py KILLS MARGIN RUN COMMAND...

RUN is the run's directory. The kills are spread over the run, each at a random moment of its part, some of them while a
life begins; a kill counts only if the run was not finished, so fewer than KILLS is a failure. Steps are seen on stderr
through a socket so small (four to six lines) that the training cannot run away from whoever reads it: with a MARGIN of
more steps at the end, which are left to it, no kill comes too late. Checkpoints are some steps apart, so that a life that is
killed soon leaves the run where it was."""
import os
import random
import re
import socket
import subprocess
import sys
import time

AT = re.compile(rb" train (?:sft|rl|eval) at=(\d+)/(\d+) ")


def life(command, share, margin, start_s):
    """Until it has come to its share of the run and a random moment more, or within its start (share None); the exit
    status, the last position seen, how long it took to the first, and what it said."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least that there is
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    theirs.close()
    position, tail, born, began, lines = -1, [], time.monotonic(), 0, 0
    with ours, ours.makefile("rb", buffering=0) as said:
        if share is None:
            time.sleep(random.random() * start_s)
        else:
            for line in said:
                tail = tail[-9:] + [line]
                at = AT.search(line)
                if at:
                    position, total, lines = int(at[1]), int(at[2]), lines + 1
                    began = began or time.monotonic()
                    if position >= share * (total - margin):
                        step = (time.monotonic() - began) / (lines - 1) if lines > 1 else 0.01
                        time.sleep(random.random() * min(0.3, 2 * step))
                        break
        child.kill()
    return child.wait(), position, began - born if began else start_s, b"".join(tail).decode(errors="replace")


def main():
    kills, margin, run, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    seen, start_s = [], 0.1
    for kill in range(kills):
        share = None if kill % 4 == 2 else (kill + random.random()) / kills
        code, position, start_s, said = life(command, share, margin, start_s)
        if code != -9 or os.path.exists(run + "/final"):
            sys.exit(f"kill {kill + 1} of {kills}: the run is over (exit {code}):\n{said}")
        seen.append("start" if position < 0 else str(position))
    print(f"{kills} kills of {os.path.basename(run)}, at steps", *seen)


main()
