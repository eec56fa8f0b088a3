// SPDX-License-Identifier: MIT
// What must hold: whichever call of a box's set-up fails, the box ends as setup_failed with the
// step and that errno; nothing of it is left; and the next box works.
//
// assay-box-faults (tests/sandbox/faults) makes one call fail: of the spawner, of the init, of
// what becomes the payload. Call 1, call 2, and so on, until a box runs through and nothing failed.
// `make soak` takes several errnos for each call, `make test` one for each fifth call.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/ids.h"
#include "sandbox/snapshot.h"
#include "tests/sandbox/boxes.h"
#include "tests/sandbox/faults/control.h"

#define CALLS_MAX 5000
#define SAMPLE 5 // `make test` takes each fifth call

// What a failure may lead to instead, by design.
enum excuse {
    NO_EXCUSE,
    GOES_ON,     // the box runs as if nothing had happened
    OTHER_ERRNO, // setup_failed, told in other words
    REFUSED,     // the command's own fault: 126 or 127
};

static const struct {
    int role;           // FAULTS_ROLES: any
    const char *name;   // of the function; NULL: any
    const char *detail; // what its path ends with, or its number; NULL: any
    int sys_errno;      // 0: any
    enum excuse excuse;
    const char *reason; // cppcheck-suppress unusedStructMember
} excuses[] = {
        {FAULTS_SPAWNER, "epoll_ctl", "other", 0, GOES_ON,
                "the end of a descriptor ends its watch"},
        {FAULTS_SPAWNER, "recvmsg", NULL, 0, GOES_ON, "what could not be received still waits"},
        {FAULTS_SPAWNER, "sendmsg", NULL, 0, GOES_ON, "an order waits until the forge has room"},
        {FAULTS_FORGE, NULL, "memory.swap.max", 0, GOES_ON, "kernels without swap lack it"},
        {FAULTS_FORGE, NULL, "memory.oom.group", 0, GOES_ON, "kernels before 4.19 lack it"},
        {FAULTS_FORGE, NULL, "memsw.limit_in_bytes", 0, GOES_ON, "kernels without swap lack it"},
        {FAULTS_FORGE, NULL, "memory.oom_control", 0, GOES_ON, "the count at the end tells"},
        {FAULTS_FORGE, NULL, "cgroup.event_control", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, "eventfd", NULL, 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, "recv", NULL, 0, GOES_ON, "it ends, and the spawner starts another"},
        {FAULTS_FORGE, "sendmsg", NULL, 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, "setns", NULL, 0, GOES_ON, "likewise, or another network is made"},
        {FAULTS_FORGE, "pread", NULL, 0, GOES_ON, "a used network is not used again"},
        {FAULTS_FORGE, NULL, "memory.limit_in_bytes", EINVAL, GOES_ON,
                "a lower one with swap answers so: tried again after that"},
        {FAULTS_FORGE, NULL, "pids.peak", 0, GOES_ON, "a used group is not used again"},
        {FAULTS_FORGE, NULL, "pids.events", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, NULL, "pids.current", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, NULL, "usage_in_bytes", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, NULL, "cpu.stat", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, NULL, "cpuacct.usage_user", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, NULL, "cpuacct.usage_sys", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, NULL, "/ns/mnt", 0, GOES_ON, "the namespace ends with its init"},
        {FAULTS_SPAWNER, "calloc", NULL, 0, OTHER_ERRNO, "no memory for a box: EAGAIN"},
        {FAULTS_SPAWNER, "syscall", "442", 0, GOES_ON, "no owner shift: the store's own uid"},
        {FAULTS_SPAWNER, "syscall", "314", 0, GOES_ON, "when an init runs, not whether"},
        {FAULTS_SPAWNER, "sched_setaffinity", NULL, 0, GOES_ON, "the payload pins itself"},
        {FAULTS_FORGE, "prctl", NULL, 0, GOES_ON, "only a name"},
        {FAULTS_INIT, "prctl", "15", 0, GOES_ON, "likewise"},
        {FAULTS_FORGE, "syscall", "117", 0, GOES_ON, "back to root: tried twice"},
        {FAULTS_INIT, NULL, "max_inotify_instances", 0, GOES_ON, "the host keeps its own limit"},
        {FAULTS_INIT, NULL, "max_inotify_watches", 0, GOES_ON, "likewise"},
        {FAULTS_INIT, "syscall", "431", EINVAL, GOES_ON, "lowers all at once, before Linux 6.7"},
        {FAULTS_SPAWNER, "setns", NULL, 0, GOES_ON, "the way back is tried again"},
        {FAULTS_INIT, "syscall", "298", 0, GOES_ON, "no perf counter: the meter's other sum"},
        {FAULTS_PAYLOAD, "syscall", "444", ENOSYS, GOES_ON, "a kernel without Landlock"},
        {FAULTS_PAYLOAD, "chdir", NULL, 0, REFUSED,
                "a patched tree decides whether it has the folder"},
        {FAULTS_PAYLOAD, "execve", NULL, 0, REFUSED, "a command that cannot be executed"},
        {FAULTS_ROLES, "syscall", "437", EAGAIN, GOES_ON, "a race under openat2: tried again"},
        {FAULTS_ROLES, "prctl", "24", EINVAL, GOES_ON, "there is no such capability: the last"},
};

