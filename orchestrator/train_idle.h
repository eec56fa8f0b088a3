// SPDX-License-Identifier: MIT
// train_idle.h - settings that were given, and that nothing would read.
#ifndef ASSAY_ORCHESTRATOR_TRAIN_IDLE_H
#define ASSAY_ORCHESTRATOR_TRAIN_IDLE_H

#include "orchestrator/train_config.h"

// What the file or the command line gives must count: a value that another setting makes
// meaningless is refused with the reason. Switches may stand at 0 with all that belongs to them.
// Errors: ASSAY_EINVAL; ASSAY_EUSAGE, where --set gave it.
ASSAY_MUST_USE enum assay_status assay_train_idle_check(
        const struct assay_train_settings *settings, struct assay_error *err);

#endif
