// SPDX-License-Identifier: MIT
// store_suite.c - suites and certificates in the store.
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "tasks/fields.h"
#include "tasks/frame.h"
#include "tasks/store_db.h"
#include "tasks/suite_read.h"

#define ROW_BYTES_MAX (2 * ASSAY_SUITE_TEXT_BYTES_MAX)

// --- adding --------------------------------------------------------------------------------------

struct add_args {
    const struct assay_suite *suite;
    const char *hash;
    bool replace;
};

static enum assay_status strings_text(
        struct assay_buf *out, const struct assay_strings *strings, struct assay_error *err)
{
    struct assay_json_writer w;

    assay_buf_clear(out);
    assay_json_writer_init(&w, out, 0);
    assay_json_begin_array(&w, NULL);
    for (size_t i = 0; i < strings->count; i++)
        assay_json_put_text(&w, NULL, strings->items[i]);
    assay_json_end_array(&w);
    return assay_buf_check(out, "recipe", err);
}

static enum assay_status add_recipe(sqlite3 *db, uint64_t suite_number,
        const struct assay_recipe *recipe, struct assay_error *err)
{
    struct assay_query query;
    struct assay_buf setup;
    struct assay_buf env;
    struct assay_buf hosts;
    enum assay_status status;

    assay_buf_init(&hosts, ASSAY_SUITE_JSON_BYTES_MAX);
    assay_buf_init(&setup, ASSAY_SUITE_JSON_BYTES_MAX);
    assay_buf_init(&env, ASSAY_SUITE_JSON_BYTES_MAX);
    status = strings_text(&setup, &recipe->setup, err);
    if (status == ASSAY_OK)
        status = strings_text(&env, &recipe->env, err);
    if (status == ASSAY_OK)
        status = strings_text(&hosts, &recipe->hosts, err);
    if (status == ASSAY_OK) {
        assay_query_begin(&query, db,
                "INSERT INTO recipes (suite_number, name, base, setup, env, workdir, hosts)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)");
        assay_query_u64(&query, suite_number);
        assay_query_text(&query, recipe->name);
        assay_query_text(&query, recipe->base);
        assay_query_text(&query, setup.data);
        assay_query_text(&query, env.data);
        assay_query_text(&query, recipe->workdir);
        assay_query_text(&query, hosts.data);
        status = assay_query_run(&query, "add recipe", err);
    }
    assay_buf_free(&setup);
    assay_buf_free(&env);
    assay_buf_free(&hosts);
    return status;
}

static void query_blob(struct assay_query *query, const struct assay_bytes *bytes)
{
    assay_query_bytes(query, bytes->len == 0 ? "" : bytes->data, bytes->len);
}

// The row as a frame, or NULLs.
static enum assay_status bind_row(struct assay_query *query, struct assay_buf *frame,
        const struct assay_bytes *row, struct assay_error *err)
{
    enum assay_status status;

    if (row->data == NULL) {
        assay_query_text(query, NULL);
        assay_query_text(query, NULL);
        return ASSAY_OK;
    }
    status = assay_frame_pack(frame, row->data, row->len, "row", err);
    if (status != ASSAY_OK)
        return status;
    assay_query_u64(query, row->len);
    assay_query_bytes(query, frame->data, frame->len);
    return ASSAY_OK;
}

static enum assay_status add_instance(sqlite3 *db, uint64_t suite_number,
        const struct assay_suite *suite, const struct assay_instance *instance,
        struct assay_buf *spec, struct assay_error *err)
{
    struct assay_instance told = *instance;
    struct assay_query query;
    struct assay_buf frame;
    char hash[65];
    enum assay_status status = assay_instance_hash(hash, suite, instance, err);
    enum assay_status ran;

