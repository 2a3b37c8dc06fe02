/*
 * Reads one device register READS times: what does one trapped access cost? Divide the cycles between the two marks by
 * READS. Assign the device instead of emulating it, and the same loop runs without a single exit.
 */
#include "trapline.h"

#ifndef READS
#define READS 1000
#endif

#define E1000_STATUS 0x0008
#define E1000_STATUS_LINK_UP 0x2

int main(void)
{
    struct tl_pci nic;
    tl_check(tl_pci_find(0x8086, 0x100e, 0, &nic), "no e1000 (8086:100e) on the PCI bus");
    tl_pci_enable(&nic);
    const uint64_t registers = tl_pci_bar(&nic, 0);

    unsigned link_up = 0;
    tl_mark(1, READS);
    const uint64_t start = tl_rdtsc();
    for (unsigned i = 0; i < READS; i++)
        link_up += (tl_read32(registers + E1000_STATUS) & E1000_STATUS_LINK_UP) != 0;
    const uint64_t cycles = tl_rdtsc() - start;
    tl_mark(2, link_up);

    tl_printf("%u reads of STATUS, %lu cycles, %lu cycles each; link up in %u of them\n", (unsigned)READS, cycles,
              cycles / READS, link_up);
    return 0;
}
