#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/reading.h"
#include "app/session.h"
#include "app/signals.h"
#include "data/dataset.h"
#include "data/file.h"
#include "data/windows.h"

struct eval {
    struct common common;
    const char *base, *data, *adapter, *mode, *token_nll;
    int64_t ctx, stride, max_seq_length;
    bool mask_prompt;
    struct session session;
    struct file_out out;  /* --token-nll */
    struct dataset *rows; /* mode rows */
    struct sampler *sampler;
    struct ids stream; /* the other modes */
    struct windows windows;
    int bos; /* llamacpp: what replaces token 0 of a chunk; -1: nothing */
    double sum, squares;
    int64_t tokens;
};

/* Token rows of one batch: enough to keep a device busy. */
enum { EVAL_ROWS = 2048 };

/* ---- scoring a batch ------------------------------------------------------------------------- */

static enum status score(struct eval *e, const struct batch *b, float *nll, struct fault *f)
{
    struct text lines = {0};
    double sum;
    if (b->labelled == 0)
        return ST_OK;
    if (signals_stop())
        return fault_set(f, ST_INTERRUPTED, "interrupted: nothing was written");
    enum status s = model_forward(e->session.model, b, nll, &sum, f);
    for (int i = 0; s == ST_OK && i < b->labelled; i++) {
        if (!isfinite(nll[i])) {
            fault_set(f, ST_NUMERIC, "the loss of token %lld is not finite",
                      (long long)e->tokens + i);
            return fault_remedy(f, "check the base with wick inspect --verify, and the adapter");
        }
        e->sum += (double)nll[i];
        e->squares += (double)nll[i] * (double)nll[i];
        if (e->token_nll)
            s = text_addf(&lines, f, "%.9g\n", (double)nll[i]);
    }
    e->tokens += b->labelled;
    if (s == ST_OK && e->token_nll)
        s = file_out_write(&e->out, lines.p, lines.n, f);
    text_free(&lines);
    return s;
}

static enum status score_rows(struct eval *e, float *nll, struct progress *p, struct fault *f)
{
    struct window w = {0};
    uint64_t done = 0;
    enum status s;
    while ((s = sampler_next(e->sampler, &w, f)) == ST_OK && w.micros > 0) {
        s = score(e, &w.micro[0], nll, f);
        if (s != ST_OK)
            break;
        progress_at(p, done += (uint64_t)w.tokens, "");
    }
    window_free(&w);
    return s;
}

static void add_window(struct eval *e, struct batch *b, const struct span *s)
{
    int first = b->rows;
    for (size_t i = 0; i < s->n; i++) {
        int at = b->rows++;
        b->ids[at] = i == 0 && e->bos >= 0 ? e->bos : e->stream.p[s->at + i];
        b->pos[at] = (int32_t)i;
        b->start[at] = first;
        if (i >= s->first) {
            b->index[b->labelled] = at;
            b->labels[b->labelled++] = e->stream.p[s->at + i + 1];
        }
    }
    b->longest = (int)s->tokens > b->longest ? (int)s->tokens : b->longest;
    b->documents++;
}

static enum status score_stream(struct eval *e, int rows_max, float *nll, struct progress *p,
                                struct fault *f)
{
    size_t n = (size_t)rows_max;
    int32_t *space = malloc(5 * n * sizeof *space);
    enum status s = ST_OK;
    if (!space)
        return fault_nomem(f, "a batch", 5 * n * sizeof *space);
    struct batch b = {.ids = space,
                      .pos = space + n,
                      .start = space + 2 * n,
                      .index = space + 3 * n,
                      .labels = space + 4 * n};
    for (size_t i = 0; s == ST_OK && i < e->windows.count; i++) {
        struct span w = windows_at(&e->windows, i);
        add_window(e, &b, &w);
        size_t next = i + 1 < e->windows.count ? windows_at(&e->windows, i + 1).n : n;
        if ((size_t)b.rows + next <= n)
            continue;
        s = score(e, &b, nll, f);
        b.rows = b.labelled = b.longest = b.documents = 0;
        progress_at(p, i + 1, "");
    }
    free(space);
    return s;
}

/* ---- setting up ------------------------------------------------------------------------------ */

/* Documents of one length that go in a batch: one, where a rope goes by the longest of the
 * batch. */
static int64_t documents(const struct eval *e, int64_t longest)
{
    bool alone = model_config_minds_length(&e->session.config);
    return alone || longest > EVAL_ROWS ? 1 : EVAL_ROWS / longest;
}

