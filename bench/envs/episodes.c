// SPDX-License-Identifier: MIT
// episodes - resets, actions, forks, and how many episodes live at once.
//
//     benches/episodes [--json] [--alive N]
//
// The repository has 10,000 files. An action's overhead is what a step takes beyond the same
// program spawned plainly (posix_spawn and wait), both taking turns (A B A B). "at once": N
// episodes are reset, each does an action, all of them live when the last one does.
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "envs/episode.h"

#define DIRECTORIES 100
#define FILES 100 // in each
#define RESETS 100
#define ACTIONS 400
#define FORKS 16
#define FORK_ROUNDS 20
#define ALIVE_DEFAULT 256
#define ALIVE_MAX 4096
#define RATE_MS 4000
#define THREADS_MAX 16

struct bench {
    char folder[32];
    struct assay_sandbox *sandbox;
    struct assay_depot *depot;
    struct assay_instance instance;
    struct assay_recipe recipe;
    struct assay_environment environment;
    struct assay_episode_place place;
    bool json;
};

static const struct assay_action action_true = {"bash", "{\"command\": \"/bin/true\"}"};

// --- the repository ------------------------------------------------------------------------------

static bool make_tree(const struct bench *b)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/src", b->folder);
    if (mkdir(path, 0755) != 0)
        return false;
    for (int d = 0; d < DIRECTORIES; d++) {
        (void)snprintf(path, sizeof(path), "%s/src/d%d", b->folder, d);
        if (mkdir(path, 0755) != 0)
            return false;
        for (int f = 0; f < FILES; f++) {
            FILE *out = NULL;

            (void)snprintf(path, sizeof(path), "%s/src/d%d/f%d.py", b->folder, d, f);
            out = fopen(path, "w");
            if (out == NULL)
                return false;
            fprintf(out, "def f():\n    return %d\n", d * FILES + f);
            if (fclose(out) != 0)
                return false;
        }
    }
    return true;
}

static bool start(struct bench *b, struct assay_error *err)
{
    static char program[4096];
    const struct assay_sandbox_options options = {
            .box_program = program, .tier_min = ASSAY_TIER_C, .boxes_per_cpu = 1};
    const struct assay_strings none = {NULL, 0};
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    char path[64];
    uid_t uid = 0;
    gid_t gid = 0;
    enum assay_status status;

    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    status = assay_sandbox_start(&b->sandbox, &options, err);
    if (status != ASSAY_OK)
        return false;
    (void)snprintf(b->folder, sizeof(b->folder), "/tmp/assay-episodes-XXXXXX");
    if (mkdtemp(b->folder) == NULL || chmod(b->folder, 0755) != 0 || !make_tree(b))
        return false;
    assay_sandbox_store_ids(&uid, &gid);
    (void)snprintf(path, sizeof(path), "%s/home", b->folder);
    status = assay_depot_open(&b->depot, path, uid, gid, err);
    (void)snprintf(path, sizeof(path), "%s/src", b->folder);
    if (status == ASSAY_OK)
        status = assay_depot_add_dir(b->depot, path, &none, b->instance.tree, err);
    b->instance.instance_id = "bench-1";
    b->instance.limits = (struct assay_instance_limits){
            .wall_ms = 600000, .cpu_ms = 600000, .memory_bytes = UINT64_C(64) << 20};
    b->recipe = (struct assay_recipe){.name = "host", .base = "host", .workdir = "/testbed"};
    b->environment.host_usr = true;
    b->place = (struct assay_episode_place){.sandbox = b->sandbox,
            .depot = b->depot,
            .instance = &b->instance,
            .recipe = &b->recipe,
            .environment = &b->environment};
    return status == ASSAY_OK;
}

static void stop(struct bench *b)
{
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_depot_close(b->depot);
    assay_sandbox_stop(b->sandbox);
    if (fd >= 0 && b->folder[0] != '\0' &&
            assay_fs_remove_tree(fd, b->folder + strlen("/tmp/"), NULL) != ASSAY_OK)
        (void)fprintf(stderr, "episodes: %s is left\n", b->folder);
    if (fd >= 0)
        close(fd);
}

// --- figures -------------------------------------------------------------------------------------

