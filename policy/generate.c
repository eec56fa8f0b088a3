// SPDX-License-Identifier: MIT
// generate.c - prompt -> prefill, piece by piece -> fork -> one token a pass and sample -> done.
//
// Request: queued -> prefilling [admit] -> running [finish_prefill] -> gone, when its last sample
// ends.
#include "policy/generate.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "policy/chooser.h"
#include "policy/sequences.h"

struct sample {
    struct request *request;
    size_t number;
    uint32_t slot;
    struct assay_rng rng;
    int32_t *ids; // prompt and answer, [prompt_count + token_count_max]: for the repetition penalty
    size_t token_count;
    size_t certain_count; // in a row
};

struct request {
    struct request *next;          // queue, then list of those under way
    struct assay_generation asked; // prompt and stop_ids owned
    int32_t *prompt, *stop_ids;
    uint32_t slot;     // prefilling
    size_t prefilled;  // rows done
    size_t page_count; // reserved for it
    size_t alive;      // samples
};

struct assay_generator {
    const struct assay_model *model;
    struct assay_stream *stream;
    struct assay_generator_options options;
    struct assay_pass *pass;
    struct assay_sequences *sequences;
    struct assay_chooser *chooser;
    struct request *queue, **queue_end, *prefilling, **prefilling_end;
    size_t request_count, reserved_pages, reserved_slots;
    struct sample *samples; // [sequences_max], alive ones first
    size_t sample_count;
    // One pass.
    int32_t *ids, *last_rows;
    struct assay_span *spans;
    struct request **span_requests; // NULL: the span is a sample's
    struct assay_choice *choices;
    bool *ended;
    struct assay_generator_counts counts;
};

const char *assay_finish_name(enum assay_finish finish)
{
    static const char *const names[] = {"none", "stop", "length", "repetition", "visitor"};

    return names[finish];
}

// --- life ---------------------------------------------------------------------------------------

static enum assay_status make_room(struct assay_generator *g, struct assay_error *err)
{
    const size_t n = g->options.sequences_max;

    g->samples = calloc(n, sizeof(*g->samples));
    g->ids = calloc(g->options.rows_max, sizeof(*g->ids));
    g->last_rows = calloc(n, sizeof(*g->last_rows));
    g->spans = calloc(n, sizeof(*g->spans));
    g->span_requests = calloc(n, sizeof(struct request *));
    g->choices = calloc(n, sizeof(*g->choices));
    g->ended = calloc(n, sizeof(*g->ended));
    return g->samples && g->ids && g->last_rows && g->spans && g->span_requests && g->choices &&
                    g->ended
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static enum assay_status make_device(struct assay_generator *g, struct assay_error *err)
{
    const size_t n = g->options.sequences_max;
    const struct assay_pass_options pass = {.rows_max = g->options.rows_max, .sequences_max = n};
    const struct assay_sequences_options sequences = {.slots_max = n,
            .positions_max = g->options.positions_max,
            .page_count = g->options.page_count};
    enum assay_status status = assay_pass_create(&g->pass, g->model, &pass, g->stream, err);

    if (status == ASSAY_OK)
        status = assay_sequences_create(&g->sequences, g->model, &sequences, g->stream, err);
    if (status == ASSAY_OK)
        status = assay_chooser_create(&g->chooser, g->model, n, g->stream, err);
    return status;
}

enum assay_status assay_generator_create(struct assay_generator **out,
        const struct assay_model *model, const struct assay_generator_options *options,
        struct assay_stream *stream, struct assay_error *err)
{
    struct assay_generator *g = calloc(1, sizeof(*g));
    enum assay_status status;

