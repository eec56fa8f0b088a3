// SPDX-License-Identifier: MIT
// train_config.c - the table of settings, and how values reach their places.
#include "orchestrator/train_config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/collective.h"
#include "orchestrator/device.h"
#include "orchestrator/nearest.h"
#include "orchestrator/train_idle.h"
#include "tasks/store_train.h"
#include "tasks/yaml_flat.h"

enum type { TEXT, COUNT, REAL, FLAG, CHOICE };

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which the table reads
struct setting {
    const char *key;
    enum type type;
    size_t at;           // offset in struct assay_train_config
    const char *initial; // NULL: what loss.name was published with
    double min, max;     // of counts and reals
    int (*find)(const char *name);
    const char *choices; // for messages
    bool counts;         // numbers depend on it
    const char *help;
};

static int truncated_find(const char *name)
{
    if (strcmp(name, "keep") == 0)
        return ASSAY_TRUNCATED_KEEP;
    return strcmp(name, "mask") == 0 ? ASSAY_TRUNCATED_MASK : -1;
}

static int cut_find(const char *name)
{
    if (strcmp(name, "rollouts") == 0)
        return ASSAY_CUT_ROLLOUTS;
    return strcmp(name, "groups") == 0 ? ASSAY_CUT_GROUPS : -1;
}

static int swap_find(const char *name)
{
    if (strcmp(name, "batch") == 0)
        return ASSAY_SWAP_BATCH;
    return strcmp(name, "token") == 0 ? ASSAY_SWAP_TOKEN : -1;
}

#define AT(field) offsetof(struct assay_train_config, field)
#define WORD(key, field, initial, counts, help)                                                    \
    {                                                                                              \
        key, TEXT, AT(field), initial, 0, 0, NULL, NULL, counts, help                              \
    }
#define NUMBER(key, field, initial, min, max, help)                                                \
    {                                                                                              \
        key, COUNT, AT(field), initial, min, max, NULL, NULL, true, help                           \
    }
#define RATIONAL(key, field, initial, min, max, help)                                              \
    {                                                                                              \
        key, REAL, AT(field), initial, min, max, NULL, NULL, true, help                            \
    }
#define SWITCH(key, field, initial, help)                                                          \
    {                                                                                              \
        key, FLAG, AT(field), initial, 0, 0, NULL, "true, false", true, help                       \
    }
#define ONE_OF(key, field, initial, find, choices, help)                                           \
    {                                                                                              \
        key, CHOICE, AT(field), initial, 0, 0, find, choices, true, help                           \
    }
#define QUIET(key, field, initial, min, max, help)                                                 \
    {                                                                                              \
        key, COUNT, AT(field), initial, min, max, NULL, NULL, false, help                          \
    }

