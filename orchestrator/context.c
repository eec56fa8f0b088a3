// SPDX-License-Identifier: MIT
#include "orchestrator/context.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "envs/runner.h"
#include "orchestrator/claims.h"
#include "orchestrator/gate.h"
#include "rewards/framework.h"

#define PREPARE_TRIES 3
#define COLD_USES 1 // a command that grades once needs no zygote
#define DATABASE_PATH_BYTES_MAX 500

// One slot per recipe that was asked for; pointers to it stay valid. A failure is kept, too: a
// set-up that fails is not run again for each of a thousand instances.
struct environment_slot {
    char *identity; // owned: the recipe's content
    enum assay_status status;
    struct assay_error error;
    struct assay_environment environment; // when status is ASSAY_OK
    struct environment_slot *next;
};

struct assay_context {
    struct assay_gate gate; // what boxes reach
    struct assay_sandbox *sandbox;
    struct assay_depot *depot;
    struct assay_store *store;
    struct assay_claims *claims;
    struct assay_warm *warm; // NULL: no zygotes
    struct assay_log log;
    const volatile bool *interrupted;
    char trusted_dir[PATH_MAX];
    pthread_mutex_t environment_lock;
    struct environment_slot *environments;
    pthread_mutex_t mend_lock;
    pthread_rwlock_t run_lock; // read: a box runs; write: the spawner is replaced
    uint64_t generation;       // of the spawner
};

static enum assay_status find_home(
        char home[PATH_MAX], const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *given = assay_cli_value(invocation, "home");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *user_home = getenv("HOME");
    int length;

    if (given && !*given)
        return assay_fail(err, ASSAY_EUSAGE, "--home: the name of a directory is missing");
    if (!given)
        given = getenv("ASSAY_HOME"); // NOLINT(concurrency-mt-unsafe): likewise
    if (given && *given)
        length = snprintf(home, PATH_MAX, "%s", given);
    else if (user_home && user_home[0] == '/')
        length = snprintf(home, PATH_MAX, "%s/.assay", user_home);
    else
        return assay_fail(err, ASSAY_EUSAGE, "no home: set ASSAY_HOME or give --home DIR");
    if (length < 0 || length >= PATH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "the path of the home is too long");
    return ASSAY_OK;
}

static enum assay_status read_min_tier(
        enum assay_tier *out, const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *given = assay_cli_value(invocation, "min-tier");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *text = given ? given : getenv("ASSAY_MIN_TIER");

    *out = ASSAY_TIER_A;
    if (!text || (!given && !*text))
        return ASSAY_OK;
    for (int tier = ASSAY_TIER_A; tier <= ASSAY_TIER_D; tier++) {
        if (strcmp(assay_tier_name((enum assay_tier)tier), text) == 0) {
            *out = (enum assay_tier)tier;
            return ASSAY_OK;
        }
    }
    return assay_fail(err, ASSAY_EUSAGE, "%s: '%s' is not A, B, C or D",
            given ? "--min-tier" : "ASSAY_MIN_TIER", text);
}

enum assay_status assay_context_sandbox_options(struct assay_sandbox_options *out,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    *out = (struct assay_sandbox_options){.tier_min = ASSAY_TIER_A};
    out->box_program = getenv("ASSAY_BOX_PROGRAM"); // NOLINT(concurrency-mt-unsafe): likewise
    return read_min_tier(&out->tier_min, invocation, err);
}

static enum assay_status start_sandbox(struct assay_context *context,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    struct assay_sandbox_options options;
    enum assay_status status = assay_context_sandbox_options(&options, invocation, err);

    if (status != ASSAY_OK)
        return status;
    return assay_sandbox_start(&context->sandbox, &options, err);
}

static enum assay_status lay_trusted_files(struct assay_context *context, struct assay_error *err)
{
    size_t count = 0;
    const struct assay_trusted_file *files = assay_trusted_files(&count);
    struct assay_runner_file *laid = calloc(count ? count : 1, sizeof(*laid));
    enum assay_status status;

    if (!laid)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        laid[i] = (struct assay_runner_file){files[i].path, files[i].content, files[i].executable};
    status = assay_runner_lay_files(context->depot, laid, count, context->trusted_dir, err);
    free(laid);
    return status;
}

