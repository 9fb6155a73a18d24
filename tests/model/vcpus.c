/*
 * tests/model/vcpus.c - the protocols of vm/vcpu_work.c and vm/vcpu.c, host/epoch.c and vm/inbox.c among vCPUs that execute nothing but protocol
 * steps, at random. What a protocol has to keep apart is plain data: ThreadSanitizer (make check, stage tsan) tells when two
 * threads meet there; without it lost updates show some of that. A deadlock ends in the alarm.
 *
 * The page, its lines and the tags are how accel/tcg keeps translators and stores apart (accel/tcg/page.c), in miniature.
 */
#include "host/clock.h"
#include "host/epoch.h"
#include "vm/clock.h"
#include "vm/inbox.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HARTS = 4, TIMER = 0 };

struct model;

struct hart {
    struct vcpu vcpu;
    struct model *model;
    u64 random, rounds;
    bool work;              /* atomic: ends a halt */
    bool waits_for_main;    /* atomic: main owes it one kick */
    bool finished;
    u64 letters;            /* posted to the inbox */
    /* Plain, and not only this hart's: guest code, handshakes, exclusives, and main while all are stopped. */
    u64 guest;
    bool tag;               /* stores to the page need no question */
};

struct value {
    u64 alive;
};

struct model {
    struct vm *vm;
    struct accel accel;
    struct hart *hart[HARTS];
    u64 rounds;                 /* that each hart does */
    u32 steps;                  /* kinds of steps that are allowed: the first so many */
    u64 random;
    u64 expected[HARTS];        /* atomic: additions to guest */
    struct host_lock translate_lock;
    u64 lines;                  /* atomic: the page has code */
    u64 page[HARTS];            /* plain: one word for each hart, all read by the translator */
    u64 translated;
    u64 machine;                /* plain: under the machine lock */
    u64 machine_expected;       /* atomic */
    struct value *current;      /* atomic */
    u64 delivered[HARTS];       /* main */
    u64 posted, ran, freed;     /* atomic: vcpu_post */
    u32 finished;               /* atomic */
};

