/* A micro-batch: documents laid end to end, no padding. What data/ makes and model/ computes with.
 * Every array is [rows] but index and labels ([labelled]), line and path ([documents]). */
#ifndef DATA_BATCH_H
#define DATA_BATCH_H

#include <stdint.h>

struct batch {
    int rows;
    int32_t *ids;    /* token ids, < vocab */
    int32_t *pos;    /* position in the document, from 0 */
    int32_t *start;  /* row where the document begins */
    int labelled;    /* rows that predict a target; may be 0 */
    int32_t *index;  /* which rows those are, rising */
    int32_t *labels; /* the id each must predict */
    int longest; /* tokens of the longest document, with those after its last row, which are at most
                  * predicted; 0: as many as it has rows. Ropes that go by length go by this one. */
    int documents;
    int32_t *line;     /* each document's line in its file, for messages; NULL: not known */
    const char **path; /* that file, borrowed; NULL: not known */
};

#endif
