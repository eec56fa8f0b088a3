// SPDX-License-Identifier: MIT
// What must hold: each format that models write makes one tree or one message, by the rules of
// those who read it (SWE-RL, Agentless, NeMo, Aider, Codex); what was not byte for byte is told.
// Shapes marked with an issue are as users reported them there.
#include <stdio.h>
#include <string.h>

#include "envs/apply_tree.h"
#include "support/harness.h"

static const char calc_py[] = "def add(a, b):\n    return a + b\n\n\ndef sub(a, b):\n"
                              "    return a - b\n\n\nclass Deep:\n    def run(self):\n"
                              "        if self.on:\n            return 1\n        return 0\n";
static const char crlf_txt[] = "one\r\ntwo\r\nthree\r\n";
static const char open_txt[] = "alpha\nbeta\ngamma";
static const char rep_txt[] = "x = 1\ny\nx = 1\nz\n";
static const char dash_md[] =
        "it\xe2\x80\x99s \xe2\x80\x9cold\xe2\x80\x9d \xe2\x80\x93 really\nend\n";

static void make_tree(struct tree *tree, struct assay_arena *arena)
{
    static const struct {
        const char *path, *content;
        enum assay_file_kind kind;
        bool executable;
    } nodes[] = {
            {"pkg/calc.py", calc_py, ASSAY_FILE_REGULAR, true},
            {"crlf.txt", crlf_txt, ASSAY_FILE_REGULAR, false},
            {"open.txt", open_txt, ASSAY_FILE_REGULAR, false},
            {"rep.txt", rep_txt, ASSAY_FILE_REGULAR, false},
            {"dash.md", dash_md, ASSAY_FILE_REGULAR, false},
            {"empty.txt", "", ASSAY_FILE_REGULAR, false},
            {"Makefile", "all:\n\ttrue\n", ASSAY_FILE_REGULAR, false},
            {"link", "pkg", ASSAY_FILE_LINK, false},
    };

    tree->arena = arena;
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        tree_put(tree, nodes[i].path, nodes[i].kind, nodes[i].executable, nodes[i].content,
                strlen(nodes[i].content));
}

struct row {
    const char *name, *text;
    const char *path, *content; // what to look at afterwards; content NULL: the path is gone
    const char *tolerance;      // of the first record
    const char *message;        // when refused
};

#define BLOCK(search, replace) "<<<<<<< SEARCH\n" search "=======\n" replace ">>>>>>> REPLACE\n"
#define ADD_OLD "def add(a, b):\n    return a + b\n"
#define ADD_NEW "def add(a, b):\n    return b + a\n"
#define CALC_TAIL                                                                                  \
    "\n\ndef sub(a, b):\n    return a - b\n\n\nclass Deep:\n    def run(self):\n"                  \
    "        if self.on:\n            return 1\n        return 0\n"

