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

/* Whole groups of four characters (RFC 4648, section 4), with line breaks between them as the tools write them. */
static bool is_base64(const char *text, gsize size)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    gsize count = 0, padding = 0;

    for (gsize i = 0; i < size; i++) {
        bool pads = text[i] == '=';

        if (text[i] == '\n' || text[i] == '\r')
            continue;
        if (!text[i] || (!pads && (padding || !strchr(alphabet, text[i]))))
            return false;
        padding += pads;
        count++;
    }
    return count % 4 == 0 && padding <= 2;
}

static bool decode(struct secret *self, GError **error)
{
    if (!is_base64((char *)self->content, self->length))
        return error_set(error, "secret: what was given is not valid base64");
    if (self->length)
        g_base64_decode_inplace((char *)self->content, &self->length);
    return true;
}

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
    return self->format != FORMAT_BASE64 || decode(self, error);
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
