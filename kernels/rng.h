/* Counter-based random numbers: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011). The same (key, counter) gives the same bits on every device, so a dropout
 * mask or an initial adapter never depends on threads, tiles or order.
 *
 *     uint32_t r[4];
 *     rng_philox(r, seed, stream, index / 4);     // four words for elements 4n .. 4n+3
 *     float u = rng_uniform(r[index & 3]);        // in [0, 1)
 */
#ifndef KERNELS_RNG_H
#define KERNELS_RNG_H

#include <stdint.h>

/* out[0..3] = Philox-4x32-10 of the 128-bit counter (block, stream) under the 64-bit key seed. */
static inline void rng_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t block)
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* [0, 1) with 24 bits: exact in f32 on every device. */
static inline float rng_uniform(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

#endif