static const struct row blocks[] = {
        {"SWE-RL: a heading, in a fence, thoughts before",
                "<think>\nTry this:\n" BLOCK(
                        "x = 1\n", "x = 2\n") "</think>\n<solution>\n"
                                              "```python\n### pkg/calc.py\n" BLOCK(
                                                      ADD_OLD, ADD_NEW) "```\n</solution>\n",
                "pkg/calc.py", ADD_NEW CALC_TAIL, "unwrapped", NULL},
        {"Aider: the name above the fence",
                "Sure!\n\npkg/calc.py\n```python\n" BLOCK(ADD_OLD, ADD_NEW) "```\n", "pkg/calc.py",
                ADD_NEW CALC_TAIL, "exact", NULL},
        {"Aider: the name inside the fence",
                "```python\npkg/calc.py\n" BLOCK(ADD_OLD, ADD_NEW) "```\n", "pkg/calc.py",
                ADD_NEW CALC_TAIL, "exact", NULL},
        {"the name in bold and backticks, two blocks",
                "**`pkg/calc.py`**:\n\n" BLOCK(ADD_OLD, ADD_NEW) "\nand\n\n" BLOCK(
                        "    return a - b\n", "    return b - a\n"),
                "pkg/calc.py",
                ADD_NEW "\n\ndef sub(a, b):\n    return b - a\n\n\nclass Deep:\n    def "
                        "run(self):\n        if self.on:\n            return 1\n        return 0\n",
                "exact", NULL},
        {"a later block sees what an earlier one made",
                "### rep.txt\n" BLOCK("y\n", "Y\n") BLOCK("Y\n", "why\n"), "rep.txt",
                "x = 1\nwhy\nx = 1\nz\n", "exact", NULL},
        {"/testbed before the path", "### /testbed/pkg/calc.py\n" BLOCK(ADD_OLD, ADD_NEW),
                "pkg/calc.py", ADD_NEW CALC_TAIL, "strip", NULL},
        {"an absolute path that leads nowhere", "### /etc/passwd\n" BLOCK("", "x\n"), NULL, NULL,
                NULL,
                "line 2: /etc/passwd: the path is absolute, and no part of it is in the tree"},
        {"a new file", "### pkg/new.py\n" BLOCK("", "x = 1\n"), "pkg/new.py", "x = 1\n", "exact",
                NULL},
        {"an empty file is filled", "### empty.txt\n" BLOCK("", "x\n"), "empty.txt", "x\n", "exact",
                NULL},
        {"empty SEARCH, file not empty", "### rep.txt\n" BLOCK("", "x\n"), NULL, NULL, NULL,
                "line 2: rep.txt: SEARCH is empty, and the file is not: nothing says where"},
        {"lines are deleted", "### rep.txt\n" BLOCK("y\n", ""), "rep.txt", "x = 1\nx = 1\nz\n",
                "exact", NULL},
        {"a file without an extension, in backticks", "`Makefile`\n" BLOCK("\ttrue\n", "\tfalse\n"),
                "Makefile", "all:\n\tfalse\n", "exact", NULL},
        {"CRLF file, LF block", "### crlf.txt\n" BLOCK("two\n", "TWO\nand\n"), "crlf.txt",
                "one\r\nTWO\r\nand\r\nthree\r\n", "crlf", NULL},
        {"CRLF block, LF file",
                "### rep.txt\r\n<<<<<<< SEARCH\r\ny\r\n=======\r\nY\r\n>>>>>>> REPLACE\r\n",
                "rep.txt", "x = 1\nY\nx = 1\nz\n", "crlf", NULL},
        {"last line without a newline stays so", "### open.txt\n" BLOCK("gamma\n", "delta\n"),
                "open.txt", "alpha\nbeta\ndelta", "newline", NULL},
        {"blanks at line ends", "### rep.txt\n" BLOCK("y  \nx = 1\nz\n", "q\n"), "rep.txt",
                "x = 1\nq\n", "rstrip", NULL},
        {"indented by less than the file: Aider's leading white space",
                "pkg/calc.py\n" BLOCK("def run(self):\n    if self.on:\n        return 1\n",
                        "def run(self):\n\n    if not self.on:\n        return 2\n"),
                "pkg/calc.py",
                ADD_OLD "\n\ndef sub(a, b):\n    return a - b\n\n\nclass Deep:\n    def run(self):"
                        "\n\n        if not self.on:\n            return 2\n        return 0\n",
                "indent", NULL},
        {"Aider #685: a lone brace that stands twice",
                "rep.txt\n" BLOCK("x = 1\n", "// some long code block\n"), NULL, NULL, NULL,
                "line 2: rep.txt: the SEARCH lines stand at lines 1 and 3, and nothing says which "
                "is meant"},
        {"Aider #1294: a part of a line", "### rep.txt\n" BLOCK("= 1\n", "= 2\n"), NULL, NULL, NULL,
                "line 2: rep.txt: the SEARCH lines are not in the file"},
        {"Aider #424: a blank line skipped",
                "pkg/calc.py\n" BLOCK(ADD_OLD "def sub(a, b):\n", "x\n"), NULL, NULL, NULL,
                "line 2: pkg/calc.py: the SEARCH lines are not in the file"},
        {"no name", BLOCK("y\n", "Y\n"), NULL, NULL, NULL,
                "line 1: no file name stands above the block"},
        {"prose is no name", "Now it works.\n" BLOCK("y\n", "Y\n"), NULL, NULL, NULL,
                "line 2: no file name stands above the block"},
        {"no divider", "### rep.txt\n<<<<<<< SEARCH\ny\n>>>>>>> REPLACE\n", NULL, NULL, NULL,
                "line 2: no \"=======\" follows \"<<<<<<< SEARCH\""},
        {"no end", "### rep.txt\n<<<<<<< SEARCH\ny\n=======\nY\n", NULL, NULL, NULL,
                "line 4: no \">>>>>>> REPLACE\" follows \"=======\""},
        {"two dividers", "### rep.txt\n" BLOCK("y\n=======\n", "Y\n"), NULL, NULL, NULL,
                "line 5: a second \"=======\": nothing says which one divides"},
        {"a block in a block", "### rep.txt\n<<<<<<< SEARCH\ny\n" BLOCK("y\n", "Y\n"), NULL, NULL,
                NULL, "line 4: a block begins inside another"},
        {"SWE-RL: both sides alike", "### rep.txt\n" BLOCK("y\n", "y\n"), NULL, NULL, NULL,
                "line 2: the block changes nothing"},
        {"below a link", "### link/calc.py\n" BLOCK(ADD_OLD, ADD_NEW), NULL, NULL, NULL,
                "line 2: link/calc.py: is below a symbolic link"},
        {"into .git", "### .git/hooks/pre-commit\n" BLOCK("", "x\n"), NULL, NULL, NULL,
                "line 2: .git/hooks/pre-commit: a patch may not name this path"},
        {"out of the tree", "### ../x.py\n" BLOCK("", "x\n"), NULL, NULL, NULL,
                "line 2: ../x.py: a patch may not name this path"},
        {"all or nothing", "### rep.txt\n" BLOCK("y\n", "Y\n") "### no.py\n" BLOCK("a\n", "b\n"),
                NULL, NULL, NULL, "line 8: no.py: no such file"},
        {"two solutions", "<solution>\n</solution>\n<solution>\n</solution>\n", NULL, NULL, NULL,
                "more than one <solution>"},
};

