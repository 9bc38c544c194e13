/* Post-processors: the special tokens before and after a text.
 *
 *     postprocessor_open(&p, json_get(root, "post_processor"), "tokenizer.json", f);
 *     ids_adds(out, p.before.p, p.before.n, f);  ... the text ...  p.after
 *     postprocessor_close(&p); */
#ifndef DATA_TOKENIZER_POSTPROCESSOR_H
#define DATA_TOKENIZER_POSTPROCESSOR_H

#include "data/json.h"
#include "data/text.h"
#include "kernels/status.h"

struct postprocessor {
    struct ids before, after;
    bool template_seen;
};

/* null, ByteLevel (which touches only offsets), TemplateProcessing and Sequences of them; the rest
 * is ST_UNSUPPORTED. */
enum status postprocessor_open(struct postprocessor *p, const struct json *v, const char *where,
                               struct fault *f);
void postprocessor_close(struct postprocessor *p);

#endif
