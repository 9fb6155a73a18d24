/* block/throttle.c - limits as leaky buckets: what they admit, and when. */
#include "block/throttle.h"
#include "base/error.h"

static const u64 most = 1000000000000000;

struct throttle_limits throttle_limits_none(void)
{
    struct throttle_limits out = { .request_size = 0 };

    for (unsigned k = 0; k < THROTTLE_KINDS; k++)
        out.bytes[k].length = out.requests[k].length = 1;
    return out;
}

static bool any(const struct throttle_limit *limit)
{
    return limit[THROTTLE_TOTAL].average || limit[THROTTLE_READ].average || limit[THROTTLE_WRITE].average;
}

bool throttle_limits_any(const struct throttle_limits *limits)
{
    return any(limits->bytes) || any(limits->requests);
}

static bool is_mixed(const struct throttle_limit *limit)
{
    return (limit[THROTTLE_TOTAL].average && (limit[THROTTLE_READ].average || limit[THROTTLE_WRITE].average)) ||
           (limit[THROTTLE_TOTAL].max && (limit[THROTTLE_READ].max || limit[THROTTLE_WRITE].max));
}

static bool check_one(const struct throttle_limit *limit, GError **error)
{
    if (limit->average > most || limit->max > most)
        return error_set(error, "bps/iops/max values must be within [0, %" G_GUINT64_FORMAT "]", most);
    if (!limit->length)
        return error_set(error, "the burst length cannot be 0");
    if (limit->length > 1 && !limit->max)
        return error_set(error, "burst length set without burst rate");
    if (limit->max && limit->length > most / limit->max)
        return error_set(error, "burst length too high for this burst rate");
    if (limit->max && !limit->average)
        return error_set(error, "bps_max/iops_max require corresponding bps/iops values");
    return !limit->max || limit->max >= limit->average || error_set(error, "bps_max/iops_max cannot be lower than bps/iops");
}

bool throttle_limits_check(const struct throttle_limits *limits, GError **error)
{
    if (is_mixed(limits->bytes) || is_mixed(limits->requests))
        return error_set(error, "bps/iops/max total values and read/write values cannot be used at the same time");
    if (limits->request_size && !any(limits->requests))
        return error_set(error, "iops size requires an iops value to be set");
    for (unsigned k = 0; k < THROTTLE_KINDS; k++)
        if (!check_one(&limits->bytes[k], error) || !check_one(&limits->requests[k], error))
            return false;
    return true;
}

static void leak(struct throttle_bucket *bucket, const struct throttle_limit *limit, double seconds)
{
    bucket->level = MAX(bucket->level - (double)limit->average * seconds, 0);
    bucket->burst = MAX(bucket->burst - (double)limit->max * seconds, 0);
}

/*
 * Seconds until the bucket has room. Without a burst it holds a tenth of a second's worth, so that not every other request waits; with
 * one, all of the burst, while a second bucket, of a tenth of a second of the burst's rate, keeps to that rate.
 */
static double seconds_for(const struct throttle_bucket *bucket, const struct throttle_limit *limit)
{
    double room = limit->max ? (double)limit->max * (double)limit->length : (double)limit->average / 10, wait = 0;

    if (!limit->average)
        return 0;
    if (bucket->level > room)
        wait = (bucket->level - room) / (double)limit->average;
    if (limit->length > 1 && bucket->burst > (double)limit->max / 10)
        wait = MAX(wait, (bucket->burst - (double)limit->max / 10) / (double)limit->max);
    return wait;
}

static void add(struct throttle_bucket *bucket, const struct throttle_limit *limit, double units)
{
    bucket->level += limit->average ? units : 0;
    bucket->burst += limit->length > 1 ? units : 0;
}

s64 throttle_admit(struct throttle *t, bool write, u64 bytes, s64 now)
{
    const struct throttle_limits *l = &t->limits;
    const enum throttle_kind kinds[] = { THROTTLE_TOTAL, write ? THROTTLE_WRITE : THROTTLE_READ };
    double passed = now > t->then ? (double)(now - t->then) / 1e9 : 0, wait = 0;
    double requests = l->request_size && bytes > l->request_size ? (double)bytes / (double)l->request_size : 1;

    t->then = MAX(t->then, now);
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        leak(&t->bytes[k], &l->bytes[k], passed);
        leak(&t->requests[k], &l->requests[k], passed);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        enum throttle_kind k = kinds[i];

        wait = MAX(wait, MAX(seconds_for(&t->bytes[k], &l->bytes[k]), seconds_for(&t->requests[k], &l->requests[k])));
        add(&t->bytes[k], &l->bytes[k], (double)bytes);
        add(&t->requests[k], &l->requests[k], requests);
    }
    return now + (s64)MIN(wait * 1e9, 1e18);
}
