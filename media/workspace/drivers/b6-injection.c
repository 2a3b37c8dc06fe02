/*
 * How an interrupt of an emulated device gets into a guest, by where the vCPU is when it comes.
 *
 *   in the hypervisor   it is written into a field of the VMCS and delivered by the next entry, through the guest's own IDT
 *   in the guest        somebody has to make the vCPU leave first: an IPI to the physical CPU that it runs on
 *   with IF=0           the hypervisor asks the processor to exit as soon as the guest can take an interrupt
 *   asleep in HLT       its thread is woken
 *
 * and each ends with an exit more, for the end of interrupt: the write to the local APIC, which tells the IOAPIC as well, as the
 * pin of a PCI device has a level. The device is `edu`: a store to one register raises its interrupt at once, a factorial raises
 * it when it is done, from QEMU's main loop, while the vCPU is at something else.
 */
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 4 /* interrupts of each way */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { ID = 0x00, FACTORIAL = 0x08, STATUS = 0x20, IRQ_STATUS = 0x24, IRQ_RAISE = 0x60, IRQ_ACK = 0x64 };
enum { INTERRUPT_AFTER = 0x80, LONGEST_FACTORIAL = 34 };
enum way { IN_HOST, IN_GUEST, INTERRUPTS_OFF, ASLEEP, WAYS };
enum { END = 4 }; /* marks: a way's number before it, this behind the last */

/* Read by whoever checks the trace. */
struct {
    uint32_t vector;
    uint32_t handled[WAYS];
    uint32_t looks; /* reads of a register with interrupts off, while one was pending */
} b6_log;

static uint64_t edu;
static volatile enum way way;
static volatile unsigned handled;

static void on_interrupt(void *argument)
{
    (void)argument;
    tl_write32(edu + IRQ_ACK, tl_read32(edu + IRQ_STATUS)); /* the line goes down before the end of interrupt */
    b6_log.handled[way]++;
    handled++;
}

static void begin(enum way next)
{
    tl_cli();
    way = next;
    tl_mark(next, ROUNDS);
}

/* The store that raises it is an exit: the vCPU is in the hypervisor when the interrupt comes. */
static void in_host(void)
{
    begin(IN_HOST);
    tl_sti();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        handled = 0;
        tl_write32(edu + IRQ_RAISE, 1);
        tl_check(handled == 1, "the entry after the store has not injected it");
    }
}

/* It comes while the guest turns in a loop without a single exit. */
static void in_guest(void)
{
    begin(IN_GUEST);
    tl_write32(edu + STATUS, INTERRUPT_AFTER);
    tl_sti();
    for (unsigned round = 1; round <= ROUNDS; round++) {
        handled = 0;
        tl_write32(edu + FACTORIAL, LONGEST_FACTORIAL);
        while (!handled)
            __asm__ volatile("" : : : "memory");
    }
}

/* Pending from the store on, and taken behind STI. Exits in between change nothing. */
static void interrupts_off(void)
{
    begin(INTERRUPTS_OFF);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        handled = 0;
        tl_cli();
        tl_write32(edu + IRQ_RAISE, 1);
        tl_read32(edu + ID);
        b6_log.looks++;
        tl_check(handled == 0, "an interrupt was handled with interrupts off");
        tl_sti();
        while (!handled)
            __asm__ volatile("" : : : "memory");
    }
}

static void asleep(void)
{
    begin(ASLEEP);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        handled = 0;
        tl_write32(edu + FACTORIAL, LONGEST_FACTORIAL);
        while (!handled)
            tl_wait_for_interrupt();
    }
    tl_write32(edu + STATUS, 0);
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    b6_log.vector = tl_irq_register(tl_pci_interrupt_line(&pci), on_interrupt, NULL);

    in_host();
    in_guest();
    interrupts_off();
    asleep();
    tl_mark(END, 0);

    tl_printf("%u interrupts in each of %u ways\n", (unsigned)ROUNDS, (unsigned)WAYS);
    return 0;
}
