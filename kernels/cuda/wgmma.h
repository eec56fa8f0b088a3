// SPDX-License-Identifier: MIT
// wgmma.h - Hopper's warpgroup products, as PTX has them, over tiles of shared memory.
//
// A tile is a list of panels of 64 columns of bf16: a row of a panel is 128 bytes, and its eight
// 16-byte pieces stand in the order of the hardware's 128-byte swizzle (swizzled()); a panel begins
// at a multiple of 1,024 bytes. Such a panel serves an operand whose terms (k) run along its rows
// (ALONG) or down its columns (DOWN).
#ifndef ASSAY_KERNELS_CUDA_WGMMA_H
#define ASSAY_KERNELS_CUDA_WGMMA_H

#include <stdint.h>

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define CUDA_HAVE_WGMMA 1
#endif

enum { PANEL_COLUMNS = 64, PANEL_ROW_BYTES = 128, ALONG = 0, DOWN = 1 };

// Byte offset in a panel of piece `piece` (16 bytes) of row `row`.
__device__ __forceinline__ uint32_t swizzled(uint32_t row, uint32_t piece)
{
    return row * PANEL_ROW_BYTES + ((piece ^ (row & 7)) << 4);
}

__device__ __forceinline__ uint32_t shared_address(const void *pointer)
{
    return (uint32_t)__cvta_generic_to_shared(pointer);
}

__device__ __forceinline__ void copy_async(uint32_t to, const void *from, bool there)
{
    const int bytes = there ? 16 : 0; // the rest is filled with zeros

    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
                 : "memory");
}
__device__ __forceinline__ void copies_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int LEFT> __device__ __forceinline__ void copies_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

#ifdef CUDA_HAVE_WGMMA

// Ordinary writes to shared memory become visible to the tensor cores; a barrier follows.
__device__ __forceinline__ void proxy_fence(void)
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void wgmma_begin(void)
{
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
// After a wait: the sums were written where the compiler could not see it.
template <int N> __device__ __forceinline__ void wgmma_hold(float (&sum)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++)
        asm volatile("" : "+f"(sum[i])::"memory");
}
__device__ __forceinline__ void wgmma_commit(void)
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int LEFT> __device__ __forceinline__ void wgmma_wait(void)
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}

// Of a panel from `address` on: groups of 8 rows are 1,024 bytes apart, the swizzle is 128 bytes.
__device__ __forceinline__ uint64_t described(uint32_t address)
{
    return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 |
            (uint64_t)1 << 62;
}

#define R4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define R16(d, i) R4(d, i), R4(d, i + 4), R4(d, i + 8), R4(d, i + 12)
#define R32(d) R16(d, 0), R16(d, 16)
#define R64(d) R16(d, 0), R16(d, 16), R16(d, 32), R16(d, 48)
#define NAMES32                                                                                    \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "  \
    "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define NAMES64                                                                                    \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "  \
    "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "   \
    "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "   \
    "%56, %57, %58, %59, %60, %61, %62, %63}"

// sum [64 x 64] (+)= a b, 16 terms; a and b described, each ALONG or DOWN.
template <int A_WAY, int B_WAY>
__device__ __forceinline__ void wgmma_64(float (&sum)[32], uint64_t a, uint64_t b, int add)
{
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " NAMES32
                 ", %32, %33, p, 1, 1, %35, %36;\n}\n"
                 : R32(sum)
                 : "l"(a), "l"(b), "r"(add), "n"(A_WAY), "n"(B_WAY));
}

// sum [64 x 128] likewise.
template <int A_WAY, int B_WAY>
__device__ __forceinline__ void wgmma_128(float (&sum)[64], uint64_t a, uint64_t b, int add)
{
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " NAMES64
                 ", %64, %65, p, 1, 1, %67, %68;\n}\n"
                 : R64(sum)
                 : "l"(a), "l"(b), "r"(add), "n"(A_WAY), "n"(B_WAY));
}

// sum [64 x 64] += a b with a in registers.
template <int B_WAY>
__device__ __forceinline__ void wgmma_64_held(float (&sum)[32], const uint32_t *a, uint64_t b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " NAMES32
                 ", {%32, %33, %34, %35}, %36, 1, 1, 1, %37;\n"
                 : R32(sum)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(B_WAY));
}

#endif
#endif
