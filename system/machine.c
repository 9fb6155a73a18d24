/* system/machine.c - the board and what is plugged into it: -M -smp -m -cpu -kernel ... -device -object. */
#include "base/error.h"
#include "host/folders.h"
#include "system/system.h"
#include "vm/clock.h"
#include "vm/memory_backend.h"
#include <string.h>

struct board_names {
    GPtrArray *names;
    u32 guest;
    const char *wanted;
    const struct vm_class *found;
};

static void look(const struct vm_class *class, void *opaque)
{
    struct board_names *search = opaque;
    const struct machine_class *board = class->data;

    if (class->abstract || !board || !vm_class_is_a(class, "machine", search->guest))
        return;
    g_ptr_array_add(search->names, (gpointer)board->name);
    if (!strcmp(board->name, search->wanted) || (board->alias && !strcmp(board->alias, search->wanted)))
        search->found = class;
}

static const struct vm_class *find_board(struct mynah_system *s, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    struct board_names search = { names, s->guest, name ? name : "", NULL };

    vm_class_foreach(s->guest, look, &search);
    if (search.found)
        return search.found;
    g_ptr_array_add(names, NULL);
    if (!name) {
        error_set(error, "no machine was chosen");
        error_hint(error, "say which with -M, for instance -M virt; '-M help' lists the machines");
        return NULL;
    }
    const char *near = error_nearest_name(name, (const char *const *)names->pdata);
    error_set(error, "unknown machine '%s'", name);
    if (near)
        error_hint(error, "did you mean '%s'? '-M help' lists the machines", near);
    else
        error_hint(error, "'-M help' lists the machines");
    return NULL;
}

static void set_text(char **to, const char *text)
{
    if (!text)
        return;
    g_free(*to);
    *to = g_strdup(text);
}

static const char *last_text(struct mynah_system *s, enum api_option_id id)
{
    struct api_option_use *use = api_option_last(s->options, id);

    return use ? use->text : NULL;
}

/* -smp: what is left out follows from what is given, sockets first (as QEMU since 6.2 prefers cores; a flat count gives sockets). */
static bool set_cpus(struct mynah_system *s, const struct machine_class *board, GError **error)
{
    g_autoptr(api_keyval) smp = api_option_merged(s->options, API_OPTION_SMP);
    struct machine *m = s->machine;
    u64 cpus = 0, max = 0, sockets = 0, clusters = 0, cores = 0, threads = 0;

    if (!api_keyval_get_u64(smp, "cpus", &cpus, error) || !api_keyval_get_u64(smp, "maxcpus", &max, error) ||
        !api_keyval_get_u64(smp, "sockets", &sockets, error) || !api_keyval_get_u64(smp, "clusters", &clusters, error) ||
        !api_keyval_get_u64(smp, "cores", &cores, error) || !api_keyval_get_u64(smp, "threads", &threads, error))
        return error_prefix(error, "-smp");
    if (MAX(MAX(MAX(cpus, max), MAX(sockets, clusters)), MAX(cores, threads)) > 65536)
        return error_set(error, "-smp: %s supports at most %u CPUs", board->name, board->max_cpus);
    u64 total = MAX(sockets, 1) * MAX(clusters, 1) * MAX(cores, 1) * MAX(threads, 1);
    if (!cpus)
        cpus = api_keyval_find(smp, "cpus") ? 0 : max ? max : total;
    if (!cpus)
        return error_set(error, "-smp: there must be at least one CPU");
    max = max ? max : MAX(cpus, total);
    if (!sockets && !cores)
        cores = max / (MAX(threads, 1) * MAX(clusters, 1));
    clusters = MAX(clusters, 1);
    threads = MAX(threads, 1);
    if (!sockets)
        sockets = MAX(max / (clusters * MAX(cores, 1) * threads), 1);
    if (!cores)
        cores = MAX(max / (sockets * clusters * threads), 1);
    if (cpus > max)
        return error_set(error, "-smp: cpus=%" G_GUINT64_FORMAT " is more than maxcpus=%" G_GUINT64_FORMAT, cpus, max);
    if (sockets * clusters * cores * threads != max)
        return error_set(error, "-smp: sockets * clusters * cores * threads is %" G_GUINT64_FORMAT ", maxcpus is %" G_GUINT64_FORMAT,
                         sockets * clusters * cores * threads, max);
    if (max > board->max_cpus)
        return error_set(error, "-smp: %s supports at most %u CPUs, not %" G_GUINT64_FORMAT, board->name, board->max_cpus, max);
    m->cpus = (u32)cpus;
    m->max_cpus = (u32)max;
    m->sockets = (u32)sockets;
    m->clusters = (u32)clusters;
    m->cores = (u32)cores;
    m->threads = (u32)threads;
    return true;
}

