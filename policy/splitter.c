// SPDX-License-Identifier: MIT
#include "policy/splitter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 32
#include <pcre2.h>

#include "policy/unicode.h"

#define JIT_STACK_BYTES ((size_t)64 << 20)
#define HEAP_KIB_MAX ((uint32_t)256 << 10)
#define MATCH_LIMIT 50000000u

const char assay_pattern_gpt2[] =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const char assay_pattern_qwen2[] =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
        "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const char assay_pattern_o200k[] =
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

struct assay_splitter {
    pcre2_code *code;
    pcre2_match_context *context;
};

// Categories of one or two letters mean the same to both engines; of a script PCRE2 takes the
// extensions, too.
static const char *check_property(const char *at)
{
    const char *name = at[0] == '{' ? at + 1 : at;

    if (name[0] == '^')
        name++;
    if (at[0] != '{' || !strchr("LMNPSZC", name[0]) || name[0] == '\0')
        return NULL;
    name++;
    if (name[0] >= 'a' && name[0] <= 'z')
        name++;
    return name[0] == '}' ? name + 1 : NULL;
}

static enum assay_status check_pattern(const char *pattern, struct assay_error *err)
{
    const char *property_end;

    for (const char *at = pattern; *at; at++) {
        if (at[0] == '&' && at[1] == '&')
            return assay_fail(err, ASSAY_EINVAL, "pattern: && is not supported");
        if (at[0] == '[' && at[1] == ':')
            return assay_fail(err, ASSAY_EINVAL, "pattern: [: is not supported");
        if (at[0] != '\\')
            continue;
        at++;
        property_end = *at == 'p' || *at == 'P' ? check_property(at + 1) : NULL;
        if (property_end) {
            at = property_end - 1;
            continue;
        }
        if (*at == '\0' ||
                (strchr("sSdDrntf", *at) == NULL &&
                        ((*at >= '0' && *at <= '9') || (*at | 32) >= 'a') &&
                        ((*at | 32) <= 'z' || *at < 0)))
            return assay_fail(err, ASSAY_EINVAL, "pattern: \\%.8s is not supported", at);
    }
    return ASSAY_OK;
}

static enum assay_status compile(
        struct assay_splitter *splitter, const char *pattern, struct assay_error *err)
{
    const size_t len = strlen(pattern);
    uint32_t *codes = malloc((len + 1) * sizeof(*codes));
    PCRE2_SIZE offset = 0;
    int code = 0;
    uint32_t empty = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);

    if (codes && context) {
        const size_t count = assay_codes_from_bytes(codes, pattern, len);

        (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        splitter->code = pcre2_compile(codes, count,
                PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &offset,
                context);
    }
    free(codes);
    pcre2_compile_context_free(context);
    if (!splitter->code && code == 0)
        return assay_fail(err, ASSAY_ENOMEM, "pattern: out of memory");
    if (!splitter->code)
        return assay_fail(err, ASSAY_EINVAL, "pattern: error %d at character %zu", code, offset);
    // An empty match would cut a text where nothing stands.
    (void)pcre2_pattern_info(splitter->code, PCRE2_INFO_MATCHEMPTY, &empty);
    if (empty)
        return assay_fail(err, ASSAY_EINVAL, "pattern: it can match nothing");
    // Without a JIT the same code is interpreted.
    (void)pcre2_jit_compile(splitter->code, PCRE2_JIT_COMPLETE);
    return ASSAY_OK;
}

enum assay_status assay_splitter_create(
        struct assay_splitter **out, const char *pattern, struct assay_error *err)
{
    struct assay_splitter *splitter = NULL;
    enum assay_status status = ASSAY_OK;

    if (strlen(pattern) > ASSAY_PATTERN_BYTES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "pattern: longer than %d", ASSAY_PATTERN_BYTES_MAX);
    status = check_pattern(pattern, err);
    if (status != ASSAY_OK)
        return status;
    splitter = calloc(1, sizeof(*splitter));
    if (!splitter)
        return assay_fail(err, ASSAY_ENOMEM, "pattern: out of memory");
    status = compile(splitter, pattern, err);
    if (status != ASSAY_OK)
        goto out;
    splitter->context = pcre2_match_context_create(NULL);
    if (!splitter->context) {
        status = assay_fail(err, ASSAY_ENOMEM, "pattern: out of memory");
        goto out;
    }
    (void)pcre2_set_heap_limit(splitter->context, HEAP_KIB_MAX);
    (void)pcre2_set_match_limit(splitter->context, MATCH_LIMIT);
    *out = splitter;
    splitter = NULL;

out:
    assay_splitter_destroy(splitter);
    return status;
}

void assay_splitter_destroy(struct assay_splitter *splitter)
{
    if (!splitter)
        return;
    pcre2_match_context_free(splitter->context);
    pcre2_code_free(splitter->code);
    free(splitter);
}

// One search. The 32 KiB of machine stack that the JIT begins with are enough for all patterns of
// ours; another gets a large stack, once, and after that the interpreter, which has its own limit.
static int match(const struct assay_splitter *splitter, const uint32_t *classes, size_t count,
        size_t from, pcre2_match_data *data)
{
    pcre2_match_context *context = NULL;
    pcre2_jit_stack *stack = NULL;
    int found = pcre2_match(
            splitter->code, classes, count, from, PCRE2_NO_UTF_CHECK, data, splitter->context);

    if (found != PCRE2_ERROR_JIT_STACKLIMIT)
        return found;
    context = pcre2_match_context_copy(splitter->context);
    stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_BYTES, NULL);
    if (context && stack) {
        pcre2_jit_stack_assign(context, NULL, stack);
        found = pcre2_match(
                splitter->code, classes, count, from, PCRE2_NO_UTF_CHECK, data, context);
    }
    if (context && found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(splitter->code, classes, count, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                data, context);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
    return found;
}

enum assay_status assay_splitter_run(const struct assay_splitter *splitter, const uint32_t *classes,
        size_t count, assay_split_visit visit, void *user, struct assay_error *err)
{
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(splitter->code, NULL);
    enum assay_status status = ASSAY_OK;
    size_t done = 0; // pieces before this have been visited

    if (!data)
        return assay_fail(err, ASSAY_ENOMEM, "text: out of memory");
    for (size_t from = 0; from < count && status == ASSAY_OK;) {
        const int found = match(splitter, classes, count, from, data);
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(data);

        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found < 0) {
            status = assay_fail(err, ASSAY_EINVAL,
                    "the splitting pattern gave up (PCRE2 error %d) %zu characters into a text",
                    found, from);
            break;
        }
        assert(range[1] > range[0]); // compile() refused what can be empty
        if (range[0] > done)
            status = visit(user, done, range[0], false, err);
        if (status == ASSAY_OK)
            status = visit(user, range[0], range[1], true, err);
        done = from = range[1];
    }
    if (status == ASSAY_OK && done < count)
        status = visit(user, done, count, false, err);
    pcre2_match_data_free(data);
    return status;
}
