#include "app/reading.h"

#include <stdio.h>
#include <string.h>

static void show(void *ctx, const char *path, uint64_t done, uint64_t total)
{
    struct reading *r = ctx;
    const char *slash = strrchr(path, '/');
    char what[sizeof r->what];
    snprintf(what, sizeof what, "read %s", slash ? slash + 1 : path);
    if (done < r->done || strcmp(what, r->what) != 0) { /* the next file */
        progress_end(&r->bar);
        memcpy(r->what, what, sizeof what);
        progress_begin(&r->bar, r->what, done, total, PROGRESS_BYTES);
    }
    r->done = done;
    progress_at(&r->bar, done, "");
}

const struct dataset_progress *reading_begin(struct reading *r)
{
    *r = (struct reading){.hook = {show, r}};
    return &r->hook;
}

void reading_end(struct reading *r)
{
    progress_end(&r->bar);
}
