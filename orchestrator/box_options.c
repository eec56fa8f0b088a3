// SPDX-License-Identifier: MIT
#include "orchestrator/box_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/environ.h"

const struct assay_option assay_box_run_options[] = {
        {"tree", 0, "DIR", "show DIR as " ASSAY_BOX_TREE ", writable in the box; DIR never changes",
                false},
        {"keep", 0, "DIR", "keep what is written to the tree in DIR/upper, and begin with it",
                false},
        {"bind-ro", 0, "HOST:BOX", "show a file or folder of the host, read-only", true},
        {"overlay", 0, "HOST:BOX", "show a folder of the host, writable in the box", true},
        {"tmpfs", 0, "BOX", "an empty folder", true},
        {"env", 0, "NAME=VALUE", "set a variable; the host's are not seen", true},
        {"cwd", 0, "BOX", "where the command starts (" ASSAY_BOX_TREE ", or /home/box)", false},
        {"limit", 0, "NAME=VALUE",
                "wall cpu idle (10s; none), memory disk (512M), output (1G; none), processes files "
                "inodes (64)",
                true},
        {"timeout", 't', "SECONDS", "the same as --limit wall=SECONDS", false},
        {"cpus", 0, "N", "hold N CPUs of the host and use no other (not held, all used)", false},
        {"profile", 0, "PROFILE", "system calls: strict (default) or compat", false},
        {"learn", 0, NULL, "name each system call that the profile refused, and its caller", false},
        {"network", 0, "MODE", "none (default: loopback alone), allowlist or host", false},
        {"allow-host", 0, "HOST[:PORT]", "allowlist: the box reaches this through a proxy", true},
        {"tty", 0, NULL, "give the command a terminal of the box's own", false},
        {"shell", 0, NULL, "an interactive shell in the box, instead of a command", false},
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "at the end print cause, status and usage as one line of JSON on stderr",
                false},
        {"json-file", 0, "FILE", "write that line to FILE (/dev/fd/3: a descriptor)", false},
        {NULL, 0, NULL, NULL, false},
};

#define MOUNTS_MAX 62

// --- folders -------------------------------------------------------------------------------------

// A host path as the plan wants it; NULL after an error.
static const char *resolve(
        struct assay_box_job *job, const char *option, const char *path, struct assay_error *err)
{
    char full[PATH_MAX];
    const char *copy = NULL;

    if (realpath(path, full) == NULL) {
        (void)assay_fail_errno(err, errno, "--%s %s", option, path);
        return NULL;
    }
    copy = assay_arena_strdup(job->arena, full);
    if (copy == NULL)
        (void)assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return copy;
}

// One more mount of `host`, whoever it belongs to there, at `target`.
static enum assay_status add_mount(struct assay_box_job *job, struct assay_mount *mounts,
        enum assay_mount_kind kind, const char *option, const char *host, const char *target,
        struct assay_error *err)
{
    struct assay_mount *mount = &mounts[job->plan.mount_count];
    const char **lowers = assay_arena_array(job->arena, 1, sizeof(*lowers));
    struct stat stat_host;

