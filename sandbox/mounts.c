// SPDX-License-Identifier: MIT
#include "sandbox/mounts.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "sandbox/procfile.h"
#include "sandbox/stage.h"
#include "sandbox/sys.h"
#include "sandbox/tree.h"

#define HOST_TEXT_BYTES 65536

// --- below the new root --------------------------------------------------------------------------

int tree_open(const struct tree *tree, const char *path, int flags, unsigned mode)
{
    return sys_open_in_root(tree->root_fd, path, flags, mode);
}

// One directory, its parent being there.
static bool make_directory(const struct tree *tree, const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    int fd = -1;
    bool made = false;

    (void)snprintf(parent, sizeof(parent), "/%.*s", (int)len, path);
    fd = tree_open(tree, parent, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return false;
    made = mkdirat(fd, slash == NULL ? path : slash + 1, 0755) == 0 || errno == EEXIST;
    close(fd);
    return made;
}

bool tree_make_directories(struct tree *tree, const char *path, const char *step)
{
    char partial[PATH_MAX];
    int fd = tree_open(tree, path, O_PATH | O_DIRECTORY, 0);

    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno != ENOENT)
        return assay_fault_set(tree->fault, step);
    for (const char *at = path; *at != '\0';) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        (void)snprintf(partial, sizeof(partial), "%.*s", (int)(at - path), path);
        if (partial[strspn(partial, "/")] == '\0')
            break;
        fd = tree_open(tree, partial, O_PATH | O_DIRECTORY, 0);
        if (fd >= 0) {
            close(fd);
            continue;
        }
        if (errno != ENOENT || !make_directory(tree, partial))
            return assay_fault_set(tree->fault, step);
    }
    return true;
}

static bool make_file(struct tree *tree, const char *path, const char *step)
{
    char parent[PATH_MAX];
    int fd = -1;

    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
    if (parent[0] != '\0' && !tree_make_directories(tree, parent, step))
        return false;
    fd = tree_open(tree, path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0)
        return assay_fault_set(tree->fault, step);
    close(fd);
    return true;
}

bool tree_attach(
        struct tree *tree, int mount_fd, const char *path, bool is_directory, const char *step)
{
    bool attached = false;
    int fd = -1;

    if (mount_fd < 0)
        return assay_fault_set(tree->fault, step);
    fd = tree_open(tree, path, O_PATH, 0);
    if (fd < 0 && errno == ENOENT) {
        if (!(is_directory ? tree_make_directories(tree, path, step)
                           : make_file(tree, path, step))) {
            close(mount_fd);
            return false;
        }
        fd = tree_open(tree, path, O_PATH, 0);
    }
    attached = (fd >= 0 && sys_attach(mount_fd, fd) == 0) || assay_fault_set(tree->fault, step);
    if (fd >= 0)
        close(fd);
    close(mount_fd);
    return attached;
}

int tree_clone(int dir_fd, const char *path, uint64_t attributes)
{
    struct mount_attr attr = {.attr_set = attributes};
    const int fd = sys_open_tree(dir_fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (fd >= 0 && attributes != 0 && sys_mount_setattr(fd, AT_RECURSIVE, &attr) < 0) {
        const int problem = errno;

        close(fd);
        errno = problem;
        return -1;
    }
    return fd;
}

// --- the box's tmpfs -----------------------------------------------------------------------------

// Keeps fd, by which a full disk is seen later.
static bool note_tmpfs(struct tree *tree, int fd)
{
    if (fd < 0)
        return assay_fault_set(tree->fault, "open tmpfs");
    if (tree->out->tmpfs_count < ASSAY_TMPFS_MAX)
        tree->out->tmpfs_fds[tree->out->tmpfs_count++] = fd;
    else
        close(fd);
    return true;
}

static void print_sizes(char *out, size_t size, const struct assay_box_limits *limits)
{
    const uint64_t most = limits->memory_bytes_max / 4 * 3;

    (void)snprintf(out, size, "size=%" PRIu64 ",nr_inodes=%" PRIu64,
            limits->disk_bytes_max < most ? limits->disk_bytes_max : most, limits->inodes_max);
}

static bool mount_disk(struct tree *tree)
{
    // Any directory of the host will do: what is mounted on it is seen by us alone. But what
    // it hides can be no plan's source any more: before the plan is known, one of the stage.
    static const char *const places[] = {
            // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one path in two pieces
            ASSAY_STAGE_EMPTY, "/tmp", "/var/tmp", "/mnt", "/media", "/srv", "/home"};
    char sizes[96];
    char options[128];

    print_sizes(sizes, sizeof(sizes), &tree->plan->limits);
    (void)snprintf(options, sizeof(options), "mode=0755,%s", sizes);
    for (size_t i = tree->staged ? 0 : 1; i < sizeof(places) / sizeof(places[0]); i++) {
        if (mount("assay", places[i], "tmpfs", MS_NOSUID | MS_NODEV, options) < 0) {
            if (errno == ENOENT || errno == ENOTDIR)
                continue;
            return assay_fault_set(tree->fault, "mount tmpfs");
        }
        if (chdir(places[i]) < 0)
            return assay_fault_set(tree->fault, "enter tmpfs");
        if (!note_tmpfs(tree, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)))
            return false;
        if (mkdir("root", 0755) < 0 || mkdir("empty", 0555) < 0)
            return assay_fault_set(tree->fault, "fill tmpfs");
        return tree->parts == NULL || tree_place_parts(tree);
    }
    return assay_fault_errno(tree->fault, "mount tmpfs", ENOENT);
}

