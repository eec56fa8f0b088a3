// SPDX-License-Identifier: MIT
// grade_key.c - what a verdict depends on, as one hash.
#include <string.h>

#include "base/hash.h"
#include "orchestrator/grading.h"

struct assay_instance_limits assay_grading_limits(const struct assay_grade_request *request)
{
    struct assay_instance_limits limits = request->instance->limits;

    if (request->wall_ms_max)
        limits.wall_ms = request->wall_ms_max;
    if (request->variation && request->variation->busy_per_cpu) {
        // What it shares the CPU with takes its share of the time, and is charged to the box.
        limits.wall_ms *= 2 * (uint64_t)(request->variation->busy_per_cpu + 1);
        limits.cpu_ms *= 2 * (uint64_t)(request->variation->busy_per_cpu + 1);
    }
    return limits;
}

// The instance's own list is in its hash; what the user adds or takes away is not.
static void add_network(struct assay_sha256 *sha, const struct assay_access *access)
{
    assay_sha256_field_text(
            sha, access->network == ASSAY_NETWORK_NONE ? "no network" : "allow-list");
    assay_sha256_field(sha, &access->hosts.count, sizeof(access->hosts.count));
    for (size_t i = 0; i < access->hosts.count; i++)
        assay_sha256_field_text(sha, access->hosts.items[i]);
}

// What decides how the tests run, but for the instance: two patch texts that make the same edits
// are one patch.
static enum assay_status make_run_key(
        struct assay_grading *g, const char *tier, struct assay_error *err)
{
    const struct assay_edits *edits = g->workspace.model_edits;
    const struct assay_instance_limits limits = assay_grading_limits(g->request);
    const char *trusted = strrchr(assay_context_trusted_dir(g->context), '/'); // ends in its hash
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay run of tests");
    assay_sha256_field_text(sha, g->environment->key);
    assay_sha256_field_text(sha, trusted);
    assay_sha256_field_text(sha, tier);
    if (g->request->compat != ASSAY_COMPAT_NONE) // no canaries, less is protected
        assay_sha256_field_text(sha, assay_compat_name(g->request->compat));
    assay_sha256_field(sha, &limits, sizeof(limits));
    if (g->request->instance->network)
        add_network(sha, assay_context_access(g->context));
    for (size_t i = 0; edits && i < edits->count; i++) {
        const struct assay_edit *edit = &edits->items[i];
        const unsigned char kind[2] = {(unsigned char)edit->kind, edit->executable};

        assay_sha256_field_text(sha, edit->path);
        assay_sha256_field(sha, kind, sizeof(kind));
        assay_sha256_field(sha, edit->content.data, edit->content.len);
    }
    assay_sha256_hex(sha, g->run_key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

enum assay_status assay_verdict_key(char hex[65], const struct assay_suite *suite,
        const struct assay_instance *instance, const char *run_key, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    char instance_hash[65];
    enum assay_status status = assay_instance_hash(instance_hash, suite, instance, err);

    if (status == ASSAY_OK)
        status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay verdict " ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, instance_hash);
    assay_sha256_field_text(sha, run_key);
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

enum assay_status assay_grading_key(
        struct assay_grading *g, struct assay_verdict *verdict, struct assay_error *err)
{
    const enum assay_status status = make_run_key(g, verdict->tier, err);

    if (status != ASSAY_OK)
        return status;
    return assay_verdict_key(
            verdict->key, g->request->suite, g->request->instance, g->run_key, err);
}
