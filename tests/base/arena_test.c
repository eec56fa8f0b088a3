// SPDX-License-Identifier: MIT
// What must hold: an arena never hands out more than its bound, and what it hands out is zeroed,
// aligned and its own.
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "support/harness.h"

static struct assay_arena *create(size_t bytes_max)
{
    struct assay_arena *arena = NULL;

    assert_int_equal(assay_arena_create(&arena, bytes_max, NULL), ASSAY_OK);
    return arena;
}

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {1, 3, 16, 17, 1000, 70000, 1, 200000, 5};
    struct assay_arena *arena = create(1 << 20);
    unsigned char *seen[sizeof(sizes) / sizeof(sizes[0])];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        seen[i] = assay_arena_alloc(arena, sizes[i]);
        assert_non_null(seen[i]);
        assert_int_equal((uintptr_t)seen[i] % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(seen[i][j], 0);
        memset(seen[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(seen[i][j], i + 1);
    }
    assay_arena_destroy(arena);
}

static void the_bound_is_exact_and_a_refusal_changes_nothing(void **state)
{
    struct assay_arena *arena = create(160);

    (void)state;
    assert_non_null(assay_arena_alloc(arena, 100)); // counts 112
    assert_null(assay_arena_alloc(arena, 49));
    assert_null(assay_arena_alloc(arena, SIZE_MAX));
    assert_int_equal(assay_arena_bytes(arena), 112);
    assert_non_null(assay_arena_alloc(arena, 48));
    assert_null(assay_arena_alloc(arena, 0));
    assert_int_equal(assay_arena_bytes(arena), 160);
    assay_arena_destroy(arena);
}

static void size_zero_gives_pointers_of_their_own(void **state)
{
    struct assay_arena *arena = create(1024);
    const void *first = assay_arena_alloc(arena, 0);
    const void *second = assay_arena_alloc(arena, 0);

    (void)state;
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    assay_arena_destroy(arena);
}

static void a_product_that_overflows_is_refused(void **state)
{
    struct assay_arena *arena = create(SIZE_MAX);

    (void)state;
    assert_null(assay_arena_array(arena, SIZE_MAX / 2, 3));
    assert_null(assay_arena_memdup(arena, "", SIZE_MAX));
    assert_non_null(assay_arena_array(arena, 10, 8));
    assay_arena_destroy(arena);
}

static void copies_end_in_a_nul(void **state)
{
    struct assay_arena *arena = create(1024);

    (void)state;
    assert_string_equal(assay_arena_strdup(arena, "abc"), "abc");
    assert_string_equal(assay_arena_strdup(arena, ""), "");
    assert_string_equal(assay_arena_memdup(arena, "abcdef", 3), "abc");
    assert_string_equal(assay_arena_memdup(arena, NULL, 0), "");
    assert_string_equal(assay_arena_printf(arena, "%s-%d", "x", 7), "x-7");
    assay_arena_destroy(arena);
}

static void a_bound_of_zero_is_refused_and_the_out_parameter_untouched(void **state)
{
    struct assay_error err = {0};
    struct assay_arena *untouched = (struct assay_arena *)&err;
    struct assay_arena *arena = untouched;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 0, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "an arena needs a bound above 0");
    assert_ptr_equal(arena, untouched);
    assay_arena_destroy(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
            cmocka_unit_test(the_bound_is_exact_and_a_refusal_changes_nothing),
            cmocka_unit_test(size_zero_gives_pointers_of_their_own),
            cmocka_unit_test(a_product_that_overflows_is_refused),
            cmocka_unit_test(copies_end_in_a_nul),
            cmocka_unit_test(a_bound_of_zero_is_refused_and_the_out_parameter_untouched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
