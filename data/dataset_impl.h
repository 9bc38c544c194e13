/* Inside data/dataset*.c only. */
#ifndef DATA_DATASET_IMPL_H
#define DATA_DATASET_IMPL_H

#include "data/dataset.h"

/* Rows live in two growing arrays; a row is a range of them. */
struct row_entry {
    size_t at;
    int n, targets, line;
};

struct dataset {
    char *path;
    struct dataset_options o;
    const char *kind; /* of the first row; all rows must be of it */
    struct ids ids;
    struct text target; /* one byte a token, 0 or 1 */
    struct row_entry *row;
    size_t rows, cap;
    struct dataset_stats stats;
    uint32_t identity;
};

/* Tokenizes one parsed line and appends its row or rows. */
enum status dataset_add_line(struct dataset *d, const struct json *root, int line, struct fault *f);

/* Appends a row cut to seq_max: ids, and for each whether it is to be predicted. */
enum status dataset_add_row(struct dataset *d, const struct ids *ids, const struct text *target,
                            int line, struct fault *f);

#endif
