// SPDX-License-Identifier: MIT
// prober.c - each probe is one attempt in a child of its own; its exit status is the errno.
//
// Nothing is concluded from sysctls or versions: Ubuntu's AppArmor gives a user
// namespace without capabilities, a container runtime may mask /proc, gVisor
// answers differently again. Only trying tells.
#include "sandbox/prober.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "sandbox/spawner.h"
#include "sandbox/sys.h"

#define AS_ROOT (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
#define IN_BOX (CLONE_NEWUSER | AS_ROOT)

// --- attempts: 0 or an errno, in a child that has the namespaces asked for -----------------------

static int try_nothing(const struct assay_prober *prober)
{
    (void)prober;
    return 0;
}

static int try_mount(const struct assay_prober *prober)
{
    (void)prober;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("assay", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
            chdir("/tmp") < 0)
        return errno;
    return 0;
}

static int try_mount_api(const struct assay_prober *prober)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    const int problem = try_mount(prober);
    int fd = -1;

    if (problem != 0)
        return problem;
    fd = sys_open_tree(AT_FDCWD, "/usr", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0 || sys_mount_setattr(fd, AT_RECURSIVE, &attr) < 0 || mkdir("usr", 0755) < 0)
        return errno;
    const int place_fd = open("usr", O_PATH | O_CLOEXEC);

    return place_fd < 0 || sys_attach(fd, place_fd) < 0 ? errno : 0;
}

// Not the mount alone: without userxattr support it succeeds, and deleting a
// populated lower directory then fails with EIO.
static int try_overlay(const struct assay_prober *prober)
{
    static const char options[] = "lowerdir=l,upperdir=u,workdir=w,userxattr,volatile";
    const int problem = try_mount(prober);

    if (problem != 0)
        return problem;
    if (mkdir("l", 0755) < 0 || mkdir("u", 0755) < 0 || mkdir("w", 0755) < 0 ||
            mkdir("m", 0755) < 0 || mkdir("l/d", 0755) < 0 || mkdir("l/d/e", 0755) < 0 ||
            mkdir("l/f", 0755) < 0 || mount("overlay", "m", "overlay", 0, options) < 0)
        return errno;
    if (rmdir("m/d/e") < 0 || rmdir("m/d") < 0 || mkdir("m/d", 0755) < 0 ||
            rename("m/f", "m/g") < 0)
        return errno == EXDEV ? 0 : errno; // renaming a lower directory: programs then copy
    return 0;
}

static int try_proc(const struct assay_prober *prober)
{
    const int problem = prober->hide_proc ? EPERM : try_mount(prober);

    if (problem != 0)
        return problem;
    if (mkdir("p", 0755) < 0 ||
            mount("proc", "p", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return errno;
    return 0;
}

static int try_loopback(const struct assay_prober *prober)
{
    struct ifreq request;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)prober;
    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, "lo", sizeof("lo"));
    request.ifr_flags = IFF_UP;
    return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? errno : 0;
}

static int try_seccomp(const struct assay_prober *prober)
{
    struct assay_fault fault = {{0}, 0};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return errno;
    if (!assay_profile_install(prober->profiles, ASSAY_PROFILE_STRICT, &fault))
        return fault.sys_errno;
    // It must answer, too: unshare is forbidden, an unknown number is unknown.
    if (unshare(0) == 0 || errno != EPERM)
        return EPROTO;
    return syscall(599) < 0 && errno == ENOSYS ? 0 : EPROTO;
}

static int try_close_range(const struct assay_prober *prober)
{
    (void)prober;
    return sys_close_range(1000, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? errno : 0;
}

static int try_idmap(const struct assay_prober *prober)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
    const struct assay_id_map map = {
            prober->ids->store_uid, prober->ids->store_gid, prober->ids->pool, prober->ids->pool};
    const int namespace_fd = prober->hide_user_namespaces ? -1 : assay_spawn_map_namespace(&map);
    int fd = -1;

    if (prober->hide_user_namespaces)
        return EPERM;
    if (namespace_fd < 0)
        return errno;
    fd = sys_open_tree(AT_FDCWD, "/var/tmp", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0)
        return errno;
    attr.userns_fd = (unsigned)namespace_fd;
    return sys_mount_setattr(fd, 0, &attr) < 0 ? errno : 0;
}

static int try_landlock(const struct assay_prober *prober)
{
    (void)prober;
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1U) < 1 ? errno : 0;
}

// --- running them --------------------------------------------------------------------------------

static int wait_exit(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPROTO;
}

