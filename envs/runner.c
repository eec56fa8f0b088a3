// SPDX-License-Identifier: MIT
// runner.c - an instance's command, in a fresh box over its workspace.
#include "envs/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "envs/box_parts.h"
#include "envs/depot_tree.h"
#include "envs/environ.h"

#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define KEEP_BYTES (UINT64_C(8) << 20) // of the log's head and tail, in memory

// --- assay's own files --------------------------------------------------------------------------

enum assay_status assay_runner_lay_files(struct assay_depot *depot,
        const struct assay_runner_file *files, size_t count, char path[PATH_MAX],
        struct assay_error *err)
{
    struct assay_tree_builder builder = {0};
    char hash[ASSAY_SHA256_HEX_BYTES], scratch[PATH_MAX] = "", target[80];
    bool moved = false;
    int fd = -1;
    enum assay_status status = assay_tree_begin(&builder, depot, err);

    for (size_t i = 0; status == ASSAY_OK && i < count; i++)
        status = assay_tree_add_bytes(&builder, files[i].path, files[i].executable,
                files[i].content, strlen(files[i].content), err);
    if (status == ASSAY_OK)
        status = assay_tree_settle(&builder, err);
    if (status == ASSAY_OK)
        status = assay_tree_hash(&builder, hash, err);
    if (status != ASSAY_OK)
        goto out;
    snprintf(target, sizeof(target), "trusted/%s", hash);
    status = assay_depot_path(path, assay_depot_home(depot), target, err);
    if (status != ASSAY_OK || access(path, F_OK) == 0)
        goto out;
    status = assay_depot_tmp(depot, scratch, err);
    if (status != ASSAY_OK)
        goto out;
    fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        status = assay_fail_errno(err, errno, "open %.150s", scratch);
    if (status == ASSAY_OK)
        status = assay_tree_lay_out(&builder, fd, err);
    if (status == ASSAY_OK)
        status = assay_depot_publish(depot, scratch, target, &moved, err);
    if (!moved)
        assay_depot_drop_tmp(depot, scratch);

out:
    if (fd >= 0)
        close(fd);
    assay_tree_end(&builder);
    return status;
}

// --- one run ------------------------------------------------------------------------------------

// The log as it comes, for people who watch. What is judged is in the result.
struct log_sink {
    int fd; // -1: none
    uint64_t bytes_left;
};

static void write_log(void *user, const char *bytes, size_t len)
{
    struct log_sink *sink = user;
    const size_t take = len < sink->bytes_left ? len : (size_t)sink->bytes_left;

    if (sink->fd < 0 || take == 0)
        return;
    sink->bytes_left -= take;
    // A full disk of ours must not end the run: the log stops here, the run goes on.
    if (assay_fs_write_all(sink->fd, bytes, take, NULL) != ASSAY_OK)
        sink->bytes_left = 0;
}

static enum assay_status open_log(
        struct log_sink *sink, const char *path, uint64_t bytes_max, struct assay_error *err)
{
    *sink = (struct log_sink){.fd = -1, .bytes_left = bytes_max};
    if (path == NULL)
        return ASSAY_OK;
    sink->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (sink->fd < 0)
        return assay_fail_errno(err, errno, "open log %.150s", path);
    return ASSAY_OK;
}

static enum assay_status copy_argv(const char ***out, const struct assay_strings *argv,
        struct assay_arena *arena, struct assay_error *err)
{
    const char **copy = assay_arena_array(arena, argv->count + 1, sizeof(char *));

    if (copy == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "argv");
    for (size_t i = 0; i < argv->count; i++)
        copy[i] = argv->items[i];
    *out = copy; // the arena's memory is zero: NULL at its end
    return ASSAY_OK;
}

// The log of a run that did not count starts again.
static void restart_log(struct log_sink *sink, uint64_t bytes_max)
{
    if (sink->fd >= 0 && ftruncate(sink->fd, 0) == 0 && lseek(sink->fd, 0, SEEK_SET) == 0)
        sink->bytes_left = bytes_max;
}

// Forked from a zygote where there is one. True when that gave a result that counts.
static bool run_warm(const struct assay_runner_job *job, const struct assay_box_plan *plan,
        struct assay_box_result *result)
{
    struct assay_warm_lease lease;
    bool counts = false;

    if (plan->network != ASSAY_NETWORK_NONE ||
            !assay_warm_take(job->warm, &lease, plan, &job->warm_argv))
        return false;
    if (assay_zygote_run(lease.zygote, plan, result, NULL) == ASSAY_OK) {
        // Trouble on our side may be the zygote's; a cold run will tell.
        counts = result->cause != ASSAY_BOX_SETUP_FAILED && result->cause != ASSAY_BOX_INFRA_ERROR;
        assay_warm_give(job->warm, &lease, result->cause != ASSAY_BOX_EXITED);
        if (!counts)
            assay_box_result_release(result);
    } else {
        assay_warm_give(job->warm, &lease, true);
    }
    if (counts && job->warm_number != NULL)
        *job->warm_number = lease.number;
    return counts;
}

