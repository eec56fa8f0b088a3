# SPDX-License-Identifier: MIT
# Reading the settings.

# conf_files FOLDER: the files to read, in order.
conf_files() {
    LC_ALL=C find "$1" -maxdepth 1 -type f -name '*.conf*' | LC_ALL=C sort
}

# conf_load FOLDER: all settings as key=value lines, each key once, in the order of first appearance.
conf_load() {
    conf_files "$1" | while IFS= read -r conf_file; do
        cat "$conf_file"
        echo
    done | awk '
        /^[ \t]*(#|$)/ { next }
        {
            at = index($0, "=")
            if (at == 0) {
                print "conf: no = in: " $0 > "/dev/stderr"
                next
            }
            key = substr($0, 1, at - 1)
            value = substr($0, at + 1)
            append = sub(/\+$/, "", key)
            gsub(/^[ \t]+|[ \t]+$/, "", key)
            gsub(/^[ \t]+|[ \t]+$/, "", value)
            if (!(key in values))
                keys[++count] = key
            if (append && values[key] != "")
                values[key] = values[key] " " value
            else
                values[key] = value
        }
        END {
            for (i = 1; i <= count; i++)
                print keys[i] "=" values[keys[i]]
        }'
}
