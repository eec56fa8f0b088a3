#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `assay box run` is a pipe's citizen: bytes, exit status, signals, broken pipes and Ctrl-C as
# without a box; each limit has its cause; no terminal of the host is in the box; nothing is left.
. "$(dirname "$0")/lib.sh"

box() { # STATUS CAUSE OPTIONS... -- COMMAND...
    status=$1 cause=$2
    shift 2
    run "$status" assay box run --json-file "$WORK/json" "$@"
    [ "$(of cause)" = "$cause" ] || fail "cause $(cat "$WORK/json"), expected $cause: $*"
    [ "$(of status)" = "$status" ] || fail "the JSON's status: $(cat "$WORK/json")"
}
of() { # KEY of the JSON
    /usr/bin/python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval("d" + sys.argv[2]))' \
        "$WORK/json" "['$1']"
}
same() { # what came out, byte for byte
    printf '%b' "$1" | cmp - "$WORK/out" || fail "output: $(cat "$WORK/out")"
}

# Streams are apart, exit statuses pass.
box 7 exited -- sh -c 'echo out; echo err >&2; exit 7'
same 'out\n'
has err err
box 0 exited -- true
box 127 exited -- nosuch
has err "nosuch: not found"
box 126 exited -- /etc
box 137 signalled -- sh -c 'kill -9 $$'
[ "$(of signal)" = 9 ] || fail "signal: $(cat "$WORK/json")"
box 143 signalled -- sh -c 'kill $$'
box 0 exited --env A='b c' --cwd /tmp -- sh -c 'echo "$A $PWD"'
same 'b c /tmp\n'
run 0 assay box run echo --limit -- -x # options end at the command
same '--limit -- -x\n'
run 0 assay box run --json -- echo x
tail -n 1 "$WORK/err" | /usr/bin/python3 -c 'import json,sys; d = json.load(sys.stdin); u = d["usage"]
assert d["cause"] == "exited" and d["exit_code"] == 0 and d["tier"] and u["output_bytes"] == 2 and u["wall_ms"] >= 0, d'
assay box run --json-file /dev/fd/7 -- true 7>"$WORK/json" || fail "a status descriptor"
[ "$(of cause)" = exited ] || fail "a status descriptor: $(cat "$WORK/json")"

# Big binary data both ways; slow readers; who reads no further; no input at all.
head -c 30000000 /dev/urandom >"$WORK/big"
assay box run -- cat <"$WORK/big" | cmp - "$WORK/big" || fail "30 MB through a pipe"
head -c 3000000 "$WORK/big" | assay box run -- sh -c 'cat; head -c 3000000 /dev/zero >&2' 2>"$WORK/zero" |
    { sleep 0.3; cat; } | cmp -n 3000000 - "$WORK/big" || fail "a slow reader"
[ "$(wc -c <"$WORK/zero")" = 3000000 ] || fail "stderr: $(wc -c <"$WORK/zero") bytes"
[ "$(assay box run -- sh -c 'cat; printf end' </dev/null)" = end ] || fail "an empty input"
[ "$(assay box run -- head -c 4 <"$WORK/big" | wc -c)" = 4 ] || fail "a command that reads a part"
[ "$(timeout 30 "$ASSAY" box run -- sh -c 'exec <&-; sleep 0.2; echo x' <"$WORK/big")" = x ] || fail "closed its input"
{ assay box run --json-file "$WORK/json" -- yes || true; } 2>"$WORK/err" | head -n 1 >"$WORK/out"
same 'y\n'
[ "$(of cause) $(of status)" = "signalled 141" ] || fail "a broken pipe: $(cat "$WORK/json")"
got=0
timeout 30 "$ASSAY" box run -- sh -c 'echo x' >/dev/full 2>"$WORK/err" || got=$?
[ "$got" = 125 ] || fail "a full disk: exit $got"
has err "output was lost"
got=0
timeout 30 "$ASSAY" box run -- yes >&- 2>"$WORK/err" || got=$?
[ "$got" -gt 1 ] || fail "closed stdout: exit $got"
timeout 30 "$ASSAY" box run -- true <&- || fail "closed stdin"
box 0 exited -- sh -c 'sleep 60 & echo x' # a daemon that holds the pipe
same 'x\n'

