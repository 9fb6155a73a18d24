/* system/icount.c - runs that can be repeated: -icount, -seed. */
#include "base/error.h"
#include "system/system.h"
#include "vm/clock.h"
#include "vm/icount.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Decimal, octal with 0, hexadecimal with 0x. */
static bool parse_number(const char *text, u64 *number)
{
    char *end;

    errno = 0;
    *number = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 0) : 0;
    return g_ascii_isdigit(*text) && !*end && !errno;
}

/* -icount. No shift: nothing, as with QEMU. */
bool system_apply_icount(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    const char *shift = api_keyval_get(list, "shift"), *rr = api_keyval_get(list, "rr");
    struct vm_icount_options options = { .sleep = true };
    u64 number = 0;

    if (!api_keyval_get_bool(list, "sleep", &options.sleep, error) || !api_keyval_get_bool(list, "align", &options.align, error))
        return false;
    if (rr && strcmp(rr, "record") && strcmp(rr, "replay"))
        return error_set(error, "-icount rr=%s: Invalid icount rr option: %s", rr, rr);
    if (rr || api_keyval_get(list, "rrfile") || api_keyval_get(list, "rrsnapshot"))
        return error_set(error, "-icount rr=: record and replay are not there yet");
    if (!shift)
        return !api_keyval_get(list, "align") || error_set(error, "-icount: Please specify shift option when using align");
    options.adapt = !strcmp(shift, "auto");
    if (!options.adapt && (!parse_number(shift, &number) || number > VM_ICOUNT_MAX_SHIFT)) {
        error_set(error, "-icount shift=%s: Invalid shift value", shift);
        return error_hint(error, "it is auto, or a number from 0 to %d", VM_ICOUNT_MAX_SHIFT);
    }
    if (options.align && !options.sleep)
        return error_set(error, "-icount: align=on and sleep=off are incompatible");
    options.shift = options.adapt ? 3 : (unsigned)number;
    if (!vm_icount_on(s->vm))
        vm_icount_enable(s->vm, &options);
    return true;
}

bool system_apply_seed(struct mynah_system *s, const char *text, GError **error)
{
    u64 seed;

    if (!parse_number(text, &seed)) {
        error_set(error, "-seed %s: Invalid seed number: %s", text, text);
        return error_hint(error, "write a number from 0 to 2^64 - 1");
    }
    vm_random_seed(s->vm, seed);
    return true;
}
