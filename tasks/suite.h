// SPDX-License-Identifier: MIT
// suite.h - a named set of instances, and the readers that make one from files.
//
// A reader takes everything or nothing: the first malformed row is an error
// that names file, line and field ("suite/x/instance.json:7: FAIL_TO_PASS[2]: ...").
#ifndef ASSAY_TASKS_SUITE_H
#define ASSAY_TASKS_SUITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "tasks/instance.h"

struct assay_suite {
    const char *name;    // [A-Za-z0-9_.-]{1,100}
    const char *version; // free text
    const char *source;  // where it was read from, for people
    struct assay_recipe *recipes;
    size_t recipe_count;
    struct assay_instance *instances; // sorted by instance_id
    size_t instance_count;
    struct assay_arena *arena; // owned; holds everything above
};

// An empty suite with its arena, for code that builds one by hand.
ASSAY_MUST_USE enum assay_status assay_suite_create(
        struct assay_suite **out, const char *name, struct assay_error *err);
void assay_suite_free(struct assay_suite *suite); // NULL is allowed

// A native folder (suite.json + one folder per instance); format: tasks/README.md.
ASSAY_MUST_USE enum assay_status assay_suite_read_native(
        struct assay_suite **out, const char *dir, struct assay_error *err);

// The families of SWE-bench's relatives: how their rows are read (docs/suites.md).
enum assay_family {
    ASSAY_FAMILY_AUTO, // each row by its keys
    ASSAY_FAMILY_SWEBENCH,
    ASSAY_FAMILY_LIVE,
    ASSAY_FAMILY_GYM,
    ASSAY_FAMILY_SMITH,
    ASSAY_FAMILY_R2E,
    ASSAY_FAMILY_REBENCH,
    ASSAY_FAMILY_MULTI,
    ASSAY_FAMILY_PRO,
};
#define ASSAY_FAMILY_NAMES                                                                         \
    "swebench, swebench-live, swe-gym, swe-smith, r2e-gym, swe-rebench, multi-swe-bench, "         \
    "swe-bench-pro"
const char *assay_family_name(enum assay_family family); // "auto", "swebench", ...
bool assay_family_from_name(enum assay_family *out, const char *name);

// Rows of one of them: JSON list, JSON Lines, or an object keyed by instance_id; gzip or zstd
// around it.
struct assay_swebench_options {
    const char *name;      // of the suite; NULL: the file's base name
    const char *repos;     // directory, or a URL template with {owner}, {name}, {repo}
    const char *test_cmd;  // a shell command for rows that bring none; may be NULL
    const char *framework; // likewise
    const char *scripts;   // folder of SWE-bench Pro's scripts; NULL: rows say how they are run
    enum assay_family family;
};
ASSAY_MUST_USE enum assay_status assay_suite_read_swebench(struct assay_suite **out,
        const char *file, const struct assay_swebench_options *options, struct assay_error *err);

// Harbor's task folders: one, or a folder of them. Gold is not known yet: base.where of each
// instance is the task's folder, absolute, in which somebody may run solution/solve.sh.
ASSAY_MUST_USE enum assay_status assay_suite_read_harbor(
        struct assay_suite **out, const char *dir, struct assay_error *err);

// A task repository of SWE-bench 5 (sweb.yaml, tasks/<id>/). options->name may be NULL.
ASSAY_MUST_USE enum assay_status assay_suite_read_sweb(struct assay_suite **out, const char *dir,
        const struct assay_swebench_options *options, struct assay_error *err);

// Consecutive releases of packages (releases.json beside suite.json): a plan
// from which instances are measured, not yet instances.
struct assay_release_file {
    const char *version, *file, *sha256;
    const char *path; // of Debian's archive, from its root ("pool/..."); NULL: PyPI's
};
struct assay_release_pair {
    const char *instance_id, *package, *repo, *recipe, *framework, *problem;
    struct assay_release_file old_release, new_release;
    // A patch of a Debian source package instead of a newer release, which then is the old one:
    // the archive of debian/, and the patch's name in its series. patch NULL: none.
    struct assay_release_file series;
    const char *patch;
    struct assay_strings tests; // globs; what matches is the test part
    struct assay_strings test_cmd;
    struct assay_instance_limits limits;
    size_t fail_to_pass_expected,
            pass_to_pass_expected; // as measured when the pair was listed; 0: not told
};
struct assay_release_plan {
    struct assay_suite *suite;   // owned; name, version, recipes; no instances yet
    struct assay_strings ignore; // globs removed from both trees
    struct assay_release_pair *pairs;
    size_t pair_count;
};
ASSAY_MUST_USE enum assay_status assay_release_plan_read(
        struct assay_release_plan **out, const char *dir, struct assay_error *err);
void assay_release_plan_free(struct assay_release_plan *plan);

// What lies at `path`.
enum assay_suite_format {
    ASSAY_SUITE_NATIVE,   // folder with suite.json
    ASSAY_SUITE_RELEASES, // folder with suite.json and releases.json
    ASSAY_SUITE_SWEBENCH, // a file of rows
    ASSAY_SUITE_SWEB,     // folder with sweb.yaml
    ASSAY_SUITE_HARBOR,   // folder with task.toml, or of such folders
};
ASSAY_MUST_USE enum assay_status assay_suite_detect(
        enum assay_suite_format *out, const char *path, struct assay_error *err);

// What every reader ends with: ids unique and valid, recipes known, FAIL_TO_PASS
// and PASS_TO_PASS without duplicates and disjoint, limits > 0, test_cmd not
// empty; sorts instances. `framework_known` may be NULL: only whoever knows the table of frameworks
// can ask for that. Readers find all but the framework themselves, with file and line.
ASSAY_MUST_USE enum assay_status assay_suite_check(struct assay_suite *suite,
        bool (*framework_known)(const char *name), struct assay_error *err);

const struct assay_instance *assay_suite_find(
        const struct assay_suite *suite, const char *instance_id); // borrowed or NULL
const struct assay_recipe *assay_suite_recipe(
        const struct assay_suite *suite, const char *name); // borrowed or NULL

// Content hash of everything that can change a verdict of this instance: its
// fields, its patches, its base tree, its recipe. instance->tree must be set.
// Labels (repo, problem, tags, the recipe's name) are not in it.
ASSAY_MUST_USE enum assay_status assay_instance_hash(char hex[65], const struct assay_suite *suite,
        const struct assay_instance *instance, struct assay_error *err);

// Content hash of the whole suite, its problem texts and labels among them. Instances sorted, trees
// set.
ASSAY_MUST_USE enum assay_status assay_suite_hash(
        char hex[65], const struct assay_suite *suite, struct assay_error *err);

// The instance without its texts and tree as one JSON object (instance.json), and back: texts stay
// empty and base.where stays as written. `file` names the text in messages. Beside the keys of the
// native format the object carries "rules" and "fail_only" when a SWE-bench row had them.
void assay_instance_write(struct assay_buf *out, const struct assay_instance *instance);
ASSAY_MUST_USE enum assay_status assay_instance_read(struct assay_instance *out, const char *text,
        size_t len, const char *file, struct assay_arena *arena, struct assay_error *err);

#endif
