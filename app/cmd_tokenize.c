#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/commands.h"
#include "app/console.h"
#include "app/options.h"
#include "app/session.h"
#include "data/dataset.h"
#include "data/file.h"

struct tokenize {
    struct common common;
    const char *base, *text, *file, *data;
    int64_t max_seq_length;
    bool chat, add_generation_prompt, no_special, mask_prompt;
    struct session session;
};

/* The text as one user turn, through the model's template. */
static enum status through_template(struct tokenize *z, struct text *text, struct fault *f)
{
    struct chat_options o = {.add_generation_prompt = z->add_generation_prompt, .now = time(NULL)};
    struct json_doc *doc = json_new_array();
    struct text out = {0};
    if (session_need_chat(&z->session, z->base, f) != ST_OK) {
        json_close(&doc);
        return f->code;
    }
    if (!doc)
        return fault_nomem(f, "a conversation", 0);
    chat_add(doc, "user", text->p ? text->p : "");
    enum status s = chat_render(z->session.chat, json_root(doc), NULL, &o, &out, NULL, f);
    json_close(&doc);
    if (s == ST_OK) {
        text_free(text);
        *text = out;
    } else {
        text_free(&out);
    }
    return s;
}

/* Written as it comes: for a long text, a document would take many times its memory. */
static enum status show_json(const struct tokenize *z, const struct text *text,
                             const struct ids *ids, struct fault *f)
{
    struct text string = {0};
    enum status s = ST_OK;
    fputs("{\"ids\": [", stdout);
    for (size_t i = 0; i < ids->n; i++)
        printf("%s%d", i > 0 ? ", " : "", ids->p[i]);
    fputs("], \"pieces\": [", stdout);
    for (size_t i = 0; s == ST_OK && i < ids->n; i++) {
        const char *piece = tokenizer_piece(z->session.tokenizer, ids->p[i]);
        string.n = 0;
        s = json_print_string(&string, piece ? piece : "", f);
        if (s == ST_OK)
            printf("%s%s", i > 0 ? ", " : "", string.p);
    }
    string.n = 0;
    if (s == ST_OK)
        s = json_print_string(&string, text->p ? text->p : "", f);
    if (s == ST_OK)
        printf("], \"text\": %s}\n", string.p);
    text_free(&string);
    return s == ST_OK ? console_flush(f) : s;
}

static enum status show_text(struct tokenize *z, struct text *text, struct fault *f)
{
    struct ids ids = {0};
    unsigned flags = z->no_special || z->chat ? 0 : TOKENIZER_ADD_SPECIAL;
    enum status s = z->chat ? through_template(z, text, f) : ST_OK;
    if (s == ST_OK)
        s = tokenizer_encode(z->session.tokenizer, &ids, text->p ? text->p : "", text->n, flags, f);
    if (s == ST_OK && z->common.json) {
        s = show_json(z, text, &ids, f);
    } else if (s == ST_OK) {
        for (size_t i = 0; i < ids.n; i++) {
            const char *piece = tokenizer_piece(z->session.tokenizer, ids.p[i]);
            printf("%8d  %s\n", ids.p[i], piece ? piece : "");
        }
        s = console_flush(f);
    }
    ids_free(&ids);
    return s;
}

static enum status show_row(const struct tokenize *z, const struct row *r, size_t number,
                            struct fault *f)
{
    if (z->common.json) {
        struct json_doc *doc = json_new_object();
        struct json *o = doc ? json_edit(doc) : NULL;
        if (!doc)
            return fault_nomem(f, "the result", 0);
        json_add_int(o, "row", (int64_t)number);
        struct json *ids = json_add_array(o, "ids");
        struct json *targets = json_add_array(o, "targets");
        for (int i = 0; i < r->n; i++) {
            json_add_int(ids, NULL, r->ids[i]);
            json_add_int(targets, NULL, r->target[i]);
        }
        return console_json(doc, f);
    }
    printf("row %zu (line %d): %d tokens, %d targets (marked *)", number, r->line, r->n,
           r->targets);
    if (r->cut > 0)
        printf("; %d tokens more are cut", r->cut);
    putchar('\n');
    for (int i = 0; i < r->n; i++) {
        const char *piece = tokenizer_piece(z->session.tokenizer, r->ids[i]);
        printf("  %c %8d  %s\n", r->target[i] ? '*' : ' ', r->ids[i], piece ? piece : "");
    }
    return console_flush(f);
}

