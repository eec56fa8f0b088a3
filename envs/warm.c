// SPDX-License-Identifier: MIT
#include "envs/warm.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SLOTS_MAX 8 // zygotes at once: some 40 MiB each
#define MEMORY_BYTES ((uint64_t)1 << 30)
#define SERVED_WELL 8   // runs after which a zygote was worth its start
#define PATIENCE_MAX 64 // runs that go by before one that keeps failing is tried again
#define MOUNTS_MAX 8

enum state { COLD, STARTING, SERVING, REFUSED };

struct slot {
    char key[ASSAY_SHA256_HEX_BYTES]; // "": free
    enum state state;
    struct assay_zygote *zygote; // SERVING: owned
    uint64_t number;
    unsigned users;
    unsigned served; // runs since it started
    unsigned wait;   // cold runs to go before it is started
    unsigned patience;
    bool retired; // no further run; stopped when its last user is gone
    uint64_t used;
};

struct assay_warm {
    struct assay_sandbox *sandbox; // borrowed
    unsigned cold_uses;
    pthread_mutex_t lock;
    struct slot slots[SLOTS_MAX];
    uint64_t clock, number, runs;
};

enum assay_status assay_warm_create(struct assay_warm **out, struct assay_sandbox *sandbox,
        unsigned cold_uses, struct assay_error *err)
{
    struct assay_warm *warm = calloc(1, sizeof(*warm));

    if (warm == NULL || pthread_mutex_init(&warm->lock, NULL) != 0) {
        free(warm);
        return assay_fail(err, ASSAY_ENOMEM, "no memory for zygotes");
    }
    warm->sandbox = sandbox;
    warm->cold_uses = cold_uses;
    *out = warm;
    return ASSAY_OK;
}

static void stop(struct slot *slot)
{
    assay_zygote_stop(slot->zygote);
    slot->zygote = NULL;
    slot->retired = false;
    slot->state = COLD;
    // One that is spoiled again and again costs more than it saves.
    slot->patience = slot->served >= SERVED_WELL ? 0
            : slot->patience >= PATIENCE_MAX     ? PATIENCE_MAX
                                                 : slot->patience * 2 + 1;
    slot->wait = slot->patience;
    slot->served = 0;
}

void assay_warm_drop(struct assay_warm *warm)
{
    if (warm == NULL)
        return;
    pthread_mutex_lock(&warm->lock);
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (warm->slots[i].state == SERVING)
            stop(&warm->slots[i]);
        else if (warm->slots[i].state == REFUSED) // perhaps because the spawner was dying
            warm->slots[i].state = COLD;
    pthread_mutex_unlock(&warm->lock);
}

void assay_warm_destroy(struct assay_warm *warm)
{
    if (warm == NULL)
        return;
    assay_warm_drop(warm);
    pthread_mutex_destroy(&warm->lock);
    free(warm);
}

// --- what a zygote is warm for -------------------------------------------------------------------

static void add_texts(struct assay_sha256 *sha, const char *const *texts, size_t count)
{
    assay_sha256_field(sha, &count, sizeof(count));
    for (size_t i = 0; i < count; i++)
        assay_sha256_field_text(sha, texts[i]);
}

static size_t count_of(const char *const *texts)
{
    size_t count = 0;

    while (texts[count] != NULL)
        count++;
    return count;
}

static bool make_key(char key[ASSAY_SHA256_HEX_BYTES], const struct assay_box_plan *plan,
        const struct assay_strings *command)
{
    struct assay_sha256 *sha = NULL;

    if (assay_sha256_create(&sha, NULL) != ASSAY_OK)
        return false;
    add_texts(sha, command->items, command->count);
    add_texts(sha, plan->env, count_of(plan->env));
    add_texts(sha, plan->root_lowers, plan->root_lower_count);
    assay_sha256_field(sha, &plan->host_usr, sizeof(plan->host_usr));
    assay_sha256_field_text(sha, plan->cwd);
    for (size_t i = 0; i < plan->mount_count; i++) {
        const struct assay_mount *mount = &plan->mounts[i];

        assay_sha256_field_text(sha, mount->target);
        if (mount->kind == ASSAY_MOUNT_BIND_RO)
            add_texts(sha, mount->lowers, mount->lower_count);
    }
    assay_sha256_hex(sha, key);
    assay_sha256_destroy(sha);
    return true;
}

