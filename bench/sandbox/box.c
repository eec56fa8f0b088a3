// SPDX-License-Identifier: MIT
// box - what a fresh box costs: create, exec /bin/true, everything reaped. Beside bubblewrap.
//
//     benches/box [--json] [--rounds N] [--seconds N]
//
// Ours is a full box: an overlay over a tree of 3,000 files, the host's /usr,
// limits, seccomp, accounting. bwrap gets --unshare-all and read-only /usr,
// /proc, /dev and a tmpfs: no overlay, no limits, no seccomp. Both are started
// in turns (A B A B), one at a time, then two at once; the clock is ours. Then two at once without
// a pause for so many seconds (10; 0: not at all), with network namespaces that are used again and
// with a new one each: the spawner's preparations are in that rate, as is its clearing away. crun,
// where the host lets it run, is given what bwrap is given.
#include "sandbox/box.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include "bench/sandbox/crun.h"

#define FILES 3000
#define FILES_IN_FOLDER 100
#define BATCH 40 // runs in a row before the other's turn
#define ROUNDS_DEFAULT 12
#define ROUNDS_MAX 1000
#define THREADS 2
#define SECONDS_DEFAULT 10
#define SECONDS_MAX 3600

struct samples {
    uint64_t *us; // owned
    size_t count;
    double per_s; // of the runs two at once
    double sustained_per_s;
};

struct bench {
    struct assay_sandbox *sandbox;
    struct assay_sandbox *fresh; // with a new network namespace for each box
    struct assay_box_plan plan;
    bool has_bwrap, has_crun;
    uint64_t seconds;
};

// --- the tree ------------------------------------------------------------------------------------

static bool make_file(int dir_fd, const char *path, uid_t uid, gid_t gid)
{
    static const char text[] = "def answer():\n    return 42\n";
    const int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    const bool made = fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1 &&
            fchown(fd, uid, gid) == 0;

    if (fd >= 0)
        close(fd);
    return made;
}

static bool make_tree(const char *path)
{
    uid_t uid = 0;
    gid_t gid = 0;
    const int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool made = dir_fd >= 0;
    char name[64];

    assay_sandbox_store_ids(&uid, &gid);
    made = made && fchown(dir_fd, uid, gid) == 0;
    for (int i = 0; made && i < FILES; i++) {
        if (i % FILES_IN_FOLDER == 0) {
            (void)snprintf(name, sizeof(name), "package%d", i / FILES_IN_FOLDER);
            made = mkdirat(dir_fd, name, 0755) == 0 && fchownat(dir_fd, name, uid, gid, 0) == 0;
        }
        (void)snprintf(name, sizeof(name), "package%d/module%d.py", i / FILES_IN_FOLDER, i);
        made = made && make_file(dir_fd, name, uid, gid);
    }
    if (dir_fd >= 0)
        close(dir_fd);
    return made;
}

// --- the two sides -------------------------------------------------------------------------------

static bool run_in(struct assay_sandbox *sandbox, const struct bench *bench)
{
    struct assay_box_result result;
    bool fine = false;

    if (assay_box_run(sandbox, &bench->plan, &result, NULL) != ASSAY_OK)
        return false;
    fine = result.cause == ASSAY_BOX_EXITED && result.exit_code == 0;
    if (!fine)
        (void)fprintf(stderr, "box: %s, step %s, errno %d\n", assay_box_cause_name(result.cause),
                result.step, result.sys_errno);
    assay_box_result_release(&result);
    return fine;
}

static bool run_ours(const struct bench *bench)
{
    return run_in(bench->sandbox, bench);
}

static bool run_fresh(const struct bench *bench)
{
    return run_in(bench->fresh, bench);
}

static bool run_crun(const struct bench *bench)
{
    (void)bench;
    return crun_run();
}

static bool run_bwrap(const struct bench *bench)
{
    static char words[][16] = {"bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink",
            "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/bin/true"};
    char path[] = "PATH=/usr/bin:/bin";
    char *environment[] = {path, NULL};
    char *argv[sizeof(words) / sizeof(words[0]) + 1] = {NULL};
    int status = 0;
    pid_t pid = -1;

    (void)bench;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        argv[i] = words[i];
    if (posix_spawnp(&pid, "bwrap", NULL, NULL, argv, environment) != 0)
        return false;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return status == 0;
}

static bool measure(struct samples *out, const struct bench *bench,
        bool (*run)(const struct bench *), size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t before_us = assay_clock_us();

        if (!run(bench))
            return false;
        out->us[out->count++] = assay_clock_us() - before_us;
    }
    return true;
}

struct worker {
    const struct bench *bench;
    bool (*run)(const struct bench *);
    size_t count;    // how many to run, or until when
    uint64_t end_us; // 0: count
    size_t done;
    bool failed;
};

static void *work(void *user)
{
    struct worker *worker = user;

    while (!worker->failed &&
            (worker->end_us > 0 ? assay_clock_us() < worker->end_us
                                : worker->done < worker->count)) {
        worker->failed = !worker->run(worker->bench);
        worker->done++;
    }
    return NULL;
}

