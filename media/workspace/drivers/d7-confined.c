/*
 * Two drivers of one machine, each with a device of its own (`edu`), that have nothing to do with each other, and one of
 * which has bad intentions. With an IOMMU that the machine's own software owns, each device gets a domain: both use the same
 * addresses, and each reaches its own buffer by them. What the bad one tries beyond is refused. Without an IOMMU it succeeds.
 *
 * The page tables of the CPU are no help here: it is not the CPU that writes.
 */
#include "trapline-iommu.h"

#ifndef ATTACKS
#define ATTACKS 3
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { DMA_SOURCE = 0x80, DMA_DESTINATION = 0x88, DMA_COUNT = 0x90, DMA_COMMAND = 0x98 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2 };
enum { PAGE = 4096, BYTES = 256 };
#define DEVICE_BUFFER 0x40000ul
#define WINDOW 0x8000000ul /* where each device finds its buffer */
enum { WORK = 1, ATTACK = 2, END = 3 }; /* marks */

/* Read by whoever checks the trace. */
struct {
    uint32_t confined;    /* 1: there is an IOMMU */
    uint32_t transfers;   /* of the two drivers' own */
    uint32_t attacks;     /* writes to the other's buffer */
    uint32_t overwritten; /* of them, those that arrived */
    uint32_t faults;      /* that the IOMMU told of */
    uint32_t offender;    /* requester of the last one */
} confined_log;

/* One driver: its device, its buffer, and by which address the device finds that. */
struct driver {
    const char *name;
    struct tl_pci pci;
    uint64_t edu;
    uint8_t *buffer;
    uint64_t address;
    struct tl_iommu_domain domain;
};

static struct driver good = {.name = "good"};
static struct driver bad = {.name = "bad"};

static void transfer(const struct driver *driver, uint64_t from, uint64_t to, uint32_t direction)
{
    tl_write32(driver->edu + DMA_SOURCE, (uint32_t)from);
    tl_write32(driver->edu + DMA_DESTINATION, (uint32_t)to);
    tl_write32(driver->edu + DMA_COUNT, BYTES);
    tl_write32(driver->edu + DMA_COMMAND, DMA_RUN | direction);
    while (tl_read32(driver->edu + DMA_COMMAND) & DMA_RUN)
        tl_pause();
}

static void begin(struct driver *driver, unsigned index)
{
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, index, &driver->pci), "no edu for the %s driver", driver->name);
    tl_pci_enable(&driver->pci);
    driver->edu = tl_pci_bar(&driver->pci, 0);
    driver->buffer = tl_alloc(PAGE, PAGE);
    driver->address = tl_physical(driver->buffer);
}

/* By its own domain a device reaches the buffer of its driver, and nothing else. */
static void confine(struct tl_iommu *iommu, struct driver *driver, uint16_t domain)
{
    driver->address = WINDOW;
    tl_iommu_domain(iommu, domain, &driver->domain);
    tl_iommu_map(iommu, &driver->domain, WINDOW, tl_physical(driver->buffer), PAGE, TL_IOMMU_READ | TL_IOMMU_WRITE);
    tl_iommu_attach(iommu, &driver->domain, &driver->pci);
}

/* There to the device and back. */
static void work(struct driver *driver, uint8_t first)
{
    uint8_t *back = driver->buffer + BYTES;
    for (unsigned i = 0; i < BYTES; i++)
        driver->buffer[i] = (uint8_t)(first + i);
    transfer(driver, driver->address, DEVICE_BUFFER, 0);
    transfer(driver, DEVICE_BUFFER, driver->address + BYTES, DMA_TO_MEMORY);
    tl_check(!memcmp(driver->buffer, back, BYTES), "other bytes came back to the %s driver", driver->name);
    confined_log.transfers += 2;
}

static void attack(const struct driver *other)
{
    uint8_t before[BYTES];
    memcpy(before, other->buffer, BYTES);
    transfer(&bad, DEVICE_BUFFER, tl_physical(other->buffer), DMA_TO_MEMORY);
    confined_log.attacks++;
    if (memcmp(before, other->buffer, BYTES))
        confined_log.overwritten++;
    memcpy(other->buffer, before, BYTES);
}

int main(void)
{
    struct tl_iommu iommu;
    struct tl_iommu_fault fault;
    begin(&good, 0);
    begin(&bad, 1);
    confined_log.confined = tl_iommu_find(&iommu);
    if (confined_log.confined) {
        confine(&iommu, &good, 1);
        confine(&iommu, &bad, 2);
        tl_iommu_start(&iommu);
    }
    tl_mark(WORK, 0);
    work(&good, 1);
    work(&bad, 101);
    tl_mark(ATTACK, ATTACKS);
    for (unsigned i = 0; i < ATTACKS; i++)
        attack(&good);
    while (confined_log.confined && tl_iommu_fault(&iommu, &fault)) {
        confined_log.faults++;
        confined_log.offender = fault.requester;
        tl_check(fault.address == tl_physical(good.buffer) && fault.write, "a fault of another access");
    }
    work(&good, 51);
    tl_mark(END, 0);
    tl_printf("%u attacks of the bad driver's device: %u arrived, %u refused\n", confined_log.attacks, confined_log.overwritten,
              confined_log.faults);
    return 0;
}
