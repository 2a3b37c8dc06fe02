/*
 * Who serves an access: the kernel part of the hypervisor, or its user-space part.
 *
 * KVM has the interrupt controllers and the timer in the kernel: local APIC, IOAPIC, 8259, 8254. An access to them is an exit and
 * no more. All other devices are in QEMU: KVM_RUN returns to it, the device model runs, and QEMU calls KVM_RUN again. The driver
 * does the same thing, a write and a read, to five units, and takes the time of each.
 */
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 16
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8, EDU_LIVENESS = 0x04 };
enum { PIC_MASK = 0x21, COM1_SCRATCH = 0x3ff };
#define IOAPIC 0xfec00000ul
enum { IOAPIC_SELECT = 0x00, IOAPIC_WINDOW = 0x10, IOAPIC_ID = 0 };
/* Also the ids of the marks before and, plus 100, behind. */
enum unit { LAPIC, IOAPIC_, PIC, EDU, UART, UNITS };
enum { BEHIND = 100 };

/* Read by whoever checks the trace. */
struct {
    struct {
        uint32_t reads, writes;
        uint64_t cycles;
    } unit[UNITS];
} b4_log;

/* ROUNDS times a store and a load of one unit. */
#define MEASURE(which, write, read)                                                                                              \
    do {                                                                                                                         \
        tl_mark(which, ROUNDS);                                                                                                  \
        const uint64_t start_ = tl_rdtsc();                                                                                      \
        for (unsigned i = 0; i < ROUNDS; i++) {                                                                                  \
            write;                                                                                                               \
            (void)read;                                                                                                          \
            b4_log.unit[which].writes++;                                                                                         \
            b4_log.unit[which].reads++;                                                                                          \
        }                                                                                                                        \
        b4_log.unit[which].cycles = tl_rdtsc() - start_;                                                                         \
        tl_mark((which) + BEHIND, ROUNDS);                                                                                       \
    } while (0)

int main(void)
{
    static const char *const names[UNITS] = {"local APIC", "IOAPIC", "8259", "edu", "UART"};
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    const uint64_t edu = tl_pci_bar(&pci, 0);
    tl_read32(edu + EDU_LIVENESS); /* the first touch of a page is another exit than all that follow */
    tl_read32(IOAPIC + IOAPIC_SELECT);

    MEASURE(LAPIC, tl_apic_write(TL_APIC_TPR, 0), tl_apic_read(TL_APIC_TPR));
    MEASURE(IOAPIC_, tl_write32(IOAPIC + IOAPIC_SELECT, IOAPIC_ID), tl_read32(IOAPIC + IOAPIC_WINDOW));
    MEASURE(PIC, tl_outb(PIC_MASK, 0xff), tl_inb(PIC_MASK));
    MEASURE(EDU, tl_write32(edu + EDU_LIVENESS, i), tl_read32(edu + EDU_LIVENESS));
    MEASURE(UART, tl_outb(COM1_SCRATCH, (uint8_t)i), tl_inb(COM1_SCRATCH));

    for (unsigned unit = 0; unit < UNITS; unit++)
        tl_printf("%-10s %6lu cycles for a store and a load\n", names[unit], b4_log.unit[unit].cycles / ROUNDS);
    return 0;
}
