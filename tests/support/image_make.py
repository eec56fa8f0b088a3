# SPDX-License-Identifier: MIT
"""Container images for tests, and what they must be unpacked to.

    image_make.py layout DIR SEED [--plain]    an OCI layout of 20 layers, drawn by a seed
    image_make.py shell DIR                    one with a shell of this host's
    image_make.py hostile DIR NAME             one that must be refused
    image_make.py compare DIR TREE             is TREE what the layout in DIR must give?
    image_make.py same TREE TREE               are both the same?

What a layout must give is worked out here, layer by layer, and written beside it (expected.json):
mode, content, link and user.* attributes of every path. --plain: no zstd, which some peers lack.
"""
import base64
import gzip
import hashlib
import io
import json
import os
import random
import stat
import subprocess
import sys
import tarfile


class Layout:
    def __init__(self, out):
        self.out, self.layers, self.diffs = out, [], []
        os.makedirs(f"{out}/blobs/sha256")

    def blob(self, data):
        name = hashlib.sha256(data).hexdigest()
        with open(f"{self.out}/blobs/sha256/{name}", "wb") as file:
            file.write(data)
        return {"digest": "sha256:" + name, "size": len(data)}

    def layer(self, raw, how="tar"):
        packed = {"tar": lambda: raw, "gzip": lambda: gzip.compress(raw, mtime=0),
                  "zstd": lambda: subprocess.run(["zstd", "-qc"], input=raw, stdout=subprocess.PIPE, check=True).stdout}
        kind = {"tar": "", "gzip": "+gzip", "zstd": "+zstd"}[how]
        self.diffs.append("sha256:" + hashlib.sha256(raw).hexdigest())
        self.layers.append({"mediaType": "application/vnd.oci.image.layer.v1.tar" + kind, **self.blob(packed[how]())})

    def finish(self, tag="latest"):
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": self.diffs},
                  "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "A=b c"], "WorkingDir": "/srv"}}
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": self.layers,
                    "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                               **self.blob(json.dumps(config).encode())}}
        entry = {"mediaType": manifest["mediaType"], **self.blob(json.dumps(manifest).encode()),
                 "annotations": {"org.opencontainers.image.ref.name": tag}}
        with open(f"{self.out}/oci-layout", "w") as file:
            json.dump({"imageLayoutVersion": "1.0.0"}, file)
        with open(f"{self.out}/index.json", "w") as file:
            json.dump({"schemaVersion": 2, "manifests": [entry]}, file)


class Layer:
    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, data=None, **members):
        info = tarfile.TarInfo(name)
        info.mtime = 1600000000
        for key, value in members.items():
            setattr(info, key, value)
        if data is not None:
            info.size = len(data)
        self.tar.addfile(info, None if data is None else io.BytesIO(data))

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def parent(path):
    return path.rpartition("/")[0]


def below(tree, path):
    return [p for p in tree if p.startswith(path + "/")]


def draw(out, seed, plain):
    """Twenty layers that add, replace, take away and hide."""
    rnd, made, tree = random.Random(seed), Layout(out), {"": ["d", 0o755]}
    names = ["a", "b", "c", "bin", "lib", "etc", "\u00e9", "with space", "x.py", ".hidden", "n" * 120]
    for number in range(20):
        layer, here = Layer(), set()
        # What is taken away is said before or behind what comes: it only means lower layers.
        lower = [p for p in tree if p]
        gone = [p for p in rnd.sample(lower, min(len(lower), 2)) if tree[p][0] != "d" or rnd.random() < 0.3] if number else []
        opaque = rnd.choice([p for p, e in tree.items() if p and e[0] == "d"] or [None]) if rnd.random() < 0.3 else None
        if opaque and any(opaque == p or opaque.startswith(p + "/") or p.startswith(opaque + "/") for p in gone):
            opaque = None
        notes = [((parent(p) + "/" if parent(p) else "") + ".wh." + p.rpartition("/")[2]) for p in gone]
        for path in gone:
            for q in below(tree, path) + [path]:
                tree.pop(q, None)
            here.add(path)
        if opaque:
            for q in below(tree, opaque):
                del tree[q]
            notes.append(opaque + "/.wh..wh..opq")
        last = rnd.random() < 0.5
        for note in [] if last else notes:
            layer.add(note, b"")
        for _ in range(rnd.randint(10, 25)):
            folder = rnd.choice([p for p, e in tree.items() if e[0] == "d"])
            path = (folder + "/" if folder else "") + rnd.choice(names) + rnd.choice(["", "1", "2", "3"])
            if path in here or len(path) > 600 or any(path == p or path.startswith(p + "/") for p in gone):
                continue
            here.add(path)
            kind = rnd.choice("ddffffffhl")
            files = [p for p, e in tree.items() if e[0] == "f" and p != path and not p.startswith(path + "/")]
            kind = "f" if kind == "h" and not files else kind
            if kind != "d":
                for q in below(tree, path):
                    del tree[q]
            owner = dict(zip(("uid", "gid"), rnd.choice([(0, 0), (1000, 1000), (33, 4)])))
            if kind == "d":
                mode = rnd.choice([0o755, 0o700, 0o555, 0o1777])
                layer.add("./" + path, type=tarfile.DIRTYPE, mode=mode, **owner)
                tree[path] = ["d", mode]
            elif kind == "f":
                marks = {"user.note": f"v{number}"} if rnd.random() < 0.2 else {}
                data = rnd.choice([b"", b"same", bytes(rnd.randbytes(rnd.choice([10, 3000, 300000])))])
                mode = rnd.choice([0o644, 0o755, 0o600, 0o4755, 0o444])
                layer.add(path, data, mode=mode, pax_headers={"SCHILY.xattr." + k: v for k, v in marks.items()}, **owner)
                tree[path] = ["f", mode, data, sorted(marks.items())]
            elif kind == "l":
                target = rnd.choice(["/etc/passwd", "../../x", "nowhere", "a1", "."])
                layer.add(path, type=tarfile.SYMTYPE, linkname=target, **owner)
                tree[path] = ["l", target]
            else:
                source = rnd.choice(files)
                layer.add(path, type=tarfile.LNKTYPE, linkname=source, **owner)
                tree[path] = tree[source]
        for note in notes if last else []:
            layer.add(note, b"")
        made.layer(layer.bytes(), ["tar", "gzip", "gzip" if plain else "zstd"][number % 3])
    made.finish()
    del tree[""]
    with open(f"{out}/expected.json", "w") as file:
        json.dump({p: [base64.b64encode(v).decode() if isinstance(v, bytes) else v for v in e] for p, e in tree.items()}, file)


