// SPDX-License-Identifier: MIT
// What must hold: no bytes make the reader of a proxy's requests crash, a request that it takes
// names a host in its plain form, and the head that it writes is a request to the same host that
// is taken in turn and written the same.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/proxy_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct assay_proxy_request *request, const char *bytes)
{
    struct assay_proxy_request again;
    struct assay_buf first, second;
    int status;

    assay_buf_init(&first, 4 * ASSAY_PROXY_HEAD_BYTES_MAX);
    assay_buf_init(&second, 4 * ASSAY_PROXY_HEAD_BYTES_MAX);
    assay_proxy_request_write(&first, request, bytes, true, NULL);
    // It may have grown past a bound: by the host that is in it twice now, by two more fields.
    status = assay_proxy_request_read(&again, first.data, first.len);
    if (status != 431) {
        if (status != 200 || again.head_bytes != first.len ||
                strcmp(again.host, request->host) != 0 || again.port != request->port ||
                again.body_bytes != request->body_bytes)
            abort();
        assay_proxy_request_write(&second, &again, first.data, true, NULL);
        if (second.len != first.len || memcmp(first.data, second.data, first.len) != 0)
            abort();
    }
    assay_buf_free(&first);
    assay_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_proxy_request request;
    const char *bytes = (const char *)data;
    char plain[ASSAY_HOST_BYTES_MAX];

    if (assay_proxy_request_read(&request, bytes, size) != 200)
        return 0;
    if (assay_host_read(plain, request.host, strlen(request.host)) != request.kind ||
            strcmp(plain, request.host) != 0 || request.port == 0 || request.head_bytes > size)
        abort();
    if (!request.connect)
        check_written(&request, bytes);
    return 0;
}
