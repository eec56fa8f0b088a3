// SPDX-License-Identifier: MIT
#include "tests/sandbox/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"

#define STATE_BYTES_MAX ((size_t)4 << 20)

char host_canary[PATH_MAX];
unsigned short host_port;
static struct assay_buf noted;

// --- the canary ----------------------------------------------------------------------------------

static void give_mode(const char *path, mode_t mode)
{
    assert_int_equal(chmod(path, mode), 0);
}

static void make_canary(void)
{
    char path[PATH_MAX];

    boxes_directory(host_canary, "canary");
    boxes_file(path, "canary/file", "canary\n");
    boxes_file(path, "canary/setuid", "#!/bin/sh\nid -u\n");
    give_mode(path, 06755);
    boxes_directory(path, "canary/dir");
    boxes_directory(path, "canary/dir/deep");
    boxes_file(path, "canary/dir/deep/file", "canary\n");
    boxes_file(path, "canary/dir/secret", "canary\n");
    give_mode(path, 0600);
    boxes_file(path, "canary/marked", "canary\n");
    (void)setxattr(path, "user.note", "canary", 6, 0); // where the file system has them
    (void)snprintf(path, sizeof(path), "%s/link", host_canary);
    assert_int_equal(symlink("file", path), 0);
    boxes_give(path);
}

static enum assay_status add_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct assay_buf *text = user;
    const struct stat *stat = &entry->stat;
    char bytes[256] = "";
    ssize_t len = 0;

    if (S_ISLNK(stat->st_mode))
        len = readlinkat(entry->dir_fd, entry->name, bytes, sizeof(bytes));
    if (S_ISREG(stat->st_mode)) {
        const int fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        assert_true(fd >= 0);
        len = read(fd, bytes, sizeof(bytes));
        len += flistxattr(fd, bytes + len, sizeof(bytes) - (size_t)len);
        close(fd);
    }
    assert_in_range(len, 0, sizeof(bytes));
    (void)assay_buf_addf(text, "canary %s %o %u:%u %ld links %ld changed %ld.%ld %016lx\n",
            entry->path, stat->st_mode, stat->st_uid, stat->st_gid, (long)stat->st_size,
            (long)stat->st_nlink, (long)stat->st_ctim.tv_sec, (long)stat->st_ctim.tv_nsec,
            (unsigned long)assay_hash64(bytes, (size_t)len));
    return assay_buf_check(text, "state of the canary", err);
}