static bool set_memory(struct mynah_system *s, const struct machine_class *board, GError **error)
{
    g_autoptr(api_keyval) m = api_option_merged(s->options, API_OPTION_M);
    u64 size = board->default_ram_size;

    u64 backend;

    if (!vm_machine_backend_size(s->machine, &backend, error))
        return false;
    if (backend)
        size = backend; /* unless -m says something else, which the board refuses */
    if (!api_keyval_get_size(m, "size", MIB, &size, error))
        return error_prefix(error, "-m");
    if (size > UINT64_C(1) << 46)
        return error_set(error, "-m: %" G_GUINT64_FORMAT " GiB is more than any host can map", size / GIB);
    s->machine->ram_size = size;
    return true;
}

static void set_firmware_folders(struct mynah_system *s)
{
    g_autoptr(GPtrArray) folders = g_ptr_array_new();

    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == API_OPTION_CAPITAL_L)
            g_ptr_array_add(folders, g_strdup(use->text));
    }
    host_folders_add_firmware(folders);
    g_ptr_array_add(folders, NULL);
    s->machine->firmware_folders = (char **)g_ptr_array_free(g_steal_pointer(&folders), FALSE);
}

/* What -M says beside the type: fields that have options of their own, then properties of the board. */
static bool set_properties(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    struct machine *m = s->machine;

    for (unsigned i = 0; i < api_keyval_count(list); i++) {
        const struct api_keyval_item *item = api_keyval_at(list, i);
        const struct { const char *key; char **field; } fields[] = {
            { "kernel", &m->kernel }, { "initrd", &m->initrd }, { "append", &m->append }, { "dtb", &m->dtb },
            { "dumpdtb", &m->dumpdtb }, { "firmware", &m->firmware }, { "memory-backend", &m->memory_backend },
        };
        static const char *const ignored[] = { "type", "accel", "usb", "graphics", "dump-guest-core", "mem-merge", NULL };
        bool done = g_strv_contains(ignored, item->key);

        for (unsigned f = 0; f < ARRAY_SIZE(fields) && !done; f++) {
            if (strcmp(fields[f].key, item->key))
                continue;
            set_text(fields[f].field, item->value);
            done = true;
        }
        if (!done && !vm_object_set(&m->object, item->key, item->value, error))
            return error_prefix(error, "-M %s", machine_class_of(m->object.class)->name);
    }
    return true;
}

static void add_containers(struct mynah_system *s)
{
    static const char *const names[] = { "unattached", "peripheral", "peripheral-anon" };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (!vm_object_child(&s->machine->object, names[i]))
            vm_object_create(s->vm, "container", &s->machine->object, names[i], NULL);
    }
}

