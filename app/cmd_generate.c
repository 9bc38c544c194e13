#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/session.h"
#include "app/signals.h"
#include "app/talk.h"
#include "model/generate.h"

/* Prints what is new, or with --json counts it, holding back a character whose bytes are not all
 * there yet. */
static enum status show(struct talk *t, bool last, struct fault *f)
{
    static const char cut[] = "\xEF\xBF\xBD";
    size_t n = t->text.n;
    if (!last && n >= 3 && memcmp(t->text.p + n - 3, cut, 3) == 0)
        return ST_OK;
    /* A byte that fits none before it makes U+FFFD of them all, printed ones too: on at a character. */
    while (t->shown < n && ((unsigned char)t->text.p[t->shown] & 0xC0) == 0x80)
        t->shown++;
    if (n > t->shown && !t->common.json)
        fwrite(t->text.p + t->shown, 1, n - t->shown, stdout);
    t->shown = n > t->shown ? n : t->shown;
    return t->common.json ? ST_OK : console_flush(f);
}

/* Empties it; it is a string from now on. */
static enum status text_begin(struct text *t, struct fault *f)
{
    t->n = 0;
    return text_add(t, "", 0, f);
}

static enum status on_token(void *ctx, int32_t id, struct fault *f)
{
    struct talk *t = ctx;
    enum status s = ids_add(&t->ids, id, f);
    if (s == ST_OK)
        s = text_begin(&t->text, f);
    if (s == ST_OK)
        s = tokenizer_decode(t->session.tokenizer, &t->text, t->ids.p, t->ids.n, true, f);
    if (s == ST_OK)
        s = show(t, false, f);
    if (s == ST_OK && signals_stop())
        s = fault_set(f, ST_INTERRUPTED, "interrupted");
    return s;
}

enum status talk_open(struct talk *t, int keys, int rows, struct fault *f)
{
    struct model_shape shape = {.rows_max = rows, .keys_max = keys};
    return session_model(&t->session, &shape, f);
}

enum status talk_answer(struct talk *t, const struct ids *prompt, int max_tokens, struct fault *f)
{
    const struct model_config *c = &t->session.config;
    struct generate_options o = {.max_tokens = max_tokens,
                                 .temperature = t->temperature,
                                 .top_p = t->top_p,
                                 .top_k = (int)t->top_k,
                                 .seed = (uint64_t)t->seed,
                                 .stop = c->eos,
                                 .stop_count = c->eos_count};
    struct generate_result r;
    double began = console_now();
    t->ids.n = t->shown = 0;
    t->prompt_tokens = prompt->n;
    enum status s = text_begin(&t->text, f);
    if (s != ST_OK)
        return s;
    signals_defer(true);
    s = generate(t->session.model, prompt->p, (int)prompt->n, &o, on_token, t, &r, f);
    t->seconds = console_now() - began;
    signals_defer(false);
    if (s == ST_OK)
        s = show(t, true, f);
    return s;
}

/* ---- prompts --------------------------------------------------------------------------------- */

static enum status check_ids(const struct talk *t, const struct ids *ids, struct fault *f)
{
    for (size_t i = 0; i < ids->n; i++)
        if (ids->p[i] >= t->session.config.vocab) {
            fault_set(f, ST_FORMAT, "the prompt becomes token %d, and the model has only %d",
                      ids->p[i], t->session.config.vocab);
            return fault_remedy(f, "the tokenizer does not belong to these weights: import again");
        }
    return ST_OK;
}

static enum status check_length(const struct talk *t, const struct ids *ids, struct fault *f)
{
    if (ids->n < (size_t)t->session.config.max_positions)
        return ST_OK;
    fault_set(f, ST_RANGE, "the prompt has %zu tokens, and the model takes %d", ids->n,
              t->session.config.max_positions);
    return fault_remedy(f, "use a shorter prompt");
}

/* An empty prompt is BOS alone. */
static enum status plain_prompt(const struct talk *t, struct ids *ids, struct fault *f)
{
    const struct tokenizer *tok = t->session.tokenizer;
    enum status s =
        tokenizer_encode(tok, ids, t->prompt, strlen(t->prompt), TOKENIZER_ADD_SPECIAL, f);
    if (s != ST_OK || ids->n > 0)
        return s;
    int bos = tokenizer_bos(tok) >= 0 ? tokenizer_bos(tok) : t->session.config.bos;
    if (bos < 0) {
        fault_set(f, ST_RANGE, "the prompt is empty, and the model has no BOS token to begin with");
        return fault_remedy(f, "give --prompt some text");
    }
    return ids_add(ids, bos, f);
}

enum status talk_prompt(const struct talk *t, struct ids *ids, const struct json *messages,
                        struct fault *f)
{
    struct chat_options o = {.add_generation_prompt = true, .now = time(NULL)};
    struct text out = {0};
    enum status s = chat_render(t->session.chat, messages, NULL, &o, &out, NULL, f);
    if (s == ST_OK)
        s = tokenizer_encode(t->session.tokenizer, ids, out.p ? out.p : "", out.n, 0, f);
    if (s == ST_OK)
        s = check_ids(t, ids, f);
    text_free(&out);
    return s;
}

