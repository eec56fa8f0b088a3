// SPDX-License-Identifier: MIT
// scaffold.h - how a model that only answers questions is led through an episode.
//
// A scaffold turns answers into messages with calls of tools, and what they showed into the next
// question. All that it does in the box is a turn of the episode; what it reads besides is the
// instance's base tree, which the actor may see anyway.
#ifndef ASSAY_ORCHESTRATOR_SCAFFOLD_H
#define ASSAY_ORCHESTRATOR_SCAFFOLD_H

#include "orchestrator/actor.h"

// Let a scaffold lead the actor, where the command asks for one or the actor needs one: agent
// (questions and actions in turn, until submit), single (one question, one patch), agentless
// (localize, draw repairs, select). `actor` is handed over. ASSAY_EUSAGE: no such scaffold or
// dialect, they do not go together, or the actor is no model.
ASSAY_MUST_USE enum assay_status assay_scaffold_lead(struct assay_actor *actor,
        const struct assay_invocation *invocation, struct assay_error *err);

#endif
