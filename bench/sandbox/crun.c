// SPDX-License-Identifier: MIT
#include "bench/sandbox/crun.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char bundle[PATH_MAX];

// Five namespaces, the host's /usr, a /proc and two tmpfs; no user namespace, limits or seccomp.
static const char config[] =
        "{\"ociVersion\": \"1.0.0\",\n"
        " \"process\": {\"user\": {\"uid\": 0, \"gid\": 0}, \"args\": [\"/bin/true\"],\n"
        "  \"env\": [\"PATH=/usr/bin:/bin\"], \"cwd\": \"/\", \"noNewPrivileges\": true},\n"
        " \"root\": {\"path\": \"rootfs\", \"readonly\": true},\n"
        " \"mounts\": [\n"
        "  {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},\n"
        "  {\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"},\n"
        "  {\"destination\": \"/tmp\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"},\n"
        "  {\"destination\": \"/usr\", \"type\": \"bind\", \"source\": \"/usr\",\n"
        "   \"options\": [\"rbind\", \"ro\"]}],\n"
        " \"linux\": {\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\"},\n"
        "  {\"type\": \"ipc\"}, {\"type\": \"uts\"}, {\"type\": \"mount\"}]}}\n";

static bool make_bundle(const char *folder)
{
    static const char *const folders[] = {
            "", "/rootfs", "/rootfs/usr", "/rootfs/proc", "/rootfs/dev", "/rootfs/tmp"};
    static const char *const links[][2] = {
            {"usr/bin", "/rootfs/bin"}, {"usr/lib", "/rootfs/lib"}, {"usr/lib64", "/rootfs/lib64"}};
    char path[PATH_MAX];
    bool made = snprintf(bundle, sizeof(bundle), "%s/bundle", folder) < (int)sizeof(bundle);

    for (size_t i = 0; made && i < sizeof(folders) / sizeof(folders[0]); i++)
        made = snprintf(path, sizeof(path), "%s%s", bundle, folders[i]) < (int)sizeof(path) &&
                mkdir(path, 0755) == 0;
    for (size_t i = 0; made && i < sizeof(links) / sizeof(links[0]); i++)
        made = snprintf(path, sizeof(path), "%s%s", bundle, links[i][1]) < (int)sizeof(path) &&
                symlink(links[i][0], path) == 0;
    made = made && snprintf(path, sizeof(path), "%s/config.json", bundle) < (int)sizeof(path);
    if (!made)
        return false;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    made = fd >= 0 && write(fd, config, sizeof(config) - 1) == (ssize_t)sizeof(config) - 1;
    if (fd >= 0)
        close(fd);
    return made;
}

// Its exit status; -1 when it cannot be started. errors_fd: its stderr; -1: ours.
static int run(int errors_fd)
{
    static char words[][32] = {"crun", "run", "--bundle"};
    static unsigned number;
    char name[32];
    char *argv[] = {words[0], words[1], words[2], bundle, name, NULL};
    char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
    char *environment[] = {path, NULL};
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t pid = -1;
    int problem = 0;

    (void)snprintf(name, sizeof(name), "assay-%d-%u", (int)getpid(), number++);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    if (errors_fd >= 0)
        problem = posix_spawn_file_actions_adddup2(&actions, errors_fd, 2);
    problem = problem != 0 ? problem
                           : posix_spawnp(&pid, words[0], &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (problem != 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

bool crun_prepare(const char *folder, char *reason, size_t size)
{
    int ends[2];
    ssize_t got = 0;
    int status = -1;

    (void)snprintf(reason, size, "%s", "its bundle cannot be made");
    if (!make_bundle(folder) || pipe2(ends, O_CLOEXEC) < 0)
        return false;
    (void)snprintf(reason, size, "%s", "not installed, or it says nothing");
    status = run(ends[1]);
    close(ends[1]);
    got = status == 0 ? 0 : read(ends[0], reason, size - 1);
    close(ends[0]);
    if (got > 0) {
        reason[got] = '\0';
        reason[strcspn(reason, "\n")] = '\0';
    }
    return status == 0;
}

bool crun_run(void)
{
    return run(-1) == 0;
}
