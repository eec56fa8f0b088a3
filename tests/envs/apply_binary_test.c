// SPDX-License-Identifier: MIT
// What must hold: binary patches as git 2.39 prints them give the content that git
// gives, and nothing else is taken for one.
#include <stdio.h>
#include <string.h>

#include "envs/apply_tree.h"
#include "support/harness.h"

enum { NOISE_BYTES = 600 };

// Made by `git diff --binary` over the bytes of noise() with 300..302 changed to "NEW".
static const char delta_patch[] =
        "diff --git a/noise b/noise\n"
        "index fdac9b5ae8fd43b8b464368a3a57cba5be8c696c..76be4b55ae5c47c7ee23087b7a3d62d749022fd1"
        " 100644\n"
        "GIT binary patch\n"
        "delta 16\n"
        "Xcmcb?a)V`q4kNRlYxrh;MomTlF9!sW\n"
        "\n"
        "delta 16\n"
        "Xcmcb?a)V`q4kPoveBRCajGBx9G4TZ8\n"
        "\n";

static const char literal_patch[] =
        "diff --git a/new.bin b/new.bin\n"
        "new file mode 100644\n"
        "index 0000000000000000000000000000000000000000..eaf36c1daccfdf325514461cd1a2ffbc139b5464\n"
        "GIT binary patch\n"
        "literal 4\n"
        "LcmZQzWMT#Y01f~L\n"
        "\n"
        "literal 0\n"
        "HcmV?d00001\n"
        "\n";

static void noise(char bytes[NOISE_BYTES])
{
    uint32_t x = 1;

    for (size_t i = 0; i < NOISE_BYTES; i++) {
        x = (x * 1103515245U + 12345U) & 0x7fffffffU;
        bytes[i] = (char)(x >> 16);
    }
}

static enum assay_status run(struct tree *before, struct tree *after, const char *text,
        enum assay_apply_mode mode, struct assay_error *err)
{
    const struct assay_apply_options options = {.mode = mode};
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;
    enum assay_status status = assay_patch_parse(&patch, text, strlen(text), before->arena, err);

    if (status == ASSAY_OK)
        status = assay_patch_apply(&edits, patch, tree_read, before, &options, before->arena, err);
    if (status == ASSAY_OK)
        tree_edit(after, before, edits);
    return status;
}

static void make_tree(struct tree *tree, struct assay_arena **arena)
{
    char bytes[NOISE_BYTES];

    noise(bytes);
    assert_int_equal(assay_arena_create(arena, 64 << 20, NULL), ASSAY_OK);
    *tree = (struct tree){.arena = *arena};
    tree_put(tree, "noise", ASSAY_FILE_REGULAR, false, bytes, sizeof(bytes));
}

static void a_delta_and_a_literal_are_applied(void **state)
{
    static struct tree before, after;
    char bytes[NOISE_BYTES];
    struct assay_arena *arena = NULL;

    (void)state;
    make_tree(&before, &arena);
    assert_int_equal(run(&before, &after, delta_patch, ASSAY_APPLY_EXACT, NULL), ASSAY_OK);
    noise(bytes);
    bytes[300] = 'N';
    bytes[301] = 'E';
    bytes[302] = 'W';
    assert_int_equal(tree_find(&after, "noise")->file.content.len, sizeof(bytes));
    assert_memory_equal(tree_find(&after, "noise")->file.content.data, bytes, sizeof(bytes));
    assert_int_equal(run(&before, &after, literal_patch, ASSAY_APPLY_EXACT, NULL), ASSAY_OK);
    assert_memory_equal(tree_find(&after, "new.bin")->file.content.data, "\0\1\2\3", 4);
    assay_arena_destroy(arena);
}

static void other_content_is_refused(void **state)
{
    static struct tree before, after;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    make_tree(&before, &arena);
    tree_put(&before, "noise", ASSAY_FILE_REGULAR, false, "text\n", 5);
    assert_int_equal(run(&before, &after, delta_patch, ASSAY_APPLY_TOLERANT, &err), ASSAY_EPATCH);
    assert_string_equal(err.message, "line 1: noise: the binary patch is for other content");
    assay_arena_destroy(arena);
}

static void damaged_binary_patches_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
            {"literal 4", "literal 5", "line 5: the binary patch does not inflate to 5 bytes"},
            {"LcmZ", "McmZ", "line 6: not a line of a binary patch"},
            {"LcmZ", "L\"mZ", "line 6: not a line of a binary patch"},
            {"literal 4", "litteral 4", "line 4: no \"literal\" or \"delta\" in the binary patch"},
            {"literal 4", "literal 99999999999",
                    "line 5: more than 67108864 bytes of binary content"},
            {"eaf36c1", "eaf36c2",
                    "line 1: new.bin: the binary patch gives other content than it says"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct tree before, after;
        const char *at = strstr(literal_patch, rows[i].from);
        struct assay_arena *arena = NULL;
        struct assay_error err = {0};
        char text[1024];

        make_tree(&before, &arena);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - literal_patch), literal_patch,
                rows[i].to, at + strlen(rows[i].from));
        assert_int_equal(run(&before, &after, text, ASSAY_APPLY_EXACT, &err), ASSAY_EPATCH);
        assert_string_equal(err.message, rows[i].message);
        assay_arena_destroy(arena);
    }
}

static void content_that_was_left_out_is_refused(void **state)
{
    static const char text[] = "diff --git a/noise b/noise\nindex 1234567..89abcde 100644\n"
                               "Binary files a/noise and b/noise differ\n";
    static struct tree before, after;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    make_tree(&before, &arena);
    assert_int_equal(run(&before, &after, text, ASSAY_APPLY_TOLERANT, &err), ASSAY_EPATCH);
    assert_string_equal(err.message, "line 1: noise: a binary patch needs a full index line");
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_delta_and_a_literal_are_applied),
            cmocka_unit_test(other_content_is_refused),
            cmocka_unit_test(damaged_binary_patches_are_refused),
            cmocka_unit_test(content_that_was_left_out_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
