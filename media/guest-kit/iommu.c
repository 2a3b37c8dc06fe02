/* A driver's side of an IOMMU (Intel VT-d specification 4.1), in legacy mode or, where there is one, scalable mode. */
#include "trapline-firmware.h"
#include "trapline-iommu.h"

#define PAGE 4096ull

/* ---- The unit (8.1 to 8.3) --------------------------------------------------------------------------------------- */

struct __attribute__((packed)) dmar {
    struct tl_acpi_header header;
    uint8_t address_width, flags, reserved[10];
};

/* A remapping structure: a unit, when its type is 0. */
struct __attribute__((packed)) drhd {
    uint16_t type, length;
    uint8_t flags, size;
    uint16_t segment;
    uint64_t registers;
};

enum { TYPE_UNIT = 0, CACHING_MODE = 1 << 7 };
#define SCALABLE_MODE (1ull << 43)
#define FIRST_STAGE (1ull << 47)

bool tl_iommu_find(struct tl_iommu *iommu)
{
    const struct dmar *dmar = (const struct dmar *)tl_acpi_table("DMAR");
    if (!dmar)
        return false;
    const uint8_t *at = (const uint8_t *)(dmar + 1);
    const uint8_t *end = (const uint8_t *)dmar + dmar->header.length;
    for (; at + sizeof(struct drhd) <= end; at += ((const struct drhd *)at)->length) {
        const struct drhd *unit = (const struct drhd *)at;
        if (unit->length < sizeof(*unit))
            return false; /* the table is broken, and there is no way on */
        if (unit->type != TYPE_UNIT)
            continue;
        memset(iommu, 0, sizeof(*iommu));
        iommu->registers = unit->registers;
        iommu->root = tl_alloc(PAGE, PAGE);
        iommu->queue = tl_alloc(PAGE, PAGE);
        iommu->status = tl_alloc(sizeof(uint32_t), sizeof(uint32_t));
        iommu->caching = tl_read64(iommu->registers + TL_IOMMU_CAPABILITY) & CACHING_MODE;
        const uint64_t extended = tl_read64(iommu->registers + TL_IOMMU_EXTENDED_CAPABILITY);
        iommu->scalable = (extended & SCALABLE_MODE) && (extended & FIRST_STAGE);
        return true;
    }
    return false;
}

/* ---- Commands (11.4.4) ------------------------------------------------------------------------------------------- */

#define TRANSLATION (1u << 31)
#define SET_ROOT (1u << 30)
#define QUEUE (1u << 26)

/* Gives a command and waits for its bit in the status. One that stays on is among the bits of all commands after it. */
static void command(struct tl_iommu *iommu, uint32_t bit, bool stays)
{
    tl_write32(iommu->registers + TL_IOMMU_COMMAND, iommu->command | bit);
    while (!(tl_read32(iommu->registers + TL_IOMMU_STATUS) & bit))
        tl_pause();
    if (stays)
        iommu->command |= bit;
}

/* ---- Invalidation (6.5.2) ---------------------------------------------------------------------------------------- */

enum { CONTEXT = 1, IOTLB = 2, WAIT = 5, PASID_IOTLB = 6, PASID_CACHE = 7 };
enum { GLOBAL = 1 << 4, BY_PAGE = 3 << 4, ALL_PASIDS = 3 << 4 };
enum { STATUS_WRITE = 1 << 5, DOMAIN_SHIFT = 16, STATUS_SHIFT = 32 };
enum { DESCRIPTOR_BYTES = 16, WIDE_BYTES = 32, WIDE_QUEUE = 1 << 11 };

/* Descriptors are twice as long in scalable mode; nothing is in the second half of those here. */
static unsigned descriptor_bytes(const struct tl_iommu *iommu)
{
    return iommu->scalable ? WIDE_BYTES : DESCRIPTOR_BYTES;
}

static unsigned descriptors(const struct tl_iommu *iommu)
{
    return PAGE / descriptor_bytes(iommu);
}

static void submit(struct tl_iommu *iommu, uint64_t low, uint64_t high)
{
    uint64_t *descriptor = iommu->queue + iommu->tail * descriptor_bytes(iommu) / sizeof(uint64_t);
    descriptor[0] = low;
    descriptor[1] = high;
    iommu->tail = (iommu->tail + 1) % descriptors(iommu);
}