static const struct setting settings[] = {
        WORD("name", name, "", false, "of the run; empty: one is made up"),
        NUMBER("seed", seed, "0", 0, 1e15, "of weights, draws and samples"),
        WORD("device", device, "cpu", true, "that computes: " ASSAY_DEVICE_NAMES),
        QUIET("threads", threads, "0", 0, 1024, "that compute; 0: the CPUs; no bit depends on it"),

        WORD("tasks.source", source, "repair", true, "repair, mini, or file"),
        WORD("tasks.path", path, "", true, "of the file"),
        NUMBER("tasks.seed", tasks_seed, "1", 0, 1e15, "of generated tasks"),
        NUMBER("tasks.texts", tasks_texts, "0", 0, 1e6,
                "programs of each family of repair; 0: all"),
        NUMBER("tasks.families", tasks_families, "0", 0, 1e6,
                "of repair that are learned from, the first of the table; 0: all"),
        SWITCH("tasks.shared", tasks_shared, "false",
                "of repair: rl's faults are those of the demonstrations, in other files"),
        NUMBER("tasks.demonstrations", demonstrations, "0", 0, 1e12,
                "different ones for sft; 0: none comes twice"),
        RATIONAL("tasks.rare", rare, "1", 0, 1,
                "mini: share of right demonstrations for swap, insert, delete (docs/cispo.md)"),
        NUMBER("tasks.count", tasks, "0", 0, 1e12, "different ones for rl; 0: none comes twice"),
        NUMBER("tasks.tokens_max", tokens_max, "512", 8, 1e6,
                "prompt and answer together; a longer task is passed over"),
        NUMBER("tasks.tests_ms", tests_ms, "0", 0, 60000,
                "repair: that tests sleep before they begin, as slow ones would be slow"),

        WORD("model.path", model_path, "", true,
                "a directory with weights and tokenizer to begin with; then the shape is its own"),
        NUMBER("model.layers", layers, "4", 1, 1024, "L"),
        NUMBER("model.width", width, "128", 8, 65536, "C"),
        NUMBER("model.heads", heads, "4", 1, 1024, "query heads"),
        NUMBER("model.kv_heads", kv_heads, "2", 1, 1024, "key heads; divides heads"),
        NUMBER("model.head_dim", head_dim, "32", 2, 1024, "D"),
        NUMBER("model.ffn", ffn, "384", 1, 1e6, "inner width of the feed-forward"),
        NUMBER("model.softmax_every", softmax_every, "2", 1, 1024,
                "each n-th layer has softmax attention, the others lightning; 1: all softmax"),
        NUMBER("model.vocab", vocab, "1024", 258, 1e6, "tokens of the vocabulary made for the run"),
        RATIONAL("model.sigma", sigma, "0.02", 1e-6, 1, "deviation of fresh weights"),
        NUMBER("model.tokenizer_texts", tokenizer_texts, "2000", 1, 1e6,
                "demonstrations that the vocabulary is made from"),

        NUMBER("sft.updates", sft_updates, "0", 0, 1e9, "0: no warm start"),
        NUMBER("sft.whole", sft_whole, "0", 0, 1e9,
                "of them the first, that learn whole texts: of repair, files before they were broken"),
        RATIONAL("sft.drill_share", drill_share, "0", 0, 1,
                "of the demonstrations in between: easier exercises; of repair, slips of the pen"),
        NUMBER("sft.mistaken", sft_mistaken, "0", 0, 1e9,
                "of them the last, whose demonstrations are in part mistakes"),
        RATIONAL("sft.mistaken_families", mistaken_families, "0.5", 0, 1,
                "share of the families in which there are any"),
        RATIONAL("sft.mistaken_share", mistaken_share, "0.8", 0, 1,
                "of the demonstrations of such a family"),
        NUMBER("sft.batch", sft_batch, "32", 1, 65536, "demonstrations an update"),
        RATIONAL("sft.lr", sft.lr, "0.001", 0, 10, "learning rate"),
        NUMBER("sft.warmup", sft.warmup, "50", 0, 1e9, "updates"),
        ONE_OF("sft.schedule", sft.schedule, "cosine", assay_schedule_find,
                "constant, linear, cosine", "course of the learning rate after the warm-up"),
        RATIONAL("sft.lr_floor", sft.lr_floor, "0.1", 0, 1, "share of lr at the end"),

        NUMBER("rl.steps", steps, "0", 0, 1e9, "batches of rollouts; 0: no rl"),
        NUMBER("rl.groups", groups, "16", 1, 65536, "prompts a step"),
        NUMBER("rl.group_size", group_size, "16", 2, 1024, "rollouts a prompt"),
        NUMBER("rl.updates", updates, "4", 1, 65536, "parts that a step's rollouts are cut into"),
        ONE_OF("rl.cut", cut, "rollouts", cut_find, "rollouts, groups",
                "what is shuffled and cut: groups stay whole, and their prompts are shared"),
        NUMBER("rl.epochs", epochs, "1", 1, 1024, "times that they are gone through"),
        SWITCH("rl.dynamic", dynamic, "true", "leave dead groups out, and sample others for them"),
        NUMBER("rl.rounds_max", rounds_max, "4", 1, 1024, "of sampling for one step"),
        NUMBER("rl.staleness", staleness, "0", 0, 64,
                "steps that sampling may be ahead of training; 0: one after the other"),
        ONE_OF("rl.swap", swap, "batch", swap_find, "batch, token",
                "where sampling ahead takes newer weights: token is sooner, and never the same twice"),
        {"rl.wait_s_max", REAL, AT(wait_s_max), "1800", 1e-3, 1e6, NULL, NULL, false,
                "that sampler and trainer wait for each other before the run ends with why"},
        RATIONAL("rl.temperature", temperature, "1", 1e-3, 100, "of sampling, and of training"),
        NUMBER("rl.answer_tokens_max", answer_tokens_max, "48", 1, 1e6, "length of an answer"),
        NUMBER("rl.turns_max", turns_max, "0", 0, 64,
                "messages of an episode (tasks.source repair); 0: a task is one answer"),
        NUMBER("rl.seen_bytes_max", seen_bytes_max, "1500", 16, 65536,
                "of what a message of an episode shows"),
        NUMBER("rl.overlong_margin", overlong_margin, "0", 0, 1e6,
                "last tokens in which length is punished (DAPO); 0: not"),
        ONE_OF("rl.truncated", truncated, "keep", truncated_find, "keep, mask",
                "answers that were cut off"),
        NUMBER("rl.certain_count_max", certain_count_max, "0", 0, 1e9,
                "stop after so many certain tokens in a row (M1: 3000); 0: never"),
        RATIONAL("rl.certain_probability", certain_probability, "0.99", 0, 1, "what certain means"),
        RATIONAL("rl.curriculum", curriculum, "1", 0, 1,
                "share of the draws that stay of kinds of task that were all solved; 1: all"),
        SWITCH("rl.shuffle_rewards", shuffle_rewards, "false",
                "the control: rewards are dealt anew among a step's rollouts"),

        WORD("loss.name", objective.loss, "cispo", true,
                "cispo, grpo, dapo, gspo, dr_grpo, rloo, reinforce, reinforce_is, ppo"),
        RATIONAL("loss.is_cap", objective.is_cap, NULL, 0, 1e9, "largest weight; no offset from 1"),
        RATIONAL("loss.is_floor", objective.is_floor, NULL, 0, 1e9, "smallest weight"),
        RATIONAL("loss.clip_low", objective.clip_low, NULL, 0, 1,
                "ratio; below it A < 0 is masked (cispo: counted as rescued)"),
        RATIONAL("loss.clip_high", objective.clip_high, NULL, 1, 1e9,
                "ratio; above it A > 0 is masked (cispo: counted as rescued, and nothing else)"),
        RATIONAL("loss.clip_dual", objective.clip_dual, NULL, 0, 1e9,
                "ratio; above it A < 0 is masked; 0: not"),
        ONE_OF("loss.norm", objective.norm, NULL, assay_norm_find,
                "batch_tokens, prompt, rollout, constant", "what N is"),
        RATIONAL("loss.norm_constant", objective.norm_constant, NULL, 0, 1e12, "N of a rollout"),
        ONE_OF("loss.adv_std", objective.adv_std, NULL, assay_adv_std_find,
                "population, sample, batch, none", "what a centred reward is divided by"),
        ONE_OF("loss.baseline", objective.baseline, NULL, assay_baseline_find,
                "mean, leave_one_out", "what a reward is measured from"),
        ONE_OF("loss.kl_estimator", objective.kl_estimator, NULL, assay_loss_kl_find,
                "none, k1, k2, k3", "against the weights that rl began with"),
        RATIONAL("loss.kl", objective.kl, NULL, 0, 1e9, "its coefficient"),
        RATIONAL("loss.entropy", objective.entropy, NULL, -1e9, 1e9, "coefficient of the bonus"),

        RATIONAL("optimizer.lr", optimizer.lr, "0.0001", 0, 10, "learning rate"),
        RATIONAL("optimizer.beta1", optimizer.beta1, "0.9", 0, 0.99999, "AdamW"),
        RATIONAL("optimizer.beta2", optimizer.beta2, "0.95", 0, 0.9999999, "AdamW"),
        RATIONAL("optimizer.eps", optimizer.eps, "1e-15", 0, 1, "AdamW"),
        RATIONAL("optimizer.weight_decay", optimizer.weight_decay, "0", 0, 10, "of matrices"),
        RATIONAL("optimizer.grad_norm_max", optimizer.grad_norm_max, "1", 0, 1e30,
                "global clip; 0: none"),
        RATIONAL("optimizer.outlier_z", optimizer.outlier_z, "8", 0, 1e30,
                "skip an update whose norm is so many deviations too large; 0: never"),
        NUMBER("optimizer.warmup", optimizer.warmup, "0", 0, 1e9, "updates"),
        ONE_OF("optimizer.schedule", optimizer.schedule, "constant", assay_schedule_find,
                "constant, linear, cosine", "course of the learning rate after the warm-up"),
        RATIONAL("optimizer.lr_floor", optimizer.lr_floor, "0.1", 0, 1, "share of lr at the end"),

        NUMBER("eval.every", eval_every, "10", 0, 1e9, "steps between evaluations; 0: at the ends"),
        NUMBER("eval.count", eval_count, "512", 0, 1e7, "held-out tasks of each kind"),
        NUMBER("eval.seen", eval_seen, "0", 0, 1e7,
                "fresh tasks of the kinds sft and rl, too, where rl begins and ends"),
        NUMBER("eval.pass_count", eval_pass_count, "0", 0, 1e7,
                "held-out tasks that are sampled more than once, where rl begins and ends"),
        NUMBER("eval.pass_size", eval_pass_size, "16", 1, 1024, "answers of each: pass@1, pass@k"),
        NUMBER("checkpoint.every", checkpoint_every, "10", 1, 1e9,
                "steps between checkpoints; ten updates of sft are a step"),
        QUIET("checkpoint.keep", checkpoint_keep, "2", 1, 1e6, "how many stay"),
        QUIET("record.rollouts", record_rollouts, "8", 0, ASSAY_TRAINING_ROLLOUTS_MAX / 4.0,
                "of a step that are kept for the report; every cause among them"),
        NUMBER("batch.rows_max", rows_max, "4096", 2, 1e7, "tokens of one pass of training"),
        NUMBER("batch.sequences_max", sequences_max, "64", 1, 65536, "rollouts of one pass"),
        NUMBER("batch.shards", shards, "1", 1, ASSAY_RANKS_MAX,
                "that an update is summed in; ranks share them, and no bit depends on how many do"),
        {"ranks.wait_s_max", REAL, AT(rank_wait_s_max), "1800", 1e-3, 1e6, NULL, NULL, false,
                "that a rank waits for the others before it ends and names who did not come"},
        QUIET("sample.sequences_max", sample_sequences_max, "256", 2, 65536,
                "answers under way at once; no bit depends on it"),
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

struct reading {
    struct assay_train_settings *out;
    struct assay_train_value *values; // [SETTING_COUNT]; value NULL: not set yet
    struct assay_arena *arena;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "config: out of memory");
}

