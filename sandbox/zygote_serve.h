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
// joined, the system's mounts are made, and the payload has the pages to itself that
// ASSAY_ZYGOTE_PAGES names (a page that fork shares costs a copy when it is first written).
#ifndef ASSAY_SANDBOX_ZYGOTE_SERVE_H
#define ASSAY_SANDBOX_ZYGOTE_SERVE_H

// What the interpreter learnt that its runs write to, as lines of /proc/self/maps: `FROM-TO rw-p`
// in hex. No such file: pages are copied one by one, as they are written.
#define ASSAY_ZYGOTE_PAGES "/tmp/assay-zygote-pages"

// Serves on ASSAY_ZYGOTE_FD and returns in each run, confined as any payload is:
// a memory file with the command's words, each ended by NUL: how many arguments,
// the arguments, the environment. It is the caller's to close. Everything else
// that is open is what the command would find. Exits when the spawner is gone.
int assay_zygote_serve(void);

#endif
