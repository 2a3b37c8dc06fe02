/*
 * A driver with bad intentions: it has `edu`, the teaching device of QEMU, write to the addresses of interrupts. A device interrupts by
 * writing one word there, and nothing tells a word that it writes as DMA from one that it writes as its interrupt. Whoever chooses
 * address and data chooses the vector, and the CPU that takes it.
 *
 * The addresses are of both formats (VT-d specification, 5.1.2): the one of MSI, where the data are the vector, and the remappable one,
 * which is an index into a table of the host.
 */
#include "trapline.h"

#ifndef VECTOR
#define VECTOR 0xe5 /* of the host's: nobody has asked for it */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2 };
#define DEVICE_BUFFER 0x40000ul
#define INTERRUPTS 0xfee00000u /* CPU 0 in bits 19 to 12 */
#define REMAPPABLE(index) (INTERRUPTS | (index) << 5 | 1 << 4)
enum { FORGE = 1 }; /* mark */

/* Read by whoever checks the trace. */
struct {
    uint32_t addresses[4];
} forge_log = {{
    INTERRUPTS,      /* by the format of MSI */
    REMAPPABLE(0u),  /* of the first that the host has given away: the IOAPIC's, for the pin */
    REMAPPABLE(99u), /* nobody's */
    REMAPPABLE(5000u) /* behind the table */
}};

static uint64_t edu;

static void transfer(uint64_t from, uint64_t to, uint32_t bytes, uint32_t direction)
{
    tl_write32(edu + DMA_SOURCE, (uint32_t)from);
    tl_write32(edu + DMA_DESTINATION, (uint32_t)to);
    tl_write32(edu + DMA_COUNT, bytes);
    tl_write32(edu + DMA_COMMAND, DMA_RUN | direction);
    while (tl_read32(edu + DMA_COMMAND) & DMA_RUN)
        tl_pause();
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    uint32_t *word = tl_alloc(sizeof(*word), 64);
    *word = VECTOR;
    transfer(tl_physical(word), DEVICE_BUFFER, sizeof(*word), 0);
    for (unsigned i = 0; i < sizeof(forge_log.addresses) / sizeof(forge_log.addresses[0]); i++) {
        tl_mark(FORGE, forge_log.addresses[i]);
        transfer(DEVICE_BUFFER, forge_log.addresses[i], sizeof(*word), DMA_TO_MEMORY);
    }
    tl_printf("wrote vector %x to %u addresses of interrupts\n", VECTOR, 4);
    return 0;
}
