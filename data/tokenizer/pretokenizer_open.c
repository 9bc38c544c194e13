/* Reading pre-tokenizers. */
#include <string.h>

#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/pretokenizer.h"

static struct pretokenizer_step *step_add(struct pretokenizer *p, const char *where,
                                          struct fault *f)
{
    if (p->n == PRETOKENIZER_STEPS) {
        fault_set(f, ST_UNSUPPORTED, "%s: more than %d pre-tokenizers are not supported", where,
                  PRETOKENIZER_STEPS);
        return NULL;
    }
    p->steps[p->n] = (struct pretokenizer_step){.behavior = SPLIT_ISOLATED};
    return &p->steps[p->n++];
}

/* A flag that the library insists on, or that has a default. */
static enum status flag_read(bool *out, const struct json *v, const char *key, bool needed,
                             const char *where, struct fault *f)
{
    const struct json *b = json_get(v, key);
    if (b ? json_kind(b) != JSON_BOOL : needed)
        return fault_set(f, ST_FORMAT, "%s: the pre-tokenizer %s needs %s, true or false", where,
                         json_string(json_get(v, "type")), key);
    *out = json_bool(b, *out);
    return ST_OK;
}

static enum status regex_set(struct pretokenizer_step *step, const char *regex, const char *where,
                             struct fault *f)
{
    step->scan = scan_for(regex);
    step->match = step->scan ? MATCH_SCAN : MATCH_REGEX;
    return step->scan ? ST_OK : splitregex_open(&step->regex, regex, where, f);
}

static enum status behavior_read(struct pretokenizer_step *step, const char *behavior,
                                 const char *where, struct fault *f)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    size_t i = 0;
    while (i < 5 && !(behavior && strcmp(behavior, names[i]) == 0))
        i++;
    if (i == 5)
        return fault_set(f, ST_UNSUPPORTED,
                         "%s: the behavior \"%.40s\" of a split is not supported", where,
                         behavior ? behavior : "");
    step->splits = true;
    step->behavior = (enum pretokenizer_behavior)i;
    return ST_OK;
}

static enum status split_read(struct pretokenizer_step *step, const struct json *v,
                              const char *where, struct fault *f)
{
    const char *string, *regex;
    if (normalizer_pattern(&string, &regex, v, "the pre-tokenizer Split", where, f) != ST_OK ||
        flag_read(&step->invert, v, "invert", true, where, f) != ST_OK ||
        behavior_read(step, json_string(json_get(v, "behavior")), where, f) != ST_OK)
        return f->code;
    if (regex)
        return regex_set(step, regex, where, f);
    step->match = MATCH_LITERAL;
    return text_adds(&step->literal, string, f);
}

static enum status digits_read(struct pretokenizer_step *step, const struct json *v,
                               const char *where, struct fault *f)
{
    bool individual = false;
    if (flag_read(&individual, v, "individual_digits", true, where, f) != ST_OK)
        return f->code;
    step->splits = true;
    step->match = MATCH_NUMERIC;
    step->behavior = individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    return ST_OK;
}

/* Old files say add_prefix_space for prepend_scheme; where both stand they must agree. */
static enum status metaspace_read(struct pretokenizer_step *step, const struct json *v,
                                  const char *where, struct fault *f)
{
    static const char *const names[] = {"never", "first", "always"};
    const char *mark = json_string(json_get(v, "replacement"));
    const char *scheme = "always";
    bool prefix = true;
    size_t one = 0, i = 0;
    if (mark && *mark)
        utf8_next(mark, strlen(mark), &one);
    if (!one || one != strlen(mark))
        return fault_set(f, ST_FORMAT, "%s: the replacement of Metaspace is not one character",
                         where);
    step->splits = true;
    if (json_opt_string(&scheme, v, "prepend_scheme", where, f) != ST_OK ||
        flag_read(&prefix, v, "add_prefix_space", false, where, f) != ST_OK ||
        flag_read(&step->splits, v, "split", false, where, f) != ST_OK)
        return f->code;
    while (i < 3 && strcmp(scheme, names[i]) != 0)
        i++;
    if (i == 3)
        return fault_set(f, ST_UNSUPPORTED, "%s: the prepend_scheme \"%.40s\" is not supported",
                         where, scheme);
    if (!prefix && i != PREPEND_NEVER)
        return fault_set(f, ST_FORMAT,
                         "%s: add_prefix_space and prepend_scheme of Metaspace contradict", where);
    step->metaspace = true;
    step->prepend = (enum pretokenizer_prepend)i;
    step->match = MATCH_LITERAL;
    step->behavior = SPLIT_MERGED_WITH_NEXT;
    if (text_adds(&step->literal, mark, f) != ST_OK)
        return f->code;
    return text_adds(&step->prefix, mark, f);
}

static enum status byte_level_set(struct pretokenizer_step *step, bool prefix_space, bool regex,
                                  struct fault *f)
{
    step->splits = regex;
    step->match = MATCH_SCAN;
    step->scan = scan_gpt2;
    step->prepend = prefix_space ? PREPEND_ALWAYS : PREPEND_NEVER;
    return prefix_space ? text_adds(&step->prefix, " ", f) : ST_OK;
}

static enum status byte_level_read(struct pretokenizer_step *step, const struct json *v,
                                   const char *where, struct fault *f)
{
    bool prefix = true, regex = true;
    if (flag_read(&prefix, v, "add_prefix_space", true, where, f) != ST_OK ||
        flag_read(&regex, v, "use_regex", false, where, f) != ST_OK)
        return f->code;
    return byte_level_set(step, prefix, regex, f);
}

