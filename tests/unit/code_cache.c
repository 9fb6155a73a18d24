/* tests/unit/code_cache.c - files of the code cache: what was put in is found again; files that are damaged, foreign or hostile are not used. */
#include "accel/tcg/cache.h"
#include "accel/tcg/tcg.h"
#include "base/hash.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 4 * MIB, BUILD = 77, KEY = 88, UNITS_BYTES = 1000, HEADER = 72 /* of struct file_header */, FORMAT_AT = 8 };

struct fixture {
    char *folder;
    u8 page[TCG_PAGE_SIZE];
};

static void set_up(struct fixture *f, gconstpointer data)
{
    f->folder = g_dir_make_tmp("mynah-cache-XXXXXX", NULL);
    for (u32 i = 0; i < TCG_PAGE_SIZE; i++)
        f->page[i] = (u8)(i * 37 ^ i >> 5);
}

static void tear_down(struct fixture *f, gconstpointer data)
{
    g_autoptr(GDir) list = g_dir_open(f->folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(list))) {
        g_autofree char *path = g_build_filename(f->folder, name, NULL);

        g_unlink(path);
    }
    g_rmdir(f->folder);
    g_free(f->folder);
}

static struct code_cache *open_cache(const struct fixture *f, u64 build, u64 key)
{
    g_autoptr(GError) error = NULL;
    struct code_cache *c = tcg_cache_open(f->folder, ROOM, build, key, &error);

    g_assert_no_error(error);
    g_assert_nonnull(c);
    return c;
}

static bool never(void *opaque, const struct kept *unit)
{
    return false;
}

static bool always(void *opaque, const struct kept *unit)
{
    return true;
}

/* A unit for `bytes` at `offset` in a page that has `group`, whose back end's part is `size` bytes. */
static void add_to(struct code_cache *c, const u8 *page, u32 mode, u32 offset, u32 bytes, u32 size, bool pair, u32 group)
{
    u32 room;
    struct kept *unit = tcg_cache_begin(c, &room);

    g_assert_nonnull(unit);
    g_assert_cmpuint(room, >=, size + 4096);
    unit->mode = mode;
    unit->parts = pair ? 2 : 1;
    unit->part[0] = (struct kept_part){ (u16)offset, (u16)bytes, 3, 2 };
    if (pair)
        unit->part[1] = (struct kept_part){ (u16)(offset + bytes), 6, 2, 1 };
    for (u32 i = 0; i < kept_link_count(unit); i++)
        kept_links(unit)[i] = (struct kept_link){ .pc = (s32)i };
    memcpy(kept_bytes(unit), page + offset, bytes + (pair ? 6 : 0));
    unit->saved_at = ((u32)(kept_bytes(unit) - (u8 *)unit) + bytes + 6 + 7) & ~7u;
    memset((u8 *)unit + unit->saved_at, (int)offset, size);
    unit->size = unit->saved_at + size;
    tcg_cache_add(c, unit, group);
}

static void add(struct code_cache *c, const u8 *page, u32 mode, u32 offset, u32 bytes, u32 size, bool pair)
{
    add_to(c, page, mode, offset, bytes, size, pair, tcg_cache_new_group(c));
}

static struct kept *find(struct code_cache *c, const u8 *page, u32 mode, u32 offset)
{
    struct kept_place place = { .mode = mode, .offset = offset, .page = page };

    return tcg_cache_find(c, &place, always, NULL);
}

static void fill(struct code_cache *c, const struct fixture *f)
{
    for (u32 i = 0; i < 8; i++)
        add(c, f->page, 5, i * 100, 4 + 4 * i, 64 + 8 * i, i % 3 == 2);
}

static char *only_file(const struct fixture *f)
{
    g_autoptr(GDir) list = g_dir_open(f->folder, 0, NULL);
    const char *name;
    char *path = NULL;

    while ((name = g_dir_read_name(list))) {
        if (g_str_has_suffix(name, ".code")) {
            g_assert_null(path);
            path = g_build_filename(f->folder, name, NULL);
        }
    }
    return path;
}

