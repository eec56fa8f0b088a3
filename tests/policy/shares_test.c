// SPDX-License-Identifier: MIT
// What must hold: ranks that train together (ZeRO-1) have, after every update, the bits of one
// process that sums the same shards, however many of them a rank has; a checkpoint of a group is
// that of one process, and serves any number of ranks.
#include "policy/shares.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/gpu.h"
#include "policy/checkpoint.h"
#include "policy/formula.h"
#include "policy/trainer.h"
#include "support/harness.h"
#include "support/temp.h"

#define MODEL "tests/golden/models/minimax_m1.json"
enum { COUNT = 7, LENGTH = 9, PROMPT = 4, UPDATES = 3, WORLD_MAX = 3, PATH_BYTES = 64 };
enum { BEFORE = 2 }; // updates before a checkpoint

// One process, or a thread that is a rank.
struct side {
    const struct assay_ops *ops;
    struct assay_ranks ranks;
    uint32_t shards;
    const char *board; // NULL: alone
    float *weights;    // [element_count] out
    uint64_t element_count;
    struct assay_update updates[UPDATES];
    // Of rank 0: where it writes a checkpoint, or reads one; the others have none.
    bool writes, reads;
    const char *dir;
    struct assay_checkpoint made;
    enum assay_status status;
    struct assay_error err;
};

struct texts {
    int32_t ids[COUNT][LENGTH];
    uint8_t mask[COUNT][LENGTH];
    double logp[COUNT][LENGTH];
    struct assay_trajectory at[COUNT];
};

static void fill(struct texts *t, uint32_t vocab_size)
{
    memset(t, 0, sizeof(*t));
    for (size_t i = 0; i < COUNT; i++) {
        t->at[i] = (struct assay_trajectory){.ids = t->ids[i],
                .mask = t->mask[i],
                .logp_old = t->logp[i],
                .count = LENGTH - i % 3,
                .group = (uint32_t)(i / 2),
                .advantage = i % 2 == 0 ? 1.5 : -0.7};
        for (size_t k = 0; k < LENGTH; k++) {
            t->ids[i][k] = (int32_t)(formula_mix(5 + i, k) % vocab_size);
            t->mask[i][k] = k >= PROMPT;
            t->logp[i][k] = -0.3 - (double)(formula_mix(50 + i, k) % 100) / 25;
        }
    }
}

static enum assay_status train(struct side *s, struct assay_model *model,
        struct assay_stream *stream, struct assay_collective *group)
{
    struct assay_trainer_options options = {.optimizer = {.lr = 1e-2,
                                                    .beta1 = 0.9,
                                                    .beta2 = 0.95,
                                                    .eps = 1e-15,
                                                    .weight_decay = 0.1,
                                                    .grad_norm_max = 1e-3},
            .temperature = 1,
            .rows_max = 17, // more than one micro-batch a shard
            .sequences_max = 8,
            .collective = group,
            .shards = s->shards};
    struct assay_trainer *trainer = NULL;
    struct texts texts;
    enum assay_status status = ASSAY_OK;

    if (!assay_objective_default(&options.objective, "cispo"))
        return ASSAY_EINVAL;
    fill(&texts, model->config.vocab_size);
    status = assay_trainer_create(&trainer, model, &options, stream, &s->err);
    if (status == ASSAY_OK && s->reads)
        status = assay_checkpoint_read(model, trainer, stream, s->dir, &s->made, &s->err);
    for (size_t u = s->reads ? BEFORE : 0; u < UPDATES && status == ASSAY_OK; u++) {
        if (s->writes && u == BEFORE)
            status = assay_checkpoint_write(&s->made, model, trainer, stream, s->dir, &s->err);
        if (status == ASSAY_OK)
            status = assay_trainer_update(trainer, texts.at, COUNT, &s->updates[u], &s->err);
    }
    s->element_count = model->params.element_count;
    s->weights = calloc((size_t)s->element_count, sizeof(float));
    s->ops->device.download(stream, s->weights, model->params.weights,
            (size_t)s->element_count * assay_dtype_bytes(s->ops->weight));
    if (status == ASSAY_OK)
        status = s->ops->device.sync(stream, &s->err);
    assay_trainer_destroy(trainer);
    return status;
}

static void *run(void *user)
{
    struct side *s = user;
    const struct assay_stream_options one = {.thread_count = 1};
    const struct assay_collective_options options = {
            .ranks = s->ranks, .board = s->board, .deadline_ms = 60000};
    struct assay_stream *stream = NULL;
    struct assay_collective *group = NULL;
    struct assay_model *model = NULL;

    s->status = s->ops->device.stream_create(&stream, &one, &s->err);
    if (s->status == ASSAY_OK && s->board)
        s->status = assay_collective_create(&group, &options, &s->err);
    if (s->status == ASSAY_OK) {
        model = formula_model(MODEL, s->ops, stream, NULL);
        s->status = train(s, model, stream, group);
    }
    assay_model_destroy(model);
    assay_collective_destroy(group);
    s->ops->device.stream_destroy(stream);
    return NULL;
}

static void must(const struct side *s)
{
    if (s->status != ASSAY_OK)
        fail_msg("rank %u of %u: %s", s->ranks.rank, s->ranks.world, s->err.message);
}

