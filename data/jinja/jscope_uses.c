#include "data/jinja/jnode.h"

static int uses(struct jrun *r, const struct jnode *n, const char *name);

int jscope_uses(struct jrun *r, const struct jnodes *l, const char *name)
{
    int found = 0;
    for (size_t i = 0; i < l->n && !found; i++)
        found = uses(r, l->p[i], name);
    return found;
}

static int uses(struct jrun *r, const struct jnode *n, const char *name)
{
    int found = 0;
    jrun_enter(r);
    if (n->kind == JN_NAME && jv_is_str(jv_of_str(n->name), name))
        found = n->flag ? -1 : 1;
    if (!found && n->a)
        found = uses(r, n->a, name);
    if (!found && n->b)
        found = uses(r, n->b, name);
    if (!found)
        found = jscope_uses(r, &n->list, name);
    if (!found)
        found = jscope_uses(r, &n->list2, name);
    if (!found && n->call) {
        found = jscope_uses(r, &n->call->args, name);
        if (!found)
            found = jscope_uses(r, &n->call->kwvalues, name);
        if (!found && n->call->dyn_args)
            found = uses(r, n->call->dyn_args, name);
        if (!found && n->call->dyn_kwargs)
            found = uses(r, n->call->dyn_kwargs, name);
    }
    if (!found && n->macro) {
        found = jscope_uses(r, &n->macro->params, name);
        if (!found)
            found = jscope_uses(r, &n->macro->defaults, name);
        if (!found)
            found = jscope_uses(r, &n->macro->body, name);
    }
    if (!found)
        found = jscope_uses(r, &n->body, name);
    if (!found)
        found = jscope_uses(r, &n->otherwise, name);
    if (!found && n->c)
        found = uses(r, n->c, name);
    jrun_leave(r);
    return found;
}
