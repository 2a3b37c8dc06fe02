/*
 * A device whose memory comes and goes: the host maps a page when `edu` has asked for it in vain, and unmaps another one for it. The
 * driver has the device write a word to each of PAGES pages, ROUNDS times over, and repeats what has not arrived.
 *
 * What is unmapped is out of reach only once the IOMMU has forgotten it. Until then the device still gets there.
 */
#include "trapline.h"

#ifndef PAGES
#define PAGES 8
#endif
#ifndef ROUNDS
#define ROUNDS 8
#endif
#ifndef MOST_REPEATS
#define MOST_REPEATS 1000
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2 };
enum { PAGE = 4096, BYTES = 8, PATTERN = 0x5eed, BEGIN = 1, END = 2 /* marks */ };
#define DEVICE_BUFFER 0x40000ul

/* Read by whoever checks the trace. */
struct {
    uint64_t first;    /* guest-physical address of the first page */
    uint64_t arrived;
    uint64_t repeated;
} unmap_log;

static uint64_t edu;

static void transfer(uint64_t from, uint64_t to, uint32_t direction)
{
    tl_write32(edu + DMA_SOURCE, (uint32_t)from);
    tl_write32(edu + DMA_DESTINATION, (uint32_t)to);
    tl_write32(edu + DMA_COUNT, BYTES);
    tl_write32(edu + DMA_COMMAND, DMA_RUN | direction);
    while (tl_read32(edu + DMA_COMMAND) & DMA_RUN)
        tl_pause();
}

/* A word from the device to a place, until it is there. */
static void deliver(volatile uint64_t *place, uint64_t *repeated)
{
    *place = 0;
    for (unsigned i = 0; i < MOST_REPEATS; i++) {
        transfer(DEVICE_BUFFER, tl_physical(place), DMA_TO_MEMORY);
        if (*place == PATTERN)
            return;
        ++*repeated;
    }
    tl_check(0, "the device never got there");
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    volatile uint64_t *pages = tl_alloc(PAGES * PAGE, PAGE);
    uint64_t *pattern = tl_alloc(2 * BYTES, PAGE);
    unmap_log.first = tl_physical(pages);
    *pattern = PATTERN;
    /* What the device has not fetched it cannot send. */
    for (unsigned i = 0; pattern[1] != PATTERN && i < MOST_REPEATS; i++) {
        transfer(tl_physical(pattern), DEVICE_BUFFER, 0);
        transfer(DEVICE_BUFFER, tl_physical(pattern + 1), DMA_TO_MEMORY);
    }
    tl_mark(BEGIN, PAGES);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned page = 0; page < PAGES; page++) {
            deliver(pages + page * (PAGE / sizeof(*pages)), &unmap_log.repeated);
            unmap_log.arrived++;
        }
    tl_mark(END, 0);
    tl_printf("%u words arrived, %u times repeated\n", (unsigned)unmap_log.arrived, (unsigned)unmap_log.repeated);
    return 0;
}
