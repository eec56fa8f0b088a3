// SPDX-License-Identifier: MIT
// What must hold: on every shape of host the right trees are found, the right files written, and
// only what a dead spawner of ours left is swept. Over a mock of /sys/fs/cgroup made of plain
// files.
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/harness.h"
#include "support/temp.h"

static const char mounts_v2[] =
        "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char mounts_v1[] = "25 1 0:22 / /cg/memory rw - cgroup cgroup rw,memory\n"
                                "26 1 0:23 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                "27 1 0:24 / /cg/pids rw - cgroup cgroup rw,pids\n"
                                "28 1 0:25 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n";
static const char mounts_hybrid[] = "25 1 0:22 / /cg/memory rw - cgroup cgroup rw,memory\n"
                                    "26 1 0:23 / /cg/cpuacct rw - cgroup cgroup rw,cpuacct\n"
                                    "27 1 0:24 / /cg/pids rw - cgroup cgroup rw,pids\n"
                                    "28 1 0:25 / /cg/unified rw - cgroup2 cgroup2 rw\n";

static void make(const struct assay_temp *temp, const char *path)
{
    assert_int_equal(assay_fs_mkdirs(temp->fd, path, 0755, NULL), ASSAY_OK);
}

// A file of the mock; its folder is made too.
static void put(const struct assay_temp *temp, const char *path, const char *text)
{
    char folder[256];
    int fd = -1;

    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    make(temp, folder);
    fd = openat(temp->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void assert_text(int dir_fd, const char *path, const char *text)
{
    char got[256] = "";
    const int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_true(read(fd, got, sizeof(got) - 1) >= 0);
    close(fd);
    assert_string_equal(got, text);
}

static void open_groups(struct assay_cgroups *groups, const struct assay_temp *temp,
        const char *memberships, const char *mounts)
{
    const struct assay_cgroup_host host = {
            .root = temp->path, .memberships = memberships, .mounts = mounts};

    assay_cgroups_open(groups, &host);
}

static void v2_takes_all_roles_where_controllers_are_handed_down(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;

    put(temp, "sys/fs/cgroup/user.slice/me.scope/cgroup.controllers", "cpu memory pids\n");
    put(temp, "sys/fs/cgroup/user.slice/me.scope/cgroup.subtree_control", "memory pids\n");
    open_groups(&groups, temp, "0::/user.slice/me.scope\n", mounts_v2);
    assert_int_equal(groups.shape, ASSAY_CGROUP_V2);
    assert_int_equal(groups.tree_count, 1);
    assert_int_equal(groups.roles,
            ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_PIDS | ASSAY_CGROUP_CPU | ASSAY_CGROUP_KILL);
    assert_text(temp->fd, "sys/fs/cgroup/user.slice/me.scope/cgroup.subtree_control",
            "memory pids\n"); // it was so already
    assay_cgroups_close(&groups);
}

// From a leaf that an earlier assay moved us into, groups are made beside it.
static void v2_does_not_nest_leaves(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;
    char path[256];

    make(temp, "sys/fs/cgroup/me.scope/assay-host");
    put(temp, "sys/fs/cgroup/me.scope/cgroup.controllers", "memory pids\n");
    put(temp, "sys/fs/cgroup/me.scope/cgroup.subtree_control", "memory pids\n");
    open_groups(&groups, temp, "0::/me.scope/assay-host\n", mounts_v2);
    (void)snprintf(path, sizeof(path), "%s/sys/fs/cgroup/me.scope", temp->path);
    assert_string_equal(groups.trees[0].path, path);
    assay_cgroups_close(&groups);
}

static void v2_without_controllers_only_counts_and_kills(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;

    put(temp, "sys/fs/cgroup/cgroup.controllers", "hugetlb\n");
    open_groups(&groups, temp, "0::/\n", mounts_v2);
    assert_int_equal(groups.shape, ASSAY_CGROUP_NONE); // limits are by rlimit and polling
    assert_int_equal(groups.roles, ASSAY_CGROUP_CPU | ASSAY_CGROUP_KILL);
    assay_cgroups_close(&groups);
}

static void expect_tree(const struct assay_temp *temp, const char *membership, const char *where,
        enum assay_cgroup_shape shape)
{
    struct assay_cgroups groups;
    char path[256];

    open_groups(&groups, temp, membership, mounts_v2);
    (void)snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s", temp->path, where);
    assert_string_equal(groups.trees[0].path, path);
    assert_int_equal(groups.shape, shape);
    assay_cgroups_close(&groups);
}

// A group that keeps no limit has none that boxes beside it could escape; at the top, where the
// system's own groups are, nothing of ours is made.
static void v2_boxes_go_beside_a_group_without_limits(void **state)
{
    const struct assay_temp *temp = *state;

    put(temp, "sys/fs/cgroup/cgroup.controllers", "memory pids\n");
    put(temp, "sys/fs/cgroup/cgroup.subtree_control", "memory pids\n");
    put(temp, "sys/fs/cgroup/jobs/cgroup.controllers", "memory pids\n");
    put(temp, "sys/fs/cgroup/jobs/cgroup.subtree_control", "memory pids\n");
    put(temp, "sys/fs/cgroup/jobs/one/cgroup.controllers", "\n");
    expect_tree(temp, "0::/jobs/one\n", "jobs", ASSAY_CGROUP_V2);
    put(temp, "sys/fs/cgroup/jobs/one/pids.max", "max\n");
    expect_tree(temp, "0::/jobs/one\n", "jobs", ASSAY_CGROUP_V2);
    put(temp, "sys/fs/cgroup/jobs/one/memory.max", "1000000\n");
    expect_tree(temp, "0::/jobs/one\n", "jobs/one", ASSAY_CGROUP_NONE);
    put(temp, "sys/fs/cgroup/lone/cgroup.controllers", "\n");
    expect_tree(temp, "0::/lone\n", "lone", ASSAY_CGROUP_NONE);
}

static void v1_finds_a_tree_a_controller(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;

    make(temp, "cg/memory/job");
    make(temp, "cg/cpu,cpuacct");
    make(temp, "cg/pids/deep/er");
    open_groups(&groups, temp,
            "9:memory:/job\n3:cpu,cpuacct:/\n8:pids:/deep/er\n1:name=systemd:/\n", mounts_v1);
    assert_int_equal(groups.shape, ASSAY_CGROUP_V1);
    assert_int_equal(groups.tree_count, 3);
    assert_int_equal(groups.roles, ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_PIDS | ASSAY_CGROUP_CPU);
    assay_cgroups_close(&groups);
}

static void hybrid_counts_in_v2_and_limits_in_v1(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;

    make(temp, "cg/memory");
    make(temp, "cg/cpuacct");
    make(temp, "cg/pids");
    make(temp, "cg/unified");
    open_groups(&groups, temp, "4:memory:/\n2:cpuacct:/\n8:pids:/\n0::/\n", mounts_hybrid);
    assert_int_equal(groups.shape, ASSAY_CGROUP_HYBRID);
    assert_int_equal(groups.tree_count, 3); // v2 plays the role of cpuacct
    assert_true(groups.trees[0].v2);
    assert_int_equal(groups.trees[0].roles, ASSAY_CGROUP_CPU | ASSAY_CGROUP_KILL);
    assay_cgroups_close(&groups);
}

static void a_group_outside_the_mount_is_of_no_use(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;

    make(temp, "sys/fs/cgroup");
    open_groups(&groups, temp, "0::/../elsewhere\n", mounts_v2);
    assert_int_equal(groups.tree_count, 0);
    open_groups(&groups, temp, "", "");
    assert_int_equal(groups.shape, ASSAY_CGROUP_NONE);
}

static void a_read_only_tree_is_of_no_use(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;

    make(temp, "sys/fs/cgroup");
    if (geteuid() == 0) // root writes where modes forbid it: hide the folder instead
        assert_int_equal(unlinkat(temp->fd, "sys/fs/cgroup", AT_REMOVEDIR), 0);
    else
        assert_int_equal(fchmodat(temp->fd, "sys/fs/cgroup", 0555, 0), 0);
    open_groups(&groups, temp, "0::/\n", mounts_v2);
    assert_int_equal(groups.tree_count, 0);
}

// The mock has no kernel that fills a new group with files: make them first.
static void limits_are_written_before_anyone_joins(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;
    struct assay_cgroup group;
    struct assay_box_limits limits;
    struct assay_fault fault;
    static const char *const files[] = {
            "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cgroup.procs"};
    char path[256];

    put(temp, "sys/fs/cgroup/cgroup.controllers", "memory pids\n");
    put(temp, "sys/fs/cgroup/cgroup.subtree_control", "memory pids\n");
    open_groups(&groups, temp, "0::/\n", mounts_v2);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "sys/fs/cgroup/%s-0/%s", groups.prefix, files[i]);
        put(temp, path, "");
    }
    assay_box_limits_default(&limits);
    limits.memory_bytes_max = 123456;
    limits.process_count_max = 7;
    assert_true(assay_cgroup_create(&group, &groups, 0, &fault));
    assert_true(assay_cgroup_limit(&group, &groups, &limits, &fault));
    assert_text(group.dirs[0], "memory.max", "123456");
    assert_text(group.dirs[0], "memory.swap.max", "0");
    assert_text(group.dirs[0], "memory.oom.group", "1");
    assert_text(group.dirs[0], "pids.max", "8"); // and the init
    assert_int_equal(assay_cgroup_clone_fd(&group, &groups), group.dirs[0]);
    assert_true(assay_cgroup_add(&group, &groups, 4711, true, &fault));
    assert_text(group.dirs[0], "cgroup.procs", "");
    assert_true(assay_cgroup_add(&group, &groups, 4711, false, &fault));
    assert_text(group.dirs[0], "cgroup.procs", "4711");
    assay_cgroup_close(&group);
    assert_false(assay_cgroup_remove(&groups, 0)); // a mock's files do not vanish with it
    assay_cgroups_close(&groups);
}