static u64 next_random(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct hart *hart_of(struct vcpu *vcpu)
{
    return container_of(vcpu, struct hart, vcpu);
}

static void add_guest(struct model *model, u32 index)
{
    model->hart[index]->guest++;
    __atomic_add_fetch(&model->expected[index], 1, __ATOMIC_RELAXED);
}

/* --- steps of a hart --- */

static void compute(struct hart *hart)
{
    add_guest(hart->model, hart->vcpu.index);
}

static void lock_machine(struct hart *hart)
{
    vm_lock(hart->model->vm);
    hart->model->machine++;
    __atomic_add_fetch(&hart->model->machine_expected, 1, __ATOMIC_RELAXED);
    vm_unlock(hart->model->vm);
}

struct shake {
    struct model *model;
    u32 served[HARTS];
};

static void serve(struct vcpu *vcpu, void *opaque)
{
    struct shake *shake = opaque;

    shake->served[vcpu->index]++;
    add_guest(shake->model, vcpu->index);
}

static void shake_hands(struct model *model)
{
    struct shake shake = { .model = model };

    vm_handshake(model->vm, serve, &shake);
    for (u32 i = 0; i < HARTS; i++)
        g_assert_cmpuint(shake.served[i], ==, 1);
}

static void handshake(struct hart *hart)
{
    shake_hands(hart->model);
}

/* A device's hook: outside, with the machine lock, until it is done. */
static void be_in_device(struct hart *hart)
{
    struct model *model = hart->model;

    vm_lock(model->vm);
    model->machine++;
    shake_hands(model);
    g_assert_true(hart->vcpu.outside);
    model->machine++;
    __atomic_add_fetch(&model->machine_expected, 2, __ATOMIC_RELAXED);
    vm_unlock(model->vm);
}

static void all_parked(void *opaque)
{
    for (u32 i = 0; i < HARTS; i++)
        add_guest(opaque, i);
}

static void exclusive(struct hart *hart)
{
    vm_exclusive(hart->model->vm, all_parked, hart->model);
}

/* As accel/tcg does: waiting for this lock must not keep a translator from finishing. */
static void translate_lock(struct hart *hart)
{
    if (host_lock_try(&hart->model->translate_lock))
        return;
    vcpu_enter_outside(&hart->vcpu);
    host_lock_take(&hart->model->translate_lock);
    vcpu_leave_outside(&hart->vcpu);
}

static void drop_tag(struct vcpu *vcpu, void *opaque)
{
    hart_of(vcpu)->tag = false;
}

static void translate(struct hart *hart)
{
    struct model *model = hart->model;

    translate_lock(hart);
    if (!__atomic_fetch_or(&model->lines, 1, __ATOMIC_SEQ_CST))
        vm_handshake(model->vm, drop_tag, NULL);
    for (u32 i = 0; i < HARTS; i++)
        model->translated += model->page[i];
    host_lock_drop(&model->translate_lock);
}

static void store(struct hart *hart)
{
    struct model *model = hart->model;

    if (!hart->tag && __atomic_load_n(&model->lines, __ATOMIC_ACQUIRE)) {
        translate_lock(hart);
        __atomic_store_n(&model->lines, 0, __ATOMIC_SEQ_CST);
        model->page[hart->vcpu.index]++;
        host_lock_drop(&model->translate_lock);
        return;
    }
    hart->tag = true;
    model->page[hart->vcpu.index]++;
}

static void bury(void *opaque)
{
    struct value *value = opaque;

    value->alive = 0;
    g_free(value);
}

static void look_at_value(struct hart *hart)
{
    struct value *value = __atomic_load_n(&hart->model->current, __ATOMIC_ACQUIRE);

    for (int i = 0; i < 50; i++)
        g_assert_cmpuint(value->alive, ==, 1);
}

static void replace_value(struct model *model)
{
    struct value *value = g_new(struct value, 1);

    value->alive = 1;
    epoch_retire(vm_epoch(model->vm), __atomic_exchange_n(&model->current, value, __ATOMIC_ACQ_REL), bury);
}

static void retire(struct hart *hart)
{
    replace_value(hart->model);
}

struct letter {
    u32 from;
    u64 number;
};

static void delivered(void *opaque, const void *payload, u32 size)
{
    struct model *model = opaque;
    struct letter letter;

    g_assert_cmpuint(size, ==, sizeof(letter));
    memcpy(&letter, payload, sizeof(letter));
    g_assert_cmpuint(letter.number, ==, model->delivered[letter.from]);
    model->delivered[letter.from]++;
}

static void write_letter(struct hart *hart)
{
    struct letter letter = { .from = hart->vcpu.index, .number = hart->letters++ };

    inbox_post(hart->model->vm, NULL, delivered, hart->model, &letter, sizeof(letter));
}

static void run_posted(struct vcpu *vcpu, void *opaque)
{
    struct model *model = *(struct model **)opaque;

    g_assert_true(vcpu_current() == vcpu && !vcpu->outside);
    add_guest(model, vcpu->index);
    __atomic_add_fetch(&model->ran, 1, __ATOMIC_RELAXED);
}

static void free_posted(void *opaque)
{
    __atomic_add_fetch(&(*(struct model **)opaque)->freed, 1, __ATOMIC_RELAXED);
    g_free(opaque);
}

static void post(struct model *model, u32 to)
{
    struct model **opaque = g_new(struct model *, 1);

    *opaque = model;
    __atomic_add_fetch(&model->posted, 1, __ATOMIC_RELAXED);
    vcpu_post(&model->hart[to]->vcpu, run_posted, opaque, free_posted);
}

static void post_to_other(struct hart *hart)
{
    post(hart->model, next_random(&hart->random) % HARTS);
}

static void halt_for_main(struct hart *hart)
{
    __atomic_store_n(&hart->work, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&hart->waits_for_main, true, __ATOMIC_SEQ_CST);
    vcpu_halt(&hart->vcpu);
}

static void halt_for_timer(struct hart *hart)
{
    s64 now = vm_clock_now(hart->model->vm, VM_CLOCK_VIRTUAL);

    __atomic_store_n(&hart->work, false, __ATOMIC_SEQ_CST);
    vcpu_timer_set(&hart->vcpu, TIMER, now + (s64)(next_random(&hart->random) % 100000));
    vcpu_halt(&hart->vcpu);
}

static void halt_for_neighbour(struct hart *hart)
{
    struct hart *other = hart->model->hart[(hart->vcpu.index + 1) % HARTS];

    /* Wakes the neighbour too early now and then: that is no sin. */
    __atomic_store_n(&other->work, true, __ATOMIC_SEQ_CST);
    vcpu_kick(&other->vcpu);
    halt_for_timer(hart);
}

/* Halting first, so that it can be had without the rest: whatever else wakes a hart would hide a lost wake-up. */
static void (*const steps[])(struct hart *hart) = {
    halt_for_main, halt_for_timer, compute, compute, halt_for_neighbour, lock_machine, handshake, exclusive, translate, translate,
    store, store, store, store, look_at_value, look_at_value, retire, write_letter, post_to_other, compute, be_in_device,
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]), HALTS = 4 };

