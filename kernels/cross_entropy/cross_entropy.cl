/* cross_entropy.h: what stands between the two products of a chunk of rows, which are gemm.cl's. */

static inline float capped(float z, float softcap)
{
    return softcap > 0.0f ? softcap * tanh(z / softcap) : z;
}

/* z [n, vocab] holds the logits of n rows: nll = of each row, and if `gradient`, z becomes dz. */
kernel void cross_entropy_rows(MAT(float, z), VEC(float, nll), VEC(const int, labels), int n,
                               int vocab, float grad_scale, float softcap, int gradient)
{
    local float t[GROUP];
    const long r = ROW;
    const int label = r < n ? IN(labels, r) : 0;
    bool has_label = false; /* the lane that meets the label's column keeps it, before it is overwritten */
    float most = -FLT_MAX, sum = 0.0f, own = 0.0f;
    if (r < n) {
        EACH_COL(c, vocab)
        {
            float x = capped(AT(z, r, c), softcap);
            if (c == label) {
                own = x;
                has_label = true;
            }
            if (x > most) {
                sum *= exp(most - x);
                most = x;
            }
            sum += exp(x - most);
        }
    }
    const float top = lane_max(most, t);
    sum = lane_sum(sum * exp(most - top), t);
    if (has_label)
        IN(nll, r) = log(sum) + (top - own);
    if (r < n && gradient) {
        const float share = 1.0f / sum;
        EACH_COL(c, vocab)
        {
            float x = capped(AT(z, r, c), softcap), part = x / softcap;
            float d = grad_scale * (exp(x - top) * share - (c == label ? 1.0f : 0.0f));
            AT(z, r, c) = softcap > 0.0f ? d * (1.0f - part * part) : d;
        }
    }
}

/* loss += the sum of all rows; one group, a fixed order. */
kernel void cross_entropy_loss(VEC(float, loss), VEC(const float, nll), int n)
{
    local float t[GROUP];
    float sum = 0.0f;
    for (int i = LANE; i < n; i += LANES)
        sum += IN(nll, i);
    sum = lane_sum(sum, t);
    if (LANE == 0)
        IN(loss, 0) += sum;
}

kernel void cross_entropy_zero(MAT(float, dx), int rows, int cols)
{
    const long r = ROW;
    if (r < rows) {
        EACH_COL(c, cols)
        {
            AT(dx, r, c) = 0.0f;
        }
    }
}
