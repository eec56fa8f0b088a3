// SPDX-License-Identifier: MIT
// streams.h - the streams of one box that pass through, on assay's side: pipes or a terminal's
// master.
//
// Used by the thread that runs the box, beside its other descriptors: watch,
// poll, carry; and when everything in the box is dead, finish.
#ifndef ASSAY_SANDBOX_STREAMS_H
#define ASSAY_SANDBOX_STREAMS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sandbox/box.h"
#include "sandbox/relay.h"

#define ASSAY_STREAMS_POLL_MAX 7

struct assay_streams {
    const struct assay_box_plan *plan; // borrowed; NULL: nothing passes through
    struct {
        int fd; // reading end, or the terminal's master; -1: closed
        struct assay_relay relay;
    } out[2];        // stdout, stderr
    bool in_open;    // the source has not ended
    int in_fd;       // writing end, or the terminal's master; -1: closed
    int terminal_fd; // where the master will come from; -1: it has come, or will not
    struct assay_relay in;
    unsigned short rows, columns; // what the terminal was told
};

void assay_streams_init(struct assay_streams *streams);
// Opens what the plan lets pass; nothing when nothing does.
ASSAY_MUST_USE enum assay_status assay_streams_open(
        struct assay_streams *streams, const struct assay_box_plan *plan, struct assay_error *err);
// The descriptor to hand to the box as its stdin: the caller's to close; -1 with errno.
int assay_streams_give_stdin(struct assay_streams *streams);

// Fills `watched`, ASSAY_STREAMS_POLL_MAX at most; how many.
size_t assay_streams_watch(struct assay_streams *streams, struct pollfd *watched);
// After poll(): carries what can be carried; the bytes of output that came.
uint64_t assay_streams_carry(struct assay_streams *streams, const struct pollfd *watched);
// The box is dead: what its pipes hold goes to the sinks, unless *cancel (may be NULL) is set.
uint64_t assay_streams_finish(struct assay_streams *streams, const volatile bool *cancel);

int assay_streams_errno(const struct assay_streams *streams); // why a sink took no more; 0
void assay_streams_close(struct assay_streams *streams);

#endif
