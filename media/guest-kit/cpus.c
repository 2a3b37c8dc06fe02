/* More than one CPU: starting them, telling them apart, and interrupting one from another. (SDM vol. 3, 8.4 and 10.6.) */
#include "trapline.h"
#include "kit.h"

enum {
    AP_PAGE = 0x8000, /* where the start-up code is copied to; also in ap-start.S */
    STACK_BYTES = 16 * 1024,
    START_CYCLES = 100000000, /* an AP that has not answered by then is not there */
};

/* Fields of the interrupt command register. */
enum { ICR_INIT = 5 << 8, ICR_START_UP = 6 << 8, ICR_ASSERT = 1 << 14 };

#define READ_CR(name)                                                                                                  \
    __extension__({                                                                                                    \
        uint64_t value_;                                                                                               \
        __asm__ volatile("movq %%" name ", %0" : "=r"(value_));                                                        \
        value_;                                                                                                        \
    })

/* The first C code of an AP: ap-start.S calls it on the AP's own stack. */
static _Noreturn void tl_ap_main(struct tl_cpu *cpu)
{
    tl_load_cpu_tables(cpu);
    tl_apic_enable();
    cpu->running = true;
    cpu->function();
    for (;;)
        __asm__ volatile("cli\n\thlt" : : : "memory");
}

/* Where the copy of a label of ap-start.S lies. */
static uint64_t *copied(const uint64_t *label)
{
    return (uint64_t *)(AP_PAGE + ((uintptr_t)label - (uintptr_t)tl_ap_code));
}

void tl_start_ap(uint32_t id, void (*function)(void))
{
    struct tl_cpu *cpu = tl_alloc(sizeof(*cpu), 16);
    uint8_t *stack = tl_alloc(STACK_BYTES, 16);
    cpu->id = id;
    cpu->function = function;
    cpu->stack_top = tl_physical(stack) + STACK_BYTES;

    /* The AP takes the control registers of the CPU that starts it, and with CR3 its page tables. */
    memcpy((void *)AP_PAGE, tl_ap_code, (uintptr_t)tl_ap_code_end - (uintptr_t)tl_ap_code);
    *copied(tl_ap_cr0) = READ_CR("cr0");
    *copied(tl_ap_cr3) = READ_CR("cr3");
    *copied(tl_ap_cr4) = READ_CR("cr4");
    *copied(tl_ap_stack) = cpu->stack_top;
    *copied(tl_ap_cpu) = tl_physical(cpu);
    *copied(tl_ap_entry) = (uint64_t)(uintptr_t)tl_ap_main;

    /*
     * INIT resets the AP, which then waits for a start-up IPI. The manual asks for 10 ms between the two and a second
     * start-up IPI after 200 us: that was for the separate APIC chips of the first multiprocessors. Later CPUs need neither.
     */
    tl_apic_enable();
    tl_apic_command(id, ICR_INIT | ICR_ASSERT);
    tl_apic_command(id, ICR_START_UP | ICR_ASSERT | AP_PAGE >> 12);

    const uint64_t start = tl_rdtsc();
    while (!cpu->running) {
        tl_check(tl_rdtsc() - start < START_CYCLES, "CPU %u does not start: does the VM have that many vcpus?", id);
        tl_pause();
    }
}

void tl_send_ipi(uint32_t id, uint8_t vector)
{
    tl_apic_command(id, ICR_ASSERT | vector);
}
