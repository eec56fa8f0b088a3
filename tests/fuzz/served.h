// SPDX-License-Identifier: MIT
// served.h - a service for fuzz targets: it has tasks, and neither a sandbox nor room for an answer
// or an episode, so that whatever is asked ends where it would begin to cost.
#ifndef ASSAY_TESTS_FUZZ_SERVED_H
#define ASSAY_TESTS_FUZZ_SERVED_H

#include "orchestrator/serve.h"

// Made once in a process, with a home that goes at its end. Aborts when it cannot be made.
// `listens`: at a port of loopback, with episodes but no task to open one for.
struct assay_service *served(bool listens);

#endif