// The disk was mounted before the plan was known.
static bool resize_disk(struct tree *tree)
{
    char sizes[96];

    print_sizes(sizes, sizeof(sizes), &tree->plan->limits);
    if (mount(NULL, ".", NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, sizes) < 0)
        return assay_fault_set(tree->fault, "resize tmpfs");
    return tree_place_parts(tree);
}

// A tmpfs of its own, detached.
static int make_tmpfs(uint64_t bytes, uint64_t inodes, const char *mode)
{
    char size[24];
    char count[24];
    const int fs_fd = sys_fsopen("tmpfs");
    int fd = -1;

    (void)snprintf(size, sizeof(size), "%" PRIu64, bytes);
    (void)snprintf(count, sizeof(count), "%" PRIu64, inodes);
    if (fs_fd < 0)
        return -1;
    if (sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "size", size) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "nr_inodes", count) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "mode", mode) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
        fd = sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    close(fs_fd);
    return fd;
}

// --- root and the plan's mounts ------------------------------------------------------------------

static bool mount_root(struct tree *tree)
{
    const struct assay_box_plan *plan = tree->plan;
    struct tree_overlay overlay = {.target = "/",
            .lower_count = plan->root_lower_count,
            .host_upper = plan->root_upper,
            .host_work = plan->root_work,
            .upper = "u0",
            .work = "w0"};
    const int fd = plan->root_lower_count > 0 ? tree_make_overlay(tree, &overlay)
                                              : tree_clone(AT_FDCWD, "root", 0);
    int place_fd = -1;
    bool attached = false;

    if (fd < 0)
        return plan->root_lower_count == 0 && assay_fault_set(tree->fault, "mount root");
    place_fd = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    attached = place_fd >= 0 && sys_attach(fd, place_fd) == 0;
    if (!attached)
        (void)assay_fault_set(tree->fault, "mount root");
    close(fd);
    if (place_fd >= 0)
        close(place_fd);
    if (!attached)
        return false;
    tree->root_fd = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return tree->root_fd >= 0 || assay_fault_set(tree->fault, "open root");
}

static int make_plan_overlay(struct tree *tree, const struct assay_mount *mount, size_t index)
{
    struct tree_overlay overlay = {.target = mount->target,
            .lower_count = mount->lower_count,
            .host_upper = mount->upper,
            .host_work = mount->work};

    (void)snprintf(overlay.upper, sizeof(overlay.upper), "u%zu", index + 1);
    (void)snprintf(overlay.work, sizeof(overlay.work), "w%zu", index + 1);
    return tree_make_overlay(tree, &overlay);
}

// Below `folder`: over the layers of a snapshot, or empty.
static int make_folder(
        struct tree *tree, const struct assay_mount *mount, size_t index, const char *folder)
{
    struct tree_overlay overlay = {.target = mount->target};

    (void)snprintf(overlay.upper, sizeof(overlay.upper), "%st%zu", folder, index + 1);
    (void)snprintf(overlay.work, sizeof(overlay.work), "%sv%zu", folder, index + 1);
    if (tree_has_layers(tree, mount->target))
        return tree_make_overlay(tree, &overlay);
    if (mkdir(overlay.upper, 0755) < 0)
        return -1;
    return tree_clone(AT_FDCWD, overlay.upper, 0);
}

