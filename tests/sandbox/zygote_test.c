// SPDX-License-Identifier: MIT
// What must hold: a run of a zygote is a box like any other, sees nothing of the zygote, leaves
// nothing to the next run, and dies as surely.
#include "sandbox/zygote.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/sandbox/boxes.h"

#define PYTHON "/usr/bin/python3"

// Serves, then runs the last word of the command as a program.
static const char script[] =
        "import _imp, os, sys\n"
        "from importlib.machinery import ModuleSpec\n"
        "SECRET = ['not set']\n"
        "try:\n"
        "    _imp.create_dynamic(ModuleSpec('assay_zygote', None, origin='" ASSAY_ZYGOTE_LIBRARY
        "'))\n"
        "except ImportError as back:\n"
        "    number = int(str(back))\n"
        "with open(number, 'rb') as stream:\n"
        "    words = stream.read().split(b'\\0')\n"
        "count = 1 + int(words[0])\n"
        "argv, environ = words[1:count], words[count:-1]\n"
        "exec(argv[-1].decode())\n";

static struct assay_zygote *zygote;
static const char *script_lowers[1];
static char script_path[PATH_MAX];

static void start_with(struct assay_zygote **out, struct assay_error *err, const char *path,
        enum assay_status expected)
{
    struct boxes_plan plan;

    boxes_plan_init(&plan, "");
    plan.argv[0] = PYTHON;
    plan.argv[1] = path;
    plan.argv[2] = NULL;
    boxes_add_mount(&plan, ASSAY_MOUNT_BIND_RO, "/zygote.py", script_lowers, 1);
    if (assay_zygote_start(out, boxes_sandbox, &plan.plan, err) != expected)
        fail_msg("start: %s", err->message);
}

static int start_zygote(void **state)
{
    struct assay_error err = {0};

    (void)state;
    if (script_path[0] == '\0')
        boxes_file(script_path, "zygote.py", script);
    script_lowers[0] = script_path;
    start_with(&zygote, &err, "/zygote.py", ASSAY_OK);
    return 0;
}

static int stop_zygote(void **state)
{
    (void)state;
    assay_zygote_stop(zygote);
    return 0;
}

// A plan whose command is this program, for both ways.
static void init(struct boxes_plan *plan, const char *program)
{
    boxes_plan_init(plan, program);
    plan->argv[0] = PYTHON;
}

static void run(struct assay_box_result *result, const struct boxes_plan *plan)
{
    struct assay_error err = {0};

    if (assay_zygote_run(zygote, &plan->plan, result, &err) != ASSAY_OK)
        fail_msg("run: %s", err.message);
}

static void run_program(struct assay_box_result *result, const char *program)
{
    struct boxes_plan plan;

    init(&plan, program);
    run(result, &plan);
}

static void expect(const char *program, const char *output)
{
    struct assay_box_result result;

    run_program(&result, program);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, output);
    assay_box_result_release(&result);
}

static void the_command_reaches_the_run(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    init(&plan,
            "print(argv[:2], os.getcwd(), sys.stdin.read());"
            "print([e for e in environ if e.startswith(b'HOME')]);"
            "os.write(9, b'reported'); sys.exit(7)");
    plan.plan.cwd = "/payloads";
    plan.plan.stdin_bytes = "input";
    plan.plan.stdin_len = 5;
    plan.plan.report_fd = 9;
    run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 7);
    boxes_assert_text(
            &result, "[b'/usr/bin/python3', b'-c'] /payloads input\n[b'HOME=/home/box']\n");
    assert_int_equal(result.report.len, 8);
    assert_true(result.usage.wall_ms < 20000);
    assay_box_result_release(&result);
}

