/*
 * PCI Express as software sees it: configuration space by two ways, the size of a BAR, lists of capabilities, and interrupts
 * that are memory writes.
 *
 * Every function has 4 KiB of configuration space. The first 256 bytes are reached by a pair of ports: the address goes to
 * 0xCF8, the value is at 0xCFC. All 4 KiB are reached by ECAM, which is plain memory: bus, device, function and offset are
 * bits of the address, and the ACPI table MCFG says where it begins.
 *
 * A pin (INTx) is a wire to the IOAPIC, which turns it into a message to a local APIC; it is shared, has a level, and the
 * handler must quiet the device before the end of interrupt. With MSI the device writes the message itself, address and data
 * as software has programmed them: no IOAPIC, no level, nobody to share with, and it is there sooner. MSI-X is the same with
 * a table of messages in a BAR, each with a mask.
 *
 * The device that interrupts here is `edu`, a teaching device of QEMU: a store to register 0x60 raises an interrupt.
 */
#include "trapline-firmware.h"

#ifndef ROUNDS
#define ROUNDS 8 /* interrupts of each way */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8, EDU_ID = 0x00, EDU_STATUS = 0x24, EDU_RAISE = 0x60, EDU_ACKNOWLEDGE = 0x64 };
enum { PCI_STATUS_CAPABILITIES = 0x10, PCI_HEADER_TYPE = 0x0e, BAR_IO = 1, BAR_TYPE = 6, BAR_64 = 4 };
enum { CAP_MSI = 5, CAP_MSIX = 0x11, MSI_CONTROL = 2, MSI_64 = 1 << 7, MSI_ENABLE = 1, MSIX_ENABLE = 1 << 15 };
enum { CONVENTIONAL = 256, EXTENDED = 4096, FUNCTIONS_MAX = 16, CAPABILITIES_MAX = 48 };
#define MSI_ADDRESS 0xfee00000ul         /* with the destination's APIC id in bits 12 to 19 (SDM vol. 3, 10.11.1) */
#define ECAM_OF_A_Q35 0xb0000000ul       /* where there is no MCFG to tell it */
/* Marks. */
enum { CONFIG_READ = 1, BARS_SIZED = 2, BY_INTX = 3, BY_MSI = 4, BY_MSIX = 5, END = 6 };
enum way { INTX, MSI, MSIX, WAYS };

static uint64_t ecam;
static struct tl_pci functions[FUNCTIONS_MAX];
static uint64_t edu;

/* What was found and counted; read by whoever checks the trace. */
struct {
    uint32_t functions, compared; /* the second: registers of 32 bits that both ways gave alike */
    uint32_t bars, capabilities, extended_capabilities;
    uint32_t ecam_reads, from_mcfg;
    uint64_t edu_bar_bytes;
    struct {
        uint32_t vector, handled;
        uint64_t cycles; /* from the store to RAISE to the handler, summed */
    } by[WAYS];
} a9_log;

/* ---- Configuration space ------------------------------------------------------------------------------------------------ */

static void find_ecam(void)
{
    struct __attribute__((packed)) mcfg {
        struct tl_acpi_header header;
        uint64_t reserved, base; /* of the first segment */
    };
    const struct mcfg *mcfg = (const struct mcfg *)tl_acpi_table("MCFG");
    a9_log.from_mcfg = mcfg != NULL;
    ecam = mcfg ? mcfg->base : ECAM_OF_A_Q35;
}

static uint32_t ecam_read(const struct tl_pci *pci, unsigned offset)
{
    a9_log.ecam_reads++;
    return tl_read32(ecam | (uint64_t)pci->bus << 20 | (uint64_t)pci->device << 15 | (uint64_t)pci->function << 12 | offset);
}

static void find_functions(void)
{
    for (unsigned device = 0; device < 32 && a9_log.functions < FUNCTIONS_MAX; device++) {
        struct tl_pci pci = {.device = (uint8_t)device};
        const uint32_t id = tl_pci_read32(&pci, 0);
        if ((uint16_t)id == 0xffff)
            continue;
        pci.vendor_id = (uint16_t)id;
        pci.device_id = (uint16_t)(id >> 16);
        functions[a9_log.functions++] = pci;
    }
}

