/* tests/unit/object.c - classes, typed properties, paths, globals. */
#include "api/keyval.h"
#include "base/error.h"
#include "vm/object.h"
#include "vm/user.h"
#include "vm/vm.h"
#include <string.h>

static const char *const colours[] = { "red", "green", NULL };

struct gadget {
    struct vm_object object;
    bool flag;
    u8 small;
    u32 colour;
    u64 size;
    char *text;
    struct vm_object *link;
    unsigned inits, realizes;
};

static void gadget_init(struct vm_object *object)
{
    container_of(object, struct gadget, object)->inits++;
}

static bool gadget_realize(struct vm_object *object, GError **error)
{
    struct gadget *gadget = container_of(object, struct gadget, object);

    gadget->realizes++;
    return gadget->small != 13 || error_set(error, "thirteen is bad luck");
}

static const struct vm_property gadget_properties[] = {
    { .name = "flag", .type = VM_PROPERTY_BOOL, .offset = offsetof(struct gadget, flag), .default_text = "on" },
    { .name = "small", .type = VM_PROPERTY_U8, .offset = offsetof(struct gadget, small), .min = 1, .max = 99, .default_text = "7" },
    { .name = "colour", .type = VM_PROPERTY_ENUM, .offset = offsetof(struct gadget, colour), .names = colours, .class_name = "colour" },
    { .name = "size", .type = VM_PROPERTY_SIZE, .offset = offsetof(struct gadget, size), .live = true },
    { .name = "text", .type = VM_PROPERTY_STRING, .offset = offsetof(struct gadget, text) },
    { .name = "link", .type = VM_PROPERTY_LINK, .offset = offsetof(struct gadget, link), .class_name = "test-gadget" },
    { 0 },
};

VM_CLASS(test_gadget) {
    .name = "test-gadget",
    .size = sizeof(struct gadget),
    .properties = gadget_properties,
    .init = gadget_init,
    .realize = gadget_realize,
};

VM_CLASS(test_big_gadget) { .name = "test-big-gadget", .parent = "test-gadget", .guests = VM_GUEST_RISCV64, .size = sizeof(struct gadget) };

static struct gadget *make(struct vm *vm, const char *name)
{
    struct vm_object *object = vm_object_create(vm, "test-big-gadget", vm_root(vm), name, NULL);

    g_assert_nonnull(object);
    return container_of(object, struct gadget, object);
}

/* Sets, and checks the first line of the error; NULL: it must work. */
static void set(struct gadget *gadget, const char *name, const char *text, const char *message)
{
    g_autoptr(GError) error = NULL;
    bool ok = vm_object_set(&gadget->object, name, text, &error);

    g_assert_cmpint(ok, ==, !message);
    if (message) {
        g_autofree char *line = error_headline(error);
        g_assert_cmpstr(line, ==, message);
    }
}

static void properties_are_typed(void)
{
    struct vm *vm = vm_create(VM_GUEST_RISCV64, NULL);
    struct gadget *gadget = make(vm, "a");

    g_assert_true(gadget->flag);
    g_assert_cmpuint(gadget->small, ==, 7);
    g_assert_cmpuint(gadget->inits, ==, 1);
    set(gadget, "flag", "off", NULL);
    g_assert_false(gadget->flag);
    set(gadget, "flag", "maybe", "property 'flag' takes on or off, not 'maybe'");
    set(gadget, "small", "99", NULL);
    set(gadget, "small", "100", "property 'small' takes 1 to 99, not 100");
    set(gadget, "small", "0", "property 'small' takes 1 to 99, not 0");
    set(gadget, "small", "-1", "property 'small' takes a number, not '-1'");
    set(gadget, "small", "18446744073709551617", "property 'small' takes a number, not '18446744073709551617'");
    set(gadget, "size", "3G", NULL);
    g_assert_cmphex(gadget->size, ==, 3 * GIB);
    set(gadget, "size", "1.5G", NULL); /* as -m takes them (api/number.h) */
    g_assert_cmphex(gadget->size, ==, 1536 * MIB);
    set(gadget, "size", "0x10", NULL);
    g_assert_cmphex(gadget->size, ==, 16);
    set(gadget, "size", "18446744073709551615K", "property 'size' takes a size, not '18446744073709551615K'");
    set(gadget, "colour", "green", NULL);
    g_assert_cmpuint(gadget->colour, ==, 1);
    set(gadget, "colour", "blue", "property 'colour' does not take 'blue'");
    set(gadget, "colur", "red", "test-big-gadget has no property 'colur'");
    vm_destroy(vm);
}

