// SPDX-License-Identifier: MIT
// objective.h - what training minimises: a loss of the table (kernels/loss.h) with every knob
// spelled out as a number, never as an offset from 1.
//
//     L = -(1/N) sum_t m w A l      facts/rl.md 3.1; docs/cispo.md says what each row means
//
// A loss by name sets every field to what it was published with; a config changes single ones.
#ifndef ASSAY_POLICY_OBJECTIVE_H
#define ASSAY_POLICY_OBJECTIVE_H

#include "base/buf.h"
#include "kernels/loss.h"

// What N is. Tokens are sampled ones; the batch is what one update sees.
enum assay_norm {
    ASSAY_NORM_BATCH_TOKENS, // tokens of the batch (CISPO, DAPO)
    ASSAY_NORM_PROMPT,   // tokens of the prompt's group, times the groups of the batch (ScaleRL)
    ASSAY_NORM_ROLLOUT,  // tokens of the rollout, times the rollouts of the batch (GRPO)
    ASSAY_NORM_CONSTANT, // norm_constant times the rollouts of the batch (Dr.GRPO: the longest
                         // answer; RLOO: 1)
};

// What a centred reward is divided by; ASSAY_ADVANTAGE_EPS is added to each deviation.
enum assay_adv_std {
    ASSAY_ADV_STD_POPULATION, // of the group, n in the denominator
    ASSAY_ADV_STD_SAMPLE,     // of the group, n - 1
    ASSAY_ADV_STD_BATCH,      // population, of all rewards of the batch
    ASSAY_ADV_STD_NONE,       // nothing
};
#define ASSAY_ADVANTAGE_EPS 1e-4

// What a reward is measured from: the mean of its group, or of the others in it.
enum assay_baseline { ASSAY_BASELINE_MEAN, ASSAY_BASELINE_LEAVE_ONE_OUT };

struct assay_objective {
    const char *loss;           // a name of kernels/loss.h; static
    double is_cap, is_floor;    // bounds of cispo's weight, as weights
    double clip_low, clip_high; // PPO's mask, as ratios
    double clip_dual;           // ratio beyond which a negative token is masked; 0: none
    enum assay_norm norm;
    double norm_constant; // > 0
    enum assay_adv_std adv_std;
    enum assay_baseline baseline;
    enum assay_loss_kl kl_estimator; // K3 unless told
    double kl, entropy;              // coefficients; 0: none
};

// Everything as published. False: no loss has this name.
bool assay_objective_default(struct assay_objective *out, const char *loss);
// ASSAY_EINVAL names the knob that is out of range.
ASSAY_MUST_USE enum assay_status assay_objective_check(
        const struct assay_objective *objective, struct assay_error *err);
// The kernel's view of it.
void assay_objective_kind(const struct assay_objective *objective, struct assay_loss_kind *out);

// Names in configs and reports; find returns -1 for a name that is none of them.
const char *assay_norm_name(enum assay_norm norm);
const char *assay_adv_std_name(enum assay_adv_std adv_std);
const char *assay_baseline_name(enum assay_baseline baseline);
const char *assay_loss_kl_name(enum assay_loss_kl kl);
int assay_norm_find(const char *name);
int assay_adv_std_find(const char *name);
int assay_baseline_find(const char *name);
int assay_loss_kl_find(const char *name);

// What it means in numbers, as lines of text, for batches of `groups` groups of `group_size`
// rollouts of at most `answer_tokens_max` tokens, cut into `updates` updates.
struct assay_objective_setting {
    size_t groups, group_size, answer_tokens_max, updates; // > 0
};
void assay_objective_explain(const struct assay_objective *objective,
        const struct assay_objective_setting *setting, struct assay_buf *out);

#endif
