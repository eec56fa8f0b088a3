// SPDX-License-Identifier: MIT
// What must hold: whole groups are compared exactly, a single success is never lost, dead groups
// are told apart and weigh nothing; rollouts are packed as recorded and a wrong one is named.
#include "policy/advantage.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "policy/batch.h"
#include "support/harness.h"

static void groups_are_judged_whole_and_exactly(void **state)
{
    static const struct {
        double rewards[4];
        uint64_t answers[4];
        enum assay_group_state state;
    } rows[] = {
            {{0, 0, 1, 0}, {1, 2, 3, 4}, ASSAY_GROUP_LIVE},
            {{0, 0, 0, 0}, {1, 2, 1, 1}, ASSAY_GROUP_CLIFF},
            {{1, 1, 1, 1}, {7, 7, 7, 7}, ASSAY_GROUP_COLLAPSE},
            {{0.1 + 0.2, 0.3, 0.3, 0.3}, {1, 1, 1, 1}, ASSAY_GROUP_LIVE}, // not nearly equal: equal
            {{0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2}, {1, 2, 3, 4}, ASSAY_GROUP_CLIFF},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(assay_group_judge(rows[i].rewards, rows[i].answers, 4), rows[i].state);
    assert_int_equal(assay_group_judge(rows[0].rewards, rows[0].answers, 1), ASSAY_GROUP_COLLAPSE);
}

// facts/rl.md 3.2: p = 1/16 gives +3.87 and -0.26.
static void one_success_of_sixteen_counts_most(void **state)
{
    struct assay_objective o;
    double rewards[16] = {0}, out[16];
    const size_t count = 16;

    (void)state;
    assert_true(assay_objective_default(&o, "cispo"));
    rewards[5] = 1;
    assay_advantages(out, rewards, &count, 1, &o);
    assert_true(fabs(out[5] - 3.87) < 0.01 && fabs(out[0] + 0.26) < 0.01);
    o.baseline = ASSAY_BASELINE_LEAVE_ONE_OUT;
    o.adv_std = ASSAY_ADV_STD_NONE;
    assay_advantages(out, rewards, &count, 1, &o);
    assert_true(fabs(out[5] - 1) < 1e-12 && fabs(out[0] + 1.0 / 15) < 1e-12);
}

static void dead_groups_and_groups_of_one_get_exactly_nothing(void **state)
{
    const double rewards[] = {0.1, 0.1, 0.1, 1, 0, 1};
    const size_t counts[] = {3, 2, 1};

    (void)state;
    for (size_t k = 0; assay_loss_kind_at(k); k++)
        for (int s = ASSAY_ADV_STD_POPULATION; s <= ASSAY_ADV_STD_NONE; s++) {
            struct assay_objective o;
            double out[6];

            assert_true(assay_objective_default(&o, assay_loss_kind_at(k)->name));
            o.adv_std = (enum assay_adv_std)s;
            assay_advantages(out, rewards, counts, 3, &o);
            assert_true(out[0] == 0 && out[1] == 0 && out[2] == 0 && out[5] == 0);
            assert_true(out[3] > 0 && out[4] < 0);
        }
}

static void overlong_answers_pay_step_by_step(void **state)
{
    (void)state;
    assert_true(assay_overlong_penalty(16384, 20480, 4096) == 0); // DAPO's own numbers
    assert_true(assay_overlong_penalty(18432, 20480, 4096) == -0.5);
    assert_true(assay_overlong_penalty(20480, 20480, 4096) == -1);
    assert_true(assay_overlong_penalty(20481, 20480, 4096) == -1);
    assert_true(assay_overlong_penalty(30000, 20480, 0) == 0);
}

static void the_chance_of_a_dead_group_is_the_published_one(void **state)
{
    (void)state;
    assert_true(fabs(assay_group_dead_chance(0.18, 2) - 0.70) < 0.01);
    assert_true(fabs(assay_group_dead_chance(0.18, 8) - 0.20) < 0.01);
    assert_true(fabs(assay_group_dead_chance(0.03, 16) - 0.61) < 0.01);
}

// --- batches -------------------------------------------------------------------------------------

static const int32_t ids[] = {3, 1, 4, 1, 5};
static const uint8_t mask[] = {0, 0, 1, 0, 1};
static const double logp[] = {9, 9, -0.5, 9, -1.5}; // 9: must not be read
static const struct assay_trajectory good = {
        .ids = ids, .mask = mask, .logp_old = logp, .count = 5, .group = 2, .advantage = 0.25};

static void rows_predict_what_was_sampled_next(void **state)
{
    static const int32_t targets[] = {-1, 4, -1, 5};
    struct assay_trajectory two[] = {good, good};
    const struct assay_trajectory *order[2];
    struct assay_batch *b = NULL;

    (void)state;
    two[1].group = 3; // of another group: it shares nothing
    assay_batch_order(order, two, 2);
    assert_int_equal(assay_batch_create(&b, 9, 4, NULL), ASSAY_OK);
    assert_int_equal(assay_batch_fill(b, order, NULL, 2), 2);
    assert_true(b->row_count == 8 && b->span_count == 2 && b->spans[1].row == 4);
    assert_true(b->spans[1].row_count == 4 && b->spans[1].up == 0 && b->sequence_count == 2);
    for (size_t r = 0; r < 2; r++) {
        assert_memory_equal(b->ids + 4 * r, ids, 4 * sizeof(*ids));
        assert_memory_equal(b->targets + 4 * r, targets, sizeof(targets));
        assert_true(b->token_spans[r].row == 2 * r && b->token_spans[r].row_count == 2);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(b->token_rows[2 * r + i], 4 * r + 1 + 2 * i);
            assert_true(b->logp_old[2 * r + i] == logp[2 + 2 * i]);
        }
        assert_true(b->advantage[r] == 0.25);
    }
    assay_batch_destroy(b);
    assert_int_equal(assay_batch_create(&b, 7, 4, NULL), ASSAY_OK); // one fits, not two
    assert_int_equal(assay_batch_fill(b, order, NULL, 2), 1);
    assay_batch_destroy(b);
    assert_int_equal(assay_batch_create(&b, 3, 4, NULL), ASSAY_OK);
    assert_int_equal(assay_batch_fill(b, order, NULL, 2), 0);
    assay_batch_destroy(b);
}

