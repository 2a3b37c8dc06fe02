/* PCI configuration space by configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2). */
#include "trapline-sriov.h"

enum { ADDRESS_PORT = 0xcf8, DATA_PORT = 0xcfc };

/* Chooses a register: the address goes to one port, its value is then found at another. */
static void select(const struct tl_pci *pci, unsigned offset)
{
    tl_outl(ADDRESS_PORT, 1u << 31 | (uint32_t)pci->bus << 16 | (uint32_t)pci->device << 11 |
                              (uint32_t)pci->function << 8 | (offset & 0xfc));
}

uint8_t tl_pci_read8(const struct tl_pci *pci, unsigned offset)
{
    select(pci, offset);
    return tl_inb(DATA_PORT + (offset & 3));
}

uint16_t tl_pci_read16(const struct tl_pci *pci, unsigned offset)
{
    select(pci, offset);
    return tl_inw(DATA_PORT + (offset & 2));
}

uint32_t tl_pci_read32(const struct tl_pci *pci, unsigned offset)
{
    select(pci, offset);
    return tl_inl(DATA_PORT);
}

void tl_pci_write8(const struct tl_pci *pci, unsigned offset, uint8_t value)
{
    select(pci, offset);
    tl_outb(DATA_PORT + (offset & 3), value);
}

void tl_pci_write16(const struct tl_pci *pci, unsigned offset, uint16_t value)
{
    select(pci, offset);
    tl_outw(DATA_PORT + (offset & 2), value);
}

void tl_pci_write32(const struct tl_pci *pci, unsigned offset, uint32_t value)
{
    select(pci, offset);
    tl_outl(DATA_PORT, value);
}

enum { HEADER_TYPE = 0x0e, MULTI_FUNCTION = 0x80, HEADER_BRIDGE = 1, SECONDARY_BUS = 0x19, MAX_DEPTH = 8 };

/* State of one search: counts down the matches still to skip. */
struct search {
    uint32_t id; /* as the first configuration register has it: device id above vendor id */
    unsigned skip;
    struct tl_pci *found;
};

static bool search_bus(struct search *search, uint8_t bus, unsigned depth);

/* Looks at one function, and through it when it is a bridge. */
static bool search_function(struct search *search, const struct tl_pci *pci, uint32_t id, uint8_t type, unsigned depth)
{
    if (id == search->id && search->skip-- == 0) {
        *search->found = *pci;
        search->found->vendor_id = (uint16_t)id;
        search->found->device_id = (uint16_t)(id >> 16);
        return true;
    }
    if ((type & 0x7f) != HEADER_BRIDGE)
        return false;
    const uint8_t secondary = tl_pci_read8(pci, SECONDARY_BUS);
    return secondary > pci->bus && search_bus(search, secondary, depth + 1);
}

/* Only buses that exist are visited: bus 0, and those behind the bridges found. */
static bool search_bus(struct search *search, uint8_t bus, unsigned depth)
{
    if (depth > MAX_DEPTH)
        return false;
    for (uint8_t device = 0; device < 32; device++) {
        struct tl_pci pci = {.bus = bus, .device = device};
        unsigned functions = 1;
        for (unsigned function = 0; function < functions; function++) {
            pci.function = (uint8_t)function;
            const uint32_t id = tl_pci_read32(&pci, 0);
            if ((uint16_t)id == 0xffff) {
                continue; /* nobody answers */
            }
            const uint8_t type = tl_pci_read8(&pci, HEADER_TYPE);
            if (function == 0 && type & MULTI_FUNCTION)
                functions = 8;
            if (search_function(search, &pci, id, type, depth))
                return true;
        }
    }
    return false;
}

bool tl_pci_find(uint16_t vendor_id, uint16_t device_id, unsigned index, struct tl_pci *found)
{
    struct search search = {(uint32_t)device_id << 16 | vendor_id, index, found};
    return search_bus(&search, 0, 0);
}

