# SPDX-License-Identifier: MIT
/^-?[0-9]+$/ { n++; sum += $1; v[n] = $1 }
END {
    if (mode == "mean") { print n, sum, sum / n; exit }
    print n, sum, v[int(n / 2)]
}
