/* hw/virtio/virtio_balloon.c - memory balloon (virtio 1.3, 5.5): pages that the guest gives go back to the host. */
#include "hw/virtio/balloon.h"
#include "api/types.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/map.h"
#include "vm/machine.h"
#include <string.h>
enum { F_STATS = 1, F_DEFLATE_ON_OOM = 2, F_PAGE_POISON = 4, F_PAGE_REPORTING = 5, BALLOON_STATS = 16 };
/* DEVIATION Devices | virtio-balloon | `free-page-hint=on` is refused | it serves migration, which is not there yet */
static bool refuse_hints(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);
static char *get_stats(struct vm_object *object, const struct vm_property *property);
static char *get_interval(struct vm_object *object, const struct vm_property *property);
static bool set_interval(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);
#define DEVICE        virtio_balloon
#define DEVICE_ROWS   "hw/virtio/virtio_balloon.dev"
#define VIRTIO_QUEUES 4
#include "hw/virtio/declare.inc"

enum { PAGE = 4096, PAGE_SHIFT = 12, MOST_PAGES = 65536, STAT = 10, NANOSECONDS = 1000000000 };
/* Pages that are given in one go, and as how many a request counts at least: others may want the machine lock. */
enum { TURN = 1024, TURN_REQUEST = 8, TURN_PAUSE_NS = 1000 };

static u64 ram_size(const struct virtio_balloon *b)
{
    const struct vm_object *machine = vm_machine(b->device.object.vm);

    return machine ? ((const struct machine *)machine)->ram_size : 0;
}

/* A page of guest memory that nobody needs. What is no RAM stays as it is. */
static void give_page(struct virtio_balloon *b, u64 address)
{
    struct space_hit hit = space_lookup(vm_memory(b->device.object.vm), address);

    if (hit.ram && hit.writable && hit.left >= PAGE)
        vm_ram_discard(hit.ram, hit.ram_offset, PAGE);
}

/* False: the turn ends before the request does. */
static bool give_pages(struct virtio_balloon *b, u32 *turn)
{
    u64 pages = MIN(b->giving->read_size / 4, MOST_PAGES);
    u32 count = (u32)MIN(pages - b->given, *turn);
    u8 page[4 * TURN];

    virtio_request_read(b->giving, 4 * (u64)b->given, page, 4 * (u64)count);
    for (u32 i = 0; i < count; i++)
        give_page(b, bits_load_le(page + 4 * i, 4) << PAGE_SHIFT);
    b->given += count;
    *turn -= count;
    return b->given == pages;
}

static void handle_inflate(void *device, struct virtio_queue *queue)
{
    struct virtio_balloon *b = device;
    u32 turn = TURN;

    while (turn && (b->giving || (b->giving = virtio_queue_pop(queue)))) {
        if (!give_pages(b, &turn))
            break;
        b->given = 0;
        turn -= MIN(turn, TURN_REQUEST);
        virtio_request_complete(g_steal_pointer(&b->giving), 0);
    }
    if (!turn)
        device_timer_arm(&b->turn, vm_clock_now(b->device.object.vm, VM_CLOCK_VIRTUAL) + TURN_PAUSE_NS);
}

static void go_on(void *device)
{
    handle_inflate(device, ((struct virtio_balloon *)device)->inflate);
}

/* Those pages are the guest's again anyway. */
static void handle_deflate(void *device, struct virtio_queue *queue)
{
    struct virtio_request *request;

    while ((request = virtio_queue_pop(queue)))
        virtio_request_complete(request, 0);
}

/* Free page reporting (5.5.6.7): the pages themselves are the buffers. With a poison that is not zero they must keep it. */
static void handle_reporting(void *device, struct virtio_queue *queue)
{
    struct virtio_balloon *b = device;
    struct virtio_request *request;

    while ((request = virtio_queue_pop(queue))) {
        for (u32 i = 0; i < request->write_count && !(virtio_has(&b->virtio, F_PAGE_POISON) && b->state->poison_val); i++) {
            const struct virtio_piece *piece = &request->write[i];
            u64 first = bits_align_up(piece->offset, PAGE), end = bits_align_down(piece->offset + piece->size, PAGE);

            if (first < end)
                vm_ram_discard(piece->ram, first, end - first);
        }
        virtio_request_complete(request, 0);
    }
}

/* Statistics (5.5.6.3): the guest's buffer comes back to it as the question. */

static void take_stats(struct virtio_balloon *b, const struct virtio_request *request)
{
    u8 entry[STAT];

    for (u32 i = 0; i < BALLOON_STATS; i++)
        b->state->stat[i] = UINT64_MAX;
    for (u64 at = 0; at < BALLOON_STATS * STAT * 4 && virtio_request_read(request, at, entry, STAT) == STAT; at += STAT) {
        u64 tag = bits_load_le(entry, 2);

        if (tag < BALLOON_STATS)
            b->state->stat[tag] = bits_load_le(entry + 2, 8);
    }
    b->state->stats_time = (u64)vm_clock_now(b->device.object.vm, VM_CLOCK_HOST) / NANOSECONDS;
}

static void ask_later(struct virtio_balloon *b)
{
    device_timer_arm(&b->poll, b->interval ? vm_clock_now(b->device.object.vm, VM_CLOCK_VIRTUAL) + b->interval * NANOSECONDS : INT64_MAX);
}

static void handle_stats(void *device, struct virtio_queue *queue)
{
    struct virtio_balloon *b = device;
    struct virtio_request *request;

    while ((request = virtio_queue_pop(queue))) {
        if (b->stats_request) /* one is enough */
            virtio_request_complete(b->stats_request, 0);
        b->stats_request = request;
        take_stats(b, request);
    }
    ask_later(b);
}

