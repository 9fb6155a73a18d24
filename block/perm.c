/* block/perm.c - who may do what with a node: users ask for permissions and say which they share. */
#include "block/driver.h"
#include "base/error.h"

static const char *perm_name(u32 perm)
{
    return perm & BLOCK_READ ? "consistent read" : perm & BLOCK_WRITE ? "write" : perm & BLOCK_WRITE_UNCHANGED ? "write unchanged" : "resize";
}

void block_perm_filter(struct block_node *node, struct block_node *child, u32 perm, u32 shared, u32 *child_perm, u32 *child_shared)
{
    *child_perm = perm;
    *child_shared = shared;
}

/* A format writes metadata whenever it may be written to, and nobody else may write below it. */
void block_perm_format(struct block_node *node, struct block_node *child, u32 perm, u32 shared, u32 *child_perm, u32 *child_shared)
{
    if (node->backing && child == node->backing->node) {
        *child_perm = BLOCK_READ;
        *child_shared = BLOCK_ALL & ~(BLOCK_WRITE | BLOCK_RESIZE);
        if (node->force_share || block_graph_is_committing(node->graph))
            *child_shared = BLOCK_ALL;
        return;
    }
    *child_perm = perm | BLOCK_READ | (node->read_only ? 0 : BLOCK_WRITE | BLOCK_RESIZE);
    *child_shared = node->force_share ? BLOCK_ALL : (shared & ~(BLOCK_WRITE | BLOCK_RESIZE)) | BLOCK_READ;
}

static bool conflicts(const struct block_edge *a, const struct block_edge *b, GError **error)
{
    u32 refused = a->perm & ~b->shared;

    if (!refused)
        return false;
    error_set(error, "Conflicts with use by %s as '%s', which does not allow '%s' on %s", b->who, b->role ? b->role : "root",
              perm_name(refused & -refused), a->node->name);
    return true;
}

static bool users_agree(struct block_node *node, GError **error)
{
    for (unsigned i = 0; i < node->parents->len; i++)
        for (unsigned k = 0; k < node->parents->len; k++)
            if (i != k && conflicts(node->parents->pdata[i], node->parents->pdata[k], error))
                return false;
    return true;
}

static void collect(struct block_node *node, u32 *perm, u32 *shared)
{
    *perm = 0;
    *shared = BLOCK_ALL;
    for (unsigned i = 0; i < node->parents->len; i++) {
        struct block_edge *edge = node->parents->pdata[i];

        *perm |= edge->perm;
        *shared &= edge->shared;
    }
}

static bool pass_down(struct block_node *node, GError **error)
{
    for (unsigned i = 0; i < node->children->len; i++) {
        struct block_edge *edge = node->children->pdata[i];
        u32 old_perm = edge->perm, old_shared = edge->shared;
        void (*child_perm)(struct block_node *, struct block_node *, u32, u32, u32 *, u32 *) = node->driver->child_perm;

        (child_perm ? child_perm : block_perm_filter)(node, edge->node, node->perm, node->shared, &edge->perm, &edge->shared);
        if (block_update_perms(edge->node, error))
            continue;
        edge->perm = old_perm;
        edge->shared = old_shared;
        block_update_perms(edge->node, NULL);
        return false;
    }
    return true;
}

bool block_update_perms(struct block_node *node, GError **error)
{
    u32 perm, shared;

    if (!users_agree(node, error))
        return false;
    collect(node, &perm, &shared);
    if ((perm & (BLOCK_WRITE | BLOCK_WRITE_UNCHANGED | BLOCK_RESIZE)) && node->read_only)
        return error_set(error, "Block node is read-only");
    if (node->driver->set_perm && !node->driver->set_perm(node, perm, shared, error))
        return false;
    node->perm = perm;
    node->shared = shared;
    return pass_down(node, error);
}

struct block_edge *block_attach(struct block_node *node, u32 perm, u32 shared, const char *who, GError **error)
{
    struct block_edge *edge = g_new0(struct block_edge, 1);

    *edge = (struct block_edge){ .node = node, .who = g_strdup(who), .perm = perm, .shared = shared };
    block_ref(node);
    g_ptr_array_add(node->parents, edge);
    if (block_update_perms(node, error))
        return edge;
    block_detach(edge);
    return NULL;
}

u32 block_edge_perm(const struct block_edge *edge)
{
    return edge->perm;
}

bool block_edge_set(struct block_edge *edge, u32 perm, u32 shared, GError **error)
{
    u32 old_perm = edge->perm, old_shared = edge->shared;

    edge->perm = perm;
    edge->shared = shared;
    if (block_update_perms(edge->node, error))
        return true;
    edge->perm = old_perm;
    edge->shared = old_shared;
    block_update_perms(edge->node, NULL);
    return false;
}

void block_detach(struct block_edge *edge)
{
    if (!edge)
        return;
    g_ptr_array_remove(edge->node->parents, edge);
    block_update_perms(edge->node, NULL);
    block_unref(edge->node);
    g_free(edge->who);
    g_free(edge);
}

void block_edge_on_resize(struct block_edge *edge, void (*resized)(void *opaque), void *opaque)
{
    edge->resized = resized;
    edge->opaque = opaque;
}
