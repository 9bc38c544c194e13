#include "app/proof.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "data/dataset.h"
#include "data/file.h"

enum { PROBE_ROWS = 64 };

enum status proof_choose(struct proof *p, const struct session *s, const char *data,
                         struct fault *f)
{
    const struct model_config *c = &s->config;
    enum status st = ST_OK;
    int n = c->max_positions < PROBE_ROWS ? c->max_positions : PROBE_ROWS;
    if (!data) {
        for (int64_t i = 0; st == ST_OK && i < n; i++)
            st = ids_add(&p->probe, (int32_t)((i * 2654435761 + 17) % c->vocab), f);
        return st;
    }
    struct dataset *d = NULL;
    struct dataset_options o = {.tokenizer = s->tokenizer,
                                .chat = s->chat,
                                .seq_max = c->max_positions < 2048 ? c->max_positions : 2048,
                                .vocab = c->vocab,
                                .now = time(NULL)};
    st = dataset_open(&d, data, &o, f);
    if (st == ST_OK) {
        struct row r = dataset_row(d, 0);
        st = dataset_check(d, f);
        if (st == ST_OK)
            st = ids_adds(&p->probe, r.ids, (size_t)r.n, f);
    }
    dataset_close(&d);
    return st;
}

enum status proof_open(struct proof *p, const char *output, struct fault *f)
{
    p->output = output;
    return file_kind(output) == FILE_FOLDER ? safetensors_open(&p->files, output, f)
                                            : base_open(&p->base, output, f);
}

static enum status probe_logits(struct model *model, const struct ids *ids, float *logits,
                                struct fault *f)
{
    size_t n = ids->n;
    int32_t *rows = malloc(2 * n * sizeof *rows);
    if (!rows)
        return fault_nomem(f, "the proof", 2 * n * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        rows[i] = (int32_t)i;
        rows[n + i] = 0;
    }
    struct batch b = {.rows = (int)n, .ids = ids->p, .pos = rows, .start = rows + n};
    enum status s = model_logits(model, &b, rows, (int)n, logits, f);
    free(rows);
    return s;
}

static enum status open_merged(struct model **out, const struct proof *p, const struct session *s,
                               const struct model_shape *shape, struct fault *f)
{
    const struct model_config *c = &s->config;
    return p->base ? model_open(out, s->k, p->base, c, NULL, shape, NULL, f)
                   : model_open_files(out, s->k, p->files, p->output, c, NULL, shape, f);
}

static enum status compare(struct proof *p, const float *want, const float *got, size_t count,
                           struct fault *f)
{
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)want[i] - (double)got[i]);
        if (!isfinite(d)) {
            fault_set(f, ST_NUMERIC, "logits of %s are not finite",
                      isfinite(want[i]) ? "what was written" : "base and adapter");
            return fault_remedy(f, "import the base again from a checkpoint whose values are "
                                   "finite, or use another adapter");
        }
        p->max_logit_diff = d > p->max_logit_diff ? d : p->max_logit_diff;
    }
    return ST_OK;
}

enum status proof_run(struct proof *p, struct session *s, struct fault *f)
{
    size_t n = p->probe.n, count = n * (size_t)s->config.vocab;
    struct model_shape shape = {.rows_max = (int)n};
    struct model *merged = NULL;
    float *logits = malloc(2 * count * sizeof *logits);
    enum status st = logits ? ST_OK : fault_nomem(f, "the proof", 2 * count * sizeof *logits);
    if (st == ST_OK)
        st = session_model(s, &shape, f);
    if (st == ST_OK)
        st = probe_logits(s->model, &p->probe, logits, f);
    model_close(&s->model);
    if (st == ST_OK)
        st = open_merged(&merged, p, s, &shape, f);
    if (st == ST_OK)
        st = probe_logits(merged, &p->probe, logits + count, f);
    if (st == ST_OK)
        st = compare(p, logits, logits + count, count, f);
    model_close(&merged);
    free(logits);
    return st;
}

void proof_close(struct proof *p)
{
    safetensors_close(&p->files);
    base_close(&p->base);
    ids_free(&p->probe);
}
