// SPDX-License-Identifier: MIT
// fork.c - a task forked into 16 rollouts, and a snapshot in the middle of an episode.
//
// A task is a session over a tree, in which a few files were changed, frozen. A rollout is a
// session that goes on from there and whose first command could run. The same for trees of 100,
// 3,000 and 100,000 files, in turns; the peer is what others do: `cp -a` of the tree for each.
//
//     fork [--json] [--rounds N] [--threads N]
#include <errno.h>
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
#include "sandbox/session.h"
#include "sandbox/snapshot.h"

#define FILES_IN_FOLDER 100
#define FORKS 16
#define SIZES 3
#define ROUNDS_DEFAULT 15
#define ROUNDS_MAX 1000
#define THREADS_DEFAULT 4
#define THREADS_MAX FORKS

static const unsigned sizes[SIZES] = {100, 3000, 100000};

struct task {
    char path[64];
    const char *lowers[1];
    struct assay_mount mount;
    struct assay_box_plan plan;
    struct assay_snapshot *snapshot;
    uint64_t *fork_us;   // owned; by round
    uint64_t *resume_us; // owned; likewise
    uint64_t copy_us;    // one `cp -a`
};

struct bench {
    struct assay_sandbox *sandbox;
    struct task tasks[SIZES];
    size_t rounds, thread_count;
    uint64_t fork_bytes; // that 16 forks take before they write
    char folder[32];
};

// --- the trees -----------------------------------------------------------------------------------

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

static bool make_tree(const char *path, unsigned files)
{
    uid_t uid = 0;
    gid_t gid = 0;
    int dir_fd = -1;
    bool made = mkdir(path, 0755) == 0;
    char name[64];

    assay_sandbox_store_ids(&uid, &gid);
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    made = made && dir_fd >= 0 && fchown(dir_fd, uid, gid) == 0;
    for (unsigned i = 0; made && i < files; i++) {
        if (i % FILES_IN_FOLDER == 0) {
            (void)snprintf(name, sizeof(name), "package%u", i / FILES_IN_FOLDER);
            made = mkdirat(dir_fd, name, 0755) == 0 && fchownat(dir_fd, name, uid, gid, 0) == 0;
        }
        (void)snprintf(name, sizeof(name), "package%u/module%u.py", i / FILES_IN_FOLDER, i);
        made = made && make_file(dir_fd, name, uid, gid);
    }
    if (dir_fd >= 0)
        close(dir_fd);
    return made;
}

// What a task costs those who copy its tree; 0 when that failed.
static uint64_t copy_tree(const struct bench *bench, const struct task *task)
{
    char path[] = "PATH=/usr/bin:/bin";
    char *environment[] = {path, NULL};
    char cp[] = "cp";
    char option[] = "-a";
    char from[sizeof(task->path)];
    char target[64];
    char *argv[] = {cp, option, from, target, NULL};
    const uint64_t before_us = assay_clock_us();
    int status = 0;
    pid_t pid = -1;

    (void)snprintf(from, sizeof(from), "%s", task->path);
    (void)snprintf(target, sizeof(target), "%s/copy", bench->folder);
    if (posix_spawnp(&pid, "cp", NULL, NULL, argv, environment) != 0)
        return 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    const uint64_t after_us = assay_clock_us();
    const int dir_fd = open(bench->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)!assay_fs_remove_tree(dir_fd, "copy", NULL);
    close(dir_fd);
    return status == 0 ? after_us - before_us : 0;
}

// --- the sessions --------------------------------------------------------------------------------

static bool say(struct assay_session *session, const char *line)
{
    const struct assay_command command = {.line = line};
    struct assay_command_result result;
    bool fine = false;

    if (assay_session_run(session, &command, &result, NULL) != ASSAY_OK)
        return false;
    fine = result.cause == ASSAY_BOX_EXITED && result.exit_code == 0;
    assay_command_result_release(&result);
    return fine;
}