// Everything that the kernel tells of the process, but for what differs between any two.
static const char self_portrait[] =
        "import os\n"
        "def show(path, leave=()):\n"
        "    with open(path) as stream:\n"
        "        for line in stream:\n"
        "            if not line.startswith(leave): print(line, end='')\n"
        "show('/proc/self/status', ('Vm', 'Rss', 'Hugetlb', 'voluntary', 'nonvoluntary', 'Cpus',\n"
        "    'Mems', 'FDSize', 'Threads', 'Name', 'SigQ', 'x86', 'Speculation', 'untag'))\n"
        "show('/proc/self/limits')\n"
        "show('/proc/self/setgroups'); show('/proc/self/cgroup'); show('/proc/net/dev', ('  lo', 'lo'))\n"
        "devices = ('null', 'zero', 'full', 'random', 'urandom', 'tty')\n"
        "mounts = []\n"
        "for line in open('/proc/self/mountinfo'):\n"
        "    words = line.split()\n"
        "    if words[4].startswith('/etc'): continue\n" // made at once, or one by one
        "    if words[4] == '/dev' or words[4][5:] in devices: continue\n" // likewise: below
        "    end = words.index('-')\n"
        "    options = [o for o in words[end + 3].split(',')\n"
        "        if not o.startswith(('lowerdir', 'upperdir', 'workdir', 'uid=', 'gid='))\n"
        "        and ('rw,' in words[5] or not o.startswith(('size', 'nr_inodes')))]\n"
        "    mounts.append((words[4], words[5], words[end + 1], tuple(options)))\n"
        "for mount in sorted(set(mounts)): print(mount)\n"
        "print(sorted(os.listdir('/proc/self/fd')), os.uname()[1], os.getpid(), os.getppid())\n"
        "print(sorted(p for p in os.listdir('/proc') if p.isdigit()), os.getsid(0), os.getcwd())\n"
        "print(sorted(os.listdir('/')), sorted(os.listdir('/run')), sorted(os.listdir('/etc')))\n"
        "print(sorted(os.listdir('/dev')), os.listdir('/tmp'), os.umask(0), os.getgroups())\n"
        "for n in range(3): print(os.fstat(n).st_mode, os.isatty(n), os.get_inheritable(n))\n"
        "for name in devices:\n"
        "    node = os.stat('/dev/' + name)\n"
        "    print(name, oct(node.st_mode), node.st_rdev, node.st_uid)\n"
        "def attempt(call, *words):\n"
        "    try: return call(*words)\n"
        "    except OSError as problem: return problem.errno\n"
        "print(attempt(os.open, '/dev/new', os.O_CREAT), attempt(os.unlink, '/dev/null'))\n"
        "print(attempt(os.chmod, '/dev/null', 0o600), attempt(os.mkdir, '/dev/new'))\n"
        "print(attempt(os.execv, '/dev/null', ['x']), attempt(os.rename, '/dev/tty', '/dev/null'))\n"
        "print(os.read(os.open('/dev/zero', 0), 3), os.write(os.open('/dev/null', 1), b'xyz'))\n"
        "print(open('/proc/self/oom_score_adj').read(), os.nice(0), os.sched_getscheduler(0))\n"
        "print(os.access('/proc/1/root', os.R_OK), os.access('/proc/self/mem', os.W_OK))\n"
        "print(os.stat('/proc/self/status').st_uid)\n";

// Line by line, so that what differs is what is printed.
static void assert_same_lines(char *left, char *right)
{
    char *left_next = NULL;
    char *right_next = NULL;
    char *mine = strtok_r(left, "\n", &left_next);
    char *other = strtok_r(right, "\n", &right_next);

    for (; mine != NULL && other != NULL; mine = strtok_r(NULL, "\n", &left_next)) {
        assert_string_equal(mine, other);
        other = strtok_r(NULL, "\n", &right_next);
    }
    assert_ptr_equal(mine, other);
}

static void a_run_is_a_box_like_any_other(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result cold;
    struct assay_box_result warm;
    char tree[PATH_MAX];
    char inner[PATH_MAX];
    const char *const lowers[] = {tree};

    (void)state;
    boxes_directory(tree, "tree/");
    boxes_file(inner, "tree/file", "text");
    init(&plan, self_portrait);
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 1);
    plan.plan.cwd = "/testbed";
    plan.plan.out_dir = "/run/out";
    boxes_run(&cold, &plan);
    boxes_assert(&cold, ASSAY_BOX_EXITED, 0);
    run(&warm, &plan);
    boxes_assert(&warm, ASSAY_BOX_EXITED, 0);
    assert_same_lines(warm.output.data, cold.output.data);
    assert_true(warm.out_dir_fd >= 0);
    assay_box_result_release(&cold);
    assay_box_result_release(&warm);
}

