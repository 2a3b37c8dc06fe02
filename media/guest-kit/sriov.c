/* Extended configuration space by ECAM (PCI Express Base Specification 6.0, 7.2.2), and virtual functions (chapter 9). */
#include "trapline-firmware.h"
#include "trapline-sriov.h"

/* The MCFG table with its first allocation (PCI Firmware Specification 3.3, 4.1.2). */
struct __attribute__((packed)) mcfg {
    struct tl_acpi_header header;
    uint64_t reserved, base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

uint64_t tl_pci_ecam(const struct tl_pci *pci, unsigned offset)
{
    static const struct mcfg *mcfg;
    if (!mcfg)
        mcfg = (const struct mcfg *)tl_acpi_table("MCFG");
    if (!mcfg || mcfg->header.length < sizeof(*mcfg) || pci->bus < mcfg->first_bus || pci->bus > mcfg->last_bus)
        return 0;
    return mcfg->base + ((uint64_t)pci->bus << 20 | (uint64_t)pci->device << 15 | (uint64_t)pci->function << 12) + offset;
}

enum { FIRST = 0x100, MOST = (4096 - FIRST) / 4, NOTHING = 0xffff };

unsigned tl_pci_extended_capability(const struct tl_pci *pci, uint16_t id)
{
    const uint64_t space = tl_pci_ecam(pci, 0);
    unsigned offset = space ? FIRST : 0;
    for (unsigned steps = 0; offset >= FIRST && steps < MOST; steps++) { /* MOST: more cannot fit, the list must be a loop */
        const uint32_t header = tl_read32(space + offset);
        if ((uint16_t)header == NOTHING)
            return 0; /* no extended space: nobody answers */
        if ((uint16_t)header == id)
            return offset;
        offset = header >> 20 & 0xffc;
    }
    return 0;
}

/* Registers of the capability (9.3.3). */
enum { SRIOV = 0x10, CONTROL = 0x08, TOTAL_VFS = 0x0e, NUM_VFS = 0x10, VF_OFFSET = 0x14, VF_STRIDE = 0x16, VF_DEVICE = 0x1a };
enum { VF_BAR0 = 0x24, VF_ENABLE = 1, VF_MEMORY = 8 };
enum { BAR_TYPE = 15, BAR_64_BITS = 4, BAR_KIND = 6 };

/* Reads one register, and asks it for its size by writing ones. Returns how many registers the BAR takes. */
static unsigned read_bar(struct tl_sriov *sriov, unsigned index)
{
    const uint64_t at = sriov->registers + VF_BAR0 + 4 * index;
    const uint32_t low = tl_read32(at);
    tl_write32(at, ~0u);
    const uint32_t mask = tl_read32(at) & ~(uint32_t)BAR_TYPE;
    tl_write32(at, low);
    const bool wide = (low & BAR_KIND) == BAR_64_BITS && index + 1 < TL_VF_BARS;
    sriov->sizes[index] = mask & -mask;
    sriov->bases[index] = low & ~(uint32_t)BAR_TYPE;
    if (wide)
        sriov->bases[index] |= (uint64_t)tl_read32(at + 4) << 32;
    return wide ? 2 : 1;
}

bool tl_sriov_find(const struct tl_pci *pci, struct tl_sriov *sriov)
{
    const unsigned capability = tl_pci_extended_capability(pci, SRIOV);
    if (!capability)
        return false;
    memset(sriov, 0, sizeof(*sriov));
    sriov->pci = *pci;
    sriov->registers = tl_pci_ecam(pci, capability);
    sriov->total = tl_read16(sriov->registers + TOTAL_VFS);
    for (unsigned index = 0; index < TL_VF_BARS;)
        index += read_bar(sriov, index);
    return true;
}

bool tl_sriov_enable(const struct tl_sriov *sriov, unsigned count)
{
    if (count > sriov->total)
        return false;
    /* Their number can be changed only while there are none (9.3.3.7). */
    const uint16_t others = tl_read16(sriov->registers + CONTROL) & (uint16_t) ~(VF_ENABLE | VF_MEMORY);
    tl_write16(sriov->registers + CONTROL, others);
    tl_write16(sriov->registers + NUM_VFS, count);
    if (count)
        tl_write16(sriov->registers + CONTROL, others | VF_ENABLE | VF_MEMORY);
    return true;
}

void tl_sriov_vf(const struct tl_sriov *sriov, unsigned number, struct tl_pci *vf)
{
    const struct tl_pci *pf = &sriov->pci;
    const unsigned first = tl_read16(sriov->registers + VF_OFFSET), stride = tl_read16(sriov->registers + VF_STRIDE);
    const unsigned requester = ((unsigned)pf->bus << 8 | (unsigned)pf->device << 3 | pf->function) + first + number * stride;
    *vf = (struct tl_pci){
        .bus = (uint8_t)(requester >> 8),
        .device = requester >> 3 & 31,
        .function = requester & 7,
        .vendor_id = pf->vendor_id, /* its own register has nobody's (9.3.4.1.1) */
        .device_id = tl_read16(sriov->registers + VF_DEVICE),
        .vf = (uint16_t)number,
        .sriov = sriov,
    };
}
