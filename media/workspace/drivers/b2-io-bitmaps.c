/*
 * Port I/O under a hypervisor: which ports leave the guest, and what the processor tells of those that do.
 *
 * VMX has two bitmaps with a bit for each of the 65536 ports. An IN or OUT whose bit is set is a VM exit; with the bit clear it
 * goes to the bus as on a bare machine. With the exit comes its qualification, which says all there is to know of the instruction
 * without decoding it: port, width, direction, INS/OUTS, REP, and whether the port is an immediate byte or in DX (SDM vol. 3,
 * table 28-5).
 *
 * The bytes of old devices come slowly: Linux writes the port of the POST display, 0x80, to let about a microsecond pass
 * (outb_p). KVM on Intel once cleared that bit, so that a delay stayed a delay. The driver reads the date from the CMOS clock
 * in that way.
 */
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 8 /* times that the date is read */
#endif

enum { POST = 0x80, CMOS_INDEX = 0x70, CMOS_DATA = 0x71, COM1_SCRATCH = 0x3ff, PCI_ADDRESS = 0xcf8 };
enum { CMOS_FIELDS = 6 };
/* Marks. */
enum { DATE = 1, FORMS = 2, END = 3 };
enum { FORMS_MAX = 16, STRING_BYTES = 12 };

/* An instruction as the qualification has it, and how often it was executed. */
struct form {
    uint32_t port, size, in, string, rep, immediate, count;
};

/* Read by whoever checks the trace. */
struct {
    uint32_t delays, forms;
    uint64_t date_cycles;
    struct form form[FORMS_MAX];
} b2_log;

static uint8_t bytes[STRING_BYTES];

/* ---- The date ------------------------------------------------------------------------------------------------------------ */

/* Like outb_p of Linux: a byte to a slow device, and a pause for it. */
#define slow_outb(port, value)                                                                                                   \
    do {                                                                                                                         \
        tl_outb(port, value);                                                                                                    \
        tl_outb(POST, 0);                                                                                                        \
        b2_log.delays++;                                                                                                         \
    } while (0)

static void read_date(uint8_t date[CMOS_FIELDS])
{
    static const uint8_t fields[CMOS_FIELDS] = {0, 2, 4, 7, 8, 9}; /* second, minute, hour, day, month, year */
    for (unsigned i = 0; i < CMOS_FIELDS; i++) {
        slow_outb(CMOS_INDEX, fields[i]);
        date[i] = tl_inb(CMOS_DATA);
    }
}

/* ---- All forms of the instructions ----------------------------------------------------------------------------------------- */

static void note(struct form form)
{
    tl_check(b2_log.forms < FORMS_MAX, "the log is too short");
    b2_log.form[b2_log.forms++] = form;
}

/* The accesses are written out: the kit's macros leave the choice between an immediate port and DX to the compiler. */
static void all_forms(void)
{
    uint32_t value = 0x5a;

    __asm__ volatile("outb %%al, $0x70" : : "a"(0x0b)); /* status register B of the clock */
    note((struct form){.port = CMOS_INDEX, .size = 1, .immediate = 1, .count = 1});
    __asm__ volatile("inb $0x71, %%al" : "=a"(value));
    note((struct form){.port = CMOS_DATA, .size = 1, .in = 1, .immediate = 1, .count = 1});

    __asm__ volatile("outb %%al, %%dx" : : "a"(0x5a), "d"(COM1_SCRATCH));
    note((struct form){.port = COM1_SCRATCH, .size = 1, .count = 1});
    __asm__ volatile("inb %%dx, %%al" : "=a"(value) : "d"(COM1_SCRATCH), "0"(0));
    note((struct form){.port = COM1_SCRATCH, .size = 1, .in = 1, .count = 1});
    tl_check(value == 0x5a, "the scratch register has lost its byte");

    __asm__ volatile("outl %%eax, %%dx" : : "a"(0x80000000), "d"(PCI_ADDRESS));
    note((struct form){.port = PCI_ADDRESS, .size = 4, .count = 1});
    __asm__ volatile("inl %%dx, %%eax" : "=a"(value) : "d"(PCI_ADDRESS));
    note((struct form){.port = PCI_ADDRESS, .size = 4, .in = 1, .count = 1});
    tl_check(value == 0x80000000, "CONFIG_ADDRESS is 0x%x", value);
    __asm__ volatile("inw %%dx, %%ax" : "=a"(value) : "d"(PCI_ADDRESS), "0"(0));
    note((struct form){.port = PCI_ADDRESS, .size = 2, .in = 1, .count = 1});

    const uint8_t *from = bytes;
    uint8_t *to = bytes;
    uint64_t count = STRING_BYTES;
    __asm__ volatile("outsb" : "+S"(from) : "d"(COM1_SCRATCH) : "memory");
    note((struct form){.port = COM1_SCRATCH, .size = 1, .string = 1, .count = 1});
    __asm__ volatile("insb" : "+D"(to) : "d"(COM1_SCRATCH) : "memory");
    note((struct form){.port = COM1_SCRATCH, .size = 1, .in = 1, .string = 1, .count = 1});

    /* QEMU is handed the bytes of REP OUTS one by one, each with an exit; those of REP INS KVM reads ahead, in one exit. */
    from = bytes;
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(COM1_SCRATCH) : "memory");
    note((struct form){.port = COM1_SCRATCH, .size = 1, .string = 1, .rep = 1, .count = STRING_BYTES});
    to = bytes;
    count = STRING_BYTES;
    __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(COM1_SCRATCH) : "memory");
    note((struct form){.port = COM1_SCRATCH, .size = 1, .in = 1, .string = 1, .rep = 1, .count = 1});
}

int main(void)
{
    uint8_t date[CMOS_FIELDS];

    for (unsigned i = 0; i < STRING_BYTES; i++)
        bytes[i] = (uint8_t)i;

    tl_mark(DATE, ROUNDS);
    const uint64_t start = tl_rdtsc();
    for (unsigned i = 0; i < ROUNDS; i++)
        read_date(date);
    b2_log.date_cycles = tl_rdtsc() - start;
    tl_mark(FORMS, 0);
    all_forms();
    tl_mark(END, 0);

    tl_printf("20%02x-%02x-%02x %02x:%02x:%02x, %lu cycles for each reading\n", date[5], date[4], date[3], date[2], date[1],
              date[0], b2_log.date_cycles / ROUNDS);
    return 0;
}
