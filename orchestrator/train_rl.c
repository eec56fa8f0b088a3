// SPDX-License-Identifier: MIT
// train_rl.c - one batch of rollouts: sample -> reward -> advantage -> updates.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/device.h"
#include "orchestrator/train_group.h"

#define FAMILIES_SHOWN 96 // of those that a step sampled

// One step under way; everything is in its arena.
struct rl_step {
    struct training *t;
    struct assay_arena *arena;
    struct assay_rng rng;
    struct group **kept; // [groups]
    size_t kept_count;
    struct group **seen; // of all rounds, [groups * rounds]
    size_t seen_count;
    struct assay_trajectory *trajectories; // of kept groups, what is trained on
    size_t count;
    // What was seen.
    uint64_t rounds, sampled_groups, states[ASSAY_GROUP_STATE_COUNT], unscored_groups;
    uint64_t rollouts, solved, truncated, answer_tokens, faults[ASSAY_TRAIN_FAULTS];
    uint64_t rare, rare_right; // answers to tasks whose branch token is rare; that begin with it
    double reward_sum;
    uint64_t sample_ms, grade_ms, agree_ms, train_ms, executed, remembered;
    uint64_t boxed, known; // messages of episodes
    uint64_t version;      // of the weights that sampled: steps that they had learned from
    const struct assay_curriculum *curriculum; // behind this batch
    uint64_t passed_over;
    struct assay_agreement agreement;
    struct assay_loss_metrics metrics; // of all updates
    double grad_norm_sum, grad_norm_max, advantage_max, lr;
    uint64_t updates, skipped, clipped, rows;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "step: out of memory");
}

// --- groups --------------------------------------------------------------------------------------

// The control: every rollout gets the reward of another one, drawn without replacement.
static void deal_anew(struct rl_step *s, struct group *groups, size_t count)
{
    const size_t size = groups[0].size, total = count * size;

    for (size_t i = total; i > 1; i--) {
        const size_t k = (size_t)assay_rng_below(&s->rng, i);
        struct rollout *a = &groups[(i - 1) / size].rollouts[(i - 1) % size];
        struct rollout *b = &groups[k / size].rollouts[k % size];
        const double reward = a->reward;

        a->reward = b->reward;
        b->reward = reward;
    }
}

static bool begins_alike(struct assay_bytes a, struct assay_bytes b)
{
    return a.len > 0 && b.len > 0 && a.data[0] == b.data[0];
}

static enum assay_status judge_group(struct rl_step *s, struct group *g, struct assay_error *err)
{
    double *rewards = assay_arena_array(s->arena, g->size, sizeof(*rewards));
    uint64_t *answers = assay_arena_array(s->arena, g->size, sizeof(*answers));

    if (!rewards || !answers)
        return no_memory(err);
    for (size_t i = 0; i < g->size; i++) {
        const struct rollout *r = &g->rollouts[i];

        rewards[i] = r->reward;
        answers[i] = assay_trajectory_answer(&r->trajectory);
        s->rollouts++;
        s->solved += r->verdict.scored && r->verdict.solved;
        s->faults[r->verdict.fault] += r->verdict.scored;
        s->truncated += r->truncated;
        s->answer_tokens += r->answer_tokens;
        s->rare += g->task.rare;
        s->rare_right += g->task.rare && begins_alike(r->text, g->task.answer);
        s->reward_sum += r->verdict.scored ? r->reward : 0;
    }
    g->state = assay_group_judge(rewards, answers, g->size);
    s->sampled_groups++;
    if (g->unscored) // a reward that we could not find out is no 0
        s->unscored_groups++;
    else
        s->states[g->state]++;
    return ASSAY_OK;
}

// What is learned from is what is measured, the control's dealt rewards among them.
static void measure_kind(struct rl_step *s, const struct group *g)
{
    const char *kind = g->task.kind ? g->task.kind : g->task.family;
    size_t solved = 0;

    for (size_t i = 0; i < g->size; i++)
        solved += g->rollouts[i].reward > 0.5;
    if (!g->unscored)
        assay_curriculum_add(s->t->curriculum, kind, solved, g->size);
}

static enum assay_status sample_round(struct rl_step *s, size_t wanted, struct assay_error *err)
{
    const struct assay_train_config *c = s->t->config;
    const struct sample_request request = {.from = {ASSAY_TRAIN_RL, &s->t->rl_cursor, c->tasks,
                                                   c->curriculum < 1 ? s->t->curriculum : NULL},
            .group_count = wanted,
            .group_size = (size_t)c->group_size,
            .temperature = c->temperature,
            .rng = &s->rng};
    struct group *groups = NULL;
    const struct sample_times times = {&s->sample_ms, &s->grade_ms};
    enum assay_status status = training_sample(s->t, &groups, &request, s->arena, times, err);

