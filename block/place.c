/* block/place.c - in which loop a node lives: nodes that are connected live in the same one, which those who use them from outside choose. */
#include "block/driver.h"
#include "base/error.h"

static void collect(struct block_node *node, GHashTable *seen, GPtrArray *family)
{
    if (!g_hash_table_add(seen, node))
        return;
    g_ptr_array_add(family, node);
    for (guint i = 0; i < node->children->len; i++)
        collect(((struct block_edge *)node->children->pdata[i])->node, seen, family);
    for (guint i = 0; i < node->parents->len; i++) {
        struct block_edge *edge = node->parents->pdata[i];

        if (edge->parent)
            collect(edge->parent, seen, family);
    }
}

/* The node and all that are connected with it, children and parents. */
static GPtrArray *family_of(struct block_node *node)
{
    GPtrArray *family = g_ptr_array_new();
    GHashTable *seen = g_hash_table_new(NULL, NULL);

    collect(node, seen, family);
    g_hash_table_unref(seen);
    return family;
}

/* One of those who have chosen a loop for the family, another one than `loop` (NULL: any one); NULL: there is none. */
static struct block_edge *chooser(const GPtrArray *family, const struct block_loop *loop)
{
    for (guint i = 0; i < family->len; i++) {
        const struct block_node *node = family->pdata[i];

        for (guint k = 0; k < node->parents->len; k++) {
            struct block_edge *edge = node->parents->pdata[k];

            if (edge->loop && edge->loop != loop)
                return edge;
        }
    }
    return NULL;
}

static bool refuse(const struct block_edge *edge, GError **error)
{
    error_set(error, "node '%s' is in another thread, for %s", edge->node->name, edge->who);
    return error_hint(error, "disks share nodes only if they have the same iothread, or none");
}

static void move(const GPtrArray *family, struct block_loop *loop)
{
    for (guint i = 0; i < family->len; i++)
        ((struct block_node *)family->pdata[i])->loop = loop;
}

bool block_edge_choose_loop(struct block_edge *edge, struct block_loop *loop, GError **error)
{
    g_autoptr(GPtrArray) family = family_of(edge->node);
    const struct block_edge *other = chooser(family, loop);

    if (other)
        return refuse(other, error);
    edge->loop = loop;
    move(family, loop);
    return true;
}

bool block_check_place(struct block_node *node, GError **error)
{
    g_autoptr(GPtrArray) family = family_of(node);
    const struct block_edge *one = chooser(family, NULL), *other = one ? chooser(family, one->loop) : NULL;

    if (other)
        return refuse(other, error);
    for (guint i = 0; i < family->len; i++)
        if (((const struct block_node *)family->pdata[i])->loop != node->loop)
            return one ? refuse(one, error) : error_set(error, "node '%s' is in another thread", node->name);
    return true;
}

void block_graph_gather(struct block_graph *graph)
{
    GList *nodes = block_graph_list(graph);

    for (GList *at = nodes; at; at = at->next)
        ((struct block_node *)at->data)->loop = block_graph_loop(graph);
    g_list_free(nodes);
}

void block_graph_spread(struct block_graph *graph)
{
    GList *nodes = block_graph_list(graph);
    GHashTable *seen = g_hash_table_new(NULL, NULL);

    for (GList *at = nodes; at; at = at->next) {
        g_autoptr(GPtrArray) family = g_ptr_array_new();

        collect(at->data, seen, family);
        const struct block_edge *edge = chooser(family, NULL);
        move(family, edge ? edge->loop : block_graph_loop(graph));
    }
    g_hash_table_unref(seen);
    g_list_free(nodes);
}

bool block_options_reach_away(struct block_graph *graph, struct json_object *options)
{
    for (unsigned i = 0; block_roles[i]; i++) {
        struct json_object *child;
        const struct block_node *node;

        if (!json_object_object_get_ex(options, block_roles[i], &child))
            continue;
        node = json_object_is_type(child, json_type_string) ? block_graph_find(graph, json_object_get_string(child)) : NULL;
        if ((node && node->loop != block_graph_loop(graph)) ||
            (json_object_is_type(child, json_type_object) && block_options_reach_away(graph, child)))
            return true;
    }
    return false;
}