// The task: some work was done in it, and it is frozen.
static bool freeze_task(struct bench *bench, struct task *task)
{
    struct assay_session *session = NULL;
    struct assay_error err;
    bool frozen = false;

    if (assay_session_start(&session, bench->sandbox, &task->plan, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "fork: %s\n", err.message);
        return false;
    }
    frozen = say(session,
                     "for i in 1 2 3 4 5 6 7 8 9; do echo '# changed' >> package0/module$i.py; "
                     "done; head -c 1000000 /dev/zero > built; mkdir /tmp/work") &&
            assay_session_snapshot(session, &task->snapshot, NULL) == ASSAY_OK;
    assay_session_stop(session, NULL);
    return frozen;
}

struct worker {
    const struct bench *bench;
    const struct task *task;
    struct assay_session **forks;
    size_t count;
};

static void *fork_some(void *user)
{
    struct worker *worker = user;

    for (size_t i = 0; i < worker->count; i++)
        if (assay_session_resume(&worker->forks[i], worker->bench->sandbox, &worker->task->plan,
                    worker->task->snapshot, NULL) != ASSAY_OK)
            worker->forks[i] = NULL;
    return NULL;
}

// Microseconds until all of them could run a command; 0: one failed.
static uint64_t fork_task(
        const struct bench *bench, const struct task *task, struct assay_session *forks[FORKS])
{
    struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    const uint64_t before_us = assay_clock_us();
    size_t started = 0;
    size_t next = 0;
    uint64_t taken_us = 0;

    for (size_t i = 0; i < bench->thread_count; i++) {
        const size_t count = (FORKS - next) / (bench->thread_count - i);

        workers[i] = (struct worker){
                .bench = bench, .task = task, .forks = forks + next, .count = count};
        next += count;
        if (pthread_create(&threads[i], NULL, fork_some, &workers[i]) != 0)
            break;
        started++;
    }
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    taken_us = assay_clock_us() - before_us;
    for (size_t i = 0; i < FORKS; i++)
        if (forks[i] == NULL)
            return 0;
    return taken_us;
}

static bool measure_fork(struct bench *bench, struct task *task, size_t round)
{
    struct assay_session *forks[FORKS] = {NULL};
    bool fine = false;

    task->fork_us[round] = fork_task(bench, task, forks);
    fine = task->fork_us[round] > 0 && say(forks[round % FORKS], "test -s built");
    for (size_t i = 0; i < FORKS; i++)
        assay_session_stop(forks[i], NULL);
    // The spawner fills its pools again: not on the next round's clock.
    (void)usleep(100000);
    return fine;
}

// In mid-episode: everything dies, and goes on from there.
static bool measure_resume(struct bench *bench, struct task *task, size_t round)
{
    struct assay_session *session = NULL;
    struct assay_session *resumed = NULL;
    struct assay_snapshot *snapshot = NULL;
    uint64_t before_us = 0;
    bool fine = assay_session_resume(&session, bench->sandbox, &task->plan, task->snapshot, NULL) ==
                    ASSAY_OK &&
            say(session, "echo more >> built");

    (void)usleep(20000);
    before_us = assay_clock_us();
    fine = fine && assay_session_snapshot(session, &snapshot, NULL) == ASSAY_OK &&
            assay_session_resume(&resumed, bench->sandbox, &task->plan, snapshot, NULL) == ASSAY_OK;
    task->resume_us[round] = assay_clock_us() - before_us;
    assay_session_stop(session, NULL);
    fine = fine && say(resumed, "test $(stat -c %s built) = 1000005");
    assay_session_stop(resumed, NULL);
    assay_snapshot_release(snapshot);
    return fine;
}

// What a fork that writes nothing has of its own.
static bool measure_bytes(struct bench *bench, struct task *task)
{
    struct assay_session *session = NULL;
    struct assay_snapshot *snapshot = NULL;
    bool fine = assay_session_resume(&session, bench->sandbox, &task->plan, task->snapshot, NULL) ==
                    ASSAY_OK &&
            assay_session_snapshot(session, &snapshot, NULL) == ASSAY_OK;

    if (fine)
        bench->fork_bytes =
                FORKS * (assay_snapshot_bytes(snapshot) - assay_snapshot_bytes(task->snapshot));
    assay_session_stop(session, NULL);
    assay_snapshot_release(snapshot);
    return fine;
}

