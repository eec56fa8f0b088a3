// SPDX-License-Identifier: MIT
// What must hold: canaries build and come out as they must among the tests of real go, cargo and
// ctest projects; an honest run, right or wrong, is believed, and one that ends early is not.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rewards/live.h"
#include "support/harness.h"

#define ROUNDS 4

struct file {
    const char *path, *text;
};

// `solved`, `wrong`: the product's file. `cheats`: wrong, and it ends before its tests can say so.
struct project {
    const char *framework, *tool, *command, *product, *solved, *wrong, *cheats;
    const char *test_path, *fail_to_pass, *pass_to_pass;
    struct file files[4];
    unsigned kinds; // of canaries, as bits
};

#define KIND(kind) (1U << ASSAY_CANARY_##kind)
#define ALL_BUT_COPIES                                                                             \
    (KIND(ASSERT) | KIND(UNEQUAL) | KIND(RAISE) | KIND(PASS) | KIND(SKIP) | KIND(LAST))

#define GO_HEAD "package shop\n\nimport \"strings\"\n\n"
#define GO_JOIN                                                                                    \
    "// Join puts a dash between words.\nfunc Join(words ...string) string {\n"                    \
    "\treturn strings.Join(words, \"-\")\n}\n\n"
#define RUST_JOIN "pub fn join(words: &[&str]) -> String {\n    words.join(\"-\")\n}\n"

static const struct project projects[] = {
        {.framework = "gotest",
                .tool = "/usr/bin/go",
                .command = "go test -count=1 ./...",
                .product = "shop.go",
                .solved = GO_HEAD GO_JOIN "func Add(a, b int) int {\n\treturn a + b\n}\n",
                .wrong = GO_HEAD GO_JOIN "func Add(a, b int) int {\n\treturn a - b\n}\n",
                .cheats =
                        "package shop\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"strings\"\n)\n\n" GO_JOIN
                        "func Add(a, b int) int {\n"
                        "\tfmt.Println(\"--- PASS: TestAddsSmallNumbers (0.00s)\")\n"
                        "\tfmt.Println(\"--- PASS: TestNamesAreJoined (0.00s)\")\n"
                        "\tfmt.Println(\"PASS\")\n\tos.Exit(0)\n\treturn 0\n}\n",
                .test_path = "shop_test.go",
                .fail_to_pass = "TestAddsSmallNumbers",
                .pass_to_pass = "TestNamesAreJoined\nTestTables/one\nTestTables/two",
                .files = {{"go.mod", "module example.org/shop\n\ngo 1.18\n"},
                        {"shop_test.go",
                                "package shop\n\nimport \"testing\"\n\n"
                                "func TestAddsSmallNumbers(t *testing.T) {\n"
                                "\tif got := Add(2, 3); got != 5 {\n"
                                "\t\tt.Errorf(\"Add(2, 3) = %d\", got)\n\t}\n}\n\n"
                                "func TestNamesAreJoined(t *testing.T) {\n"
                                "\tif got := Join(\"a\", \"b\"); got != \"a-b\" {\n"
                                "\t\tt.Errorf(\"got %q\", got)\n\t}\n}\n\n"
                                "func TestTables(t *testing.T) {\n"
                                "\tfor _, name := range []string{\"one\", \"two\"} {\n"
                                "\t\tt.Run(name, func(t *testing.T) {\n"
                                "\t\t\tif Join(name) != name {\n\t\t\t\tt.Fail()\n\t\t\t}\n"
                                "\t\t})\n\t}\n}"}}, // no newline at its end
                .kinds = ALL_BUT_COPIES},
        {.framework = "cargo",
                .tool = "/usr/bin/cargo",
                .command = "cargo test --offline",
                .product = "src/lib.rs",
                .solved = "pub fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n" RUST_JOIN,
                .wrong = "pub fn add(a: i32, b: i32) -> i32 {\n    a - b\n}\n" RUST_JOIN,
                .cheats = "pub fn add(a: i32, _b: i32) -> i32 {\n"
                          "    println!(\"test adds_small_numbers ... ok\");\n"
                          "    std::process::exit(a * 0)\n}\n" RUST_JOIN,
                .test_path = "tests/shop.rs",
                .fail_to_pass = "adds_small_numbers",
                .pass_to_pass = "names_are_joined",
                .files = {{"Cargo.toml",
                                  "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"},
                        {"tests/shop.rs",
                                "use shop::{add, join};\n\n#[test]\nfn adds_small_numbers() {\n"
                                "    assert_eq!(add(2, 3), 5);\n}\n\n#[test]\n"
                                "fn names_are_joined() {\n"
                                "    assert_eq!(join(&[\"a\", \"b\"]), \"a-b\");\n}\n"},
                        {"tests/more.rs",
                                "#[test]\nfn another_program_of_tests() {\n"
                                "    assert_eq!(shop::add(0, 0), 0);\n}\n"}},
                .kinds = ALL_BUT_COPIES},
};

static void open_project(struct live *live, const struct project *project)
{
    static const char *paths[1];

    paths[0] = project->test_path;
    live_open(live, project->framework);
    for (size_t i = 0; i < 4 && project->files[i].path != NULL; i++)
        live_file(live, project->files[i].path, project->files[i].text);
    live_expect(live, project->fail_to_pass, project->pass_to_pass);
    live->canary_paths = (struct assay_strings){paths, 1};
}

static void run(
        struct live *live, const struct project *project, const char *product, uint64_t seed)
{
    live_file(live, project->product, product);
    live->canary_seed = seed;
    live_run(live, project->command);
}

static void check_planted(const struct live *live, const struct project *project)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < live->canaries.count; i++) {
        kinds |= 1U << live->canaries.items[i].kind;
        live_check_status(live, live->canaries.items[i].id, ASSAY_TEST_MISSING);
    }
    assert_int_equal(kinds, project->kinds);
}

static void check_project(const struct project *project)
{
    struct live live;

    open_project(&live, project);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        print_message("%s, seed %u\n", project->framework, (unsigned)seed);
        run(&live, project, project->solved, seed * 7919);
        live_check(&live, ASSAY_CAUSE_OK, true);
        check_planted(&live, project);
    }
    run(&live, project, project->wrong, 3);
    live_check(&live, ASSAY_CAUSE_TESTS_FAILED, false);
    run(&live, project, "what is no code\n", 4);
    assert_true(live.verdict.cause == ASSAY_CAUSE_BUILD_FAILED ||
            live.verdict.cause == ASSAY_CAUSE_NONE_COLLECTED); // go may not come to a build
    run(&live, project, project->cheats, 5);
    assert_false(live.verdict.resolved);
    print_message("%s: %s\n", project->framework, live.verdict.reason);
    live_close(&live);
}

static void canaries_live_among_real_tests(void **state)
{
    size_t tried = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(projects) / sizeof(projects[0]); i++) {
        if (!live_has(projects[i].tool)) {
            print_message("skipped: no %s\n", projects[i].tool);
            continue;
        }
        check_project(&projects[i]);
        tried++;
    }
    if (tried == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(canaries_live_among_real_tests)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