    if (job->plan.mount_count == MOUNTS_MAX)
        return assay_fail(err, ASSAY_EUSAGE, "more than %d folders", MOUNTS_MAX);
    if (target[0] != '/')
        return assay_fail(
                err, ASSAY_EUSAGE, "--%s: '%s' is not an absolute path in the box", option, target);
    if (lowers == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *mount = (struct assay_mount){.kind = kind, .target = target};
    job->plan.mount_count++;
    if (kind == ASSAY_MOUNT_TMPFS)
        return ASSAY_OK;
    lowers[0] = resolve(job, option, host, err);
    if (lowers[0] == NULL)
        return ASSAY_EIO;
    if (stat(lowers[0], &stat_host) < 0)
        return assay_fail_errno(err, errno, "--%s %s", option, host);
    if (kind == ASSAY_MOUNT_OVERLAY && !S_ISDIR(stat_host.st_mode))
        return assay_fail(err, ASSAY_EUSAGE, "--%s: %s is not a folder", option, host);
    mount->lowers = lowers;
    mount->lower_count = 1;
    mount->owned = kind == ASSAY_MOUNT_OVERLAY;
    mount->owner_uid = stat_host.st_uid;
    mount->owner_gid = stat_host.st_gid;
    return ASSAY_OK;
}

static enum assay_status add_pairs(struct assay_box_job *job, struct assay_mount *mounts,
        enum assay_mount_kind kind, const char *option, const struct assay_invocation *in,
        struct assay_error *err)
{
    const char *pair = NULL;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; status == ASSAY_OK && (pair = assay_cli_value_at(in, option, i)); i++) {
        const char *colon = strrchr(pair, ':');
        const char *host = NULL;

        if (kind == ASSAY_MOUNT_TMPFS) {
            status = add_mount(job, mounts, kind, option, NULL, pair, err);
            continue;
        }
        if (colon == NULL || colon == pair)
            return assay_fail(err, ASSAY_EUSAGE, "--%s: '%s' is not HOST:BOX", option, pair);
        host = assay_arena_printf(job->arena, "%.*s", (int)(colon - pair), pair);
        if (host == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        status = add_mount(job, mounts, kind, option, host, colon + 1, err);
    }
    return status;
}

// DIR/upper and a fresh DIR/work, in the hands of one run at a time.
static enum assay_status open_keep(struct assay_box_job *job, struct assay_mount *mount,
        const char *dir, struct assay_error *err)
{
    uid_t uid = 0;
    gid_t gid = 0;
    const char *full = NULL;
    enum assay_status status = ASSAY_OK;

    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "--keep %s", dir);
    full = resolve(job, "keep", dir, err);
    if (full == NULL)
        return ASSAY_EIO;
    job->keep_fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (job->keep_fd < 0)
        return assay_fail_errno(err, errno, "--keep %s", dir);
    if (flock(job->keep_fd, LOCK_EX | LOCK_NB) < 0)
        return assay_fail(err, ASSAY_ECONFLICT, "--keep %s: another run has it", dir);
    status = assay_fs_remove_tree(job->keep_fd, "work", err); // of a run that was killed
    if (status != ASSAY_OK)
        return status;
    assay_sandbox_store_ids(&uid, &gid);
    if ((mkdirat(job->keep_fd, "upper", 0755) < 0 && errno != EEXIST) ||
            mkdirat(job->keep_fd, "work", 0755) < 0 ||
            fchownat(job->keep_fd, "upper", uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            fchownat(job->keep_fd, "work", uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return assay_fail_errno(err, errno, "--keep %s", dir);
    mount->upper = assay_arena_printf(job->arena, "%s/upper", full);
    mount->work = assay_arena_printf(job->arena, "%s/work", full);
    if (mount->upper == NULL || mount->work == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return ASSAY_OK;
}

static enum assay_status set_mounts(
        struct assay_box_job *job, const struct assay_invocation *in, struct assay_error *err)
{
    struct assay_mount *mounts = assay_arena_array(job->arena, MOUNTS_MAX, sizeof(*mounts));
    const char *tree = assay_cli_value(in, "tree");
    const char *keep = assay_cli_value(in, "keep");
    enum assay_status status = ASSAY_OK;

    if (mounts == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    job->plan.mounts = mounts;
    if (keep != NULL && tree == NULL)
        return assay_fail(err, ASSAY_EUSAGE, "--keep is for what is written to --tree");
    if (tree != NULL)
        status = add_mount(job, mounts, ASSAY_MOUNT_OVERLAY, "tree", tree, ASSAY_BOX_TREE, err);
    if (status == ASSAY_OK && keep != NULL)
        status = open_keep(job, &mounts[0], keep, err);
    if (status == ASSAY_OK)
        status = add_pairs(job, mounts, ASSAY_MOUNT_OVERLAY, "overlay", in, err);
    if (status == ASSAY_OK)
        status = add_pairs(job, mounts, ASSAY_MOUNT_BIND_RO, "bind-ro", in, err);
    if (status == ASSAY_OK)
        status = add_pairs(job, mounts, ASSAY_MOUNT_TMPFS, "tmpfs", in, err);
    return status;
}

// --- the command ---------------------------------------------------------------------------------

static enum assay_status set_command(
        struct assay_box_job *job, const struct assay_invocation *in, struct assay_error *err)
{
    static const char *const shell[] = {
            "/bin/sh", "-c", "[ -x /bin/bash ] && exec /bin/bash -i; exec /bin/sh -i", NULL};
    const char **argv = NULL;

    job->plan.terminal = assay_cli_flag(in, "tty") || assay_cli_flag(in, "shell");
    job->plan.argv = shell;
    if (assay_cli_flag(in, "shell") != (in->argument_count == 0))
        return assay_fail(err, ASSAY_EUSAGE,
                in->argument_count == 0
                        ? "the command to run is missing (or --shell)"
                        : "--shell runs a shell and no command (--tty gives a terminal)");
    if (in->argument_count == 0)
        return ASSAY_OK;
    argv = assay_arena_array(job->arena, in->argument_count + 1, sizeof(*argv));
    if (argv == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < in->argument_count; i++)
        argv[i] = in->arguments[i];
    if (argv[0][0] == '\0')
        return assay_fail(err, ASSAY_EUSAGE, "the command's name is empty");
    job->plan.argv = argv;
    return ASSAY_OK;
}

static enum assay_status set_environ(
        struct assay_box_job *job, const struct assay_invocation *in, struct assay_error *err)
{
    static const struct assay_strings no_hosts = {NULL, 0}; // but for the user's
    struct assay_environ vars;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *term = getenv("TERM");
    const char *pair = NULL;
    enum assay_status status = assay_environ_init(&vars, job->arena, err);

    if (status == ASSAY_OK && job->plan.terminal)
        status = assay_environ_setf(&vars, err, "TERM=%.64s", term != NULL ? term : "dumb");
    if (status == ASSAY_OK && assay_cli_flag(in, "shell"))
        status = assay_environ_set(&vars, "PS1=box:\\w\\$ ", err);
    for (size_t i = 0; status == ASSAY_OK && (pair = assay_cli_value_at(in, "env", i)); i++) {
        status = assay_environ_set(&vars, pair, err);
        if (status == ASSAY_EINVAL)
            status = assay_fail(err, ASSAY_EUSAGE, "--env: '%.100s' is not NAME=VALUE", pair);
    }
    if (status == ASSAY_OK && job->plan.network == ASSAY_NETWORK_ALLOWLIST)
        status = assay_passage_open(
                &job->passage, &job->gate.access, &no_hosts, &job->plan, &vars, err);
    job->plan.env = vars.items;
    return status;
}

// One of two words.
static enum assay_status choose(unsigned *out, const struct assay_invocation *in,
        const char *option, const char *const words[2], struct assay_error *err)
{
    const char *given = assay_cli_value(in, option);

    *out = 0;
    if (given == NULL || strcmp(given, words[0]) == 0)
        return ASSAY_OK;
    *out = 1;
    if (strcmp(given, words[1]) == 0)
        return ASSAY_OK;
    return assay_fail(
            err, ASSAY_EUSAGE, "--%s: '%s' is not %s or %s", option, given, words[0], words[1]);
}

static enum assay_status set_network(
        struct assay_box_job *job, const struct assay_invocation *in, struct assay_error *err)
{
    const bool listed = assay_cli_value(in, "allow-host") != NULL;
    const enum assay_status status = assay_gate_open(&job->gate, in, err);

    if (status != ASSAY_OK)
        return status;
    job->plan.network = listed || assay_cli_value(in, "network") != NULL ? job->gate.access.network
                                                                         : ASSAY_NETWORK_NONE;
    if (listed && job->plan.network != ASSAY_NETWORK_ALLOWLIST)
        return assay_fail(err, ASSAY_EUSAGE, "--allow-host is for --network allowlist");
    return ASSAY_OK;
}

static enum assay_status set_limits(
        struct assay_box_job *job, const struct assay_invocation *in, struct assay_error *err)
{
    struct assay_box_limits *limits = &job->plan.limits;
    const char *text = NULL;
    uint64_t seconds = 0, cpus = 0;
    enum assay_status status = assay_cli_number(&seconds, in, "timeout", 1, 4000000, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&cpus, in, "cpus", 1, CPU_SETSIZE, err);
    job->plan.cpu_count = (uint32_t)cpus;
    // Who runs a command by hand waits for it; what protects the host stays.
    limits->wall_ms_max = seconds > 0 ? seconds * 1000 : UINT32_MAX;
    limits->cpu_ms_max = UINT32_MAX;
    limits->output_bytes_max = INT64_MAX;
    for (size_t i = 0; status == ASSAY_OK && (text = assay_cli_value_at(in, "limit", i)); i++)
        status = assay_box_limit_set(limits, text, err);
    return status;
}

enum assay_status assay_box_job_make(struct assay_box_job *job,
        const struct assay_invocation *invocation, struct assay_arena *arena,
        struct assay_error *err)
{
    static const char *const profiles[] = {"strict", "compat"};
    const char *cwd = assay_cli_value(invocation, "cwd");
    unsigned profile = 0;
    enum assay_status status = ASSAY_OK;

    memset(job, 0, sizeof(*job));
    job->arena = arena;
    job->keep_fd = -1;
    job->status = assay_cli_value(invocation, "json-file");
    assay_box_plan_default(&job->plan);
    job->plan.name = "run";
    job->plan.host_usr = true;
    assay_buf_init(&job->refused, ASSAY_REFUSED_BYTES_MAX);
    status = choose(&profile, invocation, "profile", profiles, err);
    if (status == ASSAY_OK)
        status = set_network(job, invocation, err);
    if (status == ASSAY_OK)
        status = set_command(job, invocation, err);
    if (status == ASSAY_OK)
        status = set_limits(job, invocation, err);
    if (status == ASSAY_OK)
        status = set_environ(job, invocation, err);
    if (status == ASSAY_OK)
        status = set_mounts(job, invocation, err);
    job->plan.learn = assay_cli_flag(invocation, "learn");
    job->plan.profile = (enum assay_profile)profile;
    job->plan.cwd = cwd != NULL                   ? cwd
            : assay_cli_value(invocation, "tree") ? ASSAY_BOX_TREE
                                                  : "/home/box";
    if (status == ASSAY_OK && job->plan.cwd[0] != '/')
        status = assay_fail(
                err, ASSAY_EUSAGE, "--cwd: '%s' is not an absolute path in the box", cwd);
    return status;
}

void assay_box_job_close(struct assay_box_job *job)
{
    assay_passage_close(&job->passage, &job->refused);
}

void assay_box_job_release(struct assay_box_job *job)
{
    struct assay_error err;

    assay_buf_free(&job->refused);
    assay_gate_close(&job->gate);
    if (job->keep_fd < 0)
        return;
    if (assay_fs_remove_tree(job->keep_fd, "work", &err) != ASSAY_OK) // the next run tries again
        fprintf(stderr, "assay: --keep: %s\n", err.message);
    close(job->keep_fd);
    job->keep_fd = -1;
}
