// SPDX-License-Identifier: MIT
// system_mounts.c - the parts of a box's tree that are a system's: /usr and /etc, /dev, /proc.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sandbox/stage.h"
#include "sandbox/sys.h"
#include "sandbox/tree.h"

#define DEV_SOURCE "devices" // what /dev shows, in the box's tmpfs
#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

// --- /usr and /etc -------------------------------------------------------------------------------

static bool add_usr(struct tree *tree)
{
    int fd = tree_clone(AT_FDCWD, "/usr", READ_ONLY);

    if (fd < 0)
        return assay_fault_set(tree->fault, "clone /usr");
    if (!tree_attach(tree, fd, "/usr", true, "attach /usr"))
        return false;
    if (!tree->skeleton->has_usr_local)
        return true;
    fd = tree_clone(AT_FDCWD, "empty", READ_ONLY);
    if (fd < 0)
        return assay_fault_set(tree->fault, "hide /usr/local");
    return tree_attach(tree, fd, "/usr/local", true, "hide /usr/local");
}

static bool write_file(struct tree *tree, const char *path, const char *text, size_t len)
{
    const int fd = tree_open(tree, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const bool written = fd >= 0 && write(fd, text, len) == (ssize_t)len;

    if (!written)
        (void)assay_fault_set(tree->fault, "write /etc");
    if (fd >= 0)
        close(fd);
    return written;
}

// 0 when the entry itself is there, be it a link; else errno. Its folder is one of an
// image, which may hold links to anywhere: they end in the box's root, never in the host's.
static int find_entry(const struct tree *tree, const char *path)
{
    const int fd = tree_open(tree, path, O_PATH | O_NOFOLLOW, 0);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int open_folder(const struct tree *tree, const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    (void)snprintf(folder, sizeof(folder), "/%.*s", slash == NULL ? 0 : (int)(slash - path), path);
    return tree_open(tree, folder, O_PATH | O_DIRECTORY, 0);
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static bool add_link(struct tree *tree, const struct assay_skeleton_entry *entry)
{
    const int fd = open_folder(tree, entry->path);
    const bool linked = fd >= 0 && symlinkat(entry->text, fd, last_name(entry->path)) == 0;

    if (!linked)
        (void)assay_fault_set(tree->fault, "link /etc");
    if (fd >= 0)
        close(fd);
    return linked;
}

static bool remove_entry(struct tree *tree, const char *path)
{
    const int fd = open_folder(tree, path);
    const bool removed = fd >= 0 && unlinkat(fd, last_name(path), 0) == 0;

    if (!removed)
        (void)assay_fault_set(tree->fault, "replace /etc");
    if (fd >= 0)
        close(fd);
    return removed;
}

static bool add_entry(struct tree *tree, const struct assay_skeleton_entry *entry)
{
    const int problem = find_entry(tree, entry->path);
    const bool missing = problem != 0;
    const char *text = entry->text;
    size_t len = entry->text_len;
    char host_path[sizeof(entry->path) + 1];
    int fd = -1;

    if (missing && problem != ENOENT && problem != ENOTDIR)
        return assay_fault_errno(tree->fault, "look at /etc", problem);
    switch (entry->kind) {
    case ASSAY_SKELETON_LINK:
        return !missing || add_link(tree, entry);
    case ASSAY_SKELETON_FILE:
        if (tree->host_resolv != NULL && strcmp(entry->path, "etc/resolv.conf") == 0)
            text = tree->host_resolv;
        if (tree->host_hosts != NULL && strcmp(entry->path, "etc/hosts") == 0)
            text = tree->host_hosts;
        len = text == entry->text ? len : strlen(text);
        // Not through a link of an image: resolv.conf is often one.
        if (!missing && entry->replace && !remove_entry(tree, entry->path))
            return false;
        return (!missing && !entry->replace) || write_file(tree, entry->path, text, len);
    case ASSAY_SKELETON_BIND:
        break;
    }
    (void)snprintf(host_path, sizeof(host_path), "/%s", entry->path);
    fd = tree_clone(AT_FDCWD, host_path, READ_ONLY);
    if (fd < 0 && errno == ENOENT) // gone since the spawner looked
        return true;
    if (fd < 0)
        return assay_fault_set(tree->fault, "clone /etc");
    return tree_attach(tree, fd, host_path, entry->is_directory, "attach /etc");
}

// On an entry of our own directory, which no link stands for.
static bool attach_in(int dir_fd, const char *name, int mount_fd)
{
    bool attached = false;
    int problem = 0;

    if (mount_fd < 0)
        return false;
    attached = sys_attach_at(mount_fd, dir_fd, name) == 0;
    problem = errno;
    close(mount_fd);
    errno = problem;
    return attached;
}

static bool attach_stage(struct tree *tree, const char *source, const char *target)
{
    const int fd = tree_clone(AT_FDCWD, source, 0);

    if (fd < 0)
        return assay_fault_set(tree->fault, "clone stage");
    // tree_attach() would find it missing first.
    if (mkdirat(tree->root_fd, target + 1, 0755) < 0 && errno != EEXIST) {
        (void)assay_fault_set(tree->fault, "make stage");
        close(fd);
        return false;
    }
    if (tree->plan->root_lower_count > 0) // an image may have a link there
        return tree_attach(tree, fd, target, true, "attach stage");
    return attach_in(tree->root_fd, target + 1, fd) || assay_fault_set(tree->fault, "attach stage");
}

static bool add_staged(struct tree *tree)
{
    for (size_t i = 0; i < tree->skeleton->count; i++) {
        const struct assay_skeleton_entry *entry = &tree->skeleton->entries[i];

        if (entry->kind == ASSAY_SKELETON_LINK && strchr(entry->path, '/') == NULL &&
                symlinkat(entry->text, tree->root_fd, entry->path) < 0)
            return assay_fault_set(tree->fault, "link /bin");
    }
    return attach_stage(tree, ASSAY_STAGE_USR, "/usr") &&
            attach_stage(tree, ASSAY_STAGE_ETC, "/etc");
}

bool tree_add_skeleton(struct tree *tree)
{
    if (tree->plain && tree->staged)
        return add_staged(tree);
    if (!tree_make_directories(tree, "/etc", "make /etc"))
        return false;
    if (tree->plan->host_usr && !add_usr(tree))
        return false;
    for (size_t i = 0; i < tree->skeleton->count; i++) {
        const struct assay_skeleton_entry *entry = &tree->skeleton->entries[i];

        if ((tree->plan->host_usr || !entry->from_host) && !add_entry(tree, entry))
            return false;
    }
    return true;
}

// --- /dev ----------------------------------------------------------------------------------------

static const char *const device_names[] = {"null", "zero", "full", "random", "urandom", "tty"};

bool tree_fill_dev(struct tree *tree, int dev_fd, bool places)
{
    static const struct {
        const char *name, *target;
    } links[] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
            {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}};

    if (mkdirat(dev_fd, "pts", 0755) < 0 || mkdirat(dev_fd, "shm", 01777) < 0)
        return assay_fault_set(tree->fault, "make /dev");
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (symlinkat(links[i].target, dev_fd, links[i].name) < 0)
            return assay_fault_set(tree->fault, "make /dev");
    for (size_t i = 0; places && i < sizeof(device_names) / sizeof(device_names[0]); i++)
        if (mknodat(dev_fd, device_names[i], S_IFREG | 0644, 0) < 0)
            return assay_fault_set(tree->fault, "make /dev");
    return true;
}

// The directory itself, in the box's tmpfs, with a place for each device.
static bool make_dev(struct tree *tree)
{
    int dev_fd = -1;
    bool made = false;

    // The stage's own root has a "dev", too (stage.c).
    if (mkdir(DEV_SOURCE, 0755) == 0)
        dev_fd = open(DEV_SOURCE, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dev_fd < 0)
        return assay_fault_set(tree->fault, "make /dev");
    made = tree_fill_dev(tree, dev_fd, true);
    close(dev_fd);
    return made;
}

// Closes mount_fd; -1 is a failure already, with errno.
static bool add_pts(struct tree *tree, int dev_fd)
{
    const int fs_fd = sys_fsopen("devpts");
    int fd = -1;
    bool attached = false;

    if (fs_fd >= 0 && sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "newinstance", NULL) == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "ptmxmode", "0666") == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "mode", "0620") == 0 &&
            // The host's number of terminals (kernel.pty.max) is one for all boxes.
            sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "max", "64") == 0 &&
            sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
        fd = sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    attached = (fd >= 0 && attach_in(dev_fd, "pts", fd)) || assay_fault_set(tree->fault, "devpts");
    if (fs_fd >= 0)
        close(fs_fd);
    return attached;
}

