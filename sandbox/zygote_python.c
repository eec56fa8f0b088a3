// SPDX-License-Identifier: MIT
// zygote_python.c - how CPython enters and leaves assay_zygote_serve().
//
// The shared library is loaded as if it were an extension module, which needs no
// other module (ctypes would stay in sys.modules, where no cold start has it) and
// no header of any one version. Its initialisation never succeeds: in the zygote
// it does not end, and in a run it ends as ImportError, whose text is the number
// of the descriptor that assay_zygote_serve() returned.
#include <stdio.h>

#include "sandbox/zygote_serve.h"

// Of the stable ABI, resolved in the interpreter that loads us; weak, so that the linker
// can insist on all the others.
// NOLINTBEGIN(readability-identifier-naming): Python's names
extern void PyOS_AfterFork_Child(void) __attribute__((weak));
extern void PyErr_SetString(void *type, const char *text) __attribute__((weak));
extern void *PyExc_ImportError __attribute__((weak));

// The name by which an import finds it.
__attribute__((visibility("default"))) void *PyInit_assay_zygote(void);
// NOLINTEND(readability-identifier-naming)

void *PyInit_assay_zygote(void)
{
    int fd = -1;
    char text[16];

    if (!PyOS_AfterFork_Child || !PyErr_SetString || !&PyExc_ImportError)
        return NULL;
    fd = assay_zygote_serve();
    PyOS_AfterFork_Child();
    (void)snprintf(text, sizeof(text), "%d", fd);
    PyErr_SetString(PyExc_ImportError, text);
    return NULL;
}
