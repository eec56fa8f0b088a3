# SPDX-License-Identifier: MIT
"""Prometheus itself on a running service: prometheus.py WORK. Prints a row of the table of tests/conformance/run."""
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from serve_lib import ONE, TWO, Service, check, gold

WORK = sys.argv[1]
RULES = os.path.abspath("docs/service/alerts.yaml")
RUN, READ = "the-token-of-those-who-grade-01234", "the-token-of-those-who-look-012345"


def private(name, text):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(text)
    return path


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def ask(port, path, **query):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        told = json.load(reply)
    check(told["status"] == "success", told)
    return told["data"]


def until(what, look, seconds=60):
    end = time.monotonic() + seconds
    seen = None
    while time.monotonic() < end:
        try:
            seen = look()
            if seen:
                return seen
        except OSError as error:
            seen = error
        time.sleep(0.3)
    raise AssertionError(f"{what}: {seen!r}")


def value(port, query):
    rows = ask(port, "query", query=query)["result"]
    return float(rows[0]["value"][1]) if rows else None


service = Service("quick", "--tokens", private("tokens", f"run {RUN}\nread {READ}\n"), token=RUN)
port = free_port()
private("token", READ)
config = os.path.join(WORK, "prometheus.yaml")
with open(config, "w", encoding="ascii") as file:
    file.write(f"""global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{RULES}]
scrape_configs:
  - job_name: assay
    authorization: {{credentials_file: {WORK}/token}}
    static_configs: [{{targets: ["127.0.0.1:{service.port}"]}}]
""")
subprocess.run(["promtool", "check", "config", config], check=True, stdout=sys.stderr)
subprocess.run(["promtool", "check", "rules", RULES], check=True, stdout=sys.stderr)
with open(os.path.join(WORK, "prometheus.log"), "wb") as log:
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={WORK}/prometheus",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
try:
    check([service.post("/v1/grade", {"instance_id": i, "answer": a}).json["reward"]
           for i, a in ((ONE, gold(ONE)), (TWO, "no"), (ONE, gold(ONE)))] == [1, 0, 1])
    text = service.get("/metrics")
    check(text.headers["Content-Type"].startswith("text/plain; version=0.0.4"), text.headers)
    subprocess.run(["promtool", "check", "metrics"], input=text.body, check=True, stdout=sys.stderr)
    until("the target is up", lambda: [t for t in ask(port, "targets")["activeTargets"] if t["health"] == "up"])
    check(until("up", lambda: value(port, 'up{job="assay"}')) == 1)
    until("what was graded", lambda: value(port, 'assay_gradings_total{outcome="resolved"}') == 1 and
          value(port, "assay_jobs_accepted_total") == 2 and value(port, "assay_jobs_remembered_total") == 1)
    check(value(port, "assay_grading_seconds_count") == 2 and value(port, 'assay_grading_seconds_bucket{le="+Inf"}') == 2)
    half = value(port, "histogram_quantile(0.5, assay_grading_seconds_bucket)")
    check(0 < half < 60, half)
    # Every family of the text is one of Prometheus' series.
    families = set(re.findall(r"^# TYPE (\S+) ", text.body.decode(), re.M))
    names = set(ask(port, "label/__name__/values"))
    missing = {f for f in families if not any(f + end in names for end in ("", "_bucket"))}
    check(not missing, missing)
    groups = until("rules are evaluated", lambda: [g for g in ask(port, "rules")["groups"] if g["rules"][0]["lastEvaluation"] > "0002"])
    rules = [rule for group in groups for rule in group["rules"]]
    until("no rule fails", lambda: all(r["health"] == "ok" for g in ask(port, "rules")["groups"] for r in g["rules"]))
    check(len(rules) >= 7 and all(r["state"] == "inactive" for r in rules), rules)
    # A service that is gone is one that is down; the alert of it begins to wait.
    service.stop()
    until("down", lambda: value(port, 'up{job="assay"}') == 0)
    until("an alert waits", lambda: any(r["name"] == "AssayDown" and r["state"] == "pending"
                                        for g in ask(port, "rules")["groups"] for r in g["rules"]))
finally:
    prometheus.terminate()
    prometheus.wait(30)
    if service.process.poll() is None:
        service.kill()
version = subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True)
version = re.search(r"version (\S+)", version.stdout + version.stderr)[1]
print(f"| Prometheus {version} (Debian) scrapes `/metrics` with a token of role read | target up, {len(families)} families queried back, "
      f"{len(rules)} alert rules loaded and evaluated, down when the service is; promtool passes metrics, rules and config | all |")
