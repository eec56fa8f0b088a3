# SPDX-License-Identifier: MIT
"""Relative references (RFC 3986, section 5.2)."""
from .parts import Parts


def remove_dots(path):
    out = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(out) > 1 and out[-1] != "..":
                out.pop()
            else:
                out.append(segment)
        elif segment != ".":
            out.append(segment)
    if segments[-1] in (".", ".."):
        out.append("")
    return "/".join(out)


def merge(base, path):
    if base.authority is not None and not base.path:
        return "/" + path
    return base.path[:base.path.rfind("/") + 1] + path


def resolve(base, link):
    base = Parts.split(base)
    ref = Parts.split(link)
    if ref.scheme is not None:
        return str(ref._replace(path=remove_dots(ref.path)))
    if ref.authority is not None:
        return str(ref._replace(scheme=base.scheme, path=remove_dots(ref.path)))
    path = ref.path
    if not path.startswith("/"):
        path = merge(base, path)
    return str(Parts(base.scheme, base.authority, remove_dots(path), ref.query, ref.fragment))