static void is_found_again(struct fixture *f, gconstpointer data)
{
    struct code_cache *c = open_cache(f, BUILD, KEY);

    fill(c, f);
    fill(c, f); /* nobody looks for what is new: only one of each is written */
    g_assert_null(find(c, f->page, 5, 100));
    tcg_cache_close(c);
    c = open_cache(f, BUILD, KEY);
    for (int again = 0; again < 2; again++) {
        g_assert_cmpuint(c->units, ==, 8);
        for (u32 i = 0; i < 8; i++) {
            struct kept *unit = find(c, f->page, 5, i * 100);

            g_assert_nonnull(unit);
            g_assert_cmpuint(unit->part[0].byte_count, ==, 4 + 4 * i);
            g_assert_cmpuint(((u8 *)unit)[unit->size - 1], ==, (u8)(i * 100));
            tcg_cache_used(c, unit, false);
        }
        g_assert_null(find(c, f->page, 6, 100));
        g_assert_null(find(c, f->page, 5, 102));
        tcg_cache_close(c);
        c = open_cache(f, BUILD, KEY);
        g_assert_cmpuint(c->loaded_units, ==, 8);
    }
    tcg_cache_close(c);
}

static void all_bytes_are_compared(struct fixture *f, gconstpointer data)
{
    struct code_cache *c = open_cache(f, BUILD, KEY);
    struct kept_place place = { .mode = 5, .offset = 200, .page = f->page };

    fill(c, f);
    add(c, f->page, 5, TCG_PAGE_SIZE - 2, 2, 64, false);
    tcg_cache_close(c);
    c = open_cache(f, BUILD, KEY);
    for (u32 i = 0; i < 12; i++) {
        f->page[200 + i] ^= 0x40;
        g_assert_null(find(c, f->page, 5, 200));
        f->page[200 + i] ^= 0x40;
    }
    g_assert_null(tcg_cache_find(c, &place, never, NULL)); /* it has a second part */
    g_assert_nonnull(tcg_cache_find(c, &place, always, NULL));
    g_assert_nonnull(find(c, f->page, 5, TCG_PAGE_SIZE - 2));
    tcg_cache_close(c);
}

/* Two that began alike: the second one adds to what the first wrote, without what both have. */
static void writers_add_up(struct fixture *f, gconstpointer data)
{
    struct code_cache *a = open_cache(f, BUILD, KEY), *b = open_cache(f, BUILD, KEY);

    fill(a, f);
    fill(b, f);
    add(a, f->page, 7, 1000, 20, 64, false);
    add(b, f->page, 7, 2000, 20, 64, false);
    tcg_cache_close(a);
    tcg_cache_close(b);
    a = open_cache(f, BUILD, KEY);
    g_assert_cmpuint(a->units, ==, 10);
    g_assert_nonnull(find(a, f->page, 7, 1000));
    g_assert_nonnull(find(a, f->page, 7, 2000));
    tcg_cache_close(a);
}

/* What belongs to a page lies together in the file, in the order in which it was made, also what is found in it later. */
static void groups_stay_together(struct fixture *f, gconstpointer data)
{
    static const u32 first[] = { 0, 200, 400, 600 }, other[] = { 100, 300, 500 };
    struct code_cache *c = open_cache(f, BUILD, KEY);
    u32 a = tcg_cache_new_group(c), b = tcg_cache_new_group(c), group = 0;

    for (u32 i = 0; i < 3; i++) {
        add_to(c, f->page, 5, first[i], 20, 64, false, a);
        add_to(c, f->page, 5, other[i], 20, 64, false, b);
    }
    tcg_cache_close(c);
    for (u32 run = 0; run < 3; run++) {
        c = open_cache(f, BUILD, KEY);
        struct kept *unit = find(c, f->page, 5, 400), *head = tcg_cache_group(c, unit);

        g_assert_cmpuint(head->part[0].offset, ==, 0);
        group = tcg_cache_group_number(c, head);
        g_assert_cmpuint(group, <, KEPT_NEW_GROUP);
        for (u32 i = 0; i < (run ? 4 : 3); i++, head = tcg_cache_behind(c, tcg_cache_group(c, unit), head))
            g_assert_cmpuint(head->part[0].offset, ==, first[i]);
        g_assert_null(head);
        unit = find(c, f->page, 5, 100);
        g_assert_true(tcg_cache_group(c, unit) == unit);
        g_assert_cmpuint(tcg_cache_behind(c, unit, unit)->part[0].offset, ==, 300);
        add_to(c, f->page, 5, 600, 20, 64, false, group);
        tcg_cache_close(c);
    }
}

/* What came with its page counts as used when it was met, not before. */
static void only_what_is_met_is_used(struct fixture *f, gconstpointer data)
{
    struct code_cache *c = open_cache(f, BUILD, KEY);

    fill(c, f);
    tcg_cache_close(c);
    c = open_cache(f, BUILD, KEY);
    for (u32 i = 0; i < 8; i++)
        tcg_cache_used(c, find(c, f->page, 5, i * 100), true);
    g_assert_cmpuint(tcg_cache_unmet(c), ==, 8);
    tcg_cache_met(c, tcg_cache_line(c, find(c, f->page, 5, 300)));
    g_assert_cmpuint(tcg_cache_unmet(c), ==, 7);
    add(c, f->page, 9, 2000, 20, 64, false);
    tcg_cache_close(c);
    c = open_cache(f, BUILD, KEY);
    for (u32 i = 0; i < 8; i++)
        g_assert_cmpuint(find(c, f->page, 5, i * 100)->age, ==, i != 3);
    g_assert_cmpuint(find(c, f->page, 9, 2000)->age, ==, 0);
    tcg_cache_close(c);
}