#define ENVELOPE(parts) "*** Begin Patch\n" parts "*** End Patch\n"

static const struct row codex[] = {
        {"an anchor and context",
                ENVELOPE("*** Update File: pkg/calc.py\n@@ def sub(a, b):\n-    return a - b\n"
                         "+    return b - a\n"),
                "pkg/calc.py",
                ADD_OLD "\n\ndef sub(a, b):\n    return b - a\n\n\nclass Deep:\n    def run(self):"
                        "\n        if self.on:\n            return 1\n        return 0\n",
                "exact", NULL},
        {"nested anchors",
                ENVELOPE("*** Update File: pkg/calc.py\n@@ class Deep:\n@@     def run(self):\n"
                         "         if self.on:\n-            return 1\n+            return 2\n"),
                "pkg/calc.py",
                ADD_OLD "\n\ndef sub(a, b):\n    return a - b\n\n\nclass Deep:\n    def run(self):"
                        "\n        if self.on:\n            return 2\n        return 0\n",
                "exact", NULL},
        {"in a heredoc",
                "apply_patch <<'EOF'\n" ENVELOPE("*** Update File: rep.txt\n@@\n-y\n+Y\n") "EOF\n",
                "rep.txt", "x = 1\nY\nx = 1\nz\n", "exact", NULL},
        {"without an envelope", "*** Update File: rep.txt\n@@\n-y\n+Y\n", "rep.txt",
                "x = 1\nY\nx = 1\nz\n", "exact", NULL},
        {"the first of two places, then the next below it",
                ENVELOPE("*** Update File: rep.txt\n@@\n-x = 1\n+x = 2\n@@\n-x = 1\n+x = 3\n"),
                "rep.txt", "x = 2\ny\nx = 3\nz\n", "exact", NULL},
        {"the end of the file",
                ENVELOPE("*** Update File: rep.txt\n@@\n x = 1\n-z\n+Z\n*** End of File\n"),
                "rep.txt", "x = 1\ny\nx = 1\nZ\n", "exact", NULL},
        {"not at the end of the file",
                ENVELOPE("*** Update File: rep.txt\n@@\n-y\n+Y\n*** End of File\n"), NULL, NULL,
                NULL, "line 3: rep.txt: its old lines are not the last of the file"},
        {"hunks in the wrong order", ENVELOPE("*** Update File: rep.txt\n@@\n-z\n+Z\n@@\n-y\n+Y\n"),
                NULL, NULL, NULL,
                "line 6: rep.txt: its old lines are not in the file below the hunk before it"},
        {"an anchor that is not there",
                ENVELOPE("*** Update File: rep.txt\n@@ def nothing():\n-y\n+Y\n"), NULL, NULL, NULL,
                "line 3: rep.txt: its \"@@\" line is not in the file below the hunk before it"},
        {"only new lines: below the anchor", ENVELOPE("*** Update File: rep.txt\n@@ y\n+new\n"),
                "rep.txt", "x = 1\ny\nnew\nx = 1\nz\n", "exact", NULL},
        {"only new lines: at the end", ENVELOPE("*** Update File: open.txt\n@@\n+delta\n"),
                "open.txt", "alpha\nbeta\ngamma\ndelta\n", "exact", NULL},
        {"blanks at line ends", ENVELOPE("*** Update File: rep.txt\n@@\n y \n-x = 1\t\n+x = 2\n"),
                "rep.txt", "x = 1\ny\nx = 2\nz\n", "rstrip", NULL},
        {"blanks at both ends",
                ENVELOPE("*** Update File: pkg/calc.py\n@@\n-return a - b\n+    return b - a\n"),
                "pkg/calc.py",
                ADD_OLD "\n\ndef sub(a, b):\n    return b - a\n\n\nclass Deep:\n    def run(self):"
                        "\n        if self.on:\n            return 1\n        return 0\n",
                "trim", NULL},
        {"typographic quotes and dashes; context stays as the file has it",
                ENVELOPE("*** Update File: dash.md\n@@\n it's \"old\" - really\n-end\n+END\n"),
                "dash.md", "it\xe2\x80\x99s \xe2\x80\x9cold\xe2\x80\x9d \xe2\x80\x93 really\nEND\n",
                "unicode", NULL},
        {"CRLF file", ENVELOPE("*** Update File: crlf.txt\n@@\n one\n-two\n+TWO\n"), "crlf.txt",
                "one\r\nTWO\r\nthree\r\n", "crlf", NULL},
        {"a missing last newline stays missing",
                ENVELOPE("*** Update File: open.txt\n@@\n-beta\n+BETA\n gamma\n"), "open.txt",
                "alpha\nBETA\ngamma", "newline", NULL},
        {"a cut blank line is context",
                ENVELOPE(
                        "*** Update File: pkg/calc.py\n@@\n     return a + b\n\n\n-def sub(a, b):\n"
                        "+def sub(b, a):\n"),
                "pkg/calc.py",
                ADD_OLD "\n\ndef sub(b, a):\n    return a - b\n\n\nclass Deep:\n    def run(self):"
                        "\n        if self.on:\n            return 1\n        return 0\n",
                "exact", NULL},
        {"numbers in the anchor",
                ENVELOPE("*** Update File: rep.txt\n@@ -1,3 +1,3 @@ x\n x = 1\n-y\n+Y\n"),
                "rep.txt", "x = 1\nY\nx = 1\nz\n", "exact", NULL},
        {"copilot-cli #1109: an empty hunk before the real one",
                ENVELOPE("*** Update File: rep.txt\n@@\n@@\n-y\n+Y\n"), "rep.txt",
                "x = 1\nY\nx = 1\nz\n", "exact", NULL},
        {"hermes-agent #63678: a hunk of context alone",
                ENVELOPE("*** Update File: rep.txt\n@@\n x = 1\n@@\n-y\n+Y\n"), "rep.txt",
                "x = 1\nY\nx = 1\nz\n", "exact", NULL},
        {"context alone", ENVELOPE("*** Update File: rep.txt\n@@\n x = 1\n"), NULL, NULL, NULL,
                "line 2: rep.txt: the update changes nothing"},
        {"add, delete and move",
                ENVELOPE("*** Add File: new/a.py\n+x = 1\n+\n+y = 2\n*** Delete File: rep.txt\n"
                         "*** Update File: crlf.txt\n*** Move to: new/crlf.txt\n@@\n-two\n+TWO\n"),
                "new/a.py", "x = 1\n\ny = 2\n", "exact", NULL},
        {"moved and changed",
                ENVELOPE("*** Update File: crlf.txt\n*** Move to: new/crlf.txt\n@@\n-two\n+TWO\n"),
                "new/crlf.txt", "one\r\nTWO\r\nthree\r\n", "crlf", NULL},
        {"deleted", ENVELOPE("*** Delete File: rep.txt\n"), "rep.txt", NULL, "exact", NULL},
        {"deleted, but not there", ENVELOPE("*** Delete File: no.py\n"), NULL, NULL, NULL,
                "the patch is already applied"},
        {"added, but there", ENVELOPE("*** Add File: rep.txt\n+x\n"), NULL, NULL, NULL,
                "line 2: rep.txt: exists already"},
        {"a line of a new file without its plus", ENVELOPE("*** Add File: new.py\n+x = 1\ny = 2\n"),
                NULL, NULL, NULL, "line 4: new.py: a line of a new file starts with '+'"},
        {"a line of a hunk without a mark",
                ENVELOPE("*** Update File: rep.txt\n@@\n-y\n+Y\nx = 1\n"), NULL, NULL, NULL,
                "line 6: a line of a hunk starts with ' ', '+' or '-'"},
        {"holon #2741: the file is not what the model remembers",
                ENVELOPE("*** Update File: pkg/calc.py\n@@\n-    kind: \"practice_start\"\n+x\n"),
                NULL, NULL, NULL,
                "line 3: pkg/calc.py: its old lines are not in the file below the hunk before it"},
        {"a unified diff in an envelope",
                ENVELOPE("--- a/rep.txt\n+++ b/rep.txt\n@@ -1,3 +1,3 @@\n x = 1\n-y\n+Y\n x = 1\n"),
                "rep.txt", "x = 1\nY\nx = 1\nz\n", "exact", NULL},
        {"into .git", ENVELOPE("*** Add File: .git/config\n+x\n"), NULL, NULL, NULL,
                "line 2: .git/config: a patch may not name this path"},
        {"moved out of the tree",
                ENVELOPE("*** Update File: rep.txt\n*** Move to: ../x\n@@\n-y\n+Y\n"), NULL, NULL,
                NULL, "line 3: ../x: a patch may not name this path"},
};

