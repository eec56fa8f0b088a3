// SPDX-License-Identifier: MIT
// idmap.c - write and make the maps of user namespaces; declared in spawner.h.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/procfile.h"
#include "sandbox/spawner.h"
#include "sandbox/sys.h"

bool assay_spawn_write_maps(pid_t pid, const struct assay_id_map *map)
{
    char path[48];
    char text[48];

    (void)snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
    if (!assay_procfile_write(-1, path, "deny"))
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
    (void)snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu32 " 1", map->inside_uid, map->uid);
    if (!assay_procfile_write(-1, path, text))
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
    (void)snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu32 " 1", map->inside_gid, map->gid);
    return assay_procfile_write(-1, path, text);
}

int assay_spawn_map_namespace(const struct assay_id_map *map)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    char path[48];
    int fd = -1;
    const pid_t parent = getpid();
    const pid_t pid = sys_clone3(&args);

    // It has copies of all our sockets: if it lived on, nobody would see us die.
    if (pid == 0) {
        while (sys_die_with(parent))
            (void)pause();
        _exit(1);
    }
    if (pid < 0)
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    if (assay_spawn_write_maps(pid, map))
        fd = open(path, O_RDONLY | O_CLOEXEC);
    const int problem = errno;

    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    errno = problem;
    return fd;
}
