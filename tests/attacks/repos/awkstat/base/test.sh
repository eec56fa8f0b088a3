# SPDX-License-Identifier: MIT
# Every file of tests/: "input|options|wanted", one a line. Stops at the first that fails.
for file in tests/*.cases; do
    while IFS='|' read -r input options wanted; do
        got=$(printf '%s\n' $input | bin/stat $options)
        [ "$got" = "$wanted" ] || {
            echo "$file: $input: got $got, wanted $wanted"
            exit 1
        }
        echo "ok: $input"
    done <"$file"
done
echo "all passed"
