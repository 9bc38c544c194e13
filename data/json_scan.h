/* The grammar of RFC 8259, checked before cJSON sees a byte: for json.c alone.
 *
 * cJSON takes more than JSON (control characters as blanks, 01, 1., a \u0000 that cuts the string)
 * and recurses as deep as its input; after json_scan none of that can reach it. */
#ifndef DATA_JSON_SCAN_H
#define DATA_JSON_SCAN_H

#include <stddef.h>

#include "data/text.h"
#include "kernels/status.h"

/* ST_OK if bytes are one JSON value as json.h defines it. floats takes the ordinals (0 for the
 * first number of the document) of the numbers written with a fraction or an exponent, rising. */
enum status json_scan(struct ids *floats, const char *bytes, size_t n, const char *where,
                      struct fault *f);

#endif
