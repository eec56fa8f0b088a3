// SPDX-License-Identifier: MIT
// What must hold: a token's logits and logp are the same bits in prefill, in decode, alone, in any
// batch, and in the trainer; a group costs one prefill.
#include "policy/generate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/formula.h"
#include "policy/pass.h"
#include "policy/sequences.h"
#include "support/harness.h"

#define MODELS "tests/golden/models/"
#define TOKENS 100
#define PROMPT 70 // more than a page, no multiple of any block

static const char *const models[] = {"minimax_m1", "minimax_wide", "qwen3", "qwen3_moe_top1"};

struct setting {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    int32_t ids[TOKENS];
};

static void open_setting(struct setting *t, const char *name, size_t threads)
{
    const struct assay_stream_options options = {.thread_count = threads};
    char path[128];

    t->ops = assay_ops_cpu(NULL);
    assert_int_equal(t->ops->device.stream_create(&t->stream, &options, NULL), ASSAY_OK);
    (void)snprintf(path, sizeof(path), MODELS "%s.json", name);
    t->model = formula_model(path, t->ops, t->stream, NULL);
    for (size_t i = 0; i < TOKENS; i++)
        t->ids[i] = (int32_t)(formula_mix(77, i) % t->model->config.vocab_size);
}

static void close_setting(struct setting *t)
{
    assay_model_destroy(t->model);
    t->ops->device.stream_destroy(t->stream);
}

// Logits of every token, [TOKENS, V], from pieces of `piece` rows; `beside` other sequences of
// other lengths run along.
static void run_pieces(struct setting *t, float *out, size_t piece, size_t beside)
{
    const struct assay_pass_options room = {.rows_max = 512, .sequences_max = 72};
    const struct assay_sequences_options slots = {.slots_max = 72, .positions_max = 256};
    const size_t vocab = t->model->config.vocab_size;
    struct assay_sequences *sequences = NULL;
    struct assay_pass *pass = NULL;
    uint32_t slot[72];

    assert_int_equal(assay_pass_create(&pass, t->model, &room, t->stream, NULL), ASSAY_OK);
    assert_int_equal(
            assay_sequences_create(&sequences, t->model, &slots, t->stream, NULL), ASSAY_OK);
    for (size_t b = 0; b <= beside; b++)
        slot[b] = assay_sequences_open(sequences);
    for (size_t at = 0; at < TOKENS; at += piece) {
        const size_t count = TOKENS - at < piece ? TOKENS - at : piece;
        struct assay_span spans[72];
        int32_t ids[512], last;
        size_t rows = 0;

        for (size_t b = 0; b <= beside; b++) {
            // Ours is the last of the batch; the others have 1 to 3 rows of something else.
            const size_t n = b == beside ? count : 1 + (b + at) % 3;

            assert_true(assay_sequences_extend(sequences, slot[b], (uint32_t)n, &spans[b]));
            spans[b].row = (uint32_t)rows;
            for (size_t i = 0; i < n; i++)
                ids[rows++] = b == beside ? t->ids[at + i] : (int32_t)((b * 31 + at + i) % vocab);
        }
        assert_int_equal(assay_pass_forward(pass, ids, rows, spans, beside + 1,
                                 assay_sequences_state(sequences), NULL),
                ASSAY_OK);
        last = (int32_t)rows - 1;
        t->ops->device.download(t->stream, out + (at + count - 1) * vocab,
                assay_pass_logits(pass, &last, 1), vocab * sizeof(float));
        assert_int_equal(t->ops->device.sync(t->stream, NULL), ASSAY_OK);
    }
    assay_sequences_destroy(sequences);
    assay_pass_destroy(pass);
}

