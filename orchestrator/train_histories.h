// SPDX-License-Identifier: MIT
// train_histories.h - what episodes showed, by what had been said in them.
//
// The same messages in the same task show the same, so what was played once needs no box again: a
// group whose answers begin alike opens one, and what a policy says every time is looked up. A
// history is a row of keys, each made of the one before and a message. Bounded: full, it begins
// anew. Used by one thread.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_HISTORIES_H
#define ASSAY_ORCHESTRATOR_TRAIN_HISTORIES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "tasks/instance.h"

struct assay_histories; // opaque; owned

ASSAY_MUST_USE enum assay_status assay_histories_create(
        struct assay_histories **out, struct assay_error *err);
void assay_histories_destroy(struct assay_histories *histories); // NULL is allowed

struct assay_history {
    char key[ASSAY_SHA256_HEX_BYTES]; // "": before the first message
};
// *history goes on by a message, or with the name of a task from "". `what` tells kinds of steps
// apart. Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_history_add(struct assay_history *history, const char *what,
        struct assay_bytes message, struct assay_error *err);

// What the history's last step left: its text is appended, *over set. False: not known.
bool assay_histories_recall(const struct assay_histories *histories,
        const struct assay_history *history, struct assay_buf *text, bool *over);
// Errors: ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_histories_keep(struct assay_histories *histories,
        const struct assay_history *history, struct assay_bytes text, bool over,
        struct assay_error *err);

#endif
