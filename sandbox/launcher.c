// SPDX-License-Identifier: MIT
// launcher.c - assay-box: the small program that makes boxes for assay.
//
// THEORY OF OPERATION
//
// assay has threads, gigabytes and perhaps a GPU; it must never fork. So it
// execs assay-box once, first thing, and talks to it over one SOCK_SEQPACKET
// socket, which assay-box finds as descriptor 3. There are four kinds of process:
//
//   spawner   This program. One thread, an epoll loop, a few megabytes; it must answer
//             at once. As root it keeps its rights, because only root can open host
//             directories below private folders, shift their owners and write control
//             groups; it never runs a byte that a box controls.
//   forge     A fork of the spawner that does what is slow: it makes control groups and
//             network namespaces, clones inits (as the spawner's own children) ahead of
//             any request, and clears away what dead boxes leave. See forge.h, ready.h.
//   init      PID 1 of each box: a clone of the forge in new user, mount, pid, ipc, uts
//             (and, by unshare, cgroup) namespaces and a network namespace that nobody
//             used, mapped to a host uid that is never 0. It makes of the box's inside
//             what all boxes have alike and waits, perhaps long; gets its request, makes
//             the rest, forks the payload, reaps, reports, and never execs.
//   payload   The untrusted command. Its own session, no capability, no_new_privs,
//             Landlock scopes, seccomp last, then exec.
//
//   zygote    The payload of a box that may clone such inits itself: a warm interpreter
//             without foreign code (zygotes.h). Its runs are boxes like the others.
//
// For each box there are two sockets and some pipes:
//
//   private   assay <-> spawner: "started", "result"; assay may say "kill". When
//             assay's end closes, for whatever reason, the box is killed.
//   control   spawner <-> init: "go" (from the forge) after uid maps and control
//             groups are written; the request; then what the init sees. When it
//             closes, the init exits.
//   pipes     output, report and stdin go from assay straight to the payload; the
//             spawner only passes them on. assay drains them until the spawner
//             says that everything in the box is dead, never until end of file.
//   error     init <-> payload: a failed step of ours, or end of file by exec.
//
// Death is certain because it does not depend on the payload: every process of
// a box is in the pid namespace of its init, and killing a namespace's init
// kills the namespace. The init in turn dies with the spawner (PR_SET_PDEATHSIG,
// and the control socket), and the spawner ends with assay (the main socket).
// Control groups make it faster and count what was used; what a spawner that
// was killed left of them is removed by the next one.
//
// Limits: the spawner keeps wall and CPU time; control groups keep memory and
// processes (rlimits and the init's meter where there are none); the box's one
// tmpfs keeps disk; assay itself sees too much output, or none, and asks for
// the kill. The wall clock starts when exec has worked, not when the box was asked for.
//
// Everything below may fail at any step. It then says which step and with what
// errno: result->step, result->sys_errno. Nothing is retried with less isolation.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "sandbox/prober.h"
#include "sandbox/quota.h"
#include "sandbox/spawner.h"
#include "sandbox/stage.h"
#include "sandbox/sys.h"
#include "sandbox/wire.h"

struct words {
    bool hide_cgroups, hide_user_namespaces, hide_proc, fresh_network;
    uint32_t ready_max;
};

static bool read_words(struct words *words, int argc, char **argv)
{
    memset(words, 0, sizeof(*words));
    words->ready_max = ASSAY_READY_DEFAULT;
    if (argc < 2 || strcmp(argv[1], "spawner") != 0)
        return false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--hide-cgroups") == 0)
            words->hide_cgroups = true;
        else if (strcmp(argv[i], "--hide-user-namespaces") == 0)
            words->hide_user_namespaces = true;
        else if (strcmp(argv[i], "--fresh-network") == 0)
            words->fresh_network = true;
        else if (strcmp(argv[i], "--ready") == 0 && i + 1 < argc)
            words->ready_max = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--hide-proc") == 0)
            words->hide_proc = true;
        else
            return false;
    }
    return words->ready_max < ASSAY_BOXES_MAX;
}

// Nothing of the process that exec'd us but its standard error and the main socket.
static bool shed_inheritance(void)
{
    struct rlimit files;
    // What somebody above us ignores, payloads would ignore after their exec.
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0)
        return false;
    (void)sys_close_range(ASSAY_WIRE_MAIN_FD + 1, ~0U, 0);
    if (fcntl(ASSAY_WIRE_MAIN_FD, F_SETFD, FD_CLOEXEC) < 0 || chdir("/") < 0)
        return false;
    // Supplementary groups of root open doors in the host's files.
    if (geteuid() == 0 && setgroups(0, NULL) < 0 && errno != EPERM)
        return false;
    // Each box takes some descriptors here.
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    assay_quota_prepare();
    (void)prctl(PR_SET_NAME, "assay-box", 0, 0, 0);
    return true;
}

static bool watch_all(struct spawner *spawner)
{
    sigset_t signals;

    spawner->main_fd = ASSAY_WIRE_MAIN_FD;
    spawner->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
        return false;
    spawner->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    return spawner->epoll_fd >= 0 && spawner->signal_fd >= 0 &&
            assay_spawner_watch(spawner, spawner->main_fd, WATCH_MAIN, 0) &&
            assay_spawner_watch(spawner, spawner->signal_fd, WATCH_SIGNAL, 0);
}