static bool measure(struct bench *bench)
{
    for (size_t i = 0; i < SIZES; i++) {
        struct task *task = &bench->tasks[i];

        if (!make_tree(task->path, sizes[i]) || !freeze_task(bench, task))
            return false;
        task->copy_us = copy_tree(bench, task);
    }
    (void)usleep(200000);
    for (size_t round = 0; round < bench->rounds; round++)
        for (size_t i = 0; i < SIZES; i++)
            if (!measure_fork(bench, &bench->tasks[i], round) ||
                    !measure_resume(bench, &bench->tasks[i], round))
                return false;
    return measure_bytes(bench, &bench->tasks[1]);
}

// --- figures -------------------------------------------------------------------------------------

static int compare_u64(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

struct figure {
    char metric[96];
    double value;
    const char *unit;
    char spread[48];
    const char *peer;  // NULL: none
    double peer_value; // 0: it could not be measured
    char bound[48];    // "": none
    bool met;
};

static void print_figure(const struct figure *figure, bool json)
{
    struct assay_buf buf;
    struct assay_json_writer w;
    const bool has_peer = figure->peer != NULL && figure->peer_value > 0;

    if (!json) {
        (void)printf("%-58s %10.2f %-6s %s  %s%s\n", figure->metric, figure->value, figure->unit,
                figure->spread, figure->bound,
                figure->bound[0] == '\0' ? "" : (figure->met ? " met" : " NOT MET"));
        if (has_peer)
            (void)printf("%-58s %10.2f %s\n", figure->peer, figure->peer_value, figure->unit);
        return;
    }
    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "fork");
    assay_json_put_text(&w, "metric", figure->metric);
    assay_json_put_double(&w, "value", figure->value);
    assay_json_put_text(&w, "unit", figure->unit);
    assay_json_put_text(&w, "spread", figure->spread[0] != '\0' ? figure->spread : NULL);
    assay_json_put_text(&w, "peer", has_peer ? figure->peer : NULL);
    if (has_peer) {
        assay_json_put_double(&w, "peer_value", figure->peer_value);
        assay_json_put_double(&w, "ratio", figure->value / figure->peer_value);
    } else {
        assay_json_put_null(&w, "peer_value");
        assay_json_put_null(&w, "ratio");
    }
    assay_json_put_text(&w, "bound", figure->bound[0] != '\0' ? figure->bound : NULL);
    if (figure->bound[0] != '\0')
        assay_json_put_bool(&w, "met", figure->met);
    else
        assay_json_put_null(&w, "met");
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

// Median of `us` in milliseconds, with the quarters beside it.
static void fill_times(struct figure *figure, uint64_t *us, size_t count)
{
    qsort(us, count, sizeof(*us), compare_u64);
    const size_t middle = count / 2;
    const size_t quarter = count / 4;

    figure->value = (double)us[middle] / 1000;
    figure->unit = "ms";
    (void)snprintf(figure->spread, sizeof(figure->spread), "p25..p75 %.2f..%.2f",
            (double)us[quarter] / 1000, (double)us[count - 1 - quarter] / 1000);
}

static void print_all(struct bench *bench, bool json)
{
    double lowest = 1e9;
    double highest = 0;
    struct figure figure;

    for (size_t i = 0; i < SIZES; i++) {
        struct task *task = &bench->tasks[i];

        figure = (struct figure){.peer = "cp -a of the tree, one copy, times 16",
                .peer_value = FORKS * (double)task->copy_us / 1000,
                .bound = "<= 25"};
        (void)snprintf(figure.metric, sizeof(figure.metric),
                "fork into 16 ready sessions, %u files", sizes[i]);
        fill_times(&figure, task->fork_us, bench->rounds);
        figure.met = figure.value <= 25;
        lowest = figure.value < lowest ? figure.value : lowest;
        highest = figure.value > highest ? figure.value : highest;
        print_figure(&figure, json);
    }
    // +-10 % around their middle.
    figure = (struct figure){.metric = "the same: slowest over fastest of the three sizes",
            .value = highest / lowest,
            .unit = "x",
            .bound = "<= 1.22",
            .met = highest / lowest <= 1.22};
    print_figure(&figure, json);
    for (size_t i = 0; i < SIZES; i++) {
        figure = (struct figure){.bound = "<= 5"};
        (void)snprintf(figure.metric, sizeof(figure.metric),
                "snapshot and resume in mid-episode, %u files", sizes[i]);
        fill_times(&figure, bench->tasks[i].resume_us, bench->rounds);
        figure.met = figure.value <= 5;
        print_figure(&figure, json);
    }
    figure = (struct figure){
            .metric = "memory of 16 forks before they write (no byte is the tree's)",
            .value = (double)bench->fork_bytes / 1024,
            .unit = "KiB"};
    print_figure(&figure, json);
}

// --- the program ---------------------------------------------------------------------------------

static bool start(struct bench *bench)
{
    static const char *const env[] = {"PATH=/usr/bin:/bin", "HOME=/home/box", NULL};
    static char program[4096];
    const struct assay_sandbox_options options = {.box_program = program, .tier_min = ASSAY_TIER_A};
    struct assay_error err;
    const char *build = secure_getenv("ASSAY_BUILD_DIR");

    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    if (assay_sandbox_start(&bench->sandbox, &options, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "fork: %s\n", err.message);
        return false;
    }
    for (size_t i = 0; i < SIZES; i++) {
        struct task *task = &bench->tasks[i];

        (void)snprintf(task->path, sizeof(task->path), "%s/tree%zu", bench->folder, i);
        task->lowers[0] = task->path;
        task->mount = (struct assay_mount){.kind = ASSAY_MOUNT_OVERLAY,
                .target = "/testbed",
                .lowers = task->lowers,
                .lower_count = 1};
        assay_box_plan_default(&task->plan);
        task->plan.host_usr = true;
        task->plan.env = env;
        task->plan.mounts = &task->mount;
        task->plan.mount_count = 1;
        task->plan.cwd = "/testbed";
        task->plan.snapshot = true;
        task->fork_us = calloc(bench->rounds, sizeof(*task->fork_us));
        task->resume_us = calloc(bench->rounds, sizeof(*task->resume_us));
        if (task->fork_us == NULL || task->resume_us == NULL)
            return false;
    }
    return true;
}

static void clean_up(struct bench *bench)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < SIZES; i++) {
        assay_snapshot_release(bench->tasks[i].snapshot);
        free(bench->tasks[i].fork_us);
        free(bench->tasks[i].resume_us);
    }
    assay_sandbox_stop(bench->sandbox);
    if (assay_fs_remove_tree(tmp_fd, strrchr(bench->folder, '/') + 1, NULL) != ASSAY_OK)
        (void)fprintf(stderr, "fork: %s is left\n", bench->folder);
    close(tmp_fd);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.rounds = ROUNDS_DEFAULT,
            .thread_count = THREADS_DEFAULT,
            .folder = "/tmp/assay-fork-XXXXXX"};
    bool json = false;
    bool measured = false;

    for (int i = 1; i < argc; i++) {
        json = json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            bench.rounds = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            bench.thread_count = strtoul(argv[++i], NULL, 10);
    }
    if (bench.rounds == 0 || bench.rounds > ROUNDS_MAX || bench.thread_count == 0 ||
            bench.thread_count > THREADS_MAX || mkdtemp(bench.folder) == NULL)
        return 2;
    measured = chmod(bench.folder, 0755) == 0 && start(&bench) && measure(&bench);
    if (measured)
        print_all(&bench, json);
    else
        (void)fprintf(stderr, "fork: a step failed\n");
    clean_up(&bench);
    return measured ? 0 : 1;
}
