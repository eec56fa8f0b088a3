// SPDX-License-Identifier: MIT
#include "tests/fuzz/memory_file.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"

int memory_file(char path[32], const uint8_t *data, size_t size)
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    if (assay_fs_write_all(fd, data, size, NULL) != ASSAY_OK) {
        close(fd);
        return -1;
    }
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}
