# SPDX-License-Identifier: MIT
# What a payload may do to a tree: COUNT random changes below the working folder, by SEED.
#
#     python3 tree_edits.py SEED COUNT [plain]    plain: only ordinary names
import os
import random
import shutil
import socket
import subprocess
import sys

seed, count = int(sys.argv[1]), int(sys.argv[2])
plain = len(sys.argv) > 3
rng = random.Random(seed)
names = [b"a", b"b.txt", b"code.py", b"data.bin", b"lib", b"pkg", b"README", b"run.sh", b"-dash"]
if not plain:
    names += [b"with space", b'quo"te', b"back\\slash", b"caf\xc3\xa9", b"bad\xff\xfe", b"tab\\t", b"end ",
              b"a/b"[:1] + b"#", b"%s", b"'"]


def text():
    lines = [b"line %d" % rng.randrange(9) + rng.choice([b"", b"", b"", b" \xff\xc3", b"\r"]) for _ in range(rng.randrange(30))]
    return b"\n".join(lines) + rng.choice([b"\n", b"\n", b""])


def content():
    kind = rng.randrange(8)
    if kind == 0:
        return b""
    if kind == 1:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(3000)))
    return text()


def folders():
    return [top for top, _, _ in os.walk(b".") if not top.startswith(b"./.git")]


def everything():
    return [os.path.join(top, name) for top in folders() for name in os.listdir(top) if name != b".git"]


def files():
    return [p for p in everything() if os.path.isfile(p) and not os.path.islink(p)]


def fresh():
    return os.path.join(rng.choice(folders()), rng.choice(names))


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def write(path, data):
    with open(path, "wb") as out:
        out.write(data)


def edit(path):
    with open(path, "rb") as f:
        data = f.read()
    at = rng.randrange(len(data) + 1)
    write(path, data[:at] + rng.choice([b"", b"new\n", b"\n", b"x"]) + data[at + rng.randrange(20):])


def change():
    what = rng.randrange(16)
    some = rng.choice(everything() or [b"./a"])
    one = rng.choice(files() or [b"./a"])
    new = fresh()
    if what <= 2 and os.path.exists(one):
        edit(one)
    elif what == 3:
        remove(new)
        write(new, content())
    elif what == 4:
        remove(some)
    elif what == 5 and os.path.exists(one):
        os.chmod(one, rng.choice([0o755, 0o644, 0o700, 0o600, 0o777]))
    elif what == 6:
        remove(new)
        os.symlink(rng.choice([b"a", b"lib/b.txt", b"nowhere"]), new)
    elif what == 7:
        remove(new)
        os.mkdir(new)
        write(os.path.join(new, rng.choice(names)), content())
    elif what == 8 and os.path.isdir(some) and not os.path.islink(some):
        inside = os.listdir(some)  # taken away and made anew: opaque
        shutil.rmtree(some)
        os.mkdir(some)
        for name in inside[: rng.randrange(3)]:
            write(os.path.join(some, name), content())
    elif what in (9, 10) and os.path.lexists(some) and not new.startswith(some):
        remove(new)
        if os.path.lexists(some):  # it may have been below what went
            subprocess.call([b"mv", b"-T", b"--", some, new])  # a folder is copied: EXDEV
    elif what == 11 and os.path.exists(one) and not os.path.lexists(new):
        os.link(one, new)
    elif what == 12:
        os.utime(some, (1, 1), follow_symlinks=False) if os.path.lexists(some) else None
    elif what == 13 and os.path.exists(one):
        write(one, content())
    elif what == 14 and not os.path.lexists(new):
        rng.choice([lambda: os.mkfifo(new), lambda: socket.socket(socket.AF_UNIX).bind(new)])()
    elif what == 15:
        remove(some)  # a file in place of a folder, or the reverse
        if rng.randrange(2):
            write(some, content())
        else:
            os.mkdir(some)
            write(os.path.join(some, rng.choice(names)), content())


for _ in range(count):
    change()
