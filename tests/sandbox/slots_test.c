// SPDX-License-Identifier: MIT
// What must hold: no more runs at once than there are CPUs and memory for, in the order of asking;
// a large request is not starved; whoever waits can be told to stop.
#include "sandbox/slots.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/box.h"
#include "support/harness.h"

#define MIB ((uint64_t)1 << 20)

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static struct assay_slots *make(uint32_t boxes_per_cpu, uint64_t budget)
{
    const struct assay_slots_options options = {
            .boxes_per_cpu = boxes_per_cpu, .memory_bytes_budget = budget};
    struct assay_slots *slots = NULL;

    assert_int_equal(assay_slots_create(&slots, &options, NULL), ASSAY_OK);
    return slots;
}

static struct assay_lease take(struct assay_slots *slots, uint32_t cpu_count, uint64_t bytes)
{
    struct assay_lease lease;

    assert_int_equal(assay_slots_take(slots, &lease, cpu_count, bytes, NULL, NULL), ASSAY_OK);
    return lease;
}

// One thread that wants something, notes when it got it, and gives it back when told.
struct asker {
    struct assay_slots *slots;
    uint64_t memory_bytes;
    uint64_t waited_us;
    atomic_bool *release; // hold until it is set; NULL: give back at once
    atomic_uint *order;   // next place
    pthread_t thread;
    uint32_t cpu_count;
    unsigned place;
    enum assay_status status;
    volatile bool cancel;
};

static void *ask(void *argument)
{
    struct asker *asker = argument;
    struct assay_lease lease;

    asker->status = assay_slots_take(
            asker->slots, &lease, asker->cpu_count, asker->memory_bytes, &asker->cancel, NULL);
    if (asker->status != ASSAY_OK)
        return NULL;
    asker->place = atomic_fetch_add(asker->order, 1);
    asker->waited_us = lease.waited_us;
    while (asker->release != NULL && !atomic_load(asker->release))
        pause_ms(1);
    assay_slots_give(asker->slots, &lease);
    return NULL;
}

static void start(struct asker *asker)
{
    assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
    pause_ms(30); // it is in the queue by then; if it were not, the order would be another
}

static void each_command_has_cpus_of_its_own(void **state)
{
    struct assay_slots *slots = make(0, UINT64_MAX);
    const uint32_t count = assay_slots_cpu_count(slots);
    struct assay_lease *leases = calloc(count, sizeof(*leases));
    cpu_set_t seen, mask;

    (void)state;
    assert_non_null(leases);
    assert_int_equal(sched_getaffinity(0, sizeof(mask), &mask), 0);
    assert_int_equal(count, CPU_COUNT(&mask));
    CPU_ZERO(&seen);
    for (uint32_t i = 0; i < count; i++) {
        leases[i] = take(slots, 1, MIB);
        assert_int_equal(CPU_COUNT(&leases[i].cpus), 1);
        CPU_OR(&seen, &seen, &leases[i].cpus);
    }
    assert_true(CPU_EQUAL(&seen, &mask));
    for (uint32_t i = 0; i < count; i++)
        assay_slots_give(slots, &leases[i]);

    leases[0] = take(slots, ASSAY_CPUS_ALL, MIB);
    assert_true(CPU_EQUAL(&leases[0].cpus, &mask));
    leases[0].waited_us = 0;
    assay_slots_give(slots, &leases[0]);

    leases[0] = take(slots, 0, MIB); // none, and no waiting for one
    assert_int_equal(CPU_COUNT(&leases[0].cpus), 0);
    assay_slots_give(slots, &leases[0]);
    free(leases);
    assay_slots_destroy(slots);
}

static void more_cpus_than_there_are_is_an_error(void **state)
{
    struct assay_slots *slots = make(0, 0);
    struct assay_lease lease;
    struct assay_error err;

    (void)state;
    assert_int_equal(
            assay_slots_take(slots, &lease, assay_slots_cpu_count(slots) + 1, 1, NULL, &err),
            ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "CPUs wanted"));
    assay_slots_destroy(slots);
}

