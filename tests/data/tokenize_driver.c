/* Answers scripts/compare_tokenizers.py: tokenize_driver FILE... with records on standard input.
 *     u32 n, a text of n bytes: the ids with special tokens, those without, the text of the former
 *         with and without special tokens; or, where the text cannot be encoded, FAILED and why
 *     u32 n | IDS, n ids (i32): their text with and without special tokens, and their pieces
 * Every answer stands after its length (u32). -t: one text, the whole of standard input, timed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/tokenizer.h"

#define IDS    0x80000000u
#define FAILED 0xFFFFFFFFu

static void give_up(const struct fault *f)
{
    fprintf(stderr, "%s\n", f->text);
    exit(1);
}

static void file_add(struct blobs *files, const char *path, struct fault *f)
{
    struct text t = {0};
    char chunk[65536];
    const char *name = strrchr(path, '/');
    FILE *in = fopen(path, "rb");
    for (size_t n; in && (n = fread(chunk, 1, sizeof chunk, in)) > 0;)
        if (text_add(&t, chunk, n, f) != ST_OK)
            give_up(f);
    if (!in || fclose(in) != 0 ||
        blobs_add(files, name ? name + 1 : path, t.p ? t.p : "", t.n, f) != ST_OK)
        exit(1);
    text_free(&t);
}

static void length_write(uint32_t n)
{
    fwrite(&n, sizeof n, 1, stdout);
}

static void ids_write(const struct ids *ids)
{
    length_write((uint32_t)ids->n);
    if (ids->n > 0)
        fwrite(ids->p, sizeof *ids->p, ids->n, stdout);
}

static void text_write(const char *s, size_t n)
{
    length_write((uint32_t)n);
    if (n > 0)
        fwrite(s, 1, n, stdout);
}

/* Their text, with special tokens and then without. */
static void decoded_write(const struct tokenizer *t, const int32_t *ids, size_t n)
{
    struct fault f = {0};
    struct text out = {0};
    for (int skip = 0; skip < 2; skip++) {
        out.n = 0;
        if (tokenizer_decode(t, &out, ids, n, skip, &f) != ST_OK)
            give_up(&f);
        text_write(out.p, out.n);
    }
    text_free(&out);
}

static void answer_text(const struct tokenizer *t, const char *text, size_t n)
{
    struct fault f = {0};
    struct ids with = {0}, without = {0};
    if (tokenizer_encode(t, &with, text, n, TOKENIZER_ADD_SPECIAL, &f) != ST_OK ||
        tokenizer_encode(t, &without, text, n, 0, &f) != ST_OK) {
        length_write(FAILED);
        text_write(f.text, strlen(f.text));
    } else {
        ids_write(&with);
        ids_write(&without);
        decoded_write(t, with.p, with.n);
    }
    ids_free(&with);
    ids_free(&without);
}

static void answer_ids(const struct tokenizer *t, const int32_t *ids, size_t n)
{
    decoded_write(t, ids, n);
    for (size_t i = 0; i < n; i++) {
        const char *piece = tokenizer_piece(t, ids[i]);
        if (piece)
            text_write(piece, strlen(piece));
        else
            length_write(FAILED);
    }
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Opening, the median of five encodings, and how many ids. */
static void timed(const struct tokenizer *t, double opened)
{
    struct fault f = {0};
    struct text in = {0};
    struct ids ids = {0};
    char chunk[65536];
    double took[5];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin)) > 0;)
        if (text_add(&in, chunk, n, &f) != ST_OK)
            give_up(&f);
    for (int i = 0; i < 5; i++) {
        double start = now();
        ids.n = 0;
        if (tokenizer_encode(t, &ids, in.p, in.n, 0, &f) != ST_OK)
            give_up(&f);
        took[i] = now() - start;
    }
    qsort(took, 5, sizeof *took, order);
    printf("%.6f %.6f %zu\n", opened, took[2], ids.n);
    text_free(&in);
    ids_free(&ids);
}

int main(int argc, char **argv)
{
    struct fault f = {0};
    struct blobs files = {0};
    struct tokenizer *t = NULL;
    int first = argc > 1 && strcmp(argv[1], "-t") == 0 ? 2 : 1;
    for (int i = first; i < argc; i++)
        file_add(&files, argv[i], &f);
    double start = now();
    if (tokenizer_open(&t, &files, &f) != ST_OK)
        give_up(&f);
    if (first == 2)
        timed(t, now() - start);
    char *record = NULL;
    for (uint32_t n; first == 1 && fread(&n, sizeof n, 1, stdin) == 1;) {
        size_t count = n & ~IDS, size = n & IDS ? count * sizeof(int32_t) : count;
        char *p = realloc(record, size + 1);
        if (!p || fread(p, 1, size, stdin) != size)
            return 1;
        record = p;
        if (n & IDS)
            answer_ids(t, (const int32_t *)(const void *)record, count);
        else
            answer_text(t, record, count);
    }
    free(record);
    tokenizer_close(&t);
    blobs_free(&files);
    return 0;
}
