/* accel/qtest/commands.c - the commands of tests: memory; finding commands by rows. */
#include "accel/qtest/internal.h"
#include "vm/memory.h"
#include "vm/vm.h"
#include <string.h>

bool qtest_number(struct qtest *qtest, const char *text, u64 *value)
{
    bool negative = *text == '-';
    char *end;

    *value = g_ascii_strtoull(text + negative, &end, 0);
    if (negative)
        *value = -*value;
    if (end != text + negative && !*end && g_ascii_isdigit(text[negative]))
        return true;
    qtest_fail(qtest, "'%s' is no number", text);
    return false;
}

static bool parse_size(struct qtest *qtest, const char *text, u64 *size)
{
    if (!qtest_number(qtest, text, size))
        return false;
    if (*size <= QTEST_MOST_BYTES)
        return true;
    qtest_fail(qtest, "size %s is above %d", text, QTEST_MOST_BYTES);
    return false;
}

static void read_one(struct qtest *qtest, char **args, unsigned size)
{
    u64 address, value = 0;

    if (!qtest_number(qtest, args[0], &address))
        return;
    if (space_read(vm_memory(qtest->vm), address, size, &value) != MEM_OK)
        value = 0;
    qtest_send(qtest, "OK 0x%016" G_GINT64_MODIFIER "x", value);
}

static void write_one(struct qtest *qtest, char **args, unsigned size)
{
    u64 address, value;

    if (!qtest_number(qtest, args[0], &address) || !qtest_number(qtest, args[1], &value))
        return;
    space_write(vm_memory(qtest->vm), address, size,
                size < 8 ? value & (BIT64(8 * size) - 1) : value);
    qtest_send(qtest, "OK");
}

#define ACCESS(letter, size)                                                                       \
    static void read_##letter(struct qtest *qtest, char **args)                                    \
    {                                                                                              \
        read_one(qtest, args, size);                                                               \
    }                                                                                              \
    static void write_##letter(struct qtest *qtest, char **args)                                   \
    {                                                                                              \
        write_one(qtest, args, size);                                                              \
    }
ACCESS(b, 1)
ACCESS(w, 2)
ACCESS(l, 4)
ACCESS(q, 8)

/* ADDRESS SIZE: the bytes, or NULL after FAIL. What is not there reads zero. */
static u8 *fetch(struct qtest *qtest, char **args, u64 *size)
{
    u64 address;

    if (!qtest_number(qtest, args[0], &address) || !parse_size(qtest, args[1], size))
        return NULL;
    u8 *bytes = g_malloc0(*size + 1);
    space_read_bytes(vm_memory(qtest->vm), address, bytes, *size);
    return bytes;
}

static void read_block(struct qtest *qtest, char **args)
{
    u64 size;
    g_autofree u8 *bytes = fetch(qtest, args, &size);

    if (!bytes)
        return;
    g_autoptr(GString) text = g_string_sized_new(2 * size + 1);
    for (u64 i = 0; i < size; i++) {
        g_string_append_c(text, "0123456789abcdef"[bytes[i] >> 4]);
        g_string_append_c(text, "0123456789abcdef"[bytes[i] & 15]);
    }
    qtest_send(qtest, "OK 0x%s", text->str);
}

static void read_base64(struct qtest *qtest, char **args)
{
    u64 size;
    g_autofree u8 *bytes = fetch(qtest, args, &size);

    if (!bytes)
        return;
    g_autofree char *text = g_base64_encode(bytes, size);
    qtest_send(qtest, "OK %s", text);
}

static void store(struct qtest *qtest, const char *address_text, const u8 *bytes, u64 size)
{
    u64 address;

    if (!qtest_number(qtest, address_text, &address))
        return;
    space_write_bytes(vm_memory(qtest->vm), address, bytes, size);
    qtest_send(qtest, "OK");
}