static void decode_is_prefill_bit_for_bit(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof(models) / sizeof(models[0]); m++) {
        static const struct {
            size_t piece, beside, threads;
        } rows[] = {{TOKENS, 0, 2}, {33, 0, 1}, {64, 3, 2}, {7, 63, 2}, {1, 63, 2}};
        struct setting t;
        float *decoded, *other;
        size_t bytes;

        print_message("%s\n", models[m]);
        open_setting(&t, models[m], 1);
        bytes = sizeof(float) * TOKENS * t.model->config.vocab_size;
        decoded = calloc(1, bytes);
        other = calloc(1, bytes);
        assert_true(decoded && other);
        run_pieces(&t, decoded, 1, 0);
        close_setting(&t);
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
            open_setting(&t, models[m], rows[r].threads);
            const size_t vocab = t.model->config.vocab_size;

            memset(other, 0, bytes);
            run_pieces(&t, other, rows[r].piece, rows[r].beside);
            for (size_t i = rows[r].piece - 1; i < TOKENS; i += rows[r].piece)
                if (memcmp(other + i * vocab, decoded + i * vocab, vocab * sizeof(float)) != 0)
                    fail_msg("row %zu: logits of token %zu differ", r, i);
            assert_memory_equal(other + (TOKENS - 1) * vocab, decoded + (TOKENS - 1) * vocab,
                    vocab * sizeof(float));
            close_setting(&t);
        }
        free(decoded);
        free(other);
    }
}

// --- answers ------------------------------------------------------------------------------------

struct answer {
    int32_t ids[TOKENS];
    double logp[TOKENS];
    size_t count;
    enum assay_finish finish;
};

struct answers {
    struct answer items[64];
    size_t stop_after; // the visitor's own limit; 0: none
};

static bool take_token(void *user, const struct assay_generated *token)
{
    struct answers *a = user;
    struct answer *answer = &a->items[token->sample];

    assert_int_equal(answer->finish, ASSAY_FINISH_NONE);
    assert_int_equal(answer->count, token->index);
    answer->ids[answer->count] = token->id;
    answer->logp[answer->count++] = token->logp;
    answer->finish = token->finish;
    return a->stop_after == 0 || answer->count < a->stop_after;
}

static struct assay_generation ask(const struct setting *t, struct answers *answers, size_t samples)
{
    return (struct assay_generation){.prompt = t->ids,
            .prompt_count = PROMPT,
            .sample_count = samples,
            .token_count_max = 12,
            .sampling = {.temperature = 1.5, .top_p = 1, .repetition_penalty = 1},
            .seed = 5,
            .on_token = take_token,
            .user = answers};
}

static struct assay_generator *make_generator(const struct setting *t, size_t sequences)
{
    const struct assay_generator_options options = {
            .sequences_max = sequences, .rows_max = 80, .positions_max = 128};
    struct assay_generator *g = NULL;

    assert_int_equal(assay_generator_create(&g, t->model, &options, t->stream, NULL), ASSAY_OK);
    return g;
}

static void finish(struct assay_generator *g)
{
    size_t left = 1;

    for (size_t i = 0; i < 1000 && left > 0; i++)
        assert_int_equal(assay_generator_step(g, &left, NULL), ASSAY_OK);
    assert_int_equal(left, 0);
}

static void a_sample_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof(models) / sizeof(models[0]); m++) {
        struct answers *alone = calloc(1, sizeof(*alone)), *crowd = calloc(3, sizeof(*crowd));
        struct assay_generation request;
        struct assay_generator *g;
        struct setting t;
        size_t left;

        assert_true(alone && crowd);
        open_setting(&t, models[m], 2);
        g = make_generator(&t, 16);
        request = ask(&t, alone, 8);
        assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
        finish(g);
        // The prompt went through the layers once, whatever the number of samples.
        assert_int_equal(assay_generator_count(g).prompt_rows, PROMPT);
        assert_int_equal(assay_generator_count(g).forks, 7);
        assay_generator_destroy(g);

        // The same among others, some of which come later.
        g = make_generator(&t, 16);
        for (size_t r = 0; r < 3; r++) {
            request = ask(&t, &crowd[r], 8);
            if (r != 1) {
                request.seed = 100 + r;
                request.prompt_count = 9 + r;
            }
            assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
            assert_int_equal(assay_generator_step(g, &left, NULL), ASSAY_OK);
        }
        finish(g);
        assay_generator_destroy(g);
        assert_memory_equal(&crowd[1], alone, sizeof(*alone));
        if (m == 0) // the tied ones are too sure of themselves
            assert_memory_not_equal(alone->items[0].ids, alone->items[1].ids, 12 * sizeof(int32_t));
        close_setting(&t);
        free(alone);
        free(crowd);
    }
}