static void the_zygote_is_out_of_reach(void **state)
{
    (void)state;
    // No signal, no trace, no descriptor, no memory, no process id leads there.
    expect("import signal, ctypes\n"
           "libc = ctypes.CDLL(None, use_errno=True)\n"
           "seen = []\n"
           "for pid in range(1, 2000):\n"
           "    if pid == os.getpid(): continue\n"
           "    try: os.kill(pid, 0); seen.append(pid)\n"
           "    except ProcessLookupError: pass\n"
           "    except PermissionError: seen.append(pid)\n"
           "print(seen, libc.ptrace(16, 1, 0, 0), libc.ptrace(16, os.getppid(), 0, 0))\n"
           "for path in ('mem', 'environ', 'maps', 'root', 'fd', 'ns/mnt', 'cwd'):\n"
           "    try: os.readlink('/proc/1/' + path) if path in ('root', 'cwd', 'ns/mnt')"
           " else os.listdir('/proc/1/fd') if path == 'fd' else open('/proc/1/' + path, 'rb').read(1)\n"
           "    except OSError as e: print(path, e.errno)\n"
           "    else: print(path, 'READ')\n"
           "print([f for f in os.listdir('/proc/self/fd') if int(f) > 2 and\n"
           "       os.path.exists('/proc/self/fd/' + f)], os.path.exists('" ASSAY_ZYGOTE_LIBRARY
           "'))\n"
           "try: os.kill(-1, 9)\n"
           "except ProcessLookupError: print('alone')\n",
            "[1] -1 -1\nmem 13\nenviron 13\nmaps 13\nroot 13\nfd 13\nns/mnt 13\ncwd 13\n[] False\n"
            "alone\n");
    expect("print('still there')", "still there\n");
}

static void nothing_is_left_to_the_next_run(void **state)
{
    (void)state;
    expect("import random, socket, signal, builtins, json\n"
           "SECRET[0] = 'set'; builtins.leak = 1; sys.modules['leak'] = os; os.environ['LEAK'] = '1'\n"
           "json.dumps = None; os.umask(0o77); open('/tmp/leak', 'w').close(); os.chdir('/tmp')\n"
           "open('/dev/shm/leak', 'w').close(); open('/home/box/leak', 'w').close()\n"
           "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).bind('\\0leak')\n"
           "held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); held.bind('\\0kept')\n"
           "port = socket.socket(); port.bind(('127.0.0.1', 4000)); port.listen()\n"
           "signal.signal(signal.SIGUSR1, signal.SIG_IGN); print('done')\n"
           "if os.fork() == 0: signal.pause()\n",
            "done\n");
    expect("import socket, signal, builtins, json\n"
           "print(SECRET, hasattr(builtins, 'leak'), 'leak' in sys.modules, 'LEAK' in os.environ,\n"
           "      json.dumps(1), os.listdir('/tmp'), os.listdir('/dev/shm'), os.listdir('/home/box'),\n"
           "      signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, oct(os.umask(0)), os.getcwd())\n"
           "held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); held.bind('\\0kept')\n"
           "port = socket.socket(); port.bind(('127.0.0.1', 4000))\n"
           "print([p for p in os.listdir('/proc') if p.isdigit()])\n",
            "['not set'] False False False 1 [] [] [] True 0o22 /\n['1', '2']\n");
}

// In turns: whatever one run used, the next in its group has only its own told.
static void usage_is_the_runs_own(void **state)
{
    struct assay_box_result result;

    (void)state;
    for (int i = 0; i < 6; i++) {
        run_program(&result, "x = bytearray(96 << 20); sum(range(3000000))");
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        assert_true(result.usage.cpu_user_us + result.usage.cpu_system_us > 30000);
        assay_box_result_release(&result);
        run_program(&result, "pass");
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        assert_true(result.usage.cpu_user_us + result.usage.cpu_system_us < 30000);
        assert_true(result.usage.memory_bytes_peak < (uint64_t)64 << 20);
        assert_true(result.usage.pids_peak <= 1);
        assay_box_result_release(&result);
    }
}

// Whether one that another run had or not, and whatever that did with it.
static void each_run_has_a_network_as_new(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        expect("import fcntl, socket, struct\n"
               "lo = [line.split() for line in open('/proc/net/dev') if 'lo:' in line]\n"
               "print(len(lo), set(lo[0][1:]))\n"
               "snmp = [line.split() for line in open('/proc/net/snmp')]\n"
               "print([word for line in snmp if line[0] in ('Udp:', 'Icmp:') for word in line[1:]\n"
               "       if word.isdigit() and word != '0'])\n"
               "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
               "try: fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 0))\n" // SIOCSIFFLAGS
               "except PermissionError: print('no right')\n"
               "s.bind(('127.0.0.1', 4001)); s.sendto(b'x', ('127.0.0.1', 4001)); print(s.recv(1))\n",
                "1 {'0'}\n[]\nno right\nb'x'\n");
    for (int i = 0; i < 6; i++)
        expect("print(set([line.split() for line in open('/proc/net/dev') if 'lo:' in line][0][1:]))",
                "{'0'}\n");
}

