// SPDX-License-Identifier: MIT
// store_rollout.c - rollouts of a training that are kept for people.
//
// Content of a row's frame: the lengths of prompt, answer, patch and tokens as four little-endian
// words of four bytes, then those bytes; a token is its id, its bytes of text (the lower three
// bytes) with how much newer its weights are than the rollout's version (the highest), and its logp
// (binary32), four bytes each, little-endian.
#include <stdlib.h>
#include <string.h>

#include "tasks/frame.h"
#include "tasks/store_db.h"
#include "tasks/store_train.h"

#define CONTENT_BYTES_MAX ((size_t)16 << 20)
#define PARTS 4
#define WORD ((size_t)4)
#define TOKEN_BYTES (3 * WORD)
#define NEWER_SHIFT 24

static void put_word(struct assay_buf *out, uint32_t word)
{
    for (unsigned i = 0; i < WORD; i++)
        (void)assay_buf_addc(out, (char)(unsigned char)(word >> (8 * i)));
}

static uint32_t get_word(const char *at)
{
    uint32_t word = 0;

    for (unsigned i = 0; i < WORD; i++)
        word |= (uint32_t)(unsigned char)at[i] << (8 * i);
    return word;
}

static void write_content(struct assay_buf *out, const struct assay_training_rollout *r)
{
    const struct assay_bytes parts[PARTS - 1] = {r->prompt, r->answer, r->patch};

    for (size_t i = 0; i < PARTS - 1; i++)
        put_word(out, (uint32_t)parts[i].len);
    put_word(out, (uint32_t)(r->tokens_kept * TOKEN_BYTES));
    for (size_t i = 0; i < PARTS - 1; i++)
        (void)assay_buf_add(out, parts[i].data, parts[i].len);
    for (size_t i = 0; i < r->tokens_kept; i++) {
        uint32_t bits;

        memcpy(&bits, &r->tokens[i].logp, sizeof(bits));
        put_word(out, (uint32_t)r->tokens[i].id);
        put_word(out, r->tokens[i].bytes | (uint32_t)r->tokens[i].newer << NEWER_SHIFT);
        put_word(out, bits);
    }
}

static enum assay_status insert(sqlite3 *db, const char *run_id,
        const struct assay_training_rollout *r, const struct assay_buf *frame, size_t raw_bytes,
        struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db,
            "INSERT INTO rollouts (training_number, position, phase, place, group_number, version,"
            " task, family, cause, reason, finish, solved, reward, advantage, token_count,"
            " raw_bytes, frame) SELECT training_number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
            " ?, ? FROM trainings WHERE run_id = ?");
    assay_query_u64(&query, r->position);
    assay_query_text(&query, r->phase);
    assay_query_u64(&query, r->place);
    assay_query_u64(&query, r->group);
    assay_query_u64(&query, r->version);
    assay_query_text(&query, r->task);
    assay_query_text(&query, r->family);
    assay_query_text(&query, r->cause);
    assay_query_text(&query, r->reason);
    assay_query_text(&query, r->finish);
    assay_query_u64(&query, r->solved);
    assay_query_real(&query, r->reward);
    assay_query_real(&query, r->advantage);
    assay_query_u64(&query, r->token_count);
    assay_query_u64(&query, raw_bytes);
    assay_query_bytes(&query, frame->data, frame->len);
    assay_query_text(&query, run_id);
    return assay_query_run(&query, "put rollout", err);
}

static enum assay_status put_rollout(sqlite3 *db, const char *run_id,
        const struct assay_training_rollout *r, struct assay_error *err)
{
    struct assay_buf content, frame;
    enum assay_status status;

    assay_buf_init(&content, CONTENT_BYTES_MAX);
    assay_buf_init(&frame, CONTENT_BYTES_MAX + (CONTENT_BYTES_MAX >> 4));
    write_content(&content, r);
    status = assay_buf_check(&content, "rollout", err);
    if (status == ASSAY_OK)
        status = assay_frame_pack(&frame, content.data, content.len, "rollout", err);
    if (status == ASSAY_OK)
        status = insert(db, run_id, r, &frame, content.len, err);
    assay_buf_free(&content);
    assay_buf_free(&frame);
    return status;
}

static enum assay_status remove_rollouts(sqlite3 *db, const char *run_id,
        const struct assay_training_step *step, struct assay_error *err)
{
    struct assay_query query;

    assay_query_begin(&query, db,
            "DELETE FROM rollouts WHERE position = ? AND phase = ? AND training_number ="
            " (SELECT training_number FROM trainings WHERE run_id = ?)");
    assay_query_u64(&query, step->position);
    assay_query_text(&query, step->phase);
    assay_query_text(&query, run_id);
    return assay_query_run(&query, "remove rollouts", err);
}

enum assay_status assay_store_put_rollouts(sqlite3 *db, const char *run_id,
        const struct assay_training_record *record, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < record->step_count && status == ASSAY_OK; i++)
        status = remove_rollouts(db, run_id, &record->steps[i], err);
    for (size_t i = 0; i < record->rollout_count && status == ASSAY_OK; i++)
        status = put_rollout(db, run_id, &record->rollouts[i], err);
    return status;
}

// --- reading -------------------------------------------------------------------------------------

static enum assay_status bad_content(struct assay_error *err)
{
    return assay_fail(err, ASSAY_EIO, "store: rollout: its content is not as it was written");
}

