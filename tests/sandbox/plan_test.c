// SPDX-License-Identifier: MIT
// What must hold: a plan arrives as it was sent, a wrong one is named and refused, and no record,
// however mangled, is believed.
#include "sandbox/plan.h"

#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

static const char *const argv[] = {"sh", "-c", "true", NULL};
static const char *const env[] = {"A=1", "B=", NULL};
static const char *const lowers[] = {"/a", "/b"};
static const struct assay_mount mounts[] = {
        {.kind = ASSAY_MOUNT_BIND_RO,
                .target = "/x",
                .lowers = lowers,
                .lower_count = 1,
                .optional = true},
        {.kind = ASSAY_MOUNT_OVERLAY,
                .target = "/y",
                .lowers = lowers,
                .lower_count = 2,
                .upper = "/s/u",
                .work = "/s/w"},
        {.kind = ASSAY_MOUNT_TMPFS, .target = "/z", .bytes_max = 7, .inodes_max = 8},
};

static void make_plan(struct assay_box_plan *plan)
{
    assay_box_plan_default(plan);
    plan->name = "a-plan";
    plan->argv = argv;
    plan->env = env;
    plan->cwd = "/y";
    plan->mounts = mounts;
    plan->mount_count = 3;
    plan->root_lowers = lowers;
    plan->root_lower_count = 2;
    plan->host_usr = true;
    plan->out_dir = "/run/out";
    plan->report_fd = 9;
    plan->limits.idle_ms_max = 5;
    plan->profile = ASSAY_PROFILE_COMPAT;
    plan->network = ASSAY_NETWORK_HOST;
    plan->cpu_count = 2;
    CPU_SET(1, &plan->cpus);
    CPU_SET(700, &plan->cpus);
    plan->no_aslr = true;
}

static void a_plan_arrives_as_it_was_sent(void **state)
{
    struct assay_box_plan plan;
    struct assay_box_plan got;
    struct assay_arena *arena = NULL;
    struct assay_buf record;

    (void)state;
    make_plan(&plan);
    assay_buf_init(&record, ASSAY_PLAN_BYTES_MAX);
    assert_int_equal(assay_plan_pack(&record, &plan, NULL), ASSAY_OK);
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(assay_plan_unpack(&got, arena, record.data, record.len, NULL), ASSAY_OK);
    assert_string_equal(got.name, "a-plan");
    assert_string_equal(got.argv[2], "true");
    assert_null(got.argv[3]);
    assert_string_equal(got.env[1], "B=");
    assert_null(got.env[2]);
    assert_string_equal(got.cwd, "/y");
    assert_string_equal(got.out_dir, "/run/out");
    assert_int_equal(got.root_lower_count, 2);
    assert_string_equal(got.root_lowers[1], "/b");
    assert_null(got.root_upper);
    assert_true(got.host_usr);
    assert_int_equal(got.report_fd, 9);
    assert_int_equal(got.mount_count, 3);
    assert_true(got.mounts[0].optional);
    assert_string_equal(got.mounts[1].lowers[1], "/b");
    assert_string_equal(got.mounts[1].upper, "/s/u");
    assert_int_equal(got.mounts[2].inodes_max, 8);
    assert_memory_equal(&got.limits, &plan.limits, sizeof(plan.limits));
    assert_int_equal(got.profile, ASSAY_PROFILE_COMPAT);
    assert_int_equal(got.network, ASSAY_NETWORK_HOST);
    assert_int_equal(got.cpu_count, 2);
    assert_true(CPU_EQUAL(&got.cpus, &plan.cpus));
    assert_true(got.no_aslr);
    assay_arena_destroy(arena);
    assay_buf_free(&record);
}

// Every cut and every flipped byte is either refused or a plan that is valid.
static void a_mangled_record_is_refused_or_valid(void **state)
{
    struct assay_box_plan plan;
    struct assay_buf record;

    (void)state;
    make_plan(&plan);
    assay_buf_init(&record, ASSAY_PLAN_BYTES_MAX);
    assert_int_equal(assay_plan_pack(&record, &plan, NULL), ASSAY_OK);
    for (size_t i = 0; i < record.len; i++) {
        struct assay_arena *arena = NULL;
        char *copy = malloc(record.len);

        assert_non_null(copy);
        assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
        memcpy(copy, record.data, record.len);
        assert_int_equal(assay_plan_unpack(&plan, arena, copy, i, NULL), ASSAY_EINVAL);
        copy[i] = (char)~copy[i];
        if (assay_plan_unpack(&plan, arena, copy, record.len, NULL) == ASSAY_OK)
            assert_int_equal(assay_plan_check(&plan, NULL), ASSAY_OK);
        assay_arena_destroy(arena);
        free(copy);
    }
    assay_buf_free(&record);
}