static void usage_is_read_from_the_right_files(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups = {.tree_count = 1};
    struct assay_cgroup group;
    struct assay_cgroup_usage usage = {0};

    assay_cgroup_init(&group);
    put(temp, "g/cpu.stat", "usage_usec 30\nuser_usec 10\nsystem_usec 20\nnr_periods 0\n");
    put(temp, "g/memory.peak", "4096\n");
    put(temp, "g/memory.events", "low 0\noom 3\noom_kill 1\noom_group_kill 1\n");
    put(temp, "g/pids.events", "max 2\n");
    put(temp, "g/pids.peak", "5\n");
    put(temp, "g/cpuacct.usage_user", "11000\n");
    put(temp, "g/cpuacct.usage_sys", "22000\n");
    put(temp, "g/memory.max_usage_in_bytes", "8192\n");
    put(temp, "g/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    group.dirs[0] = openat(temp->fd, "g", O_PATH | O_DIRECTORY | O_CLOEXEC);
    groups.trees[0].roles = ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_PIDS | ASSAY_CGROUP_CPU;
    groups.trees[0].v2 = true;
    assay_cgroup_read(&group, &groups, &usage);
    assert_int_equal(usage.cpu_user_us, 10);
    assert_int_equal(usage.cpu_system_us, 20);
    assert_int_equal(usage.memory_bytes_peak, 4096);
    assert_int_equal(usage.pids_peak, 4);
    assert_true(usage.oom && usage.pids_hit);

    memset(&usage, 0, sizeof(usage));
    groups.trees[0].v2 = false;
    assay_cgroup_read(&group, &groups, &usage);
    assert_int_equal(usage.cpu_user_us, 11);
    assert_int_equal(usage.cpu_system_us, 22);
    assert_int_equal(usage.memory_bytes_peak, 8192);
    assert_false(usage.oom);
    close(group.dirs[0]);
}

static bool is_there(const struct assay_temp *temp, const char *name)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "sys/fs/cgroup/%s", name);
    return faccessat(temp->fd, path, F_OK, 0) == 0;
}

