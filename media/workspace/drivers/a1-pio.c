/*
 * Port I/O, and who may do it.
 *
 * An x86 processor has a second address space, of 65536 ports, that only IN and OUT reach. The driver plays with the scratch
 * register of the UART (port 0x3FF: it remembers a byte and does nothing), first in ring 0, where every port is open. Then it
 * goes down to CPL 3, where an operating system's programs live. There each IN and OUT asks two things (SDM vol. 1, 19.5):
 *
 *   CPL <= IOPL (two bits of RFLAGS)?          then every port is open, and CLI and STI as well
 *   else: is the port's bit in the TSS clear?  the I/O permission bitmap, of all ports that the access covers
 *
 * and raises #GP(0) when both say no: a general protection exception, before anything has reached the bus. So the timeline
 * has one row of pio.in or pio.out for each access that was allowed, and none for one that was not.
 */
#include "trapline-privilege.h"

#ifndef ROUNDS
#define ROUNDS 8 /* bytes written and read back in ring 0 */
#endif

enum { COM1_MODEM_STATUS = 0x3fe, COM1_SCRATCH = 0x3ff };
enum { GENERAL_PROTECTION = 13 };

/* What the driver was allowed and refused, by its own count; read by whoever checks the trace. */
struct {
    uint32_t reads, writes;                 /* that worked, of the ports below */
    uint32_t refused_reads, refused_writes; /* that ended in #GP */
    uint32_t stays;                         /* times that the CPU went to CPL 3 and came back */
} a1_counts;

/* What runs at CPL 3. Each function is one privileged instruction. */
static uint64_t read_byte(void *port)
{
    return tl_inb((uintptr_t)port);
}

static uint64_t read_word(void *port)
{
    return tl_inw((uintptr_t)port);
}

static uint64_t write_byte(void *port)
{
    tl_outb((uintptr_t)port, 0xa5);
    return 0;
}

static uint64_t interrupts_off(void *unused)
{
    (void)unused;
    tl_cli();
    return 0;
}

static void expect_refused(uint64_t (*function)(void *), uint16_t port)
{
    a1_counts.stays++;
    const struct tl_user_end end = tl_user_run(function, (void *)(uintptr_t)port);
    tl_check(end.vector == GENERAL_PROTECTION, "vector %lu instead of #GP", end.vector);
    tl_check(end.error_code == 0, "error code 0x%lx: it names no selector, and is 0", end.error_code);
}

static uint64_t expect_allowed(uint64_t (*function)(void *), uint16_t port)
{
    a1_counts.stays++;
    const struct tl_user_end end = tl_user_run(function, (void *)(uintptr_t)port);
    tl_check(end.vector == TL_USER_VECTOR, "exception %lu at 0x%lx, although it is allowed", end.vector, end.rip);
    return end.value;
}

static void in_ring_0(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint8_t byte = (uint8_t)(0x11 * i + 1);
        tl_outb(COM1_SCRATCH, byte);
        tl_check(tl_inb(COM1_SCRATCH) == byte, "the scratch register has lost 0x%02x", byte);
        a1_counts.writes++;
        a1_counts.reads++;
    }
    tl_inb(COM1_MODEM_STATUS);
    a1_counts.reads++;
}

static void at_cpl_3(void)
{
    /* All bits of the bitmap are set, and IOPL is 0: nothing is open. */
    expect_refused(read_byte, COM1_SCRATCH);
    expect_refused(write_byte, COM1_SCRATCH);
    a1_counts.refused_reads++;
    a1_counts.refused_writes++;
    expect_refused(interrupts_off, 0);

    /* One bit clear: that port is open, its neighbours are not, and neither is an access that covers one of them as well. */
    tl_user_allow_port(COM1_SCRATCH, true);
    expect_allowed(write_byte, COM1_SCRATCH);
    a1_counts.writes++;
    tl_check(expect_allowed(read_byte, COM1_SCRATCH) == 0xa5, "the byte written at CPL 3 is not there");
    a1_counts.reads++;
    expect_refused(read_byte, COM1_MODEM_STATUS);
    expect_refused(read_word, COM1_MODEM_STATUS);
    a1_counts.refused_reads += 2;

    /* IOPL 3: the bitmap is not asked any more. CLI works, too, which is why no system gives this to its programs lightly. */
    tl_user_allow_port(COM1_SCRATCH, false);
    tl_user_set_iopl(3);
    expect_allowed(read_byte, COM1_MODEM_STATUS);
    expect_allowed(read_byte, COM1_SCRATCH);
    a1_counts.reads += 2;
    expect_allowed(interrupts_off, 0);
    tl_user_set_iopl(0);
}

int main(void)
{
    tl_mark(1, ROUNDS);
    in_ring_0();
    tl_mark(2, a1_counts.reads + a1_counts.writes);
    at_cpl_3();
    tl_mark(3, a1_counts.refused_reads + a1_counts.refused_writes);
    tl_printf("%u reads and %u writes went to the bus, %u ended in #GP\n", a1_counts.reads, a1_counts.writes,
              a1_counts.refused_reads + a1_counts.refused_writes);
    return 0;
}
