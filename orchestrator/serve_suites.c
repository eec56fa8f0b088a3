// SPDX-License-Identifier: MIT
#include "orchestrator/serve_suites.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SUITES_MAX 256
#define LIST_ARENA_BYTES ((size_t)64 << 20)

struct shelf {
    struct assay_suite *suite;   // owned
    struct assay_served *served; // owned; of each instance, in their order
};

struct assay_served_suites {
    struct assay_store *store;
    pthread_mutex_t lock; // around what follows; a shelf that is counted stays as it is
    struct shelf shelves[SUITES_MAX];
    size_t count;
};

static const struct shelf *find_shelf(const struct assay_served_suites *suites, const char *name)
{
    for (size_t i = 0; i < suites->count; i++) {
        if (strcmp(suites->shelves[i].suite->name, name) == 0)
            return &suites->shelves[i];
    }
    return NULL;
}

static enum assay_status add(
        struct assay_served_suites *suites, const char *name, struct assay_error *err)
{
    struct shelf *shelf = &suites->shelves[suites->count];
    enum assay_status status;

    if (suites->count == SUITES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "at most %d suites are served", SUITES_MAX);
    status = assay_store_load_suite(suites->store, name, &shelf->suite, err);
    if (status != ASSAY_OK)
        return status;
    shelf->served = calloc(shelf->suite->instance_count + 1, sizeof(*shelf->served));
    if (shelf->served == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; status == ASSAY_OK && i < shelf->suite->instance_count; i++) {
        struct assay_served *served = &shelf->served[i];

        served->suite = shelf->suite;
        served->instance = &shelf->suite->instances[i];
        status = assay_instance_hash(served->hash, shelf->suite, served->instance, err);
    }
    if (status == ASSAY_OK) {
        suites->count++;
        return ASSAY_OK;
    }
    free(shelf->served);
    assay_suite_free(shelf->suite);
    return status;
}

static enum assay_status add_all(struct assay_served_suites *suites, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_suite_row *rows = NULL;
    size_t count = 0;
    enum assay_status status = assay_arena_create(&arena, LIST_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_store_list_suites(suites->store, arena, &rows, &count, err);
    for (size_t i = 0; status == ASSAY_OK && i < count; i++)
        status = add(suites, rows[i].name, err);
    assay_arena_destroy(arena);
    return status;
}

enum assay_status assay_served_open(struct assay_served_suites **out, struct assay_store *store,
        const char *const *names, size_t count, struct assay_error *err)
{
    struct assay_served_suites *suites = calloc(1, sizeof(*suites));
    enum assay_status status = ASSAY_OK;

    if (suites == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    suites->store = store;
    pthread_mutex_init(&suites->lock, NULL);
    if (count == 0)
        status = add_all(suites, err);
    for (size_t i = 0; status == ASSAY_OK && i < count; i++) {
        if (find_shelf(suites, names[i]) == NULL)
            status = add(suites, names[i], err);
    }
    if (status == ASSAY_OK)
        *out = suites;
    else
        assay_served_close(suites);
    return status;
}

void assay_served_close(struct assay_served_suites *suites)
{
    if (suites == NULL)
        return;
    for (size_t i = 0; i < suites->count; i++) {
        free(suites->shelves[i].served);
        assay_suite_free(suites->shelves[i].suite);
    }
    pthread_mutex_destroy(&suites->lock);
    free(suites);
}

static const struct assay_served *look(const struct shelf *shelf, const char *instance_id)
{
    const struct assay_instance *instance = assay_suite_find(shelf->suite, instance_id);

    return instance != NULL ? &shelf->served[instance - shelf->suite->instances] : NULL;
}

static enum assay_status find_anywhere(const struct assay_served **out,
        const struct assay_served_suites *suites, const char *instance_id, struct assay_error *err)
{
    const struct assay_served *found = NULL;

    for (size_t i = 0; i < suites->count; i++) {
        const struct assay_served *served = look(&suites->shelves[i], instance_id);

        if (served != NULL && found != NULL)
            return assay_fail(err, ASSAY_ECONFLICT, "suites %s and %s have '%.100s': name one",
                    found->suite->name, served->suite->name, instance_id);
        if (served != NULL)
            found = served;
    }
    if (found == NULL)
        return assay_fail(err, ASSAY_ENOTFOUND, "no suite has an instance '%.100s'", instance_id);
    *out = found;
    return ASSAY_OK;
}

enum assay_status assay_served_find(const struct assay_served **out,
        struct assay_served_suites *suites, const char *suite, const char *instance_id,
        struct assay_error *err)
{
    const struct shelf *shelf;
    enum assay_status status = ASSAY_OK;

    pthread_mutex_lock(&suites->lock);
    if (suite == NULL) {
        status = find_anywhere(out, suites, instance_id, err);
        goto out;
    }
    shelf = find_shelf(suites, suite);
    if (shelf == NULL) {
        status = add(suites, suite, err);
        shelf = status == ASSAY_OK ? find_shelf(suites, suite) : NULL;
    }
    if (shelf != NULL) {
        const struct assay_served *served = look(shelf, instance_id);

        if (served != NULL)
            *out = served;
        else
            status = assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%.100s'",
                    shelf->suite->name, instance_id);
    }

out:
    pthread_mutex_unlock(&suites->lock);
    return status;
}

size_t assay_served_count(struct assay_served_suites *suites, const char *suite)
{
    size_t count = 0;

    pthread_mutex_lock(&suites->lock);
    for (size_t i = 0; i < suites->count; i++) {
        if (suite == NULL || strcmp(suites->shelves[i].suite->name, suite) == 0)
            count += suites->shelves[i].suite->instance_count;
    }
    pthread_mutex_unlock(&suites->lock);
    return count;
}

const struct assay_served *assay_served_at(
        struct assay_served_suites *suites, const char *suite, size_t index)
{
    const struct assay_served *found = NULL;

    pthread_mutex_lock(&suites->lock);
    for (size_t i = 0; i < suites->count && found == NULL; i++) {
        const struct shelf *shelf = &suites->shelves[i];

        if (suite != NULL && strcmp(shelf->suite->name, suite) != 0)
            continue;
        if (index < shelf->suite->instance_count)
            found = &shelf->served[index];
        else
            index -= shelf->suite->instance_count;
    }
    pthread_mutex_unlock(&suites->lock);
    return found;
}

const struct assay_suite *assay_served_suite_at(struct assay_served_suites *suites, size_t index)
{
    const struct assay_suite *suite = NULL;

    pthread_mutex_lock(&suites->lock);
    if (index < suites->count)
        suite = suites->shelves[index].suite;
    pthread_mutex_unlock(&suites->lock);
    return suite;
}