    assert(options->sequences_max > 0 && options->rows_max >= options->sequences_max);
    if (!g)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    g->model = model;
    g->stream = stream;
    g->options = *options;
    if (options->page_count == 0) // as sequences.c counts them
        g->options.page_count = options->sequences_max *
                ((options->positions_max + ASSAY_ATTENTION_BLOCK - 1) / ASSAY_ATTENTION_BLOCK);
    g->queue_end = &g->queue;
    g->prefilling_end = &g->prefilling;
    status = make_room(g, err);
    if (status == ASSAY_OK)
        status = make_device(g, err);
    if (status == ASSAY_OK)
        *out = g;
    else
        assay_generator_destroy(g);
    return status;
}

static void free_request(struct request *request)
{
    free(request->prompt);
    free(request->stop_ids);
    free(request);
}

static void free_list(struct request *request)
{
    while (request) {
        struct request *next = request->next;

        free_request(request);
        request = next;
    }
}

static void drop_request(struct assay_generator *g, struct request *request)
{
    g->reserved_pages -= request->page_count;
    g->reserved_slots -= request->asked.sample_count;
    g->request_count--;
    free_request(request);
}

void assay_generator_destroy(struct assay_generator *generator)
{
    struct assay_generator *g = generator;

    if (!g)
        return;
    (void)g->model->ops->device.sync(g->stream, NULL);
    for (size_t i = 0; i < g->sample_count; i++) {
        free(g->samples[i].ids);
        if (--g->samples[i].request->alive == 0)
            drop_request(g, g->samples[i].request);
    }
    free_list(g->queue);
    free_list(g->prefilling);
    assay_pass_destroy(g->pass);
    assay_sequences_destroy(g->sequences);
    assay_chooser_destroy(g->chooser);
    free(g->samples);
    free(g->ids);
    free(g->last_rows);
    free(g->spans);
    free(g->span_requests);
    free(g->choices);
    free(g->ended);
    free(g);
}

// --- requests -----------------------------------------------------------------------------------

// Pages that the request can come to hold: the prompt's whole ones once, the rest for each sample
// (the last sample goes on in the prompt's own slot).
static size_t pages_of(const struct assay_generator *g, const struct assay_generation *asked)
{
    const size_t shared = asked->prompt_count / ASSAY_ATTENTION_BLOCK;
    size_t end = asked->prompt_count + asked->token_count_max;
    size_t all;

    if (end > g->options.positions_max)
        end = g->options.positions_max;
    all = assay_sequences_pages_for(g->sequences, end);
    return all == 0 ? 0 : shared + asked->sample_count * (all - shared);
}

static enum assay_status check_request(const struct assay_generator *g,
        const struct assay_generation *asked, struct assay_error *err)
{
    enum assay_status status = assay_sampling_check(&asked->sampling, err);

    if (status != ASSAY_OK)
        return status;
    if (asked->prompt_count == 0 || asked->prompt_count >= g->options.positions_max)
        return assay_fail(err, ASSAY_EINVAL, "a prompt of %zu tokens; there is room for 1 to %zu",
                asked->prompt_count, g->options.positions_max - 1);
    if (asked->sample_count == 0 || asked->sample_count > g->options.sequences_max)
        return assay_fail(err, ASSAY_EINVAL,
                "%zu samples of one prompt; there is room for 1 to %zu", asked->sample_count,
                g->options.sequences_max);
    for (size_t i = 0; i < asked->prompt_count; i++)
        if (asked->prompt[i] < 0 || (uint32_t)asked->prompt[i] >= g->model->config.vocab_size)
            return assay_fail(err, ASSAY_EINVAL,
                    "token %zu of the prompt, %d, is not in the "
                    "vocabulary",
                    i, asked->prompt[i]);
    if (pages_of(g, asked) > g->options.page_count)
        return assay_fail(err, ASSAY_EINVAL,
                "prompt and answers can come to need %zu pages of keys "
                "and values; there are %zu",
                pages_of(g, asked), g->options.page_count);
    return ASSAY_OK;
}

static int32_t *copy_ids(const int32_t *ids, size_t count)
{
    int32_t *copy = malloc((count ? count : 1) * sizeof(*copy));

    if (copy && count)
        memcpy(copy, ids, count * sizeof(*copy));
    return copy;
}

enum assay_status assay_generator_add(struct assay_generator *generator,
        const struct assay_generation *request, struct assay_error *err)
{
    struct assay_generator *g = generator;
    struct request *r;
    enum assay_status status = check_request(g, request, err);

    if (status != ASSAY_OK)
        return status;
    r = calloc(1, sizeof(*r));
    if (!r)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    r->asked = *request;
    r->prompt = copy_ids(request->prompt, request->prompt_count);
    r->stop_ids = copy_ids(request->stop_ids, request->stop_id_count);
    r->page_count = pages_of(g, request);
    r->slot = ASSAY_SLOT_NONE;
    if (!r->prompt || !r->stop_ids) {
        free_request(r);
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    r->asked.prompt = r->prompt;
    r->asked.stop_ids = r->stop_ids;
    *g->queue_end = r;
    g->queue_end = &r->next;
    g->request_count++;
    return ASSAY_OK;
}

// Queued requests begin, in their order, as long as all that they can come to need is free.
static void admit(struct assay_generator *g)
{
    while (g->queue) {
        struct request *r = g->queue;

        if (g->reserved_slots + r->asked.sample_count > g->options.sequences_max ||
                g->reserved_pages + r->page_count > g->options.page_count)
            return;
        g->queue = r->next;
        if (!g->queue)
            g->queue_end = &g->queue;
        r->next = NULL;
        r->slot = assay_sequences_open(g->sequences);
        assert(r->slot != ASSAY_SLOT_NONE);
        g->reserved_slots += r->asked.sample_count;
        g->reserved_pages += r->page_count;
        *g->prefilling_end = r;
        g->prefilling_end = &r->next;
    }
}

// --- samples ------------------------------------------------------------------------------------

static enum assay_status start_sample(struct assay_generator *g, struct request *r, size_t number,
        uint32_t slot, struct assay_error *err)
{
    struct sample *s = &g->samples[g->sample_count];
    const size_t count = r->asked.prompt_count + r->asked.token_count_max;
    int32_t *ids = malloc(count * sizeof(*ids));

    if (!ids)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memcpy(ids, r->prompt, r->asked.prompt_count * sizeof(int32_t));
    *s = (struct sample){.request = r, .number = number, .slot = slot, .ids = ids};
    assay_rng_seed(&s->rng, r->asked.seed, number);
    g->sample_count++;
    r->alive++;
    return ASSAY_OK;
}

static void end_sample(struct assay_generator *g, size_t index)
{
    struct sample *s = &g->samples[index];

    assay_sequences_close(g->sequences, s->slot);
    free(s->ids);
    if (--s->request->alive == 0)
        drop_request(g, s->request);
    *s = g->samples[--g->sample_count];
}

static bool is_stop_id(const struct assay_generation *asked, int32_t id)
{
    for (size_t i = 0; i < asked->stop_id_count; i++)
        if (asked->stop_ids[i] == id)
            return true;
    return false;
}

static enum assay_finish finish_of(
        const struct assay_generator *g, struct sample *s, int32_t id, double logp)
{
    const struct assay_generation *asked = &s->request->asked;

    s->certain_count = exp(logp) > asked->certain_probability ? s->certain_count + 1 : 0;
    if (is_stop_id(asked, id))
        return ASSAY_FINISH_STOP_ID;
    if (asked->certain_count_max && s->certain_count >= asked->certain_count_max)
        return ASSAY_FINISH_REPETITION;
    if (s->token_count >= asked->token_count_max ||
            asked->prompt_count + s->token_count >= g->options.positions_max)
        return ASSAY_FINISH_LENGTH;
    return ASSAY_FINISH_NONE;
}

// --- one pass -----------------------------------------------------------------------------------

// One row for each sample; then pieces of prompts into the room that is left.
static void collect(struct assay_generator *g, size_t *rows, size_t *spans)
{
    *rows = *spans = 0;
    for (size_t i = 0; i < g->sample_count; i++) {
        struct sample *s = &g->samples[i];
        struct assay_span *span = &g->spans[*spans];
        const bool fits = assay_sequences_extend(g->sequences, s->slot, 1, span);

        assert(fits); // its pages were reserved
        (void)fits;
        span->row = (uint32_t)*rows;
        g->ids[(*rows)++] = s->ids[s->request->asked.prompt_count + s->token_count - 1];
        g->span_requests[(*spans)++] = NULL;
    }
    for (struct request *r = g->prefilling;
            r && *rows < g->options.rows_max && *spans < g->options.sequences_max; r = r->next) {
        struct assay_span *span = &g->spans[*spans];
        size_t count = r->asked.prompt_count - r->prefilled;

        if (count > g->options.rows_max - *rows)
            count = g->options.rows_max - *rows;
        if (!assay_sequences_extend(g->sequences, r->slot, (uint32_t)count, span))
            return;
        span->row = (uint32_t)*rows;
        memcpy(g->ids + *rows, r->prompt + r->prefilled, count * sizeof(int32_t));
        r->prefilled += count;
        *rows += count;
        g->counts.prompt_rows += count;
        g->span_requests[(*spans)++] = r;
    }
}

// The next token of a sample is to come from row `row` of the logits.
static struct assay_choice choice_of(struct sample *s, size_t row)
{
    const struct assay_generation *asked = &s->request->asked;

    return (struct assay_choice){.row = row,
            .sampling = &asked->sampling,
            .seen = s->ids,
            .seen_count = asked->prompt_count + s->token_count,
            .unit = assay_rng_unit(&s->rng)};
}

// True: it was the sample's last token.
static bool take_token(
        struct assay_generator *g, struct sample *s, const struct assay_choice *choice)
{
    const struct assay_generation *asked = &s->request->asked;
    struct assay_generated token = {
            .sample = s->number, .index = s->token_count, .id = choice->id, .logp = choice->logp};

    s->ids[asked->prompt_count + s->token_count++] = token.id;
    token.finish = finish_of(g, s, token.id, token.logp);
    if (!asked->on_token(asked->user, &token) && token.finish == ASSAY_FINISH_NONE)
        token.finish = ASSAY_FINISH_VISITOR;
    return token.finish != ASSAY_FINISH_NONE;
}

// The samples from `first` on. The last is ended first: one that ends gives its place to the last
// of all.
static void take_tokens(struct assay_generator *g, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        g->ended[i] = take_token(g, &g->samples[first + i], &g->choices[i]);
    for (size_t i = count; i > 0; i--)
        if (g->ended[i - 1])
            end_sample(g, first + i - 1);
}

// A prompt is through: its samples begin, all from the same logits.
static enum assay_status finish_prefill(struct assay_generator *g, struct request *r,
        const void *logits, size_t pick, struct assay_error *err)
{
    const size_t count = r->asked.sample_count, first = g->sample_count;
    enum assay_status status = ASSAY_OK;

    r->alive++; // not gone before its last sample has begun
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const uint32_t slot =
                i + 1 == count ? r->slot : assay_sequences_fork(g->sequences, r->slot);

        assert(slot != ASSAY_SLOT_NONE);
        g->counts.forks += i + 1 < count;
        status = start_sample(g, r, i, slot, err);
        if (status == ASSAY_OK)
            g->choices[i] = choice_of(&g->samples[first + i], pick);
    }
    if (status == ASSAY_OK)
        status = assay_chooser_run(g->chooser, logits, g->choices, count, err);
    if (status == ASSAY_OK)
        take_tokens(g, first, count);
    if (--r->alive == 0)
        drop_request(g, r);
    return status;
}

static void unlink_prefilled(struct assay_generator *g, struct request *r)
{
    struct request **at = &g->prefilling;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    if (!*at)
        g->prefilling_end = at;
    r->next = NULL;
}

// Every span's last row, but of prompts that are not through.
static enum assay_status sample_all(
        struct assay_generator *g, size_t span_count, size_t sample_count, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const void *logits;
    size_t picks = 0;

    for (size_t i = 0; i < span_count; i++) {
        const struct request *r = g->span_requests[i];

        if (!r || r->prefilled == r->asked.prompt_count)
            g->last_rows[picks++] = (int32_t)(g->spans[i].row + g->spans[i].row_count - 1);
    }
    if (picks == 0)
        return g->model->ops->device.sync(g->stream, err);
    logits = assay_pass_logits(g->pass, g->last_rows, picks);
    picks = sample_count;
    for (size_t i = 0; i < sample_count; i++)
        g->choices[i] = choice_of(&g->samples[i], i);
    status = assay_chooser_run(g->chooser, logits, g->choices, sample_count, err);
    if (status == ASSAY_OK)
        take_tokens(g, 0, sample_count);
    for (size_t i = sample_count; i < span_count && status == ASSAY_OK; i++) {
        struct request *r = g->span_requests[i];

        if (!r || r->prefilled < r->asked.prompt_count)
            continue;
        unlink_prefilled(g, r);
        status = finish_prefill(g, r, logits, picks++, err);
    }
    return status;
}

enum assay_status assay_generator_step(
        struct assay_generator *generator, size_t *left, struct assay_error *err)
{
    struct assay_generator *g = generator;
    size_t rows = 0, spans = 0;
    enum assay_status status;

    admit(g);
    const size_t sample_count = g->sample_count;
    collect(g, &rows, &spans);
    if (rows == 0) {
        *left = g->request_count;
        return ASSAY_OK;
    }
    g->counts.passes++;
    g->counts.answer_rows += sample_count;
    status = assay_pass_forward(
            g->pass, g->ids, rows, g->spans, spans, assay_sequences_state(g->sequences), err);
    if (status == ASSAY_OK)
        status = sample_all(g, spans, sample_count, err);
    *left = g->request_count;
    return status;
}

struct assay_generator_counts assay_generator_count(const struct assay_generator *generator)
{
    return generator->counts;
}