static struct assay_sandbox *faulty;
static struct faults_control *control;
static struct assay_snapshot *parent; // what FORKED boxes start from

// --- the box that is made again and again --------------------------------------------------------

// What an init prepares without knowing its plan, and what it does when the plan is another.
enum shape { PLAIN, OWN_ROOT, HOST_NETWORK, FROZEN, FORKED };

static void run(struct assay_box_result *result, enum shape shape)
{
    static char lower[PATH_MAX];
    static const char *const lowers[] = {lower};
    struct boxes_plan plan;
    struct assay_error err = {0};

    if (lower[0] == '\0')
        boxes_directory(lower, "lower");
    boxes_plan_init(&plan, NULL);
    plan.argv[0] = "/bin/true";
    plan.argv[1] = NULL;
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 1);
    boxes_add_mount(&plan, ASSAY_MOUNT_TMPFS, "/scratch", NULL, 0)->bytes_max = 1 << 20;
    plan.plan.cwd = "/testbed";
    plan.plan.out_dir = "/run/out";
    plan.plan.stdin_bytes = "x";
    plan.plan.stdin_len = 1;
    plan.plan.report_fd = 9;
    if (shape == OWN_ROOT) {
        plan.plan.root_lowers = lowers;
        plan.plan.root_lower_count = 1;
    } else if (shape == HOST_NETWORK) {
        plan.plan.network = ASSAY_NETWORK_HOST;
    }
    plan.plan.snapshot = shape == FROZEN;
    plan.plan.from = shape == FORKED ? parent : NULL;
    if (assay_box_run(faulty, &plan.plan, result, &err) != ASSAY_OK)
        fail_msg("%s %s: run: %s", control->name, control->detail, err.message);
}

static enum excuse find_excuse(void)
{
    const size_t len = strlen(control->detail);

    for (size_t i = 0; i < sizeof(excuses) / sizeof(excuses[0]); i++) {
        const char *detail = excuses[i].detail;

        if ((excuses[i].role == FAULTS_ROLES || excuses[i].role == (int)control->role) &&
                (excuses[i].name == NULL || strcmp(excuses[i].name, control->name) == 0) &&
                (excuses[i].sys_errno == 0 || excuses[i].sys_errno == control->sys_errno) &&
                (detail == NULL ||
                        (strlen(detail) <= len &&
                                strcmp(control->detail + len - strlen(detail), detail) == 0)))
            return excuses[i].excuse;
    }
    return NO_EXCUSE;
}