static void links_check_the_class(void)
{
    struct vm *vm = vm_create(VM_GUEST_RISCV64, NULL);
    struct gadget *a = make(vm, "a"), *b = make(vm, "b");
    g_autofree char *path = NULL;

    set(a, "link", "/b", NULL);
    g_assert_true(a->link == &b->object);
    path = vm_object_get(&a->object, "link", NULL);
    g_assert_cmpstr(path, ==, "/b");
    set(a, "link", "b", NULL);
    set(a, "link", "/objects", "property 'link' takes a test-gadget, '/objects' is a container");
    set(a, "link", "/nowhere", "property 'link': there is no object '/nowhere'");
    vm_destroy(vm);
}

static void realized_objects_are_fixed(void)
{
    struct vm *vm = vm_create(VM_GUEST_RISCV64, NULL);
    struct gadget *a = make(vm, "a"), *b = make(vm, "b");
    g_autoptr(GError) error = NULL;

    g_assert_true(vm_object_realize(&a->object, NULL));
    set(a, "small", "5", "property 'small' of test-big-gadget cannot change once the object is in use");
    set(a, "size", "5", NULL);
    set(b, "small", "13", NULL);
    g_assert_false(vm_object_realize(&b->object, &error));
    g_assert_cmpstr(error->message, ==, "thirteen is bad luck");
    g_assert_false(b->object.realized);
    vm_destroy(vm);
}

static void globals_reach_subclasses(void)
{
    struct vm *vm = vm_create(VM_GUEST_RISCV64, NULL);
    g_autoptr(GError) error = NULL;

    vm_global_add(vm, "test-gadget", "small", "42");
    g_assert_cmpuint(make(vm, "a")->small, ==, 42);
    vm_global_add(vm, "test-gadget", "small", "777");
    g_assert_null(vm_object_create(vm, "test-gadget", vm_root(vm), "b", &error));
    g_assert_true(g_str_has_prefix(error->message, "-global test-gadget.small=777: "));
    g_assert_null(vm_object_child(vm_root(vm), "b"));
    vm_destroy(vm);
}

static void names_are_unique_and_numbered(void)
{
    struct vm *vm = vm_create(VM_GUEST_RISCV64, NULL);
    struct gadget *first = make(vm, "device[*]"), *second = make(vm, "device[*]");
    g_autofree char *path = vm_object_path(&second->object);

    g_assert_cmpstr(first->object.name, ==, "device[0]");
    g_assert_cmpstr(path, ==, "/device[1]");
    g_assert_null(vm_object_create(vm, "test-gadget", vm_root(vm), "device[1]", NULL));
    vm_object_destroy(&first->object);
    g_assert_cmpstr(make(vm, "device[*]")->object.name, ==, "device[0]");
    g_assert_true(vm_object_resolve(vm, "device[1]") == &second->object);
    vm_destroy(vm);
}

static void classes_are_per_guest(void)
{
    g_assert_nonnull(vm_class_find("test-big-gadget", VM_GUEST_RISCV64));
    g_assert_null(vm_class_find("test-big-gadget", VM_GUEST_AARCH64));
    g_assert_cmpstr(vm_class_nearest("test-big-gadgte", "test-gadget", VM_GUEST_RISCV64), ==, "test-big-gadget");
}

/* Elements of lists, in whatever order they are written. */
static void pairs_of_an_option(void)
{
    static const struct api_keys keys = { .implied = "type", .open = true };
    g_autoptr(api_keyval) list = api_keyval_parse("t,id=x,a.0=1,b=2,a.1=3,c.1=4,a.2=5,d.0.e=6,c.0=7,c.0=8", &keys, NULL);
    g_autoptr(GPtrArray) pairs = vm_user_pairs(list, "type");
    g_autofree char *text = g_strjoinv(" ", (char **)pairs->pdata);

    g_assert_cmpstr(text, ==, "a 1,3,5 b 2 c 4 d [ { \"e\": \"6\" } ] c 7 c 8");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/object/properties-are-typed", properties_are_typed);
    g_test_add_func("/object/links-check-the-class", links_check_the_class);
    g_test_add_func("/object/realized-objects-are-fixed", realized_objects_are_fixed);
    g_test_add_func("/object/globals-reach-subclasses", globals_reach_subclasses);
    g_test_add_func("/object/names-are-unique-and-numbered", names_are_unique_and_numbered);
    g_test_add_func("/object/classes-are-per-guest", classes_are_per_guest);
    g_test_add_func("/object/pairs-of-an-option", pairs_of_an_option);
    return g_test_run();
}