static void randomness_is_each_runs_own(void **state)
{
    struct assay_box_result one;
    struct assay_box_result two;

    (void)state;
    run_program(&one, "import random; print(random.random(), os.urandom(8))");
    run_program(&two, "import random; print(random.random(), os.urandom(8))");
    assert_string_not_equal(one.output.data, two.output.data);
    assay_box_result_release(&one);
    assay_box_result_release(&two);
}

static void expect_cause(struct boxes_plan *plan, enum assay_box_cause cause, int exit_code)
{
    struct assay_box_result result;

    run(&result, plan);
    boxes_assert(&result, cause, exit_code);
    assay_box_result_release(&result);
    expect("print('next')", "next\n");
}

static void limits_hold_in_a_run(void **state)
{
    struct boxes_plan plan;

    (void)state;
    init(&plan, "import time; time.sleep(1000)");
    plan.plan.limits.wall_ms_max = 300;
    expect_cause(&plan, ASSAY_BOX_WALL_LIMIT, 0);
    init(&plan, "while True: pass");
    plan.plan.limits.cpu_ms_max = 200;
    expect_cause(&plan, ASSAY_BOX_CPU_LIMIT, 0);
    init(&plan, "x = []\nwhile True: x.append(bytearray(1 << 20))");
    plan.plan.limits.memory_bytes_max = (uint64_t)96 << 20;
    plan.plan.limits.disk_bytes_max = (uint64_t)16 << 20;
    if (assay_sandbox_cgroup_shape(boxes_sandbox) != ASSAY_CGROUP_NONE)
        expect_cause(&plan, ASSAY_BOX_MEMORY_LIMIT, 0);
    init(&plan, "print('x' * 200000)");
    plan.plan.limits.output_bytes_max = 1000;
    expect_cause(&plan, ASSAY_BOX_OUTPUT_LIMIT, 0);
    init(&plan, "open('/tmp/big', 'wb').write(bytes(200 << 20))");
    expect_cause(&plan, ASSAY_BOX_DISK_LIMIT, 1);
}

static void a_fork_bomb_stays_in_its_run(void **state)
{
    struct boxes_plan plan;

    (void)state;
    init(&plan,
            "while True:\n"
            "    try: os.fork()\n"
            "    except OSError: os._exit(3) if os.getpid() == 2 else None");
    plan.plan.limits.process_count_max = 40;
    plan.plan.limits.wall_ms_max = 5000;
    plan.plan.limits.cpu_ms_max = 3000;
    struct assay_box_result result;

    run(&result, &plan);
    // Without control groups a limit that was hit for a moment may not be seen.
    assert_true(result.cause == ASSAY_BOX_PIDS_LIMIT || result.cause == ASSAY_BOX_CPU_LIMIT ||
            result.cause == ASSAY_BOX_WALL_LIMIT ||
            (result.cause == ASSAY_BOX_EXITED && result.exit_code == 3));
    assay_box_result_release(&result);
    expect("print('next')", "next\n");
}

static void ends_are_told_apart(void **state)
{
    struct boxes_plan plan;

    (void)state;
    init(&plan, "os.kill(os.getpid(), 11)");
    expect_cause(&plan, ASSAY_BOX_SIGNALLED, 0);
    init(&plan, "os._exit(9)");
    expect_cause(&plan, ASSAY_BOX_EXITED, 9);
    init(&plan, "os.kill(1, 9)"); // its init is out of its reach
    expect_cause(&plan, ASSAY_BOX_EXITED, 1);
    init(&plan, "print('never')");
    plan.plan.cwd = "/no/such/place";
    expect_cause(&plan, ASSAY_BOX_EXITED, 127);
    init(&plan, "os.execv('/bin/sh', ['sh', '-c', 'exit 5'])");
    expect_cause(&plan, ASSAY_BOX_EXITED, 5);
}

