# SPDX-License-Identifier: MIT
"""What every test of the service opens with: a service of its own, and a client that hides nothing."""
import atexit
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

ASSAY = os.path.join(os.environ["ASSAY_BUILD_DIR"], "assay")
QUICK = "tasks/data/quick"
ONE, TWO = "quick__ini-reader-1", "quick__shell-quote-1"


def gold(instance):
    with open(f"{QUICK}/{instance}/gold.patch", encoding="utf-8") as file:
        return file.read()


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what))


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Service:
    """One `assay serve`; its log goes to $WORK/serve.log."""

    def __init__(self, *options, listen="127.0.0.1:0", token=None, env=None):
        self.token = token
        # Under a sanitizer freed memory is kept for a while: less of it, so that a bound means something.
        sanitizer = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=16"}
        self.log = open(os.path.join(os.environ["WORK"], "serve.log"), "ab")
        self.process = subprocess.Popen(
            [ASSAY, "serve", "--listen", listen, *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **sanitizer, **(env or {})})
        atexit.register(self.process.kill)  # a test that fails leaves no service behind
        line = self.process.stdout.readline().strip()
        check(line.startswith("http"), "the service says where it is:", line)
        self.url = line
        self.port = int(line.rsplit(":", 1)[1])

    def ask(self, method, path, body=None, headers=None, timeout=120):
        headers = dict(headers or {})
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body, **more):
        return self.ask("POST", path, body, **more)

    def raw(self, data, timeout=30):
        """Send bytes as they are; all that comes back until the server closes or says nothing."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as link:
            link.sendall(data)
            got = b""
            try:
                while piece := link.recv(65536):
                    got += piece
            except (TimeoutError, ConnectionResetError):
                pass
            return got

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("VmRSS")).split()[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, expected=0):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.log.close()
        check(code == expected, "exit status", code)

    def kill(self):
        self.process.kill()
        self.process.wait(60)
        self.log.close()


def tests(*functions):
    for function in functions:
        began = time.monotonic()
        function()
        print(f"{function.__name__}: ok, {time.monotonic() - began:.1f} s", flush=True)
    sys.exit(0)
