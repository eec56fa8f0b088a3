// SPDX-License-Identifier: MIT
#include "policy/tensors.h"

static const char *const role_names[ASSAY_TENSOR_ROLE_COUNT] = {
        [ASSAY_TENSOR_EMBEDDING] = "embedding",
        [ASSAY_TENSOR_HEAD] = "head",
        [ASSAY_TENSOR_FINAL_NORM] = "final_norm",
        [ASSAY_TENSOR_ATTN_NORM] = "attn_norm",
        [ASSAY_TENSOR_FFN_NORM] = "ffn_norm",
        [ASSAY_TENSOR_LIGHTNING_QKV] = "lightning_qkv",
        [ASSAY_TENSOR_LIGHTNING_GATE] = "lightning_gate",
        [ASSAY_TENSOR_LIGHTNING_NORM] = "lightning_norm",
        [ASSAY_TENSOR_LIGHTNING_OUT] = "lightning_out",
        [ASSAY_TENSOR_Q] = "q",
        [ASSAY_TENSOR_K] = "k",
        [ASSAY_TENSOR_V] = "v",
        [ASSAY_TENSOR_ATTN_OUT] = "attn_out",
        [ASSAY_TENSOR_Q_NORM] = "q_norm",
        [ASSAY_TENSOR_K_NORM] = "k_norm",
        [ASSAY_TENSOR_ROUTER] = "router",
        [ASSAY_TENSOR_EXPERT_GATE] = "expert_gate",
        [ASSAY_TENSOR_EXPERT_UP] = "expert_up",
        [ASSAY_TENSOR_EXPERT_DOWN] = "expert_down",
        [ASSAY_TENSOR_FFN_GATE] = "ffn_gate",
        [ASSAY_TENSOR_FFN_UP] = "ffn_up",
        [ASSAY_TENSOR_FFN_DOWN] = "ffn_down",
        [ASSAY_TENSOR_SHARED_GATE] = "shared_gate",
        [ASSAY_TENSOR_SHARED_UP] = "shared_up",
        [ASSAY_TENSOR_SHARED_DOWN] = "shared_down",
        [ASSAY_TENSOR_SHARED_SHARE] = "shared_share",
};

// Roles of one layer at most: two norms, six of attention, eight of a sparse feed-forward.
#define ROLES_PER_LAYER_MAX 16
#define ROLES_OF_MODEL 3

struct listing {
    struct assay_tensor_spec *items;
    size_t count;
    uint32_t layer;
};

static void add(struct listing *list, enum assay_tensor_role role, uint32_t expert_count,
        uint32_t rows, uint32_t cols)
{
    list->items[list->count++] =
            (struct assay_tensor_spec){role, list->layer, expert_count, rows, cols};
}

static void add_attention(struct listing *list, const struct assay_model_config *c)
{
    const uint32_t q_width = assay_model_q_width(c);
    const uint32_t kv_width = assay_model_kv_width(c);

    if (c->layer_kinds[list->layer] == ASSAY_LAYER_LIGHTNING) {
        add(list, ASSAY_TENSOR_LIGHTNING_QKV, 1, 3 * q_width, c->hidden_size);
        add(list, ASSAY_TENSOR_LIGHTNING_GATE, 1, q_width, c->hidden_size);
        add(list, ASSAY_TENSOR_LIGHTNING_NORM, 1, 1, q_width);
        add(list, ASSAY_TENSOR_LIGHTNING_OUT, 1, c->hidden_size, q_width);
        return;
    }
    add(list, ASSAY_TENSOR_Q, 1, q_width, c->hidden_size);
    add(list, ASSAY_TENSOR_K, 1, kv_width, c->hidden_size);
    add(list, ASSAY_TENSOR_V, 1, kv_width, c->hidden_size);
    if (c->qk_norm) {
        add(list, ASSAY_TENSOR_Q_NORM, 1, 1, c->head_dim);
        add(list, ASSAY_TENSOR_K_NORM, 1, 1, c->head_dim);
    }
    add(list, ASSAY_TENSOR_ATTN_OUT, 1, c->hidden_size, q_width);
}

static void add_ffn(struct listing *list, const struct assay_model_config *c)
{
    const uint32_t experts = c->expert_count;

    if (!c->layer_sparse[list->layer]) {
        add(list, ASSAY_TENSOR_FFN_GATE, 1, c->ffn_size, c->hidden_size);
        add(list, ASSAY_TENSOR_FFN_UP, 1, c->ffn_size, c->hidden_size);
        add(list, ASSAY_TENSOR_FFN_DOWN, 1, c->hidden_size, c->ffn_size);
        return;
    }
    add(list, ASSAY_TENSOR_ROUTER, 1, experts, c->hidden_size);
    add(list, ASSAY_TENSOR_EXPERT_GATE, experts, c->expert_ffn_size, c->hidden_size);
    add(list, ASSAY_TENSOR_EXPERT_UP, experts, c->expert_ffn_size, c->hidden_size);
    add(list, ASSAY_TENSOR_EXPERT_DOWN, experts, c->hidden_size, c->expert_ffn_size);
    if (c->shared_ffn_size) {
        add(list, ASSAY_TENSOR_SHARED_GATE, 1, c->shared_ffn_size, c->hidden_size);
        add(list, ASSAY_TENSOR_SHARED_UP, 1, c->shared_ffn_size, c->hidden_size);
        add(list, ASSAY_TENSOR_SHARED_DOWN, 1, c->hidden_size, c->shared_ffn_size);
        add(list, ASSAY_TENSOR_SHARED_SHARE, 1, 1, c->hidden_size);
    }
}

enum assay_status assay_tensor_list(struct assay_tensor_spec **out, size_t *count,
        const struct assay_model_config *config, struct assay_arena *arena, struct assay_error *err)
{
    const size_t count_max = ROLES_OF_MODEL + (size_t)config->layer_count * ROLES_PER_LAYER_MAX;
    struct listing list = {.items = assay_arena_array(arena, count_max, sizeof(*list.items)),
            .layer = ASSAY_TENSOR_NO_LAYER};

    if (!list.items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    add(&list, ASSAY_TENSOR_EMBEDDING, 1, config->vocab_size, config->hidden_size);
    for (list.layer = 0; list.layer < config->layer_count; list.layer++) {
        add(&list, ASSAY_TENSOR_ATTN_NORM, 1, 1, config->hidden_size);
        add_attention(&list, config);
        add(&list, ASSAY_TENSOR_FFN_NORM, 1, 1, config->hidden_size);
        add_ffn(&list, config);
    }
    list.layer = ASSAY_TENSOR_NO_LAYER;
    add(&list, ASSAY_TENSOR_FINAL_NORM, 1, 1, config->hidden_size);
    if (!config->tied_head)
        add(&list, ASSAY_TENSOR_HEAD, 1, config->vocab_size, config->hidden_size);
    *out = list.items;
    *count = list.count;
    return ASSAY_OK;
}

uint64_t assay_tensor_elements(const struct assay_tensor_spec *spec)
{
    return (uint64_t)spec->expert_count * spec->rows * spec->cols;
}

const char *assay_tensor_role_name(enum assay_tensor_role role)
{
    return role_names[role];
}
