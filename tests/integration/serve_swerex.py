# SPDX-License-Identifier: MIT
"""SWE-ReX's routes: see serve_swerex.sh."""
import io
import os
import zipfile

from serve_lib import ONE, TWO, Service, check, gold, tests

RUN, OTHER = "the-token-of-those-who-act-0123456", "the-token-of-somebody-else-0123456"
TOKENS = os.path.join(os.environ["WORK"], "tokens")
with open(TOKENS, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
    file.write(f"run {RUN} ours\nrun {OTHER} theirs\n")
SERVICE = Service("quick", "--tokens", TOKENS, token=RUN)
# As the client's models are dumped.
BASH = {"session": "default", "timeout": None, "is_interactive_command": False, "is_interactive_quit": False, "check": "raise",
        "error_msg": "", "expect": [], "action_type": "bash"}
COMMAND = {"timeout": None, "shell": False, "check": False, "error_msg": "", "env": None, "cwd": None, "merge_output_streams": False}


class Rex:
    def __init__(self, instance=ONE, **more):
        reply = SERVICE.post("/v1/episodes", {"instance_id": instance, **more})
        check(reply.status == 201, reply)
        self.id = reply.json["episode_id"]

    def ask(self, what, body=None, key=RUN, method="POST", **headers):
        headers = {"X-API-Key": key, "X-Request-ID": os.urandom(8).hex(), "Authorization": None, **headers}
        headers = {k: v for k, v in headers.items() if v}
        service = Service.__new__(Service)
        service.port, service.token = SERVICE.port, None
        return service.ask(method, f"/swerex/{self.id}/{what}", body, headers)

    def told(self, what, body=None):
        reply = self.ask(what, body)
        check(reply.status == 200, what, body, reply)
        return reply.json

    def raised(self, what, body):
        reply = self.ask(what, body)
        check(reply.status == 511, what, body, reply)
        said = reply.json["swerexception"]
        check(set(said) == {"message", "class_path", "traceback", "extra_info"}, said)
        return said["class_path"].rpartition(".")[2], said["message"]

    def run(self, command, **more):
        return self.told("run_in_session", {**BASH, "command": command, **more})

    def execute(self, command, **more):
        return self.told("execute", {**COMMAND, "command": command, **more})

    def upload(self, data, target, unzip="false", name="x"):
        body = b"".join(b"--a-boundary-of-some-length\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n" % (key, extra, value) for key, extra, value in (
            (b"file", b"; filename=\"%s\"" % name.encode(), data), (b"target_path", b"", target.encode()), (b"unzip", b"", unzip.encode()))) + b"--a-boundary-of-some-length--\r\n"
        return self.ask("upload", body, **{"Content-Type": "multipart/form-data; boundary=a-boundary-of-some-length"})


def a_session():
    rex = Rex()
    check(rex.ask("is_alive", method="GET").json == {"is_alive": True, "message": ""})
    check(rex.raised("run_in_session", {**BASH, "command": "pwd"})[0] == "SessionDoesNotExistError")
    made = {"startup_source": ["/nosuch/.bashrc"], "session": "default", "session_type": "bash", "startup_timeout": 1.0}
    check("nosuch" in rex.told("create_session", made)["output"])
    check(rex.raised("create_session", made)[0] == "SessionExistsError")
    check("one shell" in rex.raised("create_session", {**made, "session": "second"})[1])
    check(rex.run("pwd") == {"output": "/testbed\n", "exit_code": 0, "failure_reason": "", "expect_string": "", "session_type": "bash"})
    check(rex.run("cd /tmp; x=1; export Y=2")["output"] == "" and rex.run("echo $PWD $x $Y")["output"] == "/tmp 1 2\n", "it is one shell")
    check(rex.run("printf a; exit_with() { return 3; }; exit_with", check="silent")["exit_code"] == 3)
    check(rex.run("printf a", check="silent") == {**rex.run("printf a"), "exit_code": 0})
    check(rex.run("false", check="ignore")["exit_code"] is None and rex.run(" ")["exit_code"] == 0)
    kind, words = rex.raised("run_in_session", {**BASH, "command": "echo out; false", "error_msg": "no good"})
    check(kind == "NonZeroExitCodeError" and words.startswith("no good: Command") and "exit code 1" in words and words.endswith("out\n"), words)
    check(rex.raised("run_in_session", {**BASH, "command": "sleep 30", "timeout": 0.5})[0] == "CommandTimeoutError")
    check(rex.told("run_in_session", {"session": "default", "timeout": 0.2, "n_retry": 3, "expect": [], "action_type": "bash_interrupt"})["exit_code"] == 0)
    for more in ({"is_interactive_command": True}, {"expect": [">>>"]}):
        check("terminal" in rex.raised("run_in_session", {**BASH, "command": "python3", **more})[1])
    check(rex.told("close_session", {"session": "default", "session_type": "bash"}) == {"session_type": "bash"})
    check(rex.raised("close_session", {"session": "default", "session_type": "bash"})[0] == "SessionDoesNotExistError")
    SERVICE.ask("DELETE", f"/v1/episodes/{rex.id}")


def commands_apart():
    rex = Rex()
    check(rex.execute(["sh", "-c", "echo $0 \"$1\"; echo e >&2; exit 4", "a b", "it's"]) == {"stdout": "a b it's\n", "stderr": "e\n", "exit_code": 4})
    check(rex.execute("echo $((1+1)); pwd", shell=True)["stdout"] == "2\n/testbed\n")
    check(rex.execute("echo x; echo y >&2", shell=True, merge_output_streams=True) == {"stdout": "x\ny\n", "stderr": "", "exit_code": 0})
    check(rex.execute(["/usr/bin/env"], env={"A": "b'c\nd"}, cwd="/tmp")["stdout"].splitlines()[:2] == ["A=b'c", "d"])
    check(rex.execute("no such program")["exit_code"] == 127 and rex.execute(["pwd"], cwd="/nosuch")["exit_code"] == 1)
    check(rex.raised("execute", {**COMMAND, "command": ["false"], "check": True})[0] == "NonZeroExitCodeError")
    check(rex.raised("execute", {**COMMAND, "command": ["sleep", "9"], "timeout": 1})[0] == "CommandTimeoutError")
    check(rex.ask("execute", {**COMMAND, "command": []}).status == 422 and rex.ask("execute", {"command": 5}).status == 422 and rex.ask("execute", "[]").status == 400)
    SERVICE.ask("DELETE", f"/v1/episodes/{rex.id}")


def files():
    rex = Rex(observation_bytes=100000)
    text = "it's\n\ttext ü 😀\nno newline at its end"
    check(rex.told("write_file", {"path": "/testbed/new/dir/a file", "content": text}) == {})
    check(rex.told("read_file", {"path": "new/dir/a file", "encoding": None, "errors": None}) == {"content": text})
    check(rex.told("write_file", {"path": "new/dir/a file", "content": ""}) == {} and rex.told("read_file", {"path": "new/dir/a file"}) == {"content": ""})
    for path, kind in (("/nosuch", "FileNotFoundError"), ("/tmp", "IsADirectoryError")):
        check(rex.raised("read_file", {"path": path})[0] == kind, path)
    check(rex.raised("write_file", {"path": "/proc/nosuch/x", "content": "x"})[0] in ("OSError", "SwerexException"))
    rex.execute("head -c 300000 /dev/zero | tr '\\0' x > big", shell=True)
    check("observation_bytes" in rex.raised("read_file", {"path": "big"})[1])
    data = bytes(range(256)) * 300
    check(rex.upload(data, "up/there/raw").json == {})
    check(rex.execute(["sha256sum", "up/there/raw"])["stdout"].split()[0] == __import__("hashlib").sha256(data).hexdigest())
    check(rex.upload(b"", "empty").json == {} and rex.execute(["wc", "-c", "empty"])["stdout"].startswith("0"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("sub/one.txt", "1")
        archive.writestr("two.txt", "2")
    check(rex.upload(packed.getvalue(), "/testbed/folder", unzip="true").json == {})
    check(rex.execute("cat folder/sub/one.txt folder/two.txt; ls /tmp | grep upload", shell=True)["stdout"] == "12", "and nothing is left of it")
    check(rex.upload(b"no archive", "folder", unzip="true").status == 511)
    for body, kind in ((b"--a-boundary--\r\n", "multipart/form-data; boundary=a-boundary"), (b"{}", "application/json"), (b"", "multipart/form-data")):
        check(rex.ask("upload", body, **{"Content-Type": kind}).status == 422, body)
    SERVICE.ask("DELETE", f"/v1/episodes/{rex.id}")


def what_it_is_worth_is_ours():
    rex = Rex(TWO, turns=4)
    rex.told("create_session", {"session": "default"})
    rex.told("write_file", {"path": "/tmp/p", "content": gold(TWO)})
    rex.run("git apply /tmp/p || patch -p1 < /tmp/p")
    check(rex.told("close") == {}, "its client is done")
    check(SERVICE.get(f"/v1/episodes/{rex.id}").json["turns"] == 2, "each is a turn")
    last = SERVICE.post(f"/v1/episodes/{rex.id}/grade", {}).json
    check(last["reward"] == 1, last)
    check(rex.ask("is_alive", method="GET").json == {"is_alive": False, "message": "stopped"})
    check("over" in rex.raised("execute", {**COMMAND, "command": ["ls"]})[1])
    SERVICE.ask("DELETE", f"/v1/episodes/{rex.id}")
    check(rex.ask("is_alive", method="GET").status == 404)


def who_may():
    rex = Rex()
    check(rex.ask("is_alive", method="GET", key=None).status == 401 and rex.ask("execute", {"command": ["ls"]}, key="wrong").status == 401)
    for what, body in (("execute", {"command": ["ls"]}), ("close", None), ("read_file", {"path": "/etc/passwd"})):
        check(rex.ask(what, body, key=OTHER).status == 404, what)
    check(rex.execute(["cat", "/etc/hostname"])["stdout"] != open("/etc/hostname", encoding="ascii").read(), "in the box")
    SERVICE.ask("DELETE", f"/v1/episodes/{rex.id}")


try:
    tests(a_session, commands_apart, files, what_it_is_worth_is_ours, who_may)
finally:
    SERVICE.stop()
