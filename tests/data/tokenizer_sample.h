/* Tokenizers for tests: opened from files or from a string, and what they make of a text. */
#ifndef TESTS_DATA_TOKENIZER_SAMPLE_H
#define TESTS_DATA_TOKENIZER_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer.h"
#include "tests/data/scratch.h"

#define FIXTURES "tests/fixtures/tokenizer/"

static struct fault fault;

/* Adds path's bytes under a name. */
static inline void file_add(struct blobs *files, const char *path, const char *name)
{
    size_t n;
    unsigned char *p = scratch_read(path, &n);
    assert_int_equal(blobs_add(files, name, p, n, &fault), ST_OK);
    free(p);
}

static inline void text_as(struct blobs *files, const char *name, const char *text)
{
    assert_int_equal(blobs_add(files, name, text, strlen(text), &fault), ST_OK);
}

static inline struct tokenizer *opened(struct blobs *files)
{
    struct tokenizer *t = NULL;
    if (tokenizer_open(&t, files, &fault) != ST_OK)
        fail_msg("%s", fault.text);
    blobs_free(files);
    return t;
}

static inline struct tokenizer *opened_json(const char *json)
{
    struct blobs files = {0};
    text_as(&files, "tokenizer.json", json);
    return opened(&files);
}

/* Encodes to a printable list. */
static inline const char *encoded(const struct tokenizer *t, const char *s, unsigned flags)
{
    static char out[400];
    struct ids ids = {0};
    size_t at = 0;
    out[0] = '\0';
    assert_int_equal(tokenizer_encode(t, &ids, s, strlen(s), flags, &fault), ST_OK);
    for (size_t i = 0; i < ids.n && at < sizeof out - 12; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%d", i ? " " : "", (int)ids.p[i]);
    ids_free(&ids);
    return out;
}

/* A small model, and an added token. */
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<e>\":3,\"\xC4\xA0\":4},\"merges\":[\"a b\"]"
#define MODEL "\"model\":{\"type\":\"BPE\"," VOCAB "}"
#define TOKEN(id, content, normalized, special)                                           \
    "{\"id\":" #id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false," \
    "\"rstrip\":false,\"normalized\":" #normalized ",\"special\":" #special "}"
#define ADDED(id, content)      TOKEN(id, content, false, true)
#define NORMALIZED(id, content) TOKEN(id, content, true, false)

#endif