bool system_create_machine(struct mynah_system *s, GError **error)
{
    g_autoptr(api_keyval) list = api_option_merged(s->options, API_OPTION_MACHINE);
    const struct vm_class *class = find_board(s, api_keyval_get(list, "type"), error);

    if (!class)
        return false;
    const struct machine_class *board = machine_class_of(class);
    struct vm_object *object = vm_object_create(s->vm, class->name, vm_root(s->vm), "machine", error);
    if (!object)
        return false;
    s->machine = container_of(object, struct machine, object);
    add_containers(s);
    if (!set_properties(s, list, error) || !set_cpus(s, board, error) || !set_memory(s, board, error))
        return false;
    set_text(&s->machine->kernel, last_text(s, API_OPTION_KERNEL));
    set_text(&s->machine->initrd, last_text(s, API_OPTION_INITRD));
    set_text(&s->machine->append, last_text(s, API_OPTION_APPEND));
    set_text(&s->machine->dtb, last_text(s, API_OPTION_DTB));
    set_text(&s->machine->firmware, last_text(s, API_OPTION_BIOS));
    set_text(&s->machine->cpu_type, last_text(s, API_OPTION_CPU));
    set_firmware_folders(s);
    vm_lock(s->vm);
    bool real = vm_object_realize(object, error);
    vm_unlock(s->vm);
    return real;
}

static struct vm_object *create_from(struct mynah_system *s, struct api_keyval *list, const char *type_key, const char *ancestor,
                                     struct vm_object *parent, const char *anonymous, GError **error)
{
    const char *type = api_keyval_get(list, type_key), *id = api_keyval_get(list, "id");
    const struct vm_class *class = type ? vm_class_find(type, s->guest) : NULL;

    if (!type) {
        error_set(error, "say which one: %s=NAME is missing", type_key);
        return NULL;
    }
    if (!class || !class->user_creatable || class->abstract || !vm_class_is_a(class, ancestor, s->guest)) {
        const char *near = vm_class_nearest(type, ancestor, s->guest);

        error_set(error, "there is no %s '%s'", ancestor, type);
        if (near)
            error_hint(error, "did you mean '%s'?", near);
        return NULL;
    }
    struct vm_object *object = vm_object_create(s->vm, type, parent, id ? id : anonymous, error);
    for (unsigned i = 0; object && i < api_keyval_count(list); i++) {
        const struct api_keyval_item *item = api_keyval_at(list, i);

        if (!strcmp(item->key, type_key) || !strcmp(item->key, "id"))
            continue;
        if (!vm_object_set(object, item->key, item->value, error)) {
            vm_object_destroy(object);
            return NULL;
        }
    }
    if (object && !vm_object_realize(object, error)) {
        vm_object_destroy(object);
        return NULL;
    }
    return object;
}

static bool create_one(struct mynah_system *s, struct api_option_use *use, GError **error)
{
    bool named = api_keyval_get(use->keyval, "id") != NULL;
    struct vm_object *parent, *made;

    if (use->id == API_OPTION_OBJECT) {
        if (!g_strcmp0(api_keyval_get(use->keyval, "qom-type"), "monitor-qmp"))
            return true; /* made with the monitors */
        made = create_from(s, use->keyval, "qom-type", "user-creatable", vm_object_child(vm_root(s->vm), "objects"), "object[*]", error);
    } else {
        parent = vm_object_child(&s->machine->object, named ? "peripheral" : "peripheral-anon");
        made = create_from(s, use->keyval, "driver", "device", parent, "device[*]", error);
    }
    return made ? true : error_prefix(error, "%s %s", use->spelling, use->text);
}

static bool create_all(struct mynah_system *s, enum api_option_id id, GError **error)
{
    bool ok = true;

    vm_lock(s->vm);
    for (unsigned i = 0; i < api_option_count(s->options) && ok; i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == id)
            ok = create_one(s, use, error);
    }
    vm_unlock(s->vm);
    return ok;
}

bool system_create_objects(struct mynah_system *s, GError **error)
{
    return create_all(s, API_OPTION_OBJECT, error);
}

bool system_create_devices(struct mynah_system *s, GError **error)
{
    return create_all(s, API_OPTION_DEVICE, error);
}

VM_CLASS(user_creatable) { .name = "user-creatable", .abstract = true, .size = sizeof(struct vm_object), .description = "what -object can make" };
