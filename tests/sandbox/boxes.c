// SPDX-License-Identifier: MIT
#include "tests/sandbox/boxes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

#define POOL 16 // what a spawner keeps ready when nothing else is said

struct assay_sandbox *boxes_sandbox;
char boxes_folder[PATH_MAX];

static char box_program[PATH_MAX];
static char payloads[PATH_MAX];
static char mark[32]; // in the environment of every payload
static char sandbox_tmp[] = "/tmp/assay-boxes-XXXXXX";

void boxes_options(struct assay_sandbox_options *options)
{
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    const char *tier = secure_getenv("ASSAY_TEST_TIER");

    memset(options, 0, sizeof(*options));
    (void)snprintf(box_program, sizeof(box_program), "%s/assay-box", build != NULL ? build : ".");
    options->box_program = box_program;
    options->tier_min = ASSAY_TIER_A;
    // Tests of many boxes at once want them at once; of waiting: slots_test.c, pinned_test.c.
    options->boxes_per_cpu = 4096;
    options->memory_bytes_budget = UINT64_MAX;
    options->hide_cgroups = secure_getenv("ASSAY_TEST_HIDE_CGROUPS") != NULL;
    if (tier != NULL && strcmp(tier, "B") == 0) {
        options->hide_proc = true;
        options->tier_min = ASSAY_TIER_B;
    } else if (tier != NULL && strcmp(tier, "C") == 0) {
        options->hide_user_namespaces = true;
        options->tier_min = ASSAY_TIER_C;
    }
}

int boxes_main(const char *name, const struct CMUnitTest *tests, size_t count)
{
    struct assay_sandbox_options options;
    struct assay_error err;
    int failed = 0;

    (void)snprintf(payloads, sizeof(payloads), "%s/tests/payloads",
            secure_getenv("ASSAY_BUILD_DIR") != NULL ? secure_getenv("ASSAY_BUILD_DIR") : ".");
    (void)snprintf(mark, sizeof(mark), "ASSAY_TEST_MARK=%d", (int)getpid());
    boxes_options(&options);
    const enum assay_status status = assay_sandbox_start(&boxes_sandbox, &options, &err);

    if (status == ASSAY_EREFUSED) {
        ASSAY_SKIP_NOTE(err.message);
        return ASSAY_EXIT_SKIPPED;
    }
    if (status != ASSAY_OK) {
        print_error("start: %s\n", err.message);
        return 1;
    }
    boxes_note_spawner(assay_sandbox_spawner_pid(boxes_sandbox));
    print_message("uid %d, tier %s, control groups: %s\n", (int)geteuid(),
            assay_tier_name(assay_sandbox_tier(boxes_sandbox)),
            assay_cgroup_shape_name(assay_sandbox_cgroup_shape(boxes_sandbox)));
    if (mkdtemp(sandbox_tmp) == NULL || chmod(sandbox_tmp, 0755) < 0)
        return 1;
    (void)snprintf(boxes_folder, sizeof(boxes_folder), "%s", sandbox_tmp);
    boxes_give(boxes_folder);
    failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    assay_sandbox_stop(boxes_sandbox);
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (assay_fs_remove_tree(tmp_fd, strrchr(boxes_folder, '/') + 1, &err) != ASSAY_OK)
        print_error("clean up: %s\n", err.message);
    close(tmp_fd);
    return failed;
}

// --- plans ---------------------------------------------------------------------------------------

void boxes_plan_init(struct boxes_plan *out, const char *script)
{
    static const char *const env[] = {
            "PATH=/payloads:/usr/bin:/bin", "HOME=/home/box", "LC_ALL=C", mark, NULL};

    memset(out, 0, sizeof(*out));
    assay_box_plan_default(&out->plan);
    out->plan.host_usr = true;
    out->plan.env = env;
    out->plan.argv = out->argv;
    out->argv[0] = "/bin/sh";
    out->argv[1] = "-c";
    out->argv[2] = script;
    out->plan.mounts = out->mounts;
    out->payload_lowers[0] = payloads;
    boxes_add_mount(out, ASSAY_MOUNT_BIND_RO, "/payloads", out->payload_lowers, 1);
    out->plan.limits.wall_ms_max = 20000;
    out->plan.limits.cpu_ms_max = 20000;
    out->plan.limits.memory_bytes_max = (uint64_t)256 << 20;
    out->plan.limits.disk_bytes_max = (uint64_t)64 << 20;
    out->plan.limits.inodes_max = 20000;
    out->plan.limits.process_count_max = 128;
}

