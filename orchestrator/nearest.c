// SPDX-License-Identifier: MIT
#include "orchestrator/nearest.h"

#include <string.h>

// Names are short, so the quadratic table is small.
size_t assay_edit_distance(const char *a, const char *b)
{
    enum { N = 64 };
    size_t row[N + 1];
    const size_t m = strnlen(a, N), n = strnlen(b, N);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t change = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            if (change < row[j])
                row[j] = change;
        }
    }
    return row[n];
}