static enum status delimiter_read(struct pretokenizer_step *step, const struct json *v,
                                  const char *where, struct fault *f)
{
    const char *s = json_string(json_get(v, "delimiter"));
    size_t one = 0;
    if (s && *s)
        utf8_next(s, strlen(s), &one);
    if (!one || one != strlen(s))
        return fault_set(f, ST_FORMAT,
                         "%s: the delimiter of CharDelimiterSplit is not one "
                         "character",
                         where);
    step->splits = true;
    step->match = MATCH_LITERAL;
    step->behavior = SPLIT_REMOVED;
    return text_adds(&step->literal, s, f);
}

static enum status punctuation_read(struct pretokenizer_step *step, const struct json *v,
                                    const char *where, struct fault *f)
{
    const struct json *behavior = json_get(v, "behavior");
    step->match = MATCH_MARK;
    return behavior_read(step, behavior ? json_string(behavior) : "Isolated", where, f);
}

/* The first part after a ByteLevel sees the alphabet, and so do those behind it and the model. */
static enum status alphabet_add(struct pretokenizer *p, const char *where, struct fault *f)
{
    struct pretokenizer_step *step = p->byte_level ? step_add(p, where, f) : NULL;
    if (!p->byte_level)
        return ST_OK;
    if (!step)
        return f->code;
    step->alphabet = true;
    p->byte_level = false;
    return ST_OK;
}

static enum status step_read(struct pretokenizer *p, const struct json *v, const char *type,
                             const char *where, struct fault *f)
{
    if (alphabet_add(p, where, f) != ST_OK)
        return f->code;
    struct pretokenizer_step *step = step_add(p, where, f);
    if (!step)
        return f->code;
    if (strcmp(type, "Punctuation") == 0)
        return punctuation_read(step, v, where, f);
    if (strcmp(type, "Split") == 0)
        return split_read(step, v, where, f);
    if (strcmp(type, "Digits") == 0)
        return digits_read(step, v, where, f);
    if (strcmp(type, "Metaspace") == 0)
        return metaspace_read(step, v, where, f);
    if (strcmp(type, "CharDelimiterSplit") == 0)
        return delimiter_read(step, v, where, f);
    if (strcmp(type, "ByteLevel") == 0) {
        p->byte_level = true;
        return byte_level_read(step, v, where, f);
    }
    if (strcmp(type, "WhitespaceSplit") == 0) {
        step->splits = true;
        step->match = MATCH_SPACE;
        step->behavior = SPLIT_REMOVED;
        return ST_OK;
    }
    return fault_set(f, ST_UNSUPPORTED, "%s: the pre-tokenizer \"%.60s\" is not supported", where,
                     type);
}

static enum status any_read(struct pretokenizer *p, const struct json *v, const char *where,
                            struct fault *f)
{
    const char *type = json_string(json_get(v, "type"));
    if (json_kind(v) == JSON_NULL)
        return ST_OK;
    if (!type)
        return fault_set(f, ST_FORMAT, "%s: a pre-tokenizer has no type", where);
    if (strcmp(type, "Sequence") != 0)
        return step_read(p, v, type, where, f);
    const struct json *list = json_get(v, "pretokenizers");
    if (json_kind(list) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: a pre-tokenizer Sequence has no pretokenizers", where);
    for (const struct json *m = json_first(list); m; m = json_next(m))
        if (any_read(p, m, where, f) != ST_OK)
            return f->code;
    return ST_OK;
}

/* Where the text's first character has become several before a Metaspace "first" sees it cut, each
 * of them would be the first. */
static enum status first_check(const struct pretokenizer *p, bool rewritten, const char *where,
                               struct fault *f)
{
    bool cut = false;
    for (size_t i = 0; i < p->n; i++) {
        const struct pretokenizer_step *step = &p->steps[i];
        if (step->metaspace && step->prepend == PREPEND_FIRST && cut && rewritten)
            return fault_set(
                f, ST_UNSUPPORTED,
                "%s: the prepend_scheme \"first\" behind a normalizer or ByteLevel and "
                "a split is not supported",
                where);
        cut = cut || step->splits;
        rewritten = rewritten || step->alphabet || step->prepend != PREPEND_NEVER;
    }
    return ST_OK;
}

enum status pretokenizer_open(struct pretokenizer *p, const struct json *v, bool rewritten,
                              const char *where, struct fault *f)
{
    *p = (struct pretokenizer){0};
    enum status st = any_read(p, v, where, f);
    if (st == ST_OK)
        st = first_check(p, rewritten, where, f);
    if (st != ST_OK)
        pretokenizer_close(p);
    return st;
}

enum status pretokenizer_open_byte_level(struct pretokenizer *p, const char *regex,
                                         bool prefix_space, struct fault *f)
{
    enum status st = ST_OK;
    *p = (struct pretokenizer){.byte_level = true};
    if (regex) {
        struct pretokenizer_step *step = step_add(p, "vocab.json", f);
        step->splits = true;
        st = regex_set(step, regex, "vocab.json", f);
    }
    if (st == ST_OK)
        st = byte_level_set(step_add(p, "vocab.json", f), prefix_space, !regex, f);
    if (st != ST_OK)
        pretokenizer_close(p);
    return st;
}

void pretokenizer_close(struct pretokenizer *p)
{
    for (size_t i = 0; i < p->n; i++) {
        splitregex_close(&p->steps[i].regex);
        text_free(&p->steps[i].literal);
        text_free(&p->steps[i].prefix);
    }
    *p = (struct pretokenizer){0};
}
