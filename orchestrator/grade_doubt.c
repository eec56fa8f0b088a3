// SPDX-License-Identifier: MIT
// grade_doubt.c - does a verdict say otherwise than the certificate of its instance?
//
// A certificate that holds says: gold resolved in each of N runs, the unchanged tree in none, no
// FAIL_TO_PASS test passed before the fix, and each PASS_TO_PASS test came out alike in all runs.
// What speaks against that is either news about the patch or chance. Which one, a second run tells;
// what counts then is docs/verdicts.md's rule.
#include "orchestrator/certify.h"
#include "orchestrator/grading.h"

static bool is_certified(const struct assay_grading *g)
{
    const struct assay_grade_request *r = g->request;
    struct assay_certificate certificate = {0};
    char hash[65];

    return assay_instance_hash(hash, r->suite, r->instance, NULL) == ASSAY_OK &&
            assay_store_get_certificate(assay_context_store(g->context), r->suite->name,
                    r->instance->instance_id, hash, g->arena, &certificate, NULL) == ASSAY_OK &&
            certificate.holds &&
            assay_certificate_covers(
                    &certificate, 1u << ASSAY_CHECK_GOLD | 1u << ASSAY_CHECK_EMPTY);
}

// Cheap questions first: the certificate is looked for only where it could disagree.
bool assay_grading_is_doubtful(const struct assay_grading *g, const struct assay_verdict *verdict)
{
    bool odd = false;

    if (!verdict->scored)
        return false;
    switch (g->request->candidate) {
    case ASSAY_CANDIDATE_GOLD:
        odd = !verdict->resolved;
        break;
    case ASSAY_CANDIDATE_NONE:
        odd = verdict->resolved || verdict->f2p_success.count > 0;
        break;
    case ASSAY_CANDIDATE_PATCH:
        // A patch that mends what it should and breaks a test that nothing has broken so far.
        odd = !verdict->resolved && verdict->cause == ASSAY_CAUSE_TESTS_FAILED &&
                verdict->f2p_failure.count == 0 && verdict->p2p_failure.count > 0;
        break;
    case ASSAY_CANDIDATE_EMPTY:
    case ASSAY_CANDIDATE_TOO_BIG:
        break;
    }
    return odd && is_certified(g);
}
