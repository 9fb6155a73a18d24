/* tests/unit/gdbstub.c - the GDB server over a target of plain memory: every packet, and hostile
 * ones. */
#include "base/bits.h"
#include "gdbstub/packet.h"
#include "gdbstub/server.h"
#include <string.h>

enum { THREADS = 3, MEMORY = 3 * 4096, BASE = 0x1000 };

static const struct cpu_register registers[] = {
    {"zero", "org.gnu.gdb.riscv.cpu", "int", "general", 64, 0, 0},
    {"ra", "org.gnu.gdb.riscv.cpu", "code_ptr", "general", 64, 1, 1},
    {"pc", "org.gnu.gdb.riscv.cpu", "code_ptr", "general", 64, 2, 2},
    {"satp", "org.gnu.gdb.riscv.csr", "int", "csr", 64, 300, 3},
    {"hidden", "org.gnu.gdb.riscv.csr", "int", "csr", 64, 301, 4},
};

struct fake {
    struct gdb_server *server;
    GString *sent;
    u64 values[THREADS][4];
    u8 memory[MEMORY]; /* virtual BASE..; physical 0.. */
    GString *calls;    /* what the server asked for */
    bool running;
    bool stop_at_once; /* resume() stops before it returns */
    bool ended;        /* resume() is refused */
    bool hang_up;      /* the connection ends with the next answer */
};

static unsigned thread_count(void *target)
{
    return THREADS;
}

static char *thread_text(void *target, unsigned thread)
{
    return g_strdup_printf("hart %u", thread);
}

static const char *architecture(void *target)
{
    return "riscv:rv64";
}

static const struct cpu_register *list_registers(void *target, unsigned *count)
{
    *count = ARRAY_SIZE(registers);
    return registers;
}

static bool read_register(void *target, unsigned thread, const struct cpu_register *reg,
                          void *value)
{
    if (reg->cookie == 4)
        return false;
    bits_store_le(value, 8, ((struct fake *)target)->values[thread][reg->cookie]);
    return true;
}

static bool write_register(void *target, unsigned thread, const struct cpu_register *reg,
                           const void *value)
{
    if (reg->cookie == 0 || reg->cookie == 4)
        return false;
    ((struct fake *)target)->values[thread][reg->cookie] = bits_load_le(value, 8);
    return true;
}

static void set_pc(void *target, unsigned thread, u64 pc)
{
    ((struct fake *)target)->values[thread][2] = pc;
}

static u8 *at(struct fake *fake, bool physical, u64 address, u64 size)
{
    u64 offset = physical ? address : address - BASE;

    return offset <= MEMORY && size <= MEMORY - offset ? fake->memory + offset : NULL;
}

static bool read_memory(void *target, unsigned thread, bool physical, u64 address, void *to,
                        u64 size)
{
    const u8 *from = at(target, physical, address, size);

    if (from)
        memcpy(to, from, size);
    return from;
}

static bool write_memory(void *target, unsigned thread, bool physical, u64 address,
                         const void *from, u64 size)
{
    u8 *to = at(target, physical, address, size);

    if (to)
        memcpy(to, from, size);
    return to;
}

static bool breakpoint(void *target, bool add, u64 address)
{
    g_string_append_printf(((struct fake *)target)->calls, "%cb%x ", add ? '+' : '-',
                           (unsigned)address);
    return true;
}

static bool watchpoint(void *target, bool add, u64 address, u64 size, enum vm_watch kind)
{
    g_string_append_printf(((struct fake *)target)->calls, "%cw%x,%u,%d ", add ? '+' : '-',
                           (unsigned)address, (unsigned)size, kind);
    return true;
}

static void clear_points(void *target)
{
    g_string_append(((struct fake *)target)->calls, "clear ");
}

static bool running(void *target)
{
    return ((struct fake *)target)->running;
}

static void stop(void *target)
{
    struct fake *fake = target;

    fake->running = false;
    gdb_server_stopped(fake->server, &(struct gdb_stop){.kind = GDB_STOP_INTERRUPT});
}

static bool resume(void *target, const enum gdb_resume *actions)
{
    struct fake *fake = target;

    for (unsigned i = 0; i < THREADS; i++)
        g_string_append_c(fake->calls, ".cs"[actions[i]]);
    g_string_append_c(fake->calls, ' ');
    if (fake->ended)
        return false;
    fake->running = true;
    if (fake->stop_at_once) {
        fake->running = false;
        gdb_server_stopped(fake->server, &(struct gdb_stop){.kind = GDB_STOP_STEP});
    }
    return true;
}