/* --- the CPU and its accelerator --- */

static void cpu_reset(struct vcpu *vcpu) {}

static bool has_work(struct vcpu *vcpu)
{
    return __atomic_load_n(&hart_of(vcpu)->work, __ATOMIC_SEQ_CST);
}

static void timer_expired(struct vcpu *vcpu, u32 slot)
{
    __atomic_store_n(&hart_of(vcpu)->work, true, __ATOMIC_SEQ_CST);
}

static const struct cpu_class model_class = {
    .guest = VM_GUEST_RISCV64, .arch = "riscv64", .state_size = 64, .line_count = 1, .timer_count = 1,
    .reset = cpu_reset, .has_work = has_work, .timer_expired = timer_expired,
};

static bool realize(struct vm_object *object, GError **error)
{
    return vcpu_init(container_of(object, struct vcpu, object), &model_class, error);
}

static void finish(struct vm_object *object)
{
    vcpu_finish(container_of(object, struct vcpu, object));
}

VM_CLASS(model_cpu) { .name = "model-cpu", .parent = "cpu", .size = sizeof(struct hart), .realize = realize, .finish = finish,
                      .data = &model_class };

static void done(struct hart *hart)
{
    if (!hart->finished)
        __atomic_add_fetch(&hart->model->finished, 1, __ATOMIC_SEQ_CST);
    hart->finished = true;
    __atomic_store_n(&hart->work, false, __ATOMIC_SEQ_CST);
    vcpu_halt(&hart->vcpu);
}

static void run(struct vcpu *vcpu)
{
    struct hart *hart = hart_of(vcpu);

    for (;;) {
        if (__atomic_load_n(&vcpu->host->exit_request, __ATOMIC_ACQUIRE) && !vcpu_safepoint(vcpu))
            return;
        if (hart->rounds >= hart->model->rounds) {
            done(hart);
            continue;
        }
        hart->rounds++;
        steps[next_random(&hart->random) % hart->model->steps](hart);
    }
}

static const struct accel_class model_accel = { .name = "model", .vcpu_run = run };

/* --- main --- */

static void give_kicks(struct model *model)
{
    for (u32 i = 0; i < HARTS; i++) {
        struct hart *hart = model->hart[i];

        if (!__atomic_exchange_n(&hart->waits_for_main, false, __ATOMIC_SEQ_CST))
            continue;
        __atomic_store_n(&hart->work, true, __ATOMIC_SEQ_CST);
        vcpu_kick(&hart->vcpu);
    }
}

static void stop_and_go(struct model *model)
{
    vm_stop(model->vm, VM_PAUSED);
    all_parked(model);
    vm_cont(model->vm);
}

