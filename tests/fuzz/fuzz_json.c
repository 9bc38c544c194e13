/* Anything that parses can be read, printed, and parsed again to the same text. */
#include <stdlib.h>
#include <string.h>

#include "data/json.h"
#include "tests/fuzz/fuzz.h"

static void json_touch(const struct json *v)
{
    int64_t i;
    struct fault f = {0};
    const char *s = json_string(v);
    if (s && !utf8_valid(s, strlen(s), NULL))
        abort();
    if (json_int(v, &i) && (double)i != json_number(v, 0.5))
        abort();
    json_need_int(&i, v, "a", 0, 10, "fuzz", &f);
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        if (json_key(m) && json_get(v, json_key(m)) != m)
            abort();
        json_touch(m);
    }
}

int fuzz_json(const uint8_t *bytes, size_t n)
{
    struct fault f = {0};
    struct json_doc *doc = NULL, *again = NULL;
    struct text t = {0}, u = {0};
    if (json_parse(&doc, (const char *)bytes, n, "fuzz", &f) != ST_OK)
        return 0;
    json_touch(json_root(doc));
    if (json_print(&t, doc, n % 2, &f) != ST_OK ||
        json_parse(&again, t.p, t.n, "printed", &f) != ST_OK ||
        json_print(&u, again, n % 2, &f) != ST_OK)
        abort();
    if (t.n != u.n || memcmp(t.p, u.p, t.n) != 0)
        abort();
    text_free(&t);
    text_free(&u);
    json_close(&doc);
    json_close(&again);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_json(bytes, n);
}
#endif