enum assay_status assay_context_open(struct assay_context **out,
        const struct assay_invocation *invocation, bool with_sandbox, struct assay_error *err)
{
    struct assay_context *context = calloc(1, sizeof(*context));
    enum assay_status status = ASSAY_OK;
    char home[PATH_MAX], database[PATH_MAX];
    uid_t uid;
    gid_t gid;

    if (!context)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    pthread_mutex_init(&context->environment_lock, NULL);
    pthread_mutex_init(&context->mend_lock, NULL);
    pthread_rwlock_init(&context->run_lock, NULL);
    context->log = invocation->log;
    context->interrupted = invocation->interrupted;
    status = find_home(home, invocation, err);
    if (status == ASSAY_OK && with_sandbox)
        status = start_sandbox(context, invocation, err);
    if (status == ASSAY_OK && with_sandbox)
        status = assay_gate_open(&context->gate, invocation, err);
    if (status != ASSAY_OK)
        goto out;
    assay_sandbox_store_ids(&uid, &gid);
    status = assay_depot_open(&context->depot, home, uid, gid, err);
    if (status != ASSAY_OK)
        goto out;
    assay_depot_set_cancel(context->depot, context->interrupted);
    // SQLite takes no longer paths, and needs room for the names of its log files.
    if (snprintf(database, sizeof(database), "%s/assay.db", assay_depot_home(context->depot)) >=
            DATABASE_PATH_BYTES_MAX) {
        status = assay_fail(err, ASSAY_EINVAL, "the path of the home is too long: at most %d bytes",
                DATABASE_PATH_BYTES_MAX - 10);
        goto out;
    }
    status = assay_store_open(&context->store, database, err);
    if (status == ASSAY_OK)
        status = assay_claims_create(&context->claims, context->store, err);
    if (status == ASSAY_OK && with_sandbox)
        status = lay_trusted_files(context, err);
    if (status == ASSAY_OK && with_sandbox && !assay_cli_flag(invocation, "no-zygote"))
        status = assay_warm_create(&context->warm, context->sandbox, COLD_USES, err);
    if (status == ASSAY_OK)
        *out = context;

out:
    if (status != ASSAY_OK)
        assay_context_close(context);
    return status;
}

void assay_context_close(struct assay_context *context)
{
    if (!context)
        return;
    assay_warm_destroy(context->warm);
    assay_sandbox_stop(context->sandbox);
    assay_claims_destroy(context->claims);
    assay_store_close(context->store);
    assay_depot_close(context->depot);
    assay_gate_close(&context->gate);
    while (context->environments) {
        struct environment_slot *slot = context->environments;

        context->environments = slot->next;
        free(slot->identity);
        free(slot);
    }
    pthread_mutex_destroy(&context->environment_lock);
    pthread_mutex_destroy(&context->mend_lock);
    pthread_rwlock_destroy(&context->run_lock);
    free(context);
}

struct assay_depot *assay_context_depot(struct assay_context *context)
{
    return context->depot;
}

struct assay_store *assay_context_store(struct assay_context *context)
{
    return context->store;
}

struct assay_sandbox *assay_context_sandbox(struct assay_context *context)
{
    return context->sandbox;
}

struct assay_claims *assay_context_claims(const struct assay_context *context)
{
    return context->claims;
}

struct assay_warm *assay_context_warm(const struct assay_context *context)
{
    return context->warm;
}

const struct assay_access *assay_context_access(const struct assay_context *context)
{
    return &context->gate.access;
}

const struct assay_log *assay_context_log(const struct assay_context *context)
{
    return &context->log;
}

void assay_context_log_around(
        struct assay_context *context, void (*around)(void *user, bool before), void *user)
{
    context->log.around = around;
    context->log.user = user;
}

const volatile bool *assay_context_interrupted(const struct assay_context *context)
{
    return context->interrupted;
}

const char *assay_context_trusted_dir(const struct assay_context *context)
{
    return context->trusted_dir;
}