    if (status != ASSAY_OK)
        return status;
    assay_buf_clear(spec);
    told.base.patch = (struct assay_bytes){NULL, 0}; // the tree has it
    assay_instance_write(spec, &told);
    status = assay_buf_check(spec, instance->instance_id, err);
    if (status != ASSAY_OK)
        return status;
    assay_query_begin(&query, db,
            "INSERT INTO instances (suite_number, instance_id, hash, tree, repo, spec, problem,"
            " gold_patch, test_patch, row_bytes, row) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    assay_query_u64(&query, suite_number);
    assay_query_text(&query, instance->instance_id);
    assay_query_text(&query, hash);
    assay_query_text(&query, instance->tree);
    assay_query_text(&query, instance->repo);
    assay_query_text(&query, spec->data);
    query_blob(&query, &instance->problem);
    query_blob(&query, &instance->gold_patch);
    query_blob(&query, &instance->test_patch);
    assay_buf_init(&frame, ROW_BYTES_MAX);
    status = bind_row(&query, &frame, &instance->row, err);
    ran = status == ASSAY_OK ? assay_query_run(&query, "add instance", err)
                             : assay_query_end(&query, "add instance", NULL);
    assay_buf_free(&frame);
    return status == ASSAY_OK ? ran : status;
}

// Clear the way for a suite of this name. *same when it is there already.
static enum assay_status add_prepare(
        sqlite3 *db, const struct add_args *args, bool *same, struct assay_error *err)
{
    const char *name = args->suite->name;
    struct assay_query query;
    bool known;
    enum assay_status status;

    assay_query_begin(&query, db, "SELECT hash FROM suites WHERE name = ?");
    assay_query_text(&query, name);
    known = assay_query_row(&query);
    *same = known && strcmp((const char *)sqlite3_column_text(query.statement, 0), args->hash) == 0;
    status = assay_query_end(&query, "add suite", err);
    if (status != ASSAY_OK || !known || *same)
        return status;
    if (!args->replace)
        return assay_fail(err, ASSAY_ECONFLICT,
                "suite %s is in the store already, with other content; --replace puts this one in its place",
                name);
    assay_query_begin(&query, db, "DELETE FROM suites WHERE name = ?");
    assay_query_text(&query, name);
    return assay_query_run(&query, "replace suite", err);
}

static enum assay_status add_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct add_args *args = user;
    const struct assay_suite *suite = args->suite;
    char now[ASSAY_TIME_TEXT_BYTES];
    struct assay_query query;
    struct assay_buf spec;
    uint64_t suite_number;
    bool same = false;
    enum assay_status status = add_prepare(db, args, &same, err);

    if (status != ASSAY_OK || same)
        return status;
    assay_clock_utc(now);
    assay_query_begin(&query, db,
            "INSERT INTO suites (name, version, source, hash, instance_count, added_at)"
            " VALUES (?, ?, ?, ?, ?, ?)");
    assay_query_text(&query, suite->name);
    assay_query_text(&query, suite->version);
    assay_query_text(&query, suite->source);
    assay_query_text(&query, args->hash);
    assay_query_u64(&query, suite->instance_count);
    assay_query_text(&query, now);
    status = assay_query_run(&query, "add suite", err);
    suite_number = (uint64_t)sqlite3_last_insert_rowid(db);
    for (size_t i = 0; i < suite->recipe_count && status == ASSAY_OK; i++)
        status = add_recipe(db, suite_number, &suite->recipes[i], err);
    assay_buf_init(&spec, ASSAY_SUITE_JSON_BYTES_MAX * 2);
    for (size_t i = 0; i < suite->instance_count && status == ASSAY_OK; i++)
        status = add_instance(db, suite_number, suite, &suite->instances[i], &spec, err);
    assay_buf_free(&spec);
    return status;
}

enum assay_status assay_store_add_suite(struct assay_store *store, const struct assay_suite *suite,
        bool replace, struct assay_error *err)
{
    char hash[65];
    struct add_args args = {.suite = suite, .hash = hash, .replace = replace};
    const enum assay_status status = assay_suite_hash(hash, suite, err);

    return status != ASSAY_OK ? status : assay_store_write(store, add_work, &args, err);
}

// --- loading -------------------------------------------------------------------------------------

struct load_args {
    const char *name;
    struct assay_suite *suite; // owned until it is handed over
};