// --- one value -----------------------------------------------------------------------------------

static enum assay_status wrong(const struct setting *s, const char *origin, const char *value,
        const char *want, struct assay_error *err)
{
    return assay_fail(
            err, ASSAY_EINVAL, "%s: %s: \"%.60s\" is not %s", origin, s->key, value, want);
}

static enum assay_status put_number(const struct setting *s, void *to, const char *value,
        const char *origin, struct assay_error *err)
{
    char *end = NULL, bounds[96];
    double number;

    errno = 0;
    number = strtod(value, &end);
    (void)snprintf(bounds, sizeof(bounds), "a %snumber in [%.15g, %.15g]",
            s->type == COUNT ? "whole " : "", s->min, s->max);
    if (end == value || *end || !isfinite(number) || !(number >= s->min && number <= s->max) ||
            (s->type == COUNT && number != floor(number)))
        return wrong(s, origin, value, bounds, err);
    if (s->type == COUNT)
        *(uint64_t *)to = (uint64_t)number;
    else
        *(double *)to = number;
    return ASSAY_OK;
}

static enum assay_status put(struct reading *r, size_t index, const char *value, const char *origin,
        struct assay_error *err)
{
    const struct setting *s = &settings[index];
    void *to = (char *)&r->out->config + s->at;
    char choices[128];
    int choice;