struct assay_mount *boxes_add_mount(struct boxes_plan *plan, enum assay_mount_kind kind,
        const char *target, const char *const *lowers, size_t lower_count)
{
    struct assay_mount *mount = &plan->mounts[plan->plan.mount_count++];

    assert_true(plan->plan.mount_count <= sizeof(plan->mounts) / sizeof(plan->mounts[0]));
    mount->kind = kind;
    mount->target = target;
    mount->lowers = lowers;
    mount->lower_count = lower_count;
    return mount;
}

void boxes_run(struct assay_box_result *result, const struct boxes_plan *plan)
{
    struct assay_error err = {0};

    if (assay_box_run(boxes_sandbox, &plan->plan, result, &err) != ASSAY_OK)
        fail_msg("run: %s", err.message);
}

void boxes_script(struct assay_box_result *result, const char *script)
{
    struct boxes_plan plan;

    boxes_plan_init(&plan, script);
    boxes_run(result, &plan);
}

void boxes_assert(const struct assay_box_result *result, enum assay_box_cause cause, int exit_code)
{
    if (result->cause == cause && (cause != ASSAY_BOX_EXITED || result->exit_code == exit_code))
        return;
    fail_msg("wanted %s %d, got %s %d, signal %d, step \"%s\" errno %d, output:\n%s",
            assay_box_cause_name(cause), exit_code, assay_box_cause_name(result->cause),
            result->exit_code, result->signal, result->step, result->sys_errno,
            result->output.data);
}

void boxes_assert_text(const struct assay_box_result *result, const char *text)
{
    assert_string_equal(result->output.data, text);
}

void boxes_assert_has(const struct assay_box_result *result, const char *text)
{
    if (strstr(result->output.data, text) == NULL)
        fail_msg("\"%s\" is not in the output:\n%s", text, result->output.data);
}

// --- files ---------------------------------------------------------------------------------------

void boxes_give(const char *path)
{
    uid_t uid = 0;
    gid_t gid = 0;

    assay_sandbox_store_ids(&uid, &gid);
    assert_int_equal(lchown(path, uid, gid), 0);
}

void boxes_directory(char path[PATH_MAX], const char *name)
{
    assert_true(snprintf(path, PATH_MAX, "%s/%s", boxes_folder, name) < PATH_MAX);
    assert_int_equal(mkdir(path, 0755), 0);
    boxes_give(path);
}

void boxes_file(char path[PATH_MAX], const char *name, const char *content)
{
    assert_true(snprintf(path, PATH_MAX, "%s/%s", boxes_folder, name) < PATH_MAX);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    boxes_give(path);
}

void boxes_read(char *text, size_t size, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, size - 1);

    text[got < 0 ? 0 : got] = '\0';
    if (fd >= 0)
        close(fd);
}

// --- what is left --------------------------------------------------------------------------------

// Other assays may run on this host: only what our spawners made is counted. An
// init is in its spawner's session; a payload has our mark in its environment.
static pid_t spawners[16];
static size_t spawner_count;

void boxes_note_spawner(pid_t pid)
{
    for (size_t i = 0; i < spawner_count; i++)
        if (spawners[i] == pid)
            return;
    assert_true(spawner_count < sizeof(spawners) / sizeof(spawners[0]));
    spawners[spawner_count++] = pid;
}

void boxes_forget_spawner(pid_t pid)
{
    size_t kept = 0;

    for (size_t i = 0; i < spawner_count; i++)
        if (spawners[i] != pid)
            spawners[kept++] = spawners[i];
    spawner_count = kept;
}

static bool is_alive(pid_t pid)
{
    char path[64];
    char text[4096];
    const char *at = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    boxes_read(text, sizeof(text), path);
    at = strrchr(text, ')');
    return at != NULL && at[2] != 'Z';
}