static void only_dead_spawners_of_ours_are_swept(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_cgroups groups;
    char names[4][256];
    char path[300];
    const char *start = NULL;

    put(temp, "sys/fs/cgroup/cgroup.controllers", "");
    open_groups(&groups, temp, "0::/\n", mounts_v2);
    start = strrchr(groups.prefix, '-') + 1;
    // Ours; a dead pid's; our pid's at another time; another pid namespace's.
    (void)snprintf(names[0], sizeof(names[0]), "%s-1", groups.prefix);
    (void)snprintf(names[1], sizeof(names[1]), "%.*s-4194304-77-5",
            (int)(strchr(groups.prefix + 6, '-') - groups.prefix), groups.prefix);
    (void)snprintf(names[2], sizeof(names[2]), "%.*s1%s-5", (int)(start - groups.prefix),
            groups.prefix, start);
    (void)snprintf(names[3], sizeof(names[3]), "assay-1-4194304-77-5");
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "sys/fs/cgroup/%s", names[i]);
        make(temp, path);
    }
    assert_int_equal(assay_cgroups_sweep(&groups), 2);
    assert_true(is_there(temp, names[0]));
    assert_false(is_there(temp, names[1]));
    assert_false(is_there(temp, names[2]));
    assert_true(is_there(temp, names[3]));
    assay_cgroups_close(&groups);
}

#define IN_TEMP(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            IN_TEMP(v2_takes_all_roles_where_controllers_are_handed_down),
            IN_TEMP(v2_does_not_nest_leaves),
            IN_TEMP(v2_without_controllers_only_counts_and_kills),
            IN_TEMP(v2_boxes_go_beside_a_group_without_limits),
            IN_TEMP(v1_finds_a_tree_a_controller),
            IN_TEMP(hybrid_counts_in_v2_and_limits_in_v1),
            IN_TEMP(a_group_outside_the_mount_is_of_no_use),
            IN_TEMP(a_read_only_tree_is_of_no_use),
            IN_TEMP(limits_are_written_before_anyone_joins),
            IN_TEMP(usage_is_read_from_the_right_files),
            IN_TEMP(only_dead_spawners_of_ours_are_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
