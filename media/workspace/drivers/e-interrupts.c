/*
 * What an interrupt of a device costs the guest that it comes to, by where the virtual CPU is:
 *
 *   running     it turns in a loop without a single exit
 *   off         the same with IF=0; it takes the interrupt behind STI
 *   asleep      it has halted
 *
 * and each ends with a write to the EOI register of the local APIC, in memory or by an MSR. How many exits that are is the
 * hypervisor's choice and the processor's: this program is the same under all of them.
 *
 * The device is behind two functions, `prepare` and `fire`.
 */
#ifndef TL_X2APIC
#define TL_X2APIC 0 /* 1: the registers of the local APIC are MSRs */
#endif
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 8 /* interrupts of each way */
#endif

enum way { RUNNING, OFF, ASLEEP, WAYS };
enum { END = WAYS }; /* marks: a way's number before it, this behind the last */

/* Read by whoever checks the trace. */
struct {
    uint32_t vector;
    uint32_t handled[WAYS];
} e_log;

static volatile enum way way;
static volatile unsigned handled;

static void on_interrupt(void *argument)
{
    (void)argument;
    e_log.handled[way]++;
    handled++;
}

/* ---- The device: edu, with messages (MSI). A factorial takes its time; at its end the device interrupts. ------------- */

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { FACTORIAL = 0x08, STATUS = 0x20, INTERRUPT_AFTER = 0x80, LONGEST_FACTORIAL = 34 };
enum { CAP_MSI = 5, MSI_CONTROL = 2, MSI_64 = 1 << 7, MSI_ENABLE = 1 };
#define MSI_ADDRESS 0xfee00000ul

static uint64_t edu;

static void prepare(uint8_t vector)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    const unsigned at = tl_pci_capability(&pci, CAP_MSI);
    tl_check(at, "the device has no MSI");
    const uint16_t control = tl_pci_read16(&pci, at + MSI_CONTROL);
    tl_pci_write32(&pci, at + 4, (uint32_t)(MSI_ADDRESS | tl_apic_id() << 12));
    if (control & MSI_64)
        tl_pci_write32(&pci, at + 8, 0);
    tl_pci_write16(&pci, at + (control & MSI_64 ? 12 : 8), vector);
    tl_pci_write16(&pci, at + MSI_CONTROL, control | MSI_ENABLE);
    tl_write32(edu + STATUS, INTERRUPT_AFTER);
}

/* One interrupt, some microseconds from now. */
static void fire(void)
{
    handled = 0;
    tl_write32(edu + FACTORIAL, LONGEST_FACTORIAL);
}

/* ---- The three ways ------------------------------------------------------------------------------------------------- */

static void begin(enum way next)
{
    tl_cli();
    way = next;
    tl_mark(next, ROUNDS);
}

static void running(void)
{
    begin(RUNNING);
    tl_sti();
    for (unsigned round = 0; round < ROUNDS; round++) {
        fire();
        while (!handled)
            __asm__ volatile("" : : : "memory");
    }
}

/* Long enough that it has come: with interrupts off there is no other way to know without an exit. */
#define LONG_ENOUGH 200000ul /* cycles */

static void off(void)
{
    begin(OFF);
    for (unsigned round = 0; round < ROUNDS; round++) {
        tl_cli();
        fire();
        const uint64_t start = tl_rdtsc();
        while (tl_rdtsc() - start < LONG_ENOUGH)
            ;
        tl_check(handled == 0, "an interrupt was handled with interrupts off");
        tl_sti();
        while (!handled)
            __asm__ volatile("" : : : "memory");
    }
}

static void asleep(void)
{
    begin(ASLEEP);
    for (unsigned round = 0; round < ROUNDS; round++) {
        tl_cli();
        fire();
        while (!handled)
            tl_wait_for_interrupt();
    }
}

int main(void)
{
    e_log.vector = tl_irq_vector(on_interrupt, NULL);
    prepare((uint8_t)e_log.vector);
    running();
    off();
    asleep();
    tl_cli();
    tl_mark(END, 0);
    tl_printf("%u interrupts in each of %u ways\n", (unsigned)ROUNDS, (unsigned)WAYS);
    return 0;
}