/* The same registers by both ways. Beyond 256 bytes only ECAM goes. */
static void compare(const struct tl_pci *pci)
{
    for (unsigned offset = 0; offset < CONVENTIONAL; offset += 4) {
        const uint32_t by_ports = tl_pci_read32(pci, offset);
        const uint32_t by_ecam = ecam_read(pci, offset);
        tl_check(by_ports == by_ecam, "%02x.%x, offset 0x%x: 0x%x by ports, 0x%x by ECAM", pci->device, pci->function,
                 offset, by_ports, by_ecam);
        a9_log.compared++;
    }
    /* A conventional function has nothing there: all ones, or zeros. A list of extended capabilities begins at 256. */
    for (unsigned offset = CONVENTIONAL; offset;) {
        const uint32_t header = ecam_read(pci, offset);
        if (header == 0xffffffff || header == 0)
            break;
        a9_log.extended_capabilities++;
        tl_printf("    extended capability 0x%04x at 0x%03x\n", header & 0xffff, offset);
        const unsigned next = header >> 20;
        offset = next > offset ? next & ~3u : 0;
    }
}

static void list_capabilities(const struct tl_pci *pci)
{
    if (!(tl_pci_read16(pci, TL_PCI_STATUS) & PCI_STATUS_CAPABILITIES))
        return;
    unsigned offset = tl_pci_read8(pci, TL_PCI_CAPABILITIES) & ~3u;
    for (unsigned i = 0; offset && i < CAPABILITIES_MAX; i++) { /* a list that does not end would be a loop */
        a9_log.capabilities++;
        tl_printf("    capability 0x%02x at 0x%02x\n", tl_pci_read8(pci, offset), offset);
        offset = tl_pci_read8(pci, offset + 1) & ~3u;
    }
}

/*
 * How large a BAR is, is found by writing ones: the bits below its size stay 0. The function must not decode meanwhile, for it
 * would answer at the top of memory.
 */
static uint64_t size_of_bar(const struct tl_pci *pci, unsigned offset, bool *takes_two)
{
    const uint32_t low = tl_pci_read32(pci, offset);
    const bool io = low & BAR_IO;
    *takes_two = !io && (low & BAR_TYPE) == BAR_64;

    tl_pci_write32(pci, offset, 0xffffffff);
    uint64_t mask = tl_pci_read32(pci, offset) & (io ? ~3u : ~15u);
    tl_pci_write32(pci, offset, low);
    if (!*takes_two)
        return mask ? (uint32_t)-(uint32_t)mask & (io ? 0xffff : 0xffffffff) : 0;

    const uint32_t high = tl_pci_read32(pci, offset + 4);
    tl_pci_write32(pci, offset + 4, 0xffffffff);
    mask |= (uint64_t)tl_pci_read32(pci, offset + 4) << 32;
    tl_pci_write32(pci, offset + 4, high);
    return -mask;
}

static void size_bars(const struct tl_pci *pci)
{
    const uint16_t command = tl_pci_read16(pci, TL_PCI_COMMAND);
    const bool is_edu = pci->vendor_id == EDU_VENDOR && pci->device_id == EDU_DEVICE;
    tl_pci_write16(pci, TL_PCI_COMMAND, command & ~(TL_PCI_COMMAND_IO | TL_PCI_COMMAND_MEMORY));
    for (unsigned bar = 0; bar < 6; bar++) {
        bool takes_two;
        const uint64_t size = size_of_bar(pci, TL_PCI_BAR0 + 4 * bar, &takes_two);
        if (size) {
            a9_log.bars++;
            if (is_edu && bar == 0)
                a9_log.edu_bar_bytes = size;
            tl_printf("    BAR %u: %lu bytes\n", bar, size);
        }
        bar += takes_two;
    }
    tl_pci_write16(pci, TL_PCI_COMMAND, command);
}

/* ---- Interrupts ----------------------------------------------------------------------------------------------------------- */

static volatile enum way way;
static volatile uint64_t raised_at;
static volatile unsigned handled;

static void on_interrupt(void *argument)
{
    (void)argument;
    a9_log.by[way].cycles += tl_rdtsc() - raised_at;
    a9_log.by[way].handled++;
    tl_write32(edu + EDU_ACKNOWLEDGE, tl_read32(edu + EDU_STATUS));
    handled++;
}