static enum assay_status text_strings(struct assay_strings *out, const char *key, const char *text,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_source source = {.file = "store", .first_line = 1, .row = true, .arena = arena};
    struct assay_json *document = NULL;
    struct assay_fields fields;
    enum assay_status status;

    // The typed reads want an object around the list.
    source.text = assay_arena_printf(arena, "{\"%s\":%s}", key, text);
    if (source.text == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "suite: larger than the memory bound");
    source.len = strlen(source.text);
    status = assay_fields_parse(&document, &fields, &source, err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(out, &fields, key, err);
    assay_json_free(document);
    return status;
}

static enum assay_status load_recipes(
        sqlite3 *db, uint64_t suite_number, struct assay_suite *suite, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_arena *arena = suite->arena;
    struct assay_query query;
    enum assay_status ended;

    assay_query_begin(&query, db,
            "SELECT name, base, setup, env, workdir, count(*) OVER (), hosts FROM recipes"
            " WHERE suite_number = ? ORDER BY name");
    assay_query_u64(&query, suite_number);
    while (status == ASSAY_OK && assay_query_row(&query)) {
        struct assay_recipe *recipe;

        if (suite->recipes == NULL)
            suite->recipes = assay_arena_array(
                    arena, assay_column_u64(&query, 5), sizeof(suite->recipes[0]));
        if (suite->recipes == NULL) {
            status = assay_fail(err, ASSAY_ENOMEM, "suite: larger than the memory bound");
            break;
        }
        recipe = &suite->recipes[suite->recipe_count++];
        recipe->name = assay_column_text(&query, 0, arena);
        recipe->base = assay_column_text(&query, 1, arena);
        recipe->workdir = assay_column_text(&query, 4, arena);
        status = text_strings(
                &recipe->setup, "setup", assay_column_text(&query, 2, arena), arena, err);
        if (status == ASSAY_OK)
            status = text_strings(
                    &recipe->env, "env", assay_column_text(&query, 3, arena), arena, err);
        if (status == ASSAY_OK)
            status = text_strings(
                    &recipe->hosts, "hosts", assay_column_text(&query, 6, arena), arena, err);
    }
    ended = assay_query_end(&query, "load recipes", status == ASSAY_OK ? err : NULL);
    return status == ASSAY_OK ? ended : status;
}

static enum assay_status load_row(struct assay_query *query, struct assay_bytes *row,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_bytes frame = {sqlite3_column_blob(query->statement, 6),
            (size_t)sqlite3_column_bytes(query->statement, 6)};
    struct assay_buf text;
    enum assay_status status;

    if (frame.data == NULL)
        return ASSAY_OK;
    assay_buf_init(&text, ROW_BYTES_MAX);
    status = assay_frame_unpack(&text, frame, assay_column_u64(query, 5), "rows", err);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(row, &text, "row", arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status load_instance(
        struct assay_query *query, struct assay_suite *suite, struct assay_error *err)
{
    struct assay_arena *arena = suite->arena;
    const char *spec = assay_column_text(query, 0, arena);
    const char *tree = assay_column_text(query, 1, arena);
    struct assay_instance instance = {0};
    enum assay_status status;

    if (query->code != SQLITE_OK)
        return assay_fail(err, ASSAY_ENOMEM, "suite %s: larger than the memory bound", suite->name);
    status = assay_instance_read(&instance, spec, strlen(spec), "store", arena, err);
    if (status != ASSAY_OK)
        return status;
    if (strlen(tree) >= sizeof(instance.tree))
        return assay_fail(err, ASSAY_EINVAL, "store: %s: tree is no hash", instance.instance_id);
    memcpy(instance.tree, tree, strlen(tree) + 1);
    instance.problem = assay_column_bytes(query, 2, arena);
    instance.gold_patch = assay_column_bytes(query, 3, arena);
    instance.test_patch = assay_column_bytes(query, 4, arena);
    status = load_row(query, &instance.row, arena, err);
    return status == ASSAY_OK ? assay_suite_append(suite, &instance, err) : status;
}

static enum assay_status load_instances(
        sqlite3 *db, uint64_t suite_number, struct assay_suite *suite, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_query query;
    enum assay_status ended;

    assay_query_begin(&query, db,
            "SELECT spec, tree, problem, gold_patch, test_patch, row_bytes, row FROM instances"
            " WHERE suite_number = ? ORDER BY instance_id");
    assay_query_u64(&query, suite_number);
    while (status == ASSAY_OK && assay_query_row(&query))
        status = load_instance(&query, suite, err);
    ended = assay_query_end(&query, "load instances", status == ASSAY_OK ? err : NULL);
    return status == ASSAY_OK ? ended : status;
}

static enum assay_status load_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct load_args *args = user;
    struct assay_suite *suite = args->suite;
    struct assay_query query;
    uint64_t suite_number = 0;
    bool known;
    enum assay_status status;

    assay_query_begin(
            &query, db, "SELECT suite_number, version, source FROM suites WHERE name = ?");
    assay_query_text(&query, args->name);
    known = assay_query_row(&query);
    if (known) {
        suite_number = assay_column_u64(&query, 0);
        suite->version = assay_column_text(&query, 1, suite->arena);
        suite->source = assay_column_text(&query, 2, suite->arena);
    }
    status = assay_query_end(&query, "load suite", err);
    if (status == ASSAY_OK && !known)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no suite %s in the store", args->name);
    if (status == ASSAY_OK)
        status = load_recipes(db, suite_number, suite, err);
    if (status == ASSAY_OK)
        status = load_instances(db, suite_number, suite, err);
    return status;
}

enum assay_status assay_store_load_suite(struct assay_store *store, const char *name,
        struct assay_suite **out, struct assay_error *err)
{
    struct load_args args = {.name = name};
    enum assay_status status = assay_suite_create(&args.suite, name, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_store_read(store, load_work, &args, err);
    if (status == ASSAY_OK)
        *out = args.suite;
    else
        assay_suite_free(args.suite);
    return status;
}

// --- removing and listing ------------------------------------------------------------------------

struct remove_args {
    const char *name;
};

static enum assay_status remove_work(sqlite3 *db, void *user, struct assay_error *err)
{
    const struct remove_args *args = user;
    struct assay_query query;
    enum assay_status status;

    assay_query_begin(&query, db, "DELETE FROM suites WHERE name = ?");
    assay_query_text(&query, args->name);
    status = assay_query_run(&query, "remove suite", err);
    if (status == ASSAY_OK && sqlite3_changes(db) == 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "no suite %.110s in the store", args->name);
    return status;
}

enum assay_status assay_store_remove_suite(
        struct assay_store *store, const char *name, struct assay_error *err)
{
    struct remove_args args = {name};

    return assay_store_write(store, remove_work, &args, err);
}

struct list_args {
    struct assay_arena *arena;
    struct assay_suite_row *rows;
    size_t count;
};

static enum assay_status list_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct list_args *args = user;
    struct assay_query query;

    assay_query_begin(&query, db,
            "SELECT name, version, source, hash, added_at, instance_count,"
            " (SELECT count(*) FROM instances AS i WHERE i.suite_number = s.suite_number AND"
            "   (SELECT holds AND instr(' ' || checks || ' ', ' gold ') > 0"
            "      AND instr(' ' || checks || ' ', ' empty ') > 0"
            "     FROM certificates AS c WHERE c.suite = s.name"
            "     AND c.instance_id = i.instance_id AND c.instance_hash = i.hash"
            "     ORDER BY certificate_number DESC LIMIT 1) = 1),"
            " count(*) OVER () FROM suites AS s ORDER BY name");
    while (assay_query_row(&query)) {
        struct assay_suite_row *row;

        if (args->rows == NULL)
            args->rows = assay_arena_array(
                    args->arena, assay_column_u64(&query, 7), sizeof(args->rows[0]));
        if (args->rows == NULL) {
            query.code = SQLITE_NOMEM;
            break;
        }
        row = &args->rows[args->count++];
        row->name = assay_column_text(&query, 0, args->arena);
        row->version = assay_column_text(&query, 1, args->arena);
        row->source = assay_column_text(&query, 2, args->arena);
        row->hash = assay_column_text(&query, 3, args->arena);
        row->added_at = assay_column_text(&query, 4, args->arena);
        row->instance_count = assay_column_u64(&query, 5);
        row->certified_count = assay_column_u64(&query, 6);
    }
    return assay_query_end(&query, "list suites", err);
}

enum assay_status assay_store_list_suites(struct assay_store *store, struct assay_arena *arena,
        struct assay_suite_row **rows, size_t *count, struct assay_error *err)
{
    struct list_args args = {.arena = arena};
    const enum assay_status status = assay_store_read(store, list_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}
