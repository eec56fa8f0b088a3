// SPDX-License-Identifier: MIT
// zygotes.h - the spawner's side of zygotes: boxes whose inits come from another box.
//
// A zygote is a box with a serve socket. A run of it is a box that the spawner
// does not clone: it sends FORK with the init's end of a control socket, and gets
// FORKED with a pidfd. From then on the init waits for GO and its request as any
// other. One spare is asked for ahead of each run.
//
//   asked      group and control socket are there, no process yet (fork_number)
//   forked     in its group, GO is sent; a request that came meanwhile follows
#ifndef ASSAY_SANDBOX_ZYGOTES_H
#define ASSAY_SANDBOX_ZYGOTES_H

#include "sandbox/spawner.h"

// The box has just been started and is to serve; *serve_fd is taken.
bool assay_zygotes_add(struct spawner *spawner, struct box *box, int *serve_fd, unsigned shape);
// A box for one run; NULL when there is no such zygote.
struct box *assay_zygotes_take(struct spawner *spawner, uint64_t id, struct assay_fault *fault);
// Send the request, now or when the fork has come; then *request is empty.
bool assay_zygotes_request(struct spawner *spawner, struct box *box, struct assay_request *request);
// A record on the serve socket of this box.
void assay_zygotes_hear(struct spawner *spawner, struct box *box);
// The box is about to be forgotten.
void assay_zygotes_forget(struct spawner *spawner, struct box *box);

#endif
