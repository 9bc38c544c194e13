#include "app/findings.h"

#include <stdio.h>
#include <string.h>

#include "app/console.h"
#include "model/family.h"

/* The embedding matrix under any of the names that files give it; NULL if it is of a type that
 * cannot be looked at. */
static const struct tensor *find_embedding(const struct session *s)
{
    const struct family *fam = family_find(s->config.family);
    char name[FAMILY_NAME_MAX], other[FAMILY_NAME_MAX];
    snprintf(name, sizeof name, "%s.weight", fam ? fam->embed : "");
    const struct tensor *t = base_find(s->base, name);
    for (int i = 0; fam && !t && family_alias(other, fam, name, i); i++)
        t = base_find(s->base, other);
    if (!t || t->ndim != 2 || t->shape[0] < s->config.vocab || t->shape[1] != s->config.hidden)
        return NULL;
    return t->dtype == DT_F32 || t->dtype == DT_F16 || t->dtype == DT_BF16 ? t : NULL;
}

enum status findings_new(struct audit **out, const struct session *s, struct fault *f)
{
    const struct tensor *t = find_embedding(s);
    const struct audit_options o = {.tokenizer = s->tokenizer,
                                    .chat = s->chat != NULL,
                                    .eos = s->config.eos,
                                    .eos_count = s->config.eos_count,
                                    .embed = t ? base_data(s->base, t) : NULL,
                                    .embed_dtype = t ? t->dtype : DT_F32,
                                    .vocab = s->config.vocab,
                                    .hidden = s->config.hidden};
    return audit_new(out, &o, f);
}

const char *findings_places(char *to, size_t size, const struct audit_finding *g)
{
    enum { SHOWN = 6 };
    size_t n = 0;
    bool told = g->places > 0 && strstr(g->text, g->place[0].path); /* the text has the first */
    to[0] = '\0';
    if (told && g->places == 1)
        return to;
    for (size_t i = 0; i < g->places && i < SHOWN && n < size; i++) {
        bool named = i == 0 || strcmp(g->place[i].path, g->place[i - 1].path) != 0;
        named = named && !(told && i == 0);
        n += (size_t)snprintf(to + n, size - n, "%s%s%s%d",
                              i > 0  ? ", "
                              : told ? "; lines "
                                     : ": ",
                              named ? g->place[i].path : "", named ? " line " : "",
                              g->place[i].line);
    }
    if (g->places > SHOWN && n < size)
        snprintf(to + n, size - n, ", …");
    return to;
}

void findings_tell(const struct audit *a)
{
    for (size_t i = 0; i < audit_findings(a); i++) {
        const struct audit_finding *g = audit_finding(a, i);
        char places[400];
        findings_places(places, sizeof places, g);
        if (g->severity == AUDIT_NOTE)
            console_note("%s", g->text);
        else
            console_warn("%s%s", g->text, places);
    }
}