static void nothing_new_is_not_written(struct fixture *f, gconstpointer data)
{
    struct code_cache *c = open_cache(f, BUILD, KEY);
    g_autofree char *path = NULL;
    struct stat first, then;

    fill(c, f);
    tcg_cache_close(c);
    path = only_file(f);
    g_assert_cmpint(stat(path, &first), ==, 0);
    g_assert_cmpuint(first.st_mode & 0777, ==, 0600);
    tcg_cache_close(open_cache(f, BUILD, KEY));
    g_assert_cmpint(stat(path, &then), ==, 0);
    g_assert_cmpuint(first.st_ino, ==, then.st_ino);
}

static void old_units_make_room(struct fixture *f, gconstpointer data)
{
    struct code_cache *c = open_cache(f, BUILD, KEY);

    for (u32 run = 0; run < 4; run++) {
        for (u32 i = 0; i < 100; i++)
            add(c, f->page, 100 + run, i * 20, 10, 11000, false);
        if (run)
            tcg_cache_used(c, find(c, f->page, 100, 0), false); /* the first is always used */
        tcg_cache_close(c);
        c = open_cache(f, BUILD, KEY);
    }
    g_assert_cmpuint(c->used, <=, ROOM / 4 * 3);
    g_assert_nonnull(find(c, f->page, 103, 0));
    g_assert_nonnull(find(c, f->page, 100, 0));
    g_assert_null(find(c, f->page, 100, 20));
    tcg_cache_close(c);
}

static void put(const char *path, const void *bytes, gsize size)
{
    int fd = g_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    g_assert_cmpint(write(fd, bytes, size), ==, (gssize)size);
    close(fd);
}

static void only_some_files_stay(struct fixture *f, gconstpointer data)
{
    u32 count = 0;
    g_autoptr(GDir) list = NULL;
    const char *name;
    g_autofree char *unfinished = g_build_filename(f->folder, "0123.code.77.new", NULL); /* by one that was killed */

    put(unfinished, "x", 1);
    for (u64 build = 1; build <= 12; build++) {
        struct code_cache *c = open_cache(f, build, KEY);

        fill(c, f);
        tcg_cache_close(c);
    }
    list = g_dir_open(f->folder, 0, NULL);
    while ((name = g_dir_read_name(list)))
        count += g_str_has_suffix(name, ".code");
    g_assert_cmpuint(count, ==, 8);
    g_assert_false(g_file_test(unfinished, G_FILE_TEST_EXISTS));
    struct code_cache *last = open_cache(f, 12, KEY);
    g_assert_cmpuint(last->loaded_units, ==, 8);
    tcg_cache_close(last);
}

/* --- files that are not used --- */

static bool is_used(const struct fixture *f)
{
    struct code_cache *c = open_cache(f, BUILD, KEY);
    bool used = c->units != 0;

    tcg_cache_close(c);
    return used;
}

static char *make_file(const struct fixture *f, char **bytes, gsize *size)
{
    struct code_cache *c = open_cache(f, BUILD, KEY);
    char *path;

    fill(c, f);
    tcg_cache_close(c);
    path = only_file(f);
    g_assert_true(g_file_get_contents(path, bytes, size, NULL));
    g_assert_cmpuint(*size, >, HEADER);
    return path;
}

static void is_whole_or_nothing(struct fixture *f, gconstpointer data)
{
    g_autofree char *bytes = NULL, *path = NULL;
    gsize size;

    path = make_file(f, &bytes, &size);
    g_assert_true(is_used(f));
    for (gsize i = 0; i < size; i += i < UNITS_BYTES ? 3 : 211) {
        put(path, bytes, i);
        g_assert_false(is_used(f));
    }
    for (gsize i = 0; i < size; i += i < UNITS_BYTES ? 3 : 211) {
        bytes[i] ^= (char)(1 << i % 8);
        put(path, bytes, size);
        g_assert_false(is_used(f));
        bytes[i] ^= (char)(1 << i % 8);
    }
    put(path, bytes, size);
    g_assert_true(is_used(f));
    g_assert_cmpint(chmod(path, 0640), ==, 0);
    g_assert_false(is_used(f));
    if (geteuid() == 0) {
        g_assert_cmpint(chmod(path, 0600), ==, 0);
        g_assert_cmpint(chown(path, 12345, 12345), ==, 0);
        g_assert_false(is_used(f));
    }
}

