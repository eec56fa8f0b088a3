// SPDX-License-Identifier: MIT
// What must hold: a process finds its place among ranks as its launcher told it; sums of ranks are
// made in rank order to the bit, whatever the ranges; who is late or gone is named; a board serves
// one group.
#include "kernels/collective.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "kernels/gpu.h"
#include "support/harness.h"

enum { COUNT = 150001, WORLD = 3, DEADLINE_MS = 60000, PATH_BYTES = 64 };

struct variables {
    const char *at[4][2];
};

static const char *look(void *user, const char *name)
{
    const struct variables *v = user;

    for (size_t i = 0; i < 4; i++)
        if (v->at[i][0] && strcmp(v->at[i][0], name) == 0)
            return v->at[i][1];
    return NULL;
}

static void a_process_finds_its_place(void **state)
{
    static const struct {
        struct variables variables;
        enum assay_status status;
        uint32_t rank, world;
    } rows[] = {{{{{NULL, NULL}}}, ASSAY_OK, 0, 1},
            {{{{"RANK", "1"}, {"WORLD_SIZE", "2"}}}, ASSAY_OK, 1, 2},
            {{{{"SLURM_PROCID", "7"}, {"SLURM_NTASKS", "8"}}}, ASSAY_OK, 7, 8},
            {{{{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "4"}}}, ASSAY_OK, 0, 4},
            {{{{"PMIX_RANK", "3"}, {"PMIX_SIZE", "4"}}}, ASSAY_OK, 3, 4},
            {{{{"JOB_COMPLETION_INDEX", "2"}, {"JOB_COMPLETIONS", "3"}}}, ASSAY_OK, 2, 3},
            // Ours before the launcher's.
            {{{{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"ASSAY_RANK", "0"}, {"ASSAY_WORLD", "5"}}},
                    ASSAY_OK, 0, 5},
            {{{{"ASSAY_RANK", "0"}}}, ASSAY_EINVAL, 0, 0},
            {{{{"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0},
            {{{{"RANK", "2"}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0},
            {{{{"RANK", "-1"}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0},
            {{{{"RANK", "0x1"}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0},
            {{{{"RANK", ""}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0},
            {{{{"RANK", "0"}, {"WORLD_SIZE", "65"}}}, ASSAY_EINVAL, 0, 0},
            {{{{"RANK", "0"}, {"WORLD_SIZE", "99999999999999999999"}}}, ASSAY_EINVAL, 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct variables variables = rows[i].variables;
        struct assay_ranks ranks = {0};

        assert_int_equal(assay_ranks_find(&ranks, look, &variables, NULL), rows[i].status);
        assert_int_equal(ranks.rank, rows[i].rank);
        assert_int_equal(ranks.world, rows[i].world);
    }
}

static void make_path(char path[PATH_BYTES])
{
    int fd;

    (void)snprintf(path, PATH_BYTES, "/tmp/assay-board-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
}

// --- ranks that are threads ---------------------------------------------------------------------

struct member {
    struct assay_collective_options options;
    const uint64_t *bounds;
    float *data; // [COUNT]: what this rank adds, then the sums
    uint32_t shared[WORLD];
    enum assay_status status;
    struct assay_error err;
};

static void *take_part(void *user)
{
    const struct assay_stream_options one = {.thread_count = 1};
    const struct assay_ops *ops = assay_ops_cpu(NULL);
    struct member *m = user;
    struct assay_collective *group = NULL;
    struct assay_stream *stream = NULL;
    const uint32_t mine = 100 + m->options.ranks.rank;

    m->status = ops->device.stream_create(&stream, &one, &m->err);
    if (m->status == ASSAY_OK)
        m->status = assay_collective_create(&group, &m->options, &m->err);
    if (m->status == ASSAY_OK)
        m->status =
                assay_collective_reduce_scatter(group, ops, m->data, m->bounds, stream, &m->err);
    if (m->status == ASSAY_OK)
        m->status = assay_collective_all_gather(
                group, ops, m->data, sizeof(float), m->bounds, stream, &m->err);
    if (m->status == ASSAY_OK)
        m->status = assay_collective_share(group, m->shared, &mine, sizeof(mine), &m->err);
    assay_collective_destroy(group);
    ops->device.stream_destroy(stream);
    return NULL;
}

static void sums_are_in_rank_order(void **state)
{
    // Uneven, one of them empty; and one that takes many pieces.
    static const uint64_t bounds[][WORLD + 1] = {
            {0, 5, 5, COUNT}, {0, COUNT - 1, COUNT, COUNT}, {0, 50000, 100000, COUNT}};
    struct assay_rng rng;

    (void)state;
    assay_rng_seed(&rng, 3, 1);
    for (size_t b = 0; b < 3; b++) {
        struct member members[WORLD];
        pthread_t threads[WORLD];
        float *want = calloc(COUNT, sizeof(*want));
        char path[PATH_BYTES];

        make_path(path);
        assert_non_null(want);
        for (uint32_t r = 0; r < WORLD; r++) {
            members[r] = (struct member){
                    .options = {.ranks = {r, WORLD}, .board = path, .deadline_ms = DEADLINE_MS},
                    .bounds = bounds[b],
                    .data = calloc(COUNT, sizeof(float))};
            assert_non_null(members[r].data);
            for (size_t i = 0; i < COUNT; i++) {
                members[r].data[i] = (float)(assay_rng_unit(&rng) * 1e6 - 5e5);
                want[i] = r == 0 ? members[r].data[i] : want[i] + members[r].data[i];
            }
        }
        for (uint32_t r = 0; r < WORLD; r++)
            assert_int_equal(pthread_create(&threads[r], NULL, take_part, &members[r]), 0);
        for (uint32_t r = 0; r < WORLD; r++)
            assert_int_equal(pthread_join(threads[r], NULL), 0);
        for (uint32_t r = 0; r < WORLD; r++) {
            if (members[r].status != ASSAY_OK)
                fail_msg("%s", members[r].err.message);
            assert_memory_equal(members[r].data, want, COUNT * sizeof(float));
            for (uint32_t other = 0; other < WORLD; other++)
                assert_int_equal(members[r].shared[other], 100 + other);
            free(members[r].data);
        }
        free(want);
        (void)unlink(path);
    }
}

// --- trouble ------------------------------------------------------------------------------------

static void who_does_not_come_is_named(void **state)
{
    struct assay_collective *group = NULL;
    struct assay_error err = {0};
    char path[PATH_BYTES];
    const struct assay_collective_options options = {
            .ranks = {0, 2}, .board = path, .deadline_ms = 50};

    (void)state;
    make_path(path);
    assert_int_equal(assay_collective_create(&group, &options, &err), ASSAY_ETIMEOUT);
    assert_non_null(strstr(err.message, "rank 1 of 2"));
    // The board has seen a group: it serves no other.
    assert_int_equal(assay_collective_create(&group, &options, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "rank 0 is there already"));
    (void)unlink(path);
}

static void a_board_is_of_one_size(void **state)
{
    struct assay_collective *group = NULL;
    struct assay_error err = {0};
    char path[PATH_BYTES];
    struct assay_collective_options options = {
            .ranks = {0, 1}, .board = path, .deadline_ms = DEADLINE_MS};

    (void)state;
    make_path(path);
    assert_int_equal(assay_collective_create(&group, &options, &err), ASSAY_OK);
    options.ranks = (struct assay_ranks){1, 2};
    struct assay_collective *other = NULL;
    assert_int_equal(assay_collective_create(&other, &options, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "of a group of 1, not 2"));
    assay_collective_destroy(group);
    (void)unlink(path);
}

// Rank 1 is a process that comes and dies: rank 0 need not wait for the deadline.
static void who_is_gone_is_named(void **state)
{
    char path[PATH_BYTES];
    struct assay_collective_options options = {
            .ranks = {1, 2}, .board = path, .deadline_ms = DEADLINE_MS};
    struct assay_collective *group = NULL;
    struct assay_error err = {0};
    uint32_t mine = 7, all[2];
    int status = 0;
    pid_t child;

    (void)state;
    make_path(path);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        status = (int)assay_collective_create(&group, &options, NULL);
        _exit(status);
    }
    options.ranks.rank = 0;
    assert_int_equal(assay_collective_create(&group, &options, &err), ASSAY_OK);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(assay_collective_share(group, all, &mine, sizeof(mine), &err), ASSAY_EIO);
    assert_non_null(strstr(err.message, "rank 1 of 2"));
    assert_non_null(strstr(err.message, "is gone"));
    assay_collective_destroy(group);
    (void)unlink(path);
}

// --- NCCL, where there is a GPU and the library -------------------------------------------------

static void nccl_serves_a_group_of_one(void **state)
{
    static const uint64_t bounds[] = {0, 1000};
    const struct assay_stream_options one = {0};
    char path[PATH_BYTES];
    const struct assay_collective_options options = {
            .ranks = {0, 1}, .board = path, .deadline_ms = DEADLINE_MS};
    const struct assay_ops *ops = NULL;
    struct assay_collective *group = NULL;
    struct assay_stream *stream = NULL;
    struct assay_error err = {0};
    float mine[1000], got[1000];
    void *data = NULL;
    enum assay_status status;

    (void)state;
    if (assay_ops_cuda(&ops, ASSAY_DTYPE_F32, &err) != ASSAY_OK)
        ASSAY_SKIP(err.message);
    for (size_t i = 0; i < 1000; i++)
        mine[i] = (float)i / 7;
    make_path(path);
    assert_int_equal(ops->device.stream_create(&stream, &one, NULL), ASSAY_OK);
    assert_int_equal(ops->device.alloc(&data, sizeof(mine), NULL), ASSAY_OK);
    assert_int_equal(assay_collective_create(&group, &options, &err), ASSAY_OK);
    status = assay_collective_use_nccl(group, stream, &err);
    if (status == ASSAY_OK) {
        ops->device.upload(stream, data, mine, sizeof(mine));
        status = assay_collective_reduce_scatter(group, ops, data, bounds, stream, &err);
    }
    if (status == ASSAY_OK)
        status = assay_collective_all_gather(group, ops, data, sizeof(float), bounds, stream, &err);
    ops->device.download(stream, got, data, sizeof(got));
    assert_int_equal(ops->device.sync(stream, NULL), ASSAY_OK);
    assay_collective_destroy(group);
    ops->device.release(data);
    ops->device.stream_destroy(stream);
    (void)unlink(path);
    if (status == ASSAY_ENOTFOUND)
        ASSAY_SKIP(err.message);
    if (status != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_memory_equal(got, mine, sizeof(mine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_process_finds_its_place),
            cmocka_unit_test(sums_are_in_rank_order),
            cmocka_unit_test(who_does_not_come_is_named),
            cmocka_unit_test(a_board_is_of_one_size),
            cmocka_unit_test(who_is_gone_is_named),
            cmocka_unit_test(nccl_serves_a_group_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
