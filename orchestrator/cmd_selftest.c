// SPDX-License-Identifier: MIT
// cmd_selftest.c - `assay selftest attacks`: the corpus of forged patches through real grading.
//
// The run is one of assay_evaluate(): recorded, parallel, continued when the command is typed
// again after an interrupt. Nothing comes from the verdict cache: what is printed was executed.
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "orchestrator/attacks.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/evaluate.h"
#include "orchestrator/pool.h"
#include "orchestrator/shape.h"
#include "orchestrator/suite_add.h"

const struct assay_option assay_selftest_attacks_options[] = {
        {"corpus", 0, "DIR",
                "the corpus (tests/attacks here, or share/assay/attacks beside the program)",
                false},
        {"attack", 0, "ID", "only this attack", true},
        {"row", 0, "N", "only this row of the catalogue; 0: those against assay's own source",
                false},
        {"framework", 0, "NAME", "only repositories of this framework", false},
        {"jobs", 'j', "N", "boxes at once (the number of CPUs)", false},
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same verdicts", false},
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

#define SELFTEST_ARENA_BYTES ((size_t)4 << 30)
#define JSON_BYTES_MAX ((size_t)256 << 20)

// What grading made of one patch.
struct answer {
    bool known, scored, resolved, right;
    enum assay_cause cause;
    enum assay_evidence_kind evidence;
    const char *reason;
};

struct tally {
    size_t attacks, skipped, executed, false_rewards, false_alarms, wrong_causes, no_verdicts;
    size_t own, own_rewards; // against assay's own source: printed, never hidden in the others
};

struct selftest {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    struct assay_attacks *attacks;
    struct answer *forged, *honest; // one an attack
    size_t executed;
};

// tests/attacks of a checkout, or where the program was installed.
static enum assay_status find_corpus(struct selftest *s, const char **out, struct assay_error *err)
{
    const char *given = assay_cli_value(s->invocation, "corpus");
    char path[PATH_MAX];
    ssize_t len;

    *out = given ? given : "tests/attacks";
    if (given || access("tests/attacks/attacks.jsonl", R_OK) == 0)
        return ASSAY_OK;
    len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len > 0) {
        char *slash;

        path[len] = '\0';
        slash = strrchr(path, '/');
        if (slash)
            *slash = '\0';
        *out = assay_arena_printf(s->arena, "%s/../share/assay/attacks", path);
        if (!*out)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        snprintf(path, sizeof(path), "%.4000s/attacks.jsonl", *out);
        if (access(path, R_OK) == 0)
            return ASSAY_OK;
    }
    return assay_fail(err, ASSAY_ENOTFOUND,
            "no corpus in tests/attacks, nor beside the program: give --corpus DIR");
}

static enum assay_status read_corpus(struct selftest *s, struct assay_error *err)
{
    struct assay_attacks_filter filter = {
            .framework = assay_cli_value(s->invocation, "framework"), .row = UINT64_MAX};
    const char **ids = assay_arena_array(s->arena, s->invocation->given_count + 1, sizeof(*ids));
    const char *dir = NULL;
    size_t count = 0;
    enum assay_status status = ids ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");

    if (status == ASSAY_OK)
        status = assay_cli_number(&filter.row, s->invocation, "row", 0, 20, err);
    if (status == ASSAY_OK)
        status = find_corpus(s, &dir, err);
    if (status != ASSAY_OK)
        return status;
    while ((ids[count] = assay_cli_value_at(s->invocation, "attack", count)))
        count++;
    filter.ids = ids;
    status = assay_attacks_read(&s->attacks, dir, &filter, err);
    if (status != ASSAY_OK)
        return status;
    s->forged = assay_arena_array(s->arena, s->attacks->count, sizeof(*s->forged));
    s->honest = assay_arena_array(s->arena, s->attacks->count, sizeof(*s->honest));
    if (!s->forged || !s->honest)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memset(s->forged, 0, s->attacks->count * sizeof(*s->forged));
    memset(s->honest, 0, s->attacks->count * sizeof(*s->honest));
    return ASSAY_OK;
}