static void *run_in_thread(void *user)
{
    static char problem[] = "a run came out otherwise";
    const int number = *(const int *)user;
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err = {0};
    char program[64];
    char expected[16];

    (void)snprintf(program, sizeof(program), "import time; time.sleep(0.05); print(%d)", number);
    (void)snprintf(expected, sizeof(expected), "%d\n", number);
    for (int i = 0; i < 4; i++) {
        init(&plan, program);
        if (assay_zygote_run(zygote, &plan.plan, &result, &err) != ASSAY_OK)
            return problem;
        if (result.cause != ASSAY_BOX_EXITED || result.exit_code != 0 ||
                strcmp(result.output.data, expected) != 0)
            return problem;
        assay_box_result_release(&result);
    }
    return NULL;
}

static void runs_at_once_do_not_meet(void **state)
{
    pthread_t threads[8];
    int numbers[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, run_in_thread, &numbers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        void *problem = NULL;

        assert_int_equal(pthread_join(threads[i], &problem), 0);
        assert_ptr_equal(problem, NULL);
    }
}

static void a_command_that_does_not_serve_is_refused(void **state)
{
    struct assay_zygote *none = NULL;
    struct assay_error err = {0};

    (void)state;
    start_with(&none, &err, "/no/such/file.py", ASSAY_EREFUSED);
    assert_non_null(strstr(err.message, "exited 2"));
    assert_null(none);
}

static void a_dead_zygote_is_no_verdict(void **state)
{
    struct assay_zygote *mine = zygote;
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err = {0};

    (void)state;
    start_with(&mine, &err, "/zygote.py", ASSAY_OK);
    init(&plan, "print(1)");
    assert_int_equal(assay_zygote_run(mine, &plan.plan, &result, &err), ASSAY_OK);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    // A plan that is not for it is a failure of set-up, and hurts nobody.
    plan.plan.network = ASSAY_NETWORK_HOST;
    assert_int_equal(assay_zygote_run(mine, &plan.plan, &result, &err), ASSAY_OK);
    boxes_assert(&result, ASSAY_BOX_SETUP_FAILED, 0);
    assay_box_result_release(&result);
    assert_int_equal(assay_sandbox_restart(boxes_sandbox, &err), ASSAY_OK);
    boxes_note_spawner(assay_sandbox_spawner_pid(boxes_sandbox));
    plan.plan.network = ASSAY_NETWORK_NONE;
    assert_int_equal(assay_zygote_run(mine, &plan.plan, &result, &err), ASSAY_OK);
    boxes_assert(&result, ASSAY_BOX_SETUP_FAILED, 0);
    assert_string_equal(result.step, "zygote");
    assay_box_result_release(&result);
    assay_zygote_stop(mine);
    stop_zygote(NULL);
    zygote = NULL;
    start_zygote(NULL);
    expect("print('anew')", "anew\n");
}

static void nothing_is_left_when_it_stops(void **state)
{
    (void)state;
    stop_zygote(NULL);
    zygote = NULL;
    for (uint64_t end_ms = assay_clock_ms() + 30000; assay_clock_ms() < end_ms;) {
        if (boxes_count_processes() == 0 && boxes_count_groups() == 0)
            return;
        usleep(10000);
    }
    boxes_describe_processes();
    fail_msg("%u processes, %u groups are left", boxes_count_processes(), boxes_count_groups());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup(the_command_reaches_the_run, start_zygote),
            cmocka_unit_test(a_run_is_a_box_like_any_other),
            cmocka_unit_test(the_zygote_is_out_of_reach),
            cmocka_unit_test(nothing_is_left_to_the_next_run),
            cmocka_unit_test(usage_is_the_runs_own),
            cmocka_unit_test(each_run_has_a_network_as_new),
            cmocka_unit_test(randomness_is_each_runs_own),
            cmocka_unit_test(limits_hold_in_a_run),
            cmocka_unit_test(a_fork_bomb_stays_in_its_run),
            cmocka_unit_test(ends_are_told_apart),
            cmocka_unit_test(runs_at_once_do_not_meet),
            cmocka_unit_test(a_command_that_does_not_serve_is_refused),
            cmocka_unit_test(a_dead_zygote_is_no_verdict),
            cmocka_unit_test(nothing_is_left_when_it_stops),
    };

    return boxes_main("zygote", tests, sizeof(tests) / sizeof(tests[0]));
}
