// SPDX-License-Identifier: MIT
// What must hold: ratio and unified diff are Python's own, to the last bit and byte, whatever the
// texts. Python itself is the oracle; the texts are made up and real ones (this repository's).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/rng.h"
#include "rewards/lines.h"
#include "rewards/similarity.h"
#include "support/harness.h"
#include "support/temp.h"

#define PYTHON "/usr/bin/python3"
#define BYTES_MAX ((size_t)256 << 20)

// Texts to be compared, two and two.
struct cases {
    struct assay_buf bytes;
    size_t count;
    struct assay_rng rng;
};

static void put_text(struct cases *cases, const char *text, size_t len)
{
    const unsigned char head[4] = {(unsigned char)len, (unsigned char)(len >> 8),
            (unsigned char)(len >> 16), (unsigned char)(len >> 24)};

    assay_buf_add(&cases->bytes, head, sizeof(head));
    assay_buf_add(&cases->bytes, text, len);
    cases->count++;
}

static void put_pair(struct cases *cases, const struct assay_buf *a, const struct assay_buf *b)
{
    put_text(cases, a->data, a->len);
    put_text(cases, b->data, b->len);
}

static size_t below(struct cases *cases, size_t bound)
{
    return (size_t)assay_rng_below(&cases->rng, bound);
}

static const char *const words[] = {"a", "b", "c", "\n", " ", "ab", "aa\n", "\r\n", "\xC3\xA4",
        "\xE2\x82\xAC", "\xF0\x9F\x99\x82", "\xE2\x80\xA8", "\xC2\x85", "\f", "\r", "\x1C", "\xFF",
        "return x;\n", "\t", "x == y\n"};

// `kinds` of the words above, so that small alphabets repeat themselves.
static void make_up(
        struct cases *cases, struct assay_buf *out, size_t count, size_t first, size_t kinds)
{
    assay_buf_clear(out);
    for (size_t i = 0; i < count; i++)
        assay_buf_adds(out, words[first + below(cases, kinds)]);
}

// A copy with some runs removed, repeated, moved or written over.
static void disturb(struct cases *cases, struct assay_buf *out, const struct assay_buf *in)
{
    size_t i = 0;

    assay_buf_clear(out);
    while (i < in->len) {
        const size_t left = in->len - i;
        size_t run = 1 + below(cases, 120);

        run = run < left ? run : left;
        switch (below(cases, 8)) {
        case 0:
            break;
        case 1:
            assay_buf_add(out, in->data + i, run);
            assay_buf_add(out, in->data + i, run);
            break;
        case 2:
            assay_buf_adds(out, words[below(cases, sizeof(words) / sizeof(words[0]))]);
            assay_buf_add(out, in->data + i, run);
            break;
        default:
            assay_buf_add(out, in->data + i, run);
        }
        i += run;
    }
}

static void add_made_up(struct cases *cases, size_t rounds)
{
    struct assay_buf a, b;

    assay_buf_init(&a, BYTES_MAX);
    assay_buf_init(&b, BYTES_MAX);
    for (size_t i = 0; i < rounds; i++) {
        const size_t all = sizeof(words) / sizeof(words[0]);
        const size_t kinds = 1 + below(cases, i % 3 ? 4 : all);
        const size_t first = below(cases, all - kinds + 1);

        make_up(cases, &a, below(cases, 1 + (i % 50 ? 60 : 900)), first, kinds);
        make_up(cases, &b, below(cases, 1 + (i % 50 ? 60 : 900)), first, kinds);
        if (i % 4 == 0)
            disturb(cases, &b, &a);
        put_pair(cases, &a, &b);
    }
    assay_buf_free(&b);
    assay_buf_free(&a);
}

