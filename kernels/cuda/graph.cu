// SPDX-License-Identifier: MIT
// graph.cu - first time: run as it comes, so that scratch grows and plans are made; second time:
// record; from then on: launch what was recorded.
#include "kernels/cuda/graph.h"

#include <stdlib.h>

enum { GRAPH_COUNT_MAX = 64 };

struct graph {
    uint64_t key;
    cudaGraphExec_t exec; // NULL: seen once
};

struct assay_graphs {
    struct graph seen[GRAPH_COUNT_MAX];
    size_t count, next; // next: whose place the one after a full table takes
    struct graph *recording;
};

struct assay_graphs *cuda_graphs_create(void)
{
    return (struct assay_graphs *)calloc(1, sizeof(struct assay_graphs));
}

static void forget(struct assay_graphs *graphs)
{
    for (size_t i = 0; i < graphs->count; i++) {
        if (graphs->seen[i].exec)
            (void)cudaGraphExecDestroy(graphs->seen[i].exec);
        graphs->seen[i].exec = NULL;
    }
    graphs->count = 0;
}

void cuda_graphs_destroy(struct assay_graphs *graphs)
{
    if (graphs)
        forget(graphs);
    free(graphs);
}

void cuda_graphs_forget(struct assay_stream *stream)
{
    forget(stream->graphs);
}

static struct graph *find(struct assay_graphs *graphs, uint64_t key)
{
    for (size_t i = 0; i < graphs->count; i++)
        if (graphs->seen[i].key == key)
            return &graphs->seen[i];
    return NULL;
}

static void remember(struct assay_graphs *graphs, uint64_t key)
{
    struct graph *place = &graphs->seen[graphs->next];

    if (graphs->count < GRAPH_COUNT_MAX)
        place = &graphs->seen[graphs->count++];
    else
        graphs->next = (graphs->next + 1) % GRAPH_COUNT_MAX;
    if (place->exec)
        (void)cudaGraphExecDestroy(place->exec);
    *place = (struct graph){.key = key, .exec = NULL};
}

static bool overlaps(void)
{
    int device = 0, major = 0;

    return cudaGetDevice(&device) == cudaSuccess &&
            cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ==
            cudaSuccess &&
            major >= 9;
}

bool cuda_graph_begin(struct assay_stream *stream, uint64_t key)
{
    struct assay_graphs *graphs = stream->graphs;
    struct graph *graph = find(graphs, key);

    if (stream->failure.status != ASSAY_OK)
        return true;
    if (graph && graph->exec) {
        (void)cuda_keep(stream, cudaGraphLaunch(graph->exec, stream->queue), "graph");
        return false;
    }
    if (!graph)
        remember(graphs, key);
    else if (cuda_keep(stream,
                     cudaStreamBeginCapture(stream->queue, cudaStreamCaptureModeThreadLocal),
                     "graph"))
        graphs->recording = graph;
    stream->follows = graphs->recording != NULL && overlaps();
    return true;
}

void cuda_graph_end(struct assay_stream *stream)
{
    struct graph *graph = stream->graphs->recording;
    cudaGraph_t recorded = NULL;

    stream->graphs->recording = NULL;
    stream->follows = false;
    if (!graph)
        return;
    if (cuda_keep(stream, cudaStreamEndCapture(stream->queue, &recorded), "graph") &&
            cuda_keep(stream, cudaGraphInstantiate(&graph->exec, recorded, 0), "graph"))
        (void)cuda_keep(stream, cudaGraphLaunch(graph->exec, stream->queue), "graph");
    if (recorded)
        (void)cudaGraphDestroy(recorded);
}
