/* hw/display/gpu_2d.c - resources and scanouts of a virtio GPU. */
#include "hw/display/gpu_2d.h"
#include <string.h>

struct gpu_resource {
    u32 id, width, height;
    u64 size, held; /* bytes of the image; of all that counts against memory_max */
    pixman_image_t *image;
    struct gpu_page *pages;
    u32 page_count;
};

/* 5.7.6.8: formats name the order of bytes in memory. */
static const struct {
    u32 theirs;
    pixman_format_code_t ours;
} formats[] = {
    {1, PIXMAN_a8r8g8b8}, {2, PIXMAN_x8r8g8b8}, {3, PIXMAN_b8g8r8a8}, {4, PIXMAN_b8g8r8x8},
    {67, PIXMAN_a8b8g8r8}, {68, PIXMAN_r8g8b8x8}, {121, PIXMAN_r8g8b8a8}, {134, PIXMAN_x8b8g8r8},
};

static void free_resource(gpointer data)
{
    struct gpu_resource *resource = data;

    pixman_image_unref(resource->image);
    g_free(resource->pages);
    g_free(resource);
}

void gpu_init(struct gpu *gpu, u32 screens, u64 memory_max)
{
    gpu->resources = g_hash_table_new_full(NULL, NULL, NULL, free_resource);
    gpu->memory_max = memory_max;
    gpu->screen_count = screens;
}

static struct gpu_resource *find(const struct gpu *gpu, u32 id)
{
    return g_hash_table_lookup(gpu->resources, GUINT_TO_POINTER(id));
}

static void hide(struct gpu_screen *screen)
{
    screen->resource = 0;
    screen->shown = (struct gpu_rectangle){0};
    console_set_image(screen->console, NULL);
}

void gpu_reset(struct gpu *gpu)
{
    for (u32 i = 0; i < gpu->screen_count; i++)
        hide(&gpu->screen[i]);
    g_hash_table_remove_all(gpu->resources);
    gpu->memory = 0;
}

void gpu_finish(struct gpu *gpu)
{
    if (!gpu->resources)
        return;
    gpu_reset(gpu);
    g_clear_pointer(&gpu->resources, g_hash_table_unref);
}

u32 gpu_create(struct gpu *gpu, u32 id, u32 format, u32 width, u32 height)
{
    u64 size = (u64)width * height * 4;
    unsigned row = 0;

    while (row < ARRAY_SIZE(formats) && formats[row].theirs != format)
        row++;
    if (!id || find(gpu, id))
        return GPU_INVALID_RESOURCE;
    if (row == ARRAY_SIZE(formats) || !width || !height || width > GPU_SIDE_MAX || height > GPU_SIDE_MAX)
        return GPU_INVALID_PARAMETER;
    if (gpu->memory + size > gpu->memory_max || g_hash_table_size(gpu->resources) >= GPU_RESOURCES_MAX)
        return GPU_OUT_OF_MEMORY;
    pixman_image_t *image = pixman_image_create_bits(formats[row].ours, (int)width, (int)height, NULL, 0);
    if (!image)
        return GPU_OUT_OF_MEMORY;
    struct gpu_resource *resource = g_new0(struct gpu_resource, 1);
    *resource = (struct gpu_resource){.id = id, .width = width, .height = height, .size = size, .held = size, .image = image};
    g_hash_table_insert(gpu->resources, GUINT_TO_POINTER(id), resource);
    gpu->memory += size;
    gpu->moved += size;
    return GPU_OK;
}

u32 gpu_unref(struct gpu *gpu, u32 id)
{
    struct gpu_resource *resource = find(gpu, id);

    if (!resource)
        return GPU_INVALID_RESOURCE;
    for (u32 i = 0; i < gpu->screen_count; i++) {
        if (gpu->screen[i].resource == id)
            hide(&gpu->screen[i]);
    }
    gpu->memory -= resource->held;
    g_hash_table_remove(gpu->resources, GUINT_TO_POINTER(id));
    return GPU_OK;
}

u32 gpu_attach(struct gpu *gpu, u32 id, const struct gpu_page *pages, u32 count)
{
    struct gpu_resource *resource = find(gpu, id);

    if (!resource)
        return GPU_INVALID_RESOURCE;
    u64 size = count * sizeof(*pages);
    if (resource->pages || count > GPU_ENTRIES_MAX)
        return GPU_UNSPECIFIED;
    if (gpu->memory + size > gpu->memory_max)
        return GPU_OUT_OF_MEMORY;
    gpu->memory += size;
    resource->held += size;
    resource->pages = g_memdup2(pages, count * sizeof(*pages));
    resource->page_count = count;
    return GPU_OK;
}