static void raise_some(enum way this_way, uint8_t vector)
{
    way = this_way;
    a9_log.by[way].vector = vector;
    tl_mark(BY_INTX + way, vector);
    tl_sti();
    for (unsigned i = 1; i <= ROUNDS; i++) {
        handled = 0;
        raised_at = tl_rdtsc();
        tl_write32(edu + EDU_RAISE, 1);
        while (!handled)
            __asm__ volatile("" : : : "memory");
    }
    tl_cli();
}

static void by_intx(const struct tl_pci *pci)
{
    const unsigned gsi = tl_pci_interrupt_line(pci);
    raise_some(INTX, tl_irq_register(gsi, on_interrupt, NULL));
    tl_irq_mask(gsi, true);
}

static void by_msi(const struct tl_pci *pci)
{
    const unsigned at = tl_pci_capability(pci, CAP_MSI);
    tl_check(at, "the device has no MSI");
    const uint8_t vector = tl_irq_vector(on_interrupt, NULL);
    const uint16_t control = tl_pci_read16(pci, at + MSI_CONTROL);
    const bool wide = control & MSI_64;
    tl_pci_write32(pci, at + 4, (uint32_t)(MSI_ADDRESS | tl_apic_id() << 12));
    if (wide)
        tl_pci_write32(pci, at + 8, 0);
    tl_pci_write16(pci, at + (wide ? 12 : 8), vector); /* data: fixed delivery, edge */
    tl_pci_write16(pci, at + MSI_CONTROL, control | MSI_ENABLE);
    raise_some(MSI, vector);
    tl_pci_write16(pci, at + MSI_CONTROL, control & ~MSI_ENABLE);
}

static void by_msix(const struct tl_pci *pci)
{
    const unsigned at = tl_pci_capability(pci, CAP_MSIX);
    tl_check(at, "the device has no MSI-X");
    const uint8_t vector = tl_irq_vector(on_interrupt, NULL);
    const uint32_t where = tl_pci_read32(pci, at + 4); /* which BAR, and where in it */
    const uint64_t table = tl_pci_bar(pci, where & 7) + (where & ~7u);
    tl_write32(table + 0, (uint32_t)(MSI_ADDRESS | tl_apic_id() << 12));
    tl_write32(table + 4, 0);
    tl_write32(table + 8, vector);
    tl_write32(table + 12, 0); /* not masked */
    const uint16_t control = tl_pci_read16(pci, at + MSI_CONTROL);
    tl_pci_write16(pci, at + MSI_CONTROL, control | MSIX_ENABLE);
    raise_some(MSIX, vector);
    tl_pci_write16(pci, at + MSI_CONTROL, control & ~MSIX_ENABLE);
}

int main(void)
{
    struct tl_pci pci;

    find_ecam();
    find_functions();
    tl_printf("%u functions, ECAM at 0x%lx\n", a9_log.functions, ecam);
    for (unsigned i = 0; i < a9_log.functions; i++) {
        tl_printf("  %02x:%02x.%x  %04x:%04x\n", functions[i].bus, functions[i].device, functions[i].function,
                  functions[i].vendor_id, functions[i].device_id);
        compare(&functions[i]);
        list_capabilities(&functions[i]);
    }
    tl_mark(CONFIG_READ, a9_log.compared);
    for (unsigned i = 0; i < a9_log.functions; i++) {
        tl_printf("  %02x:%02x.%x\n", functions[i].bus, functions[i].device, functions[i].function);
        size_bars(&functions[i]);
    }
    tl_mark(BARS_SIZED, a9_log.bars);

    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci); /* bus mastering as well: a message is a write of the device */
    edu = tl_pci_bar(&pci, 0);
    tl_check((tl_read32(edu + EDU_ID) & 0xff) == 0xed, "the device does not say that it is an edu");
    by_intx(&pci);
    by_msi(&pci);
    by_msix(&pci);
    tl_mark(END, 0);

    tl_printf("from the store to the handler: INTx %lu cycles, MSI %lu, MSI-X %lu\n", a9_log.by[INTX].cycles / ROUNDS,
              a9_log.by[MSI].cycles / ROUNDS, a9_log.by[MSIX].cycles / ROUNDS);
    return 0;
}
