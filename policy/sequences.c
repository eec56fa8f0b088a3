// SPDX-License-Identifier: MIT
#include "policy/sequences.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK ASSAY_ATTENTION_BLOCK

struct slot {
    bool used;
    uint32_t position;
    uint32_t page_count;
};

struct assay_sequences {
    const struct assay_model *model;
    struct assay_stream *stream;
    struct assay_sequences_options options;
    struct slot *slots;  // [slots_max]
    int32_t *table;      // [slots_max, pages_per_slot] host
    uint32_t *holders;   // [page_count] sequences that have the page
    int32_t *free_pages; // stack
    size_t free_page_count, free_slot_count, pages_per_slot;
    size_t page_bytes, state_bytes; // of one page of keys, of one slot's state in one layer
    bool has_softmax, dirty;
    void **k_pages, **v_pages, **states; // [L]
    void *device_table;
    struct assay_pass_state state;
};

static bool is_softmax(const struct assay_sequences *s, uint32_t layer)
{
    return s->model->config.layer_kinds[layer] == ASSAY_LAYER_SOFTMAX;
}

// --- life ---------------------------------------------------------------------------------------

static enum assay_status make_host(struct assay_sequences *s, struct assay_error *err)
{
    const size_t layers = s->model->config.layer_count, slots = s->options.slots_max;

    assert(layers > 0);
    s->slots = calloc(slots, sizeof(*s->slots));
    s->table = calloc(slots * s->pages_per_slot, sizeof(*s->table));
    s->holders = calloc(s->options.page_count, sizeof(*s->holders));
    s->free_pages = calloc(s->options.page_count, sizeof(*s->free_pages));
    s->k_pages = calloc(layers, sizeof(*s->k_pages));
    s->v_pages = calloc(layers, sizeof(*s->v_pages));
    s->states = calloc(layers, sizeof(*s->states));
    if (!s->slots || !s->table || !s->holders || !s->free_pages || !s->k_pages || !s->v_pages ||
            !s->states)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    while (s->free_page_count < s->options.page_count) {
        s->free_pages[s->free_page_count] =
                (int32_t)(s->options.page_count - 1 - s->free_page_count);
        s->free_page_count++;
    }
    s->free_slot_count = slots;
    return ASSAY_OK;
}

static enum assay_status make_device(struct assay_sequences *s, struct assay_error *err)
{
    const struct assay_device *device = &s->model->ops->device;
    enum assay_status status = device->alloc(
            &s->device_table, s->options.slots_max * s->pages_per_slot * sizeof(int32_t), err);

    for (uint32_t i = 0; i < s->model->config.layer_count && status == ASSAY_OK; i++) {
        if (!is_softmax(s, i)) {
            status = device->alloc(&s->states[i], s->options.slots_max * s->state_bytes, err);
            continue;
        }
        status = device->alloc(&s->k_pages[i], s->options.page_count * s->page_bytes, err);
        if (status == ASSAY_OK)
            status = device->alloc(&s->v_pages[i], s->options.page_count * s->page_bytes, err);
    }
    return status;
}

enum assay_status assay_sequences_create(struct assay_sequences **out,
        const struct assay_model *model, const struct assay_sequences_options *options,
        struct assay_stream *stream, struct assay_error *err)
{
    const struct assay_model_config *c = &model->config;
    struct assay_sequences *s = calloc(1, sizeof(*s));
    enum assay_status status;

    assert(options->slots_max > 0 && options->positions_max > 0);
    if (!s)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    s->model = model;
    s->stream = stream;
    s->options = *options;
    s->pages_per_slot = (options->positions_max + BLOCK - 1) / BLOCK;
    for (uint32_t i = 0; i < c->layer_count; i++)
        s->has_softmax |= is_softmax(s, i);
    if (!s->has_softmax)
        s->options.page_count = 1; // never taken
    else if (s->options.page_count == 0)
        s->options.page_count = options->slots_max * s->pages_per_slot;
    s->page_bytes =
            BLOCK * (size_t)assay_model_kv_width(c) * assay_dtype_bytes(model->ops->activation);
    s->state_bytes =
            (size_t)assay_model_q_width(c) * c->head_dim * assay_dtype_bytes(model->ops->sum);
    status = make_host(s, err);
    if (status == ASSAY_OK)
        status = make_device(s, err);
    if (status == ASSAY_OK)
        *out = s;
    else
        assay_sequences_destroy(s);
    return status;
}

void assay_sequences_destroy(struct assay_sequences *sequences)
{
    struct assay_sequences *s = sequences;

    if (!s)
        return;
    (void)s->model->ops->device.sync(s->stream, NULL);
    for (uint32_t i = 0; i < s->model->config.layer_count; i++) {
        s->model->ops->device.release(s->k_pages ? s->k_pages[i] : NULL);
        s->model->ops->device.release(s->v_pages ? s->v_pages[i] : NULL);
        s->model->ops->device.release(s->states ? s->states[i] : NULL);
    }
    s->model->ops->device.release(s->device_table);
    free(s->slots);
    free(s->table);
    free(s->holders);
    free(s->free_pages);
    free(s->k_pages);
    free(s->v_pages);
    free(s->states);
    free(s);
}

// --- pages --------------------------------------------------------------------------------------

static int32_t *page_at(struct assay_sequences *s, uint32_t slot, uint32_t index)
{
    return &s->table[slot * s->pages_per_slot + index];
}

static int32_t take_page(struct assay_sequences *s)
{
    const int32_t page = s->free_pages[--s->free_page_count];

    s->holders[page] = 1;
    return page;
}