/* Everything that was submitted is done at the return. */
static void settle(struct tl_iommu *iommu)
{
    const uint32_t value = ++iommu->waits;
    submit(iommu, (uint64_t)value << STATUS_SHIFT | STATUS_WRITE | WAIT, tl_physical(iommu->status));
    tl_write64(iommu->registers + TL_IOMMU_QUEUE_TAIL, iommu->tail * descriptor_bytes(iommu));
    while (*iommu->status != value)
        tl_pause();
}

static bool is_on(const struct tl_iommu *iommu)
{
    return iommu->command & QUEUE;
}

/* Of all functions and domains. */
static void invalidate_all(struct tl_iommu *iommu)
{
    submit(iommu, GLOBAL | CONTEXT, 0);
    if (iommu->scalable)
        submit(iommu, ALL_PASIDS | PASID_CACHE, 0);
    submit(iommu, GLOBAL | IOTLB, 0);
    settle(iommu);
}

enum { SCALABLE_ROOT = 1 << 10 }; /* TTM of the root-table address register */

void tl_iommu_start(struct tl_iommu *iommu)
{
    const unsigned mode = iommu->scalable ? SCALABLE_ROOT : 0;
    const unsigned width = iommu->scalable ? WIDE_QUEUE : 0;
    tl_write64(iommu->registers + TL_IOMMU_ROOT_TABLE, tl_physical(iommu->root) | mode);
    command(iommu, SET_ROOT, false);
    tl_write64(iommu->registers + TL_IOMMU_QUEUE_ADDRESS, tl_physical(iommu->queue) | width);
    command(iommu, QUEUE, true);
    invalidate_all(iommu);
    command(iommu, TRANSLATION, true);
}

/* ---- Tables (3.4, 3.7, 9.1, 9.3, 9.8) ---------------------------------------------------------------------------- */

enum { PRESENT = 1, LEVELS = 4, FOUR_LEVELS = 2, CONTEXT_DOMAIN_SHIFT = 8, ENTRIES = 512 };
/* First-stage entries are those of a processor: present, writable, for users, as whom devices access. */
enum { FIRST_STAGE_USER = 4, FIRST_STAGE_ALL = 7 };
enum { BY_FIRST_STAGE = 1 << 6 }; /* PGTT of a PASID-table entry */
enum { HALF_OF_FUNCTIONS = 128, SCALABLE_CONTEXT_WORDS = 4 };

/* The table that an entry leads to, which is made where it is missing. */
static uint64_t *below(uint64_t *entry, uint64_t flags)
{
    if (!(*entry & PRESENT))
        *entry = tl_physical(tl_alloc(PAGE, PAGE)) | flags;
    return (uint64_t *)(*entry & ~(PAGE - 1));
}

void tl_iommu_domain(struct tl_iommu *iommu, uint16_t id, struct tl_iommu_domain *domain)
{
    (void)iommu;
    domain->id = id;
    domain->table = tl_alloc(PAGE, PAGE);
}

/* The word with the present bit comes last: no entry is ever half of one and half of another. */
static void attach_legacy(uint64_t *root, const struct tl_iommu_domain *domain, unsigned function)
{
    uint64_t *context = below(root, PRESENT) + 2 * function;
    context[0] = 0;
    context[1] = (uint64_t)domain->id << CONTEXT_DOMAIN_SHIFT | FOUR_LEVELS;
    context[0] = tl_physical(domain->table) | PRESENT;
}

/* A directory and a PASID table for each function, whose first entry is for requests without PASID (9.4 to 9.6). */
static void attach_scalable(uint64_t *root, const struct tl_iommu_domain *domain, unsigned function)
{
    uint64_t *contexts = below(root + function / HALF_OF_FUNCTIONS, PRESENT);
    uint64_t *context = contexts + SCALABLE_CONTEXT_WORDS * (function % HALF_OF_FUNCTIONS);
    uint64_t *pasid = below(below(context, PRESENT), PRESENT);
    pasid[0] = 0;
    pasid[1] = domain->id;
    pasid[2] = tl_physical(domain->table);
    pasid[0] = BY_FIRST_STAGE | PRESENT;
}