/* With the machine lock, as all of the main loop. */
static gboolean main_step(gpointer opaque)
{
    struct model *model = opaque;
    u64 choice = model->steps == STEPS ? next_random(&model->random) % 6 : 5;

    /* What was posted to a hart that had finished is still run there. */
    if (__atomic_load_n(&model->finished, __ATOMIC_SEQ_CST) == HARTS &&
        __atomic_load_n(&model->freed, __ATOMIC_SEQ_CST) == __atomic_load_n(&model->posted, __ATOMIC_SEQ_CST)) {
        vm_request_shutdown(model->vm, VM_CAUSE_HOST_QMP_QUIT);
        return G_SOURCE_REMOVE;
    }
    give_kicks(model);
    model->machine++;
    __atomic_add_fetch(&model->machine_expected, 1, __ATOMIC_RELAXED);
    if (choice == 0)
        stop_and_go(model);
    else if (choice == 1)
        shake_hands(model);
    else if (choice == 2)
        vm_exclusive(model->vm, all_parked, model);
    else if (choice == 3)
        post(model, next_random(&model->random) % HARTS);
    else if (choice == 4)
        replace_value(model);
    return G_SOURCE_CONTINUE;
}

static void stuck(int signal_number)
{
    static const char text[] = "Bail out! the vCPUs are stuck: a deadlock or a lost wake-up\n";

    (void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

static void create_harts(struct model *model)
{
    GError *error = NULL;

    for (u32 i = 0; i < HARTS; i++) {
        g_autofree char *name = g_strdup_printf("hart%u", i);
        struct vm_object *cpu = vm_object_create(model->vm, "model-cpu", vm_root(model->vm), name, &error);

        g_assert_no_error(error);
        g_assert_true(vm_object_realize(cpu, &error));
        model->hart[i] = hart_of(container_of(cpu, struct vcpu, object));
        model->hart[i]->model = model;
        model->hart[i]->random = next_random(&model->random);
    }
}

static void check(const struct model *model)
{
    for (u32 i = 0; i < HARTS; i++) {
        g_assert_cmpuint(model->hart[i]->guest, ==, model->expected[i]);
        g_assert_cmpuint(model->hart[i]->letters, ==, model->delivered[i]);
    }
    g_assert_cmpuint(model->machine, ==, model->machine_expected);
    g_assert_cmpuint(model->ran, ==, model->posted);
    g_assert_cmpuint(model->freed, ==, model->posted);
}

static void play(u64 rounds, u32 kinds)
{
    struct model model = { .rounds = rounds, .steps = kinds, .random = 88172645463325252u + g_test_rand_int() };
    GError *error = NULL;
    g_autoptr(GSource) source = g_timeout_source_new(1);

    model.vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    vm_lock(model.vm);
    model.accel = (struct accel){ .object.vm = model.vm, .accel_class = &model_accel };
    vm_set_accel(model.vm, &model.accel);
    host_lock_init(&model.translate_lock, LOCK_RANK_TRANSLATE);
    model.current = g_new(struct value, 1);
    model.current->alive = 1;
    create_harts(&model);
    g_assert_true(vm_vcpus_start(model.vm, &error));
    g_source_set_callback(source, main_step, &model, NULL);
    g_source_attach(source, vm_context(model.vm));
    vm_cont(model.vm);
    vm_unlock(model.vm);
    g_assert_cmpint(vm_run(model.vm), ==, 0);
    check(&model);
    g_free(model.current);
    host_lock_finish(&model.translate_lock);
    vm_destroy(model.vm);
}

static u64 rounds(void)
{
    const char *wanted = getenv("MYNAH_MODEL_ROUNDS");

    return wanted ? strtoull(wanted, NULL, 0) : 30000;
}

static void test_all(void)
{
    play(rounds(), STEPS);
}

static void test_halts(void)
{
    play(rounds() / 10, HALTS);
}

int main(int argc, char **argv)
{
    const char *patience = getenv("MYNAH_PATIENCE");

    g_test_init(&argc, &argv, NULL);
    signal(SIGALRM, stuck);
    alarm((unsigned)(50 * (patience ? strtod(patience, NULL) : 1)));
    g_test_add_func("/model/vcpus", test_all);
    g_test_add_func("/model/halts", test_halts);
    return g_test_run();
}
