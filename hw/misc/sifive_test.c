/* hw/misc/sifive_test.c - test finisher: power off, reset, exit with a status. */
#define DEVICE      sifive_test
#define DEVICE_ROWS "hw/misc/sifive_test.dev"
#include "hw/core/declare.inc"

enum { FINISH_FAIL = 0x3333, FINISH_PASS = 0x5555, FINISH_RESET = 0x7777 };

static void finish(void *device, u32 index, u64 value)
{
    struct vm *vm = ((struct sifive_test *)device)->device.object.vm;
    int status = (int)(value >> 16 & 0xffff);

    switch (value & 0xffff) {
    case FINISH_FAIL:
        vm_request_shutdown_status(vm, VM_CAUSE_GUEST_PANIC, status);
        break;
    case FINISH_PASS:
        vm_request_shutdown_status(vm, VM_CAUSE_GUEST_SHUTDOWN, status);
        break;
    case FINISH_RESET:
        vm_request_reset(vm, VM_CAUSE_GUEST_RESET);
        break;
    default:
        device_guest_error(device, "riscv.sifive.test: 0x%x means nothing", (u32)value);
        break;
    }
}

#include "hw/core/define.inc"
