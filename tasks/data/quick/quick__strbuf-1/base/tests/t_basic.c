/* SPDX-License-Identifier: MIT */
#include "strbuf.h"
#include "tap.h"

int main(int argc, char **argv)
{
    struct strbuf sb;

    (void)argc;
    plan(argv, 6);
    sb_init(&sb);
    ok(sb.length == 0 && sb.data[0] == '\0', "starts as an empty string");
    sb_puts(&sb, "the quick fox");
    ok(strcmp(sb.data, "the quick fox") == 0, "appends");
    sb_insert(&sb, 10, "brown ", 6);
    ok(strcmp(sb.data, "the quick brown fox") == 0, "inserts");
    sb_delete(&sb, 0, 4);
    ok(strcmp(sb.data, "quick brown fox") == 0, "deletes");
    ok(sb_replace(&sb, "o", "00") == 2 && strcmp(sb.data, "quick br00wn f00x") == 0, "replaces every hit");
    sb_delete(&sb, 5, 1000);
    ok(strcmp(sb.data, "quick") == 0 && sb.length == 5, "deletes no more than there is");
    sb_free(&sb);
    return finish();
}
