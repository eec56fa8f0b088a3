// SPDX-License-Identifier: MIT
// What must hold: training that stops at a checkpoint and goes on elsewhere ends in the same bits;
// a checkpoint that is cut, changed or another model's is refused by name.
#include "policy/checkpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "policy/formula.h"
#include "support/harness.h"
#include "support/temp.h"

enum { COUNT = 4, LENGTH = 8 };

struct world {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
    struct assay_trainer *trainer;
};

static void open_world(struct world *w, const char *config)
{
    const struct assay_stream_options threads = {.thread_count = 1};
    struct assay_trainer_options options = {.optimizer = {.lr = 1e-3,
                                                    .beta1 = 0.9,
                                                    .beta2 = 0.95,
                                                    .eps = 1e-15,
                                                    .grad_norm_max = 1,
                                                    .outlier_z = 3,
                                                    .schedule = ASSAY_SCHEDULE_COSINE,
                                                    .warmup = 3,
                                                    .updates = 20},
            .temperature = 1,
            .rows_max = 20,
            .sequences_max = 4};

    assert_true(assay_objective_default(&options.objective, "cispo"));
    w->ops = assay_ops_cpu(NULL);
    assert_int_equal(w->ops->device.stream_create(&w->stream, &threads, NULL), ASSAY_OK);
    w->model = formula_model(config, w->ops, w->stream, NULL);
    assert_int_equal(
            assay_trainer_create(&w->trainer, w->model, &options, w->stream, NULL), ASSAY_OK);
}

static void close_world(struct world *w)
{
    assay_trainer_destroy(w->trainer);
    assay_model_destroy(w->model);
    w->ops->device.stream_destroy(w->stream);
}

static void train(struct world *w, size_t from, size_t to)
{
    for (size_t step = from; step < to; step++) {
        int32_t ids[COUNT][LENGTH];
        uint8_t mask[COUNT][LENGTH];
        double logp[COUNT][LENGTH];
        struct assay_trajectory trajectories[COUNT];
        struct assay_update update;

        for (size_t i = 0; i < COUNT; i++) {
            for (size_t k = 0; k < LENGTH; k++) {
                ids[i][k] =
                        (int32_t)(formula_mix(step * COUNT + i, k) % w->model->config.vocab_size);
                mask[i][k] = k > 3;
                logp[i][k] = -2;
            }
            trajectories[i] = (struct assay_trajectory){
                    ids[i], mask[i], logp[i], NULL, LENGTH, 0, i == 0 ? 1.5 : -0.5};
        }
        assert_int_equal(
                assay_trainer_update(w->trainer, trajectories, COUNT, &update, NULL), ASSAY_OK);
    }
}

static void are_alike(struct world *a, struct world *b, enum assay_moment which)
{
    const size_t count = (size_t)a->model->params.element_count;
    float *of_a = calloc(count, sizeof(*of_a)), *of_b = calloc(count, sizeof(*of_b));

    assert_true(of_a && of_b);
    assert_int_equal(assay_trainer_collect(a->trainer, which, of_a, NULL), ASSAY_OK);
    assert_int_equal(assay_trainer_collect(b->trainer, which, of_b, NULL), ASSAY_OK);
    assert_memory_equal(of_a, of_b, count * sizeof(*of_a));
    free(of_b);
    free(of_a);
}

static void training_goes_on_bit_for_bit(void **state)
{
    static const char *const configs[] = {
            "tests/golden/models/minimax_m1.json", "tests/golden/models/qwen3.json"};
    const struct assay_temp *temp = *state;

    for (size_t c = 0; c < 2; c++) {
        struct world whole, first, second;
        struct assay_checkpoint made, again;
        char dir[128];
        size_t bytes;

        (void)snprintf(dir, sizeof(dir), "%s/%zu", temp->path, c);
        open_world(&whole, configs[c]);
        train(&whole, 0, 70); // past the ring of norms
        open_world(&first, configs[c]);
        train(&first, 0, 66);
        assert_int_equal(
                assay_checkpoint_write(&made, first.model, first.trainer, first.stream, dir, NULL),
                ASSAY_OK);
        assert_int_equal(assay_checkpoint_write( // over an earlier one that was not recorded
                                 &again, first.model, first.trainer, first.stream, dir, NULL),
                ASSAY_OK);
        assert_memory_equal(&made, &again, sizeof(made));
        open_world(&second, configs[c]);
        train(&second, 0, 1); // whatever it was
        assert_int_equal(assay_checkpoint_read(
                                 second.model, second.trainer, second.stream, dir, &made, NULL),
                ASSAY_OK);
        train(&second, 66, 70);
        bytes = whole.model->params.element_count * sizeof(float);
        assert_memory_equal(whole.model->params.weights, second.model->params.weights, bytes);
        are_alike(&whole, &second, ASSAY_MOMENT_FIRST);
        are_alike(&whole, &second, ASSAY_MOMENT_SECOND);
        assert_memory_equal(assay_trainer_counts(whole.trainer),
                assay_trainer_counts(second.trainer), sizeof(struct assay_trainer_counts));
        close_world(&whole);
        close_world(&first);
        close_world(&second);
    }
}

static void a_wrong_checkpoint_is_refused_by_name(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_checkpoint made;
    struct assay_error err = {0};
    struct world w, other;
    char dir[128], path[160];

    (void)snprintf(dir, sizeof(dir), "%s/c", temp->path);
    (void)snprintf(path, sizeof(path), "%s/optimizer.safetensors", dir);
    open_world(&w, "tests/golden/models/qwen3.json");
    train(&w, 0, 1);
    assert_int_equal(
            assay_checkpoint_read(w.model, w.trainer, w.stream, dir, &made, &err), ASSAY_ENOTFOUND);
    assert_int_equal(
            assay_checkpoint_write(&made, w.model, w.trainer, w.stream, dir, NULL), ASSAY_OK);
    open_world(&other, "tests/golden/models/minimax_m1.json");
    assert_int_equal(
            assay_checkpoint_read(other.model, other.trainer, other.stream, dir, &made, &err),
            ASSAY_EINVAL);
    close_world(&other);
    assert_int_equal(truncate(path, 100000), 0);
    assert_int_equal(
            assay_checkpoint_read(w.model, w.trainer, w.stream, dir, &made, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "optimizer.safetensors is not the file that was written"));
    close_world(&w);
}

// A limit on the size of files stands for a full disk.
static void a_full_disk_is_an_error_and_loses_nothing(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_checkpoint made, none;
    struct assay_error err = {0};
    struct rlimit before, small;
    struct world w;
    char dir[128], next[128];

    (void)snprintf(dir, sizeof(dir), "%s/1", temp->path);
    (void)snprintf(next, sizeof(next), "%s/2", temp->path);
    open_world(&w, "tests/golden/models/qwen3.json");
    assert_int_equal(
            assay_checkpoint_write(&made, w.model, w.trainer, w.stream, dir, NULL), ASSAY_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = w.model->params.element_count * 6; // the weights fit, the moments do not
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(
            assay_checkpoint_write(&none, w.model, w.trainer, w.stream, next, &err), ASSAY_EIO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(
            assay_checkpoint_read(w.model, w.trainer, w.stream, dir, &made, NULL), ASSAY_OK);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    training_goes_on_bit_for_bit, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    a_wrong_checkpoint_is_refused_by_name, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(a_full_disk_is_an_error_and_loses_nothing,
                    assay_temp_setup, assay_temp_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
