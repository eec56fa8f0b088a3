// SPDX-License-Identifier: MIT
// death - how long it takes until 2,000 hostile processes are dead and reaped.
//
//     benches/death [--json] [--rounds N]
//
// Each is in a session of its own and ignores what can be ignored; every second one is stopped. The
// box's command ends when all are there; the clock runs from its end until nothing is left.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/box.h"

#define PROCESSES "2000"
#define ROUNDS_DEFAULT 5
#define ROUNDS_MAX 100
#define BOUND_MS 500.0

static int compare_u64(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static bool run_once(uint64_t *us, struct assay_sandbox *sandbox, const struct assay_box_plan *plan)
{
    struct assay_box_result result;
    struct assay_error err;
    bool fine = false;

    if (assay_box_run(sandbox, plan, &result, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "death: %s\n", err.message);
        return false;
    }
    fine = result.cause == ASSAY_BOX_EXITED && result.exit_code == 0 &&
            strncmp(result.output.data, PROCESSES, sizeof(PROCESSES) - 1) == 0;
    if (!fine)
        (void)fprintf(stderr, "death: %s, step %s, errno %d, output %s\n",
                assay_box_cause_name(result.cause), result.step, result.sys_errno,
                result.output.data);
    *us = result.usage.teardown_us;
    assay_box_result_release(&result);
    return fine;
}

static bool measure(uint64_t *us, size_t rounds)
{
    static const char *const argv[] = {"/payloads/herd", PROCESSES, NULL};
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    static char program[4096];
    static char payloads[4096];
    const char *const lowers[] = {payloads};
    const struct assay_mount mount = {
            .kind = ASSAY_MOUNT_BIND_RO, .target = "/payloads", .lowers = lowers, .lower_count = 1};
    const struct assay_sandbox_options options = {.box_program = program, .tier_min = ASSAY_TIER_A};
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    struct assay_sandbox *sandbox = NULL;
    struct assay_box_plan plan;
    struct assay_error err;
    bool measured = true;

    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    (void)snprintf(payloads, sizeof(payloads), "%s/bench_payloads", build != NULL ? build : ".");
    if (assay_sandbox_start(&sandbox, &options, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "death: %s\n", err.message);
        return false;
    }
    assay_box_plan_default(&plan);
    plan.argv = argv;
    plan.env = env;
    plan.host_usr = true;
    plan.mounts = &mount;
    plan.mount_count = 1;
    plan.limits.process_count_max = 2100;
    for (size_t i = 0; measured && i < rounds; i++)
        measured = run_once(&us[i], sandbox, &plan);
    assay_sandbox_stop(sandbox);
    return measured;
}

int main(int argc, char **argv)
{
    uint64_t us[ROUNDS_MAX];
    size_t rounds = ROUNDS_DEFAULT;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        json = json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = strtoul(argv[++i], NULL, 10);
    }
    if (rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    if (!measure(us, rounds))
        return 1;
    qsort(us, rounds, sizeof(us[0]), compare_u64);
    const uint64_t median_us = us[rounds / 2];
    const double median_ms = (double)median_us / 1000;
    const double most_ms = (double)us[rounds - 1] / 1000;

    if (json)
        (void)printf("{\"bench\": \"death\", \"metric\": \"" PROCESSES
                     " hostile processes, end to all reaped\", \"value\": %.1f, \"unit\": \"ms\", "
                     "\"spread\": \"most %.1f\", \"peer\": null, \"peer_value\": null, \"ratio\": "
                     "null, \"bound\": \"<= %.0f\", \"met\": %s}\n",
                median_ms, most_ms, BOUND_MS, most_ms <= BOUND_MS ? "true" : "false");
    else
        (void)printf("%-48s %8.1f ms  most %.1f%s\n",
                PROCESSES " hostile processes, end to all reaped", median_ms, most_ms,
                most_ms <= BOUND_MS ? "" : "  (bound not met)");
    return 0;
}
