/* monitor/edit.c - line editing with the keys that terminals send (ECMA-48 cursor sequences, emacs keys). */
#include "monitor/edit.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include <string.h>

enum { LINE_LIMIT = 4000, HISTORY_LIMIT = 100 };

struct edit {
    GString *line;
    size_t cursor;       /* bytes before it */
    GPtrArray *history;  /* of char *, oldest first, owned */
    unsigned at;         /* history line shown; history->len: the one being typed */
    char *typed;         /* kept while an older line is shown */
    enum { PLAIN, ESCAPE, SEQUENCE } state;
    unsigned number;     /* of an escape sequence */
};

struct edit *edit_create(void)
{
    struct edit *edit = g_new0(struct edit, 1);

    edit->line = g_string_new(NULL);
    edit->history = g_ptr_array_new_with_free_func(g_free);
    return edit;
}

void edit_destroy(struct edit *edit)
{
    if (!edit)
        return;
    g_string_free(edit->line, TRUE);
    g_ptr_array_unref(edit->history);
    g_free(edit->typed);
    g_free(edit);
}

const GPtrArray *edit_history(const struct edit *edit)
{
    return edit->history;
}

static void put(struct monitor *monitor, const char *text)
{
    monitor_write(monitor, text, strlen(text));
}

void edit_prompt(struct edit *edit, struct monitor *monitor)
{
    g_autofree char *back = NULL;

    put(monitor, "\r(qemu) ");
    put(monitor, edit->line->str);
    put(monitor, "\033[K");
    if (edit->cursor < edit->line->len) {
        back = g_strdup_printf("\033[%zuD", edit->line->len - edit->cursor);
        put(monitor, back);
    }
}

static void replace(struct edit *edit, const char *text)
{
    g_string_assign(edit->line, text);
    edit->cursor = edit->line->len;
}

static void remember(struct edit *edit)
{
    guint count = edit->history->len;

    if (edit->line->len && (!count || strcmp(edit->history->pdata[count - 1], edit->line->str)))
        g_ptr_array_add(edit->history, g_strdup(edit->line->str));
    if (edit->history->len > HISTORY_LIMIT)
        g_ptr_array_remove_index(edit->history, 0);
    edit->at = edit->history->len;
    g_clear_pointer(&edit->typed, g_free);
}

static void browse(struct edit *edit, int step)
{
    if (step < 0 ? edit->at == 0 : edit->at >= edit->history->len)
        return;
    if (edit->at == edit->history->len) {
        g_free(edit->typed);
        edit->typed = g_strdup(edit->line->str);
    }
    edit->at += step;
    replace(edit, edit->at < edit->history->len ? edit->history->pdata[edit->at] : edit->typed);
}

static void erase(struct edit *edit, size_t from, size_t to)
{
    g_string_erase(edit->line, (gssize)from, (gssize)(to - from));
    edit->cursor = from;
}

static void erase_word(struct edit *edit)
{
    size_t from = edit->cursor;

    while (from && edit->line->str[from - 1] == ' ')
        from--;
    while (from && edit->line->str[from - 1] != ' ')
        from--;
    erase(edit, from, edit->cursor);
}

/* Tab: completes the word before the cursor as far as it is certain, or lists what is possible. */
static void complete(struct edit *edit, struct monitor *monitor)
{
    g_autofree char *before = g_strndup(edit->line->str, edit->cursor);
    g_autoptr(GPtrArray) names = hmp_complete(monitor, before);
    const char *word = strrchr(before, ' ') ? strrchr(before, ' ') + 1 : before;
    size_t common = names->len ? strlen(names->pdata[0]) : 0, length = strlen(word);

    for (guint i = 1; i < names->len; i++)
        for (size_t c = 0; c < common; c++)
            if (((char *)names->pdata[i])[c] != ((char *)names->pdata[0])[c])
                common = c;
    if (common > length) {
        g_string_insert_len(edit->line, (gssize)edit->cursor, (char *)names->pdata[0] + length, (gssize)(common - length));
        edit->cursor += common - length;
    } else if (names->len > 1) {
        put(monitor, "\r\n");
        for (guint i = 0; i < names->len; i++) {
            put(monitor, names->pdata[i]);
            put(monitor, i + 1 < names->len ? " " : "\r\n");
        }
    }
    if (names->len == 1 && edit->cursor == edit->line->len && edit->line->len < LINE_LIMIT) {
        g_string_append_c(edit->line, ' ');
        edit->cursor++;
    }
}