// A recipe's content as one string: two recipes with the same content share an environment.
static char *recipe_identity(const struct assay_recipe *recipe)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    fprintf(out, "%s\n", recipe->base);
    for (size_t i = 0; i < recipe->setup.count; i++)
        fprintf(out, "%zu:%s\n", strlen(recipe->setup.items[i]), recipe->setup.items[i]);
    for (size_t i = 0; i < recipe->env.count; i++)
        fprintf(out, "%zu:%s\n", strlen(recipe->env.items[i]), recipe->env.items[i]);
    for (size_t i = 0; i < recipe->hosts.count; i++)
        fprintf(out, "%zu:%s\n", strlen(recipe->hosts.items[i]), recipe->hosts.items[i]);
    fprintf(out, "%s\n", recipe->workdir);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

// A spawner that is dying may not be a zombie yet when its sockets close: look for a moment.
static bool spawner_is_dead(const struct assay_context *context)
{
    const struct timespec moment = {.tv_nsec = 10L * 1000 * 1000};

    for (int look = 0; look < 10; look++) {
        siginfo_t info = {0};

        // WNOWAIT: the sandbox reaps it. ECHILD: somebody has.
        if (waitid(P_PID, (id_t)assay_sandbox_spawner_pid(context->sandbox), &info,
                    WEXITED | WNOHANG | WNOWAIT) != 0 ||
                info.si_pid != 0)
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

static struct environment_slot *find_slot(const struct assay_context *context, const char *identity)
{
    struct environment_slot *slot = context->environments;

    while (slot && strcmp(slot->identity, identity) != 0)
        slot = slot->next;
    return slot;
}

// A spawner that dies under the set-up is replaced, and the set-up tried again.
static enum assay_status prepare(struct assay_context *context, const struct assay_recipe *recipe,
        struct assay_environment *out, struct assay_error *err)
{
    for (unsigned tries = 1;; tries++) {
        const uint64_t generation = assay_context_enter(context);
        enum assay_status status = assay_recipe_prepare(
                context->depot, context->sandbox, recipe, &context->gate.access, out, err);
        struct assay_error mending = {0};

        assay_context_leave(context);
        if (status == ASSAY_OK || *context->interrupted || tries == PREPARE_TRIES)
            return status;
        if (!spawner_is_dead(context))
            return status;
        if (assay_context_mend(context, generation, &mending) != ASSAY_OK)
            return status;
    }
}

enum assay_status assay_context_environment(struct assay_context *context,
        const struct assay_recipe *recipe, const struct assay_environment **out,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct environment_slot *slot;
    char *identity = recipe_identity(recipe);

    if (!identity)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    pthread_mutex_lock(&context->environment_lock);
    slot = find_slot(context, identity);
    if (!slot) {
        slot = calloc(1, sizeof(*slot));
        if (!slot) {
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
            goto out;
        }
        slot->status = prepare(context, recipe, &slot->environment, &slot->error);
        slot->identity = identity;
        slot->next = context->environments;
        context->environments = slot;
        identity = NULL;
    }
    status = slot->status;
    if (status == ASSAY_OK)
        *out = &slot->environment;
    else if (err)
        *err = slot->error;

out:
    pthread_mutex_unlock(&context->environment_lock);
    free(identity);
    return status;
}

uint64_t assay_context_enter(struct assay_context *context)
{
    pthread_rwlock_rdlock(&context->run_lock);
    return context->generation; // only written under the write lock
}

void assay_context_leave(struct assay_context *context)
{
    pthread_rwlock_unlock(&context->run_lock);
}

enum assay_status assay_context_mend(
        struct assay_context *context, uint64_t generation, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    pthread_mutex_lock(&context->mend_lock);
    if (context->generation == generation && spawner_is_dead(context)) {
        pthread_rwlock_wrlock(&context->run_lock);
        assay_warm_drop(context->warm);
        status = assay_sandbox_restart(context->sandbox, err);
        context->generation++;
        pthread_rwlock_unlock(&context->run_lock);
        if (status == ASSAY_OK)
            assay_log(&context->log, ASSAY_LOG_WARN, "orchestrator", "spawner restarted", NULL);
    }
    pthread_mutex_unlock(&context->mend_lock);
    return status;
}