// The run's box without what is the run's own: its trees, its limits, its report.
static bool start(struct assay_zygote **out, struct assay_warm *warm,
        const struct assay_box_plan *run, const struct assay_strings *command)
{
    struct assay_mount mounts[MOUNTS_MAX];
    const char **argv = calloc(command->count + 1, sizeof(*argv));
    struct assay_box_plan plan;
    bool started = false;

    assay_box_plan_default(&plan);
    plan.name = "zygote";
    plan.root_lowers = run->root_lowers;
    plan.root_lower_count = run->root_lower_count;
    plan.host_usr = run->host_usr;
    plan.env = run->env;
    plan.mounts = mounts;
    plan.limits.memory_bytes_max = MEMORY_BYTES;
    for (size_t i = 0; i < run->mount_count && plan.mount_count < MOUNTS_MAX; i++)
        if (run->mounts[i].kind == ASSAY_MOUNT_BIND_RO)
            mounts[plan.mount_count++] = run->mounts[i];
    if (argv != NULL) {
        for (size_t i = 0; i < command->count; i++)
            argv[i] = command->items[i];
        plan.argv = argv;
        started = assay_zygote_start(out, warm->sandbox, &plan, NULL) == ASSAY_OK;
    }
    free(argv);
    return started;
}

// --- taking and giving ---------------------------------------------------------------------------

static struct slot *find(struct assay_warm *warm, const char *key)
{
    struct slot *oldest = NULL;

    for (size_t i = 0; i < SLOTS_MAX; i++) {
        struct slot *slot = &warm->slots[i];

        if (strcmp(slot->key, key) == 0)
            return slot;
        if (slot->users == 0 && slot->state != STARTING &&
                (oldest == NULL || slot->used < oldest->used))
            oldest = slot;
    }
    if (oldest == NULL)
        return NULL;
    if (oldest->state == SERVING)
        stop(oldest);
    memset(oldest, 0, sizeof(*oldest));
    memcpy(oldest->key, key, sizeof(oldest->key));
    oldest->wait = warm->cold_uses;
    return oldest;
}

// Starts it, with the lock given up meanwhile: nobody else touches a slot that is STARTING.
static void warm_up(struct assay_warm *warm, struct slot *slot, const struct assay_box_plan *plan,
        const struct assay_strings *command)
{
    struct assay_zygote *zygote = NULL;
    bool started = false;

    slot->state = STARTING;
    pthread_mutex_unlock(&warm->lock);
    started = start(&zygote, warm, plan, command);
    pthread_mutex_lock(&warm->lock);
    slot->state = started ? SERVING : REFUSED;
    slot->zygote = zygote;
    slot->number = ++warm->number;
}

bool assay_warm_take(struct assay_warm *warm, struct assay_warm_lease *out,
        const struct assay_box_plan *plan, const struct assay_strings *command)
{
    char key[ASSAY_SHA256_HEX_BYTES];
    struct slot *slot = NULL;
    bool taken = false;

    *out = (struct assay_warm_lease){NULL, 0};
    if (warm == NULL || command->count == 0 || !make_key(key, plan, command))
        return false;
    pthread_mutex_lock(&warm->lock);
    slot = find(warm, key);
    if (slot != NULL) {
        slot->used = ++warm->clock;
        if (slot->state == COLD && slot->wait > 0)
            slot->wait--;
        else if (slot->state == COLD)
            warm_up(warm, slot, plan, command);
        taken = slot->state == SERVING && !slot->retired;
    }
    if (taken) {
        slot->users++;
        slot->served++;
        warm->runs++;
        *out = (struct assay_warm_lease){slot->zygote, slot->number};
    }
    pthread_mutex_unlock(&warm->lock);
    return taken;
}

static struct slot *find_number(struct assay_warm *warm, uint64_t number)
{
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (warm->slots[i].state == SERVING && warm->slots[i].number == number)
            return &warm->slots[i];
    return NULL;
}

static void retire(struct slot *slot)
{
    slot->retired = true;
    if (slot->users == 0)
        stop(slot);
}

void assay_warm_give(struct assay_warm *warm, const struct assay_warm_lease *lease, bool spoiled)
{
    struct slot *slot = NULL;

    pthread_mutex_lock(&warm->lock);
    slot = find_number(warm, lease->number);
    if (slot != NULL) {
        slot->users--;
        if (spoiled || slot->retired)
            retire(slot);
    }
    pthread_mutex_unlock(&warm->lock);
}

void assay_warm_distrust(struct assay_warm *warm, uint64_t number)
{
    struct slot *slot = NULL;

    if (warm == NULL || number == 0)
        return;
    pthread_mutex_lock(&warm->lock);
    slot = find_number(warm, number);
    if (slot != NULL)
        retire(slot);
    pthread_mutex_unlock(&warm->lock);
}

uint64_t assay_warm_run_count(struct assay_warm *warm)
{
    uint64_t runs = 0;

    pthread_mutex_lock(&warm->lock);
    runs = warm->runs;
    pthread_mutex_unlock(&warm->lock);
    return runs;
}
