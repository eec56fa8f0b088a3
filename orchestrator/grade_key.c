// SPDX-License-Identifier: MIT
// grade_key.c - what a verdict depends on, as one hash.
#include "base/hash.h"
#include "orchestrator/grading.h"

struct assay_instance_limits assay_grading_limits(const struct assay_grade_request *request)
{
    struct assay_instance_limits limits = request->instance->limits;

    if (request->wall_ms_max)
        limits.wall_ms = request->wall_ms_max;
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

// hash(instance content, what the patch does to the tree, environment, limits,
// network, grader, tier): two texts that make the same edits are one patch.
enum assay_status assay_grading_key(
        struct assay_grading *g, struct assay_verdict *verdict, struct assay_error *err)
{
    const struct assay_edits *edits = g->workspace.model_edits;
    const struct assay_instance_limits limits = assay_grading_limits(g->request);
    struct assay_sha256 *sha = NULL;
    char instance_hash[65];
    enum assay_status status =
            assay_instance_hash(instance_hash, g->request->suite, g->request->instance, err);

    if (status == ASSAY_OK)
        status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay verdict " ASSAY_GRADER_VERSION);
    assay_sha256_field_text(sha, instance_hash);
    assay_sha256_field_text(sha, g->environment->key);
    assay_sha256_field_text(sha, verdict->tier);
    if (g->request->compat != ASSAY_COMPAT_NONE)
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
    assay_sha256_hex(sha, verdict->key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}
