// SPDX-License-Identifier: MIT
// apply_block.h - the new content of one file in the formats that are no diffs. For envs/apply*.c.
#ifndef ASSAY_ENVS_APPLY_BLOCK_H
#define ASSAY_ENVS_APPLY_BLOCK_H

#include "envs/apply_hunk.h"
#include "envs/apply_lines.h"

// Each block in turn, in what the ones before it left. Once: byte for byte, then with other line
// ends, other blanks at line ends, all lines indented alike; the first that fits is taken, and it
// must fit in one place. First, all: byte for byte or with other line ends.
ASSAY_MUST_USE enum assay_status blocks_apply(struct assay_bytes *out, const struct hunk_job *job,
        enum assay_patch_format format, struct assay_error *err);

// Codex's rules: every hunk below the one before it and below its anchors, at the first place
// where its old lines stand: byte for byte, without blanks at line ends, without blanks at both
// ends, with typographic dashes, quotes and blanks as plain ones.
ASSAY_MUST_USE enum assay_status codex_apply(
        struct assay_bytes *out, const struct hunk_job *job, struct assay_error *err);

// The whole new content; LF or CR LF throughout become what the file has throughout. Sets
// HUNK_CRLF in *marks where it changed them.
ASSAY_MUST_USE enum assay_status whole_apply(struct assay_bytes *out, const struct hunk_job *job,
        unsigned *marks, struct assay_error *err);

// --- shared by apply_block.c and apply_codex.c ---

// First line from `from` to `last` at which the pattern stands, or LINES_NOWHERE. ASSAY_EPATCH
// when the search was too long.
ASSAY_MUST_USE enum assay_status block_find(const struct lines_image *image,
        const struct lines_pattern *pattern, enum lines_level level, uint32_t from, uint32_t last,
        uint32_t *found, struct assay_error *err);
// Append a line, with `line_end` in place of its own end; gives the line before it an end first.
void block_add_line(struct assay_buf *out, struct assay_bytes line, const char *line_end);
void block_add_range(
        struct assay_buf *out, const struct lines_image *image, uint32_t begin, uint32_t end);
// The line end of the file at `line`.
const char *block_line_end(const struct lines_image *image, uint32_t line);
ASSAY_MUST_USE enum assay_status block_record(const struct hunk_job *job,
        const struct assay_patch_hunk *hunk, unsigned marks, struct assay_error *err);
ASSAY_MUST_USE enum assay_status block_refuse(const struct hunk_job *job,
        const struct assay_patch_hunk *hunk, const char *reason, struct assay_error *err);
// How the pattern and the lines where it was found differ, as marks of `level`.
unsigned block_marks(const struct lines_image *image, const struct lines_pattern *pattern,
        enum lines_level level, uint32_t line);

#endif