void tl_iommu_attach(struct tl_iommu *iommu, const struct tl_iommu_domain *domain, const struct tl_pci *pci)
{
    uint64_t *root = iommu->root + 2 * pci->bus;
    if (iommu->scalable)
        attach_scalable(root, domain, tl_requester(pci) & 0xff);
    else
        attach_legacy(root, domain, tl_requester(pci) & 0xff);
    if (is_on(iommu))
        invalidate_all(iommu);
}

static unsigned index_of(uint64_t iova, unsigned level)
{
    return iova >> (12 + 9 * (level - 1)) & (ENTRIES - 1);
}

/* The entry of a page; tables that are missing on the way to it are made. */
static uint64_t *entry_of(const struct tl_iommu *iommu, const struct tl_iommu_domain *domain, uint64_t iova)
{
    const uint64_t all = iommu->scalable ? FIRST_STAGE_ALL : TL_IOMMU_READ | TL_IOMMU_WRITE;
    uint64_t *table = domain->table;
    for (unsigned level = LEVELS; level > 1; level--)
        table = below(table + index_of(iova, level), all);
    return table + index_of(iova, 1);
}

static void invalidate_pages(struct tl_iommu *iommu, const struct tl_iommu_domain *domain, uint64_t iova, size_t bytes)
{
    if (!is_on(iommu))
        return;
    const unsigned type = iommu->scalable ? PASID_IOTLB : IOTLB;
    for (uint64_t page = iova; page < iova + bytes; page += PAGE) {
        submit(iommu, (uint64_t)domain->id << DOMAIN_SHIFT | BY_PAGE | type, page);
        if (iommu->tail % (descriptors(iommu) / 2) == 0)
            settle(iommu); /* the queue is never full */
    }
    settle(iommu);
}

void tl_iommu_map(struct tl_iommu *iommu, const struct tl_iommu_domain *domain, uint64_t iova, uint64_t physical, size_t bytes,
                  unsigned rights)
{
    /* Of the first stage the right to read is the present bit. */
    const uint64_t flags = iommu->scalable ? rights | PRESENT | FIRST_STAGE_USER : rights;
    for (size_t done = 0; done < bytes; done += PAGE)
        *entry_of(iommu, domain, iova + done) = (physical + done) | flags;
    if (iommu->caching)
        invalidate_pages(iommu, domain, iova, bytes);
}

void tl_iommu_unmap(struct tl_iommu *iommu, const struct tl_iommu_domain *domain, uint64_t iova, size_t bytes)
{
    for (size_t done = 0; done < bytes; done += PAGE)
        *entry_of(iommu, domain, iova + done) = 0;
    invalidate_pages(iommu, domain, iova, bytes);
}

/* ---- Faults (7.2, 11.4.8, 11.4.14) ------------------------------------------------------------------------------- */

enum { OVERFLOW = 1, PENDING = 2, RECORD_BYTES = 16, FRO_SHIFT = 24, NFR_SHIFT = 40 };
#define RECORDED (1ull << 63)
#define WAS_READ (1ull << 62)

bool tl_iommu_fault(struct tl_iommu *iommu, struct tl_iommu_fault *fault)
{
    const uint32_t status = tl_read32(iommu->registers + TL_IOMMU_FAULT_STATUS);
    if (!(status & PENDING)) {
        if (status & OVERFLOW) /* some were lost; from now on there is room again */
            tl_write32(iommu->registers + TL_IOMMU_FAULT_STATUS, OVERFLOW);
        return false;
    }
    const uint64_t capability = tl_read64(iommu->registers + TL_IOMMU_CAPABILITY);
    const uint64_t records = iommu->registers + 16 * (capability >> FRO_SHIFT & 0x3ff);
    const unsigned count = (capability >> NFR_SHIFT & 0xff) + 1;
    const unsigned first = status >> 8 & 0xff;
    for (unsigned i = 0; i < count; i++) {
        const uint64_t record = records + RECORD_BYTES * ((first + i) % count);
        const uint64_t high = tl_read64(record + 8);
        if (!(high & RECORDED))
            continue;
        fault->address = tl_read64(record);
        fault->requester = (uint16_t)high;
        fault->reason = (uint8_t)(high >> 32);
        fault->write = !(high & WAS_READ);
        tl_write32(record + 12, (uint32_t)(RECORDED >> 32)); /* writing 1 clears it */
        return true;
    }
    return false;
}