    s->rounds++;
    if (status == ASSAY_OK && c->shuffle_rewards)
        deal_anew(s, groups, wanted);
    for (size_t g = 0; g < wanted && status == ASSAY_OK; g++) {
        s->seen[s->seen_count++] = &groups[g];
        status = judge_group(s, &groups[g], err);
        if (status == ASSAY_OK)
            measure_kind(s, &groups[g]);
        if (status == ASSAY_OK && !groups[g].unscored &&
                (!c->dynamic || groups[g].state == ASSAY_GROUP_LIVE))
            s->kept[s->kept_count++] = &groups[g];
    }
    return status;
}

// Dead groups leave the batch, and N with it; others are sampled for them, up to rounds_max times.
static enum assay_status sample_groups(struct rl_step *s, struct assay_error *err)
{
    const struct assay_train_config *c = s->t->config;
    const size_t wanted = (size_t)c->groups;
    const uint64_t rounds = c->dynamic ? c->rounds_max : 1;
    enum assay_status status = ASSAY_OK;

    s->kept = assay_arena_array(s->arena, wanted, sizeof(struct group *));
    s->seen = assay_arena_array(s->arena, wanted * (size_t)rounds, sizeof(struct group *));
    if (!s->kept || !s->seen)
        return no_memory(err);
    for (uint64_t round = 0; round < rounds && status == ASSAY_OK && s->kept_count < wanted;
            round++)
        status = sample_round(s, wanted - s->kept_count, err);
    return status;
}

// --- advantages ----------------------------------------------------------------------------------

static enum assay_status make_trajectories(struct rl_step *s, struct assay_error *err)
{
    const struct assay_train_config *c = s->t->config;
    const size_t size = (size_t)c->group_size, total = s->kept_count * size;
    double *rewards = assay_arena_array(s->arena, total, sizeof(*rewards));
    double *advantages = assay_arena_array(s->arena, total, sizeof(*advantages));
    size_t *counts = assay_arena_array(s->arena, s->kept_count, sizeof(*counts));

    s->trajectories = assay_arena_array(s->arena, total, sizeof(*s->trajectories));
    if (!rewards || !advantages || !counts || !s->trajectories)
        return no_memory(err);
    for (size_t g = 0; g < s->kept_count; g++) {
        counts[g] = size;
        for (size_t i = 0; i < size; i++)
            rewards[g * size + i] = s->kept[g]->rollouts[i].reward;
    }
    assay_advantages(advantages, rewards, counts, s->kept_count, &c->objective);
    for (size_t i = 0; i < total; i++) {
        struct rollout *r = &s->kept[i / size]->rollouts[i % size];
        struct assay_trajectory *trajectory = &s->trajectories[s->count];

        if (r->truncated && c->truncated == ASSAY_TRUNCATED_MASK)
            continue;
        *trajectory = r->trajectory;
        trajectory->group = (uint32_t)(i / size);
        trajectory->advantage = advantages[i];
        r->trained = true;
        r->advantage = advantages[i];
        s->advantage_max = fmax(s->advantage_max, fabs(advantages[i]));
        s->count++;
    }
    return ASSAY_OK;
}

// --- updates -------------------------------------------------------------------------------------

// Sampler and trainer share weights and kernels: on the CPU anything but equal bits is a defect.
static enum assay_status check_agreement(struct rl_step *s, struct assay_error *err)
{
    const uint64_t began = assay_clock_ms();
    enum assay_status status =
            assay_trainer_agree(&s->agreement, s->t->trainer, s->trajectories, s->count, err);

    s->agree_ms += assay_clock_ms() - began;
    if (status == ASSAY_OK && s->agreement.differing_count > 0 && assay_device_is_exact(s->t->ops))
        status = assay_fail(err, ASSAY_EINVAL,
                "sampler and trainer disagree on %llu of %llu tokens, by up to %g nats: r is not 1 "
                "before the first update",
                (unsigned long long)s->agreement.differing_count,
                (unsigned long long)s->agreement.token_count, s->agreement.gap_max);
    return status;
}

static void add_update(struct rl_step *s, const struct assay_update *u)
{
    assay_loss_metrics_add(&s->metrics, &u->metrics);
    s->grad_norm_sum += u->grad_norm;
    s->grad_norm_max = fmax(s->grad_norm_max, u->grad_norm);
    s->lr = u->lr;
    s->updates++;
    s->skipped += u->skipped;
    s->clipped += u->grad_scale < 1;
    s->rows += u->row_count;
}

