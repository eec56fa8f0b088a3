// SPDX-License-Identifier: MIT
#include "envs/setup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "envs/depot_tree.h"
#include "envs/environ.h"
#include "envs/fetch.h"
#include "envs/host.h"

#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define WALL_MS_MAX 1800000
#define CPU_MS_MAX 1800000
#define MEMORY_BYTES_MAX (UINT64_C(4) << 30)
#define DISK_BYTES_MAX (UINT64_C(3) << 30)
#define INODES_MAX 1000000
#define PROCESSES_MAX 2048

static void write_log(void *user, const char *bytes, size_t len)
{
    const int *fd = user;

    // The log is for people; a build does not fail because it cannot be written.
    if (*fd >= 0)
        (void)!assay_fs_write_all(*fd, bytes, len, NULL);
}

// The last line of the output that says something.
static const char *last_line(const struct assay_buf *output, int *len)
{
    size_t end = output->len, begin = 0;

    while (end > 0 && strchr(" \t\r\n", output->data[end - 1]) != NULL)
        end--;
    begin = end;
    while (begin > 0 && output->data[begin - 1] != '\n')
        begin--;
    *len = (int)(end - begin < 120 ? end - begin : 120);
    return output->data + begin;
}

static enum assay_status judge(const struct assay_box_result *result, struct assay_error *err)
{
    int len = 0;
    const char *line = last_line(&result->output, &len);

    if (result->cause == ASSAY_BOX_EXITED && result->exit_code == 0)
        return ASSAY_OK;
    if (result->cause == ASSAY_BOX_EXITED)
        return assay_fail(err, ASSAY_EIO, "exit status %d: %.*s", result->exit_code, len, line);
    if (result->cause == ASSAY_BOX_CANCELLED)
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (result->cause == ASSAY_BOX_SETUP_FAILED)
        return assay_fail_errno(err, result->sys_errno, "box: %s", result->step);
    return assay_fail(err, ASSAY_EIO, "%s: %.*s", assay_box_cause_name(result->cause), len, line);
}

// What one box needs besides its plan, all of it in scratch.
struct room {
    struct assay_passage passage;
    int log_fd;
    char scratch[PATH_MAX], empty[PATH_MAX];
    char root_work[PATH_MAX], out_work[PATH_MAX];
    const char *root_lowers[1], *out_lowers[1];
    struct assay_mount mounts[ASSAY_HOST_MOUNTS_MAX + 1];
    struct assay_host_config config;
};

// A fresh `work` beside an upper: overlay wants a new one for every mount.
static enum assay_status make_work(
        struct assay_depot *depot, const char *upper, char work[PATH_MAX], struct assay_error *err)
{
    if (snprintf(work, PATH_MAX, "%s-work", upper) >= PATH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "path too long: %.150s", upper);
    return assay_depot_mkdir(depot, AT_FDCWD, work, err);
}

static enum assay_status set_root(struct assay_box_plan *plan, struct room *room,
        struct assay_depot *depot, const struct assay_setup *setup, struct assay_error *err)
{
    plan->host_usr = setup->image == NULL;
    if (setup->image == NULL && setup->root == NULL)
        return ASSAY_OK; // a root of tmpfs
    room->root_lowers[0] = setup->image != NULL ? setup->image : room->empty;
    plan->root_lowers = room->root_lowers;
    plan->root_lower_count = 1;
    if (setup->root == NULL)
        return ASSAY_OK;
    plan->root_upper = setup->root;
    plan->root_work = room->root_work;
    return make_work(depot, setup->root, room->root_work, err);
}

static enum assay_status set_mounts(struct assay_box_plan *plan, struct room *room,
        struct assay_depot *depot, const struct assay_setup *setup, struct assay_error *err)
{
    memcpy(room->mounts, room->config.mounts,
            room->config.mount_count * sizeof(room->config.mounts[0]));
    plan->mounts = room->mounts;
    plan->mount_count = room->config.mount_count;
    if (setup->out == NULL)
        return ASSAY_OK;
    room->out_lowers[0] = room->empty;
    room->mounts[plan->mount_count++] = (struct assay_mount){.kind = ASSAY_MOUNT_OVERLAY,
            .target = ASSAY_FETCH_DIR,
            .lowers = room->out_lowers,
            .lower_count = 1,
            .upper = setup->out,
            .work = room->out_work};
    return make_work(depot, setup->out, room->out_work, err);
}

