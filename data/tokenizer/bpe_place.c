/* Where the ids of a word stand in it. Encoding does not note it, because training needs it of
 * conversations alone; and each id says how many bytes it stands for. Where characters vanish for
 * want of an id, what follows them in the word stands too far left, as in the library. */
#include <string.h>

#include "data/tokenizer/bpe.h"

static size_t piece_length(const struct bpe *b, const char *piece, size_t length)
{
    size_t characters = 0;
    if (!b->byte_level)
        return length;
    for (size_t i = 0; i < length; i++)
        characters += ((unsigned char)piece[i] & 0xC0) != 0x80;
    return characters;
}

static bool piece_is(const struct bpe *b, const char *piece, size_t length, const char *s, size_t n,
                     size_t at)
{
    if (!b->byte_level)
        return n - at >= length && memcmp(s + at, piece, length) == 0;
    for (size_t i = 0; i < length; at++)
        if (at >= n || bpe_byte_of(utf8_next(piece, length, &i)) != (unsigned char)s[at])
            return false;
    return true;
}

/* Moves past the character at `at`; whether it has an id of its own. */
static bool character_known(const struct bpe *b, const char *s, size_t n, size_t *at)
{
    size_t from = *at;
    if (b->byte_level)
        return b->byte_ids[(unsigned char)s[(*at)++]] >= 0;
    utf8_next(s, n, at);
    return vocab_find(&b->vocab, s + from, *at - from) >= 0;
}

static size_t unknown_end(const struct bpe *b, const char *s, size_t n, size_t at)
{
    size_t end = at;
    character_known(b, s, n, &end);
    for (size_t next = end; b->fuse_unk && next < n; end = next)
        if (character_known(b, s, n, &next))
            break;
    return end;
}

size_t bpe_place(const struct bpe *b, int32_t id, const char *s, size_t n, size_t at)
{
    size_t length;
    const char *piece = vocab_piece(&b->vocab, id, &length);
    if (at >= n || !piece)
        return n;
    size_t taken = piece_length(b, piece, length);
    bool here = piece_is(b, piece, length, s, n, at);
    if (!here && b->byte_fallback && b->fallback_ids[(unsigned char)s[at]] == id)
        taken = 1;
    else if (!here && id == b->unk_id)
        taken = unknown_end(b, s, n, at) - at;
    return taken < n - at ? at + taken : n;
}
