// SPDX-License-Identifier: MIT
// graph.h - work that comes again and again, recorded once and launched whole.
#ifndef ASSAY_KERNELS_CUDA_GRAPH_H
#define ASSAY_KERNELS_CUDA_GRAPH_H

#include "kernels/cuda/cuda.h"

struct assay_graphs *cuda_graphs_create(void);         // NULL: out of memory
void cuda_graphs_destroy(struct assay_graphs *graphs); // NULL is allowed
void cuda_graphs_forget(struct assay_stream *stream);  // what was recorded is no longer true

// As device.graph_begin and graph_end of kernels/device.h.
bool cuda_graph_begin(struct assay_stream *stream, uint64_t key);
void cuda_graph_end(struct assay_stream *stream);

#endif
