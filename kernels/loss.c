// SPDX-License-Identifier: MIT
#include "kernels/loss.h"

#include <math.h>
#include <string.h>

// Bounds as published: GRPO and PPO 0.2; DAPO 0.2 and 0.28; GSPO 3e-4 and 4e-4; CISPO's cap is a
// weight (5 in ScaleRL, TRL and SkyRL). Rows that do not mask carry PPO's bounds for the metrics.
static const struct assay_loss_kind kinds[] = {
        {"cispo", ASSAY_LOSS_WEIGHT_CAPPED, ASSAY_LOSS_NORM_TOKENS, false, 0.8, 1.2, 0, 5},
        {"grpo", ASSAY_LOSS_WEIGHT_RATIO, ASSAY_LOSS_NORM_SEQUENCES, true, 0.8, 1.2, 0, 5},
        {"dapo", ASSAY_LOSS_WEIGHT_RATIO, ASSAY_LOSS_NORM_TOKENS, true, 0.8, 1.28, 0, 5},
        {"gspo", ASSAY_LOSS_WEIGHT_SEQUENCE, ASSAY_LOSS_NORM_SEQUENCES, true, 1 - 3e-4, 1 + 4e-4, 0,
                5},
        {"dr_grpo", ASSAY_LOSS_WEIGHT_RATIO, ASSAY_LOSS_NORM_CONSTANT, true, 0.8, 1.2, 0, 5},
        {"rloo", ASSAY_LOSS_WEIGHT_ONE, ASSAY_LOSS_NORM_CONSTANT, false, 0.8, 1.2, 0, 5},
        {"reinforce", ASSAY_LOSS_WEIGHT_ONE, ASSAY_LOSS_NORM_TOKENS, false, 0.8, 1.2, 0, 5},
        {"reinforce_is", ASSAY_LOSS_WEIGHT_RATIO, ASSAY_LOSS_NORM_TOKENS, false, 0.8, 1.2, 0, 5},
        {"ppo", ASSAY_LOSS_WEIGHT_RATIO, ASSAY_LOSS_NORM_SEQUENCES, true, 0.8, 1.2, 0, 5},
        {"sft", ASSAY_LOSS_WEIGHT_ONE, ASSAY_LOSS_NORM_TOKENS, false, 0.8, 1.2, 0, 5},
};

const struct assay_loss_kind *assay_loss_kind_at(size_t index)
{
    return index < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[index] : NULL;
}

const struct assay_loss_kind *assay_loss_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

void assay_loss_metrics_add(struct assay_loss_metrics *to, const struct assay_loss_metrics *from)
{
    to->token_count += from->token_count;
    to->loss += from->loss;
    to->ratio_sum += from->ratio_sum;
    to->ratio_max = fmax(to->ratio_max, from->ratio_max);
    to->logp_diff_max = fmax(to->logp_diff_max, from->logp_diff_max);
    to->capped_positive += from->capped_positive;
    to->capped_negative += from->capped_negative;
    to->masked_count += from->masked_count;
    to->grad_mass += from->grad_mass;
    to->rescued_mass += from->rescued_mass;
    to->kl_old_sum += from->kl_old_sum;
    to->kl_ref_sum += from->kl_ref_sum;
    to->entropy_sum += from->entropy_sum;
}
