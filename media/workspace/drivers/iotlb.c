/*
 * Working sets against the IOTLB: `edu`, the teaching device of QEMU, reads a few bytes of each of so many pages, one page after the
 * other, ROUNDS times; then of more pages. As long as the IOTLB holds them all, only the first round walks tables.
 */
#include "trapline.h"

#ifndef LEAST
#define LEAST 16 /* pages of the first working set; each has as many more */
#endif
#ifndef MOST
#define MOST 96
#endif
#ifndef ROUNDS
#define ROUNDS 3
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1 };
enum { PAGE = 4096, BYTES = 64, REGION = 2 << 20 };
#define DEVICE_BUFFER 0x40000ul
enum { SET = 1, END = 2 }; /* marks */

/* Read by whoever checks the trace. */
struct {
    uint64_t first; /* guest-physical address of the first page */
    uint64_t transfers;
} iotlb_log;

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    const uint64_t edu = tl_pci_bar(&pci, 0);
    /* All of them below one entry of the level above. */
    iotlb_log.first = tl_physical(tl_alloc(MOST * PAGE, REGION));
    tl_write32(edu + DMA_DESTINATION, DEVICE_BUFFER);
    tl_write32(edu + DMA_COUNT, BYTES);
    for (unsigned pages = LEAST; pages <= MOST; pages += LEAST) {
        tl_mark(SET, pages);
        for (unsigned round = 0; round < ROUNDS; round++)
            for (unsigned page = 0; page < pages; page++) {
                tl_write32(edu + DMA_SOURCE, (uint32_t)(iotlb_log.first + page * PAGE));
                tl_write32(edu + DMA_COMMAND, DMA_RUN);
                while (tl_read32(edu + DMA_COMMAND) & DMA_RUN)
                    tl_pause();
                iotlb_log.transfers++;
            }
    }
    tl_mark(END, 0);
    tl_printf("%u transfers of up to %u pages\n", (unsigned)iotlb_log.transfers, MOST);
    return 0;
}
