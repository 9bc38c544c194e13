/* How long a training would take here: some steps of it are timed on the device that it would use,
 * with the base's own weights, and the rest is reckoned by how much there is to compute
 * (model/effort.h). Of a base of many gigabytes the first layers alone are loaded.
 *
 *     struct forecast c = {0};
 *     forecast_make(&c, &plan, &session, train, valid);
 *     … c.seconds …                                   // 0: not known, c.why says why */
#ifndef APP_FORECAST_H
#define APP_FORECAST_H

#include "app/session.h"
#include "data/dataset.h"

/* What would be trained. */
struct forecast_plan {
    const struct common *common;
    struct sampler_options sampler;
    struct adapter_spec adapters;
    bool grad_checkpoint;
    double passes; /* over the data */
    int64_t steps;
    int64_t steps_per_eval;
};

struct forecast {
    double seconds; /* of training and evaluating; 0: not known */
    double tokens_per_second;
    double spent;             /* seconds that the timing took, loading included */
    int64_t tokens;           /* what was timed ... */
    int layers, layers_timed; /* ... in so many of all layers */
    char device[128];         /* where */
    char why[400];            /* what kept it from being known */
};

/* Seconds, from how many tokens there are each second. */
void forecast_given(struct forecast *out, double tokens_per_second, double tokens);

/* Opens the device, adapters and model of a session that has only its base; the session closes them.
 * What cannot be timed (a device that is not there, a model that does not fit) is told in why: that
 * is no fault. */
void forecast_make(struct forecast *out, const struct forecast_plan *plan, struct session *s,
                   const struct dataset *train, const struct dataset *valid);

#endif