    r->values[index].value = value;
    r->values[index].origin = origin;
    switch (s->type) {
    case TEXT:
        *(const char **)to = value;
        return ASSAY_OK;
    case FLAG:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return wrong(s, origin, value, "true or false", err);
        *(bool *)to = *value == 't';
        return ASSAY_OK;
    case CHOICE:
        choice = s->find(value);
        (void)snprintf(choices, sizeof(choices), "one of %s", s->choices);
        if (choice < 0)
            return wrong(s, origin, value, choices, err);
        memcpy(to, &choice, sizeof(choice)); // any enum
        return ASSAY_OK;
    case COUNT:
    case REAL:
        break;
    }
    return put_number(s, to, value, origin, err);
}

static enum assay_status put_by_name(struct reading *r, const char *key, const char *value,
        const char *origin, struct assay_error *err)
{
    size_t best = 0, best_distance = SIZE_MAX;

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const size_t distance = assay_edit_distance(key, settings[i].key);

        if (strcmp(key, settings[i].key) == 0)
            return put(r, i, value, origin, err);
        if (distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    if (best_distance > strlen(key) / 3) // then a guess helps nobody
        return assay_fail(err, ASSAY_EINVAL, "%s: %.60s: no such setting", origin, key);
    return assay_fail(err, ASSAY_EINVAL, "%s: %.60s: no such setting; did you mean %s?", origin,
            key, settings[best].key);
}

// --- the layers ----------------------------------------------------------------------------------

static enum assay_status put_defaults(struct reading *r, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < SETTING_COUNT && status == ASSAY_OK; i++) {
        r->values[i].key = settings[i].key;
        r->values[i].help = settings[i].help;
        r->values[i].counts = settings[i].counts;
        if (settings[i].initial)
            status = put(r, i, settings[i].initial, "default", err);
    }
    return status;
}

