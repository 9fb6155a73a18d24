/* tests/block/throttle.c - limits: the arithmetic of leaky buckets, and how requests of disks wait. */
#include "base/error.h"
#include "block/disk.h"
#include "block/throttle.h"
#include "host/clock.h"
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

enum { MS = 1000000 };
static const s64 second = 1000000000;

/* Bytes that pass until `end` when requests of this size follow each other at once, from `now` on. */
static u64 passes(struct throttle *t, u64 size, s64 now, s64 end)
{
    u64 sum = 0;

    while ((now = throttle_admit(t, true, size, now)) < end)
        sum += size;
    return sum;
}

static void averages(void)
{
    struct throttle t = { .limits = throttle_limits_none() };

    t.limits.bytes[THROTTLE_TOTAL].average = 1000;
    g_assert_cmpint(throttle_admit(&t, true, 50, 0), ==, 0);
    g_assert_cmpint(throttle_admit(&t, false, 60, 0), ==, 0); /* a tenth of a second is free */
    g_assert_cmpint(throttle_admit(&t, false, 100, 0), ==, 10 * MS);
    g_assert_cmpint(throttle_admit(&t, false, 1, 100 * MS), ==, 110 * MS);
    g_assert_cmpint(throttle_admit(&t, false, 1, 100 * second), ==, 100 * second);
    t = (struct throttle){ .limits = throttle_limits_none() };
    t.limits.bytes[THROTTLE_WRITE].average = 10;
    g_assert_cmpint(throttle_admit(&t, false, 1 << 30, 0), ==, 0); /* reads have no limit */
    g_assert_cmpint(throttle_admit(&t, true, 101, 0), ==, 0);
    g_assert_cmpint(throttle_admit(&t, true, 1, 0), ==, 10 * second);
}

static void bursts(void)
{
    struct throttle t = { .limits = throttle_limits_none() };

    t.limits.bytes[THROTTLE_TOTAL] = (struct throttle_limit){ .average = 100, .max = 1000, .length = 3 };
    u64 first = passes(&t, 10, 0, second), rest = passes(&t, 10, second, 10 * second);
    g_assert_cmpuint(first, >=, 1000);
    g_assert_cmpuint(first, <=, 1120); /* at the burst's rate, with a tenth of a second free */
    g_assert_cmpuint(first + rest, >=, 3000 + 1000 - 10);
    g_assert_cmpuint(first + rest, <=, 3000 + 1000 + 20); /* then at the average */
    g_assert_cmpuint(passes(&t, 10, 1000 * second, 1001 * second), >=, 1000); /* it rested */
}

static void long_requests(void)
{
    struct throttle t = { .limits = throttle_limits_none() };

    t.limits.requests[THROTTLE_TOTAL].average = 10;
    t.limits.request_size = 4096;
    g_assert_cmpint(throttle_admit(&t, true, 512, 0), ==, 0);
    g_assert_cmpint(throttle_admit(&t, true, 6 * 1024, 0), ==, 0);
    g_assert_cmpint(throttle_admit(&t, true, 512, 0), ==, 150 * MS); /* counts as 1.5 */
}

