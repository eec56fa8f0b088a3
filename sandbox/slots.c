// SPDX-License-Identifier: MIT
#include "sandbox/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "sandbox/box.h"

#define CANCEL_POLL_MS 20
#define SMALL_FILE_BYTES_MAX ((size_t)1 << 20)

// On the stack of the thread that waits.
struct waiter {
    struct waiter *next;
    pthread_cond_t admitted_cond;
    struct assay_lease *lease;
    bool admitted;
};

struct assay_slots {
    pthread_mutex_t lock; // guards everything below `cpu_count`
    uint32_t boxes_per_cpu;
    uint64_t memory_bytes_budget;
    uint32_t cpu_count;
    uint16_t cpus[CPU_SETSIZE];     // their numbers
    int cpu_fds[CPU_SETSIZE];       // what is locked while we use one; -1: nothing to lock
    uint32_t boxes_on[CPU_SETSIZE]; // commands on each of them
    uint32_t running;               // leases out
    uint64_t memory_bytes;          // of them together
    struct waiter *first, **last;   // in the order of asking
};

// --- how much memory there is --------------------------------------------------------------------

// Reads the number after `key` (or at the start, when key is ""); false: there is none.
static bool read_number(uint64_t *out, const char *path, const char *key)
{
    struct assay_buf text;
    const char *at = NULL;
    bool found = false;

    assay_buf_init(&text, SMALL_FILE_BYTES_MAX);
    if (assay_fs_read_file(&text, path, NULL) == ASSAY_OK) {
        at = strstr(text.data, key);
        if (at != NULL) {
            char *end = NULL;

            at += strlen(key);
            *out = strtoull(at, &end, 10);
            found = end != at; // "max" is no number
        }
    }
    assay_buf_free(&text);
    return found;
}

static void lower_to_limit(uint64_t *bytes, const char *path)
{
    uint64_t limit = 0;

    if (read_number(&limit, path, "") && limit < *bytes)
        *bytes = limit;
}

// Every group from `group` up to the root may have a limit of its own.
static void lower_to_group(uint64_t *bytes, char *group)
{
    char path[PATH_MAX + 64];

    for (char *slash = group; slash != NULL;) {
        (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
        lower_to_limit(bytes, path);
        (void)snprintf(path, sizeof(path), "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", group);
        lower_to_limit(bytes, path);
        slash = strrchr(group, '/');
        if (slash != NULL)
            *slash = '\0';
    }
}

uint64_t assay_slots_memory_default(void)
{
    struct assay_buf groups;
    uint64_t available_kib = 0;
    uint64_t bytes = UINT64_MAX;

    if (read_number(&available_kib, "/proc/meminfo", "MemAvailable:"))
        bytes = available_kib * 1024;
    assay_buf_init(&groups, SMALL_FILE_BYTES_MAX);
    // Lines are "number:controllers:/group".
    if (assay_fs_read_file(&groups, "/proc/self/cgroup", NULL) == ASSAY_OK)
        for (const char *line = groups.data; *line != '\0';) {
            const size_t len = strcspn(line, "\n");
            const char *slash = memchr(line, '/', len);
            char group[PATH_MAX];

            if (slash != NULL && (size_t)(line + len - slash) < sizeof(group)) {
                memcpy(group, slash, (size_t)(line + len - slash));
                group[line + len - slash] = '\0';
                lower_to_group(&bytes, group);
            }
            line += len + (line[len] == '\n');
        }
    assay_buf_free(&groups);
    return bytes / 5 * 4;
}

// --- life ----------------------------------------------------------------------------------------

static void add_cpu(struct assay_slots *slots, unsigned cpu)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/core_id", cpu);
    slots->cpu_fds[slots->cpu_count] = open(path, O_RDONLY | O_CLOEXEC);
    slots->cpus[slots->cpu_count++] = (uint16_t)cpu;
}

