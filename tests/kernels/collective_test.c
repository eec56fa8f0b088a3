// SPDX-License-Identifier: MIT
// What must hold: a process finds its place among ranks as its launcher told it; sums of ranks are
// made in rank order to the bit, whatever the ranges and whatever joins them; who is late or gone
// is named, by everybody; a board serves one group; nobody comes without the secret.
#include "kernels/collective.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "kernels/gpu.h"
#include "support/harness.h"

enum { COUNT = 150001, WORLD = 3, DEADLINE_MS = 60000, PATH_BYTES = 64 };
#define SECRET "what all ranks of the test know"

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
        const char *says; // of an error
    } rows[] = {{{{{NULL, NULL}}}, ASSAY_OK, 0, 1, NULL},
            {{{{"RANK", "1"}, {"WORLD_SIZE", "2"}}}, ASSAY_OK, 1, 2, NULL},
            {{{{"SLURM_PROCID", "7"}, {"SLURM_NTASKS", "8"}}}, ASSAY_OK, 7, 8, NULL},
            {{{{"SLURM_NTASKS", "8"}}}, ASSAY_OK, 0, 1, NULL}, // an allocation: srun was not typed
            {{{{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "4"}}}, ASSAY_OK, 0, 4,
                    NULL},
            {{{{"PMIX_RANK", "3"}, {"PMIX_SIZE", "4"}}}, ASSAY_OK, 3, 4, NULL},
            {{{{"PMIX_RANK", "3"}, {"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "4"}}}, ASSAY_OK, 3, 4,
                    NULL},
            {{{{"PMIX_RANK", "3"}, {"ASSAY_WORLD", "4"}}}, ASSAY_OK, 3, 4, NULL},
            {{{{"JOB_COMPLETION_INDEX", "2"}, {"JOB_COMPLETIONS", "3"}}}, ASSAY_OK, 2, 3, NULL},
            {{{{"JOB_COMPLETION_INDEX", "2"}, {"ASSAY_WORLD", "3"}}}, ASSAY_OK, 2, 3, NULL},
            {{{{"JOB_COMPLETION_INDEX", "2"}, {"WORLD_SIZE", "3"}}}, ASSAY_OK, 2, 3, NULL},
            // mpirun inside Slurm: a process is Open MPI's, a node is Slurm's.
            {{{{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"SLURM_PROCID", "0"},
                     {"SLURM_NTASKS", "2"}}},
                    ASSAY_OK, 2, 4, NULL},
            // Ours settle what others say.
            {{{{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"ASSAY_RANK", "0"}, {"ASSAY_WORLD", "5"}}},
                    ASSAY_OK, 0, 5, NULL},
            {{{{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}}},
                    ASSAY_EINVAL, 0, 0,
                    "SLURM_PROCID=0 of SLURM_NTASKS=2 and RANK=1 of WORLD_SIZE=2"},
            {{{{"ASSAY_RANK", "0"}}}, ASSAY_EINVAL, 0, 0,
                    "ASSAY_RANK is set and ASSAY_WORLD is not"},
            {{{{"ASSAY_WORLD", "2"}}}, ASSAY_EINVAL, 0, 0,
                    "ASSAY_WORLD is set and ASSAY_RANK is not"},
            {{{{"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0, "WORLD_SIZE is set and RANK is not"},
            {{{{"JOB_COMPLETION_INDEX", "2"}}}, ASSAY_EINVAL, 0, 0, "JOB_COMPLETIONS is not"},
            {{{{"RANK", "2"}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0, "RANK=2"},
            {{{{"RANK", "-1"}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0, "RANK=-1"},
            {{{{"RANK", "0x1"}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0, "RANK=0x1"},
            {{{{"RANK", ""}, {"WORLD_SIZE", "2"}}}, ASSAY_EINVAL, 0, 0, "RANK="},
            {{{{"RANK", "0"}, {"WORLD_SIZE", "65"}}}, ASSAY_EINVAL, 0, 0, "1 to 64"},
            {{{{"RANK", "0"}, {"WORLD_SIZE", "99999999999999999999"}}}, ASSAY_EINVAL, 0, 0,
                    "1 to 64"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct variables variables = rows[i].variables;
        struct assay_ranks ranks = {0};
        struct assay_error err = {0};

        print_message("row %zu\n", i);
        assert_int_equal(assay_ranks_find(&ranks, look, &variables, &err), rows[i].status);
        assert_int_equal(ranks.rank, rows[i].rank);
        assert_int_equal(ranks.world, rows[i].world);
        if (rows[i].says && !strstr(err.message, rows[i].says))
            fail_msg("%s", err.message);
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
    float *data;       // [COUNT]: what this rank adds, then the sums
    const float *onto; // [COUNT]: what sums begin with; NULL: nothing
    char bytes[WORLD * WORLD];
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
    const uint32_t rank = m->options.ranks.rank, mine = 100 + rank;
    const struct assay_sum sum = {.data = m->data,
            .onto = m->onto ? m->onto + m->bounds[rank] : NULL,
            .bounds = m->bounds};
    // 1, 2, 3 bytes: theirs come, the own ones stay.
    const uint64_t bytes[] = {0, 1, 3, 6};

    m->status = ops->device.stream_create(&stream, &one, &m->err);
    if (m->status == ASSAY_OK)
        m->status = assay_collective_create(&group, &m->options, &m->err);
    if (m->status == ASSAY_OK)
        m->status = assay_collective_reduce_scatter(group, ops, &sum, stream, &m->err);
    if (m->status == ASSAY_OK)
        m->status = assay_collective_all_gather(
                group, ops, m->data, sizeof(float), m->bounds, stream, &m->err);
    if (m->status == ASSAY_OK)
        m->status = assay_collective_share(group, m->shared, &mine, sizeof(mine), &m->err);
    memset(m->bytes + bytes[rank], 'a' + (int)rank, (size_t)(bytes[rank + 1] - bytes[rank]));
    if (m->status == ASSAY_OK)
        m->status = assay_collective_gather(group, m->bytes, bytes, &m->err);
    assay_collective_destroy(group);
    ops->device.stream_destroy(stream);
    return NULL;
}

// Uneven, one of them empty; and one that takes many pieces.
static const uint64_t ranges[][WORLD + 1] = {
        {0, 5, 5, COUNT}, {0, COUNT - 1, COUNT, COUNT}, {0, 50000, 100000, COUNT}};

static void run_members(
        const struct assay_collective_options *options, const uint64_t *bounds, bool onto)
{
    struct member members[WORLD];
    pthread_t threads[WORLD];
    float *want = calloc(COUNT, sizeof(*want)), *begun = calloc(COUNT, sizeof(*begun));
    struct assay_rng rng;

    assay_rng_seed(&rng, 3, 1);
    assert_true(want && begun);
    for (size_t i = 0; i < COUNT; i++)
        want[i] = begun[i] = onto ? (float)(assay_rng_unit(&rng) * 1e6) : 0;
    for (uint32_t r = 0; r < WORLD; r++) {
        members[r] = (struct member){.options = *options,
                .bounds = bounds,
                .data = calloc(COUNT, sizeof(float)),
                .onto = onto ? begun : NULL};
        members[r].options.ranks = (struct assay_ranks){r, WORLD};
        assert_non_null(members[r].data);
        for (size_t i = 0; i < COUNT; i++) {
            members[r].data[i] = (float)(assay_rng_unit(&rng) * 1e6 - 5e5);
            want[i] = r == 0 && !onto ? members[r].data[i] : want[i] + members[r].data[i];
        }
    }
    for (uint32_t r = 0; r < WORLD; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, take_part, &members[r]), 0);
    for (uint32_t r = 0; r < WORLD; r++)
        assert_int_equal(pthread_join(threads[r], NULL), 0);
    for (uint32_t r = 0; r < WORLD; r++) {
        if (members[r].status != ASSAY_OK)
            fail_msg("rank %u: %s", r, members[r].err.message);
        assert_memory_equal(members[r].data, want, COUNT * sizeof(float));
        for (uint32_t other = 0; other < WORLD; other++)
            assert_int_equal(members[r].shared[other], 100 + other);
        assert_memory_equal(members[r].bytes, "abbccc", 6);
        free(members[r].data);
    }
    free(begun);
    free(want);
}

static void sums_are_in_rank_order(void **state)
{
    (void)state;
    for (size_t b = 0; b < 6; b++) {
        char path[PATH_BYTES];
        const struct assay_collective_options options = {.board = path, .deadline_ms = DEADLINE_MS};

        make_path(path);
        run_members(&options, ranges[b / 2], b % 2 == 1);
        (void)unlink(path);
    }
}

// --- over connections ---------------------------------------------------------------------------

// A port that nobody listens on, outside of those that the kernel gives away.
static void find_port(char master[PATH_BYTES])
{
    const int yes = 1;

    for (unsigned i = 0; i < 1000; i++) {
        const uint16_t port = (uint16_t)(10000 + ((unsigned)getpid() * 7 + i) % 20000);
        const struct sockaddr_in at = {.sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool free_port;

        assert_true(fd >= 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        free_port = bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
        (void)close(fd);
        if (!free_port)
            continue;
        (void)snprintf(master, PATH_BYTES, "127.0.0.1:%u", port);
        return;
    }
    fail_msg("no port is free");
}

static void connections_give_the_same_sums(void **state)
{
    (void)state;
    for (size_t b = 0; b < 6; b++) {
        char master[PATH_BYTES];
        const struct assay_collective_options options = {
                .master = master, .secret = SECRET, .deadline_ms = DEADLINE_MS};

        find_port(master);
        run_members(&options, ranges[b / 2], b % 2 == 1);
    }
}

static void *come(void *user)
{
    struct member *m = user;
    struct assay_collective *group = NULL;
    const uint32_t mine = 1;
    uint32_t all[WORLD];

    m->status = assay_collective_create(&group, &m->options, &m->err);
    if (m->status == ASSAY_OK && m->data) // who has none leaves
        m->status = assay_collective_share(group, all, &mine, sizeof(mine), &m->err);
    assay_collective_destroy(group);
    return NULL;
}

static void come_all(struct member *members, size_t count)
{
    pthread_t threads[WORLD + 1];

    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come, &members[i]), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

// Rank 1 leaves: rank 0 says so, and rank 2 says what rank 0 says.
static void everybody_names_who_has_left(void **state)
{
    char master[PATH_BYTES];
    float stays = 0;
    struct member members[WORLD];

    (void)state;
    find_port(master);
    for (uint32_t r = 0; r < WORLD; r++)
        members[r] = (struct member){.options = {.ranks = {r, WORLD},
                                             .master = master,
                                             .secret = SECRET,
                                             .deadline_ms = DEADLINE_MS},
                .data = r == 1 ? NULL : &stays};
    come_all(members, WORLD);
    assert_int_equal(members[1].status, ASSAY_OK);
    for (uint32_t r = 0; r < WORLD; r += 2) {
        assert_int_equal(members[r].status, ASSAY_EIO);
        if (!strstr(members[r].err.message, "rank 1 of 3 is gone before a gather"))
            fail_msg("rank %u: %s", r, members[r].err.message);
    }
}

// A stranger with another secret, one of a larger group and a second rank 1 are each told; rank 0
// waits on and names who is missing.
static void nobody_comes_without_the_secret(void **state)
{
    char master[PATH_BYTES];
    const struct assay_collective_options options = {.ranks = {1, WORLD},
            .master = master,
            .secret = "another secret of 16",
            .deadline_ms = 4000};
    struct member members[4];

    (void)state;
    find_port(master);
    for (size_t i = 0; i < 4; i++)
        members[i] = (struct member){.options = options};
    members[0].options.ranks.rank = 0;
    members[0].options.secret = SECRET;
    members[2].options.secret = SECRET;
    members[2].options.ranks.world = WORLD + 1;
    members[3].options.secret = SECRET;
    come_all(members, 4);
    assert_int_equal(members[0].status, ASSAY_ETIMEOUT);
    assert_non_null(strstr(members[0].err.message, "rank 2 of 3 did not come to 127.0.0.1"));
    assert_int_equal(members[1].status, ASSAY_EINVAL);
    assert_non_null(strstr(members[1].err.message, "another secret"));
    assert_int_equal(members[2].status, ASSAY_EINVAL);
    assert_non_null(strstr(members[2].err.message, "of a group of 3, not 4"));
    assert_int_equal(members[3].status, ASSAY_OK);
}

static void a_short_secret_or_a_strange_address_is_refused(void **state)
{
    static const struct {
        const char *master, *secret, *says;
    } rows[] = {{"127.0.0.1:1", "short", "16 characters or more"},
            {"127.0.0.1", SECRET, "is not host:port"}, {":80", SECRET, "is not host:port"},
            {"127.0.0.1:", SECRET, "is not host:port"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_collective_options options = {.ranks = {1, 2},
                .master = rows[i].master,
                .secret = rows[i].secret,
                .deadline_ms = 50};
        struct assay_collective *group = NULL;
        struct assay_error err = {0};

        assert_int_equal(assay_collective_create(&group, &options, &err), ASSAY_EINVAL);
        assert_null(group);
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s", err.message);
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
    struct assay_sum sum = {.bounds = bounds};
    enum assay_status status;

    (void)state;
    if (assay_ops_cuda(&ops, ASSAY_DTYPE_F32, &err) != ASSAY_OK)
        ASSAY_SKIP(err.message);
    for (size_t i = 0; i < 1000; i++)
        mine[i] = (float)i / 7;
    make_path(path);
    assert_int_equal(ops->device.stream_create(&stream, &one, NULL), ASSAY_OK);
    assert_int_equal(ops->device.alloc(&data, sizeof(mine), NULL), ASSAY_OK);
    sum.data = data;
    assert_int_equal(assay_collective_create(&group, &options, &err), ASSAY_OK);
    status = assay_collective_use_nccl(group, stream, &err);
    if (status == ASSAY_OK) {
        ops->device.upload(stream, data, mine, sizeof(mine));
        status = assay_collective_reduce_scatter(group, ops, &sum, stream, &err);
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
            cmocka_unit_test(connections_give_the_same_sums),
            cmocka_unit_test(everybody_names_who_has_left),
            cmocka_unit_test(nobody_comes_without_the_secret),
            cmocka_unit_test(a_short_secret_or_a_strange_address_is_refused),
            cmocka_unit_test(who_does_not_come_is_named),
            cmocka_unit_test(a_board_is_of_one_size),
            cmocka_unit_test(who_is_gone_is_named),
            cmocka_unit_test(nccl_serves_a_group_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