static void logp_of_the_sampler_is_the_trainers(void **state)
{
    (void)state;
    for (size_t m = 0; m < sizeof(models) / sizeof(models[0]); m++) {
        const struct assay_pass_options room = {
                .rows_max = 400, .sequences_max = 4, .training = true};
        struct answers *answers = calloc(1, sizeof(*answers));
        struct assay_generation request;
        struct assay_generator *g;
        struct assay_pass *pass = NULL;
        struct assay_span spans[4];
        int32_t ids[400], targets[400];
        float logp[400];
        const void *device = NULL;
        size_t rows = 0;
        struct setting t;

        assert_non_null(answers);
        print_message("%s\n", models[m]);
        open_setting(&t, models[m], 2);
        g = make_generator(&t, 8);
        request = ask(&t, answers, 4);
        assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
        finish(g);
        assay_generator_destroy(g);
        for (size_t b = 0; b < 4; b++) {
            spans[b] = (struct assay_span){.row = (uint32_t)rows, .row_count = PROMPT + 11};
            for (size_t i = 0; i < PROMPT + 11; i++, rows++) {
                ids[rows] = i < PROMPT ? t.ids[i] : answers->items[b].ids[i - PROMPT];
                targets[rows] = i + 1 < PROMPT ? -1 : answers->items[b].ids[i + 1 - PROMPT];
            }
        }
        assert_int_equal(assay_pass_create(&pass, t.model, &room, t.stream, NULL), ASSAY_OK);
        assert_int_equal(assay_pass_forward(pass, ids, rows, spans, 4, NULL, NULL), ASSAY_OK);
        assay_pass_logprob(pass, targets, 1 / 1.5, &device, NULL);
        t.ops->device.download(t.stream, logp, device, rows * sizeof(*logp));
        assert_int_equal(t.ops->device.sync(t.stream, NULL), ASSAY_OK);
        for (size_t b = 0; b < 4; b++)
            for (size_t i = 0; i < 12; i++)
                if ((double)logp[b * (PROMPT + 11) + PROMPT - 1 + i] != answers->items[b].logp[i])
                    fail_msg("answer %zu, token %zu: %a is not %a", b, i,
                            (double)logp[b * (PROMPT + 11) + PROMPT - 1 + i],
                            answers->items[b].logp[i]);
        assay_pass_destroy(pass);
        close_setting(&t);
        free(answers);
    }
}

static void answers_end_for_the_reason_that_is_named(void **state)
{
    struct answers first = {0}, again;
    struct assay_generation request;
    struct assay_generator *g;
    struct setting t;
    int32_t stop;

    (void)state;
    open_setting(&t, "qwen3", 1);
    g = make_generator(&t, 8);
    request = ask(&t, &first, 1);
    assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
    finish(g);
    assert_int_equal(first.items[0].finish, ASSAY_FINISH_LENGTH);
    assert_int_equal(first.items[0].count, 12);

    memset(&again, 0, sizeof(again));
    stop = first.items[0].ids[4];
    request.stop_ids = &stop;
    request.stop_id_count = 1;
    request.user = &again;
    assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
    finish(g);
    assert_int_equal(again.items[0].finish, ASSAY_FINISH_STOP_ID);
    assert_true(again.items[0].count <= 5);
    assert_int_equal(again.items[0].ids[again.items[0].count - 1], stop);

    // A certain token is any at all when the bound is below 0.
    memset(&again, 0, sizeof(again));
    request.stop_id_count = 0;
    request.certain_count_max = 3;
    request.certain_probability = -1;
    assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
    finish(g);
    assert_int_equal(again.items[0].finish, ASSAY_FINISH_REPETITION);
    assert_int_equal(again.items[0].count, 3);

    // positions_max ends an answer, too.
    memset(&again, 0, sizeof(again));
    request.certain_count_max = 0;
    request.token_count_max = 90;
    assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
    finish(g);
    assert_int_equal(again.items[0].finish, ASSAY_FINISH_LENGTH);
    assert_int_equal(again.items[0].count, 128 - PROMPT);
    assay_generator_destroy(g);
    close_setting(&t);
}