static const struct row whole[] = {
        {"the name above the fence", "Here:\n\n`rep.txt`\n```\nnew\n```\nDone.\n", "rep.txt",
                "new\n", "exact", NULL},
        {"the name in the fence's line", "```python pkg/calc.py\nx = 1\n```\n", "pkg/calc.py",
                "x = 1\n", "exact", NULL},
        {"language and name with a colon", "```python:pkg/new.py\nx = 1\n```\n", "pkg/new.py",
                "x = 1\n", "exact", NULL},
        {"a title", "```python title=\"pkg/new.py\"\nx = 1\n```\n", "pkg/new.py", "x = 1\n",
                "exact", NULL},
        {"a heading", "### pkg/new.py\n\n```python\nx = 1\n```\n", "pkg/new.py", "x = 1\n", "exact",
                NULL},
        {"two files", "a.py\n```\na\n```\nb.py\n```\nb\n```\n", "b.py", "b\n", "exact", NULL},
        {"fences without a name are prose", "Run it:\n```sh\nmake\n```\nrep.txt\n```\nnew\n```\n",
                "rep.txt", "new\n", "exact", NULL},
        {"a longer fence holds a shorter one", "a.md\n````\n```sh\nmake\n```\n````\n", "a.md",
                "```sh\nmake\n```\n", "exact", NULL},
        {"an empty file", "empty2.txt\n```\n```\n", "empty2.txt", "", "exact", NULL},
        {"CRLF file", "crlf.txt\n```\nuno\ndue\n```\n", "crlf.txt", "uno\r\ndue\r\n", "crlf", NULL},
        {"LF file, CRLF text", "rep.txt\r\n```\r\nuno\r\ndue\r\n```\r\n", "rep.txt", "uno\ndue\n",
                "crlf", NULL},
        {"/testbed before the path", "`/testbed/rep.txt`\n```\nnew\n```\n", "rep.txt", "new\n",
                "strip", NULL},
        {"a fence in a fence", "a.md\n```md\n```sh\nmake\n```\n```\n", NULL, NULL, NULL,
                "line 3: a.md: a fence opens inside of a fence, and nothing says which one closes"},
        {"never closed", "a.py\n```\nx\n", NULL, NULL, NULL,
                "line 2: a.py: the fence is never closed"},
        {"a part left out", "pkg/calc.py\n```\nx = 1\n# ... rest of the code unchanged ...\n```\n",
                NULL, NULL, NULL, "line 4: pkg/calc.py: the text leaves out a part of the file"},
        {"the same file twice", "a.py\n```\na\n```\na.py\n```\nb\n```\n", NULL, NULL, NULL,
                "line 6: a.py: a second content for this file"},
        {"into .git", "`.git/config`\n```\nx\n```\n", NULL, NULL, NULL,
                "line 2: .git/config: a patch may not name this path"},
        {"only prose", "```sh\nmake\n```\n", NULL, NULL, NULL, "no diff found"},
};

