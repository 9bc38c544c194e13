/* Inside *_simd.c files: Philox-4x32-10 in lanes, the bits of kernels/rng.h.
 *
 *     uint32_t word[SIMD_PHILOX];
 *     simd_philox(word, seed, stream, block);        // words of blocks block, block + 1, …
 *     // word[4 * j + i] is rng_philox(r, seed, stream, block + j)'s r[i], j < VF_LANES
 *
 *     vf y = vf_dropout(x, vi_load(word), p, scale); // x * scale, or 0 where dropped */
#ifndef KERNELS_SIMD_RNG_H
#define KERNELS_SIMD_RNG_H

#include "kernels/rng.h"
#include "kernels/simd.h"

enum { SIMD_PHILOX = 4 * VF_LANES };

/* The block that each lane counts, from the first one on: (l % 4) * VF_LANES / 4 + l / 4 in lane l,
 * because then transposing in groups of four lanes puts all words in order. */
static inline vi simd_philox_lanes(void)
{
    int32_t block[16];
    for (int l = 0; l < VF_LANES; l++)
        block[l] = l % 4 * (VF_LANES / 4) + l / 4;
    return vi_load(block);
}

static inline void simd_philox(uint32_t *word, uint64_t seed, uint64_t stream, uint64_t block)
{
    const vi sign = vi_set1(INT32_MIN), first = vi_set1((int32_t)(uint32_t)block);
    const vi m0 = vi_set1((int32_t)0xD2511F53u), m1 = vi_set1((int32_t)0xCD9E8D57u);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32), high = (uint32_t)(block >> 32);
    vi c0 = vi_add(first, simd_philox_lanes());
    vm wrapped = vi_gt(vi_xor(first, sign), vi_xor(c0, sign)); /* unsigned: c0 < first */
    vi c1 = vi_sel(wrapped, vi_set1((int32_t)(high + 1)), vi_set1((int32_t)high));
    vi c2 = vi_set1((int32_t)(uint32_t)stream), c3 = vi_set1((int32_t)(uint32_t)(stream >> 32));
    for (int round = 0; round < 10; round++) {
        vi h0, h1, l0 = vi_mul_wide(&h0, c0, m0), l1 = vi_mul_wide(&h1, c2, m1);
        c0 = vi_xor(vi_xor(h1, c1), vi_set1((int32_t)k0));
        c2 = vi_xor(vi_xor(h0, c3), vi_set1((int32_t)k1));
        c1 = l1;
        c3 = l0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    vi out[4] = {c0, c1, c2, c3};
    vi_transpose4(out);
    for (int i = 0; i < 4; i++)
        vi_store(word + i * VF_LANES, out[i]);
}

/* Dropped where rng_uniform(word) < p. */
static inline vf vf_dropout(vf x, vi word, vf p, vf scale)
{
    vf u = vf_mul(vf_of_vi(vi_shr(word, 8)), vf_set1(0x1p-24f));
    return vf_sel(vf_lt(u, p), vf_zero(), vf_mul(x, scale));
}

#endif
