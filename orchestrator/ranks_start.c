// SPDX-License-Identifier: MIT
// ranks_start.c - the ranks of one host: spawn -> wait -> one falls, or a signal -> end the others.
//
// The starter itself opens nothing: it has neither threads that work nor a GPU. A rank is its
// child, in a process group of its own, so that a terminal's signal comes once, from here; it ends
// with the starter (ranks.c).
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "orchestrator/ranks.h"

enum { NAP_NS = 20000000, PATIENCE_MS = 10000, ARGUMENTS_MAX = 1024, VARIABLES_MAX = 4096 };
#define LINE_BYTES_MAX ((size_t)4 << 20)
#define BOARD_BYTES 4096
#define TEXT_BYTES 64
#define OURS 5 // variables that a rank is told

struct starter {
    uint32_t count;
    pid_t processes[ASSAY_RANKS_MAX]; // 0: it has ended
    int ends[ASSAY_RANKS_MAX];        // how
    struct assay_buf line;            // the command line, each argument with its NUL
    char *arguments[ARGUMENTS_MAX + 1];
    char *variables[VARIABLES_MAX + OURS + 1];
    char board[BOARD_BYTES];
    char ours[OURS][BOARD_BYTES + TEXT_BYTES];
    cpu_set_t cpus;
};

// --- what a rank gets ----------------------------------------------------------------------------

static enum assay_status read_line(struct starter *s, struct assay_error *err)
{
    size_t count = 0;
    enum assay_status status = assay_fs_read_file(&s->line, "/proc/self/cmdline", err);

    for (size_t at = 0; status == ASSAY_OK && at < s->line.len;) {
        if (count == ARGUMENTS_MAX)
            return assay_fail(err, ASSAY_EUSAGE, "more than %d arguments", ARGUMENTS_MAX);
        s->arguments[count++] = s->line.data + at;
        at += strlen(s->line.data + at) + 1;
    }
    return status;
}

// Our variables stand first: of two with one name the first counts.
static enum assay_status make_variables(struct starter *s, struct assay_error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < OURS; i++)
        s->variables[count++] = s->ours[i];
    for (char **at = environ; *at; at++) {
        if (count == VARIABLES_MAX)
            return assay_fail(err, ASSAY_EUSAGE, "more than %d variables", VARIABLES_MAX);
        s->variables[count++] = *at;
    }
    return ASSAY_OK;
}

static void fill_variables(struct starter *s, uint32_t rank)
{
    const size_t size = sizeof(s->ours[0]);

    (void)snprintf(s->ours[0], size, "ASSAY_RANK=%u", rank);
    (void)snprintf(s->ours[1], size, "ASSAY_WORLD=%u", s->count);
    (void)snprintf(s->ours[2], size, "ASSAY_LOCAL_RANK=%u", rank);
    (void)snprintf(s->ours[3], size, "ASSAY_BOARD=%s", s->board);
    (void)snprintf(s->ours[4], size, "ASSAY_STARTER=%ld", (long)getpid());
}

// A share of the processors for what is spawned next; one processor of several ranks, if there are
// too few.
static void take_share(const struct starter *s, uint32_t rank)
{
    const uint32_t have = (uint32_t)CPU_COUNT(&s->cpus);
    const uint32_t first = have * rank / s->count, end = have * (rank + 1) / s->count;
    cpu_set_t share;
    uint32_t number = 0;

    CPU_ZERO(&share);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &s->cpus))
            continue;
        if (end > first ? number >= first && number < end : number == rank % have)
            CPU_SET(cpu, &share);
        number++;
    }
    (void)sched_setaffinity(0, sizeof(share), &share); // else it has them all
}

static enum assay_status spawn(struct starter *s, uint32_t rank, struct assay_error *err)
{
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int problem = posix_spawnattr_init(&attributes);

    if (problem != 0)
        return assay_fail_errno(err, problem, "rank %u", rank);
    sigemptyset(&none);
    sigfillset(&all);
    fill_variables(s, rank);
    take_share(s, rank);
    problem = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    problem = problem != 0 ? problem : posix_spawnattr_setpgroup(&attributes, 0);
    problem = problem != 0 ? problem : posix_spawnattr_setsigmask(&attributes, &none);
    problem = problem != 0 ? problem : posix_spawnattr_setsigdefault(&attributes, &all);
    if (problem == 0)
        problem = posix_spawn(&s->processes[rank], "/proc/self/exe", NULL, &attributes,
                s->arguments, s->variables);
    (void)sched_setaffinity(0, sizeof(s->cpus), &s->cpus);
    (void)posix_spawnattr_destroy(&attributes);
    if (problem == 0)
        return ASSAY_OK;
    s->processes[rank] = 0;
    return assay_fail_errno(err, problem, "rank %u cannot be started", rank);
}

// --- waiting -------------------------------------------------------------------------------------

static void signal_all(const struct starter *s, int number)
{
    for (uint32_t r = 0; r < s->count; r++)
        if (s->processes[r] > 0)
            (void)kill(s->processes[r], number);
}

