# SPDX-License-Identifier: MIT
"""Splitting, escaping and putting together again (RFC 3986, appendix B and section 5.3)."""
import re
from typing import NamedTuple, Optional

_SPLIT = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.S)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_DEFAULT_PORTS = {"http": "80", "https": "443", "ftp": "21"}
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?")


class Parts(NamedTuple):
    scheme: Optional[str]
    authority: Optional[str]
    path: str
    query: Optional[str]
    fragment: Optional[str]

    @classmethod
    def split(cls, url):
        scheme, authority, path, query, fragment = _SPLIT.fullmatch(url).groups()
        return cls(scheme and scheme.lower(), authority, path, query, fragment)

    def __str__(self):
        out = ""
        if self.scheme is not None:
            out += self.scheme + ":"
        if self.authority is not None:
            out += "//" + self.authority
        out += self.path
        if self.query is not None:
            out += "?" + self.query
        if self.fragment is not None:
            out += "#" + self.fragment
        return out


def escape(text):
    """Percent-encode what may not stand in a URL; leave what is encoded."""
    out = []
    i = 0
    while i < len(text):
        if _ESCAPE.match(text, i):
            out.append(text[i:i + 3].upper())
            i += 3
            continue
        char = text[i]
        out.append(char if char in _SAFE else "%%%02X" % ord(char))
        i += 1
    return "".join(out)


def normalize_authority(scheme, authority):
    user, at, host = authority.rpartition("@")
    name, colon, port = host.partition(":") if not host.startswith("[") else (host, "", "")
    if port == "" or port == _DEFAULT_PORTS.get(scheme):
        colon = port = ""
    return user + at + name.lower() + colon + port


def normalize(url):
    parts = Parts.split(url)
    authority = parts.authority
    if authority is not None:
        authority = normalize_authority(parts.scheme, authority)
    path = escape(parts.path)
    if authority is not None and not path:
        path = "/"
    query = None if parts.query is None else escape(parts.query)
    fragment = None if parts.fragment is None else escape(parts.fragment)
    return str(Parts(parts.scheme, authority, path, query, fragment))
