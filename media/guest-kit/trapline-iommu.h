/*
 * trapline-iommu.h - a driver's side of an IOMMU (Intel VT-d specification 4.1), as small as it goes: finding the unit by ACPI,
 * domains with tables of four levels, invalidation by the queue, faults. The tables are second-stage ones, or first-stage ones
 * where the unit has scalable mode: those are what a hypervisor can nest in its own.
 *
 *     struct tl_iommu iommu;
 *     struct tl_iommu_domain domain;
 *     tl_check(tl_iommu_find(&iommu), "no IOMMU");
 *     tl_iommu_domain(&iommu, 1, &domain);
 *     tl_iommu_map(&iommu, &domain, IOVA, tl_physical(buffer), 4096, TL_IOMMU_READ | TL_IOMMU_WRITE);
 *     tl_iommu_attach(&iommu, &domain, &nic);                  its DMA is translated by the domain ...
 *     tl_iommu_start(&iommu);                                  ... from here on, and that of all others refused
 *     tl_iommu_unmap(&iommu, &domain, IOVA, 4096);             at the return no device reaches it any more
 *     while (tl_iommu_fault(&iommu, &fault))                   what was refused
 */
#ifndef TRAPLINE_IOMMU_H
#define TRAPLINE_IOMMU_H

#include "trapline.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Registers (11.4); those of 64 bits are read and written whole. */
enum {
    TL_IOMMU_VERSION = 0x00, TL_IOMMU_CAPABILITY = 0x08, TL_IOMMU_EXTENDED_CAPABILITY = 0x10, TL_IOMMU_COMMAND = 0x18,
    TL_IOMMU_STATUS = 0x1c, TL_IOMMU_ROOT_TABLE = 0x20, TL_IOMMU_FAULT_STATUS = 0x34, TL_IOMMU_QUEUE_HEAD = 0x80,
    TL_IOMMU_QUEUE_TAIL = 0x88, TL_IOMMU_QUEUE_ADDRESS = 0x90,
};

/* What a device may do with a page. */
enum { TL_IOMMU_READ = 1, TL_IOMMU_WRITE = 2 };

/* A remapping unit. */
struct tl_iommu {
    uint64_t registers; /* address of the first */
    uint64_t *root;     /* root table: 256 entries of two words, by bus */
    uint64_t *queue;    /* of invalidation descriptors, of two words each */
    unsigned tail;      /* next descriptor to be written */
    volatile uint32_t *status; /* what a wait descriptor writes, when all before it is done */
    uint32_t waits;
    uint32_t command;   /* what is on */
    bool caching;       /* CAP.CM: what becomes present has to be invalidated, too */
    bool scalable;      /* ECAP.SMTS and FSTS: scalable mode, with first-stage tables */
};

/* Addresses of devices, and what they lead to. */
struct tl_iommu_domain {
    uint16_t id;     /* 1 to 65535, no two domains have the same */
    uint64_t *table; /* of level 4 */
};

/* An access that was refused (11.4.14). */
struct tl_iommu_fault {
    uint64_t address;   /* of the page, as the device had it */
    uint16_t requester; /* bus << 8 | device << 3 | function */
    uint8_t reason;     /* 1 to 0xff; 5 no right to write, 6 no right to read */
    bool write;
};

/* The unit that the DMAR table tells of, off as after power-on; false when there is none. */
bool tl_iommu_find(struct tl_iommu *iommu);
/* Gives the unit its root table and its queue, and turns translation on: a device without a domain reaches nothing any more. */
void tl_iommu_start(struct tl_iommu *iommu);

/* A domain in which nothing is mapped. */
void tl_iommu_domain(struct tl_iommu *iommu, uint16_t id, struct tl_iommu_domain *domain);
/* The function's DMA is translated by the domain from now on. */
void tl_iommu_attach(struct tl_iommu *iommu, const struct tl_iommu_domain *domain, const struct tl_pci *pci);
/* Whole pages of 4 KiB that nothing is mapped at yet lead to memory. */
void tl_iommu_map(struct tl_iommu *iommu, const struct tl_iommu_domain *domain, uint64_t iova, uint64_t physical, size_t bytes,
                  unsigned rights);
/* They lead nowhere any more; what the unit has kept of them is invalidated, and that is waited for. */
void tl_iommu_unmap(struct tl_iommu *iommu, const struct tl_iommu_domain *domain, uint64_t iova, size_t bytes);
/* Takes the oldest fault out of the fault recording registers; false when there is none. */
bool tl_iommu_fault(struct tl_iommu *iommu, struct tl_iommu_fault *fault);

/* Requester ID of a function. */
static inline uint16_t tl_requester(const struct tl_pci *pci)
{
    return (uint16_t)(pci->bus << 8 | pci->device << 3 | pci->function);
}

#ifdef __cplusplus
}
#endif

#endif