#define DIFF "--- a/rep.txt\n+++ b/rep.txt\n@@ -1,3 +1,3 @@\n x = 1\n-y\n+Y\n x = 1\n"
#define REP_NEW "x = 1\nY\nx = 1\nz\n"
#define MAIL_HEAD                                                                                  \
    "From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001\n"                     \
    "From: A <a@example.org>\nDate: Mon, 30 Nov 2026 09:00:00 +0000\nSubject: [PATCH] rep: y\n"

static const struct row wrapped[] = {
        {"colours of git diff",
                "\x1b[1mdiff --git a/rep.txt b/rep.txt\x1b[m\n\x1b[1mindex 1234567..89abcde "
                "100644\x1b[m\n\x1b[1m--- a/rep.txt\x1b[m\n\x1b[1m+++ b/rep.txt\x1b[m\n"
                "\x1b[36m@@ -1,3 +1,3 @@\x1b[m\n x = 1\x1b[m\n\x1b[31m-y\x1b[m\n"
                "\x1b[32m+\x1b[m\x1b[32mY\x1b[m\n x = 1\x1b[m\n",
                "rep.txt", REP_NEW, "unwrapped", NULL},
        {"a mail of git format-patch",
                MAIL_HEAD "\n---\n rep.txt | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n"
                          "\n" DIFF "-- \n2.39.5\n\n",
                "rep.txt", REP_NEW, "exact", NULL},
        {"quoted-printable",
                MAIL_HEAD "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"
                          "Content-Transfer-Encoding: quoted-printable\n\n---\n--- a/rep.txt\n"
                          "+++ b/rep.=\ntxt\n@@ -1,3 +1,3 @@\n x =3D 1\n-y\n+=C3=A9=20\n x =3D 1\n",
                "rep.txt", "x = 1\n\xc3\xa9 \nx = 1\nz\n", "unwrapped", NULL},
        {"base64",
                MAIL_HEAD "Content-Transfer-Encoding: base64\n\n"
                          "LS0tIGEvcmVwLnR4dAorKysgYi9yZXAudHh0CkBAIC0xLDMgKzEsMyBAQAogeCA9IDEK\n"
                          "LXkKK1kKIHggPSAxCg==\n",
                "rep.txt", REP_NEW, "unwrapped", NULL},
        {"a refusal in an encoded mail names the mail's line",
                MAIL_HEAD "Content-Transfer-Encoding: quoted-printable\n\n--- a/no.=\ntxt\n"
                          "+++ b/no.txt\n@@ -1 +1 @@\n-x\n+y\n",
                NULL, NULL, NULL, "line 7: no.txt: no such file"},
        {"a heredoc", "cat > fix.patch <<'EOF'\n" DIFF "EOF\ngit apply fix.patch\n", "rep.txt",
                REP_NEW, "exact", NULL},
        {"thoughts with a draft",
                "<think>\n--- a/rep.txt\n+++ b/rep.txt\n@@ -4 +4 @@\n-z\n+Z\n"
                "</think>\n" DIFF,
                "rep.txt", REP_NEW, "unwrapped", NULL},
        {"a patch tag", "<patch>\n" DIFF "</patch>\n", "rep.txt", REP_NEW, "exact", NULL},
        {"evalscope #1408: the last blank context line lost its blank, and was cut",
                "--- a/pkg/calc.py\n+++ b/pkg/calc.py\n@@ -1,4 +1,4 @@\n def add(a, b):\n"
                "-    return a + b\n+    return b + a\n \n",
                "pkg/calc.py", ADD_NEW CALC_TAIL, "recount", NULL},
        {"holon #3041: a bare header", "--- a/rep.txt\n+++ b/rep.txt\n@@ @@\n x = 1\n-y\n+Y\n",
                "rep.txt", REP_NEW, "bare", NULL},
        {"multi-swe-bench: hunk header glued to a name line that was cut",
                "diff --git a/rep.txt b/rep.txt\n@@ -1,3 +1,3 @@\n x = 1\n-y\n+Y\n x = 1\n",
                "rep.txt", REP_NEW, "exact", NULL},
        {"junk of a build is applied with the rest",
                "diff --git a/build/lib/x.pyc b/build/lib/x.pyc\nnew file mode 100644\n"
                "index 0000000..1234567\nBinary files /dev/null and b/build/lib/x.pyc differ\n",
                NULL, NULL, NULL,
                "line 1: build/lib/x.pyc: a binary patch needs a full index line"},
        {"the diff of a merge",
                "diff --cc rep.txt\nindex 1234567,2345678..3456789\n--- a/rep.txt\n+++ b/rep.txt\n"
                "@@@ -1,2 -1,2 +1,2 @@@\n  x = 1\n- y\n -z\n++Y\n",
                NULL, NULL, NULL, "line 1: the combined diff of a merge cannot be applied"},
        {"the diff of a merge beside another",
                DIFF "diff --cc x\n--- a/x\n+++ b/x\n@@@ -1,2 -1,2 +1,2 @@@\n", NULL, NULL, NULL,
                "line 8: the combined diff of a merge cannot be applied"},
};