// Boxes a second with THREADS at once, so many each or for so long; 0 when one failed.
static double measure_together(const struct bench *bench, bool (*run)(const struct bench *),
        size_t count, uint64_t seconds)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    const uint64_t before_us = assay_clock_us();
    size_t done = 0;
    bool failed = false;

    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.bench = bench,
                .run = run,
                .count = count,
                .end_us = seconds > 0 ? before_us + seconds * 1000000 : 0};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            return 0;
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        failed = failed || workers[i].failed;
        done += workers[i].done;
    }
    return failed ? 0 : (double)done * 1e6 / (double)(assay_clock_us() - before_us);
}

static int compare_u64(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static bool measure_both(
        struct samples *ours, struct samples *peer, const struct bench *bench, size_t rounds)
{
    double ours_sum = 0;
    double peer_sum = 0;

    if (!run_ours(bench)) // once unmeasured: caches, the uid's namespace
        return false;
    for (size_t i = 0; i < rounds; i++)
        if (!measure(ours, bench, run_ours, BATCH) ||
                (bench->has_bwrap && !measure(peer, bench, run_bwrap, BATCH)))
            return false;
    for (size_t i = 0; i < rounds; i++) {
        ours_sum += measure_together(bench, run_ours, BATCH, 0);
        peer_sum += bench->has_bwrap ? measure_together(bench, run_bwrap, BATCH, 0) : 0;
    }
    ours->per_s = ours_sum / (double)rounds;
    peer->per_s = peer_sum / (double)rounds;
    qsort(ours->us, ours->count, sizeof(*ours->us), compare_u64);
    qsort(peer->us, peer->count, sizeof(*peer->us), compare_u64);
    return true;
}

// Without a pause: what is prepared ahead is soon used up.
static bool measure_sustained(struct samples *ours, struct samples *fresh, struct samples *peer,
        const struct bench *bench)
{
    if (bench->seconds == 0)
        return true;
    ours->sustained_per_s = measure_together(bench, run_ours, 0, bench->seconds);
    fresh->sustained_per_s = measure_together(bench, run_fresh, 0, bench->seconds);
    if (bench->has_bwrap)
        peer->sustained_per_s = measure_together(bench, run_bwrap, 0, bench->seconds);
    return ours->sustained_per_s > 0 && fresh->sustained_per_s > 0;
}

// --- figures -------------------------------------------------------------------------------------

struct figure {
    const char *metric, *unit;
    double value, peer_value;
    char spread[48];
    bool more_is_better;
    double bound; // of the value itself; 0: none but to be no worse than the peer
    const char *peer;
};

static double at_share(const struct samples *samples, double share)
{
    return samples->count == 0
            ? 0
            : (double)samples->us[(size_t)((double)(samples->count - 1) * share)] / 1000;
}

static bool is_met(const struct figure *figure)
{
    const double limit = figure->bound > 0 ? figure->bound : figure->peer_value;

    return figure->more_is_better ? figure->value >= limit : figure->value <= limit;
}

static void print_json(const struct figure *figure)
{
    struct assay_buf buf;
    struct assay_json_writer w;
    char bound[64];

    (void)snprintf(bound, sizeof(bound), figure->bound > 0 ? "%s %g" : "%s the peer",
            figure->more_is_better ? ">=" : "<=", figure->bound);
    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "box");
    assay_json_put_text(&w, "metric", figure->metric);
    assay_json_put_double(&w, "value", figure->value);
    assay_json_put_text(&w, "unit", figure->unit);
    assay_json_put_text(&w, "spread", figure->spread[0] != '\0' ? figure->spread : NULL);
    assay_json_put_text(&w, "peer", figure->peer);
    if (figure->peer != NULL) {
        assay_json_put_double(&w, "peer_value", figure->peer_value);
        assay_json_put_double(&w, "ratio", figure->value / figure->peer_value);
    } else {
        assay_json_put_null(&w, "peer_value");
        assay_json_put_null(&w, "ratio");
    }
    assay_json_put_text(&w, "bound", bound);
    assay_json_put_bool(&w, "met", is_met(figure));
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

static void print_text(const struct figure *figure)
{
    (void)printf("%-44s %8.2f %-8s", figure->metric, figure->value, figure->unit);
    if (figure->peer != NULL)
        (void)printf(" %8.2f %6.2f", figure->peer_value, figure->value / figure->peer_value);
    else
        (void)printf(" %8s %6s", "", "");
    (void)printf("  %s%s\n", figure->spread, is_met(figure) ? "" : "  (bound not met)");
}

static void print_figures(const struct bench *bench, const struct samples *ours,
        const struct samples *fresh, const struct samples *peer, const struct samples *crun,
        bool json)
{
    const char *const bwrap = bench->has_bwrap ? "bwrap --unshare-all" : NULL;
    struct figure figures[] = {
            {"create, exec true, reaped: median", "ms", at_share(ours, 0.5), at_share(peer, 0.5),
                    "", false, 2.0, bwrap},
            {"create, exec true, reaped: p99", "ms", at_share(ours, 0.99), at_share(peer, 0.99), "",
                    false, 6.0, bwrap},
            {"two at once", "boxes/s", ours->per_s, peer->per_s, "", true, 0, bwrap},
            {"create, exec true, reaped: beside crun", "ms", at_share(ours, 0.5),
                    at_share(crun, 0.5), "", false, 0, "crun run"},
            {"two at once, sustained, networks used again", "boxes/s", ours->sustained_per_s,
                    peer->sustained_per_s, "", true, 900, bwrap},
            {"two at once, sustained, a new network each", "boxes/s", fresh->sustained_per_s,
                    peer->sustained_per_s, "", true, 500, bwrap},
    };

    (void)snprintf(figures[0].spread, sizeof(figures[0].spread), "p25..p75 %.2f..%.2f",
            at_share(ours, 0.25), at_share(ours, 0.75));
    if (!json)
        (void)printf("%-44s %8s %-8s %8s %6s\n", "", "assay", "", "peer", "ratio");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        if ((i == 3 && !bench->has_crun) || (i > 3 && bench->seconds == 0))
            continue;
        if (json)
            print_json(&figures[i]);
        else
            print_text(&figures[i]);
    }
}

