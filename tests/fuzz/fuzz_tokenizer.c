/* A tokenizer.json, a NUL, a text; or, after an 'f', vocab.json, merges.txt, tokenizer_config.json
 * and a text, or, after a 'b', tokenizer.json, what stands beside it, and a text; NULs between. What opens encodes any text, always the same way, to ids that it knows
 * and can decode, and that end one after another in the text. */
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer.h"
#include "tests/fuzz/fuzz.h"

/* Cuts the next part, up to a NUL, off the input. */
static const char *tokenizer_part(const uint8_t **bytes, size_t *left, size_t *n)
{
    const char *part = (const char *)*bytes;
    const uint8_t *end = *left ? memchr(*bytes, 0, *left) : NULL;
    *n = end ? (size_t)(end - *bytes) : *left;
    *bytes += end ? *n + 1 : *n;
    *left -= end ? *n + 1 : *n;
    return part;
}

static void tokenizer_text(const struct tokenizer *t, const char *text, size_t n)
{
    struct fault f = {0};
    struct ids ids = {0}, again = {0}, ends = {0};
    struct text out = {0};
    unsigned flags = n % 2 ? TOKENIZER_ADD_SPECIAL : 0;
    enum status st = tokenizer_encode(t, &ids, text, n, flags, &f);
    if (st == ST_OK && tokenizer_encode_ends(t, &again, &ends, text, n, flags, &f) != ST_OK)
        abort();
    if (ids.n != again.n || (ids.n > 0 && memcmp(ids.p, again.p, ids.n * sizeof *ids.p) != 0))
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if (ends.n != ids.n || ends.p[i] > (int32_t)n || (i > 0 && ends.p[i] < ends.p[i - 1]) ||
            ids.p[i] < 0 || ids.p[i] >= tokenizer_size(t) || !tokenizer_piece(t, ids.p[i]))
            abort();
    tokenizer_encode(t, &again, text, n, TOKENIZER_NO_ADDED, &f);
    for (size_t i = 0; i < n; i++)
        ids_add(&ids, (signed char)text[i], &f);
    if (tokenizer_decode(t, &out, ids.p, ids.n, n % 3 == 0, &f) != ST_OK)
        abort();
    if (!utf8_valid(out.p ? out.p : "", out.n, NULL))
        abort();
    ids_free(&ids);
    ids_free(&again);
    ids_free(&ends);
    text_free(&out);
}

int fuzz_tokenizer(const uint8_t *bytes, size_t n)
{
    static const char *const kinds[][4] = {
        {"tokenizer.json"},
        {"vocab.json", "merges.txt", "tokenizer_config.json"},
        {"tokenizer.json", "tokenizer_config.json", "added_tokens.json"}};
    struct fault f = {0};
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    int kind = n > 0 && bytes[0] == 'f' ? 1 : n > 0 && bytes[0] == 'b' ? 2 : 0;
    size_t left = kind ? n - 1 : n, size;
    bytes += kind > 0;
    for (int i = 0; kinds[kind][i]; i++) {
        const char *part = tokenizer_part(&bytes, &left, &size);
        if (size > 0 && blobs_add(&files, kinds[kind][i], part, size, &f) != ST_OK)
            abort();
    }
    if (tokenizer_open(&t, &files, &f) == ST_OK)
        tokenizer_text(t, (const char *)bytes, left);
    else if (!f.text[0])
        abort();
    tokenizer_close(&t);
    blobs_free(&files);
    return 0;
}

#ifdef FUZZ_MAIN
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    return fuzz_tokenizer(bytes, n);
}
#endif