// The row of position i of a span's sequence.
static size_t row_of(const struct assay_span *span, size_t i)
{
    const struct assay_span *at = assay_span_of(span, i);

    return at->row + i - at->position;
}

// Many answers, short and of few words, so that all happens: twins, beginnings of others, forks at
// every place. Whatever was merged, each must find its own past above its last row.
static void what_begins_alike_is_laid_out_once(void **state)
{
    enum { COUNT = 200, LONGEST = 12, PROMPT = 5 };
    static int32_t words[COUNT][LONGEST];
    static uint8_t sampled[COUNT][LONGEST];
    static struct assay_trajectory all[COUNT];
    static const struct assay_trajectory *order[COUNT];
    struct assay_batch *b = NULL;
    struct assay_rng rng;
    size_t rows = 0, distinct = 0, at = 0, taken;

    (void)state;
    assay_rng_seed(&rng, 7, 0);
    for (size_t i = 0; i < COUNT; i++) {
        all[i] = (struct assay_trajectory){.ids = words[i],
                .mask = sampled[i],
                .group = (uint32_t)(i % 7),
                .count = PROMPT + 1 + (size_t)assay_rng_below(&rng, LONGEST - PROMPT),
                .advantage = (double)i};
        for (size_t k = 0; k < LONGEST; k++) {
            words[i][k] = k < PROMPT ? (int32_t)(i % 7) : (int32_t)assay_rng_below(&rng, 2);
            sampled[i][k] = k >= PROMPT;
        }
    }
    assay_batch_order(order, all, COUNT);
    assert_int_equal(assay_batch_create(&b, 300, 64, NULL), ASSAY_OK);
    for (; at < COUNT; at += taken) {
        size_t token = 0;

        taken = assay_batch_fill(b, order + at, NULL, COUNT - at);
        assert_true(taken > 0 && b->sequence_count == taken && b->span_count <= 2 * taken);
        rows += b->row_count;
        for (size_t i = 0; i < taken; i++) {
            const struct assay_trajectory *r = order[at + i];
            const size_t last =
                    (size_t)b->token_rows[b->token_spans[i].row + b->token_spans[i].row_count - 1];
            const struct assay_span *span = b->spans;

            while (span->row + span->row_count <= last)
                span++;
            distinct += i == 0 || last != (size_t)b->token_rows[token - 1];
            assert_true(b->advantage[i] == r->advantage);
            assert_int_equal(last, row_of(span, r->count - 2));
            for (size_t k = 0; k + 1 < r->count; k++)
                assert_int_equal(b->ids[row_of(span, k)], r->ids[k]);
            for (size_t k = PROMPT; k < r->count; k++, token++) {
                assert_int_equal(b->token_rows[token], row_of(span, k - 1));
                assert_int_equal(b->targets[b->token_rows[token]], r->ids[k]);
            }
        }
        assert_int_equal(token, b->token_count);
    }
    // A group of these has 2 + 4 + ... different rows behind its prompt, and few were cut in two.
    assert_true(rows < (size_t)COUNT * 3 && distinct < COUNT);
    assay_batch_destroy(b);
}

