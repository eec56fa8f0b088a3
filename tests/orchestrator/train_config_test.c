// SPDX-License-Identifier: MIT
// What must hold: each value says where it came from, later ones win, a loss brings what it was
// published with, and whatever is wrong is named with its place and the nearest right name.
#include "orchestrator/train_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/harness.h"

static enum assay_status read_config(struct assay_train_settings *out, const char *text,
        const char *const *sets, struct assay_arena *arena, struct assay_error *err)
{
    size_t count = 0;

    while (sets && sets[count])
        count++;
    return assay_train_config_read(out, text, strlen(text), "demo.yaml", sets, count, arena, err);
}

static const struct assay_train_value *value_of(
        const struct assay_train_settings *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->values[i].key, key) == 0)
            return &s->values[i];
    fail_msg("no %s", key);
    return NULL;
}

static void each_value_says_where_it_came_from(void **state)
{
    static const char text[] = "rl:\n  steps: 60\n  groups: 8\nloss:\n  name: dapo\n";
    static const char *const sets[] = {"rl.groups=4", "loss.clip_low=0.9", NULL};
    static const struct {
        const char *key, *value, *origin;
    } want[] = {{"rl.steps", "60", "demo.yaml:2"}, {"rl.groups", "4", "--set"},
            {"rl.group_size", "16", "default"}, {"loss.name", "dapo", "demo.yaml:5"},
            {"loss.clip_high", "1.28", "loss dapo"}, {"loss.clip_low", "0.9", "--set"},
            {"loss.norm", "batch_tokens", "loss dapo"}, {"optimizer.eps", "1e-15", "default"}};
    struct assay_train_settings s;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    if (read_config(&s, text, sets, arena, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        assert_string_equal(value_of(&s, want[i].key)->value, want[i].value);
        assert_string_equal(value_of(&s, want[i].key)->origin, want[i].origin);
    }
    assert_true(s.config.steps == 60 && s.config.groups == 4 && s.config.group_size == 16);
    assert_true(s.config.objective.clip_high == 1.28 && s.config.objective.clip_low == 0.9);
    assert_true(s.config.optimizer.beta2 == 0.95 && s.config.optimizer.eps == 1e-15);
    assert_true(s.config.sft.beta2 == 0.95 && s.config.sft.schedule == ASSAY_SCHEDULE_COSINE);
    assert_true(s.config.optimizer.updates == 240 && s.config.dynamic);
    for (size_t i = 0; i < s.count; i++) // everything has a value
        assert_true(s.values[i].value && s.values[i].origin && *s.values[i].help);
    assay_arena_destroy(arena);
}

static void a_loss_brings_what_it_was_published_with(void **state)
{
    struct assay_train_settings s;
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; assay_loss_kind_at(i); i++) {
        const char *loss = assay_loss_kind_at(i)->name;
        struct assay_objective o;
        char text[128];

        (void)snprintf(text, sizeof(text),
                "{rl: {steps: 1, answer_tokens_max: 30}, loss: {name: %s}}\n", loss);
        if (strcmp(loss, "sft") == 0) {
            assert_int_equal(read_config(&s, text, NULL, arena, NULL), ASSAY_EINVAL);
            continue;
        }
        assert_int_equal(read_config(&s, text, NULL, arena, NULL), ASSAY_OK);
        assert_true(assay_objective_default(&o, loss));
        assert_true(s.config.objective.norm == o.norm && s.config.objective.adv_std == o.adv_std &&
                s.config.objective.baseline == o.baseline &&
                s.config.objective.is_cap == o.is_cap && s.config.objective.clip_low == o.clip_low);
        assert_true(s.config.objective.norm_constant == (strcmp(loss, "dr_grpo") == 0 ? 30 : 1));
    }
    assay_arena_destroy(arena);
}