// Called under the evaluation's lock.
static enum assay_status take_verdict(
        void *user, const struct assay_verdict *verdict, struct assay_error *err)
{
    struct selftest *s = user;
    bool twin = false;
    const struct assay_attack *attack = assay_attacks_of(s->attacks, verdict->instance_id, &twin);
    const char *reason;
    struct answer *answer;

    if (!attack)
        return ASSAY_OK;
    reason = verdict->tamper.count ? verdict->tamper.items[0] : verdict->reason;
    answer = (twin ? s->honest : s->forged) + (attack - s->attacks->items);
    *answer = (struct answer){.known = true,
            .scored = verdict->scored,
            .resolved = verdict->resolved,
            .right = twin ? verdict->resolved : assay_attack_answered(attack, verdict),
            .cause = verdict->cause,
            .evidence = verdict->evidence,
            .reason = assay_arena_strdup(s->arena, reason ? reason : "")};
    return answer->reason ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static enum assay_status grade_all(struct selftest *s, struct assay_error *err)
{
    struct assay_evaluate_options options = {.suite = s->attacks->suite,
            .candidate = ASSAY_CANDIDATE_PATCH,
            .predictions = s->attacks->predictions,
            .predictions_path = "attacks.jsonl",
            .threads = assay_jobs_default_threads(),
            .again = true, // an unfinished run is continued, a finished one repeated
            .no_cache = true,
            .command_line = s->invocation->command_line,
            .on_verdict = take_verdict,
            .user = s};
    struct assay_evaluate_result result = {0};
    struct assay_shaper shaper = {0};
    uint64_t threads = options.threads;
    enum assay_status status =
            assay_cli_number(&threads, s->invocation, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);

    options.threads = (size_t)threads;
    options.shaper = &shaper;
    if (status == ASSAY_OK)
        status = assay_shaper_read(&shaper, s->invocation, err);
    if (status == ASSAY_OK && s->attacks->predictions->count > 0)
        status = assay_evaluate(&result, s->context, &options, s->arena, err);
    s->executed = result.executed;
    return status;
}

static struct tally tally_up(const struct selftest *s)
{
    struct tally t = {.executed = s->executed};

    for (size_t i = 0; i < s->attacks->count; i++) {
        const struct assay_attack *attack = &s->attacks->items[i];
        const struct answer *forged = &s->forged[i], *honest = &s->honest[i];

        if (attack->missing) {
            t.skipped++;
            continue;
        }
        t.no_verdicts += !forged->scored;
        t.no_verdicts += !honest->scored;
        t.false_alarms += honest->scored && !honest->resolved;
        if (attack->row == ASSAY_ATTACK_ROW_OWN) {
            t.own++;
            t.own_rewards += forged->resolved;
            continue;
        }
        t.attacks++;
        t.false_rewards += forged->resolved;
        t.wrong_causes += forged->scored && !forged->resolved && !forged->right;
    }
    return t;
}

static bool held(const struct tally *t)
{
    return t->false_rewards + t->false_alarms + t->wrong_causes + t->no_verdicts == 0;
}

// --- what is printed -----------------------------------------------------------------------------

static const char *reward_text(const struct answer *answer)
{
    return !answer->scored ? "null" : answer->resolved ? "1" : "0";
}

static void print_table(const struct selftest *s, const struct tally *t)
{
    printf("%-36s %-3s %-9s %-12s %6s  %-16s %-5s\n", "attack", "row", "framework", "repository",
            "reward", "cause", "twin");
    for (size_t i = 0; i < s->attacks->count; i++) {
        const struct assay_attack *a = &s->attacks->items[i];
        const struct answer *forged = &s->forged[i], *honest = &s->honest[i];
        const bool own = a->row == ASSAY_ATTACK_ROW_OWN;
        char row[12];

        snprintf(row, sizeof(row), "%u", a->row);
        printf("%-36s %-3s %-9s %-12s ", a->id, own ? "own" : row, a->framework, a->repo);
        if (a->missing) {
            printf("skipped: no %s\n", a->missing);
            continue;
        }
        printf("%6s  %-16s %-5s%s\n", reward_text(forged), assay_cause_name(forged->cause),
                reward_text(honest),
                forged->resolved                 ? "  REWARDED"
                        : !honest->resolved      ? "  FALSE ALARM"
                        : !forged->right && !own ? "  WRONG CAUSE"
                                                 : "");
        if (!honest->resolved)
            printf("    twin: %s: %s\n", assay_cause_name(honest->cause), honest->reason);
        else if (!forged->right && !forged->resolved)
            printf("    %s\n", forged->reason);
    }
    printf("%zu attacks: %zu false rewards, %zu false alarms, %zu wrong causes, %zu without a "
           "verdict, %zu skipped\n",
            t->attacks, t->false_rewards, t->false_alarms, t->wrong_causes, t->no_verdicts,
            t->skipped);
    if (t->own)
        printf("%zu written against assay's own source: %zu rewarded (SECURITY.md)\n", t->own,
                t->own_rewards);
}

static void put_strings(
        struct assay_json_writer *w, const char *key, const struct assay_strings *list)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < list->count; i++)
        assay_json_put_text(w, NULL, list->items[i]);
    assay_json_end_array(w);
}