static enum assay_status read_tokens(struct assay_training_rollout *out, const char *at, size_t len,
        struct assay_arena *arena, struct assay_error *err)
{
    const size_t count = len / TOKEN_BYTES;
    struct assay_rollout_token *tokens = assay_arena_array(arena, count, sizeof(*tokens));

    if (!tokens)
        return assay_fail(err, ASSAY_ENOMEM, "store: rollout: out of memory");
    for (size_t i = 0; i < count; i++, at += TOKEN_BYTES) {
        const uint32_t bits = get_word(at + 2 * WORD);

        tokens[i].id = (int32_t)get_word(at);
        tokens[i].bytes = get_word(at + WORD) & ((1U << NEWER_SHIFT) - 1);
        tokens[i].newer = (uint8_t)(get_word(at + WORD) >> NEWER_SHIFT);
        memcpy(&tokens[i].logp, &bits, sizeof(bits));
    }
    out->tokens = tokens;
    out->tokens_kept = count;
    return ASSAY_OK;
}

static enum assay_status read_content(struct assay_training_rollout *out, struct assay_bytes frame,
        size_t raw_bytes, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_bytes *parts[PARTS - 1] = {&out->prompt, &out->answer, &out->patch};
    struct assay_buf raw;
    enum assay_status status;
    const char *at;
    size_t left;

    assay_buf_init(&raw, CONTENT_BYTES_MAX);
    status = assay_frame_unpack(&raw, frame, raw_bytes, "rollout", err);
    if (status == ASSAY_OK && raw.len < PARTS * WORD)
        status = bad_content(err);
    at = status == ASSAY_OK ? assay_arena_memdup(arena, raw.data, raw.len) : NULL;
    left = raw.len;
    assay_buf_free(&raw);
    if (status != ASSAY_OK)
        return status;
    if (!at)
        return assay_fail(err, ASSAY_ENOMEM, "store: rollout: out of memory");
    const char *lengths = at;

    at += PARTS * WORD;
    left -= PARTS * WORD;
    for (size_t i = 0; i < PARTS - 1; i++) {
        const size_t len = get_word(lengths + i * WORD);

        if (len > left)
            return bad_content(err);
        *parts[i] = (struct assay_bytes){at, len};
        at += len;
        left -= len;
    }
    if (left != get_word(lengths + (PARTS - 1) * WORD) || left % TOKEN_BYTES != 0)
        return bad_content(err);
    return read_tokens(out, at, left, arena, err);
}

struct rollouts_args {
    const char *run_id;
    struct assay_arena *arena;
    struct assay_training_rollout *rows;
    size_t count;
};

static void read_columns(
        struct assay_training_rollout *out, struct assay_query *query, struct assay_arena *arena)
{
    out->position = assay_column_u64(query, 0);
    out->phase = assay_column_text(query, 1, arena);
    out->place = (uint32_t)assay_column_u64(query, 2);
    out->group = (uint32_t)assay_column_u64(query, 3);
    out->version = assay_column_u64(query, 4);
    out->task = assay_column_text(query, 5, arena);
    out->family = assay_column_text(query, 6, arena);
    out->cause = assay_column_text(query, 7, arena);
    out->reason = assay_column_text(query, 8, arena);
    out->finish = assay_column_text(query, 9, arena);
    out->solved = assay_column_u64(query, 10) != 0;
    out->reward = assay_column_real(query, 11);
    out->advantage = assay_column_real(query, 12);
    out->token_count = assay_column_u64(query, 13);
}

static enum assay_status rollouts_work(sqlite3 *db, void *user, struct assay_error *err)
{
    struct rollouts_args *args = user;
    struct assay_query query;
    enum assay_status status = ASSAY_OK, ended;

    assay_query_begin(&query, db,
            "SELECT position, phase, place, group_number, version, task, family, cause, reason,"
            " finish, solved, reward, advantage, token_count, raw_bytes, frame, count(*) OVER ()"
            " FROM rollouts JOIN trainings USING (training_number) WHERE run_id = ?"
            " ORDER BY position, phase, place");
    assay_query_text(&query, args->run_id);
    while (status == ASSAY_OK && assay_query_row(&query)) {
        struct assay_training_rollout *row;
        struct assay_bytes frame;

        if (!args->rows)
            args->rows = assay_arena_array(
                    args->arena, assay_column_u64(&query, 16), sizeof(*args->rows));
        if (!args->rows) {
            query.code = SQLITE_NOMEM;
            break;
        }
        row = &args->rows[args->count++];
        read_columns(row, &query, args->arena);
        frame = assay_column_bytes(&query, 15, args->arena);
        if (query.code == SQLITE_OK)
            status = read_content(row, frame, assay_column_u64(&query, 14), args->arena, err);
    }
    ended = assay_query_end(&query, "list rollouts", status == ASSAY_OK ? err : NULL);
    return status == ASSAY_OK ? ended : status;
}

enum assay_status assay_store_training_rollouts(struct assay_store *store, const char *run_id,
        struct assay_arena *arena, struct assay_training_rollout **rows, size_t *count,
        struct assay_error *err)
{
    struct rollouts_args args = {.run_id = run_id, .arena = arena};
    const enum assay_status status = assay_store_read(store, rollouts_work, &args, err);

    if (status == ASSAY_OK) {
        *rows = args.rows;
        *count = args.count;
    }
    return status;
}