static enum status show_data(struct tokenize *z, struct fault *f)
{
    struct dataset *d = NULL;
    int64_t most = z->session.config.max_positions;
    struct dataset_options o = {.tokenizer = z->session.tokenizer,
                                .chat = z->session.chat,
                                .vocab = z->session.config.vocab,
                                .mask_prompt = z->mask_prompt,
                                .now = time(NULL),
                                .temp_folder = getenv("TMPDIR")};
    o.seq_max = (int)(z->max_seq_length < most ? z->max_seq_length : most);
    struct dataset_list train = {0}, valid = {0};
    enum status s = dataset_find(&train, &valid, z->data, NULL, f);
    if (s == ST_OK)
        s = dataset_open_files(&d, train.p, train.n, &o, f);
    dataset_list_free(&train);
    dataset_list_free(&valid);
    for (size_t i = 0; s == ST_OK && i < dataset_rows(d); i++) {
        struct row r = dataset_row(d, i);
        s = dataset_check(d, f);
        if (s == ST_OK)
            s = show_row(z, &r, i, f);
    }
    size_t cut = d ? dataset_stats(d).cut_rows : 0;
    if (s == ST_OK && cut > 0)
        console_warn("%zu row%s longer than %d tokens and cut", cut, cut == 1 ? " is" : "s are",
                     o.seq_max);
    dataset_close(&d);
    return s;
}

static enum status run(struct tokenize *z, struct fault *f)
{
    struct text text = {0};
    enum status s = session_base(&z->session, z->base, f);
    if (s == ST_OK && z->data)
        return show_data(z, f);
    if (s == ST_OK)
        s = z->file ? file_read(&text, z->file, SIZE_MAX, f) : text_adds(&text, z->text, f);
    if (s == ST_OK && text.n > 0 && strlen(text.p) < text.n && (z->chat || z->common.json)) {
        fault_set(f, ST_FORMAT, "%s has a NUL at byte %zu, which no %s can hold", z->file,
                  strlen(text.p), z->chat ? "message" : "JSON string");
        s = fault_remedy(f, "take it out, or leave %s out", z->chat ? "--chat" : "--json");
    }
    if (s == ST_OK)
        s = show_text(z, &text, f);
    text_free(&text);
    return s;
}

static const struct option options[] = {
    {.name = "text",
     .kind = OPT_STRING,
     .at = offsetof(struct tokenize, text),
     .arg = "TEXT",
     .help = "this text"},
    {.name = "file",
     .kind = OPT_STRING,
     .at = offsetof(struct tokenize, file),
     .arg = "F",
     .help = "a file's text"},
    {.name = "data",
     .kind = OPT_STRING,
     .at = offsetof(struct tokenize, data),
     .arg = "DIR|FILE[,…]",
     .help = "rows, exactly as training will see them"},
    {.name = "chat",
     .kind = OPT_BOOL,
     .at = offsetof(struct tokenize, chat),
     .help = "the text as one user turn, through the chat template"},
    {.name = "add-generation-prompt",
     .kind = OPT_BOOL,
     .at = offsetof(struct tokenize, add_generation_prompt),
     .help = "with --chat: end where the answer begins"},
    {.name = "no-special",
     .kind = OPT_BOOL,
     .at = offsetof(struct tokenize, no_special),
     .help = "add no BOS or EOS"},
    {.name = "mask-prompt",
     .kind = OPT_BOOL,
     .at = offsetof(struct tokenize, mask_prompt),
     .help = "with --data: as train would"},
    {.name = "max-seq-length",
     .kind = OPT_INT,
     .at = offsetof(struct tokenize, max_seq_length),
     .min = 2,
     .max = 1 << 22,
     .arg = "T",
     .help = "with --data: longer rows are cut"},
    COMMON_OPTIONS(struct tokenize),
};

int cmd_tokenize(int argc, char **argv)
{
    struct fault f = {0};
    struct tokenize z = {.common = COMMON_DEFAULTS, .max_seq_length = 2048};
    struct command_line c = {
        .usage = "wick tokenize BASE.h5 (--text TEXT | --file F | --data F.jsonl) [options]",
        .about = "Shows tokens: the first thing to look at when a fine-tune misbehaves.",
        .options = options,
        .count = sizeof options / sizeof *options,
        .into = &z,
        .positional = {{"BASE.h5", &z.base, true}},
    };
    enum status s = args_parse(&c, argc, argv, &f);
    if (s == ST_OK && c.help) {
        args_help(&c);
        return 0;
    }
    if (s == ST_OK && !!z.text + !!z.file + !!z.data != 1) {
        fault_set(&f, ST_USAGE, "one of --text, --file and --data is needed");
        s = fault_remedy(&f, "usage: %s", c.usage);
    }
    console_quiet(z.common.quiet);
    if (s != ST_OK)
        return console_fail_usage(&f);
    s = run(&z, &f);
    session_close(&z.session);
    return s == ST_OK ? 0 : console_fail(&f);
}
