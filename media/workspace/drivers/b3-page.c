/*
 * What is trapped is a page. An EPT entry maps 4096 bytes or none of them, so that a harmless register beside one that must be
 * emulated leaves the guest as well.
 *
 * The device is `edu` with scratch memory: it keeps what the driver writes and does nothing else. The driver leaves the number of
 * each request there before it starts it, so that after a crash somebody can tell how far it was. In one layout that register
 * stands among the others, in the other it has a page of its own, and the hypervisor can let the guest have that page. The driver
 * is the same; the register's offset is all it has to know.
 */
#include "trapline.h"

#ifndef REQUESTS
#define REQUESTS 32
#endif
#ifndef SCRATCH
#define SCRATCH 0xa0 /* beside the other registers; 0x1000: on a page of its own */
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8, EDU_LIVENESS = 0x04 };
/* Marks. */
enum { BEGIN = 1, END = 2 };

/* Read by whoever checks the trace. */
struct {
    uint64_t scratch; /* physical address */
    uint64_t scratch_cycles, liveness_cycles;
    uint32_t scratch_reads, scratch_writes, liveness_reads, liveness_writes;
} b3_log;

static uint64_t edu;

/* Tells how far the driver is, and looks whether the device has it. */
static void leave_trail(uint32_t request)
{
    const uint64_t start = tl_rdtsc();
    tl_write32(edu + SCRATCH, request);
    const uint32_t kept = tl_read32(edu + SCRATCH);
    b3_log.scratch_cycles += tl_rdtsc() - start;
    b3_log.scratch_writes++;
    b3_log.scratch_reads++;
    tl_check(kept == request, "request %u: the scratch memory has %u", request, kept);
}

/* The work of the device: it answers with the complement. Such a register has to be emulated. */
static void do_request(uint32_t request)
{
    const uint64_t start = tl_rdtsc();
    tl_write32(edu + EDU_LIVENESS, request);
    const uint32_t answer = tl_read32(edu + EDU_LIVENESS);
    b3_log.liveness_cycles += tl_rdtsc() - start;
    b3_log.liveness_writes++;
    b3_log.liveness_reads++;
    tl_check(answer == ~request, "request %u: the device answers 0x%x", request, answer);
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    b3_log.scratch = edu + SCRATCH;

    tl_mark(BEGIN, REQUESTS);
    for (uint32_t request = 1; request <= REQUESTS; request++) {
        leave_trail(request);
        do_request(request);
    }
    tl_mark(END, REQUESTS);

    tl_printf("a store and a load: %lu cycles to the scratch memory, %lu to a register that is emulated\n",
              b3_log.scratch_cycles / REQUESTS, b3_log.liveness_cycles / REQUESTS);
    return 0;
}
