// SPDX-License-Identifier: MIT
// zygote_serve.h - inside a zygote: fork a run whenever the spawner asks for one.
//
// Built into libassay_zygote.so, which an interpreter loads once it is warm (for
// Python, zygote_python.c). The interpreter must have one thread.
//
//   zygote     waits on its serve socket; for each FORK clones
//     run's init   PID 1 of the run's namespaces: init.c, as in every box
//       payload    comes back from the call into the interpreter, as the run
//
// The run's init and payload exist before there is a run: the control group is
// joined, the system's mounts are made, and the payload may have its memory to itself
// (a page that fork shares costs a copy when it is first written).
#ifndef ASSAY_SANDBOX_ZYGOTE_SERVE_H
#define ASSAY_SANDBOX_ZYGOTE_SERVE_H

#include <stdbool.h>

// Serves on ASSAY_ZYGOTE_FD and returns in each run, confined as any payload is:
// a memory file with the command's words, each ended by NUL: how many arguments,
// the arguments, the environment. It is the caller's to close. Everything else
// that is open is what the command would find. Exits when the spawner is gone.
// own_ahead: every page that can be written is copied while the payload waits. A run that
// writes to most of them ends sooner so; for others it is processor time spent on nothing.
int assay_zygote_serve(bool own_ahead);

#endif
