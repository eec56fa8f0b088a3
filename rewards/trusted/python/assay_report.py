# SPDX-License-Identifier: MIT
"""assay_report: records on the private descriptor of a run, one JSON object a line.

The descriptor is taken away from the program under test as far as one process
can: the variable leaves the environment, the descriptor moves to a high number
and is closed on exec. Everything used to write is bound here, at import, so a
test that replaces os.write or os.getpid changes nothing. A forked child writes
nothing: its process id is not the one that began. PYTEST_DONT_REWRITE
"""
import fcntl
import os
import stat
from json.encoder import encode_basestring_ascii as _quote

_close, _fstat, _getpid, _write = os.close, os.fstat, os.getpid, os.write
_fcntl = fcntl.fcntl


def _text(value):
    # NUL and lone surrogates are not in our JSON; an id may hold both.
    text = str(value).replace("\0", "\\x00")
    return _quote(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return "%d" % value if isinstance(value, int) else _text(value)


class Channel:
    """Numbered records; n counts from 0, so that a line from elsewhere shows."""

    def __init__(self, fd):
        self._fd = fd
        self._pid = _getpid()
        self._n = 0

    def write(self, event, **fields):
        if self._fd is None or _getpid() != self._pid:
            return
        line = '{"n":%d,"event":%s' % (self._n, _text(event))
        for name in sorted(fields):
            line += ",%s:%s" % (_text(name), _value(fields[name]))
        data = (line + "}\n").encode("ascii")
        try:
            while data:
                data = data[_write(self._fd, data):]
        except OSError:
            self._fd = None  # no end record will come: the reader sees it
        self._n += 1


def open_channel():
    """The channel, or None in a process that was not given one."""
    number = os.environ.pop("ASSAY_REPORT_FD", "")
    if not number.isdigit():
        return None
    fd = int(number)
    try:
        if not stat.S_ISFIFO(_fstat(fd).st_mode):
            return None  # a launcher closed it, and something else has its number
    except OSError:
        return None
    for least in (500, 50, 3):
        try:
            private = _fcntl(fd, fcntl.F_DUPFD_CLOEXEC, least)
        except OSError:
            continue  # above RLIMIT_NOFILE
        _close(fd)
        return Channel(private)
    return None


def take_order():
    """How a certification wants the tests ordered: "reverse", a seed in digits, or nothing."""
    return os.environ.pop("ASSAY_ORDER", "")


def reordered(items, order):
    """The same items in that order. Python's random would be the tests' own to seed."""
    if order == "reverse":
        return items[::-1]
    state = (int(order) if order.isdigit() else 0) * 2654435761 + 1
    items = list(items)
    for last in range(len(items) - 1, 0, -1):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        other = (state >> 33) % (last + 1)
        items[last], items[other] = items[other], items[last]
    return items


def leave_environment():
    """Children of the tests start as if assay were not there."""
    here = os.path.dirname(os.path.abspath(__file__))
    for name, separator, ours in (
        ("PYTHONPATH", os.pathsep, here),
        ("PYTEST_PLUGINS", ",", "assay_pytest"),
    ):
        if name not in os.environ:
            continue
        rest = [item for item in os.environ[name].split(separator) if item != ours]
        if rest:
            os.environ[name] = separator.join(rest)
        else:
            del os.environ[name]
