/* A progress bar for each file of data that is read.
 *
 *     struct reading r;
 *     options.progress = reading_begin(&r);
 *     dataset_open(…);
 *     reading_end(&r); */
#ifndef APP_READING_H
#define APP_READING_H

#include "app/console.h"
#include "data/dataset.h"

struct reading {
    struct dataset_progress hook;
    struct progress bar;
    char what[80]; /* "read train.jsonl" */
    uint64_t done; /* of the file */
};

const struct dataset_progress *reading_begin(struct reading *r);
void reading_end(struct reading *r);

#endif