// The forge, and inits that wait for a request, belong to a living spawner and are no boxes.
static bool is_waiting(const char *stat_text)
{
    return strstr(stat_text, "(assay-ready)") != NULL || strstr(stat_text, "(assay-forge)") != NULL;
}

static bool is_ours(const char *pid)
{
    char path[64];
    char text[4096];
    const char *at = NULL;
    int session = 0;
    char life = 0;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
    boxes_read(text, sizeof(text), path);
    for (at = text; *at != '\0'; at += strlen(at) + 1)
        if (strcmp(at, mark) == 0)
            return true;
    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    boxes_read(text, sizeof(text), path);
    at = strrchr(text, ')');
    // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
    if (at == NULL || sscanf(at, ") %c %*d %*d %d", &life, &session) != 2)
        return false;
    if (life == 'Z') // dead; whoever inherited it has not looked yet
        return false;
    for (size_t i = 0; i < spawner_count; i++)
        if (session == spawners[i] && strtol(pid, NULL, 10) != spawners[i])
            return !is_waiting(text) || !is_alive(spawners[i]);
    return false;
}

unsigned boxes_count_fds(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    if (dir == NULL)
        return 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

unsigned boxes_count_processes(void)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry = NULL;
    unsigned count = 0;

    assert_non_null(dir);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_ours(entry->d_name);
    closedir(dir);
    return count;
}

static bool holds_a_ready_init(const char *path)
{
    char procs[PATH_MAX];
    char text[4096];

    if (snprintf(procs, sizeof(procs), "%s/cgroup.procs", path) >= (int)sizeof(procs))
        return false;
    boxes_read(text, sizeof(text), procs);
    (void)snprintf(procs, sizeof(procs), "/proc/%ld/stat", strtol(text, NULL, 10));
    boxes_read(text, sizeof(text), procs);
    return is_waiting(text);
}

static bool is_our_group(const char *path, const char *name)
{
    int pid = 0;

    // NOLINTNEXTLINE(cert-err34-c): a name that does not parse is not ours
    if (sscanf(name, "assay-%*d-%d-", &pid) != 1)
        return false;
    for (size_t i = 0; i < spawner_count; i++)
        if (pid == spawners[i])
            return !is_alive(pid) || !holds_a_ready_init(path);
    return false;
}

static unsigned count_groups(const char *path, unsigned depth)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    unsigned count = 0;

    if (dir == NULL)
        return 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while ((entry = readdir(dir)) != NULL) {
        char below[PATH_MAX];

        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= PATH_MAX)
            continue;
        count += is_our_group(below, entry->d_name);
        if (depth > 0)
            count += count_groups(below, depth - 1);
    }
    closedir(dir);
    return count;
}

void boxes_describe_processes(void)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry = NULL;

    assert_non_null(dir);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while ((entry = readdir(dir)) != NULL) {
        char path[64];
        char text[512];

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !is_ours(entry->d_name))
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", entry->d_name);
        boxes_read(text, sizeof(text), path);
        print_error("left: %s", text);
    }
    closedir(dir);
}

unsigned boxes_count_groups(void)
{
    return count_groups("/sys/fs/cgroup", 5);
}

// The signal 0 only counts.
static unsigned each_child(const char *name, int signal)
{
    const int spawner = (int)assay_sandbox_spawner_pid(boxes_sandbox);
    char path[64];
    char text[8192];
    unsigned killed = 0;
    char *at = text;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", spawner, spawner);
    boxes_read(text, sizeof(text), path);
    for (long pid = strtol(at, &at, 10); pid > 1; pid = strtol(at, &at, 10)) {
        char child[64];

        (void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
        boxes_read(child, sizeof(child), path);
        child[strcspn(child, "\n")] = '\0';
        if (strcmp(child, name) == 0)
            killed += kill((pid_t)pid, signal) == 0;
    }
    return killed;
}

unsigned boxes_kill_children(const char *name)
{
    return each_child(name, SIGKILL);
}

unsigned boxes_count_children(const char *name)
{
    return each_child(name, 0);
}

void boxes_wait_for_the_pool(void)
{
    for (int i = 0; i < 2000 && boxes_count_children("assay-ready") < POOL; i++)
        (void)usleep(5000);
    assert_int_equal(boxes_count_children("assay-ready"), POOL);
}