static bool is_bad(int end)
{
    return !WIFEXITED(end) || WEXITSTATUS(end) != 0;
}

// Whoever has ended: is none left? *culprit: the first that ended badly, of several at once one
// that a signal ended, since the others may have ended because of it; `count`: none yet.
static bool collect(struct starter *s, uint32_t *culprit)
{
    const bool known = *culprit < s->count;
    bool left = false;

    for (uint32_t r = 0; r < s->count; r++) {
        if (s->processes[r] == 0)
            continue;
        if (waitpid(s->processes[r], &s->ends[r], WNOHANG) != s->processes[r]) {
            left = true;
            continue;
        }
        s->processes[r] = 0;
        if (!known && is_bad(s->ends[r]) && (*culprit == s->count || WIFSIGNALED(s->ends[r])))
            *culprit = r;
    }
    return !left;
}

static void nap(void)
{
    const struct timespec pause = {.tv_nsec = NAP_NS};

    (void)nanosleep(&pause, NULL);
}

// Until all have ended, by themselves or not.
static void end_all(struct starter *s, uint32_t *culprit)
{
    const uint64_t deadline_ms = assay_clock_ms() + PATIENCE_MS;

    signal_all(s, SIGTERM);
    while (!collect(s, culprit)) {
        if (assay_clock_left_ms(deadline_ms) == 0)
            signal_all(s, SIGKILL);
        nap();
    }
}

static enum assay_status blame(const struct starter *s, uint32_t rank, struct assay_error *err)
{
    const int end = s->ends[rank];

    if (WIFSIGNALED(end))
        return assay_fail(err, ASSAY_EIO,
                "rank %u of %u was killed by signal %d; the others were ended, and the same command "
                "goes on from the last checkpoint",
                rank, s->count, WTERMSIG(end));
    if (WEXITSTATUS(end) == ASSAY_EXIT_INTERRUPTED)
        return assay_fail(err, ASSAY_EINTERRUPTED, "rank %u of %u was interrupted", rank, s->count);
    return assay_fail(err, WEXITSTATUS(end) == ASSAY_EXIT_USAGE ? ASSAY_EUSAGE : ASSAY_EIO,
            "rank %u of %u ended first, with exit status %d; what it said stands above", rank,
            s->count, WEXITSTATUS(end));
}

static enum assay_status wait_all(
        struct starter *s, const struct assay_invocation *invocation, struct assay_error *err)
{
    uint32_t culprit = s->count;
    bool all;

    do {
        all = collect(s, &culprit);
        if (*invocation->interrupted) {
            end_all(s, &culprit);
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        }
        if (!all)
            nap();
    } while (!all && culprit == s->count);
    if (!all) {
        // They find out by themselves, and say so, if they are given the time.
        for (uint64_t until = assay_clock_ms() + PATIENCE_MS;
                assay_clock_left_ms(until) > 0 && !collect(s, &culprit);)
            nap();
        end_all(s, &culprit);
    }
    return culprit < s->count ? blame(s, culprit, err) : ASSAY_OK;
}

// --- the whole -----------------------------------------------------------------------------------

static enum assay_status make_board(struct starter *s, struct assay_error *err)
{
    const char *folder = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe): nobody sets any
    int fd;

    if (snprintf(s->board, sizeof(s->board), "%s/assay-ranks-XXXXXX",
                folder && *folder ? folder : "/tmp") >= (int)sizeof(s->board))
        return assay_fail(err, ASSAY_EINVAL, "TMPDIR: too long");
    fd = mkstemp(s->board);
    if (fd < 0)
        return assay_fail_errno(err, errno, "%s", s->board);
    (void)close(fd);
    return ASSAY_OK;
}

// Rank 0 has, unless somebody never came.
static void remove_boards(const struct starter *s)
{
    char next[BOARD_BYTES + TEXT_BYTES];

    if (!*s->board)
        return;
    (void)snprintf(next, sizeof(next), "%s.next", s->board); // of those that sample ahead
    (void)unlink(s->board);
    (void)unlink(next);
}

enum assay_status assay_ranks_start(
        const struct assay_invocation *invocation, uint32_t count, struct assay_error *err)
{
    struct starter *s = calloc(1, sizeof(*s));
    uint32_t nobody = count;
    enum assay_status status;

    if (!s)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    s->count = count;
    assay_buf_init(&s->line, LINE_BYTES_MAX);
    if (sched_getaffinity(0, sizeof(s->cpus), &s->cpus) != 0)
        CPU_SET(0, &s->cpus);
    status = read_line(s, err);
    if (status == ASSAY_OK)
        status = make_variables(s, err);
    if (status == ASSAY_OK)
        status = make_board(s, err);
    for (uint32_t r = 0; r < count && status == ASSAY_OK; r++)
        status = spawn(s, r, err);
    if (status == ASSAY_OK)
        status = wait_all(s, invocation, err);
    else
        end_all(s, &nobody);
    remove_boards(s);
    assay_buf_free(&s->line);
    free(s);
    return status;
}
