// SPDX-License-Identifier: MIT
// compat.h - verdicts as the field's own graders give them, unsound as they are. Pure.
//
// These modes answer "what would that grader have said of this run"; they
// believe what code under test printed. Their evidence is always weak, they
// are part of a verdict's key, and nothing uses them unless asked (--compat).
//
//   swebench  swebench 5: the row's log parser between the markers, exit status
//             after them, fail_only, truncated ids, empty lists that count as passed
//   swesmith  swesmith 0.0.9: "id STATUS" lines of pytest -v; a skipped test is
//             neither a success nor a failure, and empty lists count as passed
//   r2e       R2E-Gym: the tests that pytest's short summary names are exactly
//             the expected ones, and each PASSED
//   pro       SWE-bench Pro: every expected test PASSED, nothing else counts
//   rebench   SWE-rebench V2: the same, ids without the times behind them
#ifndef ASSAY_REWARDS_COMPAT_H
#define ASSAY_REWARDS_COMPAT_H

#include "rewards/judge.h"
#include "rewards/logs.h"

enum assay_compat {
    ASSAY_COMPAT_NONE,
    ASSAY_COMPAT_SWEBENCH,
    ASSAY_COMPAT_SWESMITH,
    ASSAY_COMPAT_R2E,
    ASSAY_COMPAT_PRO,
    ASSAY_COMPAT_REBENCH,
};
const char *assay_compat_name(enum assay_compat compat); // "swebench"; "" for none
bool assay_compat_from_name(enum assay_compat *out, const char *name);

// What SWE-bench's classifier says of a log: advice, it moves no verdict.
struct assay_swebench_infra {
    const char *reason; // "out_of_memory"; NULL: nothing
    bool environment;   // no patch can be the cause; false: ambiguous
};
struct assay_swebench_infra assay_swebench_classify(struct assay_bytes log);

// What swebench 5 makes of one log file.
struct assay_swebench_report {
    const char *raised; // it raises this exception, and no report is written
    bool costly;        // see assay_log_map; counts as not found
    bool found;         // false: the log says nothing that it believes
    enum assay_resolution resolution;
    struct assay_strings f2p_success, f2p_failure, p2p_success, p2p_failure;
    struct assay_swebench_infra infra; // when not found
    struct assay_log_map map;
};
// `log` is the whole file with its markers, as bytes. Lists point to the ids given.
ASSAY_MUST_USE enum assay_status assay_swebench_grade(struct assay_swebench_report *out,
        const struct assay_log_parser *parser, struct assay_bytes log,
        const struct assay_log_context *context, const struct assay_strings *fail_to_pass,
        const struct assay_strings *pass_to_pass, bool fail_only, struct assay_arena *arena,
        struct assay_error *err);

// The log file that eval.sh of version 5 would have left: markers around the output, the exit
// status behind them. data is NULL when memory runs out.
struct assay_bytes assay_swebench_file(
        struct assay_bytes output, int exit_code, struct assay_arena *arena);

// Can the mode read what this instance's tests print? Needs a parser: the instance's own, that of
// its repository, or that of its framework.
bool assay_compat_applies(enum assay_compat compat, const struct assay_instance *instance,
        const struct assay_framework *framework);

// What a mode makes of a bare test log; the same record for all of them.
ASSAY_MUST_USE enum assay_status assay_compat_grade(struct assay_swebench_report *out,
        enum assay_compat compat, const struct assay_instance *instance,
        const struct assay_log_parser *parser, struct assay_bytes output, int exit_code,
        struct assay_arena *arena, struct assay_error *err);

// As assay_judge(), by the rules of `compat` (not NONE, and one that applies). A run that did not
// end in time or that the box refused is judged as assay_judge() does: those graders have no word
// for it.
ASSAY_MUST_USE enum assay_status assay_judge_compat(struct assay_verdict *verdict,
        struct assay_judgement *judgement, const struct assay_instance *instance,
        const struct assay_framework *framework, const struct assay_evidence *evidence,
        enum assay_compat compat, struct assay_arena *arena, struct assay_error *err);

#endif
