/*
 * What an IOMMU refuses, one kind after the other: `edu`, the teaching device of QEMU, is told to read and to write where it may not.
 * It has no way to tell its driver that a transfer was aborted; the driver finds out by looking: the buffer of the device is as it was,
 * and so is memory.
 */
#include "trapline.h"

#ifndef MEMORY
#define MEMORY 0x2000000ul /* the first byte behind 32 MiB */
#endif
#ifndef WIDTH
#define WIDTH 39 /* bits of an address that the tables translate */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2 };
enum { BYTES = 128, CASE = 1 /* mark */ };
#define DEVICE_BUFFER 0x40000ul

/* Read by whoever checks the trace. */
struct {
    uint64_t addresses[4];
    uint64_t read;    /* transfers to the device that changed its buffer */
    uint64_t written; /* bytes of the driver's memory that a transfer to it changed */
} faults_log = {
    .addresses = {
        MEMORY,             /* nothing is mapped there */
        MEMORY - BYTES / 2, /* half of it is */
        1ul << WIDTH,       /* more than the tables translate */
        0xfee00000ul,       /* interrupts, and this is no message: nobody answers */
    },
};

static uint64_t edu;
static uint8_t *pattern, *seen;

static void transfer(uint64_t from, uint64_t to, uint32_t direction)
{
    tl_write32(edu + DMA_SOURCE, (uint32_t)from);
    tl_write32(edu + DMA_SOURCE + 4, (uint32_t)(from >> 32));
    tl_write32(edu + DMA_DESTINATION, (uint32_t)to);
    tl_write32(edu + DMA_DESTINATION + 4, (uint32_t)(to >> 32));
    tl_write32(edu + DMA_COUNT, BYTES);
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
    pattern = tl_alloc(BYTES, 4096);
    seen = tl_alloc(BYTES, 4096);
    memset(pattern, 0x5a, BYTES);
    volatile uint8_t *own = (volatile uint8_t *)(MEMORY - BYTES / 2); /* the last bytes of memory, which nobody uses */

    for (unsigned i = 0; i < sizeof(faults_log.addresses) / sizeof(faults_log.addresses[0]); i++) {
        tl_mark(CASE, i);
        transfer(tl_physical(pattern), DEVICE_BUFFER, 0);
        transfer(faults_log.addresses[i], DEVICE_BUFFER, 0);
        transfer(DEVICE_BUFFER, tl_physical(seen), DMA_TO_MEMORY);
        faults_log.read += memcmp(seen, pattern, BYTES) != 0;
        transfer(DEVICE_BUFFER, faults_log.addresses[i], DMA_TO_MEMORY);
        for (unsigned j = 0; j < BYTES / 2; j++)
            faults_log.written += own[j] != 0;
    }
    tl_printf("%u reads and %u bytes got through\n", (unsigned)faults_log.read, (unsigned)faults_log.written);
    return 0;
}
