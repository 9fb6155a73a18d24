/* net/announce.c - a series of announcements: a reverse ARP request (RFC 903) in each card's name, and a word to the guest. */
#include "net/announce.h"
#include "base/bits.h"
#include "base/error.h"
#include "net/internal.h"
#include "vm/clock.h"
#include <string.h>

enum { RARP_SIZE = 60 };

struct series {
    struct net_set *set;
    char *id;
    char **cards;
    s64 max, step, next;
    s64 left;
    struct timer timer;
};

void net_announcements_free(void *data)
{
    struct series *series = data;

    timer_finish(&series->timer);
    g_strfreev(series->cards);
    g_free(series->id);
    g_free(series);
}

static void send_rarp(struct net_client *card)
{
    static const u8 head[] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 }; /* type; Ethernet, IPv4, sizes; request reverse */
    u8 data[RARP_SIZE] = { 0 };
    struct iovec iov = { data, sizeof(data) };

    memset(data, 0xff, NET_MAC_SIZE);
    memcpy(data + 6, card->mac, NET_MAC_SIZE);
    memcpy(data + 12, head, sizeof(head));
    memcpy(data + 22, card->mac, NET_MAC_SIZE);
    memcpy(data + 32, card->mac, NET_MAC_SIZE);
    net_send(card, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = sizeof(data) });
}

static void run(void *opaque)
{
    struct series *series = opaque;

    for (guint i = 0; i < series->set->clients->len; i++) {
        struct net_client *client = series->set->clients->pdata[i];

        if (!client->object || (series->cards && !g_strv_contains((const char *const *)series->cards, client->name)))
            continue;
        send_rarp(client);
        net_client_announce(client);
    }
    if (--series->left <= 0) {
        g_ptr_array_remove(series->set->announcements, series);
        return;
    }
    timer_arm(&series->timer, vm_clock_now(series->set->vm, VM_CLOCK_REALTIME) + series->next * 1000000);
    series->next = MIN(series->next + series->step, series->max);
}

static bool in_range(const char *name, s64 value, s64 least, s64 most, GError **error)
{
    return (value >= least && value <= most) ||
           error_set(error, "%s must be from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name, (gint64)least, (gint64)most);
}

static void end_series(struct net_set *set, const char *id)
{
    for (guint i = 0; i < set->announcements->len; i++) {
        if (!strcmp(((struct series *)set->announcements->pdata[i])->id, id)) {
            g_ptr_array_remove_index(set->announcements, i);
            return;
        }
    }
}

bool net_announce(struct net_set *set, const struct net_announcing *how, GError **error)
{
    const char *id = how->id ? how->id : "";

    if (!in_range("initial", how->initial, 1, 100000, error) || !in_range("max", how->max, 1, 100000, error) ||
        !in_range("rounds", how->rounds, 0, 1000, error) || !in_range("step", how->step, 0, 10000, error))
        return false;
    end_series(set, id);
    if (!how->rounds)
        return true;
    struct series *series = g_new0(struct series, 1);
    *series = (struct series){ .set = set, .id = g_strdup(id), .cards = g_strdupv((char **)how->cards), .max = how->max, .step = how->step,
                               .next = MIN(how->initial, how->max), .left = how->rounds };
    timer_init(&series->timer, set->vm, VM_CLOCK_REALTIME, run, series);
    g_ptr_array_add(set->announcements, series);
    timer_arm(&series->timer, vm_clock_now(set->vm, VM_CLOCK_REALTIME)); /* the first one now */
    return true;
}
