// SPDX-License-Identifier: MIT
// instance.h - one task: a repository at a state, what is wrong with it, and how its tests are run.
//
// All pointers of an instance live in the arena of the suite that holds it.
#ifndef ASSAY_TASKS_INSTANCE_H
#define ASSAY_TASKS_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"

// Bytes that need not be text: patches are kept byte for byte, CRLF and all.
struct assay_bytes {
    const char *data; // followed by a NUL that is not counted; NULL when absent
    size_t len;
};

struct assay_arena;
struct assay_buf;

// Move a text into the arena; *text is empty then, whatever came of it. ASSAY_ENOMEM ("<what>
// ...").
ASSAY_MUST_USE enum assay_status assay_bytes_keep(struct assay_bytes *out, struct assay_buf *text,
        const char *what, struct assay_arena *arena, struct assay_error *err);

struct assay_strings {
    const char *const *items;
    size_t count;
};
// As a JSON array; key NULL inside of one.
void assay_strings_write(
        struct assay_json_writer *w, const char *key, const struct assay_strings *strings);

enum assay_base_kind {
    ASSAY_BASE_GIT, // `where` a repository (bare or not, a tarball of one, or a URL), at `commit`
    ASSAY_BASE_ARCHIVE, // `where` a tar or zip file or URL whose SHA-256 is `sha256`; one top
                        // folder is stripped
    ASSAY_BASE_DIR,     // `where` a directory
    ASSAY_BASE_EMPTY,   // no file at all
};

#define ASSAY_BASE_PATCH_FILE "base.patch" // beside instance.json, of a native suite

struct assay_base {
    enum assay_base_kind kind;
    const char *where; // absolute once a reader has resolved it
    const char *commit, *sha256;
    struct assay_bytes patch; // applied to it on import, and not kept; data NULL: none
};

enum assay_task_kind { ASSAY_TASK_REPAIR, ASSAY_TASK_LOCALIZE, ASSAY_TASK_WRITE_TESTS };

// Whose rules read the lists (docs/suites.md): they differ in how an id may be cut off, and in what
// counts as passed.
enum assay_rules {
    ASSAY_RULES_NATIVE,     // an id is equal or it is another test
    ASSAY_RULES_SWEBENCH,   // ids cut inside a "[...]" match by prefix; "name (module.Class)" is
                            // unittest's id
    ASSAY_RULES_ALL_PASSED, // ids as SWE-bench's; each listed test passed: not skipped, not xfailed
    ASSAY_RULES_WHOLE_MAP, // ids as R2E-Gym's; the listed tests, with these statuses, and no others
    ASSAY_RULES_THREE_STAGE, // as ALL_PASSED; besides, nothing of `not_fail` fails
};
const char *assay_rules_name(enum assay_rules rules); // "native", "swebench", "all_passed", ...
bool assay_rules_from_name(enum assay_rules *out, const char *name);

struct assay_instance_limits {
    uint64_t wall_ms, cpu_ms, memory_bytes; // > 0
};
// 1,800 s wall, 1,800 s cpu, 4 GiB: SWE-bench's default time.
#define ASSAY_INSTANCE_WALL_MS 1800000u
#define ASSAY_INSTANCE_MEMORY_BYTES (UINT64_C(4) << 30)

struct assay_instance {
    const char *instance_id; // [A-Za-z0-9_.-]{1,200}
    const char *repo;        // "owner/name"
    struct assay_base base;
    char tree[65];                 // hash of the base tree in the depot; "" until imported
    const char *recipe;            // name of a recipe of the suite
    struct assay_strings test_cmd; // argv
    const char *framework;         // name of a row of rewards/framework.h
    const char *log_parser;        // the field's parser of its logs ("parse_log_jest"); NULL: none
    const char *version;           // of the repository, as the row calls it; NULL: none
    enum assay_rules rules;
    bool fail_only; // only an explicit failure counts against a test (SWE-bench eval_type)
    struct assay_strings fail_to_pass, pass_to_pass;
    struct assay_strings fail_to_fail, error_to_error; // WHOLE_MAP: these fail, these are in error
    struct assay_strings not_fail; // THREE_STAGE: whatever else these do, they do not fail
    // Where the test patch is laid in the box, instead of over the workspace: an absolute path, or
    // NULL. It is there while the tests run and at no other time.
    const char *tests_at;
    bool no_canaries; // its tests cannot bear any of assay's among them; evidence is weak then
    enum assay_task_kind task;
    struct assay_strings
            protected_allowed; // globs of protected files that a model patch may change
    struct assay_instance_limits limits;
    bool network;               // its tests reach `hosts` (tasks/hosts.h), and nothing else outside
    struct assay_strings hosts; // empty without `network`
    struct assay_strings tags;
    struct assay_bytes problem, gold_patch, test_patch;
    struct assay_bytes row;   // of the data set that it was read from, byte for byte; NULL: none
    const char *framework_at; // "file:line" of the framework when a reader found it, for messages
};

struct assay_recipe {
    const char *name;
    const char *base;           // "host", "image:NAME", "oci:PATH", "dir:PATH"
    struct assay_strings setup; // shell commands, run in order, once
    struct assay_strings env;   // "NAME=value"
    const char *workdir;        // absolute path in the box, "/testbed"
    struct assay_strings hosts; // what set-up commands may reach beside package registries
};

bool assay_instance_id_valid(const char *id);
const char *assay_task_kind_name(enum assay_task_kind kind); // "repair", "localize", "write_tests"
bool assay_task_kind_from_name(enum assay_task_kind *out, const char *name);

// Does path match glob? '*' and '?' stay inside one component, "**" crosses them, "**/" also
// stands for nothing at all. Every other character stands for itself.
bool assay_glob_match(const char *glob, const char *path);

#endif