static void other_builds_are_not_used(struct fixture *f, gconstpointer data)
{
    g_autofree char *bytes = NULL, *path = NULL, *other = NULL;
    gsize size;
    struct code_cache *c;

    path = make_file(f, &bytes, &size);
    c = open_cache(f, BUILD + 1, KEY);
    other = g_build_filename(f->folder, c->name, NULL);
    tcg_cache_close(c);
    put(other, bytes, size); /* under another's name */
    c = open_cache(f, BUILD + 1, KEY);
    g_assert_cmpuint(c->units, ==, 0);
    tcg_cache_close(c);
    c = open_cache(f, BUILD, KEY + 1);
    g_assert_cmpuint(c->units, ==, 0);
    tcg_cache_close(c);
}

/* Somebody who can make checksums: whatever the numbers are, nothing is read outside. */
static void hostile_numbers(struct fixture *f, gconstpointer data)
{
    g_autofree char *good = NULL, *path = NULL;
    gsize size;
    u64 used = 0;

    path = make_file(f, &good, &size);
    for (u32 round = 0; round < 600; round++) {
        g_autofree u8 *bytes = g_memdup2(good, size);
        u64 check, payload;
        bool table = round % 5 == 0;

        for (u32 n = 1 + round % 4; n > 0; n--) {
            static const u32 interesting[] = { 0, 1, 7, 8, 0xff, 0xffff, 0x7fffffff, 0xffffffff, 0xfffffff8 };
            gsize at = HEADER + (gsize)g_test_rand_int_range(0, table ? (int)(size - HEADER) / 4 : UNITS_BYTES / 4) * 4;
            u32 value = g_test_rand_bit() ? interesting[g_test_rand_int_range(0, ARRAY_SIZE(interesting))] : (u32)g_test_rand_int();

            memcpy(bytes + at, &value, 1 + (gsize)g_test_rand_int_range(0, 4));
        }
        memcpy(&payload, bytes + 48, sizeof(payload));
        check = hash_bytes(bytes + HEADER, payload, BUILD);
        check = hash_bytes(bytes + HEADER + payload, size - HEADER - payload, check);
        memcpy(bytes + 56, &check, sizeof(check));
        check = hash_bytes(bytes, 64, bytes[FORMAT_AT]);
        memcpy(bytes + 64, &check, sizeof(check));
        put(path, bytes, size);
        struct code_cache *c = open_cache(f, BUILD, KEY);
        used += c->units != 0;
        for (u32 i = 0; i < 8; i++) {
            struct kept *unit = find(c, f->page, 5, i * 100), *first = unit ? tcg_cache_group(c, unit) : NULL;

            for (u32 n = 0; unit && n < 9; n++)
                unit = tcg_cache_behind(c, first, unit);
        }
        add(c, f->page, 7, 1000, 20, 64, false); /* so that it is written anew */
        tcg_cache_close(c);
    }
    g_assert_cmpuint(used, >, 60); /* or the checks above the numbers refuse everything */
}

static void folders_of_others(struct fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(chmod(f->folder, 0750), ==, 0);
    g_assert_null(tcg_cache_open(f->folder, ROOM, BUILD, KEY, &error));
    g_assert_nonnull(strstr(error->message, "is open to others (mode 750)"));
    g_assert_cmpint(chmod(f->folder, 0700), ==, 0);
    if (geteuid() != 0)
        return;
    g_clear_error(&error);
    g_assert_cmpint(chown(f->folder, 12345, 12345), ==, 0);
    g_assert_null(tcg_cache_open(f->folder, ROOM, BUILD, KEY, &error));
    g_assert_nonnull(strstr(error->message, "belongs to another user"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name, function) g_test_add("/code-cache/" name, struct fixture, NULL, set_up, function, tear_down)
    TEST("found-again", is_found_again);
    TEST("compared", all_bytes_are_compared);
    TEST("writers", writers_add_up);
    TEST("groups", groups_stay_together);
    TEST("met", only_what_is_met_is_used);
    TEST("nothing-new", nothing_new_is_not_written);
    TEST("room", old_units_make_room);
    TEST("few-files", only_some_files_stay);
    TEST("whole", is_whole_or_nothing);
    TEST("other-builds", other_builds_are_not_used);
    TEST("hostile", hostile_numbers);
    TEST("folders", folders_of_others);
    return g_test_run();
}