static void mistakes(void)
{
    static const struct {
        struct throttle_limit total, read;
        u64 size;
        const char *message;
    } cases[] = {
        { { 1, 0, 1 }, { 0, 0, 1 }, 0, NULL },
        { { 10, 100, 60 }, { 0, 0, 1 }, 0, NULL },
        { { 1, 0, 1 }, { 1, 0, 1 }, 0, "cannot be used at the same time" },
        { { 1, 0, 1 }, { 0, 0, 1 }, 8, "iops size requires" },
        { { UINT64_MAX, 0, 1 }, { 0, 0, 1 }, 0, "must be within" },
        { { 1, 0, 0 }, { 0, 0, 1 }, 0, "cannot be 0" },
        { { 1, 0, 2 }, { 0, 0, 1 }, 0, "without burst rate" },
        { { 1, 1000000000000000, 2 }, { 0, 0, 1 }, 0, "too high" },
        { { 0, 5, 1 }, { 0, 0, 1 }, 0, "require corresponding" },
        { { 10, 5, 1 }, { 0, 0, 1 }, 0, "cannot be lower" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct throttle_limits limits = throttle_limits_none();
        GError *error = NULL;

        limits.bytes[THROTTLE_TOTAL] = cases[i].total;
        limits.bytes[THROTTLE_READ] = cases[i].read;
        limits.request_size = cases[i].size;
        g_assert_cmpint(throttle_limits_check(&limits, &error), ==, !cases[i].message);
        g_assert_true(!error || strstr(error->message, cases[i].message));
        g_clear_error(&error);
    }
}

/* ---- Disks ---- */

struct desk {
    GMainContext *context;
    struct disk_set *disks;
    struct disk *disk;
    struct disk_request request[4];
    u8 memory[512];
    struct iovec iov[4];
    unsigned done, cancelled;
};

static void done(struct disk_request *request, int ret)
{
    struct desk *desk = container_of(request - (request->offset / 512), struct desk, request[0]);

    if (ret == -ECANCELED) {
        desk->cancelled++;
        return;
    }
    g_assert_cmpint(ret, ==, 0);
    desk->done++;
}

static void open_node(struct desk *desk, const char *text)
{
    struct json_object *json = json_tokener_parse(text);
    GError *error = NULL;

    g_assert_true(disk_set_open(desk->disks, json, &error));
    g_assert_no_error(error);
    json_object_put(json);
}

static void set_up(struct desk *desk, gconstpointer node)
{
    desk->context = g_main_context_new();
    desk->disks = disk_set_create(desk->context, NULL);
    open_node(desk, "{\"driver\":\"null-co\",\"node-name\":\"n\",\"size\":4096}");
}

static void claim(struct desk *desk, const char *name)
{
    desk->disk = disk_claim(desk->disks, name, NULL, true, false, "test", NULL);
    g_assert_nonnull(desk->disk);
}

static void tear_down(struct desk *desk, gconstpointer node)
{
    disk_release(desk->disk);
    disk_set_destroy(desk->disks);
    g_main_context_unref(desk->context);
}

static void send(struct desk *desk, unsigned i)
{
    desk->request[i] = (struct disk_request){ .kind = DISK_WRITE, .offset = i * 512, .size = 512, .done = done,
                                              .data = block_data_one(&desk->iov[i], desk->memory, 512) };
    disk_submit(desk->disk, &desk->request[i]);
}

static void wait_done(struct desk *desk, unsigned count)
{
    while (desk->done < count)
        g_main_context_iteration(desk->context, TRUE);
}

static struct throttle_limits one_byte(void)
{
    struct throttle_limits limits = throttle_limits_none();

    limits.bytes[THROTTLE_TOTAL].average = 1;
    return limits;
}

/* The second request would take minutes. */
static void get_stuck(struct desk *desk)
{
    send(desk, 0);
    send(desk, 1);
    send(desk, 2);
    for (unsigned i = 0; i < 20; i++)
        g_main_context_iteration(desk->context, FALSE);
    g_assert_cmpuint(desk->done, ==, 1);
}

static void new_limits_free_those_who_wait(struct desk *desk, gconstpointer node)
{
    struct throttle_limits limits = one_byte(), none = throttle_limits_none();

    claim(desk, "n");
    g_assert_true(disk_set_limits(desk->disk, NULL, "test", &limits, NULL));
    g_assert_cmpstr(disk_limits(desk->disk, &limits), ==, "test");
    get_stuck(desk);
    limits.bytes[THROTTLE_TOTAL].average = 1 << 30;
    g_assert_true(disk_set_limits(desk->disk, NULL, "test", &limits, NULL));
    wait_done(desk, 3);
    limits = one_byte();
    g_assert_true(disk_set_limits(desk->disk, NULL, "test", &limits, NULL));
    desk->done = 0;
    get_stuck(desk);
    g_assert_true(disk_set_limits(desk->disk, NULL, "test", &none, NULL));
    wait_done(desk, 3);
    g_assert_null(disk_limits(desk->disk, &limits));
}

static void draining_does_not_wait(struct desk *desk, gconstpointer node)
{
    struct throttle_limits limits = one_byte();
    struct throttle_group *group = throttle_group_get(disk_set_graph(desk->disks), "g");

    throttle_group_set(group, &limits);
    open_node(desk, "{\"driver\":\"throttle\",\"node-name\":\"t\",\"throttle-group\":\"g\",\"file\":\"n\"}");
    claim(desk, "t");
    get_stuck(desk);
    disk_drain(desk->disk);
    g_assert_cmpuint(desk->done, ==, 3);
    throttle_group_put(group);
}

/* Sixteen KiB at 64 KiB per second, of which a tenth of a second is free: never faster, however slow the host. */
static void takes_its_time(struct desk *desk, gconstpointer node)
{
    struct throttle_limits limits = throttle_limits_none();
    s64 start;

    limits.bytes[THROTTLE_WRITE].average = 64 << 10;
    claim(desk, "n");
    g_assert_true(disk_set_limits(desk->disk, "shared", "test", &limits, NULL));
    g_assert_cmpstr(disk_limits(desk->disk, &limits), ==, "shared");
    start = host_clock_monotonic();
    for (unsigned i = 0; i < 32; i++) {
        send(desk, i % 4);
        wait_done(desk, i + 1);
    }
    g_assert_cmpint(host_clock_monotonic() - start, >=, 130 * MS);
}

static s64 by_hand(void *now)
{
    return *(const s64 *)now;
}

/* A clock that stands, whatever the host's does; groups that are there already begin anew with it. */
static void another_clock(struct desk *desk, gconstpointer node)
{
    struct throttle_limits limits = one_byte();
    s64 now = 5;

    claim(desk, "n");
    g_assert_true(disk_set_limits(desk->disk, NULL, "test", &limits, NULL));
    throttle_set_clock(disk_set_graph(desk->disks), (struct throttle_clock){ by_hand, &now });
    get_stuck(desk);
    now += 520000 * (s64)MS;
    wait_done(desk, 2);
    g_assert_cmpuint(desk->done, ==, 2);
    now += 520000 * (s64)MS;
    wait_done(desk, 3);
}

/* A device that is reset does not wait for limits; those behind it in the line were not counted yet. */
static void cancelled_do_not_wait(struct desk *desk, gconstpointer node)
{
    struct throttle_limits limits = one_byte();
    s64 now = 0, deadline = host_clock_monotonic() + 20 * second;

    claim(desk, "n");
    throttle_set_clock(disk_set_graph(desk->disks), (struct throttle_clock){ by_hand, &now });
    g_assert_true(disk_set_limits(desk->disk, NULL, "test", &limits, NULL));
    get_stuck(desk);
    disk_cancel(&desk->request[2]);
    disk_cancel(&desk->request[1]);
    while (desk->cancelled < 2) {
        g_assert_cmpint(host_clock_monotonic(), <, deadline);
        g_main_context_iteration(desk->context, TRUE);
    }
    g_assert_cmpuint(desk->done, ==, 1);
    now = 1030 * second; /* of two requests */
    send(desk, 3);
    wait_done(desk, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/throttle/averages", averages);
    g_test_add_func("/throttle/bursts", bursts);
    g_test_add_func("/throttle/long-requests", long_requests);
    g_test_add_func("/throttle/mistakes", mistakes);
    g_test_add("/throttle/new-limits", struct desk, NULL, set_up, new_limits_free_those_who_wait, tear_down);
    g_test_add("/throttle/drain", struct desk, NULL, set_up, draining_does_not_wait, tear_down);
    g_test_add("/throttle/another-clock", struct desk, NULL, set_up, another_clock, tear_down);
    g_test_add("/throttle/cancel", struct desk, NULL, set_up, cancelled_do_not_wait, tear_down);
    g_test_add("/throttle/takes-its-time", struct desk, NULL, set_up, takes_its_time, tear_down);
    return g_test_run();
}