static char *monitor(void *target, const char *line)
{
    return g_strdup_printf("you said '%s'\n", line);
}

static void kill_target(void *target)
{
    g_string_append(((struct fake *)target)->calls, "kill ");
}

static const struct gdb_target_ops ops = {
    thread_count, thread_text, architecture, list_registers, read_register, write_register,
    set_pc,       read_memory, write_memory, breakpoint,     watchpoint,    clear_points,
    running,      stop,        resume,       monitor,        kill_target,
};

static void send(void *opaque, const void *data, size_t length)
{
    struct fake *fake = opaque;

    g_string_append_len(fake->sent, data, (gssize)length);
    if (fake->hang_up)
        gdb_server_disconnected(fake->server);
}

static void set_up(struct fake *fake, gconstpointer data)
{
    fake->sent = g_string_new(NULL);
    fake->calls = g_string_new(NULL);
    fake->server = gdb_server_create(&ops, fake, send, fake);
    for (unsigned i = 0; i < MEMORY; i++)
        fake->memory[i] = (u8)i;
    fake->values[0][1] = 0x1122334455667788;
    fake->running = true;
    gdb_server_connected(fake->server);
    g_assert_false(fake->running);
    g_assert_cmpstr(fake->sent->str, ==, "");
}

static void tear_down(struct fake *fake, gconstpointer data)
{
    gdb_server_destroy(fake->server);
    g_string_free(fake->sent, TRUE);
    g_string_free(fake->calls, TRUE);
}

static void put(struct fake *fake, const char *text)
{
    gdb_server_receive(fake->server, (const u8 *)text, strlen(text));
}

/* Sends one packet; everything that came back, frames checked and unpacked, acks as "+". The caller
 * frees. */
static char *unpack(struct fake *fake)
{
    struct gdb_reader *reader = g_new0(struct gdb_reader, 1);
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < fake->sent->len; i++) {
        switch (gdb_reader_put(reader, (u8)fake->sent->str[i])) {
        case GDB_INPUT_PACKET:
            g_string_append_printf(text, "[%s]", reader->data);
            break;
        case GDB_INPUT_ACK:
            g_string_append_c(text, '+');
            break;
        case GDB_INPUT_NAK:
            g_string_append_c(text, '-');
            break;
        case GDB_INPUT_NONE:
            break;
        default:
            g_assert_not_reached();
        }
    }
    g_free(reader);
    g_string_truncate(fake->sent, 0);
    return g_string_free(text, FALSE);
}

static char *ask(struct fake *fake, const char *packet)
{
    g_autoptr(GString) frame = g_string_new(NULL);

    gdb_frame(frame, packet, strlen(packet));
    gdb_server_receive(fake->server, (const u8 *)frame->str, frame->len);
    return unpack(fake);
}

#define expect(fake, packet, answer)                                                               \
    do {                                                                                           \
        g_autofree char *got = ask(fake, packet);                                                  \
        g_assert_cmpstr(got, ==, answer);                                                          \
    } while (0)

static void test_framing(struct fake *fake, gconstpointer data)
{
    g_autofree char *answer = NULL;

    put(fake, "+$?#3f");
    answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "+[T02thread:01;]");
    put(fake, "-"); /* again, please */
    g_free(answer);
    answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "[T02thread:01;]");
    put(fake, "$?#00");
    g_free(answer);
    answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "-");
    put(fake, "$garb$?#3f"); /* a sender that begins anew */
    g_free(answer);
    answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "+[T02thread:01;]");
    expect(fake, "QStartNoAckMode", "+[OK]");
    expect(fake, "?", "[T02thread:01;]");
    expect(fake, "vMustReplyEmpty", "[]");
    expect(fake, "qCRC:0,1", "[]");
    g_autofree char *huge = g_strnfill(GDB_PACKET_SIZE + 1, 'm');
    expect(fake, huge, "[E16]");
    expect(fake, "?", "[T02thread:01;]");
}