enum assay_status assay_slots_create(struct assay_slots **out,
        const struct assay_slots_options *options, struct assay_error *err)
{
    struct assay_slots *slots = NULL;
    unsigned skipped = 0;
    cpu_set_t mask;

    if (sched_getaffinity(0, sizeof(mask), &mask) < 0)
        return assay_fail_errno(err, errno, "read which CPUs this process may use");
    slots = calloc(1, sizeof(*slots));
    if (slots == NULL || pthread_mutex_init(&slots->lock, NULL) != 0) {
        free(slots);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for slots");
    }
    // Where CPUs must be shared with other processes, not all begin with the same one.
    skipped = (unsigned)getpid() % (unsigned)CPU_COUNT(&mask);
    for (unsigned cpu = 0; cpu < 2 * CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu % CPU_SETSIZE, &mask))
            continue;
        if (skipped > 0)
            skipped--;
        else if (slots->cpu_count < (unsigned)CPU_COUNT(&mask))
            add_cpu(slots, cpu % CPU_SETSIZE);
    }
    slots->boxes_per_cpu = options->boxes_per_cpu > 0 ? options->boxes_per_cpu : 1;
    slots->memory_bytes_budget = options->memory_bytes_budget > 0 ? options->memory_bytes_budget
                                                                  : assay_slots_memory_default();
    slots->last = &slots->first;
    *out = slots;
    return ASSAY_OK;
}

void assay_slots_destroy(struct assay_slots *slots)
{
    if (slots == NULL)
        return;
    for (uint32_t i = 0; i < slots->cpu_count; i++)
        if (slots->cpu_fds[i] >= 0)
            close(slots->cpu_fds[i]);
    pthread_mutex_destroy(&slots->lock);
    free(slots);
}

uint32_t assay_slots_cpu_count(const struct assay_slots *slots)
{
    return slots->cpu_count;
}

uint64_t assay_slots_memory_budget(const struct assay_slots *slots)
{
    return slots->memory_bytes_budget;
}

void assay_slots_load(struct assay_slots *slots, uint32_t *running, uint32_t *waiting)
{
    uint32_t count = 0;

    pthread_mutex_lock(&slots->lock);
    *running = slots->running;
    for (const struct waiter *waiter = slots->first; waiter != NULL; waiter = waiter->next)
        count++;
    pthread_mutex_unlock(&slots->lock);
    *waiting = count;
}

// --- under the lock ------------------------------------------------------------------------------