static void commands_may_share_a_cpu_when_told_to(void **state)
{
    struct assay_slots *slots = make(3, UINT64_MAX);
    const uint32_t count = assay_slots_cpu_count(slots) * 3;
    struct assay_lease *leases = calloc(count, sizeof(*leases));

    (void)state;
    assert_non_null(leases);
    for (uint32_t i = 0; i < count; i++)
        leases[i] = take(slots, 1, MIB); // none of them waits
    for (uint32_t i = 0; i < count; i++)
        assay_slots_give(slots, &leases[i]);
    free(leases);
    assay_slots_destroy(slots);
}

// What another process sees of a CPU in use; where all are in use they are shared, without a wait.
static void other_processes_can_see_which_cpus_are_taken(void **state)
{
    struct assay_slots *ours = make(1, 64 * MIB);
    struct assay_slots *others = make(1, 64 * MIB);
    const struct assay_lease all = take(ours, ASSAY_CPUS_ALL, MIB);
    const struct assay_lease one = take(others, 1, MIB);
    char path[64];
    int fd = -1;

    (void)state;
    assert_int_equal(CPU_COUNT(&one.cpus), 1);
    for (unsigned cpu = 0; fd < 0 && cpu < CPU_SETSIZE; cpu++) {
        (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/core_id", cpu);
        if (CPU_ISSET(cpu, &all.cpus))
            fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd >= 0) {
        assert_int_not_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
        close(fd);
    }
    assay_slots_give(others, &one);
    assay_slots_give(ours, &all);
    assay_slots_destroy(others);
    assay_slots_destroy(ours);
}

static void memory_is_a_budget_and_something_may_always_run(void **state)
{
    struct assay_slots *slots = make(8, 100 * MIB);
    struct assay_lease large = take(slots, 1, 4096 * MIB); // more than the budget, but alone
    atomic_uint order = 0;
    struct asker small = {.slots = slots, .cpu_count = 1, .memory_bytes = MIB, .order = &order};
    struct assay_lease first, second;

    (void)state;
    start(&small);
    assert_int_equal(atomic_load(&order), 0);
    assay_slots_give(slots, &large);
    pthread_join(small.thread, NULL);
    assert_int_equal(small.status, ASSAY_OK);
    assert_true(small.waited_us > 0);

    first = take(slots, 1, 60 * MIB);
    second = take(slots, 1, 40 * MIB); // exactly full
    start(&small);
    assert_int_equal(atomic_load(&order), 1);
    assay_slots_give(slots, &second);
    pthread_join(small.thread, NULL);
    assay_slots_give(slots, &first);
    assay_slots_destroy(slots);
}

// All the CPUs are wanted while small requests keep coming: the large one is served in its turn.
static void they_are_served_in_the_order_of_asking(void **state)
{
    struct assay_slots *slots = make(0, UINT64_MAX);
    struct assay_lease held = take(slots, 1, MIB);
    atomic_uint order = 0;
    struct asker askers[6];
    uint32_t running = 0, waiting = 0;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        askers[i] = (struct asker){.slots = slots,
                .cpu_count = i == 0 ? ASSAY_CPUS_ALL : 1,
                .memory_bytes = MIB,
                .order = &order};
        start(&askers[i]);
    }
    assert_int_equal(atomic_load(&order), 0); // though some CPU may be free
    for (int tries = 0; waiting < 6 && tries < 5000; tries++) {
        assay_slots_load(slots, &running, &waiting);
        pause_ms(1);
    }
    assert_true(running == 1 && waiting == 6);
    assay_slots_give(slots, &held);
    for (size_t i = 0; i < 6; i++)
        pthread_join(askers[i].thread, NULL);
    assert_int_equal(askers[0].place, 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(askers[i].status, ASSAY_OK);
    assay_slots_destroy(slots);
}

static void who_waits_can_be_cancelled_and_holds_up_nobody(void **state)
{
    struct assay_slots *slots = make(0, UINT64_MAX);
    const uint32_t count = assay_slots_cpu_count(slots);
    struct assay_lease held = take(slots, 1, MIB);
    atomic_uint order = 0;
    struct asker all = {.slots = slots, .cpu_count = ASSAY_CPUS_ALL, .order = &order};
    struct asker behind = {.slots = slots, .cpu_count = count > 1 ? 1 : 0, .order = &order};

    (void)state;
    start(&all);
    start(&behind);
    assert_int_equal(atomic_load(&order), 0);
    __atomic_store_n(&all.cancel, true, __ATOMIC_RELAXED);
    pthread_join(all.thread, NULL);
    assert_int_equal(all.status, ASSAY_EINTERRUPTED);
    pthread_join(behind.thread, NULL); // `held` is still out
    assert_int_equal(behind.status, ASSAY_OK);
    assay_slots_give(slots, &held);
    assay_slots_destroy(slots);
}

// --- many threads --------------------------------------------------------------------------------

struct crowd {
    struct assay_slots *slots;
    atomic_uint on_cpu[CPU_SETSIZE];
    atomic_uint_fast64_t memory_bytes;
    atomic_uint broken, done;
};

static void enter(struct crowd *crowd, const struct assay_lease *lease)
{
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &lease->cpus) && atomic_fetch_add(&crowd->on_cpu[cpu], 1) != 0)
            atomic_fetch_add(&crowd->broken, 1);
    if (atomic_fetch_add(&crowd->memory_bytes, lease->memory_bytes) + lease->memory_bytes > 8 * MIB)
        atomic_fetch_add(&crowd->broken, 1);
}

