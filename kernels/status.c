#include "kernels/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *status_text(enum status code)
{
    switch (code) {
#define X(name, text) \
    case ST_##name: return text;
        STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}

enum status fault_set(struct fault *f, enum status code, const char *fmt, ...)
{
    va_list ap;
    f->code = code;
    f->remedy[0] = '\0';
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    return code;
}

enum status fault_remedy(struct fault *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->remedy, sizeof f->remedy, fmt, ap);
    va_end(ap);
    return f->code;
}

enum status fault_nomem(struct fault *f, const char *what, unsigned long long bytes)
{
    fault_set(f, ST_NOMEM, "out of memory: %llu bytes for %s could not be allocated", bytes, what);
    return fault_remedy(f,
                        "close other programs, or use a smaller batch, sequence length or model");
}
