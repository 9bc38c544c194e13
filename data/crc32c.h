/* CRC-32C (Castagnoli), the checksum of base files and checkpoints.
 *
 *     uint32_t crc = crc32c(0, first, n);
 *     crc = crc32c(crc, second, m);           // as if both stood in one buffer */
#ifndef DATA_CRC32C_H
#define DATA_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

/* The same from a table, whatever the CPU has: what crc32c is tested against. */
uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t n);

#endif
