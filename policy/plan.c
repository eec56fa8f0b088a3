// SPDX-License-Identifier: MIT
#include "policy/plan.h"

#include <math.h>
#include <string.h>

#include "policy/count.h"

#define USABLE 0.92 // the rest is the context's, the libraries' and fragmentation's
#define GRADIENT_BYTES 4.0
#define OPTIMIZER_BYTES 12.0
#define HALF_BYTES 2.0
#define GIB ((double)(1 << 30))

// Memory as sold, dense bf16 rate and bandwidth by the vendors' data sheets. The price of an H800
// is the M1 report's: $534,700 for 512 of them and three weeks.
static const struct assay_gpu_kind kinds[] = {
        {"h100", 80 * GIB, 989e12, 3.35e12, 0},
        {"h200", 141e9, 989e12, 4.8e12, 0},
        {"h800", 80 * GIB, 989e12, 3.35e12, 534700.0 / (512 * 21 * 24)},
        {"h20", 96 * GIB, 148e12, 4.0e12, 0},
        {"a100", 80 * GIB, 312e12, 2.04e12, 0},
        {"b200", 180e9, 2250e12, 8.0e12, 0},
};

const struct assay_gpu_kind *assay_gpu_kind_at(size_t index)
{
    return index < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[index] : NULL;
}

const struct assay_gpu_kind *assay_gpu_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static enum assay_status check(const struct assay_plan_request *r, struct assay_error *err)
{
    if (r->gpu_count == 0 || r->gpu_count > 1000000)
        return assay_fail(err, ASSAY_EINVAL, "the number of GPUs is not between 1 and 1,000,000");
    if (r->context == 0 || r->context > (uint64_t)1 << 30)
        return assay_fail(err, ASSAY_EINVAL, "the context is not between 1 and 2^30 tokens");
    if (r->sequences == 0 || r->sequences > (uint64_t)1 << 30)
        return assay_fail(err, ASSAY_EINVAL, "the number of sequences is not between 1 and 2^30");
    if (!(r->utilization > 0) || !(r->utilization <= 1))
        return assay_fail(err, ASSAY_EINVAL, "the utilization is not above 0 and at most 1");
    if (!(r->price_per_hour >= 0))
        return assay_fail(err, ASSAY_EINVAL, "the price of a GPU and hour is below 0");
    if (!(r->weight_bits >= 1) || !(r->weight_bits <= 32))
        return assay_fail(err, ASSAY_EINVAL, "the bits of a weight are not between 1 and 32");
    return ASSAY_OK;
}

// Elements that one token of a layer leaves when nothing is recomputed: the widest layer counts.
static double layer_elements(const struct assay_model_config *c)
{
    const double q = assay_model_q_width(c), kv = assay_model_kv_width(c);
    double widest = 0;

    for (uint32_t i = 0; i < c->layer_count; i++) {
        const bool lightning = c->layer_kinds[i] == ASSAY_LAYER_LIGHTNING;
        const double attention = lightning ? 9 * q : 3 * q + 3 * kv;
        const double ffn = c->layer_sparse[i]
                ? c->expert_used_count * (3.0 * c->expert_ffn_size + 2.0 * c->hidden_size)
                : 3.0 * c->ffn_size;

        widest = fmax(widest, 4.0 * c->hidden_size + attention + ffn);
    }
    return widest;
}

static void plan_training(struct assay_plan *p, const struct assay_model_config *c,
        const struct assay_plan_request *r, double parameters)
{
    const double rows = (double)r->context * (double)r->sequences / r->gpu_count;
    struct assay_model_flops flops;

    p->optimizer = parameters * OPTIMIZER_BYTES / r->gpu_count;
    p->activations =
            rows * HALF_BYTES * ((double)c->layer_count * c->hidden_size + 2 * layer_elements(c));
    p->state = (double)assay_model_state_bytes(c) * ceil((double)r->sequences / r->gpu_count);
    for (p->split = 1; p->split <= r->gpu_count; p->split *= 2) {
        p->weights = parameters * HALF_BYTES / p->split;
        p->gradients = parameters * GRADIENT_BYTES / p->split;
        p->total = p->weights + p->gradients + p->optimizer + p->activations + p->state;
        if (p->total <= p->memory_bytes)
            break;
    }
    p->fits = p->total <= p->memory_bytes;
    assay_model_flops(&flops, c, r->context);
    p->flops_per_token = 4 * flops.cumulative; // forward, again for recomputing, and twice back
    p->tokens_per_second = r->gpu_count * r->gpu->flops_bf16 * r->utilization / p->flops_per_token;
}

