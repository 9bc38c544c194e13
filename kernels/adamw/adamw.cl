/* adamw.h */

/* First stage: partial[g] is the sum of squares of every get_num_groups(0)-th block of GROUP. */
kernel void sumsq_part(VEC(float, partial), VEC(const float, x), long n)
{
    local float t[GROUP];
    /* Four apart, whose reads are under way at once. lost: what rounding took from sums so far
     * (compensated summation); without it equal terms by the million add up to 1e-6 of error. Of a
     * sum that overflowed nothing is lost: infinity less infinity would be no number. */
    float4 sums = (float4)(0.0f), lost = (float4)(0.0f);
    long i = get_global_id(0), all = get_global_size(0);
    for (; i + 3 * all < n; i += 4 * all) {
        float4 v = (float4)(IN(x, i), IN(x, i + all), IN(x, i + 2 * all), IN(x, i + 3 * all));
        float4 term = v * v - lost, sum = sums + term;
        lost = select((sum - sums) - term, (float4)(0.0f), isinf(sum));
        sums = sum;
    }
    for (; i < n; i += all)
        sums.x += IN(x, i) * IN(x, i);
    float all_sums = lane_sum(sum4(sums - lost), t);
    if (LANE == 0)
        IN(partial, get_group_id(0)) = all_sums;
}

/* Second stage: one group adds the parts. */
kernel void sumsq_all(VEC(float, out), VEC(const float, partial), int n)
{
    local float t[GROUP];
    float sum = 0.0f;
    for (int i = LANE; i < n; i += LANES)
        sum += IN(partial, i);
    sum = lane_sum(sum, t);
    if (LANE == 0)
        IN(out, 0) = sum;
}

kernel void clip_coef(VEC(float, out), VEC(const float, sumsq), VEC(const float, loss),
                      float max_norm)
{
    if (get_global_id(0) == 0) {
        float norm = sqrt(IN(sumsq, 0)), coef = 1.0f;
        bool ok = isfinite(norm) && isfinite(IN(loss, 0));
        if (max_norm > 0.0f)
            coef = fmin(1.0f, max_norm / (norm + 1e-6f));
        IN(out, 0) = ok ? coef : 0.0f;
        IN(out, 1) = norm;
        IN(out, 2) = ok ? 0.0f : 1.0f;
    }
}

/* The host has made, in double: decay = lr weight_decay, rate1 = 1 - beta1, rate2 = 1 - beta2,
 * step_size = lr / (1 - beta1^step), root = sqrt(1 - beta2^step). The decay is subtracted: 1 - decay
 * as a float would err by percents of what it takes away. */
kernel void adamw(VEC(float, param), VEC(float, m), VEC(float, v), VEC(const float, grad),
                  VEC(const float, coef), long n, float decay, float rate1, float beta2,
                  float rate2, float step_size, float root, float eps)
{
    float scale = IN(coef, 0);
    for (long i = get_global_id(0); i < n && scale != 0.0f; i += get_global_size(0)) {
        float g = scale * IN(grad, i), m_old = IN(m, i);
        float m_new = m_old + (g - m_old) * rate1, v_new = IN(v, i) * beta2 + g * g * rate2;
        IN(m, i) = m_new;
        IN(v, i) = v_new;
        float p = IN(param, i), step = step_size * (m_new / (sqrt(v_new) / root + eps));
        IN(param, i) = p - (p * decay + step);
    }
}
