// SPDX-License-Identifier: MIT
#include "sandbox/ids.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/box.h"

// Above everything that distributions and systemd hand out (their highest range
// ends at 1,879,048,191), below 2^31, which some file systems cannot store.
#define STORE_ID 1900000000U

static void read_map(char *text, size_t size)
{
    int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    text[got < 0 ? 0 : got] = '\0';
    if (fd >= 0)
        close(fd);
}

// Largest range of mapped ids without 0, or none (count 0).
static void largest_range(const char *text, uint64_t *first, uint64_t *count)
{
    *first = 0;
    *count = 0;
    while (text != NULL && *text != '\0') {
        uint64_t inside = 0;
        uint64_t outside = 0;
        uint64_t length = 0;

        // NOLINTNEXTLINE(cert-err34-c): the kernel's own table of numbers
        if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &length) != 3)
            return;
        if (inside == 0 && length > 0) {
            inside++;
            length--;
        }
        if (inside <= STORE_ID && STORE_ID + ASSAY_POOL_MAX < inside + length) {
            *first = STORE_ID;
            *count = ASSAY_POOL_MAX + 1;
            return;
        }
        if (length > *count) {
            *first = inside;
            *count = length;
        }
        text = strchr(text, '\n');
        if (text != NULL)
            text++;
    }
}

void assay_ids_find(struct assay_ids *out, uint32_t uid, uint32_t gid, const char *uid_map)
{
    char text[4096];
    uint64_t first = 0;
    uint64_t count = 0;

    memset(out, 0, sizeof(*out));
    out->root = uid == 0;
    out->store_uid = uid;
    out->store_gid = gid;
    if (!out->root)
        return;
    if (uid_map == NULL) {
        read_map(text, sizeof(text));
        uid_map = text;
    }
    largest_range(uid_map, &first, &count);
    if (count > ASSAY_POOL_MAX + 1) {
        first += count - (ASSAY_POOL_MAX + 1);
        count = ASSAY_POOL_MAX + 1;
    }
    out->store_uid = (uint32_t)first; // 0 when only root is mapped: refused by the spawner
    out->store_gid = (uint32_t)first;
    out->pool = (uint32_t)first + 1;
    out->pool_count = count > 0 ? (uint32_t)count - 1 : 0;
}

void assay_sandbox_store_ids(uid_t *uid, gid_t *gid)
{
    struct assay_ids ids;

    assay_ids_find(&ids, geteuid(), getegid(), NULL);
    *uid = ids.store_uid;
    *gid = ids.store_gid;
}