static enum assay_status train(struct rl_step *s, struct assay_error *err)
{
    const struct assay_train_config *c = s->t->config;
    const uint64_t began = assay_clock_ms();
    enum assay_status status = ASSAY_OK;

    for (uint64_t epoch = 0; epoch < c->epochs && status == ASSAY_OK; epoch++) {
        struct training_parts parts = {0};

        status = training_cut(&parts, s->trajectories, s->count, c, &s->rng, s->arena, err);
        for (size_t k = 0; k < parts.count && status == ASSAY_OK; k++) {
            const size_t from = k > 0 ? parts.ends[k - 1] : 0;
            struct assay_update update;

            status = assay_trainer_update(
                    s->t->trainer, parts.rollouts + from, parts.ends[k] - from, &update, err);
            if (status == ASSAY_OK)
                add_update(s, &update);
            if (status == ASSAY_OK && training_interrupted(s->t))
                status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        }
    }
    s->train_ms = assay_clock_ms() - began;
    return status;
}

// --- what is told --------------------------------------------------------------------------------

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void put_rollouts(const struct rl_step *s, struct assay_metrics *m)
{
    const double rollouts = (double)s->rollouts;
    const double p = share((double)s->solved, rollouts);

    assay_metrics_put(m, "reward", share(s->reward_sum, rollouts));
    assay_metrics_put(m, "solved", (double)s->solved);
    assay_metrics_put(m, "rollouts", rollouts);
    assay_metrics_put(m, "pass_rate", p);
    training_put_faults(m, "", s->faults, s->rollouts);
    assay_metrics_put(m, "groups", (double)s->sampled_groups);
    assay_metrics_put(m, "groups_live", (double)s->states[ASSAY_GROUP_LIVE]);
    assay_metrics_put(m, "groups_cliff", (double)s->states[ASSAY_GROUP_CLIFF]);
    assay_metrics_put(m, "groups_collapse", (double)s->states[ASSAY_GROUP_COLLAPSE]);
    assay_metrics_put(m, "groups_unscored", (double)s->unscored_groups);
    assay_metrics_put(m, "dead_share",
            1 - share((double)s->states[ASSAY_GROUP_LIVE], (double)s->sampled_groups));
    assay_metrics_put(
            m, "dead_share_if_alike", assay_group_dead_chance(p, (size_t)s->t->config->group_size));
    assay_metrics_put(m, "rounds", (double)s->rounds);
    assay_metrics_put(m, "answer_tokens", share((double)s->answer_tokens, rollouts));
    assay_metrics_put(m, "truncated", share((double)s->truncated, rollouts));
    if (s->rare > 0)
        assay_metrics_put(m, "branch_right", share((double)s->rare_right, (double)s->rare));
}

// Of all that was sampled, dead groups among them: what the curriculum sees, too.
static enum assay_status put_sampled_families(
        const struct rl_step *s, struct assay_metrics *m, struct assay_error *err)
{
    struct training_family *families =
            assay_arena_array(s->arena, s->seen_count, sizeof(*families));
    size_t count = 0;

    if (!families)
        return no_memory(err);
    for (size_t g = 0; g < s->seen_count; g++) {
        const struct group *group = s->seen[g];
        struct training_family family = {.name = group->task.family};

        for (size_t i = 0; i < group->size; i++) {
            family.count += group->rollouts[i].verdict.scored;
            family.solved += group->rollouts[i].verdict.scored && group->rollouts[i].verdict.solved;
        }
        if (family.count > 0)
            families[count++] = family;
    }
    training_put_families(m, "family/", families, count, FAMILIES_SHOWN);
    return ASSAY_OK;
}

