/* Errors, for every room of the house.
 *
 *     struct fault f = {0};
 *     if (base_open(&base, path, &f) != ST_OK)
 *         return report(&f);              // app/ prints f.text, then f.remedy
 *
 * A call that can fail returns enum status (0 is ok) and takes last a caller-owned struct fault,
 * which it fills where the failure is known and nowhere else. On failure all out-pointers are
 * untouched. f is never NULL. Nothing outside app/ prints. */
#ifndef KERNELS_STATUS_H
#define KERNELS_STATUS_H

#define STATUS_MAP(X)                        \
    X(OK, "ok")                              \
    X(NOMEM, "out of memory")                \
    X(IO, "input or output failed")          \
    X(ABSENT, "not found")                   \
    X(FORMAT, "not in the expected format")  \
    X(RANGE, "value out of range")           \
    X(UNSUPPORTED, "not supported")          \
    X(USAGE, "wrong usage")                  \
    X(NODEVICE, "no such device")            \
    X(DEVICE, "the device failed")           \
    X(NUMERIC, "a value that is not finite") \
    X(INTERRUPTED, "interrupted")

enum status {
#define X(name, text) ST_##name,
    STATUS_MAP(X)
#undef X
};

struct fault {
    enum status code;
    char text[400];   /* one sentence that names the file, key or tensor */
    char remedy[240]; /* what the user can do about it; may be empty */
};

/* "out of memory" for ST_NOMEM, and so on; a static string. */
const char *status_text(enum status code);

/* Fills f with code and the formatted sentence, clears the remedy, returns code. */
enum status fault_set(struct fault *f, enum status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the remedy line to a fault that is already set; returns its code. */
enum status fault_remedy(struct fault *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ST_NOMEM with the number of bytes that could not be had and what they were for. */
enum status fault_nomem(struct fault *f, const char *what, unsigned long long bytes);

#endif
