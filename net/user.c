/* net/user.c - user networking by libslirp: the guest sees a small network with gateway, DHCP, DNS and TFTP servers. */
#include "net/user.h"
#include "base/error.h"
#include "vm/clock.h"
#include "vm/vm.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- What libslirp calls ---- */

static void emit(void *opaque, const struct net_frame *frame)
{
    struct user *user = opaque;

    net_backend_send(&user->base, 0, frame); /* what the card has no room for is lost; TCP sends it again */
}

static ssize_t send_packet(const void *data, size_t size, void *opaque)
{
    struct user *user = opaque;

    if (size <= NET_FRAME_MAX)
        net_coalesce_add(&user->coalesce, data, (u32)size);
    return (ssize_t)size;
}

static void guest_error(const char *text, void *opaque)
{
    struct user *user = opaque;

    log_line(vm_log(net_set_vm(user->base.set)), LOG_GUEST_ERRORS, "netdev '%s': %s", net_client_name(user->base.client), text);
}

static int64_t clock_now(void *opaque)
{
    return vm_clock_now(net_set_vm(((struct user *)opaque)->base.set), VM_CLOCK_VIRTUAL);
}

struct slirp_timer {
    struct timer timer;
    SlirpTimerCb fn;
    void *opaque;
    struct user *user;
};

static void timer_fired(void *opaque)
{
    struct slirp_timer *timer = opaque;

    struct user *user = timer->user;

    user_enter(user);
    timer->fn(timer->opaque);
    user_leave(user);
}

static void *timer_new(SlirpTimerCb fn, void *fn_opaque, void *opaque)
{
    struct slirp_timer *timer = g_new0(struct slirp_timer, 1);
    struct user *user = opaque;

    *timer = (struct slirp_timer){ .fn = fn, .opaque = fn_opaque, .user = user };
    timer_init(&timer->timer, net_set_vm(user->base.set), VM_CLOCK_VIRTUAL, timer_fired, timer);
    return timer;
}

static void timer_free(void *timer, void *opaque)
{
    timer_finish(&((struct slirp_timer *)timer)->timer);
    g_free(timer);
}

static void timer_mod(void *timer, int64_t milliseconds, void *opaque)
{
    timer_arm(&((struct slirp_timer *)timer)->timer, milliseconds * 1000000);
}

static void forget_fd(int fd, void *opaque)
{
}

static void notify(void *opaque)
{
    user_poll_wake(opaque);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet, .guest_error = guest_error, .clock_get_ns = clock_now, .timer_new = timer_new, .timer_free = timer_free,
    .timer_mod = timer_mod, .register_poll_fd = forget_fd, .unregister_poll_fd = forget_fd, .notify = notify,
};

/* ---- What the card sends ---- */

void user_enter(struct user *user)
{
    net_backend_enter(&user->base);
}

void user_leave(struct user *user)
{
    net_coalesce_flush(&user->coalesce);
    user_forwards_resume(user);
    net_backend_leave(&user->base);
}

static enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct user *user = opaque;
    struct net_offload offload = frame->offload;
    const u8 *data = frame->count == 1 && !offload.flags ? frame->iov->iov_base : user->scratch;

    if (!net_offload_is_sane(&offload, frame->size))
        return NET_DONE;
    if (data == user->scratch) {
        net_frame_copy(frame, 0, user->scratch, frame->size);
        net_checksum_complete(user->scratch, frame->size, &offload);
    }
    if (unlikely(user->full_forwards) && user_forwards_are_full_for(user, data, frame->size))
        return NET_DONE;
    user_enter(user);
    slirp_input(user->slirp, data, (int)frame->size);
    user_leave(user);
    user_poll_wake(user);
    return NET_DONE;
}

static void peer_changed(void *opaque, u32 accepts)
{
    struct user *user = opaque;

    net_coalesce_flush(&user->coalesce);
    user->coalesce.takes = accepts & NET_TAKES_CSUM ? accepts & (NET_TAKES_TSO4 | NET_TAKES_TSO6) : 0;
}

/* ---- Options ---- */

static bool parse_ip4(const char *what, const char *text, struct in_addr *address, GError **error)
{
    if (!text || inet_pton(AF_INET, text, address) == 1)
        return true;
    return error_set(error, "%s=%s is not an IPv4 address", what, text);
}

static bool parse_ip6(const char *what, const char *text, struct in6_addr *address, GError **error)
{
    if (!text || inet_pton(AF_INET6, text, address) == 1)
        return true;
    return error_set(error, "%s=%s is not an IPv6 address", what, text);
}

