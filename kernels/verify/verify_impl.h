/* Inside kernels/verify/ only: pairs of buffers, one on each handle. */
#ifndef KERNELS_VERIFY_IMPL_H
#define KERNELS_VERIFY_IMPL_H

#include "kernels/verify/verify.h"

enum { VERIFY_OBJECTS = 32 };

struct verify {
    kern *k[2]; /* the reference, the device */
    verify_report_fn *report;
    void *ctx;
    double worst;
    uint64_t seed;
    char shape[64];
    enum status status; /* the first failure; what follows does nothing */
    struct fault *f;
    int objects;
    struct {
        kbuf *buf;
        struct kweight *weight;
    } object[VERIFY_OBJECTS]; /* verify_done frees them */
};

/* The same matrix on both handles. */
struct pair {
    kbuf *b[2];
    int rows, cols;
};

/* In BOTH, AT(m) is the pair's matrix on handle i. */
#define BOTH(v, name, ...)                              \
    for (int i = 0; i < 2 && (v)->status == ST_OK; i++) \
    (v)->k[i]->op.name((v)->k[i], __VA_ARGS__)
#define AT(m) kref((m).b[i], 0, (m).cols)

struct pair verify_zeros(struct verify *v, int rows, int cols);
struct pair verify_fill(struct verify *v, int rows, int cols,
                        double deviation); /* seeded, normal */
struct pair verify_ints(struct verify *v, const int32_t *values, int n);
void verify_weight(struct verify *v, const struct kweight *w[2], int rows, int cols,
                   enum dtype dtype);
void verify_prepare(struct verify *v, const struct kern_specs *s);
/* Compares an output of the op and reports. */
void verify_same(struct verify *v, const char *op, const char *output, const struct pair *m);
/* Ends an op: frees what it made. */
void verify_done(struct verify *v);

void verify_light(struct verify *v); /* verify_light.c: norms, activations, vectors, optimizer */
void verify_heavy(struct verify *v); /* verify_heavy.c: linears, attention, cross-entropy, blocks */

#endif
