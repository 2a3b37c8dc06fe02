/*
 * Who is there? Devices answer for themselves, CPUs do not.
 *
 * A device on the PCI bus is found by asking every place of every bus for its identity: where nobody is, all bits read as
 * ones. A CPU that has not been started cannot be asked, so the firmware leaves tables:
 *
 *   ACPI MADT  the root pointer "RSD PTR " is searched for in memory; it leads to a table of tables, one of them the MADT
 *              ("APIC"), a list of entries, type 0 for each local APIC
 *   MP table   the older way: a floating pointer "_MP_", searched for in the extended BIOS data area, at the end of base
 *              memory and in the BIOS's segment; it leads to a table, whose entries of type 0 are processors
 *
 * The driver reads both, checks that they agree, and starts every CPU that they name. On the way it asks the I/O APIC whether
 * it is the one that the MP table tells of, and the host bridge whether configuration space lies in memory where the MCFG says.
 */
#include "trapline-firmware.h"

enum { PCI_DEVICES = 32, PCI_FUNCTIONS = 8, PCI_CLASS = 0x08, PCI_HEADER_TYPE = 0x0e, MULTI_FUNCTION = 0x80 };
enum { CPUS_MAX = 256, IOAPIC_VERSION_REGISTER = 1 };
#define IOAPIC_SELECT 0xfec00000ul
#define IOAPIC_WINDOW 0xfec00010ul
/* Marks. */
enum { BUS_SCANNED = 1, TABLES_READ = 2, CPU_CAME = 3 };

/* What was found; read by whoever checks the machine. */
struct {
    uint32_t functions, network, places_asked;
    uint32_t madt_cpus, mp_cpus, madt_ioapics, mp_ioapics;
    volatile uint32_t came; /* CPUs that run, the first one included */
    uint32_t mp_ioapic_version, ioapic_version, mcfg_buses;
} a10_log;

/* ---- The bus ---------------------------------------------------------------------------------------------------------- */

static const char *class_name(uint8_t class)
{
    static const char *const names[] = {"old device", "mass storage", "network", "display", "multimedia", "memory",
                                        "bridge", "communication", "system", "input"};
    return class < sizeof(names) / sizeof(names[0]) ? names[class] : "device";
}

static bool look_at(const struct tl_pci *pci)
{
    a10_log.places_asked++;
    const uint32_t id = tl_pci_read32(pci, 0);
    if ((uint16_t)id == 0xffff)
        return false;
    const uint8_t class = (uint8_t)(tl_pci_read32(pci, PCI_CLASS) >> 24);
    a10_log.functions++;
    a10_log.network += class == 2;
    tl_printf("  %02x:%02x.%x  %04x:%04x  %s\n", pci->bus, pci->device, pci->function, (uint16_t)id, id >> 16,
              class_name(class));
    return true;
}

/* Bus 0 alone: buses beyond would lie behind bridges, and be found by them (tl_pci_find does so). */
static void scan_bus(void)
{
    for (uint8_t device = 0; device < PCI_DEVICES; device++) {
        struct tl_pci pci = {.device = device};
        if (!look_at(&pci) || !(tl_pci_read8(&pci, PCI_HEADER_TYPE) & MULTI_FUNCTION))
            continue;
        for (pci.function = 1; pci.function < PCI_FUNCTIONS; pci.function++)
            look_at(&pci);
    }
}

/* ---- CPUs by ACPI (5.2.12) ---------------------------------------------------------------------------------------------- */

struct __attribute__((packed)) madt {
    struct tl_acpi_header header;
    uint32_t local_apic, flags;
    uint8_t entries[];
};

enum { MADT_LOCAL_APIC = 0, MADT_IOAPIC = 1, MADT_ENABLED = 1 };

static uint8_t apic_ids[CPUS_MAX];

static void read_madt(void)
{
    const struct madt *madt = (const struct madt *)tl_acpi_table("APIC");
    tl_check(madt, "no MADT: the machine has no ACPI tables");
    const uint8_t *end = (const uint8_t *)madt + madt->header.length;
    for (const uint8_t *entry = madt->entries; entry + 2 <= end && entry[1] >= 2; entry += entry[1]) {
        /* A local APIC: processor number, APIC id, flags. */
        if (entry[0] == MADT_LOCAL_APIC && entry[4] & MADT_ENABLED && a10_log.madt_cpus < CPUS_MAX)
            apic_ids[a10_log.madt_cpus++] = entry[3];
        a10_log.madt_ioapics += entry[0] == MADT_IOAPIC;
    }
}

/* ---- CPUs by the MP table (MultiProcessor Specification 1.4, chapter 4) --------------------------------------------------- */

struct __attribute__((packed)) mp_pointer {
    char signature[4];
    uint32_t table;
    uint8_t length, revision, checksum, features[5];
};

struct __attribute__((packed)) mp_table {
    char signature[4];
    uint16_t length;
    uint8_t revision, checksum;
    char oem[8], product[12];
    uint32_t oem_table;
    uint16_t oem_size, entries;
    uint32_t local_apic;
    uint16_t extended_length;
    uint8_t extended_checksum, reserved;
};

