// SPDX-License-Identifier: MIT
// What must hold: what real minitest and node print is read as what came out, and a
// run is judged by it. Each is skipped where the tool is not there.
#include <stdio.h>
#include <string.h>

#include "rewards/live.h"
#include "support/harness.h"

#define JS_PRODUCT "exports.add = (a, b) => a ", " b;\n" // an operation between the two

#define RUBY_PRODUCT "def add(a, b)\n  a ", " b\nend\n"

static const struct tool {
    const char *framework, *tool, *command, *product[2], *product_path, *path, *text;
    const char *fixed, *kept,
            *skipped; // ids: fails before, passes always, is skipped
} tools[] = {
        {"minitest", "/usr/bin/ruby", "ruby -I. test/test_shop.rb -v", {RUBY_PRODUCT}, "shop.rb",
                "test/test_shop.rb",
                "require \"minitest/autorun\"\nrequire \"shop\"\n\n"
                "class TestShop < Minitest::Test\n"
                "  def test_adds\n    assert_equal 5, add(2, 3)\n  end\n\n"
                "  def test_adds_nothing\n    assert_equal 4, add(4, 0)\n  end\n\n"
                "  def test_later\n    skip \"not yet\"\n  end\nend\n",
                "TestShop#test_adds", "TestShop#test_adds_nothing", "TestShop#test_later"},
        {"tap-log", "/usr/bin/node", "node --test --test-reporter=tap shop.test.js", {JS_PRODUCT},
                "shop.js", "shop.test.js",
                "const test = require('node:test');\nconst assert = require('node:assert');\n"
                "const shop = require('./shop.js');\n"
                "test('adds', () => assert.strictEqual(shop.add(2, 3), 5));\n"
                "test('adds nothing', () => assert.strictEqual(shop.add(4, 0), 4));\n"
                "test('later', { skip: true }, () => {});\n",
                "adds", "adds nothing", "later"},
};

static void run(struct live *live, const struct tool *tool, const char *operation)
{
    char product[256];

    (void)snprintf(
            product, sizeof(product), "%s%s%s", tool->product[0], operation, tool->product[1]);
    live_file(live, tool->product_path, product);
    live_run(live, tool->command);
}

static void check_tool(const struct tool *tool)
{
    struct live live;

    live_open(&live, tool->framework);
    live_file(&live, tool->path, tool->text);
    live_expect(&live, tool->fixed, tool->kept);
    run(&live, tool, "+");
    live_check_status(&live, tool->fixed, ASSAY_TEST_PASSED);
    live_check_status(&live, tool->kept, ASSAY_TEST_PASSED);
    live_check_status(&live, tool->skipped, ASSAY_TEST_SKIPPED);
    live_check(&live, ASSAY_CAUSE_OK, true);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_WEAK);
    run(&live, tool, "-");
    live_check_status(&live, tool->fixed, ASSAY_TEST_FAILED);
    live_check_status(&live, tool->kept, ASSAY_TEST_PASSED);
    live_check(&live, ASSAY_CAUSE_TESTS_FAILED, false);
    live_close(&live);
}

static void real_logs_are_read(void **state)
{
    size_t tried = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
        if (!live_has(tools[i].tool)) {
            print_message("skipped: no %s\n", tools[i].tool);
            continue;
        }
        print_message("%s\n", tools[i].framework);
        check_tool(&tools[i]);
        tried++;
    }
    if (tried == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(real_logs_are_read)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
