/* The data of a training run: found, opened, split, and looked over before the first step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/console.h"
#include "app/findings.h"
#include "app/reading.h"
#include "app/train.h"

/* "a.jsonl, b.jsonl" for messages. */
static enum status name_files(struct text *to, const struct dataset_list *l, struct fault *f)
{
    enum status s = ST_OK;
    for (size_t i = 0; s == ST_OK && i < l->n; i++)
        s = text_addf(to, f, "%s%s", i > 0 ? ", " : "", l->p[i].path);
    return s;
}

static enum status find_files(struct train *t, struct dataset_list *train,
                              struct dataset_list *valid, struct fault *f)
{
    enum status s = dataset_find(train, valid, t->set.data, t->set.data_weights, f);
    if (s == ST_OK)
        s = dataset_absolute(&t->data_absolute, t->set.data, f);
    if (s == ST_OK)
        s = name_files(&t->train_path, train, f);
    return s == ST_OK ? name_files(&t->valid_path, valid, f) : s;
}

static enum status open_valid(struct train *t, const struct dataset_list *valid,
                              const struct dataset_options *o, struct fault *f)
{
    if (valid->n > 0)
        return dataset_open_files(&t->valid, valid->p, valid->n, o, f);
    if (t->set.val_split > 0)
        return dataset_hold_out(&t->valid, t->data, t->set.val_split, (uint64_t)t->set.seed, f);
    return ST_OK;
}

static void tell_data(const struct train *t)
{
    struct dataset_stats d = dataset_stats(t->data);
    console_note("%s: %zu %s row%s, %zu tokens, %zu of them targets", t->train_path.p, d.rows,
                 dataset_kind(t->data), d.rows == 1 ? "" : "s", d.tokens, d.targets);
    if (dataset_parts(t->data) > 1)
        for (size_t i = 0; i < dataset_parts(t->data); i++) {
            struct dataset_part p = dataset_part(t->data, i);
            console_note("  %s: %zu %s rows, weight %g", p.path, p.rows, p.kind, p.weight);
        }
    if (t->valid_path.n > 0 && t->set.val_split > 0)
        console_note("%s validates: --val-split is not used", t->valid_path.p);
    if (t->valid && t->valid_path.n == 0)
        console_note("held out for validation: %zu rows", dataset_rows(t->valid));
}

/* What the reader refused is not here any more. The rest is told: of what else `wick audit` would
 * exit 1 for (ends that are never taught, tokens that were never trained) nobody but the user knows
 * whether it is meant. */
static enum status judge(const struct train *t, const struct audit *audit, struct fault *f)
{
    char names[200];
    size_t n = 0;
    findings_tell(audit);
    if (!audit_failed(audit))
        return ST_OK;
    if (t->set.strict) {
        fault_set(f, ST_FORMAT, "%s would train wrongly: %s", t->train_path.p,
                  audit_finding(audit, 0)->text);
        return fault_remedy(f, "%s", audit_finding(audit, 0)->remedy);
    }
    for (size_t i = 0; i < audit_findings(audit) && n < sizeof names; i++)
        if (audit_finding(audit, i)->severity == AUDIT_ERROR)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i > 0 ? ", " : "",
                                  audit_finding(audit, i)->name);
    console_note("an error to wick audit, and to train with --strict: %s", names);
    return ST_OK;
}

enum status train_data_open(struct train *t, struct fault *f)
{
    struct train_settings *set = &t->set;
    struct session *s = &t->session;
    struct dataset_list train = {0}, valid = {0};
    struct audit *audit = NULL;
    struct reading r;
    if (set->max_seq_length > s->config.max_positions)
        set->max_seq_length = s->config.max_positions;
    struct dataset_options o = {.tokenizer = s->tokenizer,
                                .chat = s->chat,
                                .seq_max = (int)set->max_seq_length,
                                .vocab = s->config.vocab,
                                .mask_prompt = set->mask_prompt,
                                .now = t->now,
                                .temp_folder = getenv("TMPDIR"),
                                .progress = reading_begin(&r)};
    enum status st = find_files(t, &train, &valid, f);
    if (st == ST_OK)
        st = findings_new(&audit, s, f);
    if (st == ST_OK) {
        o.watch = audit_watch(audit, false);
        st = dataset_open_files(&t->data, train.p, train.n, &o, f);
    }
    if (st == ST_OK)
        st = open_valid(t, &valid, &o, f);
    reading_end(&r);
    dataset_list_free(&train);
    dataset_list_free(&valid);
    if (st == ST_OK)
        st = audit_run(audit, t->data, t->valid, f);
    if (st == ST_OK) {
        tell_data(t);
        st = judge(t, audit, f);
    }
    audit_free(&audit);
    return st;
}

void train_data_close(struct train *t)
{
    dataset_close(&t->data);
    dataset_close(&t->valid);
    text_free(&t->train_path);
    text_free(&t->valid_path);
    text_free(&t->data_absolute);
}

enum status train_valid_sampler(struct sampler **out, const struct train *t, struct fault *f)
{
    struct sampler_options o = {.batch = (int)t->set.batch_size,
                                .accumulate = 1,
                                .packing = t->set.packing,
                                .epochs = 1,
                                .seq_max = (int)t->set.max_seq_length};
    return sampler_new(out, t->valid, &o, f);
}
