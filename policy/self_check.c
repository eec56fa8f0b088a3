// SPDX-License-Identifier: MIT
#include "policy/self_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "policy/convert.h"
#include "policy/pass.h"
#include "policy/sequences.h"

#define ROWS 100 // over a page and several blocks, a multiple of none
#define CHUNK ((uint64_t)1 << 16)

struct checking {
    const struct assay_model *model;
    struct assay_stream *stream;
    struct assay_pass *pass;
    struct assay_sequences *sequences;
    int32_t ids[ROWS];
    unsigned char *whole, *piecewise; // last row's logits, as the device has them
    double *logits;
    size_t logit_bytes;
};

static enum assay_status check_weights(
        struct assay_self_check *out, struct checking *c, struct assay_error *err)
{
    const struct assay_params *params = &c->model->params;
    double *values = malloc(CHUNK * sizeof(*values));
    enum assay_status status = values ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");

    out->name = "weights";
    out->passed = true;
    (void)snprintf(
            out->detail, sizeof(out->detail), "%zu tensors, all finite, none zero", params->count);
    for (size_t i = 0; i < params->count && status == ASSAY_OK && out->passed; i++) {
        const uint64_t count = assay_tensor_elements(&params->specs[i]);
        bool finite = true, zero = true;

        for (uint64_t at = 0; at < count && status == ASSAY_OK; at += CHUNK) {
            uint64_t part = count - at;

            if (part > CHUNK)
                part = CHUNK;
            status = assay_params_read(params, c->stream, params->weights, c->model->ops->weight, i,
                    at, values, part, err);
            for (uint64_t j = 0; status == ASSAY_OK && j < part; j++) {
                finite = finite && isfinite(values[j]);
                zero = zero && values[j] == 0;
            }
        }
        out->passed = finite && !zero;
        if (status == ASSAY_OK && !out->passed)
            (void)snprintf(out->detail, sizeof(out->detail), "%s of layer %d %s",
                    assay_tensor_role_name(params->specs[i].role), (int)params->specs[i].layer,
                    finite ? "is all zero" : "is not finite");
    }
    free(values);
    return status;
}

// Last row's logits after feeding the ids in pieces.
static enum assay_status feed(
        struct checking *c, unsigned char *out, size_t piece, struct assay_error *err)
{
    const struct assay_device *device = &c->model->ops->device;
    const uint32_t slot = assay_sequences_open(c->sequences);
    enum assay_status status = ASSAY_OK;
    int32_t last = 0;

    for (size_t at = 0; at < ROWS && status == ASSAY_OK; at += piece) {
        struct assay_span span = {0};

        (void)assay_sequences_extend(c->sequences, slot, (uint32_t)piece, &span);
        status = assay_pass_forward(
                c->pass, c->ids + at, piece, &span, 1, assay_sequences_state(c->sequences), err);
        last = (int32_t)piece - 1;
    }
    if (status == ASSAY_OK) {
        device->download(c->stream, out, assay_pass_logits(c->pass, &last, 1), c->logit_bytes);
        status = device->sync(c->stream, err);
    }
    assay_sequences_close(c->sequences, slot);
    return status;
}

static void judge_logits(struct assay_self_check *out, struct checking *c)
{
    const uint32_t valid = c->model->config.vocab_sampled;
    double smallest = HUGE_VAL, largest = -HUGE_VAL;
    bool finite = true;

    assay_convert_to_double(c->logits, c->whole, c->model->ops->sum, c->model->config.vocab_size);
    for (uint32_t i = 0; i < valid; i++) {
        finite = finite && isfinite(c->logits[i]);
        smallest = fmin(smallest, c->logits[i]);
        largest = fmax(largest, c->logits[i]);
    }
    out->name = "logits";
    out->passed = finite && largest > smallest;
    (void)snprintf(out->detail, sizeof(out->detail), "between %.3f and %.3f after %d random tokens",
            smallest, largest, ROWS);
}

static enum assay_status check_passes(struct assay_self_check *logits,
        struct assay_self_check *decode, struct assay_self_check *pieces, struct checking *c,
        struct assay_error *err)
{
    enum assay_status status = feed(c, c->whole, ROWS, err);

    if (status == ASSAY_OK) {
        judge_logits(logits, c);
        status = feed(c, c->piecewise, 1, err);
    }
    if (status == ASSAY_OK) {
        decode->name = "decode is prefill";
        decode->passed = memcmp(c->whole, c->piecewise, c->logit_bytes) == 0;
        (void)snprintf(decode->detail, sizeof(decode->detail), "token by token: %s bits",
                decode->passed ? "the same" : "other");
        status = feed(c, c->piecewise, ROWS / 4, err);
    }
    if (status == ASSAY_OK) {
        pieces->name = "prefill in pieces is one";
        pieces->passed = memcmp(c->whole, c->piecewise, c->logit_bytes) == 0;
        (void)snprintf(pieces->detail, sizeof(pieces->detail), "%d tokens a piece: %s bits",
                ROWS / 4, pieces->passed ? "the same" : "other");
    }
    return status;
}

enum assay_status assay_model_self_check(struct assay_self_check out[ASSAY_SELF_CHECKS],
        const struct assay_model *model, struct assay_stream *stream, struct assay_error *err)
{
    const struct assay_pass_options room = {.rows_max = ROWS, .sequences_max = 1};
    const struct assay_sequences_options slots = {.slots_max = 1, .positions_max = ROWS};
    const uint32_t vocab = model->config.vocab_size;
    struct checking c = {.model = model,
            .stream = stream,
            .logit_bytes = vocab * assay_dtype_bytes(model->ops->sum)};
    struct assay_rng rng;
    enum assay_status status = assay_pass_create(&c.pass, model, &room, stream, err);

    memset(out, 0, ASSAY_SELF_CHECKS * sizeof(*out));
    if (status == ASSAY_OK)
        status = assay_sequences_create(&c.sequences, model, &slots, stream, err);
    c.whole = malloc(c.logit_bytes);
    c.piecewise = malloc(c.logit_bytes);
    c.logits = malloc(vocab * sizeof(*c.logits));
    if (status == ASSAY_OK && (!c.whole || !c.piecewise || !c.logits))
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < ROWS; i++)
        c.ids[i] = (int32_t)assay_rng_below(&rng, model->config.vocab_sampled);
    if (status == ASSAY_OK)
        status = check_weights(&out[0], &c, err);
    if (status == ASSAY_OK)
        status = check_passes(&out[1], &out[2], &out[3], &c, err);
    assay_sequences_destroy(c.sequences);
    assay_pass_destroy(c.pass);
    free(c.whole);
    free(c.piecewise);
    free(c.logits);
    return status;
}
