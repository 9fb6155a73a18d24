/* system/message.c - what the process tells the person who started it, as -msg wants it. */
#include "system/system.h"
#include <stdio.h>

static void print_prefix(const struct mynah_system *s)
{
    g_autoptr(api_keyval) list = s->options ? api_option_merged(s->options, API_OPTION_MSG) : api_keyval_create();
    bool timestamp = false, guest_name = false;

    api_keyval_get_bool(list, "timestamp", &timestamp, NULL);
    api_keyval_get_bool(list, "guest-name", &guest_name, NULL);
    if (timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *text = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");

        fprintf(stderr, "%s ", text);
    }
    if (guest_name && s->vm && vm_name(s->vm))
        fprintf(stderr, "%s ", vm_name(s->vm));
    fprintf(stderr, "%s: ", s->program);
}

void system_print_message(const struct mynah_system *s, const char *format, ...)
{
    va_list args;

    print_prefix(s);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}
