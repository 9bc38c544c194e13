/* Answers scripts/compare_tokenizers.py: tokenize_driver FILE... with texts on standard input, each
 * after its length (u32), gives for each the ids with special tokens, those without, and the text
 * of the former with and without special tokens, each after its length. -t: one text, the whole of
 * standard input, timed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/tokenizer.h"

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

static void ids_write(const struct ids *ids)
{
    uint32_t n = (uint32_t)ids->n;
    fwrite(&n, sizeof n, 1, stdout);
    if (n > 0)
        fwrite(ids->p, sizeof *ids->p, n, stdout);
}

static void answer(const struct tokenizer *t, const char *text, size_t n)
{
    struct fault f = {0};
    struct ids with = {0}, without = {0};
    struct text out = {0};
    if (tokenizer_encode(t, &with, text, n, TOKENIZER_ADD_SPECIAL, &f) != ST_OK ||
        tokenizer_encode(t, &without, text, n, 0, &f) != ST_OK)
        give_up(&f);
    ids_write(&with);
    ids_write(&without);
    for (int skip = 0; skip < 2; skip++) {
        out.n = 0;
        if (tokenizer_decode(t, &out, with.p, with.n, skip, &f) != ST_OK)
            give_up(&f);
        uint32_t length = (uint32_t)out.n;
        fwrite(&length, sizeof length, 1, stdout);
        if (length > 0)
            fwrite(out.p, 1, length, stdout);
    }
    ids_free(&with);
    ids_free(&without);
    text_free(&out);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void timed(const struct tokenizer *t, double opened)
{
    struct fault f = {0};
    struct text in = {0};
    struct ids ids = {0};
    char chunk[65536];
    double best = 1e9;
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, stdin)) > 0;)
        if (text_add(&in, chunk, n, &f) != ST_OK)
            give_up(&f);
    for (int i = 0; i < 5; i++) {
        double start = now();
        ids.n = 0;
        if (tokenizer_encode(t, &ids, in.p, in.n, 0, &f) != ST_OK)
            give_up(&f);
        double took = now() - start;
        best = took < best ? took : best;
    }
    printf("%.6f %.6f %zu\n", opened, best, ids.n);
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
    char *text = NULL;
    for (uint32_t n; first == 1 && fread(&n, sizeof n, 1, stdin) == 1;) {
        char *p = realloc(text, n + 1);
        if (!p || fread(p, 1, n, stdin) != n)
            return 1;
        text = p;
        answer(t, text, n);
    }
    free(text);
    tokenizer_close(&t);
    blobs_free(&files);
    return 0;
}
