// SPDX-License-Identifier: MIT
// log_regex.c - Python's re over PCRE2, bounded.
//
// Python and PCRE2 agree on the syntax that our patterns use, but not on \s, \d
// and \w (log_parse.h spells them out) nor on line ends: here "." is all but
// "\n", and "^" with LINES also stands behind a last "\n".
#define PCRE2_CODE_UNIT_WIDTH 8
#include <assert.h>
#include <pcre2.h>
#include <string.h>

#include "rewards/log_parse.h"

// Steps of one match. The reference would go on for minutes; nobody honest comes near.
#define MATCH_STEPS_MAX 5000000u
#define MATCH_HEAP_KIB_MAX (256u << 10)

struct assay_regex {
    pcre2_code *code;
    pcre2_match_data *found;
    pcre2_match_context *bounds;
};

#define CALLOUT_LINE 1
#define CALLOUT_TEXT 2
#define STEP_COST 8

// Charge what lies before the match, as far as it may look.
static int charge(pcre2_callout_block *block, void *user)
{
    struct assay_log_run *run = user;
    const char *at = (const char *)block->subject + block->current_position;
    const size_t left = block->subject_length - block->current_position;
    const char *end = block->callout_number == CALLOUT_LINE ? memchr(at, '\n', left) : NULL;
    size_t cost = STEP_COST;

    if (end != NULL)
        cost += (size_t)(end - at);
    else if (block->callout_number == CALLOUT_LINE || block->callout_number == CALLOUT_TEXT)
        cost += left;
    if (cost > run->work_left)
        return PCRE2_ERROR_CALLOUT;
    run->work_left -= cost;
    return 0;
}

static void regex_free(struct assay_regex *regex)
{
    pcre2_match_context_free(regex->bounds);
    pcre2_match_data_free(regex->found);
    pcre2_code_free(regex->code);
}

void assay_log_free_regexes(struct assay_log_run *run)
{
    for (size_t i = 0; i < run->regex_count; i++)
        regex_free(run->regexes[i]);
    run->regex_count = 0;
}

struct assay_regex *assay_log_regex(struct assay_log_run *run, const char *pattern, unsigned flags)
{
    const uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_ALT_CIRCUMFLEX |
            (flags & ASSAY_REGEX_LINES ? PCRE2_MULTILINE : 0u);
    struct assay_regex *regex = assay_arena_alloc(run->arena, sizeof(*regex));
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_SIZE offset = 0;
    int code = 0;

    assert(run->regex_count < ASSAY_LOG_REGEXES_MAX);
    if (regex != NULL && context != NULL) {
        (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        regex->code = pcre2_compile(
                (PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &offset, context);
        assert(regex->code != NULL || code == PCRE2_ERROR_HEAP_FAILED);
        regex->bounds = pcre2_match_context_create(NULL);
        if (regex->code != NULL)
            regex->found = pcre2_match_data_create_from_pattern(regex->code, NULL);
    }
    pcre2_compile_context_free(context);
    if (regex == NULL || regex->found == NULL || regex->bounds == NULL) {
        if (regex != NULL)
            regex_free(regex);
        run->no_memory = true;
        return NULL;
    }
    (void)pcre2_set_callout(regex->bounds, charge, run);
    (void)pcre2_set_match_limit(regex->bounds, MATCH_STEPS_MAX);
    (void)pcre2_set_heap_limit(regex->bounds, MATCH_HEAP_KIB_MAX);
    run->regexes[run->regex_count++] = regex;
    return regex;
}

static bool run_match(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text subject, size_t from, uint32_t options, struct assay_regex_match *match)
{
    const PCRE2_SIZE *ends;
    int count;

    if (assay_log_stopped(run) || from > subject.len)
        return false;
    count = pcre2_match(regex->code, (PCRE2_SPTR)subject.data, subject.len, from,
            options | PCRE2_NO_UTF_CHECK, regex->found, regex->bounds);
    if (count <= 0) {
        if (count == PCRE2_ERROR_NOMEMORY)
            run->no_memory = true;
        else if (count != PCRE2_ERROR_NOMATCH)
            run->map->costly = true;
        return false;
    }
    ends = pcre2_get_ovector_pointer(regex->found);
    memset(match, 0, sizeof(*match));
    match->start = ends[0];
    match->end = ends[1];
    for (size_t i = 0; i < (size_t)count && i < ASSAY_LOG_GROUPS_MAX; i++) {
        if (ends[2 * i] == PCRE2_UNSET)
            continue;
        match->groups[i] =
                (struct assay_text){subject.data + ends[2 * i], ends[2 * i + 1] - ends[2 * i]};
    }
    return true;
}

bool assay_log_search(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text subject, size_t from, struct assay_regex_match *match)
{
    return run_match(run, regex, subject, from, 0, match);
}

bool assay_log_match(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text subject, struct assay_regex_match *match)
{
    return run_match(run, regex, subject, 0, PCRE2_ANCHORED, match);
}

struct assay_text assay_log_sub(struct assay_log_run *run, struct assay_regex *regex,
        struct assay_text subject, const char *with)
{
    const size_t with_len = strlen(with);
    struct assay_regex_match match;
    char *made, *end;
    size_t at = 0;

    if (!assay_log_search(run, regex, subject, 0, &match))
        return subject;
    // Each match is at least one byte long.
    made = assay_arena_alloc(run->arena, subject.len * (with_len > 0 ? with_len : 1) + 1);
    if (made == NULL) {
        run->no_memory = true;
        return subject;
    }
    end = made;
    do {
        end = mempcpy(end, subject.data + at, match.start - at);
        end = mempcpy(end, with, with_len);
        at = match.end;
    } while (assay_log_search(run, regex, subject, at, &match));
    end = mempcpy(end, subject.data + at, subject.len - at);
    return (struct assay_text){made, (size_t)(end - made)};
}