static int make_plan_tmpfs(struct tree *tree, const struct assay_mount *mount, size_t index)
{
    const struct assay_box_limits *limits = &tree->plan->limits;
    char folder[16];
    int place_fd = -1;
    int fd = -1;
    bool attached = false;

    if (!assay_layer_has_part(mount))
        return make_folder(tree, mount, index, "");
    fd = make_tmpfs(mount->bytes_max > 0 ? mount->bytes_max : limits->disk_bytes_max,
            mount->inodes_max > 0 ? mount->inodes_max : limits->inodes_max, "0755");
    if (fd < 0 || (tree->plan->from == NULL && !tree->plan->snapshot))
        return fd;
    (void)snprintf(folder, sizeof(folder), "m%zu/", index + 1);
    if (mkdir(folder, 0755) == 0)
        place_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    attached = place_fd >= 0 && sys_attach(fd, place_fd) == 0;
    close(fd);
    if (place_fd >= 0)
        close(place_fd);
    return attached ? make_folder(tree, mount, index, folder) : -1;
}

// Of a snapshot; the windows of this box's own root are below them, and unused.
static bool continue_places(struct tree *tree)
{
    for (size_t i = 0; i < ASSAY_PLACE_COUNT; i++) {
        struct tree_overlay overlay = {.target = assay_places[i].path};
        int fd = -1;

        if (!tree_has_layers(tree, overlay.target))
            continue;
        (void)snprintf(overlay.upper, sizeof(overlay.upper), "p%zu", i);
        (void)snprintf(overlay.work, sizeof(overlay.work), "q%zu", i);
        fd = tree_make_overlay(tree, &overlay);
        if (fd < 0 || !tree_attach(tree, fd, overlay.target, true, "attach places"))
            return false;
    }
    return true;
}

static bool add_mount(struct tree *tree, size_t index)
{
    const struct assay_mount *mount = &tree->plan->mounts[index];
    struct stat stat;
    int fd = -1;

    switch (mount->kind) {
    case ASSAY_MOUNT_OVERLAY:
        fd = make_plan_overlay(tree, mount, index);
        return fd >= 0 && tree_attach(tree, fd, mount->target, true, "attach overlay");
    case ASSAY_MOUNT_TMPFS:
        fd = make_plan_tmpfs(tree, mount, index);
        if (fd < 0)
            return assay_fault_set(tree->fault, "make tmpfs");
        if (!tree_attach(tree, fd, mount->target, true, "attach tmpfs"))
            return false;
        return !assay_layer_has_part(mount) ||
                note_tmpfs(tree, tree_open(tree, mount->target, O_RDONLY | O_DIRECTORY, 0));
    case ASSAY_MOUNT_BIND_RO:
        break;
    }
    fd = tree->sources->fds[tree->source_next++];
    if (fd < 0) // optional, and not there
        return true;
    if (fstat(fd, &stat) < 0)
        return assay_fault_set(tree->fault, "stat bind");
    // The source stays open until all are closed; attach a second descriptor of it.
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return assay_fault_set(tree->fault, "attach bind");
    return tree_attach(tree, fd, mount->target, S_ISDIR(stat.st_mode), "attach bind");
}

static bool add_out_dir(struct tree *tree)
{
    const struct assay_box_limits *limits = &tree->plan->limits;
    int fd = -1;

    if (tree->plan->out_dir == NULL)
        return true;
    fd = make_tmpfs(limits->disk_bytes_max, limits->inodes_max, "0755");
    if (fd < 0)
        return assay_fault_set(tree->fault, "make out_dir");
    if (!tree_attach(tree, fd, tree->plan->out_dir, true, "attach out_dir"))
        return false;
    tree->out->out_dir_fd = tree_open(tree, tree->plan->out_dir, O_RDONLY | O_DIRECTORY, 0);
    if (tree->out->out_dir_fd < 0)
        return assay_fault_set(tree->fault, "open out_dir");
    return note_tmpfs(tree, fcntl(tree->out->out_dir_fd, F_DUPFD_CLOEXEC, 0));
}