enum assay_status assay_runner_run(struct assay_sandbox *sandbox,
        const struct assay_runner_job *job, struct assay_box_result *result,
        struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_environ vars = {0};
    struct assay_box_plan plan;
    struct assay_box_parts parts = {.recipe = job->recipe,
            .environment = job->environment,
            .workspace = job->workspace,
            .trusted_dir = job->trusted_dir};
    struct log_sink sink = {.fd = -1};
    struct assay_passage passage = {.access = NULL};
    const char **argv = NULL;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES_MAX, err);

    if (status != ASSAY_OK)
        return status;
    assay_box_plan_default(&plan);
    status = assay_environ_init(&vars, arena, err);
    if (status == ASSAY_OK)
        status = assay_box_parts_environ(&vars, job->recipe, job->env, true, err);
    if (status == ASSAY_OK)
        status = assay_box_parts_cpus(&vars, plan.cpu_count, err);
    if (status == ASSAY_OK)
        status = copy_argv(&argv, &job->argv, arena, err);
    if (status == ASSAY_OK && job->instance->network && job->access != NULL &&
            job->access->network != ASSAY_NETWORK_NONE)
        status =
                assay_passage_open(&passage, job->access, &job->instance->hosts, &plan, &vars, err);
    if (status != ASSAY_OK)
        goto out;
    assay_box_parts_lay(&plan, &parts, job->instance);
    status = open_log(&sink, job->log_path, plan.limits.output_bytes_max, err);
    if (status != ASSAY_OK)
        goto out;
    plan.argv = argv;
    plan.env = vars.items;
    plan.out_dir = job->out_dir;
    plan.report_fd = job->report_fd;
    plan.head_bytes_max = plan.tail_bytes_max = KEEP_BYTES;
    plan.on_output = write_log;
    plan.user = &sink;
    plan.cancel = job->cancel;
    if (!run_warm(job, &plan, result)) {
        restart_log(&sink, plan.limits.output_bytes_max);
        status = assay_box_run(sandbox, &plan, result, err);
    }

out:
    assay_passage_close(&passage, job->refused);
    if (sink.fd >= 0)
        close(sink.fd);
    assay_arena_destroy(arena);
    return status;
}

// --- what a run left behind ---------------------------------------------------------------------

static enum assay_status read_regular(int fd, const char *name, size_t bytes_max,
        struct assay_arena *arena, struct assay_bytes *out, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_buf buf;
    struct stat st;
    char *copy = NULL;

    if (fstat(fd, &st) != 0)
        return assay_fail_errno(err, errno, "stat %.100s", name);
    // A second name may be of a file elsewhere that its maker could not open by itself.
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        return assay_fail(err, ASSAY_EREFUSED, "%.100s is not a regular file with one name", name);
    if (st.st_size < 0 || (uint64_t)st.st_size > bytes_max)
        return assay_fail(err, ASSAY_ENOMEM, "%.100s is larger than %zu bytes", name, bytes_max);
    assay_buf_init(&buf, bytes_max);
    status = assay_fs_read_fd(&buf, fd, err);
    if (status == ASSAY_OK) {
        copy = assay_arena_memdup(arena, buf.data, buf.len);
        if (copy == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "%.100s", name);
        else
            *out = (struct assay_bytes){copy, buf.len};
    }
    assay_buf_free(&buf);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum assay_status assay_runner_list_out(int out_dir_fd, const char *glob, size_t count_max,
        struct assay_arena *arena, struct assay_strings *out, struct assay_error *err)
{
    const char **names = assay_arena_array(arena, count_max, sizeof(*names));
    const int fd = openat(out_dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    enum assay_status status = ASSAY_OK;
    size_t count = 0;

    if (dir == NULL) {
        status = assay_fail_errno(err, errno, "list what the run left");
        if (fd >= 0)
            close(fd);
        return status;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is this thread's alone
    while (status == ASSAY_OK && (entry = readdir(dir)) != NULL) {
        if (!assay_glob_match(glob, entry->d_name))
            continue;
        if (names == NULL || count == count_max)
            status = assay_fail(err, ASSAY_ENOMEM, "more than %zu files match %s", count_max, glob);
        else if ((names[count++] = assay_arena_strdup(arena, entry->d_name)) == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    closedir(dir);
    if (status != ASSAY_OK)
        return status;
    if (count > 0)
        qsort(names, count, sizeof(names[0]), compare_names);
    *out = (struct assay_strings){names, count};
    return ASSAY_OK;
}

enum assay_status assay_runner_read_out(int out_dir_fd, const char *name, size_t bytes_max,
        struct assay_arena *arena, struct assay_bytes *out, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    // O_NONBLOCK: a FIFO must not hold us; what it is, is looked at before it is read.
    const int fd = assay_fs_open_beneath(out_dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return assay_fail(err, ASSAY_ENOTFOUND, "no %.200s", name);
        if (errno == ELOOP || errno == EXDEV || errno == ENXIO)
            return assay_fail(err, ASSAY_EREFUSED, "%.200s is not a regular file", name);
        return assay_fail_errno(err, errno, "open %.150s", name);
    }
    status = read_regular(fd, name, bytes_max, arena, out, err);
    close(fd);
    return status;
}