// Other assay processes of this host hold a lock on the kernel's own file of each CPU that they
// use. It is advice: where all are taken, or there is no such file, CPUs are shared.
static bool claim(const struct assay_slots *slots, uint32_t index)
{
    const int fd = slots->cpu_fds[index];

    return slots->boxes_on[index] > 0 || fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void disclaim(const struct assay_slots *slots, uint32_t index)
{
    if (slots->boxes_on[index] == 0 && slots->cpu_fds[index] >= 0)
        (void)flock(slots->cpu_fds[index], LOCK_UN);
}

// The CPU with the fewest commands that is not in `taken`; cpu_count: none has room. With
// `polite`, it is claimed and no other process has it.
static uint32_t emptiest(const struct assay_slots *slots, const cpu_set_t *taken, bool polite)
{
    uint32_t best = slots->cpu_count;

    for (uint32_t i = 0; i < slots->cpu_count; i++) {
        if (CPU_ISSET(slots->cpus[i], taken) || slots->boxes_on[i] >= slots->boxes_per_cpu ||
                (best != slots->cpu_count && slots->boxes_on[i] >= slots->boxes_on[best]) ||
                (polite && !claim(slots, i)))
            continue;
        if (best != slots->cpu_count && polite)
            disclaim(slots, best);
        best = i;
    }
    return best;
}

static bool admit(struct assay_slots *slots, struct assay_lease *lease)
{
    uint32_t chosen[CPU_SETSIZE] = {0};

    // Written so that no sum can wrap.
    if (slots->running > 0 &&
            (slots->memory_bytes > slots->memory_bytes_budget ||
                    lease->memory_bytes > slots->memory_bytes_budget - slots->memory_bytes))
        return false;
    CPU_ZERO(&lease->cpus);
    for (uint32_t i = 0; i < lease->cpu_count; i++) {
        chosen[i] = emptiest(slots, &lease->cpus, true);
        if (chosen[i] == slots->cpu_count)
            chosen[i] = emptiest(slots, &lease->cpus, false);
        if (chosen[i] == slots->cpu_count) {
            while (i > 0)
                disclaim(slots, chosen[--i]);
            return false;
        }
        CPU_SET(slots->cpus[chosen[i]], &lease->cpus);
    }
    for (uint32_t i = 0; i < lease->cpu_count; i++)
        slots->boxes_on[chosen[i]]++;
    slots->running++;
    slots->memory_bytes += lease->memory_bytes;
    return true;
}

static void unlink_waiter(struct assay_slots *slots, const struct waiter *waiter)
{
    struct waiter **link = &slots->first;

    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (waiter->next == NULL)
        slots->last = link;
}

static void admit_waiters(struct assay_slots *slots)
{
    for (struct waiter *waiter = slots->first; waiter != NULL && admit(slots, waiter->lease);
            waiter = slots->first) {
        unlink_waiter(slots, waiter);
        waiter->admitted = true;
        pthread_cond_signal(&waiter->admitted_cond);
    }
}

// --- taking and giving ---------------------------------------------------------------------------

static void wait_a_while(struct waiter *waiter, pthread_mutex_t *lock, bool cancellable)
{
    struct timespec until;

    if (!cancellable) {
        pthread_cond_wait(&waiter->admitted_cond, lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += CANCEL_POLL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_cond_timedwait(&waiter->admitted_cond, lock, &until);
}

static bool init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    bool made = false;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
            pthread_cond_init(cond, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made;
}

// In the queue until admitted; false when cancelled.
static bool queue_up(struct assay_slots *slots, struct waiter *waiter, const volatile bool *cancel)
{
    *slots->last = waiter;
    slots->last = &waiter->next;
    while (!waiter->admitted) {
        if (cancel != NULL && __atomic_load_n(cancel, __ATOMIC_RELAXED)) {
            unlink_waiter(slots, waiter);
            admit_waiters(slots); // it may have held up the ones behind it
            return false;
        }
        wait_a_while(waiter, &slots->lock, cancel != NULL);
    }
    return true;
}

enum assay_status assay_slots_take(struct assay_slots *slots, struct assay_lease *lease,
        uint32_t cpu_count, uint64_t memory_bytes, const volatile bool *cancel,
        struct assay_error *err)
{
    struct assay_lease wanted = {
            .cpu_count = cpu_count == ASSAY_CPUS_ALL ? slots->cpu_count : cpu_count,
            .memory_bytes = memory_bytes};
    struct waiter waiter = {.lease = &wanted};
    const uint64_t asked_us = assay_clock_us();
    bool admitted = false;

    if (wanted.cpu_count > slots->cpu_count)
        return assay_fail(err, ASSAY_EINVAL,
                "%" PRIu32 " CPUs wanted, and this process may use %" PRIu32, cpu_count,
                slots->cpu_count);
    pthread_mutex_lock(&slots->lock);
    admitted = slots->first == NULL && admit(slots, &wanted);
    pthread_mutex_unlock(&slots->lock);
    if (!admitted) {
        if (!init_cond(&waiter.admitted_cond))
            return assay_fail(err, ASSAY_ENOMEM, "no memory to wait for a slot");
        pthread_mutex_lock(&slots->lock);
        admitted = slots->first == NULL && admit(slots, &wanted);
        admitted = admitted || queue_up(slots, &waiter, cancel);
        pthread_mutex_unlock(&slots->lock);
        pthread_cond_destroy(&waiter.admitted_cond);
        if (!admitted)
            return assay_fail(err, ASSAY_EINTERRUPTED, "cancelled while waiting for a slot");
        wanted.waited_us = assay_clock_us() - asked_us;
    }
    *lease = wanted;
    return ASSAY_OK;
}

void assay_slots_give(struct assay_slots *slots, const struct assay_lease *lease)
{
    pthread_mutex_lock(&slots->lock);
    for (uint32_t i = 0; i < slots->cpu_count && lease->cpu_count > 0; i++)
        if (CPU_ISSET(slots->cpus[i], &lease->cpus)) {
            slots->boxes_on[i]--;
            disclaim(slots, i);
        }
    slots->running--;
    slots->memory_bytes -= lease->memory_bytes;
    admit_waiters(slots);
    pthread_mutex_unlock(&slots->lock);
}