static void put_updates(const struct rl_step *s, struct assay_metrics *m)
{
    const struct assay_loss_metrics *l = &s->metrics;
    const double tokens = l->token_count, updates = (double)s->updates;

    assay_metrics_put(m, "trained", (double)s->count);
    assay_metrics_put(m, "advantage_max", s->advantage_max);
    assay_metrics_put(m, "updates", updates);
    assay_metrics_put(m, "skipped", (double)s->skipped);
    assay_metrics_put(m, "lr", s->lr);
    assay_metrics_put(m, "grad_norm", share(s->grad_norm_sum, updates));
    assay_metrics_put(m, "grad_norm_max", s->grad_norm_max);
    assay_metrics_put(m, "grad_clipped", share((double)s->clipped, updates));
    assay_metrics_put(m, "entropy", share(l->entropy_sum, tokens));
    assay_metrics_put(m, "ratio", share(l->ratio_sum, tokens));
    assay_metrics_put(m, "ratio_max", l->ratio_max);
    assay_metrics_put(m, "capped_positive", share(l->capped_positive, tokens));
    assay_metrics_put(m, "capped_negative", share(l->capped_negative, tokens));
    assay_metrics_put(m, "masked", share(l->masked_count, tokens));
    assay_metrics_put(m, "rescued", share(l->rescued_mass, l->grad_mass));
    assay_metrics_put(m, "kl_old", share(l->kl_old_sum, tokens));
    if (s->t->config->objective.kl > 0)
        assay_metrics_put(m, "kl_ref", share(l->kl_ref_sum, tokens));
    if (s->agreement.token_count == 0)
        return;
    assay_metrics_put(m, "agree_tokens", (double)s->agreement.token_count);
    assay_metrics_put(m, "agree_differing", (double)s->agreement.differing_count);
    assay_metrics_put(m, "agree_gap_max", s->agreement.gap_max);
    assay_metrics_put(m, "agree_correlation", s->agreement.correlation);
}

static void put_times(const struct rl_step *s, struct assay_metrics *m)
{
    const double all = (double)(s->sample_ms + s->grade_ms + s->agree_ms + s->train_ms);

    assay_metrics_put(m, "sample_ms", (double)s->sample_ms);
    assay_metrics_put(m, "grade_ms", (double)s->grade_ms);
    assay_metrics_put(m, "agree_ms", (double)s->agree_ms);
    assay_metrics_put(m, "train_ms", (double)s->train_ms);
    assay_metrics_put(m, "ran_executed", (double)s->executed);
    assay_metrics_put(m, "ran_remembered", (double)s->remembered);
    if (s->boxed + s->known > 0) {
        assay_metrics_put(m, "ran_boxed", (double)s->boxed);
        assay_metrics_put(m, "ran_known", (double)s->known);
    }
    assay_metrics_put(m, "executed_per_s", share(1000 * (double)s->executed, (double)s->grade_ms));
    assay_metrics_put(m, "sampled_tokens_per_s",
            share(1000 * (double)s->answer_tokens, (double)s->sample_ms));
    assay_metrics_put(m, "trained_rows_per_s", share(1000 * (double)s->rows, (double)s->train_ms));
    // What sampler and trainer wait for rewards, where they do.
    if (!s->t->pipeline)
        assay_metrics_put(m, "idle_for_rewards", share((double)s->grade_ms, all));
}

// What ranks have done of a batch, counted together; the slowest one's times.
static enum assay_status count_all(struct rl_step *s, struct assay_error *err)
{
    uint64_t values[] = {s->executed, s->remembered, s->boxed, s->known, s->sample_ms, s->grade_ms};
    enum assay_status status =
            training_sum_counts(s->t, values, sizeof(values) / sizeof(values[0]), 4, err);

    s->executed = values[0];
    s->remembered = values[1];
    s->boxed = values[2];
    s->known = values[3];
    s->sample_ms = values[4];
    s->grade_ms = values[5];
    return status;
}

// --- a step, in two halves -----------------------------------------------------------------------

// Whoever samples may be batches ahead of whoever records.
static enum assay_status keep_curriculum(struct rl_step *s, struct assay_error *err)
{
    struct assay_curriculum *copy = assay_arena_array(s->arena, 1, sizeof(*copy));

    if (!copy)
        return no_memory(err);
    *copy = *s->t->curriculum;
    s->curriculum = copy;
    return ASSAY_OK;
}