static enum assay_status run(const char *text, enum assay_patch_format format, struct tree *before,
        struct tree *after, struct assay_edits **edits, struct assay_error *err)
{
    const struct assay_apply_options options = {.list = tree_list};
    struct assay_patch *patch = NULL;
    enum assay_status status =
            assay_patch_read(&patch, text, strlen(text), format, before->arena, err);

    if (status == ASSAY_OK)
        status = assay_patch_apply(edits, patch, tree_read, before, &options, before->arena, err);
    if (status == ASSAY_OK)
        tree_edit(after, before, *edits);
    return status;
}

static void check_row(const struct row *row, enum assay_patch_format format)
{
    struct assay_arena *arena = NULL;
    struct tree before = {0}, after = {0};
    struct assay_edits *edits = NULL;
    struct assay_error err = {0};
    const struct tree_node *node = NULL;
    enum assay_status status = ASSAY_OK;

    assert_int_equal(assay_arena_create(&arena, (size_t)32 << 20, NULL), ASSAY_OK);
    make_tree(&before, arena);
    status = run(row->text, format, &before, &after, &edits, &err);
    print_message("%s: %s\n", row->name, err.message);
    if (row->message != NULL) {
        assert_int_equal(status, ASSAY_EPATCH);
        assert_string_equal(err.message, row->message);
        assert_null(edits);
        assay_arena_destroy(arena);
        return;
    }
    assert_int_equal(status, ASSAY_OK);
    assert_non_null(edits);
    node = tree_find(&after, row->path);
    assert_int_equal(node == NULL, row->content == NULL);
    if (node != NULL && row->content != NULL) {
        assert_int_equal(node->file.content.len, strlen(row->content));
        assert_memory_equal(node->file.content.data, row->content, strlen(row->content));
        assert_int_equal(node->file.executable, strcmp(row->path, "pkg/calc.py") == 0);
    }
    if (edits != NULL)
        assert_string_equal(edits->hunks[0].tolerance, row->tolerance);
    assay_arena_destroy(arena);
}