static enum status open_rows(struct eval *e, int *rows_max, struct fault *f)
{
    struct session *s = &e->session;
    int64_t most = s->config.max_positions;
    int64_t seq = e->max_seq_length > 0 ? e->max_seq_length : e->ctx > 0 ? e->ctx : 2048;
    struct dataset_options o = {.tokenizer = s->tokenizer,
                                .chat = s->chat,
                                .seq_max = (int)(seq < most ? seq : most),
                                .vocab = s->config.vocab,
                                .mask_prompt = e->mask_prompt,
                                .now = time(NULL),
                                .temp_folder = getenv("TMPDIR")};
    e->ctx = o.seq_max;
    if (!dataset_is_rows(e->data)) {
        fault_set(f, ST_RANGE, "--mode rows needs a .jsonl file, and %s is not one", e->data);
        return fault_remedy(f, "use --mode blocks, stride or llamacpp for a text");
    }
    struct reading r;
    o.progress = reading_begin(&r);
    enum status st = dataset_open(&e->rows, e->data, &o, f);
    reading_end(&r);
    if (st != ST_OK)
        return st;
    struct dataset_stats stats = dataset_stats(e->rows);
    if (stats.cut_rows > 0)
        console_warn("%zu row%s longer than %d tokens and cut: %zu tokens are not scored",
                     stats.cut_rows, stats.cut_rows == 1 ? " is" : "s are", o.seq_max,
                     stats.cut_tokens);
    int64_t longest = (int64_t)stats.longest;
    struct sampler_options so = {
        .batch = (int)documents(e, longest), .accumulate = 1, .epochs = 1, .seq_max = o.seq_max};
    st = sampler_new(&e->sampler, e->rows, &so, f);
    if (st == ST_OK)
        *rows_max = sampler_rows_max(e->sampler);
    return st;
}

/* Names the file in a sentence about its text. */
static void of_data(const struct eval *e, struct fault *f)
{
    struct fault why = *f;
    fault_set(f, why.code, "%.150s: %.240s", e->data, why.text);
    fault_remedy(f, "%s", why.remedy);
}

static enum status open_stream(struct eval *e, int *rows_max, struct fault *f)
{
    static const char *const names[] = {"blocks", "stride", "llamacpp"};
    struct session *s = &e->session;
    int64_t most = s->config.max_positions;
    int mode = 0;
    while (strcmp(names[mode], e->mode) != 0)
        mode++;
    if (e->ctx == 0)
        e->ctx = mode == WINDOWS_LLAMACPP ? 512 : 2048;
    e->ctx = e->ctx < most ? e->ctx : most;
    if (e->stride == 0)
        e->stride = e->ctx / 2 > 0 ? e->ctx / 2 : 1;
    e->bos = mode == WINDOWS_LLAMACPP && tokenizer_adds_bos(s->tokenizer)
                 ? tokenizer_bos(s->tokenizer)
                 : -1;
    enum status st = dataset_tokens(&e->stream, e->data, s->tokenizer, f);
    for (size_t i = 0; st == ST_OK && i < e->stream.n; i++)
        if (e->stream.p[i] >= s->config.vocab) {
            fault_set(f, ST_FORMAT, "%s becomes token %d, and the model has only %d", e->data,
                      e->stream.p[i], s->config.vocab);
            st = fault_remedy(f, "the tokenizer does not belong to these weights: import again");
        }
    if (st == ST_OK)
        st = windows_plan(&e->windows, (enum windows_mode)mode, e->stream.n, (size_t)e->ctx,
                          (size_t)e->stride, f);
    if (st == ST_RANGE && e->stride <= e->ctx)
        of_data(e, f);
    if (st == ST_OK) {
        size_t longest = windows_at(&e->windows, 0).n;
        *rows_max = (int)(documents(e, (int64_t)longest) * (int64_t)longest);
        if (*rows_max > (int64_t)e->windows.count * (int64_t)longest)
            *rows_max = (int)(e->windows.count * longest);
    }
    return st;
}

static enum status run(struct eval *e, struct fault *f)
{
    int rows_max = 0;
    bool rows;
    enum status s = session_base(&e->session, e->base, f);
    if (s != ST_OK)
        return s;
    if (!e->mode)
        e->mode = dataset_is_rows(e->data) ? "rows" : "blocks";
    rows = strcmp(e->mode, "rows") == 0;
    s = rows ? open_rows(e, &rows_max, f) : open_stream(e, &rows_max, f);
    if (s == ST_OK)
        s = session_adapter(&e->session, e->adapter, f);
    if (s == ST_OK)
        s = session_device(&e->session, &e->common, f);
    if (s == ST_OK)
        s = session_model(&e->session, &(struct model_shape){.rows_max = rows_max}, f);
    if (s == ST_OK && e->token_nll)
        s = file_out_open(&e->out, e->token_nll, f);
    if (s != ST_OK)
        return s;
    float *nll = malloc((size_t)rows_max * sizeof *nll);
    if (!nll)
        return fault_nomem(f, "token losses", (size_t)rows_max * sizeof *nll);
    struct progress p;
    signals_defer(true);
    if (rows) {
        progress_begin(&p, "eval", 0, dataset_stats(e->rows).tokens, PROGRESS_TOKENS);
        s = score_rows(e, nll, &p, f);
    } else {
        progress_begin(&p, "eval", 0, e->windows.count, PROGRESS_STEPS);
        s = score_stream(e, rows_max, nll, &p, f);
    }
    progress_end(&p);
    free(nll);
    if (s == ST_OK && e->token_nll)
        s = file_out_commit(&e->out, f);
    return s;
}

