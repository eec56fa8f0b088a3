// SPDX-License-Identifier: MIT
// What must hold: an answer is bit for bit what it is alone, however many ask at once and whatever
// room they need; who gives up is let go, and the others get theirs.
#include "policy/shared_generator.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/formula.h"
#include "support/harness.h"

#define MODEL "tests/golden/models/qwen3.json"
#define THREADS 12
#define TOKENS_MAX 24
#define PROMPT_MAX 80

struct scene {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_shared_generator *shared;
};

struct answer {
    struct scene *scene;
    size_t number;
    size_t tokens_max;
    uint64_t deadline_ms;
    double logp[TOKENS_MAX];
    size_t count, cancel_at; // 0: it does not give up
    pthread_t thread;
    int32_t ids[TOKENS_MAX];
    enum assay_status status;
    volatile bool cancel;
};

static void open_scene(struct scene *s, const struct assay_shared_options *options)
{
    const struct assay_stream_options stream = {.thread_count = 1};

    s->ops = assay_ops_cpu(NULL);
    assert_int_equal(s->ops->device.stream_create(&s->stream, &stream, NULL), ASSAY_OK);
    s->model = formula_model(MODEL, s->ops, s->stream, NULL);
    assert_int_equal(assay_shared_generator_create(&s->shared, s->model, options, s->stream, NULL),
            ASSAY_OK);
}

static void close_scene(struct scene *s)
{
    assay_shared_generator_destroy(s->shared);
    assay_model_destroy(s->model);
    s->ops->device.stream_destroy(s->stream);
}

static bool on_token(void *user, const struct assay_generated *token)
{
    struct answer *a = user;

    a->ids[a->count] = token->id;
    a->logp[a->count++] = token->logp;
    if (a->cancel_at > 0 && a->count == a->cancel_at)
        __atomic_store_n(&a->cancel, true, __ATOMIC_RELAXED);
    return true;
}

static void *ask(void *user)
{
    struct answer *a = user;
    const struct assay_shared_limits limits = {&a->cancel, a->deadline_ms};
    struct assay_generation request = {.prompt_count = 1 + a->number * 7 % PROMPT_MAX,
            .sample_count = 1,
            .token_count_max = a->tokens_max,
            .sampling = ASSAY_SAMPLING_PLAIN,
            .seed = 100 + a->number,
            .on_token = on_token,
            .user = a};
    int32_t prompt[PROMPT_MAX];

    for (size_t i = 0; i < request.prompt_count; i++)
        prompt[i] = (int32_t)(formula_mix(a->number, i) % a->scene->model->config.vocab_size);
    request.prompt = prompt;
    a->status = assay_shared_generator_ask(a->scene->shared, &request, &limits, NULL);
    return NULL;
}

static void init(struct answer *a, struct scene *scene, size_t number)
{
    memset(a, 0, sizeof(*a));
    a->scene = scene;
    a->number = number;
    a->tokens_max = 4 + number % (TOKENS_MAX - 3);
    a->deadline_ms = assay_clock_ms() + 600000;
}

static void ask_at_once(struct answer *answers)
{
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&answers[i].thread, NULL, ask, &answers[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(answers[i].thread, NULL), 0);
}

static void an_answer_is_what_it_is_alone(void **state)
{
    // Room for all, for three, and for the bytes of one alone.
    static const struct assay_shared_options rows[] = {
            {16, 256, UINT64_C(1) << 30}, {3, 16, UINT64_C(1) << 30}, {16, 256, 1}};
    struct answer alone[THREADS], together[THREADS];

    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct assay_shared_counts counts;
        struct scene s;

        open_scene(&s, &rows[r]);
        for (size_t i = 0; i < THREADS; i++) {
            init(&alone[i], &s, i);
            (void)ask(&alone[i]);
            init(&together[i], &s, i);
        }
        ask_at_once(together);
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(alone[i].status, ASSAY_OK);
            assert_int_equal(together[i].status, ASSAY_OK);
            assert_int_equal(together[i].count, alone[i].tokens_max);
            assert_memory_equal(together[i].ids, alone[i].ids, sizeof(alone[i].ids));
            assert_memory_equal(together[i].logp, alone[i].logp, sizeof(alone[i].logp));
        }
        counts = assay_shared_generator_count(s.shared);
        assert_int_equal(counts.answers, 2 * THREADS);
        assert_true(counts.together_max <= rows[r].answers_max);
        close_scene(&s);
    }
}

static void who_gives_up_is_let_go(void **state)
{
    const struct assay_shared_options options = {16, 256, UINT64_C(1) << 30};
    struct answer answers[THREADS];
    struct scene s;

    (void)state;
    open_scene(&s, &options);
    for (size_t i = 0; i < THREADS; i++) {
        init(&answers[i], &s, i);
        answers[i].tokens_max = TOKENS_MAX;
        answers[i].cancel_at = i % 3 == 1 ? 2 : 0;
        if (i % 3 == 2)
            answers[i].deadline_ms = 1; // long past
    }
    ask_at_once(answers);
    for (size_t i = 0; i < THREADS; i++) {
        static const enum assay_status expected[] = {ASSAY_OK, ASSAY_EINTERRUPTED, ASSAY_ETIMEOUT};

        assert_int_equal(answers[i].status, expected[i % 3]);
        if (i % 3 == 0)
            assert_int_equal(answers[i].count, TOKENS_MAX);
        else if (i % 3 == 2)
            assert_int_equal(answers[i].count, 0);
    }
    close_scene(&s);
}

static void a_bad_question_is_its_own_trouble(void **state)
{
    const struct assay_shared_options options = {4, 64, UINT64_C(1) << 30};
    const struct assay_sampling sampling = ASSAY_SAMPLING_PLAIN;
    volatile bool never = false;
    const struct assay_shared_limits limits = {&never, assay_clock_ms() + 600000};
    const int32_t prompt[] = {INT32_MAX};
    const struct assay_generation bad = {.prompt = prompt,
            .prompt_count = 1,
            .sample_count = 1,
            .token_count_max = 4,
            .sampling = sampling,
            .on_token = on_token};
    struct assay_error err = {0};
    struct answer after;
    struct scene s;

    (void)state;
    open_scene(&s, &options);
    assert_int_equal(assay_shared_generator_ask(s.shared, &bad, &limits, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "vocabulary"));
    init(&after, &s, 1);
    (void)ask(&after);
    assert_int_equal(after.status, ASSAY_OK);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_answer_is_what_it_is_alone),
            cmocka_unit_test(who_gives_up_is_let_go),
            cmocka_unit_test(a_bad_question_is_its_own_trouble),
    };

    return cmocka_run_group_tests_name("shared_generator", tests, NULL, NULL);
}
