/* wick generate: one answer (cmd_generate.c), or a conversation (talk.c).
 *
 *     struct talk t = {…};                        // options, and an open session
 *     talk_prompt(&t, &ids, messages, f);         // what the model reads
 *     talk_answer(&t, &ids, max_tokens, f);       // t.text, printed as it comes
 *     talk_tell(&t, f);                           // with --json, the result */
#ifndef APP_TALK_H
#define APP_TALK_H

#include "app/session.h"

struct talk {
    struct common common;
    const char *base, *adapter, *prompt;
    int64_t max_tokens, top_k, seed;
    double temperature, top_p;
    bool chat;
    struct session session;
    struct ids ids;   /* new tokens of this turn */
    struct text text; /* and their text */
    size_t shown;     /* bytes of it that are printed */
    size_t prompt_tokens;
    double seconds;
};

/* The model for prompts of `rows` tokens and `keys` tokens in all. */
enum status talk_open(struct talk *t, int keys, int rows, struct fault *f);

/* Appends the tokens of the messages and of what begins an answer. */
enum status talk_prompt(const struct talk *t, struct ids *ids, const struct json *messages,
                        struct fault *f);

/* ST_INTERRUPTED where a signal ended it; t->text is then what was said until then. */
enum status talk_answer(struct talk *t, const struct ids *prompt, int max_tokens, struct fault *f);
enum status talk_tell(const struct talk *t, struct fault *f);

/* A message a line from standard input, each answered, until an empty line or the end. At a
 * terminal a message that cannot be answered is told so, and Ctrl-C ends an answer but not the
 * conversation. Where it no longer fits, its oldest exchange is forgotten. */
enum status talk_converse(struct talk *t, struct fault *f);

#endif