static void add_canary(struct assay_buf *text)
{
    const int fd = open(host_canary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(assay_fs_walk(fd, 16, add_entry, text, NULL), ASSAY_OK);
    close(fd);
}

// --- the kernel's state --------------------------------------------------------------------------

static void add_file(struct assay_buf *text, const char *path)
{
    char bytes[65536];

    boxes_read(bytes, sizeof(bytes), path);
    (void)assay_buf_addf(text, "%s: %s\n", path, bytes);
}

static void add_files(struct assay_buf *text)
{
    static const char *const paths[] = {"/proc/self/mountinfo", "/proc/modules",
            "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg", "/proc/swaps",
            "/proc/sys/kernel/tainted", "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/core_pipe_limit", "/proc/sys/kernel/core_uses_pid",
            "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug",
            "/proc/sys/kernel/poweroff_cmd", "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/domainname", "/proc/sys/kernel/sysrq", "/proc/sys/kernel/panic",
            "/proc/sys/kernel/pid_max", "/proc/sys/kernel/randomize_va_space",
            "/proc/sys/kernel/perf_event_paranoid", "/proc/sys/kernel/keys/maxkeys",
            "/proc/sys/kernel/shmmax", "/proc/sys/kernel/msgmni", "/proc/sys/fs/suid_dumpable",
            "/proc/sys/fs/protected_symlinks", "/proc/sys/fs/aio-nr", "/proc/sys/fs/file-max",
            "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/nr_hugepages",
            "/proc/sys/vm/mmap_min_addr", "/proc/sys/net/ipv4/ip_forward",
            "/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/user/max_user_namespaces",
            "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        add_file(text, paths[i]);
}

// Names only: the counters go on counting.
static void add_interfaces(struct assay_buf *text)
{
    char bytes[65536];
    char *rest = NULL;

    boxes_read(bytes, sizeof(bytes), "/proc/net/dev");
    for (char *line = strtok_r(bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strchr(line, ':') != NULL)
            (void)assay_buf_addf(text, "interface %.*s\n", (int)strcspn(line, ":"), line);
}

// What an attack would have left outside of its box carries its mark.
static void add_marked_lines(struct assay_buf *text, const char *path, const char *mark)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    while (file != NULL && getline(&line, &size, file) >= 0)
        if (strstr(line, mark) != NULL)
            (void)assay_buf_addf(text, "%s: %s", path, line);
    free(line);
    if (file != NULL)
        (void)fclose(file);
}

static void add_marked_names(struct assay_buf *text, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;

    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strstr(entry->d_name, HOST_MARK) != NULL)
            (void)assay_buf_addf(text, "file %s/%s\n", path, entry->d_name);
    if (dir != NULL)
        closedir(dir);
}

static void add_marked(struct assay_buf *text)
{
    static const char *const folders[] = {"/", "/tmp", "/var/tmp", "/dev", "/dev/shm",
            "/dev/mqueue", "/run", "/root", "/home", "/etc", "/usr", "/usr/bin", "/usr/local",
            "/usr/local/bin", "/usr/lib", "/var/crash", "/var/lib/systemd/coredump"};
    char port[16];

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        add_marked_names(text, folders[i]);
    (void)snprintf(port, sizeof(port), ":%04X ", host_port);
    add_marked_lines(text, "/proc/net/unix", HOST_MARK);
    add_marked_lines(text, "/proc/keys", HOST_MARK);
    add_marked_lines(text, "/proc/net/tcp", port);
    add_marked_lines(text, "/proc/net/tcp6", port);
    add_marked_lines(text, "/proc/net/udp", port);
}

// The real clock against the one that nobody can set: in minutes, since a time
// service may slew it.
static void add_clock(struct assay_buf *text)
{
    static long first =
            LONG_MIN; // a host whose clock is being corrected moves it by parts of a second
    struct timespec real;
    struct timespec boot;
    long moved;

    (void)clock_gettime(CLOCK_REALTIME, &real);
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    if (first == LONG_MIN)
        first = real.tv_sec - boot.tv_sec;
    moved = real.tv_sec - boot.tv_sec - first;
    (void)assay_buf_addf(text, "clock moved by %ld s\n", labs(moved) <= 20 ? 0 : moved);
}

static void add_program(struct assay_buf *text)
{
    char path[64];
    char hex[ASSAY_SHA256_HEX_BYTES] = "";

    (void)snprintf(
            path, sizeof(path), "/proc/%d/exe", (int)assay_sandbox_spawner_pid(boxes_sandbox));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(assay_sha256_fd(hex, fd, NULL), ASSAY_OK);
    close(fd);
    (void)assay_buf_addf(text, "assay-box %s\n", hex);
}

static void describe(struct assay_buf *text)
{
    assay_buf_init(text, STATE_BYTES_MAX);
    add_canary(text);
    add_files(text);
    add_interfaces(text);
    add_marked(text);
    add_clock(text);
    add_program(text);
    assert_false(text->failed);
}

// --- before and after ----------------------------------------------------------------------------

int host_note(void **state)
{
    (void)state;
    if (noted.len > 0)
        return 0;
    host_port = (unsigned short)(20000 + getpid() % 10000); // below those that are handed out
    make_canary();
    describe(&noted);
    return 0;
}

static void assert_nothing_lives(void)
{
    const uint64_t deadline_ms = assay_clock_ms() + 30000;

    while (boxes_count_processes() > 0 || boxes_count_groups() > 0) {
        if (assay_clock_left_ms(deadline_ms) == 0) {
            boxes_describe_processes();
            fail_msg("%u groups are left", boxes_count_groups());
        }
        (void)usleep(5000);
    }
}

int host_check(void **state)
{
    struct assay_buf now;
    size_t at = 0;
    size_t line = 0;

    (void)state;
    assert_nothing_lives();
    describe(&now);
    while (at < now.len && at < noted.len && now.data[at] == noted.data[at]) {
        at++;
        line = now.data[at - 1] == '\n' ? at : line;
    }
    if (at < now.len || at < noted.len)
        fail_msg("the host was\n%.400s\nand is now\n%.400s", noted.data + line, now.data + line);
    assay_buf_free(&now);
    return 0;
}