static void drop_page(struct assay_sequences *s, int32_t page)
{
    if (--s->holders[page] == 0)
        s->free_pages[s->free_page_count++] = page;
}

size_t assay_sequences_pages_for(const struct assay_sequences *sequences, size_t positions)
{
    return sequences->has_softmax ? (positions + BLOCK - 1) / BLOCK : 0;
}

bool assay_sequences_extend(struct assay_sequences *sequences, uint32_t slot, uint32_t row_count,
        struct assay_span *span)
{
    struct assay_sequences *s = sequences;
    struct slot *at = &s->slots[slot];
    const size_t end = (size_t)at->position + row_count;
    const size_t wanted = assay_sequences_pages_for(s, end);

    assert(at->used);
    if (end > s->options.positions_max ||
            (wanted > at->page_count && wanted - at->page_count > s->free_page_count))
        return false;
    while (at->page_count < wanted) {
        *page_at(s, slot, at->page_count++) = take_page(s);
        s->dirty = true;
    }
    span->row_count = row_count;
    span->position = at->position;
    span->slot = slot;
    span->up = 0;
    at->position = (uint32_t)end;
    return true;
}

const struct assay_pass_state *assay_sequences_state(struct assay_sequences *sequences)
{
    struct assay_sequences *s = sequences;

    if (s->dirty) {
        // Borrowed until the next sync, and every change of the table comes after one.
        s->model->ops->device.upload(s->stream, s->device_table, s->table,
                s->options.slots_max * s->pages_per_slot * sizeof(*s->table));
        s->dirty = false;
    }
    s->state = (struct assay_pass_state){.k_pages = s->k_pages,
            .v_pages = s->v_pages,
            .states = s->states,
            .page_table = s->device_table,
            .pages_per_slot = s->pages_per_slot};
    return &s->state;
}

// --- sequences ----------------------------------------------------------------------------------

static uint32_t take_slot(struct assay_sequences *s)
{
    for (uint32_t i = 0; i < s->options.slots_max; i++) {
        if (s->slots[i].used)
            continue;
        s->slots[i] = (struct slot){.used = true};
        s->free_slot_count--;
        return i;
    }
    return ASSAY_SLOT_NONE;
}

uint32_t assay_sequences_open(struct assay_sequences *sequences)
{
    struct assay_sequences *s = sequences;
    const uint32_t slot = take_slot(s);

    for (uint32_t i = 0; slot != ASSAY_SLOT_NONE && i < s->model->config.layer_count; i++)
        if (!is_softmax(s, i))
            s->model->ops->device.zero(
                    s->stream, (char *)s->states[i] + slot * s->state_bytes, s->state_bytes);
    return slot;
}

static void copy_states(struct assay_sequences *s, uint32_t to, uint32_t from)
{
    for (uint32_t i = 0; i < s->model->config.layer_count; i++)
        if (!is_softmax(s, i))
            s->model->ops->device.copy(s->stream, (char *)s->states[i] + to * s->state_bytes,
                    (const char *)s->states[i] + from * s->state_bytes, s->state_bytes);
}

static void copy_page(struct assay_sequences *s, int32_t to, int32_t from)
{
    for (uint32_t i = 0; i < s->model->config.layer_count; i++) {
        if (!is_softmax(s, i))
            continue;
        s->model->ops->device.copy(s->stream, (char *)s->k_pages[i] + (size_t)to * s->page_bytes,
                (const char *)s->k_pages[i] + (size_t)from * s->page_bytes, s->page_bytes);
        s->model->ops->device.copy(s->stream, (char *)s->v_pages[i] + (size_t)to * s->page_bytes,
                (const char *)s->v_pages[i] + (size_t)from * s->page_bytes, s->page_bytes);
    }
}

uint32_t assay_sequences_fork(struct assay_sequences *sequences, uint32_t slot)
{
    struct assay_sequences *s = sequences;
    const struct slot *from = &s->slots[slot];
    const uint32_t whole = s->has_softmax ? from->position / BLOCK : 0;
    const bool partial = from->page_count > whole;
    uint32_t to;

    assert(from->used);
    if (s->free_slot_count == 0 || (partial && s->free_page_count == 0))
        return ASSAY_SLOT_NONE;
    to = take_slot(s);
    s->slots[to].position = from->position;
    for (uint32_t i = 0; i < whole; i++) {
        *page_at(s, to, i) = *page_at(s, slot, i);
        s->holders[*page_at(s, slot, i)]++;
    }
    s->slots[to].page_count = whole;
    if (partial) {
        *page_at(s, to, whole) = take_page(s);
        s->slots[to].page_count++;
        copy_page(s, *page_at(s, to, whole), *page_at(s, slot, whole));
    }
    s->dirty = true;
    copy_states(s, to, slot);
    return to;
}

void assay_sequences_close(struct assay_sequences *sequences, uint32_t slot)
{
    struct slot *at = &sequences->slots[slot];

    assert(at->used);
    for (uint32_t i = 0; i < at->page_count; i++)
        drop_page(sequences, *page_at(sequences, slot, i));
    *at = (struct slot){0};
    sequences->free_slot_count++;
}

uint32_t assay_sequences_position(const struct assay_sequences *sequences, uint32_t slot)
{
    return sequences->slots[slot].position;
}

size_t assay_sequences_free_pages(const struct assay_sequences *sequences)
{
    return sequences->free_page_count;
}

size_t assay_sequences_free_slots(const struct assay_sequences *sequences)
{
    return sequences->free_slot_count;
}
