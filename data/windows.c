#include "data/windows.h"

enum status windows_plan(struct windows *w, enum windows_mode mode, size_t tokens, size_t ctx,
                         size_t stride, struct fault *f)
{
    static const size_t least[] = {
        [WINDOWS_BLOCKS] = 1, [WINDOWS_STRIDE] = 2, [WINDOWS_LLAMACPP] = 3};
    size_t need = mode == WINDOWS_LLAMACPP ? 2 * ctx : 2;
    *w = (struct windows){mode, tokens, ctx, stride, 0};
    if (ctx < least[mode]) {
        fault_set(f, ST_RANGE, "a context of %zu token%s leaves nothing to score: %zu are needed",
                  ctx, ctx == 1 ? "" : "s", least[mode]);
        return fault_remedy(f, "give a larger --ctx; where the model has no more positions, use "
                               "--mode blocks");
    }
    if (tokens < need) {
        fault_set(f, ST_RANGE, "the text has %zu tokens, and %zu are needed", tokens, need);
        return fault_remedy(f, mode == WINDOWS_LLAMACPP ? "use a longer text or a smaller --ctx"
                                                        : "use a longer text");
    }
    if (mode == WINDOWS_STRIDE && (stride < 1 || stride > ctx)) {
        fault_set(f, ST_RANGE, "--stride %zu is not between 1 and the context of %zu", stride, ctx);
        return fault_remedy(f, "a smaller stride gives each token more context, and takes longer");
    }
    switch (mode) {
    case WINDOWS_BLOCKS: w->count = (tokens - 1 + ctx - 1) / ctx; break;
    case WINDOWS_STRIDE:
        w->count = tokens <= ctx ? 1 : (tokens - ctx + stride - 1) / stride + 1;
        break;
    case WINDOWS_LLAMACPP: w->count = tokens / ctx; break;
    }
    return ST_OK;
}

struct span windows_at(const struct windows *w, size_t i)
{
    struct span s = {.at = i * w->ctx, .n = w->ctx};
    if (w->mode == WINDOWS_BLOCKS) {
        if (s.n > w->tokens - 1 - s.at)
            s.n = w->tokens - 1 - s.at;
    } else if (w->mode == WINDOWS_STRIDE) {
        s.at = i * w->stride;
        size_t end = s.at + w->ctx < w->tokens ? s.at + w->ctx : w->tokens;
        size_t scored_to = i == 0 ? 0 : (i - 1) * w->stride + w->ctx;
        /* The first token of a window has nothing before it, so it is never scored. */
        size_t from = scored_to > s.at ? scored_to : s.at + 1;
        s.n = end - s.at - 1;
        s.first = from - s.at - 1;
    } else {
        s.n = w->ctx - 1;
        s.first = w->ctx / 2;
    }
    s.tokens = w->mode == WINDOWS_BLOCKS ? s.n : s.n + 1;
    return s;
}