def shell(out):
    """A shell of this host's and what it loads; the rest of the root is empty."""
    layer, made = Layer(), Layout(out)
    program = os.path.realpath("/bin/sh")
    words = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for path in ["tmp", "proc", "dev", "sys", "run", "etc", "srv", "assay", "testbed", "home/box", "var/tmp"]:
        layer.add(path, type=tarfile.DIRTYPE, mode=0o755)
    for path, source in [("bin/sh", program)] + [(w[1:], w) for w in words if w.startswith("/")]:
        with open(source, "rb") as file:
            layer.add(path, file.read(), mode=0o755)
    layer.add("etc/marker", b"of the image\n", mode=0o644)
    made.layer(layer.bytes(), "gzip")
    second = Layer()
    second.add("srv/second", b"layer\n", mode=0o644)
    made.layer(second.bytes())
    made.finish()


def hostile(out, name):
    layer, made = Layer(), Layout(out)
    if name == "dotdot":
        layer.add("../evil", b"x")
    elif name == "dotdot-inside":
        layer.add("a/../../evil", b"x")
    elif name == "hard-link-out":
        layer.add("evil", type=tarfile.LNKTYPE, linkname="../../etc/passwd")
    elif name == "hard-link-absolute":
        layer.add("evil", type=tarfile.LNKTYPE, linkname="/etc/passwd")
    elif name == "device":
        layer.add("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    elif name == "fifo":
        layer.add("pipe", type=tarfile.FIFOTYPE)
    elif name == "overlay-attribute":
        layer.add("x", b"x", pax_headers={"SCHILY.xattr.user.overlay.opaque": "y"})
    elif name == "link-loop":
        layer.add("a", type=tarfile.SYMTYPE, linkname="b")
        layer.add("b", type=tarfile.SYMTYPE, linkname="a")
        layer.add("a/x", b"x")
    elif name == "hole":  # an exabyte that takes a kilobyte
        info = tarfile.TarInfo("big")
        info.size = 1 << 60
        layer.tar.addfile(info, None)
    elif name == "bomb":
        made.layer(b"\0" * (1 << 20))
        layer.add("zeros", b"\0" * (8 << 20))
    else:
        layer.add("fine", b"x")
    made.layer(layer.bytes(), "gzip")
    made.finish()
    index = json.load(open(f"{out}/index.json"))
    blobs = f"{out}/blobs/sha256/"
    manifest = index["manifests"][0]["digest"][7:]
    if name == "digest":  # a layer that is not what its name says
        path = blobs + made.layers[0]["digest"][7:]
        open(path, "wb").write(gzip.compress(b"something else", mtime=0))
    elif name == "manifest":
        open(blobs + manifest, "ab").write(b" ")
    elif name == "diff-id":
        text = json.load(open(blobs + manifest))
        config = json.load(open(blobs + text["config"]["digest"][7:]))
        config["rootfs"]["diff_ids"][0] = "sha256:" + "0" * 64
        text["config"].update(made.blob(json.dumps(config).encode()))
        index["manifests"][0].update(made.blob(json.dumps(text).encode()))
        json.dump(index, open(f"{out}/index.json", "w"))
    elif name == "path-digest":
        index["manifests"][0]["digest"] = "sha256:../../../../etc/passwd"
        json.dump(index, open(f"{out}/index.json", "w"))


def read_tree(root):
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            if stat.S_ISLNK(st.st_mode):
                entry = ["l", os.readlink(path)]
            elif stat.S_ISDIR(st.st_mode):
                entry = ["d", stat.S_IMODE(st.st_mode)]
            else:
                marks = [(k, os.getxattr(path, k).decode()) for k in sorted(os.listxattr(path))
                         if k.startswith("user.") and not k.startswith("user.rootless")]
                entry = ["f", stat.S_IMODE(st.st_mode), open(path, "rb").read(), marks]
            found[os.path.relpath(path, root)] = entry
    return found


def compare(expected, found):
    bad = [p for p in sorted(expected.keys() | found.keys()) if expected.get(p) != found.get(p)]
    for path in bad[:10]:
        print(path, *[e and [len(v) if isinstance(v, bytes) else v for v in e] for e in (expected.get(path), found.get(path))])
    print(f"{len(expected)} paths, {len(bad)} differ")
    sys.exit(bool(bad))


def main(command, *args):
    if command == "layout":
        draw(args[0], int(args[1]), "--plain" in args)
    elif command == "shell":
        shell(args[0])
    elif command == "hostile":
        hostile(*args)
    elif command == "compare":
        text = json.load(open(f"{args[0]}/expected.json"))
        compare({p: [e[0], e[1], base64.b64decode(e[2]), [tuple(m) for m in e[3]]] if e[0] == "f" else e
                 for p, e in text.items()}, read_tree(args[1]))
    else:
        compare(read_tree(args[0]), read_tree(args[1]))


main(*sys.argv[1:])