// Text of a knob as the published loss has it.
static const char *published_text(
        const struct setting *s, const struct assay_train_config *config, struct assay_arena *arena)
{
    const void *at = (const char *)config + s->at;
    const struct assay_objective *o = &config->objective;

    if (s->type == REAL)
        return assay_arena_printf(arena, "%.15g", *(const double *)at);
    if (s->find == assay_norm_find)
        return assay_norm_name(o->norm);
    if (s->find == assay_adv_std_find)
        return assay_adv_std_name(o->adv_std);
    if (s->find == assay_baseline_find)
        return assay_baseline_name(o->baseline);
    return assay_loss_kl_name(o->kl_estimator);
}

// The loss is known once all files are read; what nobody set is as published.
static enum assay_status put_published(struct reading *r, struct assay_error *err)
{
    struct assay_train_config *config = &r->out->config;
    struct assay_train_config published = *config;
    const char *loss = config->objective.loss;
    const char *origin = assay_arena_printf(r->arena, "loss %s", loss);
    enum assay_status status = ASSAY_OK;

    if (!assay_objective_default(&published.objective, loss) || strcmp(loss, "sft") == 0)
        return assay_fail(err, ASSAY_EINVAL,
                "loss.name: \"%.60s\" is not one of cispo, grpo, dapo, gspo, dr_grpo, rloo, "
                "reinforce, reinforce_is, ppo",
                loss);
    if (strcmp(loss, "dr_grpo") == 0) // its constant is the longest answer
        published.objective.norm_constant = (double)config->answer_tokens_max;
    for (size_t i = 0; i < SETTING_COUNT && status == ASSAY_OK; i++) {
        const char *text;

        if (r->values[i].value)
            continue;
        text = published_text(&settings[i], &published, r->arena);
        status = text && origin ? put(r, i, text, origin, err) : no_memory(err);
    }
    config->objective.loss = published.objective.loss; // static
    return status;
}

static enum assay_status put_file(struct reading *r, const char *text, size_t len,
        const char *source, struct assay_error *err)
{
    struct assay_yaml_entry *entries = NULL;
    size_t count = 0;
    enum assay_status status =
            assay_yaml_flatten(&entries, &count, text, len, source, r->arena, err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const char *origin = assay_arena_printf(r->arena, "%s:%zu", source, entries[i].line);

        status = origin ? put_by_name(r, entries[i].key, entries[i].value, origin, err)
                        : no_memory(err);
    }
    return status;
}

static enum assay_status put_sets(
        struct reading *r, const char *const *sets, size_t set_count, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < set_count && status == ASSAY_OK; i++) {
        const char *equals = strchr(sets[i], '=');
        char *key;

        if (!equals)
            return assay_fail(err, ASSAY_EUSAGE, "--set: \"%.60s\" is not name=value", sets[i]);
        key = assay_arena_strdup(r->arena, sets[i]);
        if (!key)
            return no_memory(err);
        key[equals - sets[i]] = 0;
        status = put_by_name(r, key, key + (equals - sets[i]) + 1, "--set", err);
    }
    if (status == ASSAY_EINVAL) { // of the command line, not of a file
        status = ASSAY_EUSAGE;
        if (err)
            err->status = status;
    }
    return status;
}

// --- what must hold between settings -------------------------------------------------------------

static enum assay_status check_shape(const struct assay_train_config *c, struct assay_error *err)
{
    if (c->heads % c->kv_heads != 0)
        return assay_fail(err, ASSAY_EINVAL, "model.kv_heads: %llu does not divide model.heads",
                (unsigned long long)c->kv_heads);
    if (c->head_dim % 2 != 0)
        return assay_fail(
                err, ASSAY_EINVAL, "model.head_dim: %llu is odd", (unsigned long long)c->head_dim);
    return ASSAY_OK;
}

