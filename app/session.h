/* What most commands open: a base with its configuration, tokenizer and template, a device, a model.
 *
 *     struct session s = {0};
 *     if (session_base(&s, path, f) != ST_OK || session_device(&s, &common, f) != ST_OK
 *         || session_adapter(&s, dir, f) != ST_OK || session_model(&s, &shape, f) != ST_OK)
 *         …
 *     session_close(&s);                           // takes a half-open one
 *
 * The base is opened before the device: reading it forks, and a device has threads. */
#ifndef APP_SESSION_H
#define APP_SESSION_H

#include "app/args.h"
#include "data/base.h"
#include "data/chat.h"
#include "data/tokenizer.h"
#include "model/model.h"

struct common {
    const char *device, *precision;
    int64_t threads;
    bool json, quiet;
};

/* The rows of an option table that every command has. */
#define COMMON_DEFAULTS                       \
    {                                         \
        .device = "auto", .precision = "auto" \
    }
#define COMMON_OPTIONS(c)                                                                 \
    {.name = "device",                                                                    \
     .kind = OPT_STRING,                                                                  \
     .to = &(c).device,                                                                   \
     .arg = "auto|cpu|opencl[:N]",                                                        \
     .help = "where to compute"},                                                         \
        {.name = "precision",                                                             \
         .kind = OPT_CHOICE,                                                              \
         .to = &(c).precision,                                                            \
         .choices = "auto|f32|bf16",                                                      \
         .help = "of activations"},                                                       \
        {.name = "threads",                                                               \
         .kind = OPT_INT,                                                                 \
         .to = &(c).threads,                                                              \
         .min = 1,                                                                        \
         .max = 1024,                                                                     \
         .arg = "N",                                                                      \
         .help = "CPU threads (all cores)"},                                              \
        {.name = "json",                                                                  \
         .kind = OPT_BOOL,                                                                \
         .to = &(c).json,                                                                 \
         .help = "one JSON value on standard output"},                                    \
    {                                                                                     \
        .name = "quiet", .kind = OPT_BOOL, .to = &(c).quiet, .help = "nothing but errors" \
    }

struct session {
    struct base *base;
    struct model_config config;
    struct tokenizer *tokenizer;
    struct chat *chat; /* NULL: the model has no template */
    kern *k;
    struct adapters *adapters; /* NULL: the base alone */
    struct model *model;
};

enum status session_base(struct session *s, const char *path, struct fault *f);
enum status session_device(struct session *s, const struct common *c, struct fault *f);
enum status session_adapter(struct session *s, const char *dir, struct fault *f); /* NULL: none */
/* Loads the weights with a progress bar. */
enum status session_model(struct session *s, const struct model_shape *shape, struct fault *f);
void session_close(struct session *s);

/* The chat template, if there is one that can be read: else a warning and NULL, because all but
 * chat works without it. */
enum status session_template(struct chat **out, const struct blobs *files, struct fault *f);

/* Opens only a device, for commands without a base. */
enum status device_open(kern **k, const struct common *c, struct fault *f);

#endif
