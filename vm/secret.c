/*
 * vm/secret.c - -object secret: a password or key that other objects refer to by id. Data given on the command line or in a
 * file, as it is or in base64; encryption by another secret (keyid) comes with the first user that needs it.
 */
#include "base/error.h"
#include "vm/object.h"
#include <errno.h>
#include <stdio.h>
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

enum { FILE_MIB = 8 };

/* Not without end, as devices are. */
static bool read_file(struct secret *self, GError **error)
{
    FILE *file = fopen(self->file, "rb");
    u64 most = FILE_MIB * MIB;

    if (!file)
        return error_set(error, "secret: cannot open '%s': %s", self->file, strerror(errno));
    self->content = g_malloc0(most + 1);
    self->length = fread(self->content, 1, most + 1, file);
    if (ferror(file))
        error_set(error, "secret: cannot read '%s': %s", self->file, strerror(errno));
    else if (self->length > most)
        error_set(error, "secret: '%s' has more than %d MiB", self->file, FILE_MIB);
    bool ok = !ferror(file) && self->length <= most;
    fclose(file);
    self->content = g_realloc(self->content, self->length + 1);
    return ok;
}

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

    if (!self->data == !self->file)
        return error_set(error, "secret: either 'data' or 'file' is needed");
    if (self->data) {
        self->content = (u8 *)g_strdup(self->data);
        self->length = strlen(self->data);
    } else if (!read_file(self, error)) {
        return false;
    }
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
