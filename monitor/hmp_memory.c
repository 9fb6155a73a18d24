/* monitor/hmp_memory.c - x, xp, print, gva2gpa, info mtree: looking at memory and registers. */
#include "base/bits.h"
#include "base/error.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "vm/memory.h"
#include <string.h>

enum { MAX_COUNT = 65536 };

struct format {
    u32 count;
    char letter; /* x d u o c i */
    u32 size;    /* bytes of an item; 0: not said */
};

/* [COUNT][x|d|u|o|c|i][b|h|w|g], in any order of the letters. */
static bool parse_format(struct hmp *hmp, struct format *format, GError **error)
{
    static const char sizes[] = "bhwg";
    g_autofree char *text = hmp_format(hmp);
    char *at = text;
    guint64 count = g_ascii_isdigit(*at) ? g_ascii_strtoull(at, &at, 10) : 1;

    format->count = (u32)MIN(count, MAX_COUNT);
    for (; *at; at++) {
        if (strchr("xduoci", *at))
            format->letter = *at;
        else if (strchr(sizes, *at))
            format->size = 1u << (strchr(sizes, *at) - sizes);
        else
            return error_set(error, "invalid char in format: '%c'", *at);
    }
    return true;
}

static void print_value(GString *out, u64 value, char letter, u32 size)
{
    static const u8 octal_digits[] = { 0, 3, 6, 0, 11, 0, 0, 0, 22 };

    switch (letter) {
    case 'd':
        g_string_append_printf(out, "%" G_GINT64_FORMAT, (gint64)bits_sign_extend(value, size * 8));
        break;
    case 'u':
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, value);
        break;
    case 'o':
        g_string_append_printf(out, "0%0*" G_GINT64_MODIFIER "o", octal_digits[size], value);
        break;
    case 'c':
        g_string_append_printf(out, g_ascii_isprint((char)value) ? "'%c'" : "'\\x%02x'", (u8)value);
        break;
    default:
        g_string_append_printf(out, "0x%0*" G_GINT64_MODIFIER "x", (int)size * 2, value);
    }
}

static bool read_item(struct hmp *hmp, struct vcpu *vcpu, u64 address, void *to, u32 size)
{
    return vcpu ? vcpu_read_memory(vcpu, address, to, size)
                : space_read_bytes(vm_memory(hmp->vm), address, to, size) == MEM_OK;
}

static void dump(struct hmp *hmp, struct vcpu *vcpu, u64 address, const struct format *format)
{
    u32 a_line = format->letter == 'c' ? 16 : 16 / format->size;

    for (u32 i = 0; i < format->count; i++, address += format->size) {
        u8 bytes[8] = { 0 };

        if (i % a_line == 0)
            g_string_append_printf(hmp->out, "%s%016" G_GINT64_MODIFIER "x:", i ? "\n" : "", address);
        if (!read_item(hmp, vcpu, address, bytes, format->size)) {
            hmp_print(hmp, " Cannot access memory");
            return;
        }
        g_string_append_c(hmp->out, ' ');
        print_value(hmp->out, bits_load_le(bytes, format->size), format->letter, format->size);
    }
    hmp_print(hmp, "%s", "");
}

/* `cpu` knows the instructions; `vcpu` is NULL for physical addresses. */
static void disassemble(struct hmp *hmp, struct vcpu *cpu, struct vcpu *vcpu, u64 address, u32 count)
{
    if (!cpu->cpu->disassemble) {
        hmp_print(hmp, "this CPU cannot be disassembled");
        return;
    }
    while (count--) {
        u8 bytes[16];
        char text[128];
        u32 available = 0, length;

        while (available < sizeof(bytes) && read_item(hmp, vcpu, address + available, bytes + available, 1))
            available++;
        length = cpu->cpu->disassemble(bytes, available, address, text, sizeof(text));
        if (!length) {
            hmp_print(hmp, "0x%08" G_GINT64_MODIFIER "x:  Cannot access memory", address);
            return;
        }
        g_string_append_printf(hmp->out, "0x%08" G_GINT64_MODIFIER "x:  ", address);
        for (u32 i = length; i-- > 0;)
            g_string_append_printf(hmp->out, "%02x", bytes[i]);
        hmp_print(hmp, "%*s%s", length < 8 ? 16 - 2 * (int)length + 2 : 2, "", text);
        address += length;
    }
}

static void examine(struct hmp *hmp, bool physical)
{
    struct format format = { .letter = 'x' };
    struct vcpu *vcpu = vm_vcpu(hmp->vm, hmp->monitor->cpu);
    GError *error = NULL;
    u64 address;
    bool held;

    if (!parse_format(hmp, &format, &error) || !hmp_number(hmp, &address, &error)) {
        hmp_error(hmp, error);
        return;
    }
    if (!vcpu && (!physical || format.letter == 'i')) {
        hmp_vcpu(hmp);
        return;
    }
    if (!format.size)
        format.size = format.letter == 'c' ? 1 : 4;
    held = hmp_hold(hmp->vm);
    if (format.letter == 'i')
        disassemble(hmp, vcpu, physical ? NULL : vcpu, address, format.count);
    else
        dump(hmp, physical ? NULL : vcpu, address, &format);
    hmp_release(hmp->vm, held);
}

void hmp_examine(struct hmp *hmp)
{
    examine(hmp, false);
}

void hmp_examine_physical(struct hmp *hmp)
{
    examine(hmp, true);
}

void hmp_evaluate(struct hmp *hmp)
{
    struct format format = { .letter = 'd' };
    GError *error = NULL;
    u64 value;

    if (!parse_format(hmp, &format, &error) || !hmp_number(hmp, &value, &error)) {
        hmp_error(hmp, error);
        return;
    }
    if (format.letter == 'x' || format.letter == 'i')
        g_string_append_printf(hmp->out, "0x%" G_GINT64_MODIFIER "x", value);
    else
        print_value(hmp->out, value, format.letter, 8);
    hmp_print(hmp, "%s", "");
}

void hmp_translate(struct hmp *hmp)
{
    struct vcpu *vcpu = hmp_vcpu(hmp);
    struct mmu_page page = { 0 };
    GError *error = NULL;
    u64 address;
    bool held;

    if (!vcpu)
        return;
    if (!hmp_number(hmp, &address, &error)) {
        hmp_error(hmp, error);
        return;
    }
    held = hmp_hold(hmp->vm);
    vcpu->cpu->walk(vcpu, address, 1, MMU_READ, true, &page);
    hmp_release(hmp->vm, held);
    if (page.fault)
        hmp_print(hmp, "Unmapped");
    else
        hmp_print(hmp, "gpa: 0x%" G_GINT64_MODIFIER "x", page.physical + address % 4096);
}

void hmp_info_mtree(struct hmp *hmp)
{
    static const char letters[] = "fdoD"; /* in the order of enum memory_text */
    char *word;
    u32 what = 0;

    for (; (word = hmp_word(hmp)); g_free(word))
        what |= 1u << (strchr(letters, word[1]) - letters);
    g_autofree char *text = vm_memory_text(hmp->vm, what);
    g_string_append(hmp->out, text);
}