// A request that takes every page there is, to the last one: it must begin. (It once asked for a
// page more than samples ever hold, and then waited for ever.)
static void a_request_may_fill_all_pages(void **state)
{
    const struct assay_generator_options options = {
            .sequences_max = 4, .rows_max = 80, .positions_max = 96};
    struct answers *answers = calloc(1, sizeof(*answers));
    struct assay_generation request;
    struct assay_generator *g = NULL;
    struct setting t;

    (void)state;
    assert_non_null(answers);
    open_setting(&t, "qwen3", 1);
    assert_int_equal(assay_generator_create(&g, t.model, &options, t.stream, NULL), ASSAY_OK);
    for (size_t prompt = 3; prompt < 96; prompt += 61) { // shorter than a page, and a whole one
        memset(answers, 0, sizeof(*answers));
        request = ask(&t, answers, 4);
        request.prompt_count = prompt;
        request.token_count_max = 96 - prompt;
        assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
        finish(g);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(answers->items[i].count, 96 - prompt);
            assert_int_equal(answers->items[i].finish, ASSAY_FINISH_LENGTH);
        }
    }
    assay_generator_destroy(g);
    close_setting(&t);
    free(answers);
}

// Rows behind the last token are padding. Here they would win every choice: twenty of them, half of
// each sign, far larger than any token's.
static void padded_rows_are_never_sampled(void **state)
{
    enum { PADDING = 20 };
    struct answers *answers = calloc(1, sizeof(*answers));
    struct assay_generation request;
    struct assay_generator *g;
    struct setting t;
    float *head;
    size_t padding = 0;

    (void)state;
    assert_non_null(answers);
    open_setting(&t, "minimax_m1", 1);
    const uint32_t tokens = t.model->config.vocab_size - PADDING,
                   width = t.model->config.hidden_size;

    head = assay_model_weight(t.model, ASSAY_TENSOR_HEAD, ASSAY_TENSOR_NO_LAYER);
    for (size_t i = 0; i < (size_t)PADDING * width; i++)
        head[(size_t)tokens * width + i] = (i / width % 2 ? 100.0F : -100.0F) * head[i];
    for (int known = 0; known < 2; known++) {
        t.model->config.vocab_sampled = known ? tokens : tokens + PADDING;
        memset(answers, 0, sizeof(*answers));
        padding = 0;
        g = make_generator(&t, 8);
        request = ask(&t, answers, 8);
        assert_int_equal(assay_generator_add(g, &request, NULL), ASSAY_OK);
        finish(g);
        assay_generator_destroy(g);
        for (size_t i = 0; i < 8; i++)
            for (size_t k = 0; k < answers->items[i].count; k++)
                padding += answers->items[i].ids[k] >= (int32_t)tokens;
        if (known)
            assert_int_equal(padding, 0);
        else
            assert_true(padding > 8); // else nothing is shown
    }
    close_setting(&t);
    free(answers);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct answers answers = {0};
    struct assay_generation request, good;
    struct assay_error err;
    struct assay_generator *g;
    struct setting t;
    int32_t beyond;

    (void)state;
    open_setting(&t, "qwen3", 1);
    beyond = (int32_t)t.model->config.vocab_size;
    g = make_generator(&t, 8);
    good = ask(&t, &answers, 1);
#define REFUSED(change, text)                                                                      \
    request = good;                                                                                \
    request.change;                                                                                \
    assert_int_equal(assay_generator_add(g, &request, &err), ASSAY_EINVAL);                        \
    print_message("%s\n", err.message);                                                            \
    assert_non_null(strstr(err.message, text))
    REFUSED(prompt_count = 0, "0 tokens");
    REFUSED(prompt_count = 128, "128 tokens");
    REFUSED(sample_count = 9, "9 samples");
    REFUSED(sampling.temperature = -1, "temperature");
    REFUSED(sampling.top_p = 0, "top_p");
    REFUSED(prompt = &beyond; request.prompt_count = 1, "not in the vocabulary");
#undef REFUSED
    assay_generator_destroy(g); // a request that never began goes with it
    g = make_generator(&t, 8);
    assert_int_equal(assay_generator_add(g, &good, NULL), ASSAY_OK);
    assay_generator_destroy(g);
    close_setting(&t);
}

