// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "kernels/gpu.h"
#include "orchestrator/commands.h"
#include "orchestrator/ranks.h"
#include "sandbox/probe.h"

const struct assay_option assay_doctor_options[] = {
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define JSON_BYTES_MAX ((size_t)1 << 20)

// What each tier is, and what makes one of a host that has less; docs/sandbox.md tells more.
static const struct {
    enum assay_tier tier;
    const char *what, *remedy;
} tiers[] = {
        {ASSAY_TIER_A, "all namespaces, a fresh /proc, copy-on-write trees, seccomp",
                "mend what FAILs above"},
        {ASSAY_TIER_B, "as A, but boxes see the /proc of the container around them, read-only",
                "in Docker: --security-opt systempaths=unconfined; in Kubernetes: procMount: Unmasked"},
        {ASSAY_TIER_C, "root without user namespaces: one uid for all boxes, the rest as A",
                "allow user namespaces (the remedies above), or run as an ordinary user who may "
                "make them"},
        {ASSAY_TIER_D, "no mount namespaces: a tree cannot be shown where a box wants it; no boxes",
                "in a container: allow user namespaces, or give it CAP_SYS_ADMIN"},
        {ASSAY_TIER_NONE, "neither seccomp nor a user id to run boxes as: no boxes",
                "mend what FAILs above"},
};

// The tiers down to this host's, and what it would take to be better than that.
static void print_tier(const struct assay_probes *probes, size_t which)
{
    const bool here = tiers[which].tier == probes->tier;

    if (tiers[which].tier == ASSAY_TIER_NONE && !here)
        return;
    printf("%s %-4s  %s\n", here ? "->" : "  ", assay_tier_name(tiers[which].tier),
            tiers[which].what);
    if (here && probes->tier != ASSAY_TIER_A)
        printf("         to do better: %s\n", tiers[which].remedy);
}

static void print_text(const struct assay_probes *probes)
{
    size_t failed = 0;

    for (size_t i = 0; i < probes->count; i++) {
        const struct assay_probe *p = &probes->items[i];

        printf("%-4s  %-32s  %s",
                p->passed             ? "ok"
                        : p->required ? "FAIL"
                                      : "no",
                p->name, p->detail);
        if (p->sys_errno)
            printf(" (errno %d)", p->sys_errno);
        fputc('\n', stdout);
        if (!p->passed && p->remedy[0])
            printf("      %-32s  remedy: %s\n", "", p->remedy);
        failed += !p->passed && p->required;
    }
    fputs("\ntiers:\n", stdout);
    for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++)
        print_tier(probes, i);
    printf("\ntier %s, cgroups %s", assay_tier_name(probes->tier),
            assay_cgroup_shape_name(probes->cgroup_shape));
    if (!failed)
        fputs(": boxes are fully isolated here\n", stdout);
    else if (probes->tier > ASSAY_TIER_C)
        printf(": %zu required probe%s failed, and no box can be made here\n", failed,
                failed == 1 ? "" : "s");
    else
        printf(": %zu required probe%s failed; boxes are refused unless --min-tier %s (or "
               "ASSAY_MIN_TIER) accepts this tier\n",
                failed, failed == 1 ? "" : "s", assay_tier_name(probes->tier));
}

static void print_gpus(void)
{
    const int count = assay_gpu_count();

    if (count == 0)
        fputs("no GPU that this program can use (docs/gpu.md)\n", stdout);
    for (int i = 0; i < count; i++) {
        struct assay_gpu gpu;

        if (assay_gpu_describe(&gpu, i, NULL) == ASSAY_OK)
            printf("GPU %d: %s, compute capability %d.%d, %d multiprocessors, %.0f GB%s\n", i,
                    gpu.name, gpu.major, gpu.minor, gpu.multiprocessor_count,
                    (double)gpu.memory_bytes / 1e9,
                    gpu.major < 8 ? ": too old, 8.0 is the least" : "");
    }
}

// What `assay train` would take this process for.
static void print_ranks(void)
{
    struct assay_error err = {0};
    struct assay_place place;

    if (assay_place_find(&place, &err) != ASSAY_OK)
        printf("ranks: refused: %s\n", err.message);
    else if (place.ranks.world > 1)
        printf("ranks: the environment makes this process rank %u of %u, number %u of its host\n",
                place.ranks.rank, place.ranks.world, place.local);
    else
        fputs("ranks: one process; assay train --ranks N, srun or mpirun make more "
              "(docs/training.md)\n",
                stdout);
}

static void put_ranks(struct assay_json_writer *w)
{
    struct assay_error err = {0};
    struct assay_place place;

    assay_json_begin_object(w, "ranks");
    if (assay_place_find(&place, &err) != ASSAY_OK) {
        assay_json_put_text(w, "error", err.message);
    } else {
        assay_json_put_u64(w, "rank", place.ranks.rank);
        assay_json_put_u64(w, "world", place.ranks.world);
        assay_json_put_u64(w, "local", place.local);
    }
    assay_json_end_object(w);
}

static void put_gpus(struct assay_json_writer *w)
{
    assay_json_begin_array(w, "gpus");
    for (int i = 0; i < assay_gpu_count(); i++) {
        struct assay_gpu gpu;

        if (assay_gpu_describe(&gpu, i, NULL) != ASSAY_OK)
            continue;
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "name", gpu.name);
        assay_json_put_i64(w, "major", gpu.major);
        assay_json_put_i64(w, "minor", gpu.minor);
        assay_json_put_i64(w, "multiprocessors", gpu.multiprocessor_count);
        assay_json_put_u64(w, "memory_bytes", gpu.memory_bytes);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

static enum assay_status print_json(const struct assay_probes *probes, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "tier", assay_tier_name(probes->tier));
    assay_json_put_text(&w, "cgroups", assay_cgroup_shape_name(probes->cgroup_shape));
    assay_json_begin_array(&w, "probes");
    for (size_t i = 0; i < probes->count; i++) {
        const struct assay_probe *p = &probes->items[i];

        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "name", p->name);
        assay_json_put_bool(&w, "passed", p->passed);
        assay_json_put_bool(&w, "required", p->required);
        assay_json_put_i64(&w, "errno", p->sys_errno);
        assay_json_put_text(&w, "detail", p->detail);
        assay_json_put_text(&w, "remedy", p->remedy);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_begin_array(&w, "tiers");
    for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "tier", assay_tier_name(tiers[i].tier));
        assay_json_put_bool(&w, "here", tiers[i].tier == probes->tier);
        assay_json_put_text(&w, "what", tiers[i].what);
        assay_json_put_text(&w, "remedy", tiers[i].remedy);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    put_gpus(&w);
    put_ranks(&w);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

enum assay_exit assay_cmd_doctor(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    const struct assay_sandbox_options options = {
            // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
            .box_program = getenv("ASSAY_BOX_PROGRAM")};
    struct assay_probes probes;
    enum assay_status status = assay_probe_host(&probes, &options, &err);

    if (status == ASSAY_OK && assay_cli_flag(invocation, "json"))
        status = print_json(&probes, &err);
    else if (status == ASSAY_OK)
        print_text(&probes);
    if (status == ASSAY_OK && !assay_cli_flag(invocation, "json")) {
        print_gpus();
        print_ranks();
    }
    if (status != ASSAY_OK)
        return assay_cli_fail(&err);
    return probes.tier > ASSAY_TIER_C ? ASSAY_EXIT_FAILED : ASSAY_EXIT_OK;
}