static int room(const struct talk *t, size_t prompt)
{
    int64_t left = t->session.config.max_positions - (int64_t)prompt;
    return (int)(t->max_tokens < left ? t->max_tokens : left);
}

/* ---- one answer ------------------------------------------------------------------------------ */

enum status talk_tell(const struct talk *t, struct fault *f)
{
    double rate = t->seconds > 0 ? (double)t->ids.n / t->seconds : 0;
    if (!t->common.json) {
        fputc('\n', stdout);
        console_note("%zu tokens, %.1f tokens/s", t->ids.n, rate);
        return console_flush(f);
    }
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_string(o, "text", t->text.p);
    struct json *ids = json_add_array(o, "ids");
    for (size_t i = 0; i < t->ids.n; i++)
        json_add_int(ids, NULL, t->ids.p[i]);
    json_add_int(o, "prompt_tokens", (int64_t)t->prompt_tokens);
    json_add_number(o, "tokens_per_second", rate);
    return console_json(doc, f);
}

static enum status single(struct talk *t, struct fault *f)
{
    struct ids ids = {0};
    enum status s = ST_OK;
    if (t->chat) {
        struct json_doc *doc = json_new_array();
        if (!doc)
            return fault_nomem(f, "a conversation", 0);
        chat_add(doc, "user", t->prompt);
        s = talk_prompt(t, &ids, json_root(doc), f);
        json_close(&doc);
    } else {
        s = plain_prompt(t, &ids, f);
        if (s == ST_OK)
            s = check_ids(t, &ids, f);
    }
    if (s == ST_OK)
        s = check_length(t, &ids, f);
    if (s == ST_OK) {
        int n = room(t, ids.n);
        s = talk_open(t, (int)ids.n + n, (int)ids.n, f);
        if (s == ST_OK)
            s = talk_answer(t, &ids, n, f);
    }
    if (s == ST_OK)
        s = talk_tell(t, f);
    ids_free(&ids);
    return s;
}

static enum status run(struct talk *t, struct fault *f)
{
    enum status s = session_base(&t->session, t->base, f);
    if (s == ST_OK && t->chat)
        s = session_need_chat(&t->session, t->base, f);
    if (s == ST_OK)
        s = session_adapter(&t->session, t->adapter, f);
    if (s == ST_OK)
        s = session_device(&t->session, &t->common, f);
    if (s != ST_OK)
        return s;
    return t->prompt ? single(t, f) : talk_converse(t, f);
}

static const struct option options[] = {
    {.name = "prompt",
     .kind = OPT_STRING,
     .at = offsetof(struct talk, prompt),
     .arg = "TEXT",
     .help = "what to go on from; empty: from the beginning"},
    {.name = "chat",
     .kind = OPT_BOOL,
     .at = offsetof(struct talk, chat),
     .help = "the prompt as a user's turn; without --prompt, a conversation"},
    ADAPTER_OPTION(struct talk, adapter),
    {.name = "max-tokens",
     .kind = OPT_INT,
     .at = offsetof(struct talk, max_tokens),
     .min = 1,
     .max = 1 << 22,
     .arg = "N",
     .help = "at most so many new tokens"},
    {.name = "temperature",
     .kind = OPT_REAL,
     .at = offsetof(struct talk, temperature),
     .min = 0,
     .max = 100,
     .arg = "T",
     .help = "0: always the likeliest token"},
    {.name = "top-p",
     .kind = OPT_REAL,
     .at = offsetof(struct talk, top_p),
     .min = 0,
     .max = 1,
     .arg = "P",
     .help = "draw from the likeliest tokens that make up P"},
    {.name = "top-k",
     .kind = OPT_INT,
     .at = offsetof(struct talk, top_k),
     .min = 0,
     .max = 1 << 22,
     .arg = "K",
     .help = "draw from the K likeliest tokens; 0: all"},
    {.name = "seed",
     .kind = OPT_INT,
     .at = offsetof(struct talk, seed),
     .min = 0,
     .max = 1e15,
     .arg = "N",
     .help = "equal seeds give equal text"},
    COMMON_OPTIONS(struct talk),
};

int cmd_generate(int argc, char **argv)
{
    struct fault f = {0};
    struct talk t = {
        .common = COMMON_DEFAULTS, .max_tokens = 256, .temperature = 0.7, .top_p = 0.9};
    struct command_line c = {
        .usage = "wick generate BASE.h5 (--prompt TEXT | --chat) [--adapter DIR] [options]",
        .about = "Writes text from a prompt, or holds a conversation.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &t,
        .positional = {{"BASE.h5", &t.base, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    if (s == ST_OK && !t.prompt && !t.chat) {
        fault_set(&f, ST_USAGE, "--prompt or --chat is missing");
        s = fault_remedy(&f, "usage: %s", c.usage);
    }
    console_quiet(t.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    s = run(&t, &f);
    ids_free(&t.ids);
    text_free(&t.text);
    session_close(&t.session);
    if (s != ST_OK)
        console_fail(&f);
    return s == ST_OK ? 0 : s == ST_INTERRUPTED ? 130 : 1;
}
