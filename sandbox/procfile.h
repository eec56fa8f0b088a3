// SPDX-License-Identifier: MIT
// procfile.h - small kernel files (procfs, cgroupfs): read whole, written in one piece.
#ifndef ASSAY_SANDBOX_PROCFILE_H
#define ASSAY_SANDBOX_PROCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// At most size - 1 bytes and a NUL; "" and false when it cannot be read.
bool assay_procfile_read(int dir_fd, const char *path, char *text, size_t size);
// False with errno. The file is never created.
bool assay_procfile_write(int dir_fd, const char *path, const char *text);
bool assay_procfile_write_u64(int dir_fd, const char *path, uint64_t value);
// One number; false and 0 when there is none.
bool assay_procfile_read_u64(int dir_fd, const char *path, uint64_t *value);
// The number after `key ` at the start of a line; 0 when it is not there.
uint64_t assay_procfile_key(const char *text, const char *key);
// CPU time of a control group: from cpu.stat, or from two files of cpuacct, user and system.
void assay_procfile_read_cpu(const int *fds, size_t count, uint64_t *user_us, uint64_t *system_us);
// Start time of a live process in clock ticks since boot: with its pid, unique
// while the host is up. False when it is gone or a zombie.
bool assay_procfile_start_time(pid_t pid, uint64_t *ticks);

#endif