// A directory of this mode, or whatever an image has there; links end in the box's root.
static bool make_place(struct tree *tree, const char *path, unsigned mode)
{
    int fd = tree_open(tree, path, O_PATH, 0);
    bool made = false;

    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno != ENOENT)
        return assay_fault_set(tree->fault, "make places");
    if (!tree_make_directories(tree, path, "make places"))
        return false;
    fd = tree_open(tree, path, O_RDONLY | O_DIRECTORY, 0);
    made = fd >= 0 && fchmod(fd, mode) == 0;
    if (!made)
        (void)assay_fault_set(tree->fault, "make places");
    if (fd >= 0)
        close(fd);
    return made;
}

// What a host's users may write: windows through the root, which is read-only when it is ours.
static bool make_bare_places(struct tree *tree)
{
    static const char *const names[] = {"var", "home", "run", "sys"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (mkdirat(tree->root_fd, names[i], 0755) < 0)
            return assay_fault_set(tree->fault, "make places");
    for (size_t i = 0; i < ASSAY_PLACE_COUNT; i++)
        if (mkdirat(tree->root_fd, assay_places[i].path + 1, assay_places[i].mode) < 0)
            return assay_fault_set(tree->fault, "make places");
    return true;
}

static bool add_writable_places(struct tree *tree)
{
    const struct assay_place *rows = assay_places;

    // In an empty root of our own there is nothing to look at first.
    if (tree->plan->root_lower_count == 0 && tree->plain && !make_bare_places(tree))
        return false;
    for (size_t i = 0; i < ASSAY_PLACE_COUNT; i++) {
        if (!tree->plain && !make_place(tree, rows[i].path, rows[i].mode))
            return false;
        if (tree->plan->root_lower_count == 0) {
            const int fd = tree_clone(tree->root_fd, rows[i].path + 1, 0);

            if (fd < 0)
                return assay_fault_set(tree->fault, "clone places");
            if (!tree_attach(tree, fd, rows[i].path, true, "attach places"))
                return false;
        }
    }
    return tree->plain ||
            (tree_make_directories(tree, "/run", "make places") &&
                    tree_make_directories(tree, "/sys", "make places"));
}

static bool enter(struct tree *tree)
{
    if (fchdir(tree->root_fd) < 0 || sys_pivot_root(".", ".") < 0)
        return assay_fault_set(tree->fault, "pivot_root");
    return umount2(".", MNT_DETACH) == 0 || assay_fault_set(tree->fault, "detach old root");
}

// Enter before the plan is known: to detach the host's tree waits for every processor. What the
// plan's mounts are made of must stay within reach, and only of this process: the disk goes where
// /proc comes to lie over it, and is the working directory.
static bool enter_early(struct tree *tree)
{
    const int disk_fd = sys_open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    bool entered = false;

    if (disk_fd < 0)
        return assay_fault_set(tree->fault, "clone tmpfs");
    entered = tree_attach(tree, fcntl(disk_fd, F_DUPFD_CLOEXEC, 0), "/proc", true, "hide tmpfs") &&
            tree_add_proc(tree) && enter(tree) &&
            (fchdir(disk_fd) == 0 || assay_fault_set(tree->fault, "enter tmpfs"));
    close(disk_fd);
    tree->out->entered = entered;
    return entered;
}

static bool seal_and_enter(struct tree *tree)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};

    if (tree->plan->root_lower_count == 0 && sys_mount_setattr(tree->root_fd, 0, &attr) < 0)
        return assay_fault_set(tree->fault, "read-only root");
    return (tree->out->entered || enter(tree)) &&
            (chdir("/") == 0 || assay_fault_set(tree->fault, "detach old root"));
}

static bool read_host_network(struct tree *tree)
{
    if (tree->plan->network != ASSAY_NETWORK_HOST)
        return true;
    tree->host_resolv = malloc(HOST_TEXT_BYTES);
    tree->host_hosts = malloc(HOST_TEXT_BYTES);
    if (tree->host_resolv == NULL || tree->host_hosts == NULL)
        return assay_fault_errno(tree->fault, "host network", ENOMEM);
    if (!assay_procfile_read(AT_FDCWD, "/etc/resolv.conf", tree->host_resolv, HOST_TEXT_BYTES) &&
            errno != ENOENT)
        return assay_fault_set(tree->fault, "host network");
    if (!assay_procfile_read(AT_FDCWD, "/etc/hosts", tree->host_hosts, HOST_TEXT_BYTES) &&
            errno != ENOENT)
        return assay_fault_set(tree->fault, "host network");
    return true;
}

