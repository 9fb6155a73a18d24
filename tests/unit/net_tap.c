/* tests/unit/net_tap.c - taps in a network of the test's own, where that may be made. */
#include "tests/unit/net_bench.h"
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

static bool delete_interface(const char *name)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = { { sizeof(request), RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 }, { .ifi_index = (int)if_nametoindex(name) } };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        u8 rest[1000];
    } answer = { 0 };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    bool ok = request.info.ifi_index && send(fd, &request, sizeof(request), 0) == sizeof(request) && recv(fd, &answer, sizeof(answer), 0) > 0 &&
              answer.header.nlmsg_type == NLMSG_ERROR && !answer.error.error;

    close(fd);
    return ok;
}

/* When the interface goes, the loop has nothing to do any more. */
static void deleted(struct bench *bench, gconstpointer data)
{
    GError *error = NULL;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) && unshare(CLONE_NEWNET)) {
        g_test_skip("no network of its own");
        return;
    }
    if (!try_netdev(bench, "tap,id=t,ifname=tap0,script=no,downscript=no", &error)) {
        g_test_skip(error->message);
        g_error_free(error);
        return;
    }
    struct card *card = plug(bench, 0, "t");
    g_assert_true(delete_interface("tap0"));
    run_until(bench, !g_main_context_iteration(vm_context(bench->vm), FALSE));
    g_assert_cmpint(send_test(card, 60, 0), ==, NET_DONE);
    run_until(bench, !g_main_context_iteration(vm_context(bench->vm), FALSE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("/net/tap/deleted", deleted);
    return g_test_run();
}
