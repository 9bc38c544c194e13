/* Scanners written by hand for the split patterns that model families use; each is what the regex
 * engine of the library does with that pattern.
 *
 *     scan_fn *scan = scan_for(regex);       // NULL: not one of them
 *     size_t end = scan(s, n, at);           // every byte belongs to a match: end > at
 *
 * s[0..n) is valid UTF-8 and at < n stands on a code point. */
#ifndef DATA_TOKENIZER_SCAN_H
#define DATA_TOKENIZER_SCAN_H

#include <stddef.h>

typedef size_t scan_fn(const char *s, size_t n, size_t at);

scan_fn *scan_for(const char *regex);
scan_fn scan_gpt2; /* what ByteLevel uses by itself */

#endif
