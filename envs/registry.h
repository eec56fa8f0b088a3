// SPDX-License-Identifier: MIT
// registry.h - the hosts of package registries, as this host's package managers are set up.
#ifndef ASSAY_ENVS_REGISTRY_H
#define ASSAY_ENVS_REGISTRY_H

#include "base/arena.h"
#include "base/error.h"
#include "envs/depot.h"
#include "sandbox/box.h"
#include "tasks/instance.h"

#define ASSAY_REGISTRIES_MAX 64

// Ask pip, npm, go and apt where they would fetch from: in a box with the host's /usr and
// configuration and no network, never in a recipe's own image. *out holds "host:port"
// entries in `arena`; a tool that is missing or fails names none.
ASSAY_MUST_USE enum assay_status assay_registry_hosts(struct assay_strings *out,
        struct assay_depot *depot, struct assay_sandbox *sandbox, struct assay_arena *arena,
        struct assay_error *err);

// The host and port of every http:// and https:// URL in `text`, each once. A pure function.
ASSAY_MUST_USE enum assay_status assay_registry_urls(struct assay_strings *out, const char *text,
        struct assay_arena *arena, struct assay_error *err);

#endif
