// SPDX-License-Identifier: MIT
// cgroup_host.c - which trees this host has, which we may write, and what a dead spawner left
// there.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/cgroup.h"
#include "sandbox/procfile.h"

#define HOST_LEAF "assay-host" // where we move ourselves when v2 wants an empty inner group

// --- where we are --------------------------------------------------------------------------------

// One line of mountinfo that is about control groups.
struct tree_mount {
    char root[PATH_MAX], point[PATH_MAX], options[512];
    bool v2;
};

static bool parse_mount(struct tree_mount *out, const char *line)
{
    char type[32];
    const char *dash = strstr(line, " - ");

    // NOLINTNEXTLINE(cert-err34-c): the kernel's own table
    if (dash == NULL || sscanf(line, "%*s %*s %*s %4095s %4095s", out->root, out->point) != 2 ||
            sscanf(dash + 3, "%31s %*s %511s", type, out->options) != 2)
        return false;
    out->v2 = strcmp(type, "cgroup2") == 0;
    return out->v2 || strcmp(type, "cgroup") == 0;
}

// Is `word` one of the comma-separated words of `list`?
static bool has_word(const char *list, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += len)
        if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

// Our group in the hierarchy with `controller` ("": v2), from /proc/self/cgroup.
static bool find_membership(char path[PATH_MAX], const char *memberships, const char *controller)
{
    char line[PATH_MAX + 256];

    for (const char *at = memberships; *at != '\0';) {
        const size_t len = strcspn(at, "\n");
        char *list = NULL;
        char *group = NULL;

        (void)snprintf(line, sizeof(line), "%.*s", (int)len, at);
        at += len + (at[len] == '\n');
        list = strchr(line, ':');
        if (list == NULL)
            continue;
        *list++ = '\0';
        group = strchr(list, ':');
        if (group == NULL)
            continue;
        *group++ = '\0';
        if (controller[0] == '\0' ? list[0] != '\0' : !has_word(list, controller))
            continue;
        (void)snprintf(path, PATH_MAX, "%s", group);
        return true;
    }
    return false;
}

// Path of our own group under this mount. A mount may show only a part of the
// hierarchy, and our group may lie outside it: then the tree is of no use.
static bool join_path(char path[PATH_MAX], const struct assay_cgroup_host *host,
        const struct tree_mount *mount, const char *group)
{
    const size_t root_len = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);

    if (strncmp(group, "/..", 3) == 0 || strncmp(group, mount->root, root_len) != 0 ||
            (group[root_len] != '/' && group[root_len] != '\0'))
        return false;
    group += root_len;
    if (strcmp(group, "/") == 0)
        group = "";
    return snprintf(path, PATH_MAX, "%s%s%s", host->root, mount->point, group) < PATH_MAX;
}

// --- what we may do there ------------------------------------------------------------------------

static bool can_make_group(const struct assay_cgroup_tree *tree, const char *prefix)
{
    char name[112];

    (void)snprintf(name, sizeof(name), "%s-try", prefix);
    if (mkdirat(tree->dir_fd, name, 0755) < 0 && errno != EEXIST)
        return false;
    return unlinkat(tree->dir_fd, name, AT_REMOVEDIR) == 0;
}

static bool can_make_group_at(const char *path, const char *prefix)
{
    const struct assay_cgroup_tree tree = {.dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    const bool can = tree.dir_fd >= 0 && can_make_group(&tree, prefix);

    if (tree.dir_fd >= 0)
        close(tree.dir_fd);
    return can;
}

static void add_tree(struct assay_cgroups *groups, const char *path, bool v2, unsigned roles)
{
    struct assay_cgroup_tree *tree = &groups->trees[groups->tree_count];

    // One v1 hierarchy may hold several controllers ("cpu,cpuacct").
    for (size_t i = 0; i < groups->tree_count; i++) {
        if (strcmp(groups->trees[i].path, path) == 0) {
            groups->trees[i].roles |= roles;
            groups->roles |= roles;
            return;
        }
    }
    if (roles == 0 || groups->tree_count == ASSAY_CGROUP_TREES_MAX)
        return;
    (void)snprintf(tree->path, sizeof(tree->path), "%s", path);
    tree->dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree->dir_fd < 0)
        return;
    tree->v2 = v2;
    tree->roles = roles;
    if (!can_make_group(tree, groups->prefix)) {
        close(tree->dir_fd);
        return;
    }
    groups->tree_count++;
    groups->roles |= roles;
}