bool tree_add_devices(struct tree *tree)
{
    char path[32];
    int dev_fd = -1;
    int fd = -1;
    bool attached = true;

    if (!make_dev(tree))
        return false;
    fd = tree_clone(AT_FDCWD, DEV_SOURCE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC);
    if (fd < 0)
        return assay_fault_set(tree->fault, "clone /dev");
    if (!tree_attach(tree, fd, "/dev", true, "attach /dev"))
        return false;
    dev_fd = tree_open(tree, "/dev", O_PATH | O_DIRECTORY, 0);
    for (size_t i = 0; attached && i < sizeof(device_names) / sizeof(device_names[0]); i++) {
        (void)snprintf(path, sizeof(path), "/dev/%s", device_names[i]);
        fd = tree_clone(AT_FDCWD, path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        attached = attach_in(dev_fd, device_names[i], fd) ||
                assay_fault_set(tree->fault, "attach devices");
    }
    if (dev_fd >= 0)
        close(dev_fd);
    return attached;
}

bool tree_add_dev(struct tree *tree)
{
    int dev_fd = -1;
    bool added = false;

    if (tree->staged ? !attach_stage(tree, ASSAY_STAGE_DEV, "/dev") : !tree_add_devices(tree))
        return false;
    if (mkdir("shm", 01777) < 0)
        return assay_fault_set(tree->fault, "make /dev/shm");
    dev_fd = tree_open(tree, "/dev", O_PATH | O_DIRECTORY, 0);
    if (dev_fd < 0 || !attach_in(dev_fd, "shm", tree_clone(AT_FDCWD, "shm", 0)))
        return assay_fault_set(tree->fault, "attach /dev/shm");
    added = add_pts(tree, dev_fd);
    close(dev_fd);
    return added;
}

// --- /proc ---------------------------------------------------------------------------------------

static bool make_read_only(struct tree *tree, int proc_fd, const char *name)
{
    const int fd = tree_clone(proc_fd, name, MOUNT_ATTR_RDONLY);

    if (fd < 0)
        return errno == ENOENT || assay_fault_set(tree->fault, "read-only /proc");
    return attach_in(proc_fd, name, fd) || assay_fault_set(tree->fault, "read-only /proc");
}

// By descriptors from end to end, and the null device is checked to be it:
// path races in this very step were runc's CVE-2025-31133, -52565 and -52881.
static bool mask(struct tree *tree, int proc_fd, const char *name)
{
    struct stat stat;
    int fd = -1;

    if (fstatat(proc_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || assay_fault_set(tree->fault, "mask /proc");
    if (S_ISDIR(stat.st_mode)) {
        fd = tree_clone(AT_FDCWD, "empty", READ_ONLY);
    } else {
        // The box's own has the attributes already.
        fd = tree->plan->root_lower_count == 0
                ? tree_clone(tree->root_fd, "dev/null", 0)
                : tree_clone(AT_FDCWD, "/dev/null", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (fd >= 0 && fstat(fd, &stat) < 0) {
            (void)assay_fault_set(tree->fault, "mask /proc");
            close(fd);
            return false;
        }
        if (fd >= 0 && (!S_ISCHR(stat.st_mode) || stat.st_rdev != makedev(1, 3))) {
            close(fd);
            return assay_fault_errno(tree->fault, "mask /proc", ENODEV);
        }
    }
    return attach_in(proc_fd, name, fd) || assay_fault_set(tree->fault, "mask /proc");
}

// Tier B: the kernel gives no fresh /proc where a container masks parts of its own.
// What is around the box can be seen in it, not changed: read-only, masked like ours.
static int clone_outer_proc(void)
{
    return tree_clone(AT_FDCWD, "/proc", READ_ONLY | MOUNT_ATTR_NOEXEC);
}

static int make_proc(void)
{
    const int fs_fd = sys_fsopen("proc");
    int fd = -1;

    if (fs_fd < 0)
        return -1;
    if (sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL) == 0)
        fd = sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    close(fs_fd);
    return fd;
}

bool tree_add_proc(struct tree *tree)
{
    static const char *const read_only[] = {"bus", "fs", "irq", "pressure", "sys", "sysrq-trigger"};
    static const char *const masked[] = {"acpi", "asound", "kallsyms", "kcore", "key-users", "keys",
            "kmsg", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats"};
    const int fd = tree->out->outer_proc ? clone_outer_proc() : make_proc();

    if (fd < 0)
        return assay_fault_set(tree->fault, "mount /proc");
    if (!tree_attach(tree, fd, "/proc", true, "attach /proc"))
        return false;
    tree->out->proc_fd = tree_open(tree, "/proc", O_RDONLY | O_DIRECTORY, 0);
    if (tree->out->proc_fd < 0)
        return assay_fault_set(tree->fault, "open /proc");
    // The kernel lets a namespace below mount a /proc only where one is whole.
    if (tree->plan->serves)
        return true;
    for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++)
        if (!tree->out->outer_proc && !make_read_only(tree, tree->out->proc_fd, read_only[i]))
            return false;
    for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
        if (!mask(tree, tree->out->proc_fd, masked[i]))
            return false;
    return true;
}