struct wrong {
    void (*change)(struct assay_box_plan *plan);
    const char *message;
};

static const char *const no_words[] = {NULL};
static const char *const bad_env[] = {"A", NULL};
static const char *const relative[] = {"a"};
static const char *const climbing[] = {"/a/../b"};
static struct assay_mount wrong_mount;

static void no_argv(struct assay_box_plan *plan)
{
    plan->argv = no_words;
}

static void no_env(struct assay_box_plan *plan)
{
    plan->env = NULL;
}

static void env_without_equals(struct assay_box_plan *plan)
{
    plan->env = bad_env;
}

static void relative_cwd(struct assay_box_plan *plan)
{
    plan->cwd = "y";
}

static void name_with_slash(struct assay_box_plan *plan)
{
    plan->name = "a/b";
}

static void report_on_stdout(struct assay_box_plan *plan)
{
    plan->report_fd = 1;
}

static void no_memory(struct assay_box_plan *plan)
{
    plan->limits.memory_bytes_max = 0;
}

static void relative_root(struct assay_box_plan *plan)
{
    plan->root_lowers = relative;
    plan->root_lower_count = 1;
}

static void upper_without_work(struct assay_box_plan *plan)
{
    plan->root_upper = "/u";
}

static void upper_elsewhere(struct assay_box_plan *plan)
{
    plan->root_upper = "/a/u";
    plan->root_work = "/b/w";
}

static void climbing_lower(struct assay_box_plan *plan)
{
    wrong_mount = mounts[0];
    wrong_mount.lowers = climbing;
    plan->mounts = &wrong_mount;
    plan->mount_count = 1;
}

static void mount_on_root(struct assay_box_plan *plan)
{
    wrong_mount = mounts[2];
    wrong_mount.target = "/";
    plan->mounts = &wrong_mount;
    plan->mount_count = 1;
}

static void tmpfs_with_lower(struct assay_box_plan *plan)
{
    wrong_mount = mounts[2];
    wrong_mount.lowers = lowers;
    wrong_mount.lower_count = 1;
    plan->mounts = &wrong_mount;
    plan->mount_count = 1;
}

static void relative_out_dir(struct assay_box_plan *plan)
{
    plan->out_dir = "out";
}

static void a_wrong_plan_is_named(void **state)
{
    static const struct wrong rows[] = {
            {no_argv, "argv is empty"},
            {no_env, "env is missing"},
            {env_without_equals, "env entry 0 is not NAME=value"},
            {relative_cwd, "cwd is not an absolute path"},
            {name_with_slash, "name is not 1..64 of [A-Za-z0-9_.-]"},
            {report_on_stdout, "report_fd is 1, not 0 or 3..255"},
            {no_memory, "limit memory_bytes_max is 0, not 1..9223372036854775807"},
            {relative_root, "root: lower 0 is not an absolute path"},
            {upper_without_work, "root: upper and work come together"},
            {upper_elsewhere, "root: upper and work are not two paths in one folder"},
            {climbing_lower, "/x: lower 0 is not an absolute path"},
            {mount_on_root, "mount: target is not an absolute path below /"},
            {tmpfs_with_lower, "mount /z: 1 lowers do not fit its kind"},
            {relative_out_dir, "out_dir is not an absolute path below /"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_box_plan plan;
        struct assay_buf record;
        struct assay_error err;

        make_plan(&plan);
        assay_buf_init(&record, ASSAY_PLAN_BYTES_MAX);
        rows[i].change(&plan);
        assert_int_equal(assay_plan_pack(&record, &plan, &err), ASSAY_EINVAL);
        assert_string_equal(err.message, rows[i].message);
        assert_int_equal(record.len, 0);
        assay_buf_free(&record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_plan_arrives_as_it_was_sent),
            cmocka_unit_test(a_mangled_record_is_refused_or_valid),
            cmocka_unit_test(a_wrong_plan_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
