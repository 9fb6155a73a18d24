/* system/machine.c - the board and what is plugged into it: -M -smp -m -cpu -kernel ... -device -object. */
#include "base/error.h"
#include "host/folders.h"
#include "system/system.h"
#include "vm/clock.h"
#include "vm/memory_backend.h"
#include "vm/user.h"
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

const struct machine_class *system_machine_class(struct mynah_system *s, GError **error)
{
    g_autoptr(api_keyval) list = api_option_merged(s->options, API_OPTION_MACHINE);
    const struct vm_class *class = find_board(s, api_keyval_get(list, "type"), error);

    return class ? machine_class_of(class) : NULL;
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

enum level { DRAWERS, BOOKS, SOCKETS, DIES, CLUSTERS, MODULES, CORES, THREADS, LEVELS };
static const char *const level_names[LEVELS] = { "drawers", "books", "sockets", "dies", "clusters", "modules", "cores", "threads" };
static const bool level_is_there[LEVELS] = { [SOCKETS] = true, [CLUSTERS] = true, [CORES] = true, [THREADS] = true };

/* What -smp says; 0: nothing. */
struct topology {
    u64 cpus, max, level[LEVELS];
};

static bool read_count(struct api_keyval *smp, const char *name, u64 *to, GError **error)
{
    if (!api_keyval_get_u64(smp, name, to, error))
        return false;
    if (api_keyval_find(smp, name) && !*to)
        return error_set(error, "%s must be greater than zero", name);
    return *to <= UINT16_MAX || error_set(error, "%s=%" G_GUINT64_FORMAT " is more than any machine supports", name, *to);
}

static bool read_topology(struct topology *t, struct api_keyval *smp, const struct machine_class *board, GError **error)
{
    if (!read_count(smp, "cpus", &t->cpus, error) || !read_count(smp, "maxcpus", &t->max, error))
        return false;
    for (unsigned i = 0; i < LEVELS; i++) {
        if (!read_count(smp, level_names[i], &t->level[i], error))
            return false;
        if (!level_is_there[i] && t->level[i] > 1) {
            error_set(error, "%s=%" G_GUINT64_FORMAT " is not supported by machine type '%s'", level_names[i], t->level[i], board->name);
            return error_hint(error, "it has sockets, clusters, cores and threads");
        }
    }
    return true;
}

static u64 product(const struct topology *t)
{
    u64 all = 1;

    for (unsigned i = 0; i < LEVELS; i++)
        all *= t->level[i];
    return all;
}

/* What is left out follows from what is given: cores first, then sockets, then threads, as in QEMU since 6.2. */
static void complete_topology(struct topology *t)
{
    unsigned open = !t->level[CORES] ? CORES : !t->level[SOCKETS] ? SOCKETS : THREADS;
    bool is_open = !t->level[open];

    t->max = t->max ? t->max : t->cpus;
    for (unsigned i = 0; i < LEVELS; i++)
        t->level[i] = MAX(t->level[i], 1);
    if (is_open && t->max)
        t->level[open] = MAX(t->max / product(t), 1);
    t->max = t->max ? t->max : product(t);
    t->cpus = t->cpus ? t->cpus : t->max;
}

static bool check_topology(const struct topology *t, const struct machine_class *board, GError **error)
{
    if (t->cpus > t->max)
        return error_set(error, "cpus=%" G_GUINT64_FORMAT " is more than maxcpus=%" G_GUINT64_FORMAT, t->cpus, t->max);
    if (product(t) != t->max)
        return error_set(error, "product of the hierarchy must match maxcpus: sockets (%" G_GUINT64_FORMAT ") * clusters (%" G_GUINT64_FORMAT
                         ") * cores (%" G_GUINT64_FORMAT ") * threads (%" G_GUINT64_FORMAT ") != maxcpus (%" G_GUINT64_FORMAT ")",
                         t->level[SOCKETS], t->level[CLUSTERS], t->level[CORES], t->level[THREADS], t->max);
    if (t->max > board->max_cpus)
        return error_set(error, "%s supports at most %u CPUs, not %" G_GUINT64_FORMAT, board->name, board->max_cpus, t->max);
    return true;
}

static bool set_cpus(struct mynah_system *s, const struct machine_class *board, GError **error)
{
    g_autoptr(api_keyval) smp = api_option_merged(s->options, API_OPTION_SMP);
    struct machine *m = s->machine;
    struct topology t = { 0 };

    if (!read_topology(&t, smp, board, error))
        return error_prefix(error, "-smp");
    complete_topology(&t);
    if (!check_topology(&t, board, error))
        return error_prefix(error, "-smp");
    m->cpus = (u32)t.cpus;
    m->max_cpus = (u32)t.max;
    m->sockets = (u32)t.level[SOCKETS];
    m->clusters = (u32)t.level[CLUSTERS];
    m->cores = (u32)t.level[CORES];
    m->threads = (u32)t.level[THREADS];
    return true;
}

/* -m slots=,maxmem=: what QEMU checks. Plugging memory in comes with the first board that can. */
static bool set_hotplug_memory(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    struct machine *m = s->machine;
    u64 most = m->ram_size;

    if (!api_keyval_get_u64(list, "slots", &m->ram_slots, error) || !api_keyval_get_size(list, "maxmem", 1, &most, error))
        return false;
    if (api_keyval_find(list, "slots") && !api_keyval_find(list, "maxmem"))
        return error_set(error, "slots needs maxmem as well");
    if (most < m->ram_size)
        return error_set(error, "maxmem (0x%" G_GINT64_MODIFIER "x) must be at least the initial memory size (0x%" G_GINT64_MODIFIER "x)", most,
                         m->ram_size);
    if (m->ram_slots && most == m->ram_size)
        return error_set(error, "there are slots, but maxmem (0x%" G_GINT64_MODIFIER "x) is no more than the initial memory size", most);
    m->max_ram_size = most;
    return true;
}

/* What -m says instead; 0 is nothing, as in QEMU. */
static bool read_size(struct api_keyval *m, u64 *size, GError **error)
{
    u64 wanted = 0;

    if (!api_keyval_get_size(m, "size", MIB, &wanted, error))
        return error_prefix(error, "-m");
    *size = wanted ? wanted : *size;
    return true;
}

/* -mem-path: a backend under the name of the board's memory. */
static bool make_file_backend(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    const struct machine_class *board = machine_class_of(s->machine->object.class);
    const char *path = last_text(s, API_OPTION_MEM_PATH);
    bool prealloc = api_option_last(s->options, API_OPTION_MEM_PREALLOC) != NULL;
    u64 size = board->default_ram_size;

    if (!path)
        return !prealloc || error_set(error, "-mem-prealloc needs -mem-path; or use -object memory-backend-ram,prealloc=on,...");
    if (s->machine->memory_backend)
        return error_set(error, "-mem-path and -machine memory-backend= exclude each other");
    if (!read_size(list, &size, error))
        return false;
    g_autofree char *bytes = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    const char *const pairs[] = { "size", bytes, "mem-path", path, "prealloc", prealloc ? "on" : "off", NULL };
    const struct vm_user_request request = {
        .ancestor = "user-creatable", .type = "memory-backend-file", .id = board->default_ram_id,
        .parent = vm_object_child(vm_root(s->vm), "objects"), .pairs = pairs,
    };
    vm_lock(s->vm);
    bool made = vm_user_create(s->vm, &request, error);
    vm_unlock(s->vm);
    set_text(&s->machine->memory_backend, board->default_ram_id);
    return made || error_prefix(error, "-mem-path %s", path);
}

static bool set_memory(struct mynah_system *s, const struct machine_class *board, GError **error)
{
    g_autoptr(api_keyval) m = api_option_merged(s->options, API_OPTION_M);
    u64 size = board->default_ram_size;

    u64 backend;

    if (!make_file_backend(s, m, error) || !vm_machine_backend_size(s->machine, &backend, error))
        return false;
    if (backend)
        size = backend; /* unless -m says something else, which the board refuses */
    if (!read_size(m, &size, error))
        return false;
    if (size > UINT64_C(1) << 46)
        return error_set(error, "-m: %" G_GUINT64_FORMAT " GiB is more than any host can map", size / GIB);
    s->machine->ram_size = size;
    return set_hotplug_memory(s, m, error) || error_prefix(error, "-m");
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
    if (!set_properties(s, list, error) || !set_cpus(s, board, error) || !set_memory(s, board, error) ||
        !system_create_numa(s, error))
        return false;
    set_text(&s->machine->kernel, last_text(s, API_OPTION_KERNEL));
    set_text(&s->machine->initrd, last_text(s, API_OPTION_INITRD));
    set_text(&s->machine->append, last_text(s, API_OPTION_APPEND));
    set_text(&s->machine->dtb, last_text(s, API_OPTION_DTB));
    set_text(&s->machine->firmware, last_text(s, API_OPTION_BIOS));
    set_text(&s->machine->cpu_type, last_text(s, API_OPTION_CPU));
    set_firmware_folders(s);
    if (s->machine->append && !s->machine->kernel)
        return error_set(error, "-append needs -kernel");
    vm_lock(s->vm);
    bool real = vm_object_realize(object, error);
    vm_unlock(s->vm);
    return real;
}

static bool create_one(struct mynah_system *s, struct api_option_use *use, GError **error)
{
    bool is_object = use->id == API_OPTION_OBJECT;
    const char *key = is_object ? "qom-type" : "driver", *id = api_keyval_get(use->keyval, "id");
    g_autoptr(GPtrArray) pairs = vm_user_pairs(use->keyval, key);
    struct vm_user_request request = {
        .ancestor = is_object ? "user-creatable" : "device",
        .type = api_keyval_get(use->keyval, key),
        .id = id,
        .parent = is_object ? vm_object_child(vm_root(s->vm), "objects")
                            : vm_object_child(&s->machine->object, id ? "peripheral" : "peripheral-anon"),
        .anonymous = "device[*]",
        .pairs = (const char *const *)pairs->pdata,
    };

    if (!request.type)
        return error_set(error, "%s %s: say which one: %s=NAME is missing", use->spelling, use->text, key);
    if (is_object && !id)
        return error_set(error, "%s %s: say how to call it: id=NAME is missing", use->spelling, use->text);
    return vm_user_create(s->vm, &request, error) ? true : error_prefix(error, "%s %s", use->spelling, use->text);
}

/* The device half of -virtfs. */
static bool create_virtfs(struct mynah_system *s, struct api_option_use *use, GError **error)
{
    const char *const pairs[] = { "fsdev", api_keyval_get(use->keyval, "id"), "mount_tag", api_keyval_get(use->keyval, "mount_tag"), NULL };
    const struct vm_user_request request = {
        .ancestor = "device", .type = "virtio-9p-pci", .parent = vm_object_child(&s->machine->object, "peripheral-anon"),
        .anonymous = "device[*]", .pairs = pairs,
    };

    return vm_user_create(s->vm, &request, error) ? true : error_prefix(error, "%s %s", use->spelling, use->text);
}

/* The device half of -drive if=virtio. */
static bool create_drive_devices(struct mynah_system *s, GError **error)
{
    bool ok = true;

    vm_lock(s->vm);
    for (guint i = 0; i < s->drives->len && ok; i++) {
        const struct system_drive *drive = s->drives->pdata[i];
        const char *const pairs[] = { "drive", drive->id, NULL };
        const struct vm_user_request request = {
            .ancestor = "device", .type = "virtio-blk-pci", .parent = vm_object_child(&s->machine->object, "peripheral-anon"),
            .anonymous = "device[*]", .pairs = pairs,
        };

        if (!strcmp(drive->interface, "virtio"))
            ok = vm_user_create(s->vm, &request, error) || error_prefix(error, "%s", drive->what);
    }
    vm_unlock(s->vm);
    return ok;
}

static bool is_object_of(const struct api_option_use *use, const char *type)
{
    return use->id == API_OPTION_OBJECT && !g_strcmp0(api_keyval_get(use->keyval, "qom-type"), type);
}

/* Those that are not made with the other objects. */
static bool has_its_time(const struct api_option_use *use)
{
    return is_object_of(use, "throttle-group") || is_object_of(use, "monitor-qmp");
}

bool system_create_objects_of(struct mynah_system *s, const char *type, GError **error)
{
    bool ok = true, locked = vm_lock_if_needed(s->vm);

    for (unsigned i = 0; i < api_option_count(s->options) && ok; i++)
        if (is_object_of(api_option_at(s->options, i), type))
            ok = create_one(s, api_option_at(s->options, i), error);
    vm_unlock_if(s->vm, locked);
    return ok;
}

static bool create_all(struct mynah_system *s, enum api_option_id id, GError **error)
{
    bool ok = true;

    vm_lock(s->vm);
    for (unsigned i = 0; i < api_option_count(s->options) && ok; i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == id && !has_its_time(use))
            ok = create_one(s, use, error);
        else if (use->id == API_OPTION_VIRTFS && id == API_OPTION_DEVICE)
            ok = create_virtfs(s, use, error);
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
    return system_check_drives(s, error) && create_drive_devices(s, error) && create_all(s, API_OPTION_DEVICE, error);
}

bool system_create_device(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    g_autofree char *text = api_keyval_print(list);
    struct api_option_use use = { .id = API_OPTION_DEVICE, .spelling = (char *)"-device", .text = text, .keyval = list };

    vm_lock(s->vm);
    bool ok = create_one(s, &use, error);
    vm_unlock(s->vm);
    return ok;
}
