// SPDX-License-Identifier: MIT
// splitter.h - a regular expression that cuts text into words, with the meaning that it has in HF
// tokenizers (Oniguruma, Unicode 16), run by PCRE2.
//
// Text is handed in as classes: code points through assay_code_class(). A splitter is read-only and
// may be shared by threads.
#ifndef ASSAY_POLICY_SPLITTER_H
#define ASSAY_POLICY_SPLITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define ASSAY_PATTERN_BYTES_MAX 16384

// The patterns of the families, as tokenizer.json writes them.
extern const char assay_pattern_gpt2[];
extern const char assay_pattern_qwen2[];
extern const char assay_pattern_o200k[];

struct assay_splitter;

// `pattern` is UTF-8. Refused (ASSAY_EINVAL): what PCRE2 does not compile, and what the two engines
// understand differently (\w, \b, \h, scripts, intersections of sets).
ASSAY_MUST_USE enum assay_status assay_splitter_create(
        struct assay_splitter **out, const char *pattern, struct assay_error *err);
void assay_splitter_destroy(struct assay_splitter *splitter); // NULL is allowed

// Called for the pieces of a text in order: matches, and what lies between them; none is empty.
typedef enum assay_status (*assay_split_visit)(
        void *user, size_t first, size_t end, bool is_match, struct assay_error *err);
// Errors: ASSAY_EINVAL (the expression backtracks without end), ASSAY_ENOMEM, what visit returns.
ASSAY_MUST_USE enum assay_status assay_splitter_run(const struct assay_splitter *splitter,
        const uint32_t *classes, size_t count, assay_split_visit visit, void *user,
        struct assay_error *err);

#endif
