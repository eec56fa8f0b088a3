// SPDX-License-Identifier: MIT
#include "envs/box_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DISK_BYTES_MAX (UINT64_C(2) << 30)
#define INODES_MAX 500000

static bool is_path_list(const char *pair)
{
    return strncmp(pair, "PATH=", 5) == 0 || strncmp(pair, "PYTHONPATH=", 11) == 0;
}

// What is not told by sched_getaffinity() alone. The JVM, Rust and make ask that; a variable for
// the JVM would put a line on every program's stderr.
enum assay_status assay_box_parts_cpus(
        struct assay_environ *vars, uint32_t cpu_count, struct assay_error *err)
{
    static const char *const names[] = {"GOMAXPROCS", "OMP_NUM_THREADS", "PYTHON_CPU_COUNT"};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; status == ASSAY_OK && i < sizeof(names) / sizeof(names[0]); i++)
        if (assay_environ_get(vars, names[i]) == NULL)
            status = assay_environ_setf(vars, err, "%s=%" PRIu32, names[i], cpu_count);
    return status;
}

enum assay_status assay_box_parts_environ(struct assay_environ *vars,
        const struct assay_recipe *recipe, const char *const *env, bool trusted,
        struct assay_error *err)
{
    const size_t bin_len = strlen(ASSAY_BOX_TRUSTED_BIN);
    enum assay_status status = ASSAY_OK;
    const char *path = NULL;

    for (size_t i = 0; status == ASSAY_OK && i < recipe->env.count; i++)
        status = assay_environ_set(vars, recipe->env.items[i], err);
    for (size_t i = 0; status == ASSAY_OK && env != NULL && env[i] != NULL; i++)
        status = is_path_list(env[i]) ? assay_environ_prepend(vars, env[i], err)
                                      : assay_environ_set(vars, env[i], err);
    // First whatever the others say: a recipe's PATH must not hide our wrappers.
    path = assay_environ_get(vars, "PATH");
    if (status == ASSAY_OK && trusted &&
            (path == NULL || strncmp(path, ASSAY_BOX_TRUSTED_BIN, bin_len) != 0 ||
                    (path[bin_len] != ':' && path[bin_len] != '\0')))
        status = assay_environ_prepend(vars, "PATH=" ASSAY_BOX_TRUSTED_BIN, err);
    return status;
}

// tmpfs is charged to the box: its own disk and the out_dir's, both of this
// size, leave the processes a quarter of the memory when they are full.
static uint64_t disk_bytes(uint64_t memory_bytes)
{
    const uint64_t share = memory_bytes / 8 * 3;

    return share < DISK_BYTES_MAX ? share : DISK_BYTES_MAX;
}

static void set_limits(struct assay_box_limits *limits, const struct assay_instance_limits *wanted)
{
    limits->wall_ms_max = wanted->wall_ms;
    limits->cpu_ms_max = wanted->cpu_ms;
    limits->memory_bytes_max = wanted->memory_bytes;
    limits->disk_bytes_max = disk_bytes(wanted->memory_bytes);
    limits->inodes_max = INODES_MAX;
}

static void set_mounts(struct assay_box_plan *plan, struct assay_box_parts *parts)
{
    const struct assay_environment *environment = parts->environment;

    if (environment->layer[0] != '\0')
        parts->root_lowers[plan->root_lower_count++] = environment->layer;
    if (environment->image[0] != '\0')
        parts->root_lowers[plan->root_lower_count++] = environment->image;
    plan->root_lowers = parts->root_lowers;
    plan->host_usr = environment->host_usr;

    parts->mounts[0] = (struct assay_mount){.kind = ASSAY_MOUNT_OVERLAY,
            .target = parts->recipe->workdir,
            .lowers = parts->workspace->lowers,
            .lower_count = parts->workspace->lower_count};
    plan->mount_count = 1;
    if (parts->trusted_dir != NULL) {
        parts->trusted_lowers[0] = parts->trusted_dir;
        parts->mounts[1] = (struct assay_mount){.kind = ASSAY_MOUNT_BIND_RO,
                .target = ASSAY_BOX_TRUSTED_TARGET,
                .lowers = parts->trusted_lowers,
                .lower_count = 1};
        plan->mount_count = 2;
    }
    plan->mounts = parts->mounts;
}

// Tests that lie elsewhere may be written to, as a folder of a container's could be.
static void add_elsewhere(struct assay_box_plan *plan, struct assay_box_parts *parts,
        const struct assay_instance *instance)
{
    if (instance->tests_at == NULL)
        return;
    parts->mounts[plan->mount_count++] =
            (struct assay_mount){.kind = ASSAY_MOUNT_TMPFS, .target = ASSAY_BOX_LOGS_TARGET};
    if (parts->workspace->tests_path[0] == '\0')
        return;
    parts->tests_lowers[0] = parts->workspace->tests_path;
    parts->mounts[plan->mount_count++] = (struct assay_mount){.kind = ASSAY_MOUNT_OVERLAY,
            .target = instance->tests_at,
            .lowers = parts->tests_lowers,
            .lower_count = 1};
}

void assay_box_parts_lay(struct assay_box_plan *plan, struct assay_box_parts *parts,
        const struct assay_instance *instance)
{
    // For cgroups and logs: a short form of the instance's name.
    snprintf(parts->name, sizeof(parts->name), "%.40s", instance->instance_id);
    plan->name = parts->name;
    plan->cwd = parts->recipe->workdir;
    set_limits(&plan->limits, &instance->limits);
    set_mounts(plan, parts);
    add_elsewhere(plan, parts, instance);
}
