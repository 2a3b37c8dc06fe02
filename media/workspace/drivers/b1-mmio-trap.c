/*
 * What a hypervisor has to do for one access to a device register that it emulates.
 *
 * The page of the register is not mapped in the EPT, so the access is a VM exit before anything of the instruction has happened.
 * The processor tells the guest-physical address; which instruction it was, of which width, and which register is to have the
 * value, the hypervisor finds out by reading the bytes at RIP and decoding them. Then the device model runs, the value is written
 * back into the guest's register (or flags, or memory), RIP advances, and the guest goes on as if nothing had been.
 *
 * Each instruction below stands alone, with a label before and behind it. All of them use one register of `edu`, LIVENESS, which
 * reads as the complement of what was written.
 */
#include "trapline.h"

#ifndef ROUNDS
#define ROUNDS 4
#endif

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8, EDU_LIVENESS = 0x04 };
enum { BEGIN = 1, END = 2 }; /* marks */
enum { LOAD, LOAD_HIGH, STORE, STORE_IMMEDIATE, COMPARE, ADD, STRING, FORMS };

/* Read by whoever checks the trace: where each instruction stands, and what it has to do with the device. */
struct {
    struct {
        uint64_t rip, next; /* of the instruction, and of the one behind it */
        uint32_t done, accesses; /* how often it was executed; what it accesses each time */
        uint32_t value, reads;   /* last value that it got, if it reads */
    } form[FORMS];
} b1_log;

static uint64_t liveness;

/* One instruction between two labels whose addresses go to the log. Operands as for inline assembly. */
#define ALONE(form_, instruction, outputs, inputs, ...)                                                                          \
    do {                                                                                                                         \
        uint64_t begin_, end_;                                                                                                   \
        __asm__ volatile("leaq 1f(%%rip), %[begin]\n\tleaq 2f(%%rip), %[end]\n1:\t" instruction "\n2:"                           \
                         : [begin] "=&r"(begin_), [end] "=&r"(end_) outputs                                                      \
                         : [at] "r"(liveness) inputs                                                                             \
                         : "memory", "cc" __VA_ARGS__);                                                                          \
        b1_log.form[form_].rip = begin_;                                                                                         \
        b1_log.form[form_].next = end_;                                                                                          \
        b1_log.form[form_].done++;                                                                                               \
    } while (0)
#define AND ,

static void note_read(unsigned form, uint32_t value)
{
    b1_log.form[form].value = value;
    b1_log.form[form].reads = 1;
}

static void one_round(uint32_t value)
{
    uint64_t wide = ~0ul;
    uint32_t memory = 0;

    ALONE(STORE, "movl %[value], (%[at])", , AND[value] "r"(value));

    /* The value goes back into the register of the instruction; the upper half of RAX is cleared, as by any 32-bit load. */
    ALONE(LOAD, "movl (%[at]), %%eax", AND "+a"(wide), );
    tl_check(wide == (uint32_t)~value, "RAX is 0x%lx", wide);
    note_read(LOAD, (uint32_t)wide);

    /* A register that needs a prefix, and an address with a displacement. */
    register uint64_t r9 __asm__("r9") = ~0ul;
    ALONE(LOAD_HIGH, "movl -4+4(%[at]), %%r9d", AND "+r"(r9), );
    tl_check(r9 == (uint32_t)~value, "R9 is 0x%lx", r9);
    note_read(LOAD_HIGH, (uint32_t)r9);

    /* Nothing but the flags is changed by this one. */
    bool equal;
    ALONE(COMPARE, "cmpl %[value], (%[at])", AND "=@ccz"(equal), AND[value] "r"(~value));
    tl_check(equal, "the comparison found another value");
    note_read(COMPARE, ~value);

    /* Two accesses in one instruction: one exit, but the device is asked twice. */
    ALONE(ADD, "addl $1, (%[at])", , );
    tl_check(tl_read32(liveness) == ~(~value + 1), "the sum is wrong");
    note_read(ADD, ~value);

    ALONE(STORE_IMMEDIATE, "movl $0x12345678, (%[at])", , );

    /* From the device to memory: RSI and RDI move on, both by the hypervisor's hand. */
    uint64_t from = liveness;
    uint32_t *to = &memory;
    ALONE(STRING, "movsl", AND "+S"(from) AND "+D"(to), );
    tl_check(memory == ~0x12345678u && from == liveness + 4 && to == &memory + 1, "MOVS has left 0x%x", memory);
    note_read(STRING, memory);
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    liveness = tl_pci_bar(&pci, 0) + EDU_LIVENESS;
    for (unsigned form = 0; form < FORMS; form++)
        b1_log.form[form].accesses = form == ADD ? 2 : 1;

    tl_mark(BEGIN, ROUNDS);
    for (uint32_t round = 1; round <= ROUNDS; round++)
        one_round(0x01010101 * round);
    tl_mark(END, ROUNDS);

    tl_printf("%u forms of instructions, %u times each\n", (unsigned)FORMS, (unsigned)ROUNDS);
    return 0;
}