static bool decode_hex(const char *text, u8 *bytes, u64 size)
{
    if (!g_str_has_prefix(text, "0x") || strlen(text) != 2 + 2 * size)
        return false;
    for (u64 i = 0; i < size; i++) {
        int high = g_ascii_xdigit_value(text[2 + 2 * i]),
            low = g_ascii_xdigit_value(text[3 + 2 * i]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (u8)(high << 4 | low);
    }
    return true;
}

static void write_block(struct qtest *qtest, char **args)
{
    u64 size;

    if (!parse_size(qtest, args[1], &size))
        return;
    g_autofree u8 *bytes = g_malloc(size + 1);
    if (decode_hex(args[2], bytes, size))
        store(qtest, args[0], bytes, size);
    else
        qtest_fail(qtest, "data is not 0x and %" G_GUINT64_FORMAT " bytes in hexadecimal", size);
}

static void write_base64(struct qtest *qtest, char **args)
{
    u64 size;
    gsize length;

    if (!parse_size(qtest, args[1], &size))
        return;
    g_autofree u8 *bytes = g_base64_decode(args[2], &length);
    if (length == size)
        store(qtest, args[0], bytes, size);
    else
        qtest_fail(qtest, "data has %zu bytes, not %" G_GUINT64_FORMAT, (size_t)length, size);
}

static void fill(struct qtest *qtest, char **args)
{
    u64 size, value;

    if (!parse_size(qtest, args[1], &size) || !qtest_number(qtest, args[2], &value))
        return;
    g_autofree u8 *bytes = g_malloc(size + 1);
    memset(bytes, (u8)value, size);
    store(qtest, args[0], bytes, size);
}

static void endianness(struct qtest *qtest, char **args)
{
    qtest_send(qtest, "OK little");
}

static void no_ports(struct qtest *qtest, char **args)
{
    qtest_fail(qtest, "this machine has no I/O ports");
}

static const struct command {
    const char *name;
    u8 least, most; /* arguments */
    void (*run)(struct qtest *qtest, char **args);
} commands[] = {
    {"readb", 1, 1, read_b},
    {"readw", 1, 1, read_w},
    {"readl", 1, 1, read_l},
    {"readq", 1, 1, read_q},
    {"writeb", 2, 2, write_b},
    {"writew", 2, 2, write_w},
    {"writel", 2, 2, write_l},
    {"writeq", 2, 2, write_q},
    {"read", 2, 2, read_block},
    {"write", 3, 3, write_block},
    {"b64read", 2, 2, read_base64},
    {"b64write", 3, 3, write_base64},
    {"memset", 3, 3, fill},
    {"endianness", 0, 0, endianness},
    {"clock_step", 0, 1, qtest_clock_step},
    {"clock_set", 1, 1, qtest_clock_set},
    {"irq_intercept_in", 1, 1, qtest_irq_intercept_in},
    {"irq_intercept_out", 1, 2, qtest_irq_intercept_out},
    {"set_irq_in", 4, 4, qtest_set_irq_in},
    {"inb", 1, 1, no_ports},
    {"inw", 1, 1, no_ports},
    {"inl", 1, 1, no_ports},
    {"outb", 2, 2, no_ports},
    {"outw", 2, 2, no_ports},
    {"outl", 2, 2, no_ports},
};

/* Words between blanks; at most as many as fit, a NULL behind the last. Returns their number. */
static unsigned split(char *line, char **words, unsigned room)
{
    unsigned count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(line, " \t", &rest); word && count + 1 < room;
         word = strtok_r(NULL, " \t", &rest))
        words[count++] = word;
    words[count] = NULL;
    return count;
}

void qtest_run(struct qtest *qtest, char *line)
{
    char *words[7];
    unsigned count = split(line, words, ARRAY_SIZE(words));

    if (!count)
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->name, words[0]))
            continue;
        if (count - 1 < command->least || count - 1 > command->most)
            qtest_fail(qtest, "%s takes %u arguments", command->name, command->least);
        else
            command->run(qtest, words + 1);
        return;
    }
    qtest_fail(qtest, "Unknown command '%s'", words[0]);
}
