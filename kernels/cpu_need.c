/* How much scratch the ops of a run need: kern_prepare asks once, then nothing is allocated. */
#include "kernels/cpu.h"

enum { PIECES = 64 * 64 }; /* rounding up to 64 bytes, of 64 pieces at most */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* f32 values of the fused cross-entropy: 576 rows of X packed, and for up to 16 splits of the
 * vocabulary (fewer where they would hold more than 8 M values) their gradients, maxima and sums. */
static size_t cross_entropy_values(const struct kern_specs *s)
{
    size_t chunk = 576, hidden = (size_t)s->hidden, most = 1;
    if (s->vocab == 0 || hidden == 0)
        return 0;
    if (chunk * hidden < 8 << 20)
        most = least(least((8 << 20) / (chunk * hidden), 16), (size_t)s->vocab / 48 + 1);
    return chunk * hidden + most * chunk * (hidden + 2) + chunk;
}

/* f32 values that one op may hold at a time; the sum bounds them all:
 *   rows * (2 rank + 3 heads + 2)     H or G (in double), D and statistics per head, losses
 *   16 * rank * 2 width               A transposed; partial sums of dA and dB by blocks of rows
 *   2 * rows * kv_heads * head_dim    partial dK and dV
 *   rows * width                      an activation packed or masked
 *   cross_entropy_values
 * Pages that no op touches are never taken from the system. */
size_t cpu_scratch_need(const struct kern_specs *s)
{
    size_t rows = (size_t)s->rows, width = (size_t)s->width, rank = (size_t)s->rank;
    size_t n = rows * (2 * rank + 3 * (size_t)s->heads + 2);
    n += 16 * rank * 2 * width;
    n += 2 * rows * (size_t)s->kv_heads * (size_t)s->head_dim;
    n += rows * width;
    n += cross_entropy_values(s);
    return n * sizeof(float) + PIECES;
}
