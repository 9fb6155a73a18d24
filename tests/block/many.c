/* tests/block/many.c - more requests at a time than there can be stacks for: those of guests with many queues on many disks. */
#include "block/disk.h"
#include <json-c/json.h>

enum { DISKS = 4, EACH = 16384 };

struct desk {
    GMainContext *context;
    struct disk_set *disks;
    struct disk *disk[DISKS];
    struct disk_request *requests;
    struct iovec iov;
    u8 memory[512];
    unsigned done, failed;
};

static void done(struct disk_request *request, int ret)
{
    struct desk *desk = container_of(request->data.iov, struct desk, iov);

    desk->done++;
    desk->failed += ret != 0;
}

static void set_up(struct desk *desk)
{
    desk->context = g_main_context_new();
    desk->disks = disk_set_create(desk->context, NULL);
    desk->requests = g_new0(struct disk_request, DISKS * EACH);
    for (unsigned i = 0; i < DISKS; i++) {
        g_autofree char *name = g_strdup_printf("n%u", i), *text = g_strdup_printf("{\"driver\":\"null-co\",\"node-name\":\"%s\",\"latency-ns\":1000000}", name);
        struct json_object *json = json_tokener_parse(text);

        g_assert_true(disk_set_open(desk->disks, json, NULL));
        json_object_put(json);
        desk->disk[i] = disk_claim(desk->disks, name, NULL, true, false, "test", NULL);
    }
    for (unsigned i = 0; i < DISKS * EACH; i++) {
        desk->requests[i] = (struct disk_request){ .kind = DISK_WRITE, .size = 512, .done = done, .data = block_data_one(&desk->iov, desk->memory, 512) };
        disk_submit(desk->disk[i % DISKS], &desk->requests[i]);
    }
}

static void finish(struct desk *desk)
{
    g_assert_cmpuint(desk->done, ==, DISKS * EACH);
    g_assert_cmpuint(desk->failed, ==, 0);
    for (unsigned i = 0; i < DISKS; i++)
        disk_release(desk->disk[i]);
    disk_set_destroy(desk->disks);
    g_main_context_unref(desk->context);
    g_free(desk->requests);
}

static void all_come_to_an_end(void)
{
    struct desk desk = { 0 };

    set_up(&desk);
    while (desk.done < DISKS * EACH)
        g_main_context_iteration(desk.context, TRUE);
    finish(&desk);
}

static void somebody_waits_for_them(void)
{
    struct desk desk = { 0 };

    set_up(&desk);
    disk_set_drain(desk.disks);
    finish(&desk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/many/all-come-to-an-end", all_come_to_an_end);
    g_test_add_func("/many/somebody-waits-for-them", somebody_waits_for_them);
    return g_test_run();
}
