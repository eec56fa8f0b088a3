// SPDX-License-Identifier: MIT
#include "sandbox/skeleton.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A file up to this size is written into the box; a larger one, or a directory,
// is bound: a mount costs more than a page or two.
#define COPY_BYTES_MAX 16384

// Of the host's /etc: what programs below /usr read and what says nothing about
// the host. A name that ends in '*' is a prefix.
static const char *const etc_names[] = {"ImageMagick*", "R", "alternatives", "ant",
        "ca-certificates", "crypto-policies", "debian_version", "fonts", "ghc", "java*",
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "lsb-release", "magic", "magic.mime",
        "matplotlibrc", "maven", "mime.types", "os-release", "papersize", "perl", "php", "pki",
        "protocols", "python3*", "services", "ssl", "texmf"};

struct synthetic {
    const char *path, *text;
    bool replace;
};

static const struct synthetic synthetic_files[] = {
        {"etc/hosts", "127.0.0.1 localhost box\n::1 localhost ip6-localhost ip6-loopback box\n",
                true},
        {"etc/hostname", "box\n", true},
        {"etc/resolv.conf", "", true},
        {"etc/nsswitch.conf",
                "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
                "protocols: files\nservices: files\nethers: files\nrpc: files\n",
                false},
        {"etc/shells", "/bin/sh\n/bin/bash\n", false},
        {"etc/timezone", "Etc/UTC\n", false},
};

static struct assay_skeleton_entry *add(
        struct assay_skeleton *skeleton, enum assay_skeleton_kind kind, const char *path)
{
    struct assay_skeleton_entry *entry = &skeleton->entries[skeleton->count];

    if (skeleton->count == ASSAY_SKELETON_ENTRIES_MAX || strlen(path) >= sizeof(entry->path))
        return NULL;
    memset(entry, 0, sizeof(*entry));
    entry->kind = kind;
    memcpy(entry->path, path, strlen(path) + 1);
    skeleton->count++;
    return entry;
}

static void add_text(struct assay_skeleton *skeleton, enum assay_skeleton_kind kind,
        const char *path, const char *text, size_t len, bool replace)
{
    struct assay_skeleton_entry *entry = add(skeleton, kind, path);

    if (entry == NULL)
        return;
    entry->replace = replace;
    entry->text_len = len;
    entry->text = malloc(len + 1);
    if (entry->text == NULL) {
        skeleton->count--;
        return;
    }
    memcpy(entry->text, text, len);
    entry->text[len] = '\0';
}

static void add_file(
        struct assay_skeleton *skeleton, int root_fd, const char *path, const struct stat *stat)
{
    char text[COPY_BYTES_MAX];
    const int fd = openat(root_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t got = 0;

    if (fd < 0) // not for everybody to read: not for the box either
        return;
    got = stat->st_size <= COPY_BYTES_MAX ? read(fd, text, sizeof(text)) : -1;
    close(fd);
    if (got >= 0)
        add_text(skeleton, ASSAY_SKELETON_FILE, path, text, (size_t)got, false);
    else
        (void)add(skeleton, ASSAY_SKELETON_BIND, path);
}

// A link into /usr or within /etc stays a link; other things are copied or bound.
static void add_host_entry(struct assay_skeleton *skeleton, int root_fd, const char *path)
{
    struct stat stat;

    if (fstatat(root_fd, path, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (S_ISLNK(stat.st_mode)) {
        char target[PATH_MAX];
        const ssize_t len = readlinkat(root_fd, path, target, sizeof(target) - 1);

        if (len > 0)
            add_text(skeleton, ASSAY_SKELETON_LINK, path, target, (size_t)len, false);
    } else if (S_ISDIR(stat.st_mode) && (stat.st_mode & S_IXOTH)) {
        struct assay_skeleton_entry *entry = add(skeleton, ASSAY_SKELETON_BIND, path);

        if (entry != NULL)
            entry->is_directory = true;
    } else if (S_ISREG(stat.st_mode) && (stat.st_mode & S_IROTH)) {
        add_file(skeleton, root_fd, path, &stat);
    }
}

static bool wanted(const char *name)
{
    for (size_t i = 0; i < sizeof(etc_names) / sizeof(etc_names[0]); i++) {
        const size_t len = strcspn(etc_names[i], "*");

        if (strncmp(name, etc_names[i], len) == 0 &&
                (name[len] == '\0' || etc_names[i][len] == '*'))
            return true;
    }
    return false;
}

static void add_etc(struct assay_skeleton *skeleton, int root_fd)
{
    DIR *dir = opendir("/etc");
    const struct dirent *entry = NULL;

    if (dir == NULL)
        return;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): assay-box has one thread
    while ((entry = readdir(dir)) != NULL) {
        char path[sizeof("etc/") + sizeof(entry->d_name)];

        if (!wanted(entry->d_name))
            continue;
        (void)snprintf(path, sizeof(path), "etc/%s", entry->d_name);
        add_host_entry(skeleton, root_fd, path);
    }
    closedir(dir);
}

static void add_users(struct assay_skeleton *skeleton, unsigned uid)
{
    char text[256];
    int len = snprintf(text, sizeof(text),
            "root:x:0:0:root:/root:/usr/sbin/nologin\n"
            "box:x:%u:%u:box:/home/box:/bin/sh\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
            uid, uid);

    add_text(skeleton, ASSAY_SKELETON_FILE, "etc/passwd", text, (size_t)len, false);
    len = snprintf(text, sizeof(text), "root:x:0:\nbox:x:%u:\nnogroup:x:65534:\n", uid);
    add_text(skeleton, ASSAY_SKELETON_FILE, "etc/group", text, (size_t)len, false);
}

bool assay_skeleton_find(struct assay_skeleton *out, unsigned uid, struct assay_fault *fault)
{
    static const char *const tops[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    const int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat stat;

    memset(out, 0, sizeof(*out));
    if (root_fd < 0)
        return assay_fault_set(fault, "open /");
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
        add_host_entry(out, root_fd, tops[i]);
    add_etc(out, root_fd);
    for (size_t i = 0; i < out->count; i++)
        out->entries[i].from_host = true;
    add_users(out, uid);
    for (size_t i = 0; i < sizeof(synthetic_files) / sizeof(synthetic_files[0]); i++)
        add_text(out, ASSAY_SKELETON_FILE, synthetic_files[i].path, synthetic_files[i].text,
                strlen(synthetic_files[i].text), synthetic_files[i].replace);
    add_text(out, ASSAY_SKELETON_LINK, "etc/localtime", "/usr/share/zoneinfo/Etc/UTC",
            strlen("/usr/share/zoneinfo/Etc/UTC"), false);
    add_text(out, ASSAY_SKELETON_LINK, "etc/mtab", "/proc/mounts", strlen("/proc/mounts"), false);
    out->has_usr_local =
            fstatat(root_fd, "usr/local", &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode);
    close(root_fd);
    return true;
}

void assay_skeleton_free(struct assay_skeleton *skeleton)
{
    for (size_t i = 0; i < skeleton->count; i++)
        free(skeleton->entries[i].text);
    skeleton->count = 0;
}