static void test_queries(struct fake *fake, gconstpointer data)
{
    g_autofree char *supported = ask(fake, "qSupported:multiprocess+;swbreak+");

    g_assert_cmpstr(supported, ==,
                    "+[PacketSize=4000;QStartNoAckMode+;vContSupported+;qXfer:threads:read+;"
                    "qXfer:features:read+]");
    expect(fake, "qC", "+[QC01]");
    expect(fake, "qfThreadInfo", "+[m01,02,03]");
    expect(fake, "qsThreadInfo", "+[l]");
    expect(fake, "qThreadExtraInfo,2", "+[686172742031]");
    expect(fake, "qThreadExtraInfo,9", "+[E16]");
    expect(fake, "qAttached", "+[1]");
    expect(fake, "qXfer:features:read:target.xml:0,5", "+[m<?xml]");
    expect(fake, "qXfer:features:read:other.xml:0,5", "+[E00]");
    expect(fake, "qXfer:features:read:target.xml:99999,5", "+[E16]");
    expect(fake, "qXfer:threads:read::0,1000",
           "+[l<?xml version=\"1.0\"?><threads><thread id=\"1\" core=\"0\">hart 0</thread><thread "
           "id=\"2\" "
           "core=\"1\">hart 1</thread><thread id=\"3\" core=\"2\">hart 2</thread></threads>]");
    g_autofree char *xml = ask(fake, "qXfer:features:read:target.xml:0,fff");
    g_assert_nonnull(strstr(
        xml, "<architecture>riscv:rv64</architecture><feature name=\"org.gnu.gdb.riscv.cpu\">"
             "<reg name=\"zero\" bitsize=\"64\" regnum=\"0\" type=\"int\" group=\"general\"/>"));
    expect(fake, "qRcmd,68656c70", "+[O796f752073616964202768656c70270a][OK]");
    expect(fake, "qRcmd,6", "+[E16]");
}

static void test_registers(struct fake *fake, gconstpointer data)
{
    expect(fake, "g", "+[000000000000000088776655443322110000000000000000]");
    expect(fake, "p1", "+[8877665544332211]");
    expect(fake, "p12d", "+[xxxxxxxxxxxxxxxx]");
    expect(fake, "p55", "+[E16]");
    expect(fake, "P2=0010000000000000", "+[OK]");
    expect(fake, "P2=00100000000000", "+[E16]");
    expect(fake, "P0=0010000000000000", "+[E16]");
    g_assert_cmpuint(fake->values[0][2], ==, 0x1000);
    expect(fake, "Hg2", "+[OK]");
    expect(fake, "G00000000000000000200000000000000", "+[OK]");
    g_assert_cmpuint(fake->values[1][1], ==, 2);
    expect(fake, "Hg4", "+[E16]");
    expect(fake, "Hg-1", "+[OK]");
    expect(fake, "T3", "+[OK]");
    expect(fake, "T4", "+[E16]");
}

static void test_memory(struct fake *fake, gconstpointer data)
{
    expect(fake, "m1000,4", "+[00010203]");
    expect(fake, "m0,4", "+[E0e]");
    expect(fake, "m3ffe,4", "+[feff]"); /* up to the hole */
    expect(fake, "m3ffffffffffffffffff,4", "+[E16]");
    expect(fake, "M1001,2:abcd", "+[OK]");
    expect(fake, "M1001,2:abc", "+[E16]");
    expect(fake, "M3fff,2:abcd", "+[E0e]");
    expect(fake, "m1000,4", "+[00abcd03]");
    expect(fake, "X1000,0:", "+[OK]");
    expect(fake, "X1000,3:}#$", "+[OK]"); /* escaped by the frame */
    expect(fake, "m1000,4", "+[7d232403]");
    expect(fake, "qqemu.PhyMemMode", "+[0]");
    expect(fake, "Qqemu.PhyMemMode:1", "+[OK]");
    expect(fake, "qqemu.PhyMemMode", "+[1]");
    expect(fake, "m0,1", "+[7d]");
    expect(fake, "Qqemu.PhyMemMode:2", "+[E16]");
    g_autofree char *all = ask(fake, "m0,ffffffff");
    g_assert_cmpuint(strlen(all), <=, GDB_PACKET_SIZE + 3);
}

