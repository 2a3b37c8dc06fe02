/*
 * Memory-mapped registers: the device answers loads and stores to addresses that no memory has.
 *
 * Base address register 0 (BAR 0) of the NIC says where its registers are. The instructions are ordinary MOVs, but an access
 * is not a memory access: a store is a command, a load may change what it reads, and nothing of it may be cached, merged or
 * left out. That is why every access goes through tl_read32 and tl_write32, one volatile MOV each.
 *
 * On the bus a store is posted: the processor hands it over and goes on. A load has to wait for the answer to come back.
 * The driver measures both.
 */
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 16
#endif

/* Registers of the 82540EM (8254x SDM, table 13-2). */
enum { STATUS = 0x0008, ICR = 0x00c0, ICS = 0x00c8, IMC = 0x00d8, RDBAL = 0x2800, RDBAH = 0x2804, MTA = 0x5200 };
enum { MTA_WORDS = 128, CAUSE_LINK_CHANGE = 1 << 2, CAUSE_RECEIVED = 1 << 7 };

static uint64_t registers;

/* What the driver did, by its own count; read by whoever checks the trace. */
struct {
    uint32_t loads, stores;      /* all accesses to BAR 0 */
    uint32_t icr_loads;          /* of them loads of ICR */
    uint32_t icr_loads_with_causes;
    uint64_t load_cycles, store_cycles; /* of ROUNDS each, one after the other */
} a2_counts;

/* Macros, so that in the timeline an access leads to the line that wants it. */
#define LOAD(reg) (a2_counts.loads++, tl_read32(registers + (reg)))
#define STORE(reg, value)                                                                                              \
    do {                                                                                                               \
        a2_counts.stores++;                                                                                            \
        tl_write32(registers + (reg), value);                                                                          \
    } while (0)

/* Registers that behave like memory: what was stored is there. */
static void like_memory(void)
{
    for (unsigned i = 0; i < MTA_WORDS; i++)
        STORE(MTA + 4 * i, 0x01010101u * i);
    for (unsigned i = 0; i < MTA_WORDS; i++)
        tl_check(LOAD(MTA + 4 * i) == 0x01010101u * i, "MTA[%u] has lost what was stored", i);

    /* Two neighbours of 32 bits in one load of 64. */
    STORE(RDBAL, 0x12345670);
    STORE(RDBAH, 0x9);
    a2_counts.loads++;
    tl_check(tl_read64(registers + RDBAL) == 0x912345670ull, "RDBAL and RDBAH are not one number of 64 bits");
}

/* Registers that do not: a store to ICS sets bits of ICR, and a load of ICR clears what it shows. */
static void not_like_memory(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint32_t causes = i % 2 ? CAUSE_LINK_CHANGE : CAUSE_LINK_CHANGE | CAUSE_RECEIVED;
        STORE(ICS, causes);
        const uint32_t first = LOAD(ICR);
        const uint32_t second = LOAD(ICR);
        a2_counts.icr_loads += 2;
        a2_counts.icr_loads_with_causes += (first != 0) + (second != 0);
        tl_check((first & causes) == causes, "ICR shows 0x%x: 0x%x was set", first, causes);
        tl_check(second == 0, "ICR shows 0x%x although it was just read", second);
    }
}

/* Nothing but the accesses between the two readings of the clock: no counting. */
static void measure(void)
{
    uint64_t start = tl_rdtsc();
    for (unsigned i = 0; i < ROUNDS; i++)
        tl_read32(registers + STATUS);
    a2_counts.load_cycles = tl_rdtsc() - start;

    start = tl_rdtsc();
    for (unsigned i = 0; i < ROUNDS; i++)
        tl_write32(registers + MTA, i);
    a2_counts.store_cycles = tl_rdtsc() - start;
    a2_counts.loads += ROUNDS;
    a2_counts.stores += ROUNDS;
}

int main(void)
{
    struct tl_pci nic;
    tl_check(tl_pci_find(0x8086, 0x100e, 0, &nic), "no e1000 (8086:100e) on the PCI bus");
    tl_pci_enable(&nic);
    registers = tl_pci_bar(&nic, 0);

    STORE(IMC, 0xffffffff); /* no interrupts: this driver only looks */
    LOAD(ICR);              /* whatever was pending */
    a2_counts.icr_loads++;

    tl_mark(1, a2_counts.loads + a2_counts.stores);
    like_memory();
    tl_mark(2, a2_counts.loads + a2_counts.stores);
    not_like_memory();
    tl_mark(3, a2_counts.loads + a2_counts.stores);
    measure();
    tl_mark(4, a2_counts.loads + a2_counts.stores);

    tl_printf("%u loads and %u stores; a load takes %lu cycles, a store %lu\n", a2_counts.loads, a2_counts.stores,
              a2_counts.load_cycles / ROUNDS, a2_counts.store_cycles / ROUNDS);
    return 0;
}
