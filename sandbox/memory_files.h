// SPDX-License-Identifier: MIT
// memory_files.h - what a box keeps in memory files (memfd_create): the meter's sums of mapped
// pages do not see one that is written and never mapped.
#ifndef ASSAY_SANDBOX_MEMORY_FILES_H
#define ASSAY_SANDBOX_MEMORY_FILES_H

#include <stdint.h>

#define ASSAY_MEMORY_FILES_MAX 4096
#define ASSAY_MEMORY_FILES_FDS_MAX 20000 // looked at in one reading

struct assay_memory_files {
    uint64_t seen[ASSAY_MEMORY_FILES_MAX]; // inodes; a fork has the same files. 0: free
    unsigned file_count, fd_count;
    uint64_t bytes;
};

// Shared memory of the whole host: while that has not grown, there is nothing to look for.
uint64_t assay_memory_files_host_bytes(void);

// Adds the memory files that a process has open. Zero the structure first. Beyond its bounds
// nothing more is counted.
void assay_memory_files_add(struct assay_memory_files *files, int proc_fd, const char *pid);

#endif