/* ADDRESS, ADDRESS/BITS or ADDRESS/MASK; without one the class of old decides. */
static bool parse_net(const char *text, struct in_addr *net, struct in_addr *mask, GError **error)
{
    const char *slash = strchr(text, '/');
    g_autofree char *address = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    char *end = NULL;

    if (!parse_ip4("net", address, net, error))
        return false;
    u32 value = ntohl(net->s_addr), bits = value & 0x80000000 ? value & 0x40000000 ? 24 : 16 : 8;
    if (slash && strchr(slash, '.')) {
        if (inet_pton(AF_INET, slash + 1, mask) != 1)
            return error_set(error, "net=%s: '%s' is not a mask", text, slash + 1);
    } else {
        if (slash)
            bits = (u32)g_ascii_strtoull(slash + 1, &end, 10);
        if (slash && (end == slash + 1 || *end || bits < 4 || bits > 30))
            return error_set(error, "net=%s: '%s' is not a number of bits from 4 to 30", text, slash + 1);
        mask->s_addr = htonl(UINT32_MAX << (32 - bits));
    }
    u32 inverse = ~ntohl(mask->s_addr);
    if (!inverse || inverse & (inverse + 1))
        return error_set(error, "net=%s: the mask has no room or holes", text);
    if (inverse == 1)
        return error_set(error, "net=%s is too small", text);
    net->s_addr &= mask->s_addr;
    return true;
}

/* An address given by the user must lie in the network, and be neither its first nor its last. */
static bool inside(const char *what, struct in_addr address, const SlirpConfig *config, GError **error)
{
    u32 inverse = ~config->vnetmask.s_addr, host = address.s_addr & inverse;

    if ((address.s_addr & config->vnetmask.s_addr) == config->vnetwork.s_addr && host && host != inverse)
        return true;
    g_autofree char *text = g_malloc(INET_ADDRSTRLEN);
    inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
    return error_set(error, "%s=%s is not an address of the guest's network", what, text);
}

static struct in_addr nth(const SlirpConfig *config, u32 number)
{
    return (struct in_addr){ config->vnetwork.s_addr | htonl(number & ~ntohl(config->vnetmask.s_addr)) };
}

static bool set_ip4(SlirpConfig *config, const struct api_netdev_user_options *o, GError **error)
{
    const char *net = o->net ? o->net : o->ip;

    if (!parse_net(net ? net : "10.0.2.0/24", &config->vnetwork, &config->vnetmask, error))
        return false;
    u32 room = ~ntohl(config->vnetmask.s_addr); /* the last is the broadcast address */
    config->vhost = nth(config, 2);
    config->vnameserver = nth(config, 3);
    config->vdhcp_start = nth(config, room > 15 ? 15 : room - 1);
    if (!parse_ip4("host", o->host, &config->vhost, error) || !parse_ip4("dns", o->dns, &config->vnameserver, error) ||
        !parse_ip4("dhcpstart", o->dhcpstart, &config->vdhcp_start, error))
        return false;
    if (!inside("host", config->vhost, config, error) || !inside("dns", config->vnameserver, config, error) ||
        !inside("dhcpstart", config->vdhcp_start, config, error))
        return false;
    if (config->vhost.s_addr == config->vnameserver.s_addr)
        return error_set(error, "host and dns cannot be the same address");
    if (config->vdhcp_start.s_addr == config->vhost.s_addr || config->vdhcp_start.s_addr == config->vnameserver.s_addr)
        return error_set(error, "dhcpstart is the address of the gateway or the name server");
    return true;
}

static bool set_ip6(SlirpConfig *config, const struct api_netdev_user_options *o, GError **error)
{
    s64 bits = o->has_ipv6_prefixlen ? o->ipv6_prefixlen : 64;

    if (bits < 0 || bits > 126)
        return error_set(error, "ipv6-prefixlen must be from 0 to 126");
    config->vprefix_len = (u8)bits;
    inet_pton(AF_INET6, "fec0::", &config->vprefix_addr6);
    if (!parse_ip6("ipv6-prefix", o->ipv6_prefix, &config->vprefix_addr6, error))
        return false;
    config->vhost6 = config->vnameserver6 = config->vprefix_addr6;
    config->vhost6.s6_addr[15] |= 2;
    config->vnameserver6.s6_addr[15] |= 3;
    return parse_ip6("ipv6-host", o->ipv6_host, &config->vhost6, error) && parse_ip6("ipv6-dns", o->ipv6_dns, &config->vnameserver6, error);
}