enum { MP_PROCESSOR = 0, MP_IOAPIC = 2, MP_PROCESSOR_BYTES = 20, MP_OTHER_BYTES = 8, MP_ENABLED = 1 };
enum { BASE_MEMORY_KIB = 0x413, BIOS_FROM = 0xf0000, BIOS_TO = 0x100000, KIB = 1024 };

static const struct mp_pointer *find_mp_pointer(void)
{
    const size_t bytes = sizeof(struct mp_pointer);
    const uint64_t ebda = tl_ebda();
    const void *found = ebda ? tl_search("_MP_", bytes, ebda, ebda + KIB) : NULL;
    if (found)
        return found;
    const volatile uint16_t *kib = tl_map_physical(BASE_MEMORY_KIB, sizeof(*kib));
    const uint64_t end = (uint64_t)*kib * KIB;
    found = end >= KIB ? tl_search("_MP_", bytes, end - KIB, end) : NULL;
    return found ? found : tl_search("_MP_", bytes, BIOS_FROM, BIOS_TO);
}

static void read_mp_table(void)
{
    const struct mp_pointer *pointer = find_mp_pointer();
    tl_check(pointer && pointer->table, "no MP table");
    const struct mp_table *table = (const struct mp_table *)(uintptr_t)pointer->table;
    tl_check(memcmp(table->signature, "PCMP", 4) == 0, "what the MP pointer leads to is no configuration table");

    const uint8_t *entry = (const uint8_t *)(table + 1);
    for (unsigned i = 0; i < table->entries; i++) {
        if (entry[0] == MP_PROCESSOR && entry[3] & MP_ENABLED) {
            tl_check(a10_log.mp_cpus < a10_log.madt_cpus && entry[1] == apic_ids[a10_log.mp_cpus],
                     "the MP table has a CPU %u that the MADT has not", entry[1]);
            a10_log.mp_cpus++;
        }
        if (entry[0] == MP_IOAPIC) {
            a10_log.mp_ioapics++;
            a10_log.mp_ioapic_version = entry[2];
        }
        entry += entry[0] == MP_PROCESSOR ? MP_PROCESSOR_BYTES : MP_OTHER_BYTES;
    }
}

/* The version that the table tells is the one that the I/O APIC's own register has (82093AA data sheet, 3.2.2). */
static void ask_ioapic(void)
{
    tl_write32(IOAPIC_SELECT, IOAPIC_VERSION_REGISTER);
    a10_log.ioapic_version = (uint8_t)tl_read32(IOAPIC_WINDOW);
    tl_check(a10_log.ioapic_version == a10_log.mp_ioapic_version, "the I/O APIC has version 0x%x, the MP table 0x%x",
             a10_log.ioapic_version, a10_log.mp_ioapic_version);
}

/* ---- Configuration space as memory (PCI Firmware Specification 3.0, 4.1.2) ------------------------------------------------- */

struct __attribute__((packed)) mcfg {
    struct tl_acpi_header header;
    uint64_t reserved, base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

static void read_mcfg(void)
{
    const struct mcfg *mcfg = (const struct mcfg *)tl_acpi_table("MCFG");
    tl_check(mcfg && mcfg->header.length >= sizeof(*mcfg), "no MCFG: configuration space is reached by ports only");
    a10_log.mcfg_buses = mcfg->last_bus - mcfg->first_bus + 1u;
    const struct tl_pci bridge = {.bus = mcfg->first_bus};
    const uint32_t by_ports = tl_pci_read32(&bridge, PCI_CLASS), by_memory = tl_read32(mcfg->base + PCI_CLASS);
    tl_check(by_memory == by_ports, "the host bridge's class is 0x%x by ports and 0x%x by ECAM", by_ports, by_memory);
}

/* ---- All of them --------------------------------------------------------------------------------------------------------- */

static void came(void)
{
    __asm__ volatile("lock incl %0" : "+m"(a10_log.came) : : "cc");
    tl_mark(CPU_CAME, tl_cpu_id());
}

int main(void)
{
    tl_printf("on the bus:\n");
    scan_bus();
    tl_mark(BUS_SCANNED, a10_log.functions);

    read_madt();
    read_mp_table();
    tl_check(a10_log.madt_cpus == a10_log.mp_cpus, "%u CPUs by ACPI, %u by the MP table", a10_log.madt_cpus,
             a10_log.mp_cpus);
    tl_mark(TABLES_READ, a10_log.madt_cpus);

    ask_ioapic();
    read_mcfg();

    came();
    for (unsigned i = 0; i < a10_log.madt_cpus; i++) {
        if (apic_ids[i] != tl_apic_id())
            tl_start_ap(apic_ids[i], came);
    }
    while (a10_log.came < a10_log.madt_cpus)
        tl_pause();
    tl_printf("%u CPUs in both tables, and all of them run\n", a10_log.madt_cpus);
    return 0;
}