static bool make_uid_pool(struct spawner *spawner)
{
    const size_t count = spawner->ids.pool_count;

    spawner->idmap_fds = calloc(count + 1, sizeof(*spawner->idmap_fds));
    spawner->uid_taken = calloc(count + 1, sizeof(*spawner->uid_taken));
    spawner->part_map_fds = calloc(count + 1, sizeof(*spawner->part_map_fds));
    if (spawner->idmap_fds == NULL || spawner->uid_taken == NULL || spawner->part_map_fds == NULL)
        return false;
    for (size_t i = 0; i <= count; i++)
        spawner->idmap_fds[i] = spawner->part_map_fds[i] = -1;
    return true;
}

// tmpfs learned it with Linux 6.3. One map is made for it, which the first box uses again.
static bool can_shift_tmpfs(struct spawner *spawner)
{
    const struct assay_ids *ids = &spawner->ids;
    const struct assay_id_map map = {ASSAY_BOX_UID, ASSAY_BOX_UID, ids->store_uid, ids->store_gid};
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
    int fs_fd = -1;
    int mount_fd = -1;
    bool can = false;

    if (!ids->root || !spawner->can_idmap || spawner->tier == ASSAY_TIER_C)
        return false;
    spawner->part_map_fds[ids->pool_count] = assay_spawn_map_namespace(&map);
    fs_fd = sys_fsopen("tmpfs");
    if (fs_fd >= 0 && sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
        mount_fd = sys_fsmount(fs_fd, 0);
    attr.userns_fd = (unsigned)spawner->part_map_fds[ids->pool_count];
    can = mount_fd >= 0 && spawner->part_map_fds[ids->pool_count] >= 0 &&
            sys_mount_setattr(mount_fd, 0, &attr) == 0;
    if (mount_fd >= 0)
        close(mount_fd);
    if (fs_fd >= 0)
        close(fs_fd);
    return can;
}

static void prepare(
        struct spawner *spawner, const struct words *words, struct assay_wire_hello *hello)
{
    const struct assay_cgroup_host host = {.hide = words->hide_cgroups};
    struct assay_prober prober = {.ids = &spawner->ids,
            .cgroups = &spawner->cgroups,
            .profiles = &spawner->profiles,
            .hide_user_namespaces = words->hide_user_namespaces,
            .hide_proc = words->hide_proc};
    struct assay_fault fault = {{0}, 0};

    assay_ids_find(&spawner->ids, geteuid(), getegid(), NULL);
    assay_cgroups_open(&spawner->cgroups, &host);
    (void)assay_cgroups_sweep(&spawner->cgroups);
    spawner->profiles = assay_profiles_compiled;
    assay_prober_run(&hello->probes, &prober, &spawner->can_idmap);
    spawner->tier = hello->probes.tier;
    if (!assay_skeleton_find(&spawner->skeleton,
                spawner->tier == ASSAY_TIER_C ? spawner->ids.store_uid : ASSAY_BOX_UID, &fault))
        (void)assay_fail_errno(&hello->error, fault.sys_errno, "%s", fault.step);
    else
        spawner->staged = assay_stage_make(&spawner->skeleton, &spawner->ids, &fault);
    if (!spawner->ids.root && geteuid() != spawner->ids.store_uid)
        (void)assay_fail_errno(&hello->error, fault.sys_errno, "%s", fault.step);
    spawner->forge_fd = -1;
    spawner->fresh_network = words->fresh_network;
    spawner->ready_max = words->ready_max;
    assay_box_limits_default(&spawner->usual_limits);
    // Inits are the spawner's children even where the forge cloned them: one that is made and
    // not handed over any more must be reaped, too.
    (void)signal(SIGCHLD, SIG_IGN);
    if (!watch_all(spawner) || !make_uid_pool(spawner))
        (void)assay_fail_errno(&hello->error, errno, "start the spawner");
    // Without them only snapshots fail, and say so.
    if (hello->error.status == ASSAY_OK && assay_holds_open(&spawner->holds, &fault))
        spawner->can_shift_parts = can_shift_tmpfs(spawner);
}

static void clean_up(struct spawner *spawner)
{
    int *const lists[] = {spawner->idmap_fds, spawner->part_map_fds};

    for (size_t list = 0; list < 2; list++) {
        for (size_t i = 0; lists[list] != NULL && i <= spawner->ids.pool_count; i++)
            if (lists[list][i] >= 0)
                close(lists[list][i]);
        free(lists[list]);
    }
    assay_holds_close(&spawner->holds);
    free(spawner->uid_taken);
    free(spawner->graves);
    assay_skeleton_free(&spawner->skeleton);
    assay_cgroups_close(&spawner->cgroups);
}

int main(int argc, char **argv)
{
    static struct spawner spawner;
    static struct assay_wire_hello hello;
    static const char usage[] = "assay-box makes sandboxes for assay and is started by it alone\n";
    struct words words;

    if (!read_words(&words, argc, argv)) {
        (void)!write(2, usage, sizeof(usage) - 1);
        return 2;
    }
    if (!shed_inheritance())
        return 1;
    hello.kind = ASSAY_WIRE_HELLO;
    hello.version = ASSAY_WIRE_VERSION;
    prepare(&spawner, &words, &hello);
    if (assay_wire_send(ASSAY_WIRE_MAIN_FD, &hello, sizeof(hello), NULL, 0) == 0 &&
            hello.error.status == ASSAY_OK)
        assay_spawner_run(&spawner);
    clean_up(&spawner);
    return 0;
}