#define CHECK_ROWS(rows, format)                                                                   \
    do {                                                                                           \
        for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                              \
            check_row(&(rows)[i], format);                                                         \
    } while (0)

static void search_replace_blocks_are_applied(void **state)
{
    (void)state;
    CHECK_ROWS(blocks, ASSAY_FORMAT_AUTO);
    CHECK_ROWS(blocks, ASSAY_FORMAT_SEARCH_REPLACE);
}

static void first_and_all_places_are_replaced_on_request(void **state)
{
    static const char text[] = "### rep.txt\n" BLOCK("x = 1\n", "x = 2\n");
    static const char loose[] = "### rep.txt\n" BLOCK("x = 1 \n", "x = 2\n");
    static const struct row first[] = {
            {"NeMo: the first", text, "rep.txt", "x = 2\ny\nx = 1\nz\n", "exact", NULL},
            {"nothing looser", loose, NULL, NULL, NULL,
                    "line 2: rep.txt: the SEARCH lines are not in the file"}};
    static const struct row all[] = {
            {"SWE-RL: all", text, "rep.txt", "x = 2\ny\nx = 2\nz\n", "exact", NULL},
            {"not found", loose, NULL, NULL, NULL,
                    "line 2: rep.txt: the SEARCH lines are not in the file"}};

    (void)state;
    CHECK_ROWS(first, ASSAY_FORMAT_SEARCH_REPLACE_FIRST);
    CHECK_ROWS(all, ASSAY_FORMAT_SEARCH_REPLACE_ALL);
}

