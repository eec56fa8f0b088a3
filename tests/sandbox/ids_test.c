// SPDX-License-Identifier: MIT
// What must hold: no box is ever backed by uid 0, in whatever user namespace we run ourselves.
#include "sandbox/ids.h"

#include "support/harness.h"

static void the_pool_lies_where_ids_are_mapped(void **state)
{
    static const struct {
        uint32_t uid;
        const char *map;
        uint32_t store, pool_count;
    } rows[] = {
            {0, "         0          0 4294967295\n", 1900000000, 1000},
            {1234, "         0          0 4294967295\n", 1234, 0},
            {0, "0 100000 65536\n", 64535, 1000}, // a container: the top of its range
            {0, "0 1000 1\n1 100000 65536\n", 64536, 1000},
            {0, "0 1000 1\n", 0, 0}, // only root: refused by the spawner
            {0, "0 1000 3\n", 1, 1},
            {0, "", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_ids ids;

        print_message("row %zu\n", i);
        assay_ids_find(&ids, rows[i].uid, rows[i].uid, rows[i].map);
        assert_int_equal(ids.store_uid, rows[i].store);
        assert_int_equal(ids.store_gid, rows[i].store);
        assert_int_equal(ids.pool_count, rows[i].pool_count);
        if (ids.pool_count > 0)
            assert_int_equal(ids.pool, ids.store_uid + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_pool_lies_where_ids_are_mapped)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
