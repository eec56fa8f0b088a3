# SPDX-License-Identifier: MIT
# embed.cmake - write trusted.c: the files below trusted/ as C arrays.
# cmake -DOUT=trusted.c -DROOT=.../trusted -DFILES=python/a.py,bin/b -P embed.cmake
string(REPLACE "," ";" FILES "${FILES}")
set(arrays "")
set(rows "")
set(index 0)
foreach(file IN LISTS FILES)
    file(READ ${ROOT}/${file} hex HEX)
    if(hex MATCHES "^(..)*[89a-f]." AND NOT hex MATCHES "^([0-7].)*$")
        message(FATAL_ERROR "${file}: trusted files are ASCII")
    endif()
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
        "\\1\n        " bytes "${bytes}")
    string(APPEND arrays "static const char file_${index}[] = {${bytes}0};\n")
    set(executable false)
    if(file MATCHES "^bin/")
        set(executable true)
    endif()
    string(APPEND rows "        {\"${file}\", file_${index}, ${executable}},\n")
    math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUT} "// Made by rewards/embed.cmake from rewards/trusted/.
#include \"rewards/framework.h\"

${arrays}
static const struct assay_trusted_file files[] = {
${rows}};

const struct assay_trusted_file *assay_trusted_files(size_t *count)
{
    *count = sizeof(files) / sizeof(files[0]);
    return files;
}
")
