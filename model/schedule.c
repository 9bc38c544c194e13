#include "model/schedule.h"

#include <math.h>

static double at_least_one(int64_t n)
{
    return n > 1 ? (double)n : 1.0;
}

static double half_cosine(double progress)
{
    double v = 0.5 * (1.0 + cos(3.14159265358979323846 * progress));
    return v > 0 ? v : 0;
}

double schedule_lr(const struct schedule *c, int64_t step)
{
    int64_t s = step - 1, after = s - c->warmup;
    if (s < c->warmup)
        return c->lr * (double)s / at_least_one(c->warmup);
    switch (c->kind) {
    case SCHEDULE_CONSTANT: return c->lr;
    case SCHEDULE_LINEAR: {
        double v = (double)(c->total - s) / at_least_one(c->total - c->warmup);
        return c->lr * (v > 0 ? v : 0);
    }
    case SCHEDULE_COSINE:
        return c->lr * half_cosine((double)after / at_least_one(c->total - c->warmup));
    case SCHEDULE_WSD: {
        int64_t begin = c->total - c->decay;
        if (s < begin)
            return c->lr;
        return s < c->total ? c->lr * half_cosine((double)(s - begin) / at_least_one(c->decay)) : 0;
    }
    }
    return c->lr;
}