static void make_board(char path[PATH_BYTES])
{
    int fd;

    (void)snprintf(path, PATH_BYTES, "/tmp/assay-board-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
}

// Ranks of a group of `world`, each a thread that does as sides[0] says.
static void run_group(struct side *sides, uint32_t world)
{
    const struct side first = sides[0];
    pthread_t threads[WORLD_MAX];
    char path[PATH_BYTES];

    make_board(path);
    for (uint32_t r = 0; r < world; r++) {
        sides[r] = first;
        sides[r].ranks = (struct assay_ranks){r, world};
        sides[r].board = path;
        sides[r].dir = r == 0 ? first.dir : NULL;
        assert_int_equal(pthread_create(&threads[r], NULL, run, &sides[r]), 0);
    }
    for (uint32_t r = 0; r < world; r++) {
        assert_int_equal(pthread_join(threads[r], NULL), 0);
        must(&sides[r]);
    }
    (void)unlink(path);
}

static void free_weights(struct side *sides, uint32_t world)
{
    for (uint32_t r = 0; r < world; r++)
        free(sides[r].weights);
}

static void are_equal(const struct side *a, const struct side *b)
{
    assert_int_equal(a->element_count, b->element_count);
    assert_memory_equal(a->weights, b->weights, (size_t)a->element_count * sizeof(float));
    for (size_t u = 0; u < UPDATES; u++) {
        assert_true(a->updates[u].grad_norm == b->updates[u].grad_norm);
        assert_true(a->updates[u].grad_scale < 1); // clipping hides no difference
        assert_memory_equal(
                &a->updates[u].metrics, &b->updates[u].metrics, sizeof(a->updates[u].metrics));
        assert_int_equal(a->updates[u].row_count, b->updates[u].row_count);
    }
}

static void compare_on(const struct assay_ops *ops)
{
    static const struct {
        uint32_t world, shards;
    } rows[] = {{2, 2}, {3, 3}, {2, 4}, {3, 6}, {1, 1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct side sides[WORLD_MAX] = {{.ops = ops, .shards = rows[i].shards}};
        struct side alone = {.ops = ops, .shards = rows[i].shards, .ranks = {0, 1}};

        (void)run(&alone);
        must(&alone);
        run_group(sides, rows[i].world);
        for (uint32_t r = 0; r < rows[i].world; r++)
            are_equal(&sides[r], &alone);
        free_weights(sides, rows[i].world);
        free(alone.weights);
    }
}

static void ranks_have_the_bits_of_one(void **state)
{
    (void)state;
    compare_on(assay_ops_cpu(NULL));
}

// All ranks on one GPU, over the board.
static void ranks_have_the_bits_of_one_on_a_gpu(void **state)
{
    const struct assay_ops *ops = NULL;
    struct assay_error err = {0};

    (void)state;
    if (assay_ops_cuda(&ops, ASSAY_DTYPE_F32, &err) != ASSAY_OK)
        ASSAY_SKIP(err.message);
    compare_on(ops);
}

// Two ranks stop, one goes on; one stops, two go on: the files and the end are those of a run that
// never stopped.
static void a_checkpoint_serves_any_number_of_ranks(void **state)
{
    const struct assay_temp *temp = *state;
    const struct assay_ops *ops = assay_ops_cpu(NULL);
    char of_two[128], of_one[128];
    struct side whole = {.ops = ops, .shards = 2, .ranks = {0, 1}, .writes = true, .dir = of_one};
    struct side two[WORLD_MAX] = {{.ops = ops, .shards = 2, .writes = true, .dir = of_two}};
    struct side one = {.ops = ops, .shards = 2, .ranks = {0, 1}, .reads = true, .dir = of_two};
    struct side again[WORLD_MAX] = {{.ops = ops, .shards = 2, .reads = true, .dir = of_one}};
    size_t bytes;

    (void)snprintf(of_one, sizeof(of_one), "%s/one", temp->path);
    (void)snprintf(of_two, sizeof(of_two), "%s/two", temp->path);
    (void)run(&whole);
    must(&whole);
    bytes = (size_t)whole.element_count * sizeof(float);
    run_group(two, 2);
    assert_memory_equal(&two[0].made, &whole.made, sizeof(whole.made));
    one.made = two[0].made;
    (void)run(&one);
    must(&one);
    assert_memory_equal(one.weights, whole.weights, bytes);
    again[0].made = whole.made;
    run_group(again, 2);
    for (uint32_t r = 0; r < 2; r++)
        assert_memory_equal(again[r].weights, whole.weights, bytes);
    free_weights(again, 2);
    free_weights(two, 2);
    free(one.weights);
    free(whole.weights);
}

static void shards_that_do_not_match_are_refused(void **state)
{
    const struct assay_stream_options one = {.thread_count = 1};
    const struct assay_ops *ops = assay_ops_ref(ASSAY_DTYPE_F64);
    struct assay_stream *stream = NULL;
    struct assay_shares shares = {0};
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(ops->device.stream_create(&stream, &one, NULL), ASSAY_OK);
    assert_int_equal(assay_shares_open(&shares, ops, stream, NULL, 2, 100, &err), ASSAY_EINVAL);
    assert_int_equal(assay_shares_open(&shares, assay_ops_cpu(NULL), stream, NULL, 1000, 100, &err),
            ASSAY_EINVAL);
    ops->device.stream_destroy(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(ranks_have_the_bits_of_one),
            cmocka_unit_test(ranks_have_the_bits_of_one_on_a_gpu),
            cmocka_unit_test_setup_teardown(
                    a_checkpoint_serves_any_number_of_ranks, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test(shards_that_do_not_match_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