static void codex_patches_are_applied(void **state)
{
    (void)state;
    CHECK_ROWS(codex, ASSAY_FORMAT_AUTO);
}

static void whole_files_are_written(void **state)
{
    (void)state;
    CHECK_ROWS(whole, ASSAY_FORMAT_AUTO);
}

static void what_is_wrapped_around_a_diff_is_taken_off(void **state)
{
    (void)state;
    CHECK_ROWS(wrapped, ASSAY_FORMAT_AUTO);
}

static void a_format_that_was_asked_for_is_the_only_one(void **state)
{
    static const struct {
        enum assay_patch_format format;
        const char *message;
    } rows[] = {
            {ASSAY_FORMAT_SEARCH_REPLACE, "no SEARCH/REPLACE block found"},
            {ASSAY_FORMAT_APPLY_PATCH, "no \"*** Update File:\", Add File or Delete File found"},
            {ASSAY_FORMAT_WHOLE_FILE, "no fence with a file name found"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row row = {"a diff", DIFF, NULL, NULL, NULL, rows[i].message};

        check_row(&row, rows[i].format);
    }
    const struct row block = {"a block as a diff", "### rep.txt\n" BLOCK("y\n", "Y\n"), NULL, NULL,
            NULL, "no diff found"};

    check_row(&block, ASSAY_FORMAT_DIFF);
}

static void formats_have_names(void **state)
{
    (void)state;
    for (enum assay_patch_format i = ASSAY_FORMAT_AUTO; i <= ASSAY_FORMAT_WHOLE_FILE; i++) {
        enum assay_patch_format found = ASSAY_FORMAT_AUTO;

        assert_true(assay_patch_format_find(&found, assay_patch_format_name(i)));
        assert_int_equal(found, i);
        assert_non_null(strstr(ASSAY_PATCH_FORMATS, assay_patch_format_name(i)));
    }
    assert_false(assay_patch_format_find(&(enum assay_patch_format){0}, "patch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(search_replace_blocks_are_applied),
            cmocka_unit_test(first_and_all_places_are_replaced_on_request),
            cmocka_unit_test(codex_patches_are_applied),
            cmocka_unit_test(whole_files_are_written),
            cmocka_unit_test(what_is_wrapped_around_a_diff_is_taken_off),
            cmocka_unit_test(a_format_that_was_asked_for_is_the_only_one),
            cmocka_unit_test(formats_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