# Trees are copied on write, whoever they belong to.
mkdir -p "$WORK/tree/sub"
echo old >"$WORK/tree/file"
echo old >"$WORK/tree/sub/file"
before=$(cd "$WORK/tree" && ls -lnR && cat file sub/file)
box 0 exited --tree "$WORK/tree" -- sh -c 'pwd; echo new >file && rm -r sub && touch "a b" && ls -A && cat file'
same '/work\na b\nfile\nnew\n'
box 0 exited --tree "$WORK/tree" --keep "$WORK/kept" -- sh -c 'echo kept >file; rm sub/file'
grep -q kept "$WORK/kept/upper/file" || fail "what was written is not kept"
[ -c "$WORK/kept/upper/sub/file" ] || fail "what was deleted is not kept"
[ ! -e "$WORK/kept/work" ] || fail "overlay's work folder is left"
box 0 exited --tree "$WORK/tree" --keep "$WORK/kept" -- sh -c 'cat file; ls sub'
same 'kept\n'
[ "$(cd "$WORK/tree" && ls -lnR && cat file sub/file)" = "$before" ] || fail "the tree changed"
box 0 exited --bind-ro "$WORK/tree:/ro" --overlay "$WORK/tree/sub:/rw" --tmpfs /empty -- \
    sh -c '! touch /ro/x 2>/dev/null && echo 1 >/rw/file && touch /empty/x && cat /ro/sub/file /rw/file'
same 'old\n1\n'
if [ "$(id -u)" = 0 ]; then
    for owner in 0 1234 1900000000; do
        chown -R "$owner" "$WORK/tree"
        chmod 600 "$WORK/tree/file"
        box 0 exited --tree "$WORK/tree" -- sh -c 'cat file && echo x >>file && chmod 644 file && stat -c %U file sub'
        same 'old\nbox\nbox\n'
    done
fi

# Each limit has its cause, and the command's own status where it has one.
box 137 wall_limit --limit wall=300ms -- sleep 60
has err "wall_limit"
box 137 wall_limit --timeout 1 -- sleep 60
box 137 idle_limit --limit idle=300ms -- sleep 60
box 137 output_limit --limit output=1M -- yes
[ "$(wc -c <"$WORK/out")" -ge 1048576 ] || fail "output up to the limit: $(wc -c <"$WORK/out")"
run 137 assay box run --limit cpu=300ms -- sh -c 'while :; do :; done'
has err "cpu_limit"
run 137 assay box run --limit memory=64M -- /usr/bin/python3 -c 'x = b"x" * 500000000'
has err "memory_limit"
box 1 disk_limit --limit disk=1M -- sh -c 'cat /dev/zero >/tmp/x 2>/dev/null || exit 1'
box 2 pids_limit --limit processes=8 -- sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done 2>/dev/null; exit 0'
run 0 assay box run --limit files=32 -- sh -c 'ulimit -n'
same '32\n'
run 0 assay box run --cpus 1 -- nproc
same '1\n'
run 0 assay box run --limit wall=none --limit memory=1G --limit output=none -- true

# Wrong words are told, with the right ones.
for wrong in "--limit x=1" "--limit memory=1Q" "--limit memory=none" "--limit wall" "--profile no" "--network x" \
    "--cwd x" "--bind-ro x" "--tmpfs x" "--env x" "--keep $WORK/kept" "--min-tier E" "--shell --" "--timeout 0"; do
    # shellcheck disable=SC2086 # words
    run 2 assay box run $wrong true
done
run 2 assay box run --limit nosuch=1 true
has err "wall cpu idle memory disk inodes output processes files"
run 2 assay box run
run 125 assay box run --tree "$WORK/nosuch" true
run 0 assay box run --profile compat --network host -- true

# Learning mode names what was refused, and by whom.
box 0 exited --learn -- sh -c 'unshare -U true; unshare -U true; true'
has err 'assay: refused: unshare (EPERM), 2 times, by unshare in /'
/usr/bin/python3 -c 'import json, sys; row, = json.load(open(sys.argv[1]))["denied"]
assert row["call"] == "unshare" and row["errno"] == 1 and row["count"] == 2 and row["arguments"][0] == "0x10000000", row' \
    "$WORK/json" || fail "learning mode: $(cat "$WORK/json")"
box 0 exited -- sh -c 'unshare -U true; true'
! grep -q refused "$WORK/err" || fail "refused calls are told without --learn"

# What a list of hosts does not have is refused, and told.
box 0 exited --allow-host one.invalid -- /usr/bin/python3 -c '
import os, urllib.error, urllib.request
try:
    urllib.request.urlopen("http://two.invalid/")
except urllib.error.HTTPError as e:
    print(e.code, bool(os.environ["http_proxy"]))'
