// SPDX-License-Identifier: MIT
// sweep.h - find and kill everything that one command of a session started.
//
// Processes hide their origin: they start sessions, change groups, lose their parents. What none
// can shed is the UTS namespace it was born in, for which it would need capabilities. So a command
// that has to be told apart gets one of its own; its inode is the command's tag. The
// init's own UTS namespace holds the rest. While nothing was ever tagged, kill(-1) is enough.
#ifndef ASSAY_SANDBOX_SWEEP_H
#define ASSAY_SANDBOX_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct assay_sweep {
    int tag_fd;     // owned: keeps the number from being given to another; -1: the init's own
    uint64_t tag;   // inode of the UTS namespace
    pid_t spare;    // one process that stays alive; 0: none
    unsigned round; // how often it was looked
    uint32_t found; // processes alive at the first look
    uint32_t last;  // and at the last one
};

// proc_fd is the box's /proc throughout. The caller's own tag: a descriptor of it; -1 with errno.
int assay_sweep_tag(int proc_fd, uint64_t *tag);
// A new tag for the caller, and what it forks from now on; `old_fd` brings back the old one.
bool assay_sweep_enter(int proc_fd, int *tag_fd, uint64_t *tag);
bool assay_sweep_return(int old_fd);

// Begin anew: what is alive is counted again.
void assay_sweep_begin(struct assay_sweep *sweep, pid_t spare);
// How many processes of this tag live, less the spared one.
uint32_t assay_sweep_count(const struct assay_sweep *sweep, int proc_fd);
// Kill what is found; true when all of it is dead. Call until it is.
bool assay_sweep_round(struct assay_sweep *sweep, int proc_fd);
// The same for all processes of the box but its init: sure, whatever they do meanwhile. To be
// called when nothing in the box is to live on.
bool assay_sweep_all(struct assay_sweep *sweep, int proc_fd);

#endif
