# SPDX-License-Identifier: MIT
# embed_table.cmake - write a text file as a C array.
# cmake -DOUT=table.c -DFILE=table.jsonl -DNAME=assay_x -DHEADER=tasks/x.h -P embed_table.cmake
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x0a,)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "// Made by tasks/embed_table.cmake.
#include \"${HEADER}\"

const char ${NAME}[] = {
${bytes}0};
const size_t ${NAME}_bytes = sizeof(${NAME}) - 1;
")
