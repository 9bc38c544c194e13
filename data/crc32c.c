#include "data/crc32c.h"

#include <pthread.h>
#include <string.h>

/* table[k][b]: the effect of byte b followed by k zero bytes, so that eight bytes go in at once. */
static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0x82F63B78u : 0);
        table[0][b] = c;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 255];
}

uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    pthread_once(&table_once, make_table);
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t low = (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        low ^= crc;
        crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
              table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
              table[0][p[7]];
    }
    while (n-- > 0)
        crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
    return ~crc;
}

#if defined(__x86_64__)

/* The CPU finishes a crc32 each cycle but answers after three: three streams side by side keep it
 * busy. Their ends are joined by moving a checksum over LANE zero bytes, which is linear in its
 * bits: four look-ups. */
enum { LANE = 4096 };

static uint32_t lane_shift[4][256];
static pthread_once_t lane_once = PTHREAD_ONCE_INIT;

static void make_lane_shift(void)
{
    pthread_once(&table_once, make_table);
    for (int k = 0; k < 4; k++) {
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t c = b << 8 * k;
            for (int i = 0; i < LANE; i++)
                c = c >> 8 ^ table[0][c & 255];
            lane_shift[k][b] = c;
        }
    }
}

static uint32_t over_lane(uint64_t c)
{
    return lane_shift[0][c & 255] ^ lane_shift[1][c >> 8 & 255] ^ lane_shift[2][c >> 16 & 255] ^
           lane_shift[3][c >> 24 & 255];
}

static inline uint64_t load8(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *bytes,
                                                               size_t n)
{
    const unsigned char *p = bytes;
    uint64_t c = ~crc;
    if (n >= 3 * LANE)
        pthread_once(&lane_once, make_lane_shift);
    for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE) {
        uint64_t d = 0, e = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            c = __builtin_ia32_crc32di(c, load8(p + i));
            d = __builtin_ia32_crc32di(d, load8(p + LANE + i));
            e = __builtin_ia32_crc32di(e, load8(p + 2 * LANE + i));
        }
        c = over_lane(over_lane(c) ^ d) ^ e;
    }
    for (; n >= 8; n -= 8, p += 8)
        c = __builtin_ia32_crc32di(c, load8(p));
    uint32_t last = (uint32_t)c;
    while (n-- > 0)
        last = __builtin_ia32_crc32qi(last, *p++);
    return ~last;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, bytes, n)
                                            : crc32c_table(crc, bytes, n);
}

#else

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
    return crc32c_table(crc, bytes, n);
}

#endif