// The first component of an absolute path is this one.
static bool begins_with(const char *path, const char *name)
{
    const size_t len = strlen(name);

    while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
        path++;
    return strncmp(path, name, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

enum assay_shape assay_mounts_shape(const struct assay_box_plan *plan)
{
    if (plan->network == ASSAY_NETWORK_HOST)
        return ASSAY_SHAPE_HOST_NETWORK;
    // A zygote's /proc is not like the others'.
    if (!plan->host_usr || plan->root_lower_count > 0 || plan->serves)
        return ASSAY_SHAPE_OTHER;
    // The stage's /etc has no place for anything more.
    for (size_t i = 0; i < plan->mount_count; i++)
        if (begins_with(plan->mounts[i].target, "etc"))
            return ASSAY_SHAPE_OTHER;
    if (plan->out_dir != NULL && begins_with(plan->out_dir, "etc"))
        return ASSAY_SHAPE_OTHER;
    return ASSAY_SHAPE_PLAIN;
}

// Everything that is a system's but /proc: the root, places to write, /usr, /etc, /dev.
static bool make_system(struct tree *tree)
{
    return read_host_network(tree) && mount_disk(tree) && mount_root(tree) &&
            add_writable_places(tree) && tree_add_skeleton(tree) && tree_add_dev(tree);
}

static bool make_rest(struct tree *tree)
{
    if (!continue_places(tree))
        return false;
    for (size_t i = 0; i < tree->plan->mount_count; i++)
        if (!add_mount(tree, i))
            return false;
    return add_out_dir(tree) && tree_freeze(tree) && seal_and_enter(tree);
}

static void begin(struct tree *tree, struct assay_mounts *mounts, const struct assay_box_plan *plan,
        struct assay_fault *fault)
{
    *tree = (struct tree){.plan = plan,
            .skeleton = mounts->skeleton,
            .root_fd = mounts->root_fd,
            .out = mounts,
            .staged = mounts->staged,
            .plain = mounts->shape == ASSAY_SHAPE_PLAIN,
            .fault = fault};
    (void)umask(0);
}

static void end(struct tree *tree)
{
    (void)umask(022);
    free(tree->host_resolv);
    free(tree->host_hosts);
    tree->out->root_fd = tree->root_fd;
}

bool assay_mounts_prepare(struct assay_mounts *out, enum assay_shape shape,
        const struct assay_skeleton *skeleton, bool staged, bool fresh_proc,
        struct assay_fault *fault)
{
    struct assay_box_plan plan;
    struct tree tree;
    bool made = true;

    *out = (struct assay_mounts){.skeleton = skeleton,
            .shape = shape,
            .staged = staged,
            .outer_proc = !fresh_proc,
            .root_fd = -1,
            .proc_fd = -1,
            .out_dir_fd = -1};
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return assay_fault_set(fault, "private mounts");
    if (shape != ASSAY_SHAPE_PLAIN)
        return true;
    assay_box_plan_default(&plan);
    plan.host_usr = true;
    begin(&tree, out, &plan, fault);
    // The spawner opens the plan's sources: nothing of the host is needed any more.
    made = make_system(&tree) && (fresh_proc ? enter_early : tree_add_proc)(&tree);
    end(&tree);
    return made;
}

bool assay_mounts_finish(struct assay_mounts *mounts, const struct assay_box_plan *plan,
        const struct assay_sources *sources, const struct assay_sources *parts,
        struct assay_fault *fault)
{
    struct tree tree;
    bool made = false;

    begin(&tree, mounts, plan, fault);
    tree.sources = sources;
    tree.parts = parts;
    made = (mounts->root_fd >= 0 ? resize_disk(&tree)
                                 : make_system(&tree) && tree_add_proc(&tree)) &&
            make_rest(&tree);
    end(&tree);
    if (mounts->root_fd >= 0)
        close(mounts->root_fd);
    mounts->root_fd = -1;
    return made;
}

bool assay_mounts_full(const struct assay_mounts *mounts)
{
    for (size_t i = 0; i < mounts->tmpfs_count; i++) {
        struct statvfs stat;

        if (fstatvfs(mounts->tmpfs_fds[i], &stat) == 0 && (stat.f_bfree == 0 || stat.f_ffree == 0))
            return true;
    }
    return false;
}