// Weights of which at least one of `sequences` tokens makes use, experts drawn alike.
static double weights_touched(const struct assay_model_config *c,
        const struct assay_model_counts *counts, double sequences)
{
    const double miss = c->expert_count
            ? pow(1 - (double)c->expert_used_count / c->expert_count, sequences)
            : 0;

    return (double)(counts->total - counts->experts - counts->embedding) +
            (c->tied_head ? (double)counts->embedding : 0) + (double)counts->experts * (1 - miss);
}

static void plan_serving(struct assay_plan *p, const struct assay_model_config *c,
        const struct assay_plan_request *r, const struct assay_model_counts *counts)
{
    const double parameters = (double)counts->total, bytes = r->weight_bits / 8;
    const double kv = (double)assay_model_kv_bytes_per_token(c, 2) * (double)r->context;
    const double state = (double)assay_model_state_bytes(c);
    struct assay_model_flops flops;
    double room;

    // Weights split over the smallest number of GPUs that leaves room for one sequence; the groups
    // of GPUs that this makes share the sequences.
    for (p->split = 1; p->split < r->gpu_count; p->split *= 2)
        if (parameters * bytes / p->split + (kv + state) / p->split <= p->memory_bytes)
            break;
    const double groups = fmax(floor((double)r->gpu_count / p->split), 1);
    const double share = ceil((double)r->sequences / groups) / p->split; // sequences of one GPU

    p->weights = parameters * bytes / p->split;
    p->kv = kv * share;
    p->state = state * share;
    p->activations =
            HALF_BYTES * ceil((double)r->sequences / groups) * layer_elements(c) / p->split;
    p->total = p->weights + p->kv + p->state + p->activations;
    p->fits = p->total <= p->memory_bytes;
    room = (p->memory_bytes - p->weights) * p->split * groups;
    p->sequences_max = room > 0 ? (uint64_t)(room / (kv + state)) : 0;
    assay_model_flops(&flops, c, r->context);
    p->flops_per_token = flops.marginal;
    p->bytes_per_step = weights_touched(c, counts, (double)r->sequences / groups) * bytes +
            (double)r->sequences / groups * (kv + 2 * state);
    p->tokens_per_second = (double)r->sequences * p->split * r->gpu->bytes_per_second *
            r->utilization / p->bytes_per_step;
    // Many sequences at once are bound by arithmetic instead.
    p->tokens_per_second = fmin(p->tokens_per_second,
            r->gpu_count * r->gpu->flops_bf16 * r->utilization / p->flops_per_token);
}

enum assay_status assay_plan_make(struct assay_plan *out, const struct assay_model_config *config,
        const struct assay_plan_request *request, struct assay_error *err)
{
    const struct assay_plan_request *r = request;
    struct assay_plan plan = {.memory_bytes = r->gpu->memory_bytes * USABLE};
    struct assay_model_counts counts;
    const double price = r->price_per_hour > 0 ? r->price_per_hour : r->gpu->price_per_hour;
    enum assay_status status = check(r, err);

    if (status != ASSAY_OK)
        return status;
    assay_model_count(&counts, config);
    if (r->training)
        plan_training(&plan, config, r, (double)counts.total);
    else
        plan_serving(&plan, config, r, &counts);
    if (!plan.fits)
        plan.split = 0;
    if (r->token_count > 0) {
        const double tokens = (double)r->token_count * (r->training ? 1 : (double)r->sequences);

        plan.seconds = tokens / plan.tokens_per_second;
        plan.cost = plan.seconds / 3600 * r->gpu_count * price;
    }
    *out = plan;
    return ASSAY_OK;
}