u32 gpu_detach(struct gpu *gpu, u32 id)
{
    struct gpu_resource *resource = find(gpu, id);

    if (!resource || !resource->pages)
        return resource ? GPU_UNSPECIFIED : GPU_INVALID_RESOURCE;
    g_clear_pointer(&resource->pages, g_free);
    gpu->memory -= resource->held - resource->size;
    resource->held = resource->size;
    resource->page_count = 0;
    return GPU_OK;
}

static bool is_inside(const struct gpu_rectangle *part, u32 width, u32 height)
{
    return (u64)part->x + part->width <= width && (u64)part->y + part->height <= height;
}

/* Where reading the guest's pages is: lines come in order, so the search goes on from there. */
struct position {
    u32 page;
    u64 start; /* of that page, in bytes from the beginning of all */
};

/* Devices are not read: a picture of their registers would take the machine lock for seconds, and each read may mean something to them. */
static void read_ram(struct space *space, u64 address, u8 *to, u64 size)
{
    for (u64 part; size; address += part, to += part, size -= part) {
        struct space_hit hit = space_lookup(space, address);

        part = MIN(size, hit.left);
        if (hit.ram)
            memcpy(to, hit.ram->host + hit.ram_offset, part);
    }
}

/* Bytes of the pages from `offset` on; what is not there, or is no RAM, stays as it was. */
static void read_pages(struct gpu *gpu, const struct gpu_resource *resource, struct position *at, u64 offset, u8 *to, u64 size)
{
    if (offset < at->start)
        *at = (struct position){0};
    while (size && at->page < resource->page_count) {
        const struct gpu_page *page = &resource->pages[at->page];
        u64 inside = offset - at->start;

        if (inside >= page->size) {
            at->start += page->size;
            at->page++;
            continue;
        }
        u64 part = MIN(page->size - inside, size);
        read_ram(gpu->space, page->address + inside, to, part);
        to += part;
        offset += part;
        size -= part;
    }
}

u32 gpu_transfer(struct gpu *gpu, u32 id, const struct gpu_rectangle *where, u64 offset)
{
    struct gpu_resource *resource = find(gpu, id);
    struct position at = {0};

    if (!resource || !resource->pages)
        return GPU_INVALID_RESOURCE;
    if (!is_inside(where, resource->width, resource->height) || offset > resource->size)
        return GPU_INVALID_PARAMETER;
    gpu->moved += (u64)where->width * where->height * 4;
    u64 stride = (u64)resource->width * 4;
    u8 *image = (u8 *)pixman_image_get_data(resource->image);
    if (!where->x && where->width == resource->width) { /* whole lines are one piece */
        read_pages(gpu, resource, &at, offset, image + where->y * stride, where->height * stride);
        return GPU_OK;
    }
    for (u32 line = 0; line < where->height; line++)
        read_pages(gpu, resource, &at, offset + line * stride, image + (where->y + line) * stride + where->x * UINT64_C(4), where->width * UINT64_C(4));
    return GPU_OK;
}

u32 gpu_set_scanout(struct gpu *gpu, u32 number, u32 id, const struct gpu_rectangle *shown)
{
    if (number >= gpu->screen_count)
        return GPU_INVALID_SCANOUT;
    struct gpu_screen *screen = &gpu->screen[number];
    struct gpu_resource *resource = id ? find(gpu, id) : NULL;
    if (!id) {
        hide(screen);
        return GPU_OK;
    }
    if (!resource)
        return GPU_INVALID_RESOURCE;
    if (!is_inside(shown, resource->width, resource->height) || shown->width < 16 || shown->height < 16)
        return GPU_INVALID_PARAMETER;
    u32 *data = pixman_image_get_data(resource->image) + (u64)shown->y * resource->width + shown->x;
    pixman_image_t *part = pixman_image_create_bits_no_clear(pixman_image_get_format(resource->image), (int)shown->width, (int)shown->height,
                                                             data, (int)resource->width * 4);
    if (!part)
        return GPU_OUT_OF_MEMORY;
    console_set_image(screen->console, part);
    pixman_image_unref(part);
    screen->resource = id;
    screen->shown = *shown;
    return GPU_OK;
}

u32 gpu_flush(struct gpu *gpu, u32 id, const struct gpu_rectangle *where)
{
    const struct gpu_resource *resource = find(gpu, id);

    if (!resource)
        return GPU_INVALID_RESOURCE;
    if (!is_inside(where, resource->width, resource->height))
        return GPU_INVALID_PARAMETER;
    for (u32 i = 0; i < gpu->screen_count; i++) {
        const struct gpu_screen *screen = &gpu->screen[i];
        const struct gpu_rectangle *shown = &screen->shown;
        u32 left = MAX(where->x, shown->x), top = MAX(where->y, shown->y);
        u32 right = MIN(where->x + where->width, shown->x + shown->width), bottom = MIN(where->y + where->height, shown->y + shown->height);

        if (screen->resource == id && left < right && top < bottom)
            console_changed(screen->console, left - shown->x, top - shown->y, right - left, bottom - top);
    }
    return GPU_OK;
}
