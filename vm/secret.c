/*
 * vm/secret.c - -object secret: a password or key that other objects refer to by id. Data given on the command line or in a
 * file, as it is or in base64; encryption by another secret (keyid) comes with the first user that needs it.
 */
#include "base/error.h"
#include "vm/object.h"
#include <string.h>

struct secret {
    struct vm_object object;
    char *data, *file;
    u32 format;
    u8 *content;
    gsize length;
};

enum { FORMAT_RAW, FORMAT_BASE64 };
static const char *const formats[] = { "raw", "base64", NULL };

static bool realize(struct vm_object *object, GError **error)
{
    struct secret *self = container_of(object, struct secret, object);
    g_autoptr(GError) reason = NULL;
    char *text = NULL;

    if (!self->data == !self->file)
        return error_set(error, "secret: either 'data' or 'file' is needed");
    if (self->data) {
        text = g_strdup(self->data);
        self->length = strlen(text);
    } else if (!g_file_get_contents(self->file, &text, &self->length, &reason)) {
        return error_set(error, "secret: %s", reason->message);
    }
    self->content = (u8 *)text;
    if (self->format == FORMAT_BASE64)
        g_base64_decode_inplace(text, &self->length);
    return true;
}

static void finish(struct vm_object *object)
{
    struct secret *self = container_of(object, struct secret, object);

    if (self->content)
        explicit_bzero(self->content, self->length);
    g_free(self->content);
}

static const struct vm_property properties[] = {
    { "data", VM_PROPERTY_STRING, "the secret itself", .offset = offsetof(struct secret, data) },
    { "file", VM_PROPERTY_STRING, "a file that holds it", .offset = offsetof(struct secret, file) },
    { "format", VM_PROPERTY_ENUM, "how it is written", .offset = offsetof(struct secret, format), .names = formats, .default_text = "raw" },
    { 0 },
};

VM_CLASS(secret) {
    .name = "secret", .parent = "user-creatable", .description = "a password or key", .user_creatable = true,
    .size = sizeof(struct secret), .properties = properties, .realize = realize, .finish = finish,
};