static void test_points(struct fake *fake, gconstpointer data)
{
    expect(fake, "Z0,1000,4", "+[OK]");
    expect(fake, "Z1,1004,2", "+[OK]");
    expect(fake, "Z2,2000,8", "+[OK]");
    expect(fake, "Z3,2000,1", "+[OK]");
    expect(fake, "Z4,2000,4", "+[OK]");
    expect(fake, "z4,2000,4", "+[OK]");
    expect(fake, "z0,1000,4", "+[OK]");
    expect(fake, "Z5,1,1", "+[]");
    expect(fake, "Z2,1,0", "+[E16]");
    expect(fake, "Z2,ffffffffffffffff,2", "+[E16]");
    expect(fake, "Z0", "+[E16]");
    expect(fake, "Z", "+[E16]");
    g_assert_cmpstr(fake->calls->str, ==,
                    "+b1000 +b1004 +w2000,8,2 +w2000,1,1 +w2000,4,3 -w2000,4,3 -b1000 ");
}

static void test_running(struct fake *fake, gconstpointer data)
{
    g_autofree char *answer = NULL;

    expect(fake, "vCont?", "+[vCont;c;C;s;S]");
    expect(fake, "vCont;s:2;c", "+");
    gdb_server_stopped(fake->server, &(struct gdb_stop){.kind = GDB_STOP_STEP, .thread = 1});
    fake->running = false;
    answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "[T05thread:02;]");
    expect(fake, "qC", "+[QC02]");
    expect(fake, "vCont;c:3", "+");
    put(fake, "\x03");
    g_free(answer);
    answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "[T02thread:01;]");
    expect(fake, "vCont;x", "+[E16]");
    expect(fake, "vCont;c:9", "+[E16]");
    expect(fake, "vCont", "+[E16]");
    expect(fake, "Hc2", "+[OK]");
    fake->stop_at_once = true;
    expect(fake, "s1004", "+[T05thread:01;]");
    g_assert_cmpuint(fake->values[1][2], ==, 0x1004);
    expect(fake, "C05", "+[T05thread:01;]");
    fake->stop_at_once = false;
    expect(fake, "c", "+");
    gdb_server_stopped(fake->server,
                       &(struct gdb_stop){GDB_STOP_WATCHPOINT, 2, 0x2000, VM_WATCH_READ});
    g_free(answer);
    answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "[T05thread:03;rwatch:2000;]");
    g_assert_cmpstr(fake->calls->str, ==, "csc ..c .s. .c. .c. ");
    /* Nobody waits: nothing is sent. */
    gdb_server_stopped(fake->server, &(struct gdb_stop){0});
    g_assert_cmpstr(fake->sent->str, ==, "");
    fake->ended = true;
    expect(fake, "c", "+[E16]");
    expect(fake, "vCont;s:1", "+[E16]");
    expect(fake, "D", "+[OK]");
    gdb_server_stopped(fake->server, &(struct gdb_stop){0});
    g_assert_cmpstr(fake->sent->str, ==, "");
}

static void test_end(struct fake *fake, gconstpointer data)
{
    expect(fake, "D", "+[OK]");
    g_assert_cmpstr(fake->calls->str, ==, "clear ccc ");
    gdb_server_disconnected(fake->server); /* detached already: not cleared again */
    g_assert_cmpstr(fake->calls->str, ==, "clear ccc ");
    gdb_server_connected(fake->server);
    g_assert_false(fake->running);
    expect(fake, "?", "+[T02thread:01;]");
    expect(fake, "c", "+");
    gdb_server_exited(fake->server, 3);
    g_autofree char *answer = unpack(fake);
    g_assert_cmpstr(answer, ==, "[W03]");
    fake->running = false;
    expect(fake, "k", "+");
    expect(fake, "vKill;1", "+[OK]");
    g_assert_cmpstr(fake->calls->str, ==, "clear ccc ccc kill kill ");
    gdb_server_disconnected(fake->server);
    g_assert_cmpstr(fake->calls->str, ==, "clear ccc ccc kill kill clear ");
}

/* --- hostile input --- */