static void move(struct edit *edit, int step)
{
    if (step < 0 ? edit->cursor > 0 : edit->cursor < edit->line->len)
        edit->cursor += step;
}

/* The last byte of ESC [ NUMBER byte. */
static void sequence(struct edit *edit, u8 byte)
{
    switch (byte == '~' ? (edit->number == 1 || edit->number == 7 ? 'H' : edit->number == 4 || edit->number == 8 ? 'F' : edit->number == 3 ? 4 : 0) : byte) {
    case 'A':
        return browse(edit, -1);
    case 'B':
        return browse(edit, 1);
    case 'C':
        return move(edit, 1);
    case 'D':
        return move(edit, -1);
    case 'H':
        edit->cursor = 0;
        return;
    case 'F':
        edit->cursor = edit->line->len;
        return;
    case 4:
        if (edit->cursor < edit->line->len)
            erase(edit, edit->cursor, edit->cursor + 1);
        return;
    }
}

static void control(struct edit *edit, struct monitor *monitor, u8 byte)
{
    switch (byte) {
    case 'A' - 64:
        edit->cursor = 0;
        break;
    case 'B' - 64:
        move(edit, -1);
        break;
    case 'D' - 64:
        if (edit->cursor < edit->line->len)
            erase(edit, edit->cursor, edit->cursor + 1);
        break;
    case 'E' - 64:
        edit->cursor = edit->line->len;
        break;
    case 'F' - 64:
        move(edit, 1);
        break;
    case 'H' - 64:
    case 127:
        if (edit->cursor)
            erase(edit, edit->cursor - 1, edit->cursor);
        break;
    case 'I' - 64:
        complete(edit, monitor);
        break;
    case 'K' - 64:
        g_string_truncate(edit->line, edit->cursor);
        break;
    case 'N' - 64:
        browse(edit, 1);
        break;
    case 'P' - 64:
        browse(edit, -1);
        break;
    case 'U' - 64:
        erase(edit, 0, edit->cursor);
        break;
    case 'W' - 64:
        erase_word(edit);
        break;
    default:
        return;
    }
    edit_prompt(edit, monitor);
}

void edit_reset(struct edit *edit)
{
    replace(edit, "");
    edit->at = edit->history->len;
    g_clear_pointer(&edit->typed, g_free);
    edit->state = PLAIN;
}

static char *enter(struct edit *edit, struct monitor *monitor)
{
    char *line = g_strdup(edit->line->str);

    remember(edit);
    replace(edit, "");
    put(monitor, "\r\n");
    return line;
}

static void insert(struct edit *edit, struct monitor *monitor, u8 byte)
{
    bool end = edit->cursor == edit->line->len;
    char text[2] = { (char)byte, 0 };

    if (edit->line->len >= LINE_LIMIT)
        return;
    g_string_insert_c(edit->line, (gssize)edit->cursor++, (char)byte);
    if (end)
        put(monitor, text);
    else
        edit_prompt(edit, monitor);
}

char *edit_receive(struct edit *edit, struct monitor *monitor, u8 byte)
{
    if (edit->state == ESCAPE) {
        edit->state = byte == '[' || byte == 'O' ? SEQUENCE : PLAIN;
        edit->number = 0;
    } else if (edit->state == SEQUENCE) {
        if (g_ascii_isdigit(byte)) {
            edit->number = (edit->number * 10 + byte - '0') % 1000;
        } else if (byte != ';') {
            edit->state = PLAIN;
            sequence(edit, byte);
            edit_prompt(edit, monitor);
        }
    } else if (byte == 27) {
        edit->state = ESCAPE;
    } else if (byte == '\r' || byte == '\n') {
        return enter(edit, monitor);
    } else if (byte < 32 || byte == 127) {
        control(edit, monitor, byte);
    } else {
        insert(edit, monitor, byte);
    }
    return NULL;
}
