#include "kernels/cpu.h"

void embedding_fwd_ref(kern *k, struct kref y, struct kref ids, const struct kweight *w, int rows,
                       float scale)
{
    if (!kern_ok(k))
        return;
    float *row = cpu_worker_scratch(k, 0);
    if ((size_t)w->cols * sizeof *row > CPU_WORKER_BYTES) {
        kern_stick(k, ST_RANGE, "embedding_fwd", "%d columns are too many", w->cols);
        return;
    }
    for (int r = 0; r < rows; r++) {
        cpu_weight_row(w, cpu_i32(ids)[r], row);
        for (int c = 0; c < w->cols; c++)
            cpu_set(y, cpu_at(y, r, c), (double)scale * (double)row[c]);
    }
}
