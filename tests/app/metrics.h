/* metrics.jsonl of a run, read back. */
#ifndef TESTS_APP_METRICS_H
#define TESTS_APP_METRICS_H

#include "tests/app/program.h"

enum { METRICS_MAX = 512 };

struct metrics_step {
    int64_t step;
    double epoch, loss, lr, grad_norm, tokens, total_tokens;
};

struct metrics_eval {
    int64_t step;
    double loss, perplexity, tokens;
};

struct metrics {
    int steps, evals;
    struct metrics_step step[METRICS_MAX];
    struct metrics_eval eval[METRICS_MAX];
};

static inline double metrics_number(const struct json *o, const char *key)
{
    double v = json_number(json_get(o, key), NAN);
    if (isnan(v))
        program_fail("a line of metrics.jsonl has no", key);
    return v;
}

static inline void metrics_line(struct metrics *m, const struct json *o)
{
    int64_t step;
    assert_true(json_int(json_get(o, "step"), &step));
    assert_true(m->steps < METRICS_MAX && m->evals < METRICS_MAX);
    if (json_get(o, "eval_loss")) {
        assert_int_equal(json_count(o), 4);
        m->eval[m->evals++] = (struct metrics_eval){step, metrics_number(o, "eval_loss"),
                                                    metrics_number(o, "eval_perplexity"),
                                                    metrics_number(o, "eval_tokens")};
        return;
    }
    assert_true(metrics_number(o, "tokens_per_second") >= 0);
    assert_true(metrics_number(o, "peak_memory_bytes") > 1e6);
    m->step[m->steps++] = (struct metrics_step){
        step,
        metrics_number(o, "epoch"),
        metrics_number(o, "loss"),
        metrics_number(o, "lr"),
        metrics_number(o, "grad_norm"),
        metrics_number(o, "tokens"),
        metrics_number(o, "total_tokens"),
    };
}

/* Every line must be one JSON object with the names that design lists. */
static inline struct metrics *metrics_read(const char *run)
{
    static struct metrics m;
    size_t n;
    char name[256];
    snprintf(name, sizeof name, "%s/metrics.jsonl", run);
    char *text = (char *)scratch_read(name, &n);
    memset(&m, 0, sizeof m);
    assert_true(n == 0 || text[n - 1] == '\n');
    for (char *p = text; p < text + n;) {
        char *end = memchr(p, '\n', (size_t)(text + n - p));
        struct json_doc *doc = NULL;
        struct fault f = {0};
        assert_int_equal(json_parse(&doc, p, (size_t)(end - p), name, &f), 0);
        metrics_line(&m, json_root(doc));
        json_close(&doc);
        p = end + 1;
    }
    free(text);
    return &m;
}

/* The largest differences of two runs, step by step: of their losses, and of their gradient norms
 * as a share of b's. */
struct metrics_gap {
    double loss, norm;
};

static inline struct metrics_gap metrics_differ(const struct metrics *a, const struct metrics *b)
{
    struct metrics_gap worst = {0, 0};
    assert_int_equal(a->steps, b->steps);
    for (int i = 0; i < a->steps; i++) {
        double norm = fabs(a->step[i].grad_norm - b->step[i].grad_norm) / b->step[i].grad_norm;
        assert_int_equal(a->step[i].step, b->step[i].step);
        assert_true(a->step[i].tokens == b->step[i].tokens);
        worst.loss = fmax(worst.loss, fabs(a->step[i].loss - b->step[i].loss));
        worst.norm = fmax(worst.norm, norm);
    }
    return worst;
}

#endif
