// SPDX-License-Identifier: MIT
// log_map.c - results of a log parser: a dictionary in order of first sight, where the last word
// wins.
#include <string.h>

#include "base/hash.h"
#include "rewards/log_parse.h"

#define COUNT_MIN 64
#define WORDS (sizeof(words) / sizeof(words[0]))

static bool same(const struct assay_log_entry *entry, const char *id, size_t len)
{
    return entry->id_len == len && memcmp(entry->id, id, len) == 0;
}

// The slot of this id, or the free one where it would go.
static uint32_t *slot_of(const struct assay_log_map *map, const char *id, size_t len)
{
    size_t at = (size_t)assay_hash64(id, len) & (map->slot_count - 1);

    while (map->slots[at] != 0 && !same(&map->entries[map->slots[at] - 1], id, len))
        at = (at + 1) & (map->slot_count - 1);
    return &map->slots[at];
}

const struct assay_log_entry *assay_log_find(
        const struct assay_log_map *map, const char *id, size_t id_len)
{
    if (map->count == 0)
        return NULL;
    const uint32_t slot = *slot_of(map, id, id_len);

    return slot == 0 ? NULL : &map->entries[slot - 1];
}

static bool grow(struct assay_log_run *run)
{
    struct assay_log_map *map = run->map;
    const size_t capacity = map->capacity == 0 ? COUNT_MIN : 2 * map->capacity;
    struct assay_log_entry *entries = assay_arena_array(run->arena, capacity, sizeof(*entries));
    uint32_t *slots = assay_arena_array(run->arena, 2 * capacity, sizeof(*slots));

    if (entries == NULL || slots == NULL) {
        run->no_memory = true;
        return false;
    }
    if (map->count > 0)
        memcpy(entries, map->entries, map->count * sizeof(*entries));
    map->entries = entries;
    map->capacity = capacity;
    map->slots = slots;
    map->slot_count = 2 * capacity;
    for (size_t i = 0; i < map->count; i++)
        *slot_of(map, entries[i].id, entries[i].id_len) = (uint32_t)(i + 1);
    return true;
}

static const struct {
    const char *word;
    enum assay_test_status status;
} words[] = {{"PASSED", ASSAY_TEST_PASSED}, {"FAILED", ASSAY_TEST_FAILED},
        {"ERROR", ASSAY_TEST_ERROR}, {"SKIPPED", ASSAY_TEST_SKIPPED}, {"XFAIL", ASSAY_TEST_XFAIL}};

// Index in the table above; its length when the word is no status.
static size_t index_of(struct assay_text word)
{
    size_t i = 0;

    while (i < WORDS && !assay_text_is(word, words[i].word))
        i++;
    return i;
}

// Failed and error are worse than skipped, that is worse than xfail, that is worse than passed.
static unsigned badness(enum assay_test_status status)
{
    switch (status) {
    case ASSAY_TEST_FAILED:
    case ASSAY_TEST_ERROR:
        return 4;
    case ASSAY_TEST_SKIPPED:
        return 3;
    case ASSAY_TEST_XFAIL:
    case ASSAY_TEST_XPASS:
        return 2;
    case ASSAY_TEST_PASSED:
        return 1;
    case ASSAY_TEST_MISSING:
        break;
    }
    return 0;
}

static bool add(struct assay_log_run *run, uint32_t *slot, struct assay_text id)
{
    struct assay_log_map *map = run->map;
    char *copy = assay_arena_memdup(run->arena, id.data, id.len);

    if (copy == NULL) {
        run->no_memory = true;
        return false;
    }
    map->entries[map->count++] = (struct assay_log_entry){.id = copy, .id_len = id.len};
    *slot = (uint32_t)map->count;
    return true;
}

void assay_log_put_word(struct assay_log_run *run, struct assay_text id, struct assay_text word)
{
    struct assay_log_map *map = run->map;
    struct assay_log_entry *entry;
    const size_t known = index_of(word);
    uint32_t *slot;

    if (assay_log_stopped(run))
        return;
    if (id.len > run->id_bytes_left || map->count == ASSAY_OUTCOME_TESTS_MAX) {
        map->costly = true;
        return;
    }
    run->id_bytes_left -= id.len;
    if (map->count == map->capacity && !grow(run))
        return;
    slot = slot_of(map, id.data, id.len);
    if (*slot == 0 && !add(run, slot, id))
        return;
    entry = &map->entries[*slot - 1];
    entry->status = known < WORDS ? words[known].status : ASSAY_TEST_MISSING;
    if (badness(entry->status) > badness(entry->worst))
        entry->worst = entry->status;
    entry->word =
            known < WORDS ? words[known].word : assay_arena_memdup(run->arena, word.data, word.len);
    entry->word_len = word.len;
    run->no_memory |= entry->word == NULL;
}

void assay_log_put(struct assay_log_run *run, struct assay_text id, enum assay_test_status status)
{
    for (size_t i = 0; i < WORDS; i++)
        if (words[i].status == status)
            assay_log_put_word(run, id, assay_text_of(words[i].word));
}

// --- ids made of pieces --------------------------------------------------------------------------

void assay_log_id_begin(struct assay_log_run *run)
{
    assay_buf_clear(&run->scratch);
}

void assay_log_id_add(struct assay_log_run *run, struct assay_text piece)
{
    if (run->scratch.len + piece.len > run->id_bytes_left)
        run->map->costly = true;
    else if (!assay_buf_add(&run->scratch, piece.data, piece.len))
        run->no_memory = true;
}

void assay_log_id_adds(struct assay_log_run *run, const char *piece)
{
    assay_log_id_add(run, assay_text_of(piece));
}

struct assay_text assay_log_id(const struct assay_log_run *run)
{
    return (struct assay_text){run->scratch.data, run->scratch.len};
}

void assay_log_id_put(struct assay_log_run *run, enum assay_test_status status)
{
    assay_log_put(run, assay_log_id(run), status);
}

void assay_log_id_squeeze(struct assay_log_run *run, struct assay_text text)
{
    struct assay_text rest = text, word;

    assay_log_id_begin(run);
    while (assay_py_word(&rest, &word)) {
        if (run->scratch.len > 0)
            assay_log_id_adds(run, " ");
        assay_log_id_add(run, word);
    }
}
