/* monitor/hmp_net.c - the human monitor's commands about networks. */
#include "api/keyval.h"
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "net/net.h"
#include <string.h>

static struct net_set *set_of(struct hmp *hmp)
{
    struct net_set *set = net_set_of(hmp->vm);

    if (!set)
        hmp_print(hmp, "this machine has no networks");
    return set;
}

static void show(struct hmp *hmp, char *(*describe)(struct net_set *set))
{
    struct net_set *set = set_of(hmp);
    g_autofree char *text = set ? describe(set) : NULL;

    if (text)
        g_string_append(hmp->out, text);
}

void hmp_info_network(struct hmp *hmp)
{
    show(hmp, net_describe);
}

void hmp_info_usernet(struct hmp *hmp)
{
    show(hmp, net_user_describe);
}

void hmp_netdev_add(struct hmp *hmp)
{
    static const struct api_keys keys = { .implied = "type", .open = true, .json = true };
    g_autofree char *text = hmp_word(hmp);
    struct net_set *set = set_of(hmp);
    GError *error = NULL;

    if (!set)
        return;
    g_autoptr(api_keyval) list = api_keyval_parse(text ? text : "", &keys, &error);
    if (!list || !net_netdev_add_keyval(set, list, &error))
        hmp_error(hmp, error);
}

void hmp_netdev_del(struct hmp *hmp)
{
    g_autofree char *id = hmp_word(hmp);
    struct net_set *set = set_of(hmp);
    GError *error = NULL;

    if (set && !net_netdev_remove(set, id ? id : "", &error))
        hmp_error(hmp, error);
}

void hmp_set_link(struct hmp *hmp)
{
    g_autofree char *name = hmp_word(hmp), *state = hmp_word(hmp);
    struct api_args_set_link args = { .name = name ? name : (char *)"", .up = !g_strcmp0(state, "on") };
    GError *error = NULL;

    if (g_strcmp0(state, "on") && g_strcmp0(state, "off"))
        hmp_print(hmp, "set_link: NAME and on or off are needed");
    else if (!qmp_set_link(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
}

/* [NETDEV] RULE */
static void forward(struct hmp *hmp, bool (*fn)(struct net_set *set, const char *netdev, const char *text, GError **error), const char *done)
{
    g_autofree char *first = hmp_word(hmp), *second = hmp_word(hmp);
    const char *rule = second ? second : first;
    struct net_set *set = set_of(hmp);
    GError *error = NULL;

    if (!set)
        return;
    if (!rule)
        hmp_print(hmp, "a rule is missing, for example tcp::2222-:22");
    else if (!fn(set, second ? first : NULL, rule, &error))
        hmp_error(hmp, error);
    else if (done)
        hmp_print(hmp, "host forwarding rule for %s %s", rule, done);
}

void hmp_hostfwd_add(struct hmp *hmp)
{
    forward(hmp, net_hostfwd_add, NULL);
}

void hmp_hostfwd_remove(struct hmp *hmp)
{
    forward(hmp, net_hostfwd_remove, "removed");
}

/* [CARD,CARD...] [ID] */
void hmp_announce_self(struct hmp *hmp)
{
    g_autofree char *cards = hmp_word(hmp), *id = hmp_word(hmp);
    g_auto(GStrv) names = cards && *cards ? g_strsplit(cards, ",", -1) : NULL;
    struct api_args_announce_self args = { .initial = 50, .max = 550, .rounds = 5, .step = 100, .id = id };
    GError *error = NULL;

    args.interfaces = names ? g_ptr_array_new() : NULL;
    for (char **name = names; name && *name; name++)
        g_ptr_array_add(args.interfaces, *name);
    if (!qmp_announce_self(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
    if (args.interfaces)
        g_ptr_array_unref(args.interfaces);
}