// Lines that repeat (more than 200 of them: popular ones begin no block then) and a copy.
static void add_lines(struct cases *cases, size_t rounds)
{
    static const char *const lines[] = {"}\n", "\n", "    return 0;\n", "{\n", "x\n"};
    struct assay_buf a, b;

    assay_buf_init(&a, BYTES_MAX);
    assay_buf_init(&b, BYTES_MAX);
    for (size_t i = 0; i < rounds; i++) {
        const size_t count = 150 + below(cases, 250);

        assay_buf_clear(&a);
        for (size_t k = 0; k < count; k++) {
            if (below(cases, 3))
                assay_buf_adds(&a, lines[below(cases, 5)]);
            else
                assay_buf_addf(&a, "l%zu\n", below(cases, 300));
        }
        disturb(cases, &b, &a);
        put_pair(cases, &a, &b);
    }
    assay_buf_free(&b);
    assay_buf_free(&a);
}

// At most so many bytes of each: Python's time grows with the square.
static void add_real(struct cases *cases, size_t rounds, size_t bytes)
{
    static const char *const files[] = {"rewards/judge.c", "docs/verdicts.md", "LICENSE",
            "rewards/trusted/python/assay_pytest.py",
            "tasks/data/quick/quick__csv-stream-1/gold.patch",
            "tasks/data/quick/quick__json-lex-1/test.patch"};
    struct assay_buf a, b;

    assay_buf_init(&a, BYTES_MAX);
    assay_buf_init(&b, BYTES_MAX);
    for (size_t i = 0; i < rounds; i++) {
        assay_buf_clear(&a);
        assert_int_equal(assay_fs_read_file(&a, files[i % 6], NULL), ASSAY_OK);
        assay_buf_truncate(&a, a.len < bytes ? a.len : bytes);
        disturb(cases, &b, &a);
        put_pair(cases, &a, &b);
        if (i < 6) {
            assay_buf_clear(&b);
            assert_int_equal(assay_fs_read_file(&b, files[(i + 1) % 6], NULL), ASSAY_OK);
            assay_buf_truncate(&b, b.len < bytes ? b.len : bytes);
            put_pair(cases, &a, &b);
        }
    }
    assay_buf_free(&b);
    assay_buf_free(&a);
}

static void ask_python(
        const struct assay_temp *temp, const struct cases *cases, struct assay_buf *answers)
{
    char command[1024], path[512];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/cases", temp->path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(cases->bytes.data, 1, cases->bytes.len, file), cases->bytes.len);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(command, sizeof(command),
            PYTHON " tests/rewards/difflib_oracle.py %s/cases %s/answers", temp->path, temp->path);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test
    (void)snprintf(path, sizeof(path), "%s/answers", temp->path);
    assert_int_equal(assay_fs_read_file(answers, path, NULL), ASSAY_OK);
}

