/*
 * A driver for `edu`, the teaching device of QEMU: a factorial that takes its time, DMA in both directions, and messages
 * (MSI) instead of a pin.
 *
 * Each operation has the same shape, that of most drivers: write the registers (an exit each), start, sleep, be interrupted, look
 * what has been done. The data of a DMA move without any exit, however many they are.
 */
#include "trapline.h"

#ifndef FACTORIALS
#define FACTORIALS 6
#endif
#ifndef TRANSFERS
#define TRANSFERS 4 /* there and back */
#endif
#ifndef BYTES
#define BYTES 4096 /* of each transfer; at most what the device's buffer holds */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum {
    ID = 0x00, LIVENESS = 0x04, FACTORIAL = 0x08, STATUS = 0x20, IRQ_STATUS = 0x24, IRQ_ACK = 0x64,
    DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98,
};
enum { COMPUTING = 0x01, INTERRUPT_AFTER = 0x80 };
enum { CAUSE_FACTORIAL = 0x001, CAUSE_DMA = 0x100 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2, DMA_INTERRUPT = 4 };
#define DEVICE_BUFFER 0x40000ul
enum { CAP_MSI = 5, MSI_CONTROL = 2, MSI_64 = 1 << 7, MSI_ENABLE = 1 };
#define MSI_ADDRESS 0xfee00000ul
enum { BEGIN = 1, DMA = 2, END = 3 }; /* marks */

/* Read by whoever checks the trace. */
struct {
    uint32_t reads, writes; /* of registers of the device, between the first mark and the last */
    uint32_t factorials, transfers, interrupts, vector;
    uint64_t bytes;
} b8_log;

static uint64_t edu;
static volatile uint32_t causes;

#define EDU_READ(reg) (b8_log.reads++, tl_read32(edu + (reg)))
#define EDU_WRITE(reg, value)                                                                                                    \
    do {                                                                                                                         \
        b8_log.writes++;                                                                                                         \
        tl_write32(edu + (reg), value);                                                                                          \
    } while (0)

static void on_interrupt(void *argument)
{
    (void)argument;
    const uint32_t seen = EDU_READ(IRQ_STATUS);
    EDU_WRITE(IRQ_ACK, seen);
    causes |= seen;
    b8_log.interrupts++;
}

static void wait_for(uint32_t cause)
{
    tl_cli();
    while (!(causes & cause))
        tl_wait_for_interrupt();
    causes &= ~cause;
    tl_sti();
}

static uint32_t factorial(uint32_t n)
{
    EDU_WRITE(FACTORIAL, n);
    wait_for(CAUSE_FACTORIAL);
    tl_check(!(EDU_READ(STATUS) & COMPUTING), "an interrupt before the factorial was done");
    b8_log.factorials++;
    return EDU_READ(FACTORIAL);
}

static void transfer(uint64_t from, uint64_t to, uint32_t direction)
{
    EDU_WRITE(DMA_SOURCE, (uint32_t)from);
    EDU_WRITE(DMA_DESTINATION, (uint32_t)to);
    EDU_WRITE(DMA_COUNT, BYTES);
    EDU_WRITE(DMA_COMMAND, DMA_RUN | direction | DMA_INTERRUPT);
    wait_for(CAUSE_DMA);
    b8_log.transfers++;
    b8_log.bytes += BYTES;
}

static void use_messages(const struct tl_pci *pci)
{
    const unsigned at = tl_pci_capability(pci, CAP_MSI);
    tl_check(at, "the device has no MSI");
    b8_log.vector = tl_irq_vector(on_interrupt, NULL);
    const uint16_t control = tl_pci_read16(pci, at + MSI_CONTROL);
    tl_pci_write32(pci, at + 4, (uint32_t)(MSI_ADDRESS | tl_apic_id() << 12));
    if (control & MSI_64)
        tl_pci_write32(pci, at + 8, 0);
    tl_pci_write16(pci, at + (control & MSI_64 ? 12 : 8), (uint16_t)b8_log.vector);
    tl_pci_write16(pci, at + MSI_CONTROL, control | MSI_ENABLE);
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    tl_check((tl_read32(edu + ID) & 0xff) == 0xed, "the device does not say that it is an edu");
    use_messages(&pci);

    tl_mark(BEGIN, FACTORIALS);
    EDU_WRITE(LIVENESS, 0x12345678);
    tl_check(EDU_READ(LIVENESS) == ~0x12345678u, "the device is dead");
    EDU_WRITE(STATUS, INTERRUPT_AFTER);
    uint32_t expected = 1;
    for (uint32_t n = 1; n <= FACTORIALS; n++) {
        expected *= n;
        const uint32_t found = factorial(n);
        tl_check(found == expected, "%u! is %u, and not %u", n, expected, found);
    }

    tl_mark(DMA, TRANSFERS);
    uint8_t *there = tl_alloc(BYTES, 4096);
    uint8_t *back = tl_alloc(BYTES, 4096);
    for (unsigned round = 0; round < TRANSFERS; round++) {
        for (unsigned i = 0; i < BYTES; i++)
            there[i] = (uint8_t)(i * 7 + round);
        transfer(tl_physical(there), DEVICE_BUFFER, 0);
        transfer(DEVICE_BUFFER, tl_physical(back), DMA_TO_MEMORY);
        tl_check(!memcmp(there, back, BYTES), "other bytes came back in round %u", round);
    }
    tl_mark(END, 0);

    tl_printf("%u factorials, %lu bytes by DMA: %u register accesses, %u interrupts\n", b8_log.factorials, b8_log.bytes,
              b8_log.reads + b8_log.writes, b8_log.interrupts);
    return 0;
}