same '403 True\n'
has err "assay: network: two.invalid:80, 1 time"
/usr/bin/python3 -c 'import json, sys; assert "two.invalid:80" in json.load(open(sys.argv[1]))["network_refused"][0]' "$WORK/json"
run 2 assay box run --allow-host one.invalid --network none -- true

# Hostile output stays output: the status is where nobody else can write.
box 0 exited -- sh -c 'printf "\033]0;x\007\000\377" ; echo "{\"cause\":\"forged\"}" >&2; ls /proc/self/fd | wc -l'
printf '\033]0;x\007\000\3774\n' | cmp - "$WORK/out" || fail "hostile output"

# SIGINT and SIGTERM: everything dies, the status says so.
for signal in INT TERM; do
    signal_after 0.7 $signal "$ASSAY" box run -- sh -c 'trap "" INT TERM; sleep 60 & sleep 60'
    [ "$got" = 130 ] && [ "$ms" -lt 3000 ] || fail "$signal: exit $got after $ms ms"
    no_leftovers
done

# From a terminal: by default the box has none; with --tty one of its own.
cat >"$WORK/drive.py" <<'PY'
import os, pty, re, select, signal, struct, fcntl, sys, termios, time
assay = sys.argv[1]
def drive(options, steps, want):
    """Type each step when its prompt was seen; the transcript and the exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(assay, [assay, "box", "run", *options])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    text, mark, deadline = b"", 0, time.time() + 60
    steps = list(steps)
    while time.time() < deadline:
        if steps and re.search(steps[0][0], text[mark:]):
            mark = len(text)
            step = steps.pop(0)[1]
            step(fd) if callable(step) else os.write(fd, step)
        if select.select([fd], [], [], 0.05)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                piece = b""
            if not piece:
                break
            text += piece
    else:
        os.kill(pid, signal.SIGKILL)
        sys.exit(f"{options}: hangs after {text!r}")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != want or steps:
        sys.exit(f"{options}: exit {status}, left {steps}, {text!r}")
    return text
text = drive(["--", "sh", "-c", "tty; tty <&1; tty <&2; test -c /dev/tty && cat </dev/tty; exit 5"], [], 5)
assert text.count(b"not a tty") == 3 and b"/dev/pts/" not in text, text
prompt = rb"box:.*\$ "
def resize(fd):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 111, 0, 0))
    time.sleep(0.2)
    os.write(fd, b"stty size\n")
def interrupt(fd): # not before the shell has given the terminal to its job
    time.sleep(0.5)
    os.write(fd, b"\x03")
text = drive(["--shell"], [(prompt, b"tty; stty size; ps -o tty= -p $$\n"), (prompt, resize), (prompt, b"sleep 60\n"),
    (rb"sleep 60\r\n", interrupt), (prompt, b"echo st$?at; jobs\n"), (prompt, b"cat\n"), (rb"cat\r\n", b"line\n\x04"),
    (rb"line\r\nline\r\n[^\0]*" + prompt, b"exit 9\n")], 9)
for want in (b"/dev/pts/0", b"33 99", b"44 111", b"st130at"):
    assert want in text, (want, text)
text = drive(["--tty", "--", "sh", "-c", "trap 'echo got; exit 4' INT; echo ready; sleep 60 & wait"],
             [(rb"ready", b"\x03")], 4)
assert b"got" in text, text
text = drive(["--tty", "--", "python3", "-c", """
import fcntl, os, termios
try:
    fcntl.ioctl(0, termios.TIOCSTI, b"x")
except OSError as e:
    print("typed:", e.errno)
print(os.ttyname(0), os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpid())
"""], [], 0)
assert b"typed: 1" in text and b"/dev/pts/0 True True" in text, text
PY
/usr/bin/python3 "$WORK/drive.py" "$ASSAY"
# A terminal in the box without one outside, and its settings are given back.
echo typed | assay box run --tty -- sh -c 'read -r line; echo "<$line>"; tty; cat' >"$WORK/out" 2>"$WORK/err"
has out '<typed>'
has out /dev/pts/0
/usr/bin/python3 - "$ASSAY" <<'PY'
import os, pty, subprocess, sys, termios
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
for command, want in (["true"], 0), (["sh", "-c", "kill -9 $$"], 137), (["nosuch"], 127):
    got = subprocess.run([sys.argv[1], "box", "run", "--tty", "--", *command], stdin=slave, stdout=slave, stderr=slave)
    assert got.returncode == want, (command, got)
    assert termios.tcgetattr(slave) == before, command
PY
no_leftovers