static bool words_have(const char *text, const char *word)
{
    char list[512];

    (void)snprintf(list, sizeof(list), "%.*s", (int)strcspn(text, "\n"), text);
    for (char *at = list; *at != '\0'; at++)
        if (*at == ' ')
            *at = ',';
    return has_word(list, word);
}

// Move processes of our group into a leaf below it: v2 allows controllers to be
// handed down only from a group without processes. Only assay and its spawner,
// unless the group is the root of a container: that is ours to arrange.
static void move_to_leaf(int dir_fd, bool everything)
{
    char text[16384];
    char leaf[] = HOST_LEAF "/cgroup.procs";
    char pid[24];

    if (mkdirat(dir_fd, HOST_LEAF, 0755) < 0 && errno != EEXIST)
        return;
    (void)snprintf(pid, sizeof(pid), "%d", (int)getppid());
    (void)assay_procfile_write(dir_fd, leaf, pid);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    (void)assay_procfile_write(dir_fd, leaf, pid);
    if (!everything || !assay_procfile_read(dir_fd, "cgroup.procs", text, sizeof(text)))
        return;
    for (char *at = text; *at != '\0';) {
        const size_t len = strcspn(at, "\n");

        (void)snprintf(pid, sizeof(pid), "%.*s", (int)len, at);
        (void)assay_procfile_write(dir_fd, leaf, pid);
        at += len + (at[len] == '\n');
    }
}

// Which of memory and pids the group hands down.
static unsigned handed_down(int dir_fd)
{
    char text[512];
    unsigned roles = 0;

    if (!assay_procfile_read(dir_fd, "cgroup.subtree_control", text, sizeof(text)))
        return 0;
    roles |= words_have(text, "memory") ? ASSAY_CGROUP_MEMORY : 0;
    roles |= words_have(text, "pids") ? ASSAY_CGROUP_PIDS : 0;
    return roles;
}

// What stands in the way of handing down is processes in the group itself: whose may be moved?
enum may_move { MOVE_NONE, MOVE_OURS, MOVE_ALL };

// The same, after trying to make it hand down both.
static unsigned enable_controllers(const char *path, enum may_move may_move)
{
    static const char wanted[] = "+memory +pids";
    char text[512];
    unsigned roles = 0;
    const int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0)
        return 0;
    roles = handed_down(dir_fd);
    if (roles != (ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_PIDS) &&
            assay_procfile_read(dir_fd, "cgroup.controllers", text, sizeof(text)) &&
            words_have(text, "memory") && words_have(text, "pids")) {
        if (!assay_procfile_write(dir_fd, "cgroup.subtree_control", wanted) && errno == EBUSY &&
                may_move != MOVE_NONE) {
            move_to_leaf(dir_fd, may_move == MOVE_ALL);
            (void)assay_procfile_write(dir_fd, "cgroup.subtree_control", wanted);
        }
        roles = handed_down(dir_fd);
    }
    close(dir_fd);
    return roles;
}

// Does the group keep a limit of its own? One that cannot be read counts as one.
static bool has_limit(const char *path)
{
    static const char *const limits[] = {
            "memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max"};
    const int dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool limited = dir_fd < 0;

    for (size_t i = 0; !limited && i < sizeof(limits) / sizeof(limits[0]); i++) {
        char text[64];

        if (assay_procfile_read(dir_fd, limits[i], text, sizeof(text)))
            limited = strncmp(text, "max", 3) != 0;
        else
            limited = errno != ENOENT; // a controller that it was not given
    }
    if (dir_fd >= 0)
        close(dir_fd);
    return limited;
}

// Boxes beside a group that keeps no limit escape nothing: below the nearest group above it that
// hands controllers down. 0, and `path` as it was, when there is none that we may use. The top's
// own groups are the system's: nothing of ours is made there.
static unsigned climb(char path[PATH_MAX], size_t top_len, const char *prefix)
{
    char above[PATH_MAX];
    unsigned roles = 0;

    (void)snprintf(above, sizeof(above), "%s", path);
    while (roles == 0) {
        char *slash = strrchr(above, '/');

        if (slash == NULL || (size_t)(slash - above) <= top_len || has_limit(above))
            return 0;
        *slash = '\0';
        if (strlen(above) <= top_len)
            return 0;
        roles = enable_controllers(above, MOVE_NONE);
    }
    if (!can_make_group_at(above, prefix))
        return 0;
    (void)snprintf(path, PATH_MAX, "%s", above);
    return roles;
}