// In a child with these namespaces, as the box's user in a user namespace.
static int attempt(
        const struct assay_prober *prober, uint64_t flags, int (*body)(const struct assay_prober *))
{
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
    const bool mapped = (flags & CLONE_NEWUSER) != 0;
    const struct assay_id_map map = {
            ASSAY_BOX_UID, ASSAY_BOX_UID, prober->ids->store_uid, prober->ids->store_gid};
    int ends[2];
    char byte = 0;
    int problem = 0;
    pid_t pid = -1;

    if (mapped && prober->hide_user_namespaces)
        return EPERM;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    pid = sys_clone3(&args);
    if (pid == 0) {
        close(ends[1]);
        if (read(ends[0], &byte, 1) != 1)
            _exit(EPROTO);
        if (mapped &&
                (setresgid(ASSAY_BOX_UID, ASSAY_BOX_UID, ASSAY_BOX_UID) < 0 ||
                        setresuid(ASSAY_BOX_UID, ASSAY_BOX_UID, ASSAY_BOX_UID) < 0))
            _exit(errno);
        _exit(body(prober));
    }
    close(ends[0]);
    if (pid < 0) {
        problem = errno;
    } else {
        if (mapped && !assay_spawn_write_maps(pid, &map))
            problem = errno;
        if (problem == 0 && write(ends[1], &byte, 1) != 1)
            problem = EPROTO;
    }
    close(ends[1]);
    if (pid > 0) {
        const int result = wait_exit(pid);

        problem = problem != 0 ? problem : result;
    }
    return problem;
}

struct row {
    const char *name;
    uint64_t flags;
    int (*body)(const struct assay_prober *);
    bool required, root_only;
    const char *remedy;
};

static const struct row rows[] = {
        {"clone3 and pidfd", CLONE_PIDFD, try_nothing, true, false, "Linux 5.11 or newer"},
        {"close_range", 0, try_close_range, false, false, "Linux 5.11 or newer"},
        {"user namespace", CLONE_NEWUSER, try_nothing, true, false,
                "sysctl user.max_user_namespaces=10000; Debian: "
                "kernel.unprivileged_userns_clone=1; in Docker: --security-opt seccomp=unconfined"},
        {"mount in user namespace", IN_BOX, try_mount, true, false,
                "Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor "
                "profile for assay-box"},
        {"open_tree, mount_setattr", IN_BOX, try_mount_api, true, false, "Linux 5.12 or newer"},
        {"overlay in user namespace", IN_BOX, try_overlay, true, false,
                "Linux 6.6 or newer, with CONFIG_OVERLAY_FS (modprobe overlay)"},
        {"fresh /proc", IN_BOX, try_proc, true, false,
                "in Docker: --security-opt systempaths=unconfined; in Kubernetes: procMount: "
                "Unmasked"},
        {"network namespace", IN_BOX | CLONE_NEWNET, try_loopback, true, false,
                "sysctl user.max_net_namespaces=10000"},
        {"seccomp filter", 0, try_seccomp, true, false, "a kernel with CONFIG_SECCOMP_FILTER"},
        {"idmapped mounts", 0, try_idmap, false, true,
                "Linux 5.19 or newer and a depot on ext4, xfs or btrfs: until then boxes share one "
                "uid"},
        {"landlock", 0, try_landlock, false, false, "lsm=landlock,... on the kernel command line"},
};

// What stands in for a user namespace when root has none: tier C.
static const struct row rows_as_root[] = {
        {"mounts as root", AS_ROOT, try_mount_api, false, true, "CAP_SYS_ADMIN in this container"},
        {"overlay as root", AS_ROOT, try_overlay, false, true,
                "Linux 6.6 or newer, with CONFIG_OVERLAY_FS (modprobe overlay)"},
        {"fresh /proc as root", AS_ROOT, try_proc, false, true, "CAP_SYS_ADMIN in this container"},
        {"network namespace as root", AS_ROOT | CLONE_NEWNET, try_loopback, false, true,
                "CAP_NET_ADMIN in this container"},
};

static struct assay_probe *add(struct assay_probes *out, const char *name, bool required)
{
    struct assay_probe *probe = &out->items[out->count++];

    memset(probe, 0, sizeof(*probe));
    (void)snprintf(probe->name, sizeof(probe->name), "%s", name);
    probe->required = required;
    return probe;
}

static void add_kernel(struct assay_probes *out)
{
    struct assay_probe *probe = add(out, "kernel", false);
    struct utsname name;

    probe->passed = uname(&name) == 0;
    if (probe->passed)
        (void)snprintf(
                probe->detail, sizeof(probe->detail), "%.60s %.60s", name.sysname, name.release);
}