static void leave(struct crowd *crowd, const struct assay_lease *lease)
{
    atomic_fetch_sub(&crowd->memory_bytes, lease->memory_bytes);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &lease->cpus))
            atomic_fetch_sub(&crowd->on_cpu[cpu], 1);
}

static void *crowd_thread(void *argument)
{
    struct crowd *crowd = argument;
    const uint32_t most = assay_slots_cpu_count(crowd->slots) > 1 ? 2 : 1;

    for (unsigned i = 0; i < 200; i++) {
        struct assay_lease lease;

        if (assay_slots_take(crowd->slots, &lease, i % most + 1, (i % 5 + 1) * MIB, NULL, NULL) !=
                ASSAY_OK) {
            atomic_fetch_add(&crowd->broken, 1);
            continue;
        }
        enter(crowd, &lease);
        sched_yield();
        leave(crowd, &lease);
        assay_slots_give(crowd->slots, &lease);
        atomic_fetch_add(&crowd->done, 1);
    }
    return NULL;
}

static void a_crowd_never_exceeds_what_there_is(void **state)
{
    static struct crowd crowd;
    pthread_t threads[16];

    (void)state;
    crowd.slots = make(0, 8 * MIB);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_thread, &crowd), 0);
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&crowd.broken), 0);
    assert_int_equal(atomic_load(&crowd.done), 16 * 200);
    assay_slots_destroy(crowd.slots);
}

static void the_default_budget_is_below_what_the_host_has(void **state)
{
    struct assay_slots *slots = make(0, 0);
    const uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    (void)state;
    assert_true(assay_slots_memory_budget(slots) > 0);
    assert_true(assay_slots_memory_budget(slots) < host);
    assay_slots_destroy(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(each_command_has_cpus_of_its_own),
            cmocka_unit_test(more_cpus_than_there_are_is_an_error),
            cmocka_unit_test(commands_may_share_a_cpu_when_told_to),
            cmocka_unit_test(other_processes_can_see_which_cpus_are_taken),
            cmocka_unit_test(memory_is_a_budget_and_something_may_always_run),
            cmocka_unit_test(they_are_served_in_the_order_of_asking),
            cmocka_unit_test(who_waits_can_be_cancelled_and_holds_up_nobody),
            cmocka_unit_test(a_crowd_never_exceeds_what_there_is),
            cmocka_unit_test(the_default_budget_is_below_what_the_host_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