static void add_v2(struct assay_cgroups *groups, const struct assay_cgroup_host *host,
        const struct tree_mount *mount)
{
    char group[PATH_MAX];
    char path[PATH_MAX];
    char *leaf = NULL;
    unsigned roles = ASSAY_CGROUP_CPU | ASSAY_CGROUP_KILL;
    unsigned limits = 0;

    if (!find_membership(group, host->memberships, "") || !join_path(path, host, mount, group))
        return;
    leaf = strrchr(path, '/');
    if (leaf != NULL && strcmp(leaf, "/" HOST_LEAF) == 0)
        *leaf = '\0'; // an earlier assay moved us (or our parent) here
    limits = enable_controllers(path, strcmp(group, "/") == 0 ? MOVE_ALL : MOVE_OURS);
    if (limits == 0)
        limits = climb(path, strlen(host->root) + strlen(mount->point), groups->prefix);
    roles |= limits;
    add_tree(groups, path, true, roles);
}

static void add_v1(struct assay_cgroups *groups, const struct assay_cgroup_host *host,
        const struct tree_mount *mount)
{
    static const struct {
        const char *controller;
        unsigned role;
    } rows[] = {{"memory", ASSAY_CGROUP_MEMORY}, {"pids", ASSAY_CGROUP_PIDS},
            {"cpuacct", ASSAY_CGROUP_CPU}};
    char group[PATH_MAX];
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (has_word(mount->options, rows[i].controller) && !(groups->roles & rows[i].role) &&
                find_membership(group, host->memberships, rows[i].controller) &&
                join_path(path, host, mount, group))
            add_tree(groups, path, false, rows[i].role);
}

static void add_trees(struct assay_cgroups *groups, const struct assay_cgroup_host *host, bool v2)
{
    char line[3 * PATH_MAX];

    for (const char *at = host->mounts; *at != '\0';) {
        const size_t len = strcspn(at, "\n");
        struct tree_mount mount;

        (void)snprintf(line, sizeof(line), "%.*s", (int)len, at);
        at += len + (at[len] == '\n');
        if (!parse_mount(&mount, line) || mount.v2 != v2)
            continue;
        if (v2)
            add_v2(groups, host, &mount);
        else
            add_v1(groups, host, &mount);
    }
}

static enum assay_cgroup_shape name_shape(const struct assay_cgroups *groups)
{
    const unsigned limits = ASSAY_CGROUP_MEMORY | ASSAY_CGROUP_PIDS;
    bool has_v2 = false;
    bool has_v1 = false;

    if (!(groups->roles & limits))
        return ASSAY_CGROUP_NONE;
    for (size_t i = 0; i < groups->tree_count; i++) {
        if (groups->trees[i].v2 && (groups->trees[i].roles & limits))
            return ASSAY_CGROUP_V2;
        has_v2 = has_v2 || groups->trees[i].v2;
        has_v1 = has_v1 || !groups->trees[i].v2;
    }
    return has_v1 && has_v2 ? ASSAY_CGROUP_HYBRID : ASSAY_CGROUP_V1;
}

static void make_prefix(struct assay_cgroups *groups)
{
    struct stat pid_namespace = {0};
    uint64_t start = 0;

    (void)stat("/proc/self/ns/pid", &pid_namespace);
    (void)assay_procfile_start_time(getpid(), &start);
    (void)snprintf(groups->prefix, sizeof(groups->prefix), "assay-%lu-%d-%" PRIu64,
            (unsigned long)pid_namespace.st_ino, (int)getpid(), start);
}