static const char *const seeds[] = {
    "?",
    "g",
    "G0000",
    "p1",
    "P1=8877665544332211",
    "m1000,40",
    "M1000,2:abcd",
    "X1000,2:ab",
    "Z0,1000,4",
    "z2,1000,8",
    "vCont;s:1;c",
    "vCont?",
    "c1000",
    "s",
    "C05;1000",
    "Hg1",
    "Hc-1",
    "T2",
    "D;1",
    "qSupported:a+;b-",
    "qXfer:features:read:target.xml:0,ffb",
    "qXfer:threads:read::0,ffb",
    "qRcmd,68656c70",
    "qThreadExtraInfo,1",
    "Qqemu.PhyMemMode:1",
    "QStartNoAckMode",
    "vKill;1",
    "qfThreadInfo",
    "qC",
    "Hgp1.2",
};

/* A known packet with a few bytes changed, cut or repeated. */
static void mutate(GRand *rand, GString *packet)
{
    unsigned changes = (unsigned)g_rand_int_range(rand, 0, 5);

    for (unsigned i = 0; i < changes; i++) {
        guint32 where = packet->len ? g_rand_int_range(rand, 0, (gint)packet->len + 1) : 0;

        switch (g_rand_int_range(rand, 0, 4)) {
        case 0:
            if (where < packet->len)
                packet->str[where] = (char)g_rand_int(rand);
            break;
        case 1:
            g_string_insert_c(packet, where, (char)g_rand_int(rand));
            break;
        case 2:
            g_string_truncate(packet, where);
            break;
        case 3:
            g_string_append(packet, "ffffffffffffffff,:;");
            break;
        }
    }
}

static void send_hostile(struct fake *fake, GRand *rand)
{
    g_autoptr(GString) packet = g_string_new(NULL), frame = g_string_new(NULL);
    int kind = g_rand_int_range(rand, 0, 10);

    if (kind == 0) { /* no frame at all */
        for (int n = g_rand_int_range(rand, 0, 200); n > 0; n--)
            g_string_append_c(frame, (char)g_rand_int(rand));
    } else {
        if (kind > 2)
            g_string_append(packet, seeds[g_rand_int_range(rand, 0, ARRAY_SIZE(seeds))]);
        else
            for (int n = g_rand_int_range(rand, 0, kind == 1 ? 40000 : 40); n > 0; n--)
                g_string_append_c(packet, (char)g_rand_int(rand));
        mutate(rand, packet);
        gdb_frame(frame, packet->str, packet->len);
        if (g_rand_int_range(rand, 0, 20) == 0) /* and cut */
            g_string_truncate(frame, (gsize)g_rand_int_range(rand, 0, (gint)frame->len));
    }
    gdb_server_receive(fake->server, (const u8 *)frame->str, frame->len);
}

/* Who does not read its answers loses the connection; nothing that it sent before is done after that. */
static void test_hung_up(struct fake *fake, gconstpointer data)
{
    g_autoptr(GString) frames = g_string_new(NULL);

    gdb_frame(frames, "Z0,1000,4", 9);
    gdb_frame(frames, "c", 1);
    fake->hang_up = true;
    gdb_server_receive(fake->server, (const u8 *)frames->str, frames->len);
    g_assert_cmpstr(fake->calls->str, ==, "clear ");
    fake->hang_up = false;
    gdb_server_connected(fake->server);
    g_string_truncate(fake->sent, 0);
    expect(fake, "Z0,1000,4", "+[OK]");
}

static void test_hostile(struct fake *fake, gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(20261121);

    fake->stop_at_once = true;
    for (unsigned i = 0; i < 10000; i++) {
        send_hostile(fake, rand);
        g_assert_cmpuint(fake->sent->len, <, 4 * MIB);
        g_string_truncate(fake->sent, 0);
        g_string_truncate(fake->calls, 0);
        if (i % 10)
            continue;
        /* Still usable: end whatever frame hangs, then ask (acknowledged or not). */
        put(fake, "$#00");
        g_string_truncate(fake->sent, 0);
        g_autofree char *answer = ask(fake, "qAttached");
        g_assert_true(g_str_has_suffix(answer, "[1]"));
    }
    gdb_server_connected(fake->server);
    expect(fake, "qAttached", "+[1]");
}

int main(int argc, char **argv)
{
#define ADD(name) g_test_add("/gdbstub/" #name, struct fake, NULL, set_up, test_##name, tear_down)
    g_test_init(&argc, &argv, NULL);
    ADD(framing);
    ADD(queries);
    ADD(registers);
    ADD(memory);
    ADD(points);
    ADD(running);
    ADD(end);
    ADD(hung_up);
    ADD(hostile);
    return g_test_run();
}