static void a_wrong_rollout_is_named(void **state)
{
    static const int32_t foreign[] = {3, 1, 4, 9, 5};
    static const uint8_t first[] = {1, 0, 1, 0, 1}, none[5] = {0}, two[] = {0, 2, 1, 0, 1};
    static const double positive[] = {9, 9, 0.5, 9, -1}, nan[] = {9, 9, (double)NAN, 9, -1};
    const struct {
        struct assay_trajectory rollout;
        const char *message;
    } rows[] = {
            {{ids, mask, logp, NULL, 1, 0, 0}, "a trajectory of 1 tokens"},
            {{foreign, mask, logp, NULL, 5, 0, 0}, "token 3: id 9 is not in the vocabulary of 9"},
            {{ids, first, logp, NULL, 5, 0, 0}, "token 0 is marked as sampled"},
            {{ids, none, logp, NULL, 5, 0, 0}, "no token of the trajectory was sampled"},
            {{ids, two, logp, NULL, 5, 0, 0}, "token 1: mask is 2"},
            {{ids, mask, positive, NULL, 5, 0, 0}, "token 2: logp_old 0.5"},
            {{ids, mask, nan, NULL, 5, 0, 0}, "token 2: logp_old nan"},
            {{ids, mask, logp, NULL, 5, 0, (double)NAN}, "the advantage is nan"},
    };

    (void)state;
    assert_int_equal(assay_trajectory_check(&good, 9, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_error err = {0};

        assert_int_equal(assay_trajectory_check(&rows[i].rollout, 9, &err), ASSAY_EINVAL);
        if (!strstr(err.message, rows[i].message))
            fail_msg("%s, want %s", err.message, rows[i].message);
    }
}

static void an_answer_is_its_sampled_ids(void **state)
{
    static const int32_t other_prompt[] = {3, 2, 4, 7, 5}, other_answer[] = {3, 1, 4, 1, 6};
    struct assay_trajectory r = good;

    (void)state;
    r.ids = other_prompt;
    assert_true(assay_trajectory_answer(&r) == assay_trajectory_answer(&good));
    r.ids = other_answer;
    assert_true(assay_trajectory_answer(&r) != assay_trajectory_answer(&good));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(groups_are_judged_whole_and_exactly),
            cmocka_unit_test(one_success_of_sixteen_counts_most),
            cmocka_unit_test(dead_groups_and_groups_of_one_get_exactly_nothing),
            cmocka_unit_test(overlong_answers_pay_step_by_step),
            cmocka_unit_test(the_chance_of_a_dead_group_is_the_published_one),
            cmocka_unit_test(rows_predict_what_was_sampled_next),
            cmocka_unit_test(what_begins_alike_is_laid_out_once),
            cmocka_unit_test(a_wrong_rollout_is_named),
            cmocka_unit_test(an_answer_is_its_sampled_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