void assay_cgroups_open(struct assay_cgroups *out, const struct assay_cgroup_host *host)
{
    static char memberships[8192];
    static char mounts[262144];
    struct assay_cgroup_host found = {.root = ""};

    memset(out, 0, sizeof(*out));
    out->shape = ASSAY_CGROUP_NONE;
    make_prefix(out);
    if (host != NULL)
        found = *host;
    if (found.hide)
        return;
    if (found.root == NULL)
        found.root = "";
    if (found.memberships == NULL) {
        (void)assay_procfile_read(AT_FDCWD, "/proc/self/cgroup", memberships, sizeof(memberships));
        found.memberships = memberships;
    }
    if (found.mounts == NULL) {
        (void)assay_procfile_read(AT_FDCWD, "/proc/self/mountinfo", mounts, sizeof(mounts));
        found.mounts = mounts;
    }
    // v2 first: where both could play a role, its semantics are the better ones.
    add_trees(out, &found, true);
    add_trees(out, &found, false);
    out->shape = name_shape(out);
}

void assay_cgroups_close(struct assay_cgroups *groups)
{
    for (size_t i = 0; i < groups->tree_count; i++)
        close(groups->trees[i].dir_fd);
    groups->tree_count = 0;
    groups->roles = 0;
}

// --- leftovers -----------------------------------------------------------------------------------

// Does the name belong to a spawner of our pid namespace that is no longer alive?
static bool is_leftover(const char *name, const char *prefix)
{
    const char *after_namespace = strchr(prefix + strlen("assay-"), '-');
    const size_t same = (size_t)(after_namespace - prefix) + 1;
    uint64_t start = 0;
    uint64_t alive_start = 0;
    int pid = 0;

    if (strncmp(name, prefix, same) != 0)
        return false;
    // NOLINTNEXTLINE(cert-err34-c): a name that does not parse is not ours
    if (sscanf(name + same, "%d-%" SCNu64 "-", &pid, &start) != 2 || pid <= 0)
        return false;
    return !assay_procfile_start_time(pid, &alive_start) || alive_start != start;
}

static void kill_members(int dir_fd)
{
    char text[16384];

    if (assay_procfile_write(dir_fd, "cgroup.kill", "1") ||
            !assay_procfile_read(dir_fd, "cgroup.procs", text, sizeof(text)))
        return;
    for (char *at = text; *at != '\0';) {
        char *end = NULL;
        const long pid = strtol(at, &end, 10);

        if (end == at)
            return;
        if (pid > 0)
            (void)kill((pid_t)pid, SIGKILL);
        at = end + (*end == '\n');
    }
}

static bool remove_leftover(int tree_fd, const char *name)
{
    const struct timespec pause = {.tv_nsec = 5000000};

    // The dead spawner's boxes were killed with it; the last of them may still be exiting.
    for (int i = 0; i < 200; i++) {
        const int dir_fd = openat(tree_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (dir_fd < 0)
            return errno == ENOENT;
        kill_members(dir_fd);
        close(dir_fd);
        if (unlinkat(tree_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

unsigned assay_cgroups_sweep(struct assay_cgroups *groups)
{
    unsigned removed = 0;

    for (size_t i = 0; i < groups->tree_count; i++) {
        DIR *dir = opendir(groups->trees[i].path);
        const struct dirent *entry = NULL;

        if (dir == NULL)
            continue;
        // NOLINTNEXTLINE(concurrency-mt-unsafe): assay-box has one thread
        while ((entry = readdir(dir)) != NULL)
            if (is_leftover(entry->d_name, groups->prefix))
                removed += remove_leftover(groups->trees[i].dir_fd, entry->d_name);
        closedir(dir);
    }
    return removed;
}

void assay_cgroups_visit(const struct assay_cgroups *groups,
        void (*visit)(void *context, uint64_t number), void *context)
{
    const size_t len = strlen(groups->prefix);

    for (size_t i = 0; i < groups->tree_count; i++) {
        const int fd = openat(groups->trees[i].dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry = NULL;

        if (dir == NULL) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        // NOLINTNEXTLINE(concurrency-mt-unsafe): assay-box has one thread
        while ((entry = readdir(dir)) != NULL) {
            char *end = NULL;
            uint64_t number = 0;

            if (strncmp(entry->d_name, groups->prefix, len) != 0 || entry->d_name[len] != '-')
                continue;
            number = strtoull(entry->d_name + len + 1, &end, 10);
            if (end != entry->d_name + len + 1 && *end == '\0')
                visit(context, number);
        }
        closedir(dir);
    }
}
