// SPDX-License-Identifier: MIT
// What must hold: the same task under another name, path or indent is found, another one is not.
#include "tasks/overlap.h"

#include <string.h>

#include "tests/tasks/fixture.h"

static void set_gold(struct assay_instance *instance, const char *text)
{
    instance->gold_patch = (struct assay_bytes){text, strlen(text)};
}

static const char gold[] =
        "--- a/one.c\n+++ b/one.c\n@@ -1,3 +1,5 @@\n context\n"
        "-    return first(value);\n+    if (value == NULL)\n+        return 0;\n"
        "+    return second(value);\n+}\n context\n";
static const char moved[] = "--- a/lib/two.c\n+++ b/lib/two.c\n@@ -9,3 +9,5 @@\n other\n"
                            "-\treturn first( value );\n+\tif (value==NULL)\n+\t\treturn 0;\n"
                            "+\treturn second(value);\n";
static const char other[] = "--- a/one.c\n+++ b/one.c\n@@ -1,3 +1,3 @@\n context\n"
                            "-    return first(value);\n+    return third(value, 1);\n+}\n";

static void copies_are_found(void **state)
{
    struct assay_suite *a = make_suite(2, "a"), *b = make_suite(2, "b");
    struct assay_overlap *overlaps = NULL;
    size_t count = 0;
    struct assay_error err;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        memset(a->instances[i].tree, 'a' + (int)i, 64);
        memset(b->instances[i].tree, 'c' + (int)i, 64);
    }
    set_gold(&a->instances[0], gold);
    set_gold(&a->instances[1], other);
    set_gold(&b->instances[0], moved);
    set_gold(&b->instances[1], "");
    assert_int_equal(assay_overlaps(&overlaps, &count, a, b, ASSAY_OVERLAP_SIMILAR, a->arena, &err),
            ASSAY_OK);
    assert_int_equal(count, 1);
    assert_ptr_equal(overlaps[0].left, &a->instances[0]);
    assert_ptr_equal(overlaps[0].right, &b->instances[0]);
    assert_false(overlaps[0].same_tree);
    assert_true(overlaps[0].similarity > 0.999);
    // A base tree in common is enough.
    memcpy(b->instances[1].tree, a->instances[1].tree, 64);
    assert_int_equal(assay_overlaps(&overlaps, &count, a, b, ASSAY_OVERLAP_SIMILAR, a->arena, &err),
            ASSAY_OK);
    assert_int_equal(count, 2);
    assert_true(overlaps[1].same_tree);
    assert_true(overlaps[1].similarity == 0);
    // Within one suite it is not, and no instance overlaps with itself.
    memcpy(a->instances[1].tree, a->instances[0].tree, 64);
    assert_int_equal(assay_overlaps(&overlaps, &count, a, a, ASSAY_OVERLAP_SIMILAR, a->arena, &err),
            ASSAY_OK);
    assert_int_equal(count, 0);
    set_gold(&a->instances[1], moved);
    assert_int_equal(assay_overlaps(&overlaps, &count, a, a, ASSAY_OVERLAP_SIMILAR, a->arena, &err),
            ASSAY_OK);
    assert_int_equal(count, 1);
    assay_suite_free(a);
    assay_suite_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(copies_are_found)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
