/* Options that more than one command has, as rows of their tables. Each row is told the command's
 * settings struct and the field it fills.
 *
 *     static const struct option options[] = {
 *         ADAPTER_OPTION(struct eval, adapter),
 *         …
 *         COMMON_OPTIONS(struct eval),          // fills eval.common, a struct common
 *     };
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "app/args.h"

/* ---- of every command ------------------------------------------------------------------------ */

#define DEVICE_OPTION(S, field)                                         \
    {                                                                   \
        .name = "device", .kind = OPT_STRING, .at = offsetof(S, field), \
        .arg = "auto|cpu|opencl[:N]", .help = "where to compute"        \
    }
#define PRECISION_OPTION(S, field)                                         \
    {                                                                      \
        .name = "precision", .kind = OPT_CHOICE, .at = offsetof(S, field), \
        .choices = "auto|f32|bf16", .help = "of activations"               \
    }
#define THREADS_OPTION(S, field)                                                             \
    {                                                                                        \
        .name = "threads", .kind = OPT_INT, .at = offsetof(S, field), .min = 1, .max = 1024, \
        .arg = "N", .help = "CPU threads (all cores)"                                        \
    }
#define JSON_OPTION(S, field)                                       \
    {                                                               \
        .name = "json", .kind = OPT_BOOL, .at = offsetof(S, field), \
        .help = "one JSON value on standard output"                 \
    }
#define QUIET_OPTION(S, field)                                                                    \
    {                                                                                             \
        .name = "quiet", .kind = OPT_BOOL, .at = offsetof(S, field), .help = "nothing but errors" \
    }
#define COMMON_OPTIONS(S)                                                   \
    DEVICE_OPTION(S, common.device), PRECISION_OPTION(S, common.precision), \
        THREADS_OPTION(S, common.threads), JSON_OPTION(S, common.json),     \
        QUIET_OPTION(S, common.quiet)

/* ---- of commands that read an adapter -------------------------------------------------------- */

#define ADAPTER_OPTION(S, field)                                                       \
    {                                                                                  \
        .name = "adapter", .kind = OPT_STRING, .at = offsetof(S, field), .arg = "DIR", \
        .help = "a PEFT adapter or a run"                                              \
    }

/* ---- of train, and of audit, which looks at data as train would ------------------------------ */

#define DATA_OPTION(S, field)                                                                \
    {                                                                                        \
        .name = "data", .kind = OPT_STRING, .at = offsetof(S, field), .arg = "DIR|FILE[,…]", \
        .help = "a folder with train/valid .jsonl or .txt, or files"                         \
    }
#define DATA_WEIGHTS_OPTION(S, field)                                                         \
    {                                                                                         \
        .name = "data-weights", .kind = OPT_STRING, .at = offsetof(S, field), .arg = "W[,…]", \
        .help = "how often a pass takes each of --data (1 each)"                              \
    }
#define VAL_SPLIT_OPTION(S, field)                                                             \
    {                                                                                          \
        .name = "val-split", .kind = OPT_REAL, .at = offsetof(S, field), .min = 0, .max = 0.9, \
        .arg = "F", .help = "this share of the lines validates, if no file does"               \
    }
#define BATCH_SIZE_OPTION(S, field)                                                              \
    {                                                                                            \
        .name = "batch-size", .kind = OPT_INT, .at = offsetof(S, field), .min = 1, .max = 65536, \
        .arg = "B", .help = "rows of a micro-batch"                                              \
    }
#define ACCUMULATE_OPTION(S, field)                                                             \
    {                                                                                           \
        .name = "grad-accumulation-steps", .kind = OPT_INT, .at = offsetof(S, field), .min = 1, \
        .max = 65535, .arg = "N", .help = "micro-batches of a step"                             \
    }
#define RANK_OPTION(S, field)                                                              \
    {                                                                                      \
        .name = "rank", .kind = OPT_INT, .at = offsetof(S, field), .min = 1, .max = 65536, \
        .arg = "R", .help = "rank of the adapters"                                         \
    }
#define TARGET_MODULES_OPTION(S, field)                                                         \
    {                                                                                           \
        .name = "target-modules", .kind = OPT_STRING, .at = offsetof(S, field), .arg = "NAMES", \
        .help = "all-linear, names with commas, or a regex"                                     \
    }
#define NUM_LAYERS_OPTION(S, field)                                                               \
    {                                                                                             \
        .name = "num-layers", .kind = OPT_INT, .at = offsetof(S, field), .min = -1, .max = 10000, \
        .arg = "N", .help = "adapt the last N layers alone (all)"                                 \
    }
#define GRAD_CHECKPOINT_OPTION(S, field)                                       \
    {                                                                          \
        .name = "grad-checkpoint", .kind = OPT_BOOL, .at = offsetof(S, field), \
        .help = "keep layer inputs alone and compute the rest again"           \
    }
#define STEPS_PER_EVAL_OPTION(S, field)                                                            \
    {                                                                                              \
        .name = "steps-per-eval", .kind = OPT_INT, .at = offsetof(S, field), .min = 1, .max = 1e9, \
        .arg = "N", .help = "evaluate on valid every N steps"                                      \
    }
#define MAX_SEQ_LENGTH_OPTION(S, field)                                                \
    {                                                                                  \
        .name = "max-seq-length", .kind = OPT_INT, .at = offsetof(S, field), .min = 2, \
        .max = 1 << 22, .arg = "T", .help = "longer rows are cut"                      \
    }
#define PACKING_OPTION(S, field)                                       \
    {                                                                  \
        .name = "packing", .kind = OPT_BOOL, .at = offsetof(S, field), \
        .help = "fill each row up with whole documents"                \
    }
#define MASK_PROMPT_OPTION(S, field)                                       \
    {                                                                      \
        .name = "mask-prompt", .kind = OPT_BOOL, .at = offsetof(S, field), \
        .help = "loss on completions and assistant turns alone"            \
    }
#define SHUFFLE_OPTION(S, field)                                       \
    {                                                                  \
        .name = "shuffle", .kind = OPT_BOOL, .at = offsetof(S, field), \
        .help = "a new order each epoch"                               \
    }

/* How long a training is: 0 where nothing was given. */
static inline enum status options_check_length(int64_t iters, int64_t epochs, struct fault *f)
{
    if (iters == 0 || epochs == 0)
        return ST_OK;
    fault_set(f, ST_RANGE, "--iters and --epochs were both given");
    return fault_remedy(f, "give the number of optimizer steps, or of passes over the data");
}

#endif
