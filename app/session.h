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

/* What they are without a flag. */
#define COMMON_DEFAULTS                       \
    {                                         \
        .device = "auto", .precision = "auto" \
    }

struct session {
    struct common common; /* of session_device */
    struct base *base;
    struct model_config config;
    struct tokenizer *tokenizer;
    struct chat *chat;    /* NULL: the model has no template, or one that cannot be read: */
    struct fault no_chat; /* why */
    kern *k;
    struct adapters *adapters; /* NULL: the base alone */
    struct model *model;
};

enum status session_base(struct session *s, const char *path, struct fault *f);
enum status session_device(struct session *s, const struct common *c, struct fault *f);
enum status session_adapter(struct session *s, const char *dir, struct fault *f); /* NULL: none */
/* Loads the weights with a progress bar. Where the device is "auto"'s choice and cannot take the model, the
 * CPU does, and a line says why. */
enum status session_model(struct session *s, const struct model_shape *shape, struct fault *f);
void session_close(struct session *s);

/* The chat template, if there is one that can be read: else NULL with the reason in *why, because
 * all but chat works without it; and a warning where there is one. */
enum status session_template(struct chat **out, struct fault *why, const struct blobs *files,
                             struct fault *f);
/* Refuses --chat, with the reason, where there is no template to be had. path: the base. */
enum status session_need_chat(const struct session *s, const char *path, struct fault *f);

/* Opens only a device, for commands without a base; at: with compiled programs kept in a folder of one's
 * own (NULL: none are kept). */
enum status device_open(kern **k, const struct common *c, struct fault *f);
enum status device_open_at(kern **k, const struct common *c, const char *folder, struct fault *f);

/* Where compiled device programs are kept; empty when there is no home. */
void device_folder(char *to, size_t size);

#endif