static bool start(struct bench *bench, const struct assay_mount *mount, const char *folder)
{
    static const char *const argv[] = {"/bin/true", NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    static char program[4096];
    struct assay_sandbox_options options = {.box_program = program, .tier_min = ASSAY_TIER_A};
    struct assay_error err;
    char reason[256];
    const char *build = secure_getenv("ASSAY_BUILD_DIR");

    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    if (assay_sandbox_start(&bench->sandbox, &options, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "box: %s\n", err.message);
        return false;
    }
    options.fresh_network = true;
    if (bench->seconds > 0 && assay_sandbox_start(&bench->fresh, &options, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "box: %s\n", err.message);
        return false;
    }
    assay_box_plan_default(&bench->plan);
    bench->plan.argv = argv;
    bench->plan.env = env;
    bench->plan.host_usr = true;
    bench->plan.mounts = mount;
    bench->plan.mount_count = 1;
    bench->plan.cwd = "/testbed";
    bench->has_bwrap = run_bwrap(bench);
    bench->has_crun = crun_prepare(folder, reason, sizeof(reason));
    if (!bench->has_crun)
        (void)fprintf(stderr, "box: crun is skipped: %s\n", reason);
    return true;
}

static bool measure_all(struct bench *bench, size_t rounds, bool json)
{
    struct samples ours = {0};
    struct samples fresh = {0};
    struct samples peer = {0};
    struct samples crun = {0};
    bool measured = false;

    ours.us = calloc(rounds * BATCH, sizeof(*ours.us));
    peer.us = calloc(rounds * BATCH, sizeof(*peer.us));
    crun.us = calloc(BATCH, sizeof(*crun.us));
    if (ours.us != NULL && peer.us != NULL && crun.us != NULL)
        measured = measure_both(&ours, &peer, bench, rounds) &&
                (!bench->has_crun || measure(&crun, bench, run_crun, BATCH)) &&
                measure_sustained(&ours, &fresh, &peer, bench);
    if (measured) {
        qsort(crun.us, crun.count, sizeof(*crun.us), compare_u64);
        print_figures(bench, &ours, &fresh, &peer, &crun, json);
    }
    free(ours.us);
    free(peer.us);
    free(crun.us);
    return measured;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/assay-bench-XXXXXX";
    char tree[sizeof(folder) + 8];
    const char *const lowers[] = {tree};
    const struct assay_mount mount = {
            .kind = ASSAY_MOUNT_OVERLAY, .target = "/testbed", .lowers = lowers, .lower_count = 1};
    struct bench bench = {.seconds = SECONDS_DEFAULT};
    size_t rounds = ROUNDS_DEFAULT;
    bool json = false;
    bool measured = false;

    for (int i = 1; i < argc; i++) {
        json = json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            bench.seconds = strtoul(argv[++i], NULL, 10);
    }
    if (rounds == 0 || rounds > ROUNDS_MAX || bench.seconds > SECONDS_MAX)
        return 2;
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0)
        return 1;
    (void)snprintf(tree, sizeof(tree), "%s/tree", folder);
    measured = mkdir(tree, 0755) == 0 && make_tree(tree) && start(&bench, &mount, folder) &&
            measure_all(&bench, rounds, json);
    assay_sandbox_stop(bench.sandbox);
    assay_sandbox_stop(bench.fresh);
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (assay_fs_remove_tree(tmp_fd, strrchr(folder, '/') + 1, NULL) != ASSAY_OK)
        (void)fprintf(stderr, "box: %s is left\n", folder);
    close(tmp_fd);
    return measured ? 0 : 1;
}
