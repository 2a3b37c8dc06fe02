/*
 * A driver that has its device work by addresses of its own choice, where there is an IOMMU that it owns: on a bare machine
 * the chipset's, in a VM a virtual one. Where there is none it gives the device physical addresses, and never learns whether a
 * VMM has an IOMMU of the host translate those.
 *
 * The device is `edu`. Each page of a window goes to it and back, by two transfers.
 */
#include "trapline-iommu.h"

#ifndef PAGES
#define PAGES 4
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* of all pages: in the first no cache knows them */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2 };
enum { PAGE = 4096, BYTES = 1024 };
#define DEVICE_BUFFER 0x40000ul
/* Where the device finds the window: not where it is in memory. It has addresses of 28 bits. */
#define WINDOW 0x8000000ul
enum { BEGIN = 1, UNMAPPED = 2, END = 3 }; /* marks */

/* Read by whoever checks the trace. */
struct {
    uint32_t translated; /* 1: the driver owns an IOMMU */
    uint32_t transfers, bytes;
    uint32_t faults; /* after the window was unmapped */
    uint64_t window, memory;
} d7_log;

static uint64_t edu;

/* Polls: an interrupt would tell no more. */
static void transfer(uint64_t from, uint64_t to, uint32_t direction)
{
    tl_write32(edu + DMA_SOURCE, (uint32_t)from);
    tl_write32(edu + DMA_DESTINATION, (uint32_t)to);
    tl_write32(edu + DMA_COUNT, BYTES);
    tl_write32(edu + DMA_COMMAND, DMA_RUN | direction);
    while (tl_read32(edu + DMA_COMMAND) & DMA_RUN)
        tl_pause();
    d7_log.transfers++;
    d7_log.bytes += BYTES;
}

int main(void)
{
    struct tl_pci pci;
    struct tl_iommu iommu;
    struct tl_iommu_domain domain;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);

    uint8_t *memory = tl_alloc(PAGES * PAGE, PAGE);
    uint64_t window = tl_physical(memory);
    d7_log.memory = window;
    d7_log.translated = tl_iommu_find(&iommu);
    if (d7_log.translated) {
        window = WINDOW;
        tl_iommu_domain(&iommu, 1, &domain);
        tl_iommu_map(&iommu, &domain, window, tl_physical(memory), PAGES * PAGE, TL_IOMMU_READ | TL_IOMMU_WRITE);
        tl_iommu_attach(&iommu, &domain, &pci);
        tl_iommu_start(&iommu);
    }
    d7_log.window = window;

    tl_mark(BEGIN, PAGES);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned page = 0; page < PAGES; page++) {
            uint8_t *there = memory + page * PAGE;
            uint8_t *back = there + BYTES;
            for (unsigned i = 0; i < BYTES; i++)
                there[i] = (uint8_t)(i * 7 + page + round);
            transfer(window + page * PAGE, DEVICE_BUFFER, 0);
            transfer(DEVICE_BUFFER, window + page * PAGE + BYTES, DMA_TO_MEMORY);
            tl_check(!memcmp(there, back, BYTES), "other bytes came back from page %u", page);
        }

    if (d7_log.translated) {
        /* What is unmapped no cache remembers: the device's next access is refused, and memory is as it was. */
        struct tl_iommu_fault fault;
        tl_mark(UNMAPPED, 0);
        tl_iommu_unmap(&iommu, &domain, window, PAGES * PAGE);
        memset(memory, 0, BYTES);
        transfer(DEVICE_BUFFER, window, DMA_TO_MEMORY);
        while (tl_iommu_fault(&iommu, &fault)) {
            tl_check(fault.requester == tl_requester(&pci) && fault.address == window && fault.write,
                     "a fault of another access");
            d7_log.faults++;
        }
        for (unsigned i = 0; i < BYTES; i++)
            tl_check(memory[i] == 0, "the device has written to memory that was unmapped");
    }
    tl_mark(END, 0);
    tl_printf("%u transfers, %u bytes by %s addresses, %u refused\n", d7_log.transfers, d7_log.bytes,
              d7_log.translated ? "the driver's own" : "physical", d7_log.faults);
    return 0;
}
