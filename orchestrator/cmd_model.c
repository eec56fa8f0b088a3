// SPDX-License-Identifier: MIT
// cmd_model.c - assay model info, plan, convert, check: what a model is and takes, before it runs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/commands.h"
#include "policy/count.h"
#include "policy/gguf.h"
#include "policy/plan.h"
#include "policy/save.h"
#include "policy/self_check.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)
#define JSON_BYTES_MAX ((size_t)1 << 20)

#define ROPE_OPTION                                                                                \
    {                                                                                              \
        "rope", 0, "KIND", "hf-intree: as transformers computes `minimax` (for comparisons)",      \
                false                                                                              \
    }
#define CONFIG_OPTION                                                                              \
    {                                                                                              \
        "config", 0, "FILE", "config.json of a weight file that has none beside it", false         \
    }

const struct assay_option assay_model_info_options[] = {
        ROPE_OPTION,
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_model_plan_options[] = {
        {"gpus", 'n', "N", "number of GPUs (1)", false},
        {"gpu", 'g', "KIND", "h100 (default), h200, h800, h20, a100 or b200", false},
        {"serve", 0, NULL, "plan serving; without it, training", false},
        {"context", 'c', "TOKENS", "length of one sequence (4096)", false},
        {"sequences", 's', "N", "sequences at once, on all GPUs together (1)", false},
        {"tokens", 't', "N", "training: tokens in all; serving: of each answer", false},
        {"bits", 'b', "BITS", "of a served weight (16; 8, 4.25)", false},
        {"utilization", 'u', "SHARE", "of the peak that is reached (0.4; serving: 0.7)", false},
        {"price", 0, "DOLLARS", "of a GPU and hour", false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_model_convert_options[] = {
        CONFIG_OPTION,
        ROPE_OPTION,
        {"type", 't', "TYPE", "F32, F16 or BF16 (default)", false},
        {"to", 0, "MODEL_TYPE", "minimax_m1, minimax, qwen3, qwen3_moe or assay (the model's own)",
                false},
        {"shard", 0, "MIB", "at most so many MiB in one file (4096)", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_model_check_options[] = {
        CONFIG_OPTION,
        ROPE_OPTION,
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

// --- shared -------------------------------------------------------------------------------------

static enum assay_status read_dialect(struct assay_model_dialect *out,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *rope = assay_cli_value(invocation, "rope");

    *out = (struct assay_model_dialect){.rope_transformers = rope != NULL};
    if (rope && strcmp(rope, "hf-intree") != 0)
        return assay_fail(err, ASSAY_EUSAGE, "--rope: \"%s\" is not hf-intree", rope);
    return ASSAY_OK;
}

// The description of whatever people have: config.json, a directory, GGUF.
static enum assay_status load_config(struct assay_model_config *out, const char *path,
        const struct assay_model_dialect *dialect, struct assay_arena *arena,
        struct assay_error *err)
{
    const char *dot = strrchr(path, '.');
    struct assay_weight_file *file = NULL;
    enum assay_status status;

    if (!dot || strcmp(dot, ".gguf") != 0)
        return assay_model_config_load(out, path, dialect, arena, err);
    status = assay_weight_file_open(&file, path, err);
    if (status == ASSAY_OK) {
        status = assay_model_config_from_gguf(out, file, arena, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%s", path);
    }
    assay_weight_file_close(file);
    return status;
}

// 456094000000 -> "456.09 B"
static void put_count(const char *label, uint64_t count)
{
    static const char *const units[] = {"", " K", " M", " B", " T"};
    double value = (double)count;
    size_t unit = 0;

    while (value >= 1000 && unit < 4) {
        value /= 1000;
        unit++;
    }
    printf("  %-14s %10.2f%-2s  %20" PRIu64 "\n", label, value, units[unit], count);
}

// --- info ---------------------------------------------------------------------------------------

static const uint64_t lengths[] = {1024, 8192, 65536, 100000, 1000000};
#define LENGTH_COUNT (sizeof(lengths) / sizeof(lengths[0]))

static void print_info(const struct assay_model_config *c, const struct assay_model_counts *n)
{
    uint32_t lightning = 0, sparse = 0;

    for (uint32_t i = 0; i < c->layer_count; i++) {
        lightning += c->layer_kinds[i] == ASSAY_LAYER_LIGHTNING;
        sparse += c->layer_sparse[i];
    }
    printf("%s: %u layers (%u lightning, %u softmax; %u with experts), width %u, %u heads of %u, "
           "%u key-value heads, vocabulary %u\n",
            c->model_type, c->layer_count, lightning, c->layer_count - lightning, sparse,
            c->hidden_size, c->head_count, c->head_dim, c->kv_head_count, c->vocab_size);
    printf("RoPE over %u of %u dims, theta %g%s; %s%s%s\n", c->rotary_dim, c->head_dim,
            c->rope_theta, c->yarn.factor > 0 ? ", YaRN" : "",
            c->postnorm ? "residuals of normed inputs" : "residuals of inputs",
            c->qk_norm ? ", QK-norm" : "", c->tied_head ? ", tied head" : "");
    if (sparse)
        printf("%u experts of %u, %u a token\n", c->expert_count, c->expert_ffn_size,
                c->expert_used_count);
    printf("\nparameters\n");
    put_count("total", n->total);
    put_count("active", n->active);
    put_count("embedding", n->embedding);
    put_count("head", n->head);
    put_count("lightning", n->lightning);
    put_count("softmax", n->softmax);
    put_count("dense ffn", n->ffn);
    put_count("experts", n->experts);
    put_count("routers", n->routers);
    put_count("norms", n->norms);
    printf("\nbytes: %.2f GiB as bf16, %.2f GiB as fp32; a sequence keeps %.1f MiB of state and "
           "%" PRIu64 " bytes of keys and values a token (bf16)\n",
            (double)n->total * 2 / (1 << 30), (double)n->total * 4 / (1 << 30),
            (double)assay_model_state_bytes(c) / (1 << 20), assay_model_kv_bytes_per_token(c, 2));
    printf("\nGFLOP of a forward token, by length    weights   at that length   mean up to it\n");
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        struct assay_model_flops f;

        assay_model_flops(&f, c, lengths[i]);
        printf("  %10" PRIu64 " %33.3f %16.3f %15.3f\n", lengths[i], f.weights / 1e9,
                f.marginal / 1e9, f.cumulative / 1e9);
    }
    printf("A trained token costs three times that. Weights alone is the 2N rule.\n");
}

static enum assay_status print_info_json(const struct assay_model_config *c,
        const struct assay_model_counts *n, struct assay_arena *arena, struct assay_error *err)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"total", n->total}, {"active", n->active}, {"embedding", n->embedding},
            {"head", n->head}, {"lightning", n->lightning}, {"softmax", n->softmax},
            {"ffn", n->ffn}, {"experts", n->experts}, {"routers", n->routers}, {"norms", n->norms},
            {"tensors", n->tensors}};
    struct assay_json_writer w;
    struct assay_buf text;

    (void)arena;
    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "model_type", c->model_type);
    assay_json_begin_object(&w, "parameters");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assay_json_put_u64(&w, rows[i].name, rows[i].value);
    assay_json_end_object(&w);
    assay_json_put_u64(&w, "state_bytes", assay_model_state_bytes(c));
    assay_json_put_u64(&w, "kv_bytes_per_token", assay_model_kv_bytes_per_token(c, 2));
    assay_json_begin_array(&w, "flops");
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        struct assay_model_flops f;

        assay_model_flops(&f, c, lengths[i]);
        assay_json_begin_object(&w, NULL);
        assay_json_put_u64(&w, "length", lengths[i]);
        assay_json_put_double(&w, "weights", f.weights);
        assay_json_put_double(&w, "marginal", f.marginal);
        assay_json_put_double(&w, "cumulative", f.cumulative);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

enum assay_exit assay_cmd_model_info(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    struct assay_arena *arena = NULL;
    struct assay_model_dialect dialect;
    struct assay_model_config config;
    struct assay_model_counts counts;
    enum assay_status status = read_dialect(&dialect, invocation, &err);

    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, ARENA_BYTES_MAX, &err);
    if (status == ASSAY_OK)
        status = load_config(&config, invocation->arguments[0], &dialect, arena, &err);
    if (status == ASSAY_OK) {
        assay_model_count(&counts, &config);
        if (assay_cli_flag(invocation, "json"))
            status = print_info_json(&config, &counts, arena, &err);
        else
            print_info(&config, &counts);
    }
    assay_arena_destroy(arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}

// --- plan ---------------------------------------------------------------------------------------

static enum assay_status read_plan(struct assay_plan_request *r,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *kind = assay_cli_value(invocation, "gpu");
    uint64_t gpus = 1;
    enum assay_status status;

    *r = (struct assay_plan_request){.training = !assay_cli_flag(invocation, "serve"),
            .gpu = assay_gpu_kind_find(kind ? kind : "h100"),
            .context = 4096,
            .sequences = 1,
            .weight_bits = 16,
            .utilization = assay_cli_flag(invocation, "serve") ? 0.7 : 0.4};
    if (!r->gpu)
        return assay_fail(err, ASSAY_EUSAGE,
                "--gpu: \"%s\" is none of h100, h200, h800, h20, a100, b200", kind);
    status = assay_cli_number(&gpus, invocation, "gpus", 1, 1000000, err);
    r->gpu_count = (uint32_t)gpus;
    if (status == ASSAY_OK)
        status = assay_cli_number(&r->context, invocation, "context", 1, (uint64_t)1 << 30, err);
    if (status == ASSAY_OK)
        status =
                assay_cli_number(&r->sequences, invocation, "sequences", 1, (uint64_t)1 << 30, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(
                &r->token_count, invocation, "tokens", 1, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_real(&r->weight_bits, invocation, "bits", err);
    if (status == ASSAY_OK)
        status = assay_cli_real(&r->utilization, invocation, "utilization", err);
    if (status == ASSAY_OK)
        status = assay_cli_real(&r->price_per_hour, invocation, "price", err);
    return status;
}

static void print_plan(const struct assay_plan_request *r, const struct assay_plan *p)
{
    const struct {
        const char *name;
        double bytes;
    } rows[] = {{"weights", p->weights}, {"gradients", p->gradients}, {"optimizer", p->optimizer},
            {"activations", p->activations}, {"states", p->state}, {"keys, values", p->kv},
            {"total", p->total}, {"usable", p->memory_bytes}};

    printf("%s on %u x %s, %" PRIu64 " sequences of %" PRIu64 " tokens at once\n",
            r->training ? "training" : "serving", r->gpu_count, r->gpu->name, r->sequences,
            r->context);
    printf("\nGiB of one GPU\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].bytes > 0)
            printf("  %-12s %10.2f\n", rows[i].name, rows[i].bytes / (1 << 30));
    if (p->fits)
        printf("It fits, with weights split over %u GPU%s.\n", p->split, p->split == 1 ? "" : "s");
    else
        printf("It does not fit.\n");
    if (!r->training)
        printf("Sequences of this length that fit: %" PRIu64 "\n", p->sequences_max);
    printf("\n%.1f GFLOP a token%s; at %.0f %% of the peak %.0f tokens/s\n",
            p->flops_per_token / 1e9, r->training ? " with its gradient, layers recomputed" : "",
            r->utilization * 100, p->tokens_per_second);
    if (p->seconds > 0)
        printf("%.2f days", p->seconds / 86400);
    if (p->cost > 0)
        printf(", $%.0f", p->cost);
    if (p->seconds > 0)
        printf("\n");
}

static enum assay_status print_plan_json(
        const struct assay_plan_request *r, const struct assay_plan *p, struct assay_error *err)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {{"weights_bytes", p->weights}, {"gradients_bytes", p->gradients},
            {"optimizer_bytes", p->optimizer}, {"activations_bytes", p->activations},
            {"state_bytes", p->state}, {"kv_bytes", p->kv}, {"total_bytes", p->total},
            {"usable_bytes", p->memory_bytes}, {"flops_per_token", p->flops_per_token},
            {"tokens_per_second", p->tokens_per_second}, {"seconds", p->seconds},
            {"cost_dollars", p->cost}};
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "gpu", r->gpu->name);
    assay_json_put_u64(&w, "gpus", r->gpu_count);
    assay_json_put_bool(&w, "training", r->training);
    assay_json_put_bool(&w, "fits", p->fits);
    assay_json_put_u64(&w, "split", p->split);
    assay_json_put_u64(&w, "sequences_max", p->sequences_max);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assay_json_put_double(&w, rows[i].name, rows[i].value);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

enum assay_exit assay_cmd_model_plan(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    struct assay_arena *arena = NULL;
    struct assay_model_config config;
    struct assay_plan_request request;
    struct assay_plan plan;
    enum assay_status status = read_plan(&request, invocation, &err);

    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, ARENA_BYTES_MAX, &err);
    if (status == ASSAY_OK)
        status = load_config(&config, invocation->arguments[0], NULL, arena, &err);
    if (status == ASSAY_OK)
        status = assay_plan_make(&plan, &config, &request, &err);
    if (status == ASSAY_OK && assay_cli_flag(invocation, "json"))
        status = print_plan_json(&request, &plan, &err);
    else if (status == ASSAY_OK)
        print_plan(&request, &plan);
    assay_arena_destroy(arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}

// --- convert, check -----------------------------------------------------------------------------

struct opened {
    const struct assay_ops *ops;
    struct assay_stream *stream;
    struct assay_model *model;
};

static enum assay_status open_model(
        struct opened *o, const struct assay_invocation *invocation, struct assay_error *err)
{
    const struct assay_stream_options options = {0};
    struct assay_model_dialect dialect;
    enum assay_status status = read_dialect(&dialect, invocation, err);

    *o = (struct opened){.ops = assay_ops_cpu(NULL)};
    if (status == ASSAY_OK)
        status = o->ops->device.stream_create(&o->stream, &options, err);
    if (status == ASSAY_OK)
        status = assay_model_open(&o->model, invocation->arguments[0],
                assay_cli_value(invocation, "config"), &dialect, o->ops, o->stream, err);
    return status;
}

static void close_model(struct opened *o)
{
    assay_model_destroy(o->model);
    if (o->stream)
        o->ops->device.stream_destroy(o->stream);
}

static enum assay_status read_save(struct assay_save_options *out,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    const char *type = assay_cli_value(invocation, "type");
    uint64_t shard_mib = 4096;
    enum assay_status status =
            assay_cli_number(&shard_mib, invocation, "shard", 1, (uint64_t)1 << 20, err);

    *out = (struct assay_save_options){.type = ASSAY_WEIGHT_BF16,
            .shard_bytes_max = shard_mib << 20,
            .model_type = assay_cli_value(invocation, "to")};
    if (type && strcmp(type, "F32") == 0)
        out->type = ASSAY_WEIGHT_F32;
    else if (type && strcmp(type, "F16") == 0)
        out->type = ASSAY_WEIGHT_F16;
    else if (type && strcmp(type, "BF16") != 0)
        return assay_fail(err, ASSAY_EUSAGE, "--type: \"%s\" is none of F32, F16, BF16", type);
    return status;
}

enum assay_exit assay_cmd_model_convert(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    struct opened o = {0};
    struct assay_save_options options;
    enum assay_status status = read_save(&options, invocation, &err);

    if (status == ASSAY_OK)
        status = open_model(&o, invocation, &err);
    if (status == ASSAY_OK)
        status = assay_model_save(o.model, o.stream, invocation->arguments[1], &options, &err);
    if (status == ASSAY_OK)
        printf("%s: %" PRIu64 " parameters as %s\n", invocation->arguments[1],
                (uint64_t)o.model->params.element_count, assay_weight_type_name(options.type));
    if (o.ops)
        close_model(&o);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}

static void print_checks(const struct assay_self_check *checks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%-4s  %-28s  %s\n", checks[i].passed ? "ok" : "FAIL", checks[i].name,
                checks[i].detail);
}

static enum assay_status print_checks_json(
        const struct assay_self_check *checks, size_t count, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_begin_array(&w, "checks");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "name", checks[i].name);
        assay_json_put_bool(&w, "passed", checks[i].passed);
        assay_json_put_text(&w, "detail", checks[i].detail);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

enum assay_exit assay_cmd_model_check(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    struct assay_self_check checks[ASSAY_SELF_CHECKS];
    struct opened o = {0};
    bool passed = true;
    enum assay_status status = open_model(&o, invocation, &err);

    if (status == ASSAY_OK)
        status = assay_model_self_check(checks, o.model, o.stream, &err);
    if (status == ASSAY_OK && assay_cli_flag(invocation, "json"))
        status = print_checks_json(checks, ASSAY_SELF_CHECKS, &err);
    else if (status == ASSAY_OK)
        print_checks(checks, ASSAY_SELF_CHECKS);
    for (size_t i = 0; status == ASSAY_OK && i < ASSAY_SELF_CHECKS; i++)
        passed = passed && checks[i].passed;
    close_model(&o);
    if (status != ASSAY_OK)
        return assay_cli_fail(&err);
    return passed ? ASSAY_EXIT_OK : ASSAY_EXIT_FAILED;
}