static enum assay_status check(const struct assay_train_config *c, struct assay_error *err)
{
    enum assay_status status = assay_objective_check(&c->objective, err);

    if (status != ASSAY_OK) {
        if (err)
            (void)assay_wrap(err, "loss");
        return status;
    }
    if (strcmp(c->source, "file") != 0 && strcmp(c->source, "repair") != 0 &&
            strcmp(c->source, "mini") != 0)
        return assay_fail(err, ASSAY_EINVAL,
                "tasks.source: \"%.60s\" is none of repair, mini, file", c->source);
    if ((strcmp(c->source, "file") == 0) != (*c->path != 0))
        return assay_fail(err, ASSAY_EINVAL, "tasks.path goes with tasks.source file, and only so");
    if (c->answer_tokens_max + 2 > c->tokens_max || c->tokens_max > c->rows_max)
        return assay_fail(err, ASSAY_EINVAL,
                "rl.answer_tokens_max, tasks.tokens_max and batch.rows_max must rise in this order");
    if (c->steps > 0 && c->group_size > c->sample_sequences_max)
        return assay_fail(err, ASSAY_EINVAL, "rl.group_size is above sample.sequences_max");
    if (c->overlong_margin > c->answer_tokens_max)
        return assay_fail(err, ASSAY_EINVAL, "rl.overlong_margin is above rl.answer_tokens_max");
    if (c->swap == ASSAY_SWAP_TOKEN && c->staleness == 0)
        return assay_fail(err, ASSAY_EINVAL, "rl.swap: token goes with rl.staleness above 0");
    if (c->tests_ms > 0 && strcmp(c->source, "repair") != 0)
        return assay_fail(err, ASSAY_EINVAL, "tasks.tests_ms goes with tasks.source repair");
    if (c->turns_max > 0 && strcmp(c->source, "repair") != 0)
        return assay_fail(err, ASSAY_EINVAL, "rl.turns_max goes with tasks.source repair");
    if (c->updates > c->groups * c->group_size)
        return assay_fail(err, ASSAY_EINVAL, "rl.updates: more parts than rollouts");
    if (c->sft_updates == 0 && c->steps == 0)
        return assay_fail(err, ASSAY_EINVAL, "nothing to do: sft.updates and rl.steps are 0");
    return check_shape(c, err);
}

enum assay_status assay_train_config_read(struct assay_train_settings *out, const char *text,
        size_t len, const char *source, const char *const *sets, size_t set_count,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_train_settings read = {.count = SETTING_COUNT};
    struct reading r = {.out = &read, .arena = arena};
    struct assay_train_config *c = &read.config;
    enum assay_status status;

    r.values = assay_arena_array(arena, SETTING_COUNT, sizeof(*r.values));
    if (!r.values)
        return no_memory(err);
    read.values = r.values;
    status = put_defaults(&r, err);
    if (status == ASSAY_OK)
        status = put_file(&r, text, len, source, err);
    if (status == ASSAY_OK)
        status = put_sets(&r, sets, set_count, err);
    if (status == ASSAY_OK)
        status = put_published(&r, err);
    if (status == ASSAY_OK)
        status = check(c, err);
    if (status == ASSAY_OK)
        status = assay_train_idle_check(&read, err);
    if (status != ASSAY_OK)
        return status;
    c->optimizer.updates = c->steps * c->updates * c->epochs;
    c->sft.updates = c->sft_updates;
    c->sft.beta1 = c->optimizer.beta1;
    c->sft.beta2 = c->optimizer.beta2;
    c->sft.eps = c->optimizer.eps;
    c->sft.weight_decay = c->optimizer.weight_decay;
    c->sft.grad_norm_max = c->optimizer.grad_norm_max;
    c->sft.outlier_z = c->optimizer.outlier_z;
    *out = read;
    return ASSAY_OK;
}

void assay_train_config_print(const struct assay_train_settings *train, struct assay_buf *out)
{
    for (size_t i = 0; i < train->count; i++)
        (void)assay_buf_addf(out, "%-24s %-14s %-16s # %s\n", train->values[i].key,
                *train->values[i].value ? train->values[i].value : "\"\"", train->values[i].origin,
                train->values[i].help);
}
