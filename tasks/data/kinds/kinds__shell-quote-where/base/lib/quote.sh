# SPDX-License-Identifier: MIT
# Quoting for a POSIX shell.

# quote WORD: print the word so that a shell reads it as one word again. Plain words stay as they are.
quote() {
    case $1 in
    *[!A-Za-z0-9_./:=@%+,-]*)
        printf "'%s'" "$1"
        ;;
    *)
        printf '%s' "$1"
        ;;
    esac
}

# quote_all WORD...: the words in one line.
quote_all() {
    quote_sep=
    for quote_word in "$@"; do
        printf '%s' "$quote_sep"
        quote "$quote_word"
        quote_sep=' '
    done
    printf '\n'
}