static enum assay_status make_room(
        struct room *room, struct assay_depot *depot, struct assay_error *err)
{
    enum assay_status status = assay_depot_tmp(depot, room->scratch, err);

    if (status == ASSAY_OK)
        status = assay_depot_path(room->empty, room->scratch, "empty", err);
    if (status == ASSAY_OK)
        status = assay_depot_mkdir(depot, AT_FDCWD, room->empty, err);
    return status;
}

static void set_limits(struct assay_box_limits *limits)
{
    limits->wall_ms_max = WALL_MS_MAX;
    limits->cpu_ms_max = CPU_MS_MAX;
    limits->memory_bytes_max = MEMORY_BYTES_MAX;
    limits->disk_bytes_max = DISK_BYTES_MAX;
    limits->inodes_max = INODES_MAX;
    limits->process_count_max = PROCESSES_MAX;
}

// Last of all: the door's variables stand over the host's, and the recipe's over both.
static enum assay_status set_network(struct assay_box_plan *plan, struct assay_environ *vars,
        struct room *room, const struct assay_setup *setup, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (setup->access != NULL && setup->access->network == ASSAY_NETWORK_HOST)
        plan->network = ASSAY_NETWORK_HOST;
    if (setup->access != NULL && setup->access->network == ASSAY_NETWORK_ALLOWLIST)
        status = assay_passage_open(&room->passage, setup->access, &setup->hosts, plan, vars, err);
    for (size_t i = 0; status == ASSAY_OK && setup->env != NULL && i < setup->env->count; i++)
        status = assay_environ_set(vars, setup->env->items[i], err);
    return status;
}

static void log_refused(int *log_fd, const struct assay_buf *refused)
{
    if (refused->len > 0)
        write_log(log_fd, refused->data, refused->len);
}

static enum assay_status run(struct assay_sandbox *sandbox, const struct assay_setup *setup,
        struct assay_box_plan *plan, struct room *room, struct assay_error *err)
{
    struct assay_box_result result;
    struct assay_buf refused;
    enum assay_status status = ASSAY_OK;

    room->log_fd = setup->log_fd;
    plan->on_output = write_log;
    plan->user = &room->log_fd;
    assay_buf_init(&refused, ASSAY_REFUSED_BYTES_MAX);
    status = assay_box_run(sandbox, plan, &result, err);
    assay_passage_close(&room->passage, &refused);
    if (status == ASSAY_OK) {
        log_refused(&room->log_fd, &refused);
        if (setup->output != NULL)
            (void)assay_buf_add(setup->output, result.output.data, result.output.len);
        status = judge(&result, err);
        if (status == ASSAY_EIO && refused.len > 0)
            (void)assay_wrap(
                    err, "network refused (%.*s)", (int)strcspn(refused.data, "\n"), refused.data);
        assay_box_result_release(&result);
    }
    assay_buf_free(&refused);
    return status;
}

enum assay_status assay_setup_run(struct assay_depot *depot, struct assay_sandbox *sandbox,
        const struct assay_setup *setup, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_environ vars = {0};
    struct assay_box_plan plan;
    struct room room = {.passage = {.access = NULL}};
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES_MAX, err);

    if (status != ASSAY_OK)
        return status;
    assay_box_plan_default(&plan);
    set_limits(&plan.limits);
    status = assay_environ_init(&vars, arena, err);
    if (status == ASSAY_OK)
        status = make_room(&room, depot, err);
    if (status == ASSAY_OK)
        status = assay_host_config_read(&room.config, depot, room.scratch, &vars, err);
    if (status == ASSAY_OK)
        status = set_root(&plan, &room, depot, setup, err);
    if (status == ASSAY_OK)
        status = set_mounts(&plan, &room, depot, setup, err);
    if (status == ASSAY_OK)
        status = set_network(&plan, &vars, &room, setup, err);
    if (status == ASSAY_OK) {
        plan.name = setup->name;
        plan.argv = setup->argv;
        plan.env = vars.items;
        plan.cpu_count = setup->alone ? ASSAY_CPUS_ALL : 1;
        plan.cancel = depot->cancel;
        status = run(sandbox, setup, &plan, &room, err);
    }
    assay_passage_close(&room.passage, NULL);
    assay_depot_drop_tmp(depot, room.root_work);
    assay_depot_drop_tmp(depot, room.out_work);
    assay_depot_drop_tmp(depot, room.scratch);
    assay_arena_destroy(arena);
    return status;
}
