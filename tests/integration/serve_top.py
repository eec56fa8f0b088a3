# SPDX-License-Identifier: MIT
"""`assay top --url`: see serve_top.sh."""
import http.server
import json
import os
import sqlite3
import subprocess
import threading

from serve_lib import ASSAY, Service, check, tests

WORK = os.environ["WORK"]
TOKEN = "a-token-that-may-only-look-0123456789"
service = None


def private(name, text):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(text)
    return path


def top(*options):
    return subprocess.run([ASSAY, "top", *options], capture_output=True, text=True, timeout=60)


def look(*options):
    got = top("--once", "--json", *options)
    check(got.returncode == 0, got)
    return json.loads(got.stdout)


def remote():
    return ["--url", service.url, "--token-file", os.path.join(WORK, "token")]


def as_on_the_spot():
    there, here = look(*remote()), look()
    told = there.pop("service")
    check(told["slots"] > 0 and not told["draining"] and told["episodes"] == 0, told)
    for each in (there, here):
        check(each["items"][0].pop("quiet_ms") >= 0, each)
    check(there == here and here["items"][0]["run_id"] == "open", there, here)
    text = top("--once", *remote(), "open")
    check(text.returncode == 0 and f"  {service.url}\n" in text.stdout and "run   open  running  quick" in text.stdout, text)
    check("service 0" in text.stdout and "queued" in text.stdout, text)


def what_is_wrong_is_told():
    for options, code, words in (
            (["--url", service.url], 1, "answers 401"),
            (["--url", service.url, "--token-file", private("wrong", "no-token-of-theirs-9876543210\n")], 1, "answers 401"),
            ([*remote(), "nosuch"], 1, "no run nosuch"),
            ([*remote(), "a/../b"], 2, "no run is called"),
            (["--url", "ftp://127.0.0.1/"], 2, "--url wants http"),
            (["--url", "http://user:word@127.0.0.1/"], 2, "without a user"),
            (["--token-file", os.path.join(WORK, "token")], 2, "goes with --url"),
            (["--url", "http://127.0.0.1:1"], 1, "http://127.0.0.1:1: ")):
        for once in ([], ["--once"]):  # whoever goes on watching is told at once, too
            got = top(*options, *once)
            check(got.returncode == code and words in got.stderr and TOKEN not in got.stderr + got.stdout, options, got)
    os.chmod(os.path.join(WORK, "token"), 0o644)
    check("others may read it" in top(*remote(), "--once").stderr)
    os.chmod(os.path.join(WORK, "token"), 0o600)


def a_stranger_is_told():
    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"items": "\xc2\x9b2J"}' if self.path.startswith("/v1/top") else b""
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        got = top("--url", f"http://127.0.0.1:{server.server_port}")
        check(got.returncode == 1 and "is no service of assay's" in got.stderr, got)
        server.shutdown()


def it_comes_back():
    global service
    with subprocess.Popen([ASSAY, "top", "--every", "1", *remote()], stdout=subprocess.PIPE, text=True) as watcher:
        def until(words):
            for line in watcher.stdout:
                if words in line:
                    return line
            raise AssertionError(f"it ended before {words!r}")

        until("run   open")
        service.kill()
        said = until("asking again")
        check(service.url in said and TOKEN not in said, said)
        service = Service("quick", "--tokens", os.path.join(WORK, "tokens"), listen=f"127.0.0.1:{service.port}", token=TOKEN)
        until("run   open")
        watcher.terminate()
        watcher.stdout.read()
    check(watcher.returncode in (0, 130), watcher.returncode)


with sqlite3.connect(os.path.join(os.environ["ASSAY_HOME"], "assay.db")) as db:
    db.execute("UPDATE runs SET state = 'open', finished_at = NULL")
private("token", TOKEN + "\n")
service = Service("quick", "--tokens", private("tokens", f"read {TOKEN}\n"), token=TOKEN)
try:
    tests(as_on_the_spot, what_is_wrong_is_told, a_stranger_is_told, it_comes_back)
finally:
    service.stop()
