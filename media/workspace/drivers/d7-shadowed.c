/*
 * A driver whose IOMMU is in caching mode (VT-d specification, 6.1): what it makes present it invalidates, too, so that whoever follows
 * its tables knows. It moves data by addresses of its own choice, then changes its tables in each way that makes a difference to
 * someone who follows them:
 *
 *   started    a window is mapped before the unit is on
 *   grown      more pages are mapped, and one of them to read only
 *   moved      a page leads to another one of memory
 *   lingering  a page is taken away, and nothing is invalidated
 *   gone       now it is invalidated
 *   off        the unit is off again: physical addresses are right once more
 *
 * The device is `edu`.
 */
#include "trapline-iommu.h"

#ifndef PAGES
#define PAGES 4 /* of the window, at each of its sizes */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2 };
enum { PAGE = 4096, BYTES = 1024, ENTRIES = 512 };
#define DEVICE_BUFFER 0x40000ul
/* It has addresses of 28 bits. */
#define WINDOW 0x8000000ul
enum { BEFORE, STARTED, GROWN, MOVED, LINGERING, GONE, OFF, END }; /* marks */

/* Read by whoever checks the trace. */
struct {
    uint64_t window, memory, other; /* where the window is, what it leads to, and what its first page leads to afterwards */
    uint64_t table;                 /* topmost table */
    uint64_t pages;                 /* of the window at first; later twice as many */
    uint64_t faults;                /* that the guest's own unit has recorded */
} shadowed_log;

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

/* Has the device copy from one address that it has to another, and tells whether the bytes are in memory afterwards. */
static bool copies(uint64_t from, const uint8_t *source, uint64_t to, uint8_t *destination)
{
    memset(destination, 0, BYTES);
    transfer(from, DEVICE_BUFFER, 0);
    transfer(DEVICE_BUFFER, to, DMA_TO_MEMORY);
    return !memcmp(source, destination, BYTES);
}

static void fill(uint8_t *bytes, unsigned seed)
{
    for (unsigned i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 7 + seed + 1);
}

/* The entry of a page of the window: the driver has to know its tables to change one without telling. */
static volatile uint64_t *entry_of(const struct tl_iommu_domain *domain, uint64_t iova)
{
    uint64_t *table = domain->table;
    for (unsigned level = 4; level > 1; level--)
        table = (uint64_t *)(table[iova >> (12 + 9 * (level - 1)) & (ENTRIES - 1)] & ~(uint64_t)(PAGE - 1));
    return &table[iova >> 12 & (ENTRIES - 1)];
}

int main(void)
{
    struct tl_pci pci;
    struct tl_iommu iommu;
    struct tl_iommu_domain domain;
    struct tl_iommu_fault fault;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_check(tl_iommu_find(&iommu), "no IOMMU");
    tl_check(iommu.caching && !iommu.scalable, "the IOMMU is not in caching mode, or in scalable mode");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);

    const unsigned rights = TL_IOMMU_READ | TL_IOMMU_WRITE;
    uint8_t *memory = tl_alloc(2 * PAGES * PAGE, PAGE);
    uint8_t *other = tl_alloc(PAGE, PAGE);
    const uint64_t physical = tl_physical(memory);
    tl_iommu_domain(&iommu, 1, &domain);
    shadowed_log.window = WINDOW;
    shadowed_log.memory = physical;
    shadowed_log.other = tl_physical(other);
    shadowed_log.table = tl_physical(domain.table);
    shadowed_log.pages = PAGES;

    tl_mark(BEFORE, 0);
    fill(memory, BEFORE);
    tl_check(copies(physical, memory, physical + PAGE, memory + PAGE), "physical addresses are wrong before the unit is on");
    tl_iommu_map(&iommu, &domain, WINDOW, physical, PAGES * PAGE, rights);
    tl_iommu_attach(&iommu, &domain, &pci);
    tl_iommu_start(&iommu);

    tl_mark(STARTED, PAGES);
    for (unsigned page = 0; page + 1 < PAGES; page++) {
        fill(memory + page * PAGE, STARTED + page);
        tl_check(copies(WINDOW + page * PAGE, memory + page * PAGE, WINDOW + (page + 1) * PAGE, memory + (page + 1) * PAGE),
                 "page %u of the window leads elsewhere", page);
    }

    tl_mark(GROWN, PAGES);
    tl_iommu_map(&iommu, &domain, WINDOW + PAGES * PAGE, physical + PAGES * PAGE, (PAGES - 1) * PAGE, rights);
    tl_iommu_map(&iommu, &domain, WINDOW + (2 * PAGES - 1) * PAGE, physical + (2 * PAGES - 1) * PAGE, PAGE, TL_IOMMU_READ);
    uint8_t *last = memory + (2 * PAGES - 1) * PAGE;
    fill(last, GROWN);
    tl_check(copies(WINDOW + (2 * PAGES - 1) * PAGE, last, WINDOW + PAGES * PAGE, memory + PAGES * PAGE),
             "the window has not grown");

    tl_mark(MOVED, 1);
    tl_iommu_unmap(&iommu, &domain, WINDOW, PAGE);
    tl_iommu_map(&iommu, &domain, WINDOW, tl_physical(other), PAGE, rights);
    fill(other, MOVED);
    tl_check(copies(WINDOW, other, WINDOW + PAGE, memory + PAGE), "the first page of the window leads where it did");

    /* No cache of the guest's unit has it, as the device is not the guest's unit's to translate for; the shadow has. */
    tl_mark(LINGERING, 1);
    *entry_of(&domain, WINDOW + PAGE) = 0;
    fill(memory, LINGERING);
    fill(other, LINGERING);
    tl_check(copies(WINDOW, other, WINDOW + PAGE, memory + PAGE), "what was not invalidated is out of reach");

    tl_mark(GONE, 1);
    tl_iommu_unmap(&iommu, &domain, WINDOW + PAGE, PAGE);
    tl_check(!copies(WINDOW, other, WINDOW + PAGE, memory + PAGE), "what was invalidated is within reach");
    for (unsigned i = 0; i < BYTES; i++)
        tl_check(memory[PAGE + i] == 0, "the device has written to memory that was unmapped");
    while (tl_iommu_fault(&iommu, &fault))
        shadowed_log.faults++;

    tl_mark(OFF, 0);
    iommu.command &= ~(1u << 31); /* TE */
    tl_write32(iommu.registers + TL_IOMMU_COMMAND, iommu.command);
    fill(memory, OFF);
    tl_check(copies(physical, memory, physical + PAGE, memory + PAGE), "physical addresses are wrong after the unit is off");

    tl_mark(END, 0);
    tl_printf("a window of %u pages, then %u; %lu faults told to the guest\n", PAGES, 2 * PAGES, shadowed_log.faults);
    return 0;
}
