/* How much scratch the ops of a run need: kern_prepare asks once, then nothing is allocated. */
#include "kernels/cpu.h"

enum { PIECES = 64 * 64 }; /* rounding up to 64 bytes, of 64 pieces at most */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* f32 values of the fused cross-entropy: 576 rows of X packed, and for up to 16 splits of the
 * vocabulary (fewer where they would hold over 8 M values) their gradients, maxima and sums. */
static size_t cross_entropy_values(const struct kern_specs *s)
{
    size_t chunk = 576, hidden = (size_t)s->hidden, most = 1;
    if (s->vocab == 0 || hidden == 0)
        return 0;
    if (chunk * hidden < 8 << 20)
        most = least(least((8 << 20) / (chunk * hidden), 16), (size_t)s->vocab / 48 + 1);
    return chunk * hidden + most * chunk * (hidden + 2) + chunk;
}

/* Adapted linears: A transposed in the forward pass, G in the backward one (double in the
 * reference). */
static size_t lora_linear_values(const struct kern_specs *s)
{
    return (size_t)s->rank * (2 * (size_t)s->rows + (size_t)s->width);
}

/* Attention backward: dK and dV of each part of the query rows. There are as many parts as make 16
 * tiles of them and the key heads; with 16 key heads there is one, which needs nothing. */
static size_t attention_values(const struct kern_specs *s)
{
    size_t tiles = 16, kv_heads = (size_t)s->kv_heads;
    if (kv_heads == 0 || kv_heads >= tiles || !s->backward)
        return 0;
    return (tiles + kv_heads - 1) / kv_heads * kv_heads * 2 * (size_t)s->keys * (size_t)s->head_dim;
}

/* No op calls another while it holds scratch, so the sum is more than enough. Pages that no op
 * touches are never taken from the system. */
size_t cpu_scratch_need(const struct kern_specs *s)
{
    size_t n = 2 * (size_t)s->rows; /* losses, in double */
    n += lora_linear_values(s) + attention_values(s) + cross_entropy_values(s);
    return n * sizeof(float) + PIECES;
}