enum assay_status training_rl_sample(
        struct training *t, struct rl_step **out, uint64_t position, struct assay_error *err)
{
    const struct assay_train_counts before = t->source->counts(t->source->user);
    struct assay_arena *arena = NULL;
    struct rl_step *s = NULL;
    enum assay_status status = assay_arena_create(&arena, ASSAY_STEP_ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    s = assay_arena_alloc(arena, sizeof(*s));
    if (s) {
        s->t = t;
        s->arena = arena;
        s->version = t->position;
        s->passed_over = t->passed_over;
        s->boxed = t->boxed;
        s->known = t->known;
        assay_rng_seed(&s->rng, t->config->seed, position + 1);
        status = sample_groups(s, err);
        s->executed = t->source->counts(t->source->user).executed - before.executed;
        s->remembered = t->source->counts(t->source->user).remembered - before.remembered;
        s->passed_over = t->passed_over - s->passed_over;
        s->boxed = t->boxed - s->boxed;
        s->known = t->known - s->known;
        if (status == ASSAY_OK)
            status = count_all(s, err);
        if (status == ASSAY_OK)
            status = keep_curriculum(s, err);
    } else {
        status = no_memory(err);
    }
    if (status == ASSAY_OK)
        *out = s;
    else
        assay_arena_destroy(arena);
    return status;
}

void training_rl_drop(struct rl_step *s)
{
    if (s)
        assay_arena_destroy(s->arena); // which it lies in
}

enum assay_status training_rl_train(struct training *t, struct rl_step *s,
        struct assay_metrics *metrics, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    uint32_t place = 0;

    s->t = t;
    if (s->kept_count > 0)
        status = make_trajectories(s, err);
    // Weights that have moved on since give other numbers: there is nothing to compare.
    if (status == ASSAY_OK && s->count > 0 && s->version == t->position)
        status = check_agreement(s, err);
    if (status == ASSAY_OK && s->count > 0)
        status = training_refer(t, s->trajectories, s->count, s->arena, err);
    if (status == ASSAY_OK && s->count > 0)
        status = train(s, err);
    if (status == ASSAY_OK) {
        put_rollouts(s, metrics);
        assay_metrics_put(metrics, "groups_kept", (double)s->kept_count);
        if (t->config->curriculum < 1)
            assay_metrics_put(metrics, "passed_over", (double)s->passed_over);
        if (s->updates > 0)
            put_updates(s, metrics);
        put_times(s, metrics);
        status = put_sampled_families(s, metrics, err);
    }
    if (status == ASSAY_OK) {
        status = training_keep_rollouts(t, "rl", s->seen, s->seen_count, &place, err);
    }
    return status;
}

// Tokens that teach, and the sum of their ages in steps. No age is above rl.staleness.
static enum assay_status put_ages(const struct training *t, const struct rl_step *s,
        struct assay_metrics *m, struct assay_error *err)
{
    double ages = 0, count = 0;

    for (size_t g = 0; g < s->kept_count; g++) {
        for (size_t k = 0; k < s->kept[g]->size; k++) {
            const struct rollout *r = &s->kept[g]->rollouts[k];

            for (size_t i = r->prompt_count; i < r->trajectory.count; i++) {
                const uint64_t version = r->version + r->newer[i];

                if (!r->trajectory.mask[i])
                    continue;
                if (version > t->position || t->position - version > t->config->staleness)
                    return assay_fail(err, ASSAY_EINVAL,
                            "step %" PRIu64 ": a token of weights of version %" PRIu64
                            ": older than rl.staleness, or of the future",
                            t->position, version);
                ages += (double)(t->position - version);
                count++;
            }
        }
    }
    assay_metrics_put(m, "staleness_token", share(ages, count));
    return ASSAY_OK;
}

static void put_lead(const struct training *t, const struct training_lead *lead, uint64_t step_ms,
        struct assay_metrics *m)
{
    const double sampler = (double)(lead->held_back_ms + lead->sampling_ms);

    assay_metrics_put(m, "staleness", (double)(t->position - lead->version));
    if (t->config->swap == ASSAY_SWAP_TOKEN)
        assay_metrics_put(m, "swaps", (double)lead->swap_count);
    assay_metrics_put(m, "idle_trainer", share((double)lead->waited_ms, (double)step_ms));
    assay_metrics_put(m, "idle_sampler", share((double)lead->held_back_ms, sampler));
}

enum assay_status training_rl_step(
        struct training *t, struct assay_metrics *metrics, struct assay_error *err)
{
    const uint64_t began = assay_clock_ms();
    struct training_lead lead = {0};
    struct rl_step *s = NULL;
    enum assay_status status = ASSAY_OK;

    if (t->config->staleness > 0 && !t->pipeline)
        status = training_pipeline_start(t, err);
    if (status == ASSAY_OK)
        status = t->pipeline ? training_pipeline_take(t, &s, &lead, err)
                             : training_rl_sample(t, &s, t->position, err);
    if (status == ASSAY_OK)
        status = training_rl_train(t, s, metrics, err);
    if (status == ASSAY_OK) {
        const uint64_t step_ms = assay_clock_ms() - began;

        assay_metrics_put(metrics, "step_ms", (double)step_ms);
        if (t->pipeline) {
            put_lead(t, &lead, step_ms, metrics);
            status = put_ages(t, s, metrics, err);
        }
    }
    if (status == ASSAY_OK && t->pipeline) {
        t->rl_cursor = lead.rl_cursor;
        *t->curriculum = *s->curriculum;
        status = training_pipeline_publish(t, t->position + 1, err);
    }
    training_rl_drop(s);
    return status;
}
