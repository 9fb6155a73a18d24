/*
 * hw/intc/sifive_plic.c - platform-level interrupt controller for level-triggered sources. Sources and registers are
 * read and changed without locks; each output has one, so that it shows what is there when a claim or a completion returns.
 *
 * A source waits while its line is high and nobody has claimed it: pending = level & ~claimed. So the gateway of the
 * specification (one request until completion) is the claimed bit, and nothing is left behind when a line falls.
 */
#include "vm/line.h"
static void init(struct vm_object *object), finish(struct vm_object *object);
#define DEVICE       sifive_plic
#define DEVICE_ROWS  "hw/intc/sifive_plic.dev"
#define DEVICE_FLAGS .init = init, .finish = finish,
#include "hw/core/declare.inc"
#include "base/error.h"
#include "vm/vcpu.h"

enum { LINE_SEIP = 9, LINE_MEIP = 11, MAX_CONTEXTS = 128 };

static u32 get(const u32 *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static u32 sources(void *device)
{
    return ((struct sifive_plic *)device)->num_sources;
}

static u32 words(void *device)
{
    return (sources(device) + 31) / 32;
}

static u32 contexts(void *device)
{
    return ((struct sifive_plic *)device)->context_count;
}

/* Index of (context, word): contexts beyond the last are not there. */
static u32 enable_words(void *device)
{
    return contexts(device) * 32;
}

static u32 waiting(const struct sifive_plic *plic, u32 word)
{
    return get(&plic->state->level[word]) & ~get(&plic->state->claimed[word]);
}

/* The enabled waiting source of the highest priority above the threshold, the lowest number among equals; 0: none. */
static u32 best(struct sifive_plic *plic, u32 context)
{
    u32 found = 0, highest = get(&plic->state->threshold[context]);

    for (u32 word = 0; word < words(plic); word++) {
        u32 bits = waiting(plic, word) & get(&plic->state->enable[context * 32 + word]);

        for (; bits; bits &= bits - 1) {
            u32 source = word * 32 + (u32)__builtin_ctz(bits);
            u32 priority = get(&plic->state->priority[source]);

            if (priority > highest) {
                highest = priority;
                found = source;
            }
        }
    }
    return found;
}

struct output {
    struct sifive_plic *plic;
    u32 context;
};

static void show(void *opaque)
{
    const struct output *output = opaque;

    line_set(output->plic->output[output->context], best(output->plic, output->context) != 0);
}

/* Whoever claimed or completed would take an interrupt for nothing if its line followed later. */
static void update(struct sifive_plic *plic, u32 context)
{
    struct output output = { plic, context };

    line_keeper_show(&plic->keeper[context], true, show, &output);
}

static void update_all(struct sifive_plic *plic)
{
    for (u32 context = 0; context < plic->context_count; context++)
        update(plic, context);
}

/* Contexts that have the source enabled. */
static void update_for(struct sifive_plic *plic, u32 source)
{
    for (u32 context = 0; context < plic->context_count; context++) {
        if (get(&plic->state->enable[context * 32 + source / 32]) >> source % 32 & 1)
            update(plic, context);
    }
}

static void source_changed(void *device, u32 source, u32 level)
{
    struct sifive_plic *plic = device;
    u32 *word = &plic->state->level[source / 32], bit = UINT32_C(1) << source % 32;

    if (!source || source >= plic->num_sources)
        return;
    if (level)
        __atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
    update_for(plic, source);
}

static void write_priority(void *device, u32 source, u64 value)
{
    struct sifive_plic *plic = device;

    if (!source) /* there is no source 0 */
        __atomic_store_n(&plic->state->priority[0], 0, __ATOMIC_SEQ_CST);
    update_for(device, source);
}

static u64 read_pending(void *device, u32 word)
{
    return waiting(device, word);
}

/* Sources that are not there cannot be enabled. */
static u32 present(void *device, u32 word)
{
    u32 count = sources(device), first = word * 32;

    u32 bits = first >= count ? 0 : count - first >= 32 ? UINT32_MAX : (1u << (count - first)) - 1;

    return word ? bits : bits & ~1u;
}

static void write_enable(void *device, u32 index, u64 value)
{
    struct sifive_plic *plic = device;

    __atomic_fetch_and(&plic->state->enable[index], present(device, index % 32), __ATOMIC_SEQ_CST);
    update(device, index / 32);
}

static void write_threshold(void *device, u32 context, u64 value)
{
    update(device, context);
}

static u64 claim(void *device, u32 context)
{
    struct sifive_plic *plic = device;
    u32 source;

    while ((source = best(plic, context))) {
        u32 bit = UINT32_C(1) << source % 32;

        if (!(__atomic_fetch_or(&plic->state->claimed[source / 32], bit, __ATOMIC_SEQ_CST) & bit))
            break; /* ours; otherwise another context was faster */
    }
    if (source)
        update_for(plic, source);
    return source;
}

static void complete(void *device, u32 context, u64 source)
{
    struct sifive_plic *plic = device;

    if (!source || source >= plic->num_sources ||
        !(get(&plic->state->enable[context * 32 + source / 32]) >> source % 32 & 1)) {
        device_guest_error(plic, "riscv.sifive.plic: context %u completes source %u, which it has not enabled", context, (u32)source);
        return;
    }
    __atomic_fetch_and(&plic->state->claimed[source / 32], ~(UINT32_C(1) << source % 32), __ATOMIC_SEQ_CST);
    update_for(plic, (u32)source);
}

/* The lines keep their levels over a reset; their owners lower them. */
static void reset(void *device)
{
    struct sifive_plic *plic = device;

    for (u32 source = 1; source < plic->num_sources; source++) {
        if (line_level(&plic->source[source]))
            plic->state->level[source / 32] |= UINT32_C(1) << source % 32;
    }
    update_all(plic);
}

static void init(struct vm_object *object)
{
    for (u32 i = 0; i < MAX_CONTEXTS; i++)
        line_keeper_init(&((struct sifive_plic *)object)->keeper[i], LOCK_RANK_CONTROLLER);
}

static void finish(struct vm_object *object)
{
    for (u32 i = 0; i < MAX_CONTEXTS; i++)
        line_keeper_finish(&((struct sifive_plic *)object)->keeper[i]);
}

static bool add_context(struct sifive_plic *plic, u32 hart, u32 number, GError **error)
{
    struct vcpu *vcpu = vm_vcpu(plic->device.object.vm, plic->hartid_base + hart);

    if (plic->context_count == MAX_CONTEXTS)
        return error_set(error, "hart-config: at most %u contexts", MAX_CONTEXTS);
    plic->output[plic->context_count++] = vcpu ? &vcpu->line[number] : NULL;
    return true;
}

static bool realize(void *device, GError **error)
{
    struct sifive_plic *plic = device;
    u32 hart = 0;

    if (plic->priority_base)
        return error_set(error, "priority-base must be 0");
    plic->context_count = 0;
    for (const char *c = plic->hart_config ? plic->hart_config : ""; *c; c++) {
        if (*c == ',')
            hart++;
        else if (*c != 'M' && *c != 'S')
            return error_set(error, "hart-config: '%c' is not a mode", *c);
        else if (!add_context(plic, hart, *c == 'M' ? LINE_MEIP : LINE_SEIP, error))
            return false;
    }
    plic->device.window[0].region.size = plic->aperture_size;
    return true;
}

#include "hw/core/define.inc"
