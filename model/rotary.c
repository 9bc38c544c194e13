#include "model/rotary.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

int rotary_choice(const struct rope_config *rope, int longest)
{
    if (longest <= rope->original_max)
        return 0;
    switch (rope->kind) {
    case ROPE_DYNAMIC: return longest;
    case ROPE_LONGROPE: return 1;
    default: return 0;
    }
}

/* base^(2i/dim) in f32 */
static float wavelength(double base, int i, int dim)
{
    float exponent = (float)(2 * i) / (float)dim;
    return (float)pow((double)(float)base, (double)exponent);
}

/* Low frequencies are slowed down by the factor, high ones are kept, those between are mixed. */
static float llama3(const struct rope_config *r, float inv)
{
    float old = (float)r->original_max, low = (float)r->low_freq_factor;
    float high = (float)r->high_freq_factor, factor = (float)r->factor;
    float wavelen = (float)(2 * PI) / inv;
    if (wavelen < (float)(r->original_max / r->high_freq_factor))
        return inv;
    if (wavelen > (float)(r->original_max / r->low_freq_factor))
        return inv / factor;
    float smooth = (old / wavelen - low) / (high - low);
    return (1.0f - smooth) * inv / factor + smooth * inv;
}

static double correction_dim(double rotations, int dim, const struct rope_config *r)
{
    return dim * log(r->original_max / (rotations * 2 * PI)) / (2 * log(r->theta));
}

/* Peng et al. 2023, arXiv:2309.00071 */
static void yarn(float *inv, const struct rope_config *r, int dim)
{
    double low = correction_dim(r->beta_fast > 0 ? r->beta_fast : 32, dim, r);
    double high = correction_dim(r->beta_slow > 0 ? r->beta_slow : 1, dim, r);
    if (r->truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, dim - 1);
    if (low == high)
        high += 0.001;
    for (int i = 0; i < dim / 2; i++) {
        float wave = wavelength(r->theta, i, dim);
        float ramp = ((float)i - (float)low) / (float)(high - low);
        float keep = 1.0f - fminf(fmaxf(ramp, 0.0f), 1.0f);
        float slow = 1.0f / ((float)r->factor * wave);
        inv[i] = slow * (1.0f - keep) + 1.0f / wave * keep;
    }
}

static double yarn_mscale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static double attention_factor(const struct rope_config *r, int max_positions)
{
    if (r->attention_factor > 0)
        return r->attention_factor;
    if (r->kind == ROPE_YARN) {
        if (r->mscale > 0 && r->mscale_all_dim > 0)
            return yarn_mscale(r->factor, r->mscale) / yarn_mscale(r->factor, r->mscale_all_dim);
        return yarn_mscale(r->factor, 1);
    }
    double factor = r->factor > 0 ? r->factor : (double)max_positions / r->original_max;
    return factor <= 1 ? 1 : sqrt(1 + log(factor) / log(r->original_max));
}

/* The base grows with the length (NTK-aware scaling). */
static double dynamic_base(const struct rope_config *r, int dim, int length)
{
    double ratio = r->factor * length / r->original_max - (r->factor - 1);
    return r->theta * pow(ratio, (double)dim / (dim - 2));
}

float rotary_frequencies(float *inv, const struct model_config *c, int which, int choice)
{
    const struct rope_config *r = &c->rope[which];
    const float *ext = choice ? r->long_factor : r->short_factor;
    int dim = c->rot_dim;
    double base = r->theta;
    if (r->kind == ROPE_YARN) {
        yarn(inv, r, dim);
        return (float)attention_factor(r, c->max_positions);
    }
    if (r->kind == ROPE_DYNAMIC)
        base = dynamic_base(r, dim, choice ? choice : r->original_max);
    for (int i = 0; i < dim / 2; i++) {
        float wave = wavelength(base, i, dim);
        inv[i] = 1.0f / wave;
        if (r->kind == ROPE_LONGROPE)
            inv[i] = 1.0f / (ext[i] * wave);
        else if (r->kind == ROPE_LINEAR)
            inv[i] /= (float)r->factor;
        else if (r->kind == ROPE_LLAMA3)
            inv[i] = llama3(r, inv[i]);
    }
    return r->kind == ROPE_LONGROPE ? (float)attention_factor(r, c->max_positions) : 1.0f;
}

void rotary_tables(float *cosines, float *sines, const float *inv, float factor, int positions,
                   int half)
{
    for (int p = 0; p < positions; p++) {
        for (int i = 0; i < half; i++) {
            float angle = (float)p * inv[i];
            size_t at = (size_t)p * (size_t)half + (size_t)i;
            cosines[at] = (float)cos((double)angle) * factor;
            sines[at] = (float)sin((double)angle) * factor;
        }
    }
}
