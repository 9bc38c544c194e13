/* Switches of tokenizer_config.json that change what a tokenizer.json makes of a text. */
#include <string.h>

#include "data/tokenizer/tokenparts.h"

static const char where[] = "tokenizer_config.json";

/* A tokenizer_class, with or without "Fast"; where none is named, config.json's model_type tells. */
static bool class_is(const struct tokensources *s, const char *class, const char *model_type)
{
    const char *name = json_string(json_get(s->config, "tokenizer_class"));
    size_t n = strlen(class);
    if (name)
        return strncmp(name, class, n) == 0 && (!name[n] || strcmp(name + n, "Fast") == 0);
    name = json_string(json_get(s->model, "model_type"));
    return name && model_type && strcmp(name, model_type) == 0;
}

/* ByteLevel alone: the class of GPT-2 sets it anew, whatever tokenizer.json says. Of other classes
 * some versions of transformers do so and some do not. */
static enum status byte_level_set(struct tokenizer *t, const struct tokensources *s, bool prefix,
                                  struct fault *f)
{
    struct pretokenizer_step *step = &t->pretokenizer.steps[0];
    bool is = step->prepend != PREPEND_NEVER;
    if (is == prefix)
        return ST_OK;
    if (!class_is(s, "GPT2Tokenizer", "gpt2")) {
        fault_set(f, ST_UNSUPPORTED, "%s: add_prefix_space is %s where tokenizer.json says %s",
                  where, prefix ? "true" : "false", is ? "true" : "false");
        return fault_remedy(f, "versions of transformers differ here: write the one that the model "
                               "was trained with into both files");
    }
    step->prefix.n = 0;
    step->prepend = prefix ? PREPEND_ALWAYS : PREPEND_NEVER;
    return prefix ? text_adds(&step->prefix, " ", f) : ST_OK;
}

/* What puts a mark before a text, and what takes the space of it away again. */
static void metaspace_clear(struct tokenizer *t)
{
    struct normalizer *nz = &t->normalizer;
    for (size_t i = 0; i < nz->n; i++)
        if (nz->steps[i].kind == NORMALIZER_PREPEND) {
            text_free(&nz->steps[i].text);
            memmove(&nz->steps[i], &nz->steps[i + 1], (--nz->n - i) * sizeof *nz->steps);
            i--;
        }
    for (size_t i = 0; i < t->pretokenizer.n; i++)
        if (t->pretokenizer.steps[i].metaspace)
            t->pretokenizer.steps[i].prepend = PREPEND_NEVER;
    for (size_t i = 0; i < t->decoder.n; i++) {
        struct piecedecoder_step *step = &t->decoder.steps[i];
        if (step->kind == DECODE_STRIP)
            step->start = 0;
        step->drop = false;
    }
}

enum status tokenswitches_prefix(struct tokenizer *t, const struct tokensources *s, struct fault *f)
{
    const struct json *v = json_get(s->config, "add_prefix_space");
    const struct pretokenizer *p = &t->pretokenizer;
    bool told = v && json_kind(v) != JSON_NULL, prefix = false;
    if (json_opt_bool(&prefix, s->config, "add_prefix_space", where, f) != ST_OK)
        return f->code;
    if (p->n == 1 && p->byte_level && (told || (s->config && class_is(s, "GPT2Tokenizer", NULL))))
        return byte_level_set(t, s, prefix, f);
    if (told && !prefix && !p->byte_level && class_is(s, "LlamaTokenizer", NULL))
        metaspace_clear(t);
    return ST_OK;
}

enum status tokenswitches_check(const struct tokensources *s, struct fault *f)
{
    bool split = false;
    if (json_opt_bool(&split, s->config, "split_special_tokens", where, f) != ST_OK)
        return f->code;
    if (!split)
        return ST_OK;
    fault_set(f, ST_UNSUPPORTED, "%s: split_special_tokens is not supported", where);
    return fault_remedy(f, "set it to false, if special tokens in a text are to be seen as such");
}
