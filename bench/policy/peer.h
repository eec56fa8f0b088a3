// SPDX-License-Identifier: MIT
// peer.h - torch, in a Python of its own that loads the model we saved.
//
// ASSAY_BENCH_PYTHON names a Python that has torch and transformers; without it there is no peer.
#ifndef ASSAY_BENCH_POLICY_PEER_H
#define ASSAY_BENCH_POLICY_PEER_H

#include <stdbool.h>
#include <stddef.h>

// What stands in a figure's place of a peer when there is none.
#define PEER_SKIPPED "skipped: no peer (ASSAY_BENCH_PYTHON)"

struct peer; // opaque; owned by whoever called peer_start()

// `script`, from the root of the repository. NULL: no Python is named, which
// is said with what to do about it. Exits when it is named and
// does not start.
struct peer *peer_start(const char *script, const char *model_dir);
// One round of `what` ("loop 16"); seconds, and a checksum of the ids that it chose.
void peer_ask(struct peer *peer, const char *what, double *seconds, unsigned long *checksum);
void peer_stop(struct peer *peer); // NULL is allowed

#endif
