#include <stdlib.h>
#include <time.h>

#include "app/audit_look.h"
#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/reading.h"

/* ---- working it out -------------------------------------------------------------------------- */

static enum status open_data(struct look *l, struct fault *f)
{
    struct session *s = &l->session;
    struct dataset_list train = {0}, valid = {0};
    struct reading r;
    if (l->max_seq_length > s->config.max_positions)
        l->max_seq_length = s->config.max_positions;
    enum status st = findings_new(&l->audit, s, f);
    if (st != ST_OK)
        return st;
    struct dataset_options o = {.tokenizer = s->tokenizer,
                                .chat = s->chat,
                                .seq_max = (int)l->max_seq_length,
                                .vocab = s->config.vocab,
                                .mask_prompt = l->mask_prompt,
                                .now = time(NULL),
                                .temp_folder = getenv("TMPDIR"),
                                .watch = audit_watch(l->audit, true),
                                .progress = reading_begin(&r)};
    st = dataset_find(&train, &valid, l->data, l->weights, f);
    if (st == ST_OK)
        st = dataset_open_files(&l->train, train.p, train.n, &o, f);
    if (st == ST_OK && valid.n > 0)
        st = dataset_open_files(&l->valid, valid.p, valid.n, &o, f);
    else if (st == ST_OK && l->val_split > 0)
        st = dataset_hold_out(&l->valid, l->train, l->val_split, (uint64_t)l->seed, f);
    reading_end(&r);
    dataset_list_free(&train);
    dataset_list_free(&valid);
    return st;
}

static struct sampler_options sampling(const struct look *l, bool packing)
{
    return (struct sampler_options){.batch = (int)l->batch_size,
                                    .accumulate = (int)l->accumulate,
                                    .shuffle = l->shuffle,
                                    .packing = packing,
                                    .epochs = l->epochs,
                                    .seq_max = (int)l->max_seq_length,
                                    .seed = (uint64_t)l->seed};
}

/* What padding wastes, and of the plan itself how many windows there are. */
static enum status sample(struct look *l, bool packing, double *waste, int64_t *windows,
                          struct fault *f)
{
    struct sampler_options o = sampling(l, packing);
    struct sampler *s = NULL;
    enum status st = sampler_new(&s, l->train, &o, f);
    if (st == ST_OK) {
        *waste = sampler_waste(s);
        if (packing == l->packing)
            st = sampler_windows(windows, s, f);
    }
    sampler_free(&s);
    return st;
}

static enum status plan(struct look *l, struct fault *f)
{
    int64_t all = 0;
    if (dataset_rows(l->train) == 0)
        return ST_OK;
    enum status s = sample(l, false, &l->waste, &all, f);
    if (s == ST_OK)
        s = sample(l, true, &l->waste_packed, &all, f);
    if (s != ST_OK)
        return s;
    l->steps = l->iters > 0 ? l->iters : all;
    l->passes = (double)l->epochs * (double)l->steps / (double)all;
    l->pass_tokens = (int64_t)(dataset_pass_tokens(l->train) + 0.5);
    return ST_OK;
}

/* How long it would take, unless there is nothing to train. */
static void foretell(struct look *l)
{
    struct forecast_plan p = {
        .common = &l->common,
        .sampler = sampling(l, l->packing),
        .adapters = {.rank = (int)l->rank,
                     .alpha = 2.0 * (double)l->rank,
                     .target_modules = l->target_modules,
                     .num_layers = l->num_layers > 0 ? (int)l->num_layers : 0},
        .grad_checkpoint = l->grad_checkpoint,
        .passes = l->passes,
        .steps = l->steps,
        .steps_per_eval = l->steps_per_eval};
    if (l->rate > 0)
        forecast_given(&l->forecast, l->rate, l->passes * (double)l->pass_tokens);
    else if (l->steps > 0)
        forecast_make(&l->forecast, &p, &l->session, l->train, l->valid);
}

/* ---- the command ----------------------------------------------------------------------------- */