static void ask(void *device)
{
    struct virtio_balloon *b = device;

    if (b->stats_request)
        virtio_request_complete(g_steal_pointer(&b->stats_request), 0);
    else
        ask_later(b);
}

static char *get_stats(struct vm_object *object, const struct vm_property *property)
{
    static const char *const names[] = { "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults", "stat-free-memory",
                                         "stat-total-memory", "stat-available-memory", "stat-disk-caches", "stat-htlb-pgalloc",
                                         "stat-htlb-pgfail", "stat-oom-kills", "stat-alloc-stalls", "stat-async-scans", "stat-direct-scans",
                                         "stat-async-reclaims", "stat-direct-reclaims" };
    struct virtio_balloon *b = (struct virtio_balloon *)object;
    GString *text = g_string_new("{ \"stats\": {");

    for (u32 i = 0; i < BALLOON_STATS; i++)
        g_string_append_printf(text, "%s \"%s\": %" G_GUINT64_FORMAT, i ? "," : "", names[i], b->state ? b->state->stat[i] : UINT64_MAX);
    g_string_append_printf(text, " }, \"last-update\": %" G_GUINT64_FORMAT " }", b->state ? b->state->stats_time : 0);
    return g_string_free(text, FALSE);
}

static char *get_interval(struct vm_object *object, const struct vm_property *property)
{
    return g_strdup_printf("%" G_GINT64_FORMAT, ((struct virtio_balloon *)object)->interval);
}

static bool set_interval(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct virtio_balloon *b = (struct virtio_balloon *)object;
    char *end;
    s64 value = g_ascii_strtoll(text, &end, 10);

    if (end == text || *end || value < 0)
        return error_set(error, "timer value must be greater than zero");
    if (value > UINT32_MAX)
        return error_set(error, "timer value is too big");
    b->interval = value;
    if (object->realized)
        ask_later(b);
    return true;
}

/* Size. */

static void actual_written(void *device, u32 index, u64 value)
{
    struct virtio_balloon *b = device;

    api_event_balloon_change(vm_events(b->device.object.vm), (s64)(ram_size(b) - MIN((u64)b->state->actual << PAGE_SHIFT, ram_size(b))));
}

static u64 read_target(void *device, u32 index)
{
    return ((struct virtio_balloon *)device)->state->target;
}

static struct virtio_balloon *find(struct vm *vm, GError **error)
{
    struct virtio_balloon *b = vm_backend(vm, "balloon", 0);

    if (!b)
        error_set_class(error, ERROR_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
    return b;
}

bool balloon_set(struct vm *vm, u64 bytes, GError **error)
{
    struct virtio_balloon *b = find(vm, error);

    if (!b)
        return false;
    if (!bytes)
        return error_set(error, "Parameter 'target' expects a size");
    b->state->target = (u32)((ram_size(b) - MIN(bytes, ram_size(b))) >> PAGE_SHIFT);
    virtio_config_changed(&b->virtio);
    return true;
}

bool balloon_get(struct vm *vm, u64 *bytes, GError **error)
{
    struct virtio_balloon *b = find(vm, error);

    if (b)
        *bytes = ram_size(b) - MIN((u64)b->state->actual << PAGE_SHIFT, ram_size(b));
    return b != NULL;
}

/* Life. */

static u64 offer(void *device)
{
    struct virtio_balloon *b = device;

    return (b->deflate_on_oom ? BIT64(F_DEFLATE_ON_OOM) : 0) | (b->page_poison ? BIT64(F_PAGE_POISON) : 0) |
           (b->free_page_reporting ? BIT64(F_PAGE_REPORTING) : 0);
}

static void reset(void *device)
{
    struct virtio_balloon *b = device;

    g_clear_pointer(&b->stats_request, virtio_request_drop);
    g_clear_pointer(&b->giving, virtio_request_drop);
    b->given = 0;
}

static void queue_reset(void *device, struct virtio_queue *queue)
{
    struct virtio_balloon *b = device;

    if (queue == b->statistics)
        g_clear_pointer(&b->stats_request, virtio_request_drop);
    if (queue != b->inflate)
        return;
    g_clear_pointer(&b->giving, virtio_request_drop);
    b->given = 0;
}

static bool refuse_hints(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    return !strcmp(text, "off") || !strcmp(text, "false") || error_set(error, "free-page-hint=on is not there yet");
}

static bool realize(void *device, GError **error)
{
    struct virtio_balloon *b = device;

    if (vm_backend(b->device.object.vm, "balloon", 0))
        return error_set(error, "Only one balloon device is supported");
    virtio_start(b);
    b->inflate = virtio_queue_add(&b->virtio, 128, handle_inflate);
    b->deflate = virtio_queue_add(&b->virtio, 128, handle_deflate);
    b->statistics = virtio_queue_add(&b->virtio, 128, handle_stats);
    if (b->free_page_reporting)
        b->reporting = virtio_queue_add(&b->virtio, 32, handle_reporting);
    vm_set_backend(b->device.object.vm, "balloon", 0, b);
    return true;
}

static void unrealize(void *device)
{
    struct virtio_balloon *b = device;

    if (vm_backend(b->device.object.vm, "balloon", 0) == b)
        vm_set_backend(b->device.object.vm, "balloon", 0, NULL);
    reset(b);
    virtio_device_finish(&b->virtio);
}

#include "hw/virtio/define.inc"