static int compare_u64(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void print_figure(const struct bench *b, const char *metric, double value, const char *unit,
        const char *spread, const char *bound, bool met)
{
    struct assay_json_writer w;
    struct assay_buf buf;

    if (!b->json) {
        (void)printf("%-52s %10.2f %-10s %s%s%s\n", metric, value, unit, spread,
                bound != NULL ? ", bound " : "", bound != NULL ? bound : "");
        return;
    }
    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "episodes");
    assay_json_put_text(&w, "metric", metric);
    assay_json_put_double(&w, "value", value);
    assay_json_put_text(&w, "unit", unit);
    assay_json_put_text(&w, "spread", spread);
    assay_json_put_null(&w, "peer");
    assay_json_put_null(&w, "peer_value");
    assay_json_put_null(&w, "ratio");
    assay_json_put_text(&w, "bound", bound);
    if (bound != NULL)
        assay_json_put_bool(&w, "met", met);
    else
        assay_json_put_null(&w, "met");
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

static double at_ms(const uint64_t *us, size_t index)
{
    return (double)us[index] / 1e3;
}

// Sorts the samples. *spread has room for 64 bytes.
static double median_ms(uint64_t *us, size_t count, char *spread)
{
    qsort(us, count, sizeof(*us), compare_u64);
    (void)snprintf(spread, 64, "p25..p75 %.2f..%.2f, p99 %.2f", at_ms(us, count / 4),
            at_ms(us, count * 3 / 4), at_ms(us, count * 99 / 100));
    return at_ms(us, count / 2);
}

// --- what is measured ----------------------------------------------------------------------------

static struct assay_episode *reset(const struct bench *b, bool fresh)
{
    const struct assay_episode_options options = {
            .limits = {.turns_max = ASSAY_EPISODE_TURNS_MAX}, .fresh = fresh};
    struct assay_episode *episode = NULL;
    struct assay_error err = {0};

    if (assay_episode_reset(&episode, &b->place, &options, &err) == ASSAY_OK)
        return episode;
    (void)fprintf(stderr, "episodes: %s\n", err.message);
    return NULL;
}

static bool act(struct assay_episode *episode)
{
    struct assay_observation seen;
    struct assay_error err = {0};
    bool fine = false;

    if (assay_episode_step(episode, &action_true, &seen, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "episodes: %s\n", err.message);
        return false;
    }
    fine = seen.ran && seen.box_cause == ASSAY_BOX_EXITED && seen.exit_code == 0;
    assay_observation_release(&seen);
    return fine;
}

static bool spawn_true(void)
{
    char name[] = "/bin/true", path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {name, NULL}, *environment[] = {path, NULL};
    int status = 0;
    pid_t pid = -1;

    return posix_spawn(&pid, name, NULL, NULL, argv, environment) == 0 &&
            waitpid(pid, &status, 0) == pid && status == 0;
}

static bool measure_resets(const struct bench *b)
{
    uint64_t us[RESETS];
    char spread[64];
    double ms = 0;

    for (int i = -3; i < RESETS; i++) {
        const uint64_t before_us = assay_clock_us();
        struct assay_episode *episode = reset(b, false);

        if (episode == NULL)
            return false;
        if (i >= 0)
            us[i] = assay_clock_us() - before_us;
        assay_episode_close(episode);
    }
    ms = median_ms(us, RESETS, spread);
    print_figure(b, "reset of 10,000 files, median", ms, "ms", spread, "<= 10", ms <= 10);
    return true;
}

static bool measure_actions(const struct bench *b, bool fresh)
{
    static uint64_t step_us[ACTIONS], plain_us[ACTIONS];
    struct assay_episode *episode = reset(b, fresh);
    char spread[64], plain_spread[64];
    double over_ms = 0;
    bool fine = episode != NULL && act(episode);

    for (size_t i = 0; i < ACTIONS && fine; i++) {
        uint64_t before_us = assay_clock_us();

        fine = spawn_true();
        plain_us[i] = assay_clock_us() - before_us;
        before_us = assay_clock_us();
        fine = fine && act(episode);
        step_us[i] = assay_clock_us() - before_us;
    }
    assay_episode_close(episode);
    if (!fine)
        return false;
    over_ms = median_ms(step_us, ACTIONS, spread) - median_ms(plain_us, ACTIONS, plain_spread);
    print_figure(b,
            fresh ? "action /bin/true, fresh: over its own time, median"
                  : "action /bin/true, shell: over its own time, median",
            over_ms, "ms", spread, "<= 1.5", over_ms <= 1.5);
    return true;
}

// What a group of samples costs without any fork.
static bool measure_group(const struct bench *b)
{
    struct assay_episode *group[FORKS] = {NULL};
    uint64_t us[FORK_ROUNDS];
    char spread[64];
    double ms = 0;
    bool fine = true;

    for (size_t round = 0; round < FORK_ROUNDS && fine; round++) {
        const uint64_t before_us = assay_clock_us();

        for (size_t i = 0; i < FORKS && fine; i++) {
            group[i] = reset(b, true);
            fine = group[i] != NULL;
        }
        us[round] = assay_clock_us() - before_us;
        for (size_t i = 0; i < FORKS; i++) {
            assay_episode_close(group[i]);
            group[i] = NULL;
        }
    }
    if (!fine)
        return false;
    ms = median_ms(us, FORK_ROUNDS, spread);
    print_figure(b, "16 resets of one instance, median", ms, "ms", spread, "<= 25", ms <= 25);
    return true;
}

static bool measure_forks(const struct bench *b)
{
    struct assay_episode *forks[FORKS] = {NULL};
    uint64_t us[FORK_ROUNDS];
    char spread[64];
    double ms = 0;
    bool fine = true;

    for (size_t round = 0; round < FORK_ROUNDS && fine; round++) {
        struct assay_episode *episode = reset(b, true);
        uint64_t before_us = 0;

        fine = episode != NULL && act(episode);
        before_us = assay_clock_us();
        for (size_t i = 0; i < FORKS && fine; i++)
            fine = assay_episode_fork(&forks[i], episode, 1, NULL, NULL) == ASSAY_OK;
        us[round] = assay_clock_us() - before_us;
        for (size_t i = 0; i < FORKS; i++) {
            assay_episode_close(forks[i]);
            forks[i] = NULL;
        }
        assay_episode_close(episode);
    }
    if (!fine)
        return false;
    ms = median_ms(us, FORK_ROUNDS, spread);
    print_figure(b, "16 forks of one episode, median", ms, "ms", spread, "<= 25", ms <= 25);
    return true;
}

// --- many at once --------------------------------------------------------------------------------

struct crowd {
    struct assay_episode **episodes;
    size_t count, threads;
    uint64_t deadline_ms;
};
struct worker {
    const struct crowd *crowd;
    size_t index, done;
    bool fine;
    pthread_t thread;
};

// Each thread goes round its own episodes.
static void *work(void *user)
{
    struct worker *w = user;
    const struct crowd *crowd = w->crowd;

    w->fine = true;
    for (size_t i = w->index; w->fine && assay_clock_left_ms(crowd->deadline_ms) > 0;
            i = i + crowd->threads < crowd->count ? i + crowd->threads : w->index) {
        w->fine = act(crowd->episodes[i]);
        w->done++;
    }
    return NULL;
}

static bool measure_rate(const struct bench *b, struct crowd *crowd)
{
    struct worker workers[THREADS_MAX];
    const uint64_t begin_us = assay_clock_us();
    size_t done = 0, started = 0;
    char spread[64];
    double rate = 0;
    bool fine = true;

    crowd->threads = 8;
    crowd->deadline_ms = assay_clock_ms() + RATE_MS;
    for (; started < crowd->threads; started++) {
        workers[started] = (struct worker){.crowd = crowd, .index = started};
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
        fine = fine && workers[i].fine;
    }
    rate = (double)done / ((double)(assay_clock_us() - begin_us) / 1e6);
    (void)snprintf(spread, sizeof(spread), "%zu episodes, %zu threads, %zu actions", crowd->count,
            started, done);
    print_figure(b, "actions of /bin/true in all", rate, "/s", spread, ">= 500", rate >= 500);
    return fine;
}

static bool measure_crowd(const struct bench *b, size_t alive)
{
    struct crowd crowd = {.episodes = calloc(alive, sizeof(struct assay_episode *))};
    const uint64_t begin_us = assay_clock_us();
    char spread[64], bound[32];
    bool fine = crowd.episodes != NULL;

    for (; fine && crowd.count < alive; crowd.count++) {
        crowd.episodes[crowd.count] = reset(b, true);
        fine = crowd.episodes[crowd.count] != NULL && act(crowd.episodes[crowd.count]);
    }
    (void)snprintf(spread, sizeof(spread), "reset and first action: %.1f s in all",
            (double)(assay_clock_us() - begin_us) / 1e6);
    (void)snprintf(bound, sizeof(bound), ">= %zu", alive);
    print_figure(b, "episodes alive at once", (double)crowd.count, "episodes", spread, bound, fine);
    if (fine)
        fine = measure_rate(b, &crowd);
    for (size_t i = 0; crowd.episodes != NULL && i < alive; i++)
        assay_episode_close(crowd.episodes[i]);
    free(crowd.episodes);
    return fine;
}

int main(int argc, char **argv)
{
    struct bench bench = {.sandbox = NULL};
    struct assay_error err = {0};
    size_t alive = ALIVE_DEFAULT;
    bool fine = false;

    for (int i = 1; i < argc; i++) {
        bench.json = bench.json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--alive") == 0 && i + 1 < argc)
            alive = strtoul(argv[++i], NULL, 10);
    }
    if (alive == 0 || alive > ALIVE_MAX)
        return 2;
    fine = start(&bench, &err);
    if (!fine)
        (void)fprintf(stderr, "episodes: %s\n", err.message);
    fine = fine && measure_resets(&bench) && measure_actions(&bench, false) &&
            measure_actions(&bench, true) && measure_group(&bench) && measure_forks(&bench) &&
            measure_crowd(&bench, alive);
    stop(&bench);
    return fine ? 0 : 1;
}
