/*
 * A guest that keeps interrupts off for long stretches.
 *
 * The e1000 lets software set an interrupt cause (register ICS), so no traffic is needed. While IF=0 the hypervisor holds
 * the interrupt back: it asks the processor for an interrupt-window exit, and injects when the guest says STI. The time
 * from the cause to the handler is the price; the guest measures it.
 */
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 16 /* interrupts taken */
#endif
#ifndef STRETCH
#define STRETCH 20000 /* turns of the loop that hogs the CPU with interrupts off */
#endif

enum { ICR = 0x00c0, ICS = 0x00c8, IMS = 0x00d0, IMC = 0x00d8, STATUS = 0x0008 };
enum { CAUSE_LINK_CHANGE = 0x4 };

static uint64_t registers;
static volatile unsigned handled;
static volatile uint64_t handled_at;

static void on_interrupt(void *argument)
{
    (void)argument;
    const uint32_t causes = tl_read32(registers + ICR); /* reading acknowledges, and lowers the line */
    if (causes & CAUSE_LINK_CHANGE) {
        handled_at = tl_rdtsc();
        handled++;
    }
}

static void hog(void)
{
    for (volatile unsigned i = 0; i < STRETCH; i++)
        continue;
}

int main(void)
{
    struct tl_pci nic;
    uint64_t worst = 0;

    tl_check(tl_pci_find(0x8086, 0x100e, 0, &nic), "no e1000 (8086:100e) on the PCI bus");
    tl_pci_enable(&nic);
    registers = tl_pci_bar(&nic, 0);

    tl_write32(registers + IMC, 0xffffffff);
    tl_read32(registers + ICR); /* whatever was pending */
    tl_irq_register(tl_pci_interrupt_line(&nic), on_interrupt, NULL);
    tl_write32(registers + IMS, CAUSE_LINK_CHANGE);

    for (unsigned round = 1; round <= ROUNDS; round++) {
        tl_cli();
        const uint64_t raised_at = tl_rdtsc();
        tl_write32(registers + ICS, CAUSE_LINK_CHANGE); /* the device asks now ... */
        hog();
        tl_check(handled == round - 1, "an interrupt was handled with interrupts off");
        tl_read32(registers + STATUS); /* an exit amid the stretch: no chance to inject either */
        hog();
        tl_sti(); /* ... and is heard here */
        while (handled < round)
            tl_pause();

        const uint64_t waited = handled_at - raised_at;
        tl_mark(round, waited);
        if (waited > worst)
            worst = waited;
    }

    tl_write32(registers + IMC, 0xffffffff);
    tl_printf("%u interrupts handled, the slowest %lu cycles after its cause\n", handled, worst);
    return handled == ROUNDS ? 0 : 1;
}