uint64_t tl_pci_bar(const struct tl_pci *pci, unsigned bar)
{
    if (pci->sriov)
        return pci->sriov->bases[bar] + pci->vf * pci->sriov->sizes[bar];
    const unsigned offset = TL_PCI_BAR0 + 4 * bar;
    const uint32_t low = tl_pci_read32(pci, offset);
    if (low & 1)
        return low & ~3u; /* ports */
    if ((low & 6) != 4)
        return low & ~15u; /* 32-bit memory */
    return (uint64_t)tl_pci_read32(pci, offset + 4) << 32 | (low & ~15u);
}

void tl_pci_enable(const struct tl_pci *pci)
{
    const uint16_t command = tl_pci_read16(pci, TL_PCI_COMMAND);
    tl_pci_write16(pci, TL_PCI_COMMAND,
                   (uint16_t)((command & ~TL_PCI_COMMAND_INTX_DISABLE) | TL_PCI_COMMAND_IO | TL_PCI_COMMAND_MEMORY |
                              TL_PCI_COMMAND_MASTER));
}

unsigned tl_pci_interrupt_line(const struct tl_pci *pci)
{
    return tl_pci_read8(pci, TL_PCI_INTERRUPT_LINE);
}

/* The first one with this id in the list from `offset` on. */
static unsigned search_list(const struct tl_pci *pci, unsigned offset, uint8_t id)
{
    for (unsigned steps = 0; offset >= 0x40 && steps < 48; steps++) { /* 48: more cannot fit, the list must be a loop */
        if (tl_pci_read8(pci, offset) == id)
            return offset;
        offset = tl_pci_read8(pci, offset + 1) & 0xfcu;
    }
    return 0;
}

unsigned tl_pci_capability(const struct tl_pci *pci, uint8_t id)
{
    if (!(tl_pci_read16(pci, TL_PCI_STATUS) & 0x10))
        return 0; /* no list */
    return search_list(pci, tl_pci_read8(pci, TL_PCI_CAPABILITIES) & 0xfcu, id);
}

unsigned tl_pci_next_capability(const struct tl_pci *pci, unsigned offset, uint8_t id)
{
    return search_list(pci, tl_pci_read8(pci, offset + 1) & 0xfcu, id);
}

enum { CAPABILITY_MSIX = 0x11, MSIX_CONTROL = 2, MSIX_TABLE = 4, MSIX_ENABLE = 1 << 15, MSIX_LAST = 0x7ff };
enum { ENTRY_BYTES = 16, ENTRY_ADDRESS = 0, ENTRY_ADDRESS_HIGH = 4, ENTRY_DATA = 8, ENTRY_CONTROL = 12 };
#define MSI_ADDRESS 0xfee00000u /* the destination's APIC id is in bits 12 to 19 (SDM vol. 3, 10.11.1) */

bool tl_pci_msix(const struct tl_pci *pci, unsigned entry, uint8_t vector)
{
    const unsigned capability = tl_pci_capability(pci, CAPABILITY_MSIX);
    if (!capability)
        return false;
    const uint16_t control = tl_pci_read16(pci, capability + MSIX_CONTROL);
    if (entry > (control & MSIX_LAST))
        return false;
    const uint32_t table = tl_pci_read32(pci, capability + MSIX_TABLE); /* the BAR in bits 0 to 2, the offset above */
    const uint64_t at = tl_pci_bar(pci, table & 7) + (table & ~7u) + ENTRY_BYTES * entry;
    tl_write32(at + ENTRY_ADDRESS, MSI_ADDRESS | tl_apic_id() << 12);
    tl_write32(at + ENTRY_ADDRESS_HIGH, 0);
    tl_write32(at + ENTRY_DATA, vector); /* fixed delivery, edge */
    tl_write32(at + ENTRY_CONTROL, 0);
    tl_pci_write16(pci, capability + MSIX_CONTROL, control | MSIX_ENABLE);
    return true;
}