static enum status run(struct look *l, struct fault *f)
{
    enum status s = session_base(&l->session, l->base, f);
    if (s == ST_OK)
        s = open_data(l, f);
    if (s == ST_OK)
        s = audit_run(l->audit, l->train, l->valid, f);
    if (s == ST_OK)
        s = plan(l, f);
    if (s == ST_OK)
        foretell(l);
    if (s == ST_OK)
        s = l->common.json ? audit_look_json(l, f) : audit_look_show(l, f);
    if (s != ST_OK || !audit_failed(l->audit))
        return s;
    fault_set(f, ST_FORMAT, "%s would train wrongly", l->data);
    return fault_remedy(f, "see the errors above; warnings are for you to judge");
}

static void look_close(struct look *l)
{
    audit_free(&l->audit);
    dataset_close(&l->valid);
    dataset_close(&l->train);
    session_close(&l->session);
}

static const struct option options[] = {
    DATA_OPTION(struct look, data),
    DATA_WEIGHTS_OPTION(struct look, weights),
    VAL_SPLIT_OPTION(struct look, val_split),
    MASK_PROMPT_OPTION(struct look, mask_prompt),
    MAX_SEQ_LENGTH_OPTION(struct look, max_seq_length),
    BATCH_SIZE_OPTION(struct look, batch_size),
    ACCUMULATE_OPTION(struct look, accumulate),
    {.name = "epochs",
     .kind = OPT_INT,
     .at = offsetof(struct look, epochs),
     .min = 1,
     .max = 1e6,
     .arg = "N",
     .help = "passes over the data"},
    {.name = "iters",
     .kind = OPT_INT,
     .at = offsetof(struct look, iters),
     .min = 1,
     .max = 1e9,
     .arg = "N",
     .help = "optimizer steps, instead of --epochs"},
    PACKING_OPTION(struct look, packing),
    SHUFFLE_OPTION(struct look, shuffle),
    {.name = "seed",
     .kind = OPT_INT,
     .at = offsetof(struct look, seed),
     .min = 0,
     .max = 1e15,
     .arg = "N",
     .help = "of the order"},
    {.name = "tokens-per-second",
     .kind = OPT_REAL,
     .at = offsetof(struct look, rate),
     .min = 0,
     .max = 1e12,
     .arg = "R",
     .help = "the speed, instead of timing some steps here"},
    RANK_OPTION(struct look, rank),
    TARGET_MODULES_OPTION(struct look, target_modules),
    NUM_LAYERS_OPTION(struct look, num_layers),
    GRAD_CHECKPOINT_OPTION(struct look, grad_checkpoint),
    STEPS_PER_EVAL_OPTION(struct look, steps_per_eval),
    COMMON_OPTIONS(struct look),
};

int cmd_audit(int argc, char **argv)
{
    struct fault f = {0};
    struct look l = {.common = COMMON_DEFAULTS,
                     .max_seq_length = 2048,
                     .batch_size = 4,
                     .accumulate = 1,
                     .rank = 16,
                     .target_modules = "all-linear",
                     .steps_per_eval = 200,
                     .shuffle = true};
    struct command_line c = {
        .usage = "wick audit BASE.h5 --data DIR|FILE [--mask-prompt] [options]",
        .about =
            "Looks through training data as training would see it, and tells how long training\n"
            "would take here: some steps are timed, or of a large base some layers. Exits 1 if\n"
            "it would train wrongly; the rest are warnings. The flags are those of wick train.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &l,
        .positional = {{"BASE.h5", &l.base, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    if (s == ST_OK && !l.data) {
        fault_set(&f, ST_USAGE, "--data is missing");
        s = fault_remedy(&f, "usage: %s", c.usage);
    }
    if (s == ST_OK)
        s = options_check_length(l.iters, l.epochs, &f);
    console_quiet(l.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    if (l.epochs == 0)
        l.epochs = 1;
    s = run(&l, &f);
    int code = s == ST_OK ? 0 : console_fail(&f);
    look_close(&l);
    return code;
}