static bool check_text(const char *what, const char *text, size_t most, GError **error)
{
    return !text || strlen(text) <= most || error_set(error, "%s has more than %zu bytes", what, most);
}

static bool set_texts(SlirpConfig *config, const struct api_netdev_user_options *o, GError **error)
{
    if (o->domainname && !*o->domainname)
        return error_set(error, "domainname is empty");
    if (!check_text("hostname", o->hostname, 255, error) || !check_text("domainname", o->domainname, 255, error) ||
        !check_text("tftp-server-name", o->tftp_server_name, 255, error) || !check_text("bootfile", o->bootfile, 127, error))
        return false;
    if (o->tftp && access(o->tftp, R_OK | X_OK))
        return error_set(error, "tftp=%s: %s", o->tftp, strerror(errno));
    config->vhostname = o->hostname;
    config->tftp_server_name = o->tftp_server_name;
    config->tftp_path = o->tftp;
    config->bootfile = o->bootfile;
    config->vdomainname = o->domainname;
    return true;
}

static const char **search_list(const GPtrArray *list)
{
    const char **names = g_new0(const char *, list ? list->len + 1 : 1);

    for (guint i = 0; list && i < list->len; i++)
        names[i] = ((const struct api_net_string *)list->pdata[i])->str;
    return names;
}

static bool start(struct user *user, const struct api_netdev_user_options *o, GError **error)
{
    g_autofree const char **search = search_list(o->dnssearch);
    SlirpConfig config = { .version = 1, .restricted = o->has_restrict_ && o->restrict_, .vdnssearch = o->dnssearch ? search : NULL };

    config.in_enabled = o->has_ipv4 ? o->ipv4 : !(o->has_ipv6 && o->ipv6);
    config.in6_enabled = o->has_ipv6 ? o->ipv6 : !(o->has_ipv4 && o->ipv4);
    if (!config.in_enabled && !config.in6_enabled)
        return error_set(error, "IPv4 and IPv6 are both off");
    if (!set_ip4(&config, o, error) || !set_ip6(&config, o, error) || !set_texts(&config, o, error))
        return false;
    user->slirp = slirp_new(&config, &callbacks, user);
    if (!user->slirp)
        return error_set(error, "libslirp %s does not accept this network", slirp_version_string());
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &config.vnetwork, text, sizeof(text));
    net_set_info(user->base.client, "net=%s,restrict=%s", text, config.restricted ? "on" : "off");
    return true;
}

static bool add_forwards(struct user *user, const GPtrArray *list, bool (*add)(struct user *user, const char *text, GError **error),
                         const char *what, GError **error)
{
    for (guint i = 0; list && i < list->len; i++) {
        const char *text = ((const struct api_net_string *)list->pdata[i])->str;

        if (!add(user, text, error))
            return error_prefix(error, "%s=%s", what, text);
    }
    return true;
}

static bool open_user(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    struct user *user = (struct user *)backend;
    const struct api_netdev_user_options *o = options->u.user;
    struct in_addr smb = { 0 };

    user->scratch = g_malloc(NET_FRAME_MAX);
    user->forwards = g_ptr_array_new();
    net_coalesce_init(&user->coalesce, emit, user);
    backend->accepts = NET_TAKES_CSUM | NET_TAKES_TSO4 | NET_TAKES_TSO6;
    if (!start(user, o, error) || !parse_ip4("smbserver", o->smbserver, &smb, error))
        return false;
    if (o->smb && !user_smb_start(user, o->smb, &smb, error))
        return error_prefix(error, "smb=%s", o->smb);
    if (!add_forwards(user, o->hostfwd, user_hostfwd_add, "hostfwd", error) ||
        !add_forwards(user, o->guestfwd, user_guestfwd_add, "guestfwd", error))
        return false;
    user_poll_start(user);
    return true;
}

static void close_user(struct net_backend *backend)
{
    struct user *user = (struct user *)backend;

    user_poll_stop(user);
    user->coalesce.size = 0;
    if (user->slirp) {
        user_forwards_remove(user);
        slirp_cleanup(user->slirp);
    }
    user_smb_stop(user);
    g_ptr_array_unref(user->forwards);
    net_coalesce_finish(&user->coalesce);
    g_free(user->scratch);
}

static const struct net_client_ops ops = { .receive = receive, .peer_changed = peer_changed };

const struct net_kind net_kind_user = {
    .driver = API_NET_CLIENT_DRIVER_USER, .size = sizeof(struct user), .ops = &ops, .open = open_user, .close = close_user,
};