static void add_users(struct assay_probes *out, const struct assay_prober *prober)
{
    struct assay_probe *probe = add(out, "uids", true);
    const struct assay_ids *ids = prober->ids;

    probe->passed = ids->store_uid != 0;
    if (!probe->passed) {
        probe->sys_errno = EPERM;
        (void)snprintf(probe->detail, sizeof(probe->detail), "only uid 0 is mapped here");
        (void)snprintf(probe->remedy, sizeof(probe->remedy),
                "run as an ordinary user, or map more ids into this container");
    } else if (ids->root) {
        (void)snprintf(probe->detail, sizeof(probe->detail),
                "root: store uid %u, a pool of %u for boxes", ids->store_uid, ids->pool_count);
    } else {
        (void)snprintf(probe->detail, sizeof(probe->detail), "ordinary user: boxes run as uid %u",
                ids->store_uid);
    }
}

static void add_cgroups(struct assay_probes *out, const struct assay_prober *prober)
{
    static const struct {
        unsigned role;
        const char *name;
    } roles[] = {{ASSAY_CGROUP_MEMORY, " memory"}, {ASSAY_CGROUP_PIDS, " pids"},
            {ASSAY_CGROUP_CPU, " cpu time"}, {ASSAY_CGROUP_KILL, " kill"}};
    struct assay_probe *probe = add(out, "control groups", false);
    size_t len = 0;

    out->cgroup_shape = prober->cgroups->shape;
    probe->passed = out->cgroup_shape != ASSAY_CGROUP_NONE;
    len = (size_t)snprintf(probe->detail, sizeof(probe->detail),
            "%s:", assay_cgroup_shape_name(out->cgroup_shape));
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (prober->cgroups->roles & roles[i].role)
            len += (size_t)snprintf(
                    probe->detail + len, sizeof(probe->detail) - len, "%s", roles[i].name);
    if (!probe->passed)
        (void)snprintf(probe->remedy, sizeof(probe->remedy),
                "systemd-run --user --scope -p Delegate=yes assay ...; until then rlimits and "
                "polling keep the limits");
}

static bool passed(const struct assay_probes *probes, const char *name)
{
    for (size_t i = 0; i < probes->count; i++)
        if (strcmp(probes->items[i].name, name) == 0)
            return probes->items[i].passed;
    return false;
}

// Which rung of the ladder the attempts reach; each rung needs seccomp and an id that is not 0.
static enum assay_tier name_tier(const struct assay_probes *probes, const struct assay_ids *ids)
{
    bool all = true;
    bool all_but_proc = true;

    for (size_t i = 0; i < probes->count; i++) {
        const bool fine = probes->items[i].passed || !probes->items[i].required;

        all = all && fine;
        all_but_proc = all_but_proc && (fine || strcmp(probes->items[i].name, "fresh /proc") == 0);
    }
    if (all)
        return ASSAY_TIER_A;
    if (!passed(probes, "seccomp filter") || !passed(probes, "uids") ||
            !passed(probes, "clone3 and pidfd"))
        return ASSAY_TIER_NONE;
    if (all_but_proc)
        return ASSAY_TIER_B;
    if (ids->root && passed(probes, "mounts as root") && passed(probes, "overlay as root") &&
            passed(probes, "fresh /proc as root") && passed(probes, "network namespace as root"))
        return ASSAY_TIER_C;
    return passed(probes, "landlock") ? ASSAY_TIER_D : ASSAY_TIER_NONE;
}

static void add_row(struct assay_probes *out, const struct assay_prober *prober,
        const struct row *row, bool *can_idmap)
{
    struct assay_probe *probe = add(out, row->name, row->required);

    probe->sys_errno = attempt(prober, row->flags & ~(uint64_t)CLONE_PIDFD, row->body);
    probe->passed = probe->sys_errno == 0;
    if (row->body == try_idmap)
        *can_idmap = probe->passed;
    if (!probe->passed)
        (void)snprintf(probe->remedy, sizeof(probe->remedy), "%s", row->remedy);
}

void assay_prober_run(struct assay_probes *out, const struct assay_prober *prober, bool *can_idmap)
{
    memset(out, 0, sizeof(*out));
    *can_idmap = false;
    add_kernel(out);
    add_users(out, prober);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!rows[i].root_only || prober->ids->root)
            add_row(out, prober, &rows[i], can_idmap);
    // A namespace that gives no capabilities (AppArmor) is as good as none.
    if (prober->ids->root && !passed(out, "mount in user namespace"))
        for (size_t i = 0; i < sizeof(rows_as_root) / sizeof(rows_as_root[0]); i++)
            add_row(out, prober, &rows_as_root[i], can_idmap);
    add_cgroups(out, prober);
    out->tier = name_tier(out, prober->ids);
}