static bool is_as_it_must_be(const struct assay_box_result *result)
{
    const bool failed = result->cause == ASSAY_BOX_SETUP_FAILED && result->step[0] != '\0';

    if (failed && result->sys_errno == control->sys_errno)
        return true;
    switch (find_excuse()) {
    case GOES_ON:
        return result->cause == ASSAY_BOX_EXITED && result->exit_code == 0;
    case OTHER_ERRNO:
        return failed && result->sys_errno != 0;
    case REFUSED:
        return result->cause == ASSAY_BOX_EXITED &&
                (result->exit_code == 126 || result->exit_code == 127);
    case NO_EXCUSE:
        break;
    }
    return false;
}

// --- what is left --------------------------------------------------------------------------------

struct state {
    unsigned fds, mounts, processes, groups;
};

static unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    assert_non_null(dir);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static unsigned count_lines(const char *path)
{
    static char text[1 << 20];
    unsigned count = 0;

    boxes_read(text, sizeof(text), path);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count;
}

static void look(struct state *out)
{
    char path[64];
    const int pid = (int)assay_sandbox_spawner_pid(faulty);

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    out->fds = count_entries(path);
    (void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
    out->mounts = count_lines(path);
    out->processes = boxes_count_processes();
    out->groups = boxes_count_groups();
}

// The result comes when everything is dead; what the spawner then still puts
// away takes it a moment.
static void assert_unchanged(const struct state *before)
{
    struct state now = {0};

    for (int i = 0; i < 2000; i++) {
        look(&now);
        if (memcmp(&now, before, sizeof(now)) == 0)
            return;
        (void)usleep(1000);
    }
    boxes_describe_processes();
    fail_msg("%s %s: fds %u -> %u, mounts %u -> %u, processes %u -> %u, groups %u -> %u",
            control->name, control->detail, before->fds, now.fds, before->mounts, now.mounts,
            before->processes, now.processes, before->groups, now.groups);
}

// --- the walk ------------------------------------------------------------------------------------

static void arm(enum faults_role role, uint32_t target, int sys_errno)
{
    control->role = role;
    control->target = target;
    control->sys_errno = sys_errno;
    control->count = 0;
    control->hit = 0;
    control->name[0] = control->detail[0] = '\0';
    control->armed = 1;
}

static void run_clean(enum shape shape, const struct state *before)
{
    struct assay_box_result result;

    run(&result, shape);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    assert_unchanged(before);
}

// False when that call was never made: the walk is over.
static bool fail_one(enum faults_role role, enum shape shape, uint32_t target, int sys_errno,
        const struct state *before)
{
    struct assay_box_result result;

    arm(role, target, sys_errno);
    run(&result, shape);
    control->armed = 0;
    if (control->hit && !is_as_it_must_be(&result))
        fail_msg("role %d, call %u, %s %s, errno %d: got %s %d, step \"%s\", errno %d", (int)role,
                target, control->name, control->detail, control->sys_errno,
                assay_box_cause_name(result.cause), result.exit_code, result.step,
                result.sys_errno);
    if (!control->hit)
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    run_clean(shape, before);
    return control->hit != 0;
}

static void walk(enum faults_role role, enum shape shape)
{
    static const int errnos[] = {EPERM, ENOMEM, EINVAL, EMFILE, EAGAIN, ENOSYS};
    const size_t errno_count = sizeof(errnos) / sizeof(errnos[0]);
    const bool soak = secure_getenv("ASSAY_SOAK") != NULL;
    struct state before;
    uint32_t target = 1;
    bool more = true;

    for (int i = 0; i < 2; i++) { // what is made once and kept, is made
        struct assay_box_result result;

        run(&result, shape);
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        assay_box_result_release(&result);
    }
    for (int i = 0; i < 2000 && boxes_count_groups() > 0; i++)
        (void)usleep(1000);
    (void)usleep(50000);
    look(&before);
    for (target = 1; more && target < CALLS_MAX; target += soak ? 1 : SAMPLE)
        for (size_t i = 0; more && i < (soak ? errno_count : 1); i++)
            more = fail_one(role, shape, target, errnos[(target + i) % errno_count], &before);
    print_message("role %d, shape %d: fewer than %u calls\n", (int)role, (int)shape, target);
    assert_true(target > 20 && target < CALLS_MAX);
}

static void a_failure_in_the_spawner_is_told(void **state)
{
    struct assay_box_result result;

    (void)state;
    run(&result, FROZEN);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    parent = result.snapshot;
    result.snapshot = NULL;
    assay_box_result_release(&result);
    assert_non_null(parent);
    walk(FAULTS_SPAWNER, PLAIN);
    walk(FAULTS_SPAWNER, FORKED);
}

static void a_failure_in_the_forge_is_told(void **state)
{
    (void)state;
    walk(FAULTS_FORGE, PLAIN);
}

static void a_failure_in_the_init_is_told(void **state)
{
    (void)state;
    walk(FAULTS_INIT, PLAIN);
    walk(FAULTS_INIT, OWN_ROOT);
    walk(FAULTS_INIT, HOST_NETWORK);
    walk(FAULTS_INIT, FROZEN);
    walk(FAULTS_INIT, FORKED);
}

static void a_failure_before_exec_is_told(void **state)
{
    (void)state;
    walk(FAULTS_PAYLOAD, PLAIN);
}

// After all those failures the first uid of the pool is still free.
static void no_uid_of_the_pool_is_lost(void **state)
{
    struct assay_ids ids;
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err;

    (void)state;
    assay_ids_find(&ids, geteuid(), getegid(), NULL);
    if (ids.pool_count == 0 || assay_sandbox_tier(faulty) == ASSAY_TIER_C) {
        skip(); // every box has the store's
        return;
    }
    boxes_plan_init(&plan, "cat /proc/1/status /proc/self/uid_map");
    assert_int_equal(assay_box_run(faulty, &plan.plan, &result, &err), ASSAY_OK);
    const uint32_t index = (uint32_t)assay_sandbox_spawner_pid(faulty) % ids.pool_count;
    char wanted[32];

    (void)snprintf(wanted, sizeof(wanted), " %u ", ids.pool + index);
    boxes_assert_has(&result, wanted);
    assay_box_result_release(&result);
}

// --- the faulty spawner --------------------------------------------------------------------------

static int start_faulty(void **state)
{
    static char link[PATH_MAX];
    char path[PATH_MAX];
    char program[PATH_MAX];
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    struct assay_sandbox_options options;
    struct assay_error err;

    (void)state;
    boxes_directory(path, "faulty");
    (void)snprintf(
            program, sizeof(program), "%s/tests/assay-box-faults", build != NULL ? build : ".");
    assert_true(snprintf(link, sizeof(link), "%s/faulty/assay-box", boxes_folder) < PATH_MAX);
    assert_int_equal(symlink(program, link), 0);
    boxes_file(path, "faulty/" FAULTS_FILE, "");
    const int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(*control)), 0);
    control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(control != MAP_FAILED);
    close(fd);
    boxes_options(&options);
    options.box_program = link;
    options.ready_count = -1; // or it would be chance whose call it is
    if (assay_sandbox_start(&faulty, &options, &err) != ASSAY_OK) {
        print_error("start: %s\n", err.message);
        return 1;
    }
    boxes_note_spawner(assay_sandbox_spawner_pid(faulty));
    return 0;
}

static int stop_faulty(void **state)
{
    (void)state;
    assay_snapshot_release(parent);
    assay_sandbox_stop(faulty);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup(a_failure_in_the_spawner_is_told, start_faulty),
            cmocka_unit_test(a_failure_in_the_forge_is_told),
            cmocka_unit_test(a_failure_in_the_init_is_told),
            cmocka_unit_test(a_failure_before_exec_is_told),
            cmocka_unit_test_teardown(no_uid_of_the_pool_is_lost, stop_faulty),
    };

    return boxes_main("faults", tests, sizeof(tests) / sizeof(tests[0]));
}
