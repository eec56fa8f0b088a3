// SPDX-License-Identifier: MIT
#include "orchestrator/train_idle.h"

#include <string.h>

#include "kernels/loss.h"

static bool is_uncapped(const struct assay_train_config *c)
{
    return assay_loss_kind_find(c->objective.loss)->weight != ASSAY_LOSS_WEIGHT_CAPPED;
}

static bool is_unmasked(const struct assay_train_config *c)
{
    return !assay_loss_kind_find(c->objective.loss)->masked && c->objective.clip_dual > 0;
}

static bool has_no_constant(const struct assay_train_config *c)
{
    return c->objective.norm != ASSAY_NORM_CONSTANT;
}

static bool is_not_repair(const struct assay_train_config *c)
{
    return strcmp(c->source, "repair") != 0;
}

static bool is_not_mini(const struct assay_train_config *c)
{
    return strcmp(c->source, "mini") != 0;
}

static bool is_file(const struct assay_train_config *c)
{
    return strcmp(c->source, "file") == 0;
}

// A warm start that is switched off may keep its parts.
static bool is_beyond_mistaken(const struct assay_train_config *c)
{
    return c->sft_updates > 0 && c->sft_mistaken > c->sft_updates;
}

static bool is_beyond_whole(const struct assay_train_config *c)
{
    return c->sft_updates > 0 && c->sft_whole > c->sft_updates;
}

static const struct idle {
    const char *key;
    bool (*is_idle)(const struct assay_train_config *c);
    const char *why;
} idles[] = {
        {"loss.is_cap", is_uncapped, "the weight of this loss.name has no cap"},
        {"loss.is_floor", is_uncapped, "the weight of this loss.name has no floor"},
        {"loss.clip_dual", is_unmasked, "this loss.name masks no token"},
        {"loss.norm_constant", has_no_constant, "loss.norm is not constant"},
        {"tasks.rare", is_not_mini, "it goes with tasks.source mini"},
        {"tasks.texts", is_not_repair, "it goes with tasks.source repair"},
        {"tasks.families", is_not_repair, "it goes with tasks.source repair"},
        {"tasks.shared", is_not_repair, "it goes with tasks.source repair"},
        {"tasks.tests_ms", is_not_repair, "it goes with tasks.source repair"},
        {"tasks.seed", is_file, "tasks of a file are not generated"},
        {"sft.mistaken", is_beyond_mistaken, "it is above sft.updates"},
        {"sft.whole", is_beyond_whole, "it is above sft.updates"},
};

static bool is_given(const struct assay_train_value *value)
{
    return strcmp(value->origin, "default") != 0 && strncmp(value->origin, "loss ", 5) != 0;
}

enum assay_status assay_train_idle_check(
        const struct assay_train_settings *settings, struct assay_error *err)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct assay_train_value *value = &settings->values[i];

        for (size_t k = 0; is_given(value) && k < sizeof(idles) / sizeof(idles[0]); k++)
            if (strcmp(idles[k].key, value->key) == 0 && idles[k].is_idle(&settings->config))
                return assay_fail(err,
                        strcmp(value->origin, "--set") == 0 ? ASSAY_EUSAGE : ASSAY_EINVAL,
                        "%s: %s: %s would change nothing: %s", value->origin, value->key,
                        value->value, idles[k].why);
    }
    return ASSAY_OK;
}