// Drawn a hundred thousand times, tokens come as often as their probability says.
static void sampling_follows_the_distribution(void **state)
{
    static const double logits[6] = {2, 1, 0, -1, 1.5, 3};
    static const struct {
        struct assay_sampling sampling;
        double mass[6]; // relative
    } rows[] = {
            {{1, 0, 1, 0, 1}, {7.389056, 2.718282, 1, 0.367879, 4.481689, 20.085537}},
            {{2, 0, 1, 0, 1}, {2.718282, 1.648721, 1, 0.606531, 2.117, 4.481689}},
            {{1, 3, 1, 0, 1}, {7.389056, 0, 0, 0, 4.481689, 20.085537}},
            {{1, 0, 0.6, 0, 1}, {7.389056, 0, 0, 0, 0, 20.085537}},
            {{1, 0, 0.5, 0, 1}, {0, 0, 0, 0, 0, 1}},
            {{1, 0, 1, 0.3, 1}, {7.389056, 0, 0, 0, 0, 20.085537}},
            {{1, 0, 1, 0, 2}, {7.389056, 2.718282, 1, 0.135335, 4.481689, 4.481689}},
            {{0, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 1}},
    };
    static const int32_t seen[] = {5, 3, 5, 99};
    struct assay_sampler *s = NULL;

    (void)state;
    assert_int_equal(assay_sampler_create(&s, 6, NULL), ASSAY_OK);
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        size_t counts[6] = {0};
        double sum = 0;

        for (size_t i = 0; i < 6; i++)
            sum += rows[r].mass[i];
        for (size_t i = 0; i < 100000; i++)
            counts[assay_sampler_choose(
                    s, logits, 6, &rows[r].sampling, seen, 4, ((double)i + 0.5) / 100000)]++;
        for (size_t i = 0; i < 6; i++)
            if (fabs((double)counts[i] / 100000 - rows[r].mass[i] / sum) > 3e-5)
                fail_msg("row %zu: token %zu came %zu times", r, i, counts[i]);
    }
    assert_int_equal(assay_sampler_choose(s, logits, 5, &rows[7].sampling, NULL, 0, 0.999999), 0);
    assay_sampler_destroy(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(decode_is_prefill_bit_for_bit),
            cmocka_unit_test(a_sample_does_not_depend_on_its_batch),
            cmocka_unit_test(logp_of_the_sampler_is_the_trainers),
            cmocka_unit_test(answers_end_for_the_reason_that_is_named),
            cmocka_unit_test(a_request_may_fill_all_pages),
            cmocka_unit_test(padded_rows_are_never_sampled),
            cmocka_unit_test(what_does_not_fit_is_refused),
            cmocka_unit_test(sampling_follows_the_distribution),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