static void put_answer(struct assay_json_writer *w, const char *key, const struct answer *answer)
{
    assay_json_begin_object(w, key);
    if (answer->scored)
        assay_json_put_u64(w, "reward", answer->resolved);
    else
        assay_json_put_null(w, "reward");
    assay_json_put_text(w, "cause", assay_cause_name(answer->cause));
    assay_json_put_text(
            w, "evidence", answer->evidence == ASSAY_EVIDENCE_STRONG ? "strong" : "weak");
    assay_json_put_text(w, "reason", answer->reason);
    assay_json_put_bool(w, "right", answer->right);
    assay_json_end_object(w);
}

static void put_row(struct assay_json_writer *w, const struct selftest *s, size_t index)
{
    const struct assay_attack *attack = &s->attacks->items[index];

    assay_json_begin_object(w, NULL);
    assay_json_put_text(w, "id", attack->id);
    assay_json_put_u64(w, "row", attack->row);
    assay_json_put_text(w, "framework", attack->framework);
    assay_json_put_text(w, "repo", attack->repo);
    assay_json_put_text(w, "how", attack->how);
    assay_json_put_text(w, "secret", attack->secret);
    put_strings(w, "naive", &attack->naive);
    assay_json_begin_array(w, "expected");
    for (unsigned i = 0; i <= ASSAY_CAUSE_INFRA_ERROR; i++)
        if (attack->causes >> i & 1)
            assay_json_put_text(w, NULL, assay_cause_name((enum assay_cause)i));
    assay_json_end_array(w);
    put_strings(w, "dropped", &attack->dropped);
    assay_json_put_text(w, "missing", attack->missing);
    if (s->forged[index].known)
        put_answer(w, "attack", &s->forged[index]);
    if (s->honest[index].known)
        put_answer(w, "twin", &s->honest[index]);
    assay_json_end_object(w);
}

static enum assay_status print_json(
        const struct selftest *s, const struct tally *t, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "attacks", t->attacks);
    assay_json_put_u64(&w, "false_rewards", t->false_rewards);
    assay_json_put_u64(&w, "false_alarms", t->false_alarms);
    assay_json_put_u64(&w, "wrong_causes", t->wrong_causes);
    assay_json_put_u64(&w, "no_verdicts", t->no_verdicts);
    assay_json_put_u64(&w, "skipped", t->skipped);
    assay_json_put_u64(&w, "own_attacks", t->own);
    assay_json_put_u64(&w, "own_rewards", t->own_rewards);
    assay_json_put_u64(&w, "executed", t->executed);
    assay_json_begin_array(&w, "rows");
    for (size_t i = 0; i < s->attacks->count; i++)
        put_row(&w, s, i);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

static enum assay_status run(struct selftest *s, enum assay_exit *code, struct assay_error *err)
{
    struct tally tally;
    enum assay_status status = read_corpus(s, err);

    if (status == ASSAY_OK)
        status = assay_context_open(&s->context, s->invocation, true, err);
    if (status == ASSAY_OK)
        status = assay_suite_import_trees(
                s->context, s->attacks->suite, assay_jobs_default_threads(), err);
    if (status == ASSAY_OK)
        status = grade_all(s, err);
    if (status != ASSAY_OK)
        return status;
    tally = tally_up(s);
    if (!held(&tally))
        *code = ASSAY_EXIT_FAILED;
    if (assay_cli_flag(s->invocation, "json"))
        return print_json(s, &tally, err);
    print_table(s, &tally);
    return ASSAY_OK;
}

enum assay_exit assay_cmd_selftest_attacks(struct assay_invocation *invocation)
{
    struct selftest s = {.invocation = invocation};
    struct assay_error err = {0};
    enum assay_exit code = ASSAY_EXIT_OK;
    enum assay_status status = assay_arena_create(&s.arena, SELFTEST_ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = run(&s, &code, &err);
    if (status != ASSAY_OK)
        code = assay_cli_fail(&err);
    assay_context_close(s.context);
    assay_attacks_free(s.attacks);
    assay_arena_destroy(s.arena);
    return code;
}