// A switch at 0 may keep what belongs to it, and what a loss was published with was not given.
static void what_is_switched_off_may_stand(void **state)
{
    static const char *const texts[] = {"{rl: {steps: 1}, sft: {whole: 300, mistaken: 150}}\n",
            "{rl: {steps: 1}, loss: {name: grpo, clip_high: 1.28}}\n",
            "{rl: {steps: 1}, loss: {name: cispo, clip_high: 1.28}}\n",
            "{rl: {steps: 1}, loss: {name: reinforce_is, clip_dual: 0}}\n",
            "{rl: {steps: 1}, loss: {name: rloo, norm_constant: 2}}\n"};
    struct assay_train_settings s;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (read_config(&s, texts[i], NULL, arena, &err) != ASSAY_OK)
            fail_msg("%s: %s", texts[i], err.message);
    assay_arena_destroy(arena);
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text, *set, *message;
    } rows[] = {
            {"rl:\n  step: 60\n", NULL,
                    "demo.yaml:2: rl.step: no such setting; did you mean rl.steps?"},
            {"rl: {steps: 1}\n", "loss.iscap=3",
                    "--set: loss.iscap: no such setting; did you mean "
                    "loss.is_cap?"},
            {"rl: {steps: 1}\n", "completely.unrelated=3",
                    "--set: completely.unrelated: no such setting"},
            {"rl: {steps: 1}\n", "loss.is_cap", "--set: \"loss.is_cap\" is not name=value"},
            {"rl:\n  steps: many\n", NULL,
                    "demo.yaml:2: rl.steps: \"many\" is not a whole number in [0, 1000000000]"},
            {"rl: {steps: 1.5}\n", NULL, "is not a whole number"},
            {"rl: {steps: 1, group_size: 1}\n", NULL, "rl.group_size: \"1\" is not"},
            {"rl: {steps: 1, dynamic: yes}\n", NULL, "\"yes\" is not true or false"},
            {"rl: {steps: 1}\nloss: {norm: token}\n", NULL,
                    "\"token\" is not one of batch_tokens, prompt, rollout, constant"},
            {"rl: {steps: 1}\nloss: {name: cipso}\n", NULL, "loss.name: \"cipso\" is not one of"},
            {"rl: {steps: 1}\nloss: {clip_high: 0.28}\n", NULL, "loss.clip_high: \"0.28\" is not"},
            {"rl: {steps: 1}\nloss: {is_floor: 9}\n", NULL, "loss: is_floor: 9 is not in [0"},
            {"rl: {steps: 1}\nloss: {is_cap: nan}\n", NULL, "\"nan\" is not a number"},
            {"rl: {steps: 0}\n", NULL, "nothing to do"},
            {"rl: {steps: 1}\ntasks: {source: disk}\n", NULL, "none of repair, mini, file"},
            {"rl: {steps: 1}\ntasks: {source: file}\n", NULL, "tasks.path goes with"},
            {"rl: {steps: 1}\nmodel: {heads: 4, kv_heads: 3}\n", NULL, "does not divide"},
            {"rl: [1]\n", NULL, "demo.yaml:1: lists"},
            {"rl: {steps: 1}\nloss: {name: cispo}\nrl: {groups: 4}\n", NULL,
                    "demo.yaml:3: rl stands on line 1 already"},
            // What was given, and would change nothing.
            {"rl: {steps: 1}\nloss: {name: grpo, is_cap: 5}\n", NULL,
                    "demo.yaml:2: loss.is_cap: 5 would change nothing: the weight of this "
                    "loss.name has no cap"},
            {"rl: {steps: 1}\nloss: {is_cap: 5}\n", "loss.name=dapo", "has no cap"},
            {"rl: {steps: 1}\n", "loss.norm_constant=5", "loss.norm is not constant"},
            {"rl: {steps: 1}\n", "loss.clip_dual=3", "masks no token"},
            {"rl: {steps: 1}\ntasks: {source: file, path: x, rare: 1}\n", NULL,
                    "tasks.source mini"},
            {"rl: {steps: 1}\ntasks: {source: file, path: x, families: 3}\n", NULL,
                    "tasks.families: 3 would change nothing: it goes with tasks.source repair"},
            {"rl: {steps: 1}\ntasks: {source: file, path: x, seed: 3}\n", NULL, "not generated"},
            {"sft: {updates: 60, mistaken: 100}\n", NULL, "sft.mistaken: 100 would change nothing"},
            {"sft: {updates: 60}\n", "sft.whole=1000", "--set: sft.whole: 1000 would change"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const sets[] = {rows[i].set, NULL};
        struct assay_train_settings s = {.count = 77};
        struct assay_arena *arena = NULL;
        struct assay_error err = {0};

        assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
        const enum assay_status status = read_config(&s, rows[i].text, sets, arena, &err);

        if (!strstr(err.message, rows[i].message))
            fail_msg("%s, want %s", err.message, rows[i].message);
        // What --set alone says wrong is a wrong command line.
        assert_int_equal(status, strstr(err.message, "--set: ") ? ASSAY_EUSAGE : ASSAY_EINVAL);
        assert_int_equal(err.status, status);
        assert_true(!rows[i].set || strcmp(rows[i].set, "completely.unrelated=3") != 0 ||
                !strstr(err.message, "did you mean"));
        assert_int_equal(s.count, 77);
        assay_arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(each_value_says_where_it_came_from),
            cmocka_unit_test(a_loss_brings_what_it_was_published_with),
            cmocka_unit_test(what_is_switched_off_may_stand),
            cmocka_unit_test(what_is_wrong_is_named_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
