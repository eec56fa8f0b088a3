// SPDX-License-Identifier: MIT
// context.h - what a command works with: depot, store, sandbox, environments.
//
// Opened once by a command, in this order: the sandbox's spawner first (before
// any thread), then depot and store. Thread-safe after assay_context_open().
#ifndef ASSAY_ORCHESTRATOR_CONTEXT_H
#define ASSAY_ORCHESTRATOR_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "envs/depot.h"
#include "envs/recipe.h"
#include "envs/warm.h"
#include "orchestrator/cli.h"
#include "sandbox/box.h"
#include "tasks/store.h"

struct assay_claims;
struct assay_context; // opaque; owned by whoever called assay_context_open()

// What the invocation and the environment say about the sandbox: --min-tier, $ASSAY_BOX_PROGRAM.
ASSAY_MUST_USE enum assay_status assay_context_sandbox_options(struct assay_sandbox_options *out,
        const struct assay_invocation *invocation, struct assay_error *err);

// `with_sandbox`: commands that only read the store need no spawner.
ASSAY_MUST_USE enum assay_status assay_context_open(struct assay_context **out,
        const struct assay_invocation *invocation, bool with_sandbox, struct assay_error *err);
void assay_context_close(struct assay_context *context); // NULL is allowed

struct assay_depot *assay_context_depot(struct assay_context *context);
struct assay_store *assay_context_store(struct assay_context *context);
struct assay_sandbox *assay_context_sandbox(struct assay_context *context);
const struct assay_access *assay_context_access(
        const struct assay_context *context); // of its boxes
const struct assay_log *assay_context_log(const struct assay_context *context);
// Let a progress bar on the same terminal clear and redraw itself around log lines.
void assay_context_log_around(
        struct assay_context *context, void (*around)(void *user, bool before), void *user);
const volatile bool *assay_context_interrupted(const struct assay_context *context);
const char *assay_context_trusted_dir(const struct assay_context *context); // host path of /assay

// Claims on keys of verdicts that this process makes.
struct assay_claims *assay_context_claims(const struct assay_context *context);

// Zygotes; NULL when they are turned off (--no-zygote).
struct assay_warm *assay_context_warm(const struct assay_context *context);

// The environment of a recipe, built on first use; later calls are a look-up, of a failure too.
// *out is borrowed and lives as long as the context.
ASSAY_MUST_USE enum assay_status assay_context_environment(struct assay_context *context,
        const struct assay_recipe *recipe, const struct assay_environment **out,
        struct assay_error *err);

// Around each run of a box: many threads may be between enter and leave. *generation goes to
// assay_context_mend() if the run was spoiled.
uint64_t assay_context_enter(struct assay_context *context);
void assay_context_leave(struct assay_context *context);

// After an infrastructure error, outside enter and leave: if the spawner is
// dead, wait for the runs that died with it and start a new one. Many threads
// may call it; one death is mended once.
ASSAY_MUST_USE enum assay_status assay_context_mend(
        struct assay_context *context, uint64_t generation, struct assay_error *err);

#endif
