/*
 * vm/object.h - the object tree of one machine: classes with typed properties, instances with paths
 * (/machine, /machine/peripheral/ID, /machine/unattached/device[N]). -device X,help, qom-list/get/set, -global,
 * -object and the reference pages follow from it.
 *
 * A class is constant data that registers itself (VM_CLASS). Instances belong to their parent in the tree.
 * Thread: machine lock, unless said otherwise.
 */
#ifndef VM_OBJECT_H
#define VM_OBJECT_H

#include "base/types.h"
#include <glib.h>

struct vm;
struct vm_object;

/* Guest architectures a class belongs to; a name may mean different classes on different guests. */
enum vm_guest {
    VM_GUEST_NONE = 0,
    VM_GUEST_RISCV64 = 1 << 0,
    VM_GUEST_AARCH64 = 1 << 1,
    VM_GUEST_X86_64 = 1 << 2,
    VM_GUEST_ALL = (1 << 3) - 1,
};

enum vm_property_type {
    VM_PROPERTY_BOOL,   /* bool */
    VM_PROPERTY_U8, VM_PROPERTY_U16, VM_PROPERTY_U32, VM_PROPERTY_U64, /* written as api/number.h says */
    VM_PROPERTY_S64,
    VM_PROPERTY_SIZE,   /* u64, likewise */
    VM_PROPERTY_STRING, /* char *, owned by the instance */
    VM_PROPERTY_ENUM,   /* u32 index into names */
    VM_PROPERTY_LINK,   /* struct vm_object *, spelled as a path or an id; class_name says which class */
    VM_PROPERTY_CUSTOM, /* get_text/set_text only; class_name is the type shown to clients */
};

struct vm_property {
    const char *name;
    enum vm_property_type type;
    const char *description;
    u32 offset;                  /* of the field in the instance */
    const char *const *names;    /* ENUM: NULL-terminated */
    const char *class_name;      /* LINK, ENUM, CUSTOM; STRING that is the JSON text of something */
    const char *default_text;    /* as a user would write it; NULL: zero, or none */
    u64 min, max;                /* integers; both 0: whole range of the type */
    bool read_only;
    bool live;                   /* may be set after realize */
    /* Optional: instead of the field. The caller frees the text. */
    char *(*get_text)(struct vm_object *object, const struct vm_property *property);
    bool (*set_text)(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);
};

struct vm_class {
    const char *name;
    const char *parent;          /* NULL: "object" */
    const char *description;
    u32 guests;                  /* enum vm_guest mask; 0: all */
    u32 size;                    /* of the instance; at least the parent's */
    bool abstract;
    bool user_creatable;         /* -device or -object */
    const struct vm_property *properties; /* NULL-named end; the parents' come too */
    /* Parents first. init: fields, children; cannot fail. realize: checks and becomes real. */
    void (*init)(struct vm_object *object);
    bool (*realize)(struct vm_object *object, GError **error);
    /* The class's own first. unrealize undoes realize; finish undoes init. */
    void (*unrealize)(struct vm_object *object);
    void (*finish)(struct vm_object *object);
    const void *data;            /* class-specific constant data: struct cpu_class, struct machine_class, device tables */
    const void *variant;         /* what tells apart classes that take `data` from one parent */
};

/* Registers a class: VM_CLASS(goldfish_rtc) { .name = "goldfish_rtc", ... }; */
#define VM_CLASS(id)                                                                                     \
    static const struct vm_class vm_class_##id;                                                          \
    static const struct vm_class *const vm_class_pointer_##id                                            \
        __attribute__((used, section("mynah_classes"))) = &vm_class_##id;                                \
    static const struct vm_class vm_class_##id =

struct vm_object {
    const struct vm_class *class;
    struct vm *vm;
    struct vm_object *parent;
    char *name;            /* within the parent */
    GPtrArray *children;   /* of struct vm_object, in order of creation */
    bool realized;
    u32 users;             /* others that refer to it: object-del refuses then. They count up and down themselves */
};

/* Classes. Any thread, no lock. guest 0: whatever guest. */
const struct vm_class *vm_class_find(const char *name, u32 guest);
void vm_class_foreach(u32 guest, void (*fn)(const struct vm_class *class, void *opaque), void *opaque);
bool vm_class_is_a(const struct vm_class *class, const char *ancestor, u32 guest);
/* Nearest class below `ancestor` to a misspelt name, or NULL. */
const char *vm_class_nearest(const char *typed, const char *ancestor, u32 guest);
/* Own and inherited properties, own first; the caller unrefs (elements are not owned). */
GPtrArray *vm_class_properties(const struct vm_class *class, u32 guest);
const struct vm_property *vm_class_property(const struct vm_class *class, u32 guest, const char *name);
const char *vm_property_type_name(const struct vm_property *property); /* "bool", "uint32", "size", "str", "link<...>" */

/*
 * Creates an instance below parent under name ("device[*]": the next free number). Defaults and -global are applied.
 * NULL with error: no such class, abstract, name taken.
 */
struct vm_object *vm_object_create(struct vm *vm, const char *class_name, struct vm_object *parent, const char *name, GError **error);
bool vm_object_realize(struct vm_object *object, GError **error);
/* Unrealizes, removes from the tree and frees, children first. NULL is fine. */
void vm_object_destroy(struct vm_object *object);

bool vm_object_set(struct vm_object *object, const char *property, const char *text, GError **error);
char *vm_object_get(struct vm_object *object, const char *property, GError **error); /* the caller frees */
bool vm_object_set_u64(struct vm_object *object, const char *property, u64 value, GError **error);
bool vm_object_set_link(struct vm_object *object, const char *property, struct vm_object *target, GError **error);

bool vm_object_is_a(const struct vm_object *object, const char *class_name);
struct vm_object *vm_object_child(const struct vm_object *object, const char *name);
char *vm_object_path(const struct vm_object *object); /* the caller frees */
/* Absolute path, or a last part that is unique in the tree (ambiguous: NULL). */
struct vm_object *vm_object_resolve(struct vm *vm, const char *path);
struct vm_object *vm_root(struct vm *vm);    /* "/" */
struct vm_object *vm_machine(struct vm *vm); /* "/machine"; NULL before the board exists */
/* fn for the object and everything below, parents first. */
void vm_object_foreach(struct vm_object *object, void (*fn)(struct vm_object *object, void *opaque), void *opaque);

u32 vm_guest_of(const struct vm_object *object);
/* Sets or prints one property without looking at realized or read_only. */
bool vm_property_set(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);
char *vm_property_get(struct vm_object *object, const struct vm_property *property);

/* -global CLASS.PROPERTY=VALUE, before objects are created. Unknown ones are reported when the machine is complete. */
void vm_global_add(struct vm *vm, const char *class_name, const char *property, const char *value);

#endif