static enum status tell(const struct eval *e, struct fault *f)
{
    double n = (double)e->tokens, mean = e->sum / n, ppl = exp(mean);
    double variance = e->squares / n - mean * mean;
    double error = n > 1 && variance > 0 ? sqrt(variance / (n - 1)) * ppl : 0;
    if (!e->common.json) {
        printf("perplexity %.4f ± %.4f (%lld tokens, mean loss %.5f, mode %s, context %lld)\n", ppl,
               error, (long long)e->tokens, mean, e->mode, (long long)e->ctx);
        return console_flush(f);
    }
    struct json_doc *doc = json_new_object();
    struct json *o = doc ? json_edit(doc) : NULL;
    if (!doc)
        return fault_nomem(f, "the result", 0);
    json_add_number(o, "nll", mean);
    json_add_number(o, "perplexity", ppl);
    json_add_number(o, "stderr", error);
    json_add_int(o, "tokens", e->tokens);
    json_add_string(o, "mode", e->mode);
    json_add_int(o, "ctx", e->ctx);
    if (e->rows) {
        json_add_int(o, "cut_rows", (int64_t)dataset_stats(e->rows).cut_rows);
        json_add_int(o, "cut_tokens", (int64_t)dataset_stats(e->rows).cut_tokens);
    }
    json_add_string(o, "device", kern_info(e->session.k)->id);
    return console_json(doc, f);
}

static const struct option options[] = {
    {.name = "data",
     .kind = OPT_STRING,
     .at = offsetof(struct eval, data),
     .arg = "FILE",
     .help = "a .jsonl or .txt file"},
    ADAPTER_OPTION(struct eval, adapter),
    {.name = "mode",
     .kind = OPT_CHOICE,
     .at = offsetof(struct eval, mode),
     .choices = "rows|blocks|stride|llamacpp",
     .help = "what is scored: each row's targets (.jsonl), or windows of one stream (text)"},
    {.name = "ctx",
     .kind = OPT_INT,
     .at = offsetof(struct eval, ctx),
     .min = 2,
     .max = 1 << 22,
     .arg = "N",
     .help = "tokens of a window (2048 or the model's; llamacpp 512)"},
    {.name = "stride",
     .kind = OPT_INT,
     .at = offsetof(struct eval, stride),
     .min = 1,
     .max = 1 << 22,
     .arg = "N",
     .help = "of --mode stride (half a window)"},
    {.name = "max-seq-length",
     .kind = OPT_INT,
     .at = offsetof(struct eval, max_seq_length),
     .min = 2,
     .max = 1 << 22,
     .arg = "T",
     .help = "of --mode rows: longer rows are cut"},
    {.name = "mask-prompt",
     .kind = OPT_BOOL,
     .at = offsetof(struct eval, mask_prompt),
     .help = "of --mode rows: score completions and assistant turns alone"},
    {.name = "token-nll",
     .kind = OPT_STRING,
     .at = offsetof(struct eval, token_nll),
     .arg = "FILE",
     .help = "write each scored token's loss, a line each"},
    COMMON_OPTIONS(struct eval),
};

int cmd_eval(int argc, char **argv)
{
    struct fault f = {0};
    struct eval e = {.common = COMMON_DEFAULTS, .bos = -1};
    struct command_line c = {
        .usage = "wick eval BASE.h5 --data FILE [--adapter DIR] [options]",
        .about =
            "Perplexity of a base, alone or with an adapter. --mode stride is the sliding window\n"
            "of transformers' documentation, llamacpp what llama-perplexity computes.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &e,
        .positional = {{"BASE.h5", &e.base, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    if (s == ST_OK && !e.data) {
        fault_set(&f, ST_USAGE, "--data is missing");
        s = fault_remedy(&f, "usage: %s", c.usage);
    }
    console_quiet(e.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    s = run(&e, &f);
    if (s == ST_OK)
        s = tell(&e, &f);
    file_out_abort(&e.out);
    sampler_free(&e.sampler);
    dataset_close(&e.rows);
    ids_free(&e.stream);
    session_close(&e.session);
    if (s != ST_OK)
        console_fail(&f);
    return s == ST_OK ? 0 : s == ST_INTERRUPTED ? 130 : 1;
}