static struct assay_bytes take_text(const char **at)
{
    const unsigned char *head = (const unsigned char *)*at;
    const size_t len =
            (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    const struct assay_bytes text = {*at + 4, len};

    *at += 4 + len;
    return text;
}

static void compare_all(const struct cases *cases, const struct assay_buf *answers)
{
    const char *at = cases->bytes.data, *said = answers->data;

    for (size_t i = 0; i < cases->count / 2; i++) {
        const struct assay_bytes old_text = take_text(&at), new_text = take_text(&at);
        struct assay_arena *arena = NULL;
        struct assay_bytes want;
        struct assay_buf diff;
        double ratio, ours = -1;
        uint64_t our_bits, their_bits;

        memcpy(&ratio, said, sizeof(ratio));
        said += sizeof(ratio);
        want = take_text(&said);
        assay_buf_init(&diff, BYTES_MAX);
        assert_int_equal(assay_arena_create(&arena, BYTES_MAX, NULL), ASSAY_OK);
        assert_int_equal(assay_similarity_texts(&ours, old_text, new_text, NULL), ASSAY_OK);
        assert_int_equal(assay_unified_diff(&diff, old_text, new_text, arena, NULL), ASSAY_OK);
        memcpy(&our_bits, &ours, sizeof(ours));
        memcpy(&their_bits, &ratio, sizeof(ratio));
        if (our_bits != their_bits || diff.len != want.len ||
                memcmp(diff.data, want.data, want.len) != 0) {
            print_message("pair %zu: ratio %.17g, Python says %.17g\n", i, ours, ratio);
            fail_msg("ours:\n%.2000s\nPython's:\n%.*s", diff.data, (int)want.len, want.data);
        }
        assay_buf_free(&diff);
        assay_arena_destroy(arena);
    }
}

static void ratio_and_diff_are_pythons_to_the_last_bit(void **state)
{
    const size_t times = getenv("ASSAY_SOAK") ? 20 : 1; // NOLINT(concurrency-mt-unsafe): one thread
    struct cases cases = {.count = 0};
    struct assay_buf answers;

    if (access(PYTHON, X_OK) != 0)
        ASSAY_SKIP("no " PYTHON);
    assay_buf_init(&cases.bytes, BYTES_MAX);
    assay_buf_init(&answers, BYTES_MAX);
    assay_rng_seed(&cases.rng, 4, 9);
    add_made_up(&cases, 3000 * times);
    add_lines(&cases, 40 * times);
    add_real(&cases, 8 * times, times > 1 ? 16000 : 4000);
    ask_python(*state, &cases, &answers);
    compare_all(&cases, &answers);
    print_message("%zu pairs, all as Python\n", cases.count / 2);
    assay_buf_free(&answers);
    assay_buf_free(&cases.bytes);
}

static struct assay_bytes text_of(const char *text)
{
    return (struct assay_bytes){text, strlen(text)};
}

static void similarity_is_the_mean_over_the_files_of_both(void **state)
{
    const struct assay_bytes base = text_of("a\nb\nc\n"), changed = text_of("a\nB\nc\n"),
                             none = {NULL, 0};
    const struct {
        struct assay_similarity_file files[2];
        size_t count;
        double want;
    } rows[] = {
            {{{base, changed, changed}}, 1, 1},
            {{{base, base, base}}, 1, 0}, // nothing changed on either side: not 1
            {{{none, none, none}}, 0, 0}, {{{base, base, changed}}, 1, 0}, // only gold changes it
            {{{base, changed, base}}, 1, 0},                               // only the model does
            {{{base, changed, changed}, {base, changed, base}}, 2, 0.5},
            {{{none, changed, changed}, {base, none, none}}, 2, 1}, // made and removed alike
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double got = -1;

        print_message("row %zu\n", i);
        assert_int_equal(assay_similarity(&got, rows[i].files, rows[i].count, NULL), ASSAY_OK);
        assert_true(got == rows[i].want);
    }
}

// Bounded whatever is compared: these take Python hours.
static void texts_that_repeat_themselves_are_compared_too(void **state)
{
    enum { SIZE = 200000 };
    static char a[SIZE], b[SIZE];
    double ratio = -1;

    (void)state;
    memset(a, 'x', SIZE);
    memset(b, 'x', SIZE - 1);
    b[SIZE - 1] = 'y';
    assert_int_equal(assay_similarity_texts(&ratio, (struct assay_bytes){a, SIZE},
                             (struct assay_bytes){b, SIZE}, NULL),
            ASSAY_OK);
    assert_true(ratio == 2.0 * (SIZE - 1) / (2 * SIZE));
    for (size_t i = 0; i < SIZE; i++) {
        a[i] = "ab"[i % 2];
        b[i] = "ab"[i % 3 == 0];
    }
    assert_int_equal(assay_similarity_texts(&ratio, (struct assay_bytes){a, SIZE},
                             (struct assay_bytes){b, SIZE}, NULL),
            ASSAY_OK);
    assert_true(ratio > 0 && ratio < 1);
}

static void what_is_too_long_has_no_ratio(void **state)
{
    const size_t size = ASSAY_DIFFLIB_ITEMS_MAX;
    char *text = calloc(size, 1);
    double ratio = -1;
    struct assay_error err;

    (void)state;
    assert_non_null(text);
    assert_int_equal(assay_similarity_texts(&ratio, (struct assay_bytes){text, size},
                             (struct assay_bytes){"x", 1}, &err),
            ASSAY_EREFUSED);
    assert_non_null(strstr(err.message, "items to compare"));
    assert_true(ratio == -1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(ratio_and_diff_are_pythons_to_the_last_bit,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test(similarity_is_the_mean_over_the_files_of_both),
            cmocka_unit_test(texts_that_repeat_themselves_are_compared_too),
            cmocka_unit_test(what_is_too_long_has_no_ratio),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
