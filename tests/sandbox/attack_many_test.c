// SPDX-License-Identifier: MIT
// What must hold: however many boxes there were, nothing grows; and an honest command gives beside
// attackers exactly what it gives alone.
//
// `make test` runs a sample, `make soak` 10,000 boxes in a row and 200 at once.
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/sandbox/attacks.h"

#define ROW_QUICK 90
#define ROW_SOAK 10000
#define ONCE_QUICK 24
#define ONCE_SOAK 200
#define WARM 30 // boxes until pools, caches and heaps have their size: all attackers and more

static bool is_soak(void)
{
    return secure_getenv("ASSAY_SOAK") != NULL;
}

// --- what may not grow ---------------------------------------------------------------------------

struct size {
    unsigned fds, mounts, entries, spawner_fds, spawner_mounts;
    unsigned long memory_kib, spawner_memory_kib;
};

static unsigned count_names(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    assert_non_null(dir);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static unsigned count_lines(const char *path)
{
    static char text[1 << 20];
    unsigned count = 0;

    boxes_read(text, sizeof(text), path);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count;
}

static unsigned long read_memory(const char *path)
{
    char text[8192];
    const char *at = NULL;

    boxes_read(text, sizeof(text), path);
    at = strstr(text, "\nVmRSS:");
    return at == NULL ? 0 : strtoul(at + 7, NULL, 10);
}

static void measure(struct size *size)
{
    char path[64];
    const int pid = (int)assay_sandbox_spawner_pid(boxes_sandbox);

    size->fds = count_names("/proc/self/fd");
    size->mounts = count_lines("/proc/self/mountinfo");
    size->entries = count_names(boxes_folder);
    size->memory_kib = read_memory("/proc/self/status");
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    size->spawner_fds = count_names(path);
    (void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
    size->spawner_mounts = count_lines(path);
    (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
    size->spawner_memory_kib = read_memory(path);
}

static bool has_grown(const struct size *now, const struct size *before)
{
#ifdef __SANITIZE_ADDRESS__
    const unsigned long most_kib = ~0UL / 2; // what was freed is kept aside there
    const unsigned long heap_kib = most_kib;
#else
    const unsigned long most_kib = 512;
    const unsigned long heap_kib = 4096; // buffers of 1 MiB come and go in a heap with gaps
#endif

    return now->fds > before->fds || now->mounts > before->mounts ||
            now->entries > before->entries || now->spawner_fds > before->spawner_fds ||
            now->spawner_mounts > before->spawner_mounts ||
            now->memory_kib > before->memory_kib + heap_kib ||
            now->spawner_memory_kib > before->spawner_memory_kib + most_kib;
}

// What is put away after a result may take a moment.
static void assert_same_size(const struct size *before)
{
    struct size now = {0};
    const uint64_t deadline_ms = assay_clock_ms() + 10000;

    do {
        measure(&now);
        if (!has_grown(&now, before))
            return;
        (void)usleep(10000);
    } while (assay_clock_left_ms(deadline_ms) > 0);
    fail_msg("descriptors %u -> %u, mounts %u -> %u, files %u -> %u, memory %lu -> %lu KiB; the "
             "spawner's descriptors %u -> %u, mounts %u -> %u, memory %lu -> %lu KiB",
            before->fds, now.fds, before->mounts, now.mounts, before->entries, now.entries,
            before->memory_kib, now.memory_kib, before->spawner_fds, now.spawner_fds,
            before->spawner_mounts, now.spawner_mounts, before->spawner_memory_kib,
            now.spawner_memory_kib);
}

// --- commands ------------------------------------------------------------------------------------

struct task {
    const char *script;
    uint64_t wall_ms_max; // 0: the plan's
};

static const struct task honest[] = {
        {"seq 1 3000 | sort -r | cksum; ls -A /testbed | sort; cat /testbed/dir/deep/file", 0},
        {"i=0; while [ $i -lt 200 ]; do echo $i > /tmp/$i; i=$((i+1)); done; ls /tmp | wc -l", 0},
        {"echo changed > file; cat file; rm -r dir; ls -A | sort; exit 3", 0},
        {"eat 8 2; echo ate $?; cat /proc/self/uid_map | wc -l; id -u; hostname", 0},
        {"for i in 1 2 3 4 5 6; do (echo $i; exit $i) | cat; done; kill -TERM $$", 0},
        {"echo a > /dev/shm/a; ls -A /dev/shm /tmp; head -c 100000 /dev/zero | cksum", 0},
};

static const struct task attackers[] = {
        {"exec pids bomb", 300},
        {"exec pids zombies", 300},
        {"exec spin threads 8", 300},
        {"exec eat 400 0", 0},
        {"exec eat 20 30", 0},
        {"fill /tmp/x /dev/shm/x", 0},
        {"exec fill -inodes /tmp", 0},
        {"exec cat /dev/zero", 0},
        {"exec peer signals", 0},
        {"herd 60; exec daemon", 0},
        {"exec channel leave", 300},
        {"exec quota take epoll", 300},
        {"exec files lower", 0},
        {"exec system mounts", 0},
        {"kill -STOP $$", 300},
        {"exec calls i386", 0},
        {"exec fuzz 7 0", 400},
};

#define HONEST (sizeof(honest) / sizeof(honest[0]))
#define ATTACKERS (sizeof(attackers) / sizeof(attackers[0]))

static void run_task(const struct task *task, struct assay_box_result *result)
{
    struct boxes_plan plan;
    struct assay_error err = {0};

    attack_plan_init(&plan, task->script);
    if (task->wall_ms_max > 0)
        plan.plan.limits.wall_ms_max = task->wall_ms_max;
    else // enough for a machine that 200 others keep busy
        plan.plan.limits.wall_ms_max = 600000;
    plan.plan.limits.memory_bytes_max = (uint64_t)64 << 20;
    plan.plan.limits.output_bytes_max = (uint64_t)1 << 20;
    plan.plan.limits.process_count_max = 64;
    if (assay_box_run(boxes_sandbox, &plan.plan, result, &err) != ASSAY_OK) {
        print_error("%s: %s\n", task->script, err.message);
        result->cause = ASSAY_BOX_INFRA_ERROR;
    }
}

// --- in a row ------------------------------------------------------------------------------------

static void many_boxes_in_a_row_leave_everything_as_it_was(void **state)
{
    const int count = is_soak() ? ROW_SOAK : ROW_QUICK;
    struct size before = {0};

    (void)state;
    for (int i = 0; i < count; i++) {
        struct assay_box_result result;

        // Each attacker once, then mostly honest ones: attackers take their time.
        run_task(i < (int)ATTACKERS  ? &attackers[i]
                        : i % 8 == 7 ? &attackers[(unsigned)i / 8 % ATTACKERS]
                                     : &honest[(unsigned)i % HONEST],
                &result);
        if (result.cause == ASSAY_BOX_SETUP_FAILED || result.cause == ASSAY_BOX_INFRA_ERROR)
            boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        assay_box_result_release(&result);
        if (i == WARM) {
            (void)host_check(NULL);
            measure(&before);
        }
    }
    (void)host_check(NULL);
    assert_same_size(&before);
}

// --- at once -------------------------------------------------------------------------------------

static struct {
    struct assay_box_result result;
} alone[HONEST];

struct runner {
    pthread_t thread;
    unsigned index;
    struct assay_box_result result;
};

static void *be_runner(void *user)
{
    struct runner *runner = user;

    run_task(runner->index % 2 == 0 ? &honest[runner->index / 2 % HONEST]
                                    : &attackers[runner->index / 2 % ATTACKERS],
            &runner->result);
    return NULL;
}

static unsigned count_differences(const struct runner *runner)
{
    const struct assay_box_result *got = &runner->result;
    const struct assay_box_result *want = &alone[runner->index / 2 % HONEST].result;

    if (runner->index % 2 == 1) { // an attacker ends for a reason of its own
        if (got->cause != ASSAY_BOX_INFRA_ERROR && got->cause != ASSAY_BOX_SETUP_FAILED)
            return 0;
        print_error("attacker \"%s\": %s, step \"%s\", errno %d\n",
                attackers[runner->index / 2 % ATTACKERS].script, assay_box_cause_name(got->cause),
                got->step, got->sys_errno);
        return 1;
    }
    if (got->cause == want->cause && got->exit_code == want->exit_code &&
            got->signal == want->signal && strcmp(got->output.data, want->output.data) == 0)
        return 0;
    print_error("honest \"%s\": %s %d, signal %d, step \"%s\" errno %d, output:\n%s\nalone: %s %d, "
                "output:\n%s\n",
            honest[runner->index / 2 % HONEST].script, assay_box_cause_name(got->cause),
            got->exit_code, got->signal, got->step, got->sys_errno, got->output.data,
            assay_box_cause_name(want->cause), want->exit_code, want->output.data);
    return 1;
}

static void honest_commands_beside_attackers_give_what_they_give_alone(void **state)
{
    const unsigned count = is_soak() ? ONCE_SOAK : ONCE_QUICK;
    struct runner *runners = calloc(count, sizeof(*runners));
    unsigned differences = 0;

    (void)state;
    assert_non_null(runners);
    for (size_t i = 0; i < HONEST; i++)
        run_task(&honest[i], &alone[i].result);
    for (unsigned i = 0; i < count; i++) {
        runners[i].index = i;
        assert_int_equal(pthread_create(&runners[i].thread, NULL, be_runner, &runners[i]), 0);
    }
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_join(runners[i].thread, NULL), 0);
    for (unsigned i = 0; i < count; i++) {
        differences += count_differences(&runners[i]);
        assay_box_result_release(&runners[i].result);
    }
    for (size_t i = 0; i < HONEST; i++)
        assay_box_result_release(&alone[i].result);
    free(runners);
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            HOST_TEST(many_boxes_in_a_row_leave_everything_as_it_was),
            HOST_TEST(honest_commands_beside_attackers_give_what_they_give_alone),
    };

    return boxes_main("attack_many", tests, sizeof(tests) / sizeof(tests[0]));
}
