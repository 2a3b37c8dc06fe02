/*
 * The interrupt controllers of a PC: the local APIC by both of its interfaces, its priorities and its timer, and the IOAPIC
 * with both of its triggers.
 *
 * Everything is done twice: first in xAPIC mode, where the local APIC's registers are memory at 0xFEE00000, then in x2APIC
 * mode, where they are MSRs 0x800 and up: the register at offset 0xN0 of the page is MSR 0x80N. (SDM vol. 3, 10.4 to 10.12.)
 *
 *   priorities  A vector's class is its upper half. The processor is given a vector only if its class is above that of the
 *               processor priority PPR, which is the higher of the task priority TPR and of what is in service.
 *   level       Remote IRR of the IOAPIC's entry is set when a local APIC has accepted a level-triggered interrupt, and is
 *               cleared by the end of interrupt. If the line is still up by then, the interrupt comes again at once.
 *   edge        Only the line's going up counts. Remote IRR means nothing.
 *   timer       One-shot, periodic, and TSC-deadline: at a given time of the time-stamp counter instead of after a count.
 */
#include "trapline-privilege.h"

#ifndef PERIODS
#define PERIODS 5 /* ticks of the periodic timer */
#endif
#ifndef COUNT
#define COUNT 20000 /* ticks of the timer's clock, for one-shot and period */
#endif

enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800 };
enum { APIC_BASE_X2 = 1 << 10 };
enum {
    APIC_PPR = 0xa0, APIC_ISR = 0x100, APIC_TMR = 0x180, APIC_IRR = 0x200, APIC_SELF_IPI = 0x3f0 /* x2APIC only */,
    ICR_SELF = 1 << 18, LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17, LVT_TSC_DEADLINE = 2 << 17,
};
/* The IOAPIC: a register is chosen by its number at one address, and found at the other (82093AA data sheet, 3.1). */
enum { IOREGSEL = 0xfec00000, IOWIN = 0xfec00010, ENTRY_REMOTE_IRR = 1 << 14, ENTRY_LEVEL = 1 << 15, ENTRY_MASKED = 1 << 16 };
enum { UART = 0x3f8, UART_GSI = 4, UART_IER = UART + 1, UART_IIR = UART + 2, UART_MCR = UART + 4 };
enum { IER_TRANSMITTER_EMPTY = 2, MCR_OUT2 = 8 /* lets the interrupt out of the chip */, MCR_DTR_RTS = 3 };
enum { NIC_ICR = 0x00c0, NIC_ICS = 0x00c8, NIC_IMS = 0x00d0, NIC_IMC = 0x00d8, NIC_STATUS = 0x0008, NIC_CAUSE_LINK = 1 << 2 };
/* Vectors that the driver sends to itself, of three classes, and those of device and timer. */
enum { LOW = 0x61, MIDDLE = 0x71, HIGH = 0x91, TIMER = 0xa1, SPURIOUS = 0xff };
/* Marks: where a mode begins. */
enum { XAPIC = 1, X2APIC = 2, END = 3 };

static uint64_t nic;
static unsigned nic_gsi;
static uint8_t nic_vector, uart_vector;
static unsigned mode;

/* What happened, for each of the two modes; read by whoever checks the trace. */
struct {
    struct {
        uint32_t handled, ends; /* interrupts, and writes to EOI */
        uint32_t by_vector[256];
        uint32_t level_repeats; /* interrupts that came again because the line was still up at the end of interrupt */
        uint64_t one_shot_cycles, one_shot_half_cycles, period_cycles, deadline, deadline_handled;
    } of[2];
    uint32_t nic_vector, uart_vector;
} a7_log;
#define LOG a7_log.of[mode]

/* ---- One interface over both ---------------------------------------------------------------------------------------- */

static uint32_t apic_read(uint32_t offset)
{
    return mode ? (uint32_t)tl_rdmsr(MSR_X2APIC + (offset >> 4)) : tl_read32(0xfee00000ul + offset);
}

static void apic_write(uint32_t offset, uint32_t value)
{
    if (mode)
        tl_wrmsr(MSR_X2APIC + (offset >> 4), value);
    else
        tl_write32(0xfee00000ul + offset, value);
}

static bool apic_bit(uint32_t first, uint8_t vector)
{
    return apic_read(first + vector / 32 * 0x10) >> vector % 32 & 1;
}

/* To oneself: by a shorthand of the interrupt command register, or by the register that the x2APIC has for it. */
static void send_to_self(uint8_t vector)
{
    if (mode)
        apic_write(APIC_SELF_IPI, vector);
    else
        apic_write(TL_APIC_ICR, ICR_SELF | vector);
}

static uint32_t ioapic_entry(unsigned gsi)
{
    tl_write32(IOREGSEL, 0x10 + 2 * gsi);
    return tl_read32(IOWIN);
}

static void ioapic_set_entry(unsigned gsi, uint32_t low)
{
    tl_write32(IOREGSEL, 0x10 + 2 * gsi);
    tl_write32(IOWIN, low);
}

/* ---- Handlers --------------------------------------------------------------------------------------------------------- */

static volatile unsigned handled;
static volatile uint8_t order[16]; /* vectors, as they came */
static volatile uint64_t handled_at;
static volatile unsigned quiet_after; /* the NIC's handler lets its line be for this many times */

static void end_of_interrupt(void)
{
    LOG.ends++;
    apic_write(TL_APIC_EOI, 0);
}

static void note(uint8_t vector)
{
    handled_at = tl_rdtsc();
    if (handled < sizeof(order))
        order[handled] = vector;
    handled++;
    LOG.handled++;
    LOG.by_vector[vector]++;
}

static bool on_plain(struct tl_frame *frame)
{
    note((uint8_t)frame->vector);
    end_of_interrupt();
    return true;
}

static bool on_nic(struct tl_frame *frame)
{
    const uint8_t vector = (uint8_t)frame->vector;
    note(vector);
    tl_check(apic_bit(APIC_TMR, vector), "the trigger mode register does not say that vector 0x%x is a level", vector);
    tl_check(ioapic_entry(nic_gsi) & ENTRY_REMOTE_IRR, "remote IRR is 0 while a level is in service");
    if (quiet_after > 0) {
        quiet_after--;
        LOG.level_repeats++;
    } else {
        tl_read32(nic + NIC_ICR);
    }
    end_of_interrupt();
    return true;
}

static bool on_uart(struct tl_frame *frame)
{
    const uint8_t vector = (uint8_t)frame->vector;
    note(vector);
    tl_check(!apic_bit(APIC_TMR, vector), "the trigger mode register takes an edge for a level");
    tl_check(!(ioapic_entry(UART_GSI) & ENTRY_REMOTE_IRR), "remote IRR of an edge");
    tl_inb(UART_IIR); /* reading it takes the cause "transmitter empty" back */
    end_of_interrupt();
    return true;
}

static void wait_for(unsigned count)
{
    tl_cli();
    while (handled < count)
        tl_wait_for_interrupt();
}

/* ---- What is shown ------------------------------------------------------------------------------------------------------ */

static void priorities(void)
{
    tl_cli();
    handled = 0;
    send_to_self(LOW);
    send_to_self(HIGH);
    send_to_self(MIDDLE);
    while (!apic_bit(APIC_IRR, MIDDLE))
        tl_pause();
    tl_check(apic_bit(APIC_IRR, LOW) && apic_bit(APIC_IRR, HIGH), "not all three are pending");

    apic_write(TL_APIC_TPR, 0x70); /* classes up to 7 have to wait */
    tl_check(apic_read(APIC_PPR) == 0x70, "PPR 0x%x: nothing is in service, so it is TPR", apic_read(APIC_PPR));
    wait_for(1);
    tl_check(handled == 1 && order[0] == HIGH, "TPR 0x70 lets vector 0x%x pass", order[0]);
    apic_write(TL_APIC_TPR, 0x60); /* exactly one more class */
    wait_for(2);
    tl_check(handled == 2 && order[1] == MIDDLE, "TPR 0x60 lets vector 0x%x pass", order[1]);
    apic_write(TL_APIC_TPR, 0);
    wait_for(3);
    tl_check(order[2] == LOW, "the last is vector 0x%x", order[2]);
}

/* A higher class interrupts the handler of a lower one; a lower one waits for its end. */
static bool on_outer(struct tl_frame *frame)
{
    note((uint8_t)frame->vector);
    tl_check(apic_read(APIC_PPR) >> 4 == MIDDLE >> 4, "PPR 0x%x in the handler of 0x%x", apic_read(APIC_PPR), MIDDLE);
    send_to_self(LOW);
    send_to_self(HIGH);
    tl_sti();
    while (handled < 2)
        tl_pause();
    tl_cli();
    tl_check(order[1] == HIGH && handled == 2, "vector 0x%x came into the handler of 0x%x", order[1], MIDDLE);
    tl_check(apic_bit(APIC_IRR, LOW), "the lower one is not pending");
    end_of_interrupt();
    return true;
}

static void nesting(void)
{
    handled = 0;
    tl_trap_register(MIDDLE, on_outer);
    send_to_self(MIDDLE);
    wait_for(3);
    tl_trap_register(MIDDLE, on_plain);
    tl_check(order[0] == MIDDLE && order[1] == HIGH && order[2] == LOW, "the order is 0x%x, 0x%x, 0x%x", order[0],
             order[1], order[2]);
}

static void level(void)
{
    handled = 0;
    quiet_after = 2;
    tl_write32(nic + NIC_IMS, NIC_CAUSE_LINK);
    tl_write32(nic + NIC_ICS, NIC_CAUSE_LINK);
    wait_for(3); /* twice the handler leaves the line up */
    tl_read32(nic + NIC_STATUS);
    tl_check(handled == 3 && !(ioapic_entry(nic_gsi) & ENTRY_REMOTE_IRR), "%u interrupts, entry 0x%x", handled,
             ioapic_entry(nic_gsi));
    tl_write32(nic + NIC_IMC, 0xffffffff);
}

static void edge(void)
{
    handled = 0;
    tl_outb(UART_MCR, MCR_OUT2 | MCR_DTR_RTS);
    tl_outb(UART_IER, IER_TRANSMITTER_EMPTY); /* it is empty: the line goes up */
    wait_for(1);
    tl_outb(UART_IER, 0);
    tl_check(handled == 1, "%u interrupts for one edge", handled);
}

static void timer(void)
{
    uint64_t start;

    /* One-shot; then the same count with the clock divided by 2. */
    handled = 0;
    apic_write(TL_APIC_TIMER_DIVIDE, 0xb); /* by 1 */
    apic_write(TL_APIC_LVT_TIMER, TIMER);
    start = tl_rdtsc();
    apic_write(TL_APIC_TIMER_INITIAL, COUNT); /* this write starts it */
    tl_check(apic_read(TL_APIC_TIMER_CURRENT) <= COUNT, "the count has grown");
    wait_for(1);
    LOG.one_shot_cycles = handled_at - start;
    tl_check(apic_read(TL_APIC_TIMER_CURRENT) == 0, "a one-shot timer goes on");

    apic_write(TL_APIC_TIMER_DIVIDE, 0x0); /* by 2 */
    start = tl_rdtsc();
    apic_write(TL_APIC_TIMER_INITIAL, COUNT);
    wait_for(2);
    LOG.one_shot_half_cycles = handled_at - start;

    /* Periodic. */
    handled = 0;
    apic_write(TL_APIC_TIMER_DIVIDE, 0xb);
    apic_write(TL_APIC_LVT_TIMER, LVT_PERIODIC | TIMER);
    apic_write(TL_APIC_TIMER_INITIAL, COUNT);
    wait_for(1);
    start = handled_at;
    wait_for(1 + PERIODS);
    LOG.period_cycles = (handled_at - start) / PERIODS;
    apic_write(TL_APIC_TIMER_INITIAL, 0); /* stops it */
    apic_write(TL_APIC_LVT_TIMER, LVT_MASKED | TIMER);

    /* TSC-deadline: the initial count means nothing, an MSR holds the time. */
    handled = 0;
    apic_write(TL_APIC_LVT_TIMER, LVT_TSC_DEADLINE | TIMER);
    __asm__ volatile("mfence" : : : "memory"); /* the store to the page is to come first (SDM vol. 3, 10.5.4.1) */
    LOG.deadline = tl_rdtsc() + 50000;
    tl_wrmsr(MSR_TSC_DEADLINE, LOG.deadline);
    wait_for(1);
    LOG.deadline_handled = handled_at;
    tl_check(handled_at >= LOG.deadline, "the deadline has come %lu cycles early", LOG.deadline - handled_at);
    tl_check(tl_rdmsr(MSR_TSC_DEADLINE) == 0, "the deadline is over and still armed");
    apic_write(TL_APIC_LVT_TIMER, LVT_MASKED | TIMER);
}

static void all(void)
{
    priorities();
    nesting();
    level();
    edge();
    timer();
}

static void never(void *argument)
{
    (void)argument;
}

static void prepare(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(0x8086, 0x100e, 0, &pci), "no e1000 (8086:100e) on the PCI bus");
    tl_pci_enable(&pci);
    nic = tl_pci_bar(&pci, 0);
    nic_gsi = tl_pci_interrupt_line(&pci);
    tl_write32(nic + NIC_IMC, 0xffffffff);
    tl_read32(nic + NIC_ICR);

    /* The kit switches the local APIC on and routes the two inputs; who handles them is our business. */
    nic_vector = tl_irq_register(nic_gsi, never, NULL);
    uart_vector = tl_irq_register_edge(UART_GSI, never, NULL);
    tl_trap_register(nic_vector, on_nic);
    tl_trap_register(uart_vector, on_uart);
    const uint8_t plain[] = {LOW, MIDDLE, HIGH, TIMER};
    for (unsigned i = 0; i < sizeof(plain); i++)
        tl_trap_register(plain[i], on_plain);
    a7_log.nic_vector = nic_vector;
    a7_log.uart_vector = uart_vector;
    tl_check(ioapic_entry(nic_gsi) & ENTRY_LEVEL, "a PCI pin has to be a level");
}

int main(void)
{
    prepare();
    tl_mark(XAPIC, 0);
    all();

    tl_check(tl_cpuid(1, 0).ecx & 1u << 21, "this CPU has no x2APIC: give the machine \"apic\": \"x2apic\"");
    tl_wrmsr(MSR_APIC_BASE, tl_rdmsr(MSR_APIC_BASE) | APIC_BASE_X2);
    mode = 1; /* from here on the page does not answer any more */
    apic_write(TL_APIC_SVR, 0x100 | SPURIOUS);
    tl_mark(X2APIC, 0);
    all();
    tl_mark(END, 0);
    ioapic_set_entry(nic_gsi, ENTRY_MASKED);

    for (unsigned i = 0; i < 2; i++)
        tl_printf("%s: %u interrupts, %u ends; one-shot %lu cycles, by two %lu, period %lu, %lu after the deadline\n",
                  i ? "x2APIC" : "xAPIC", a7_log.of[i].handled, a7_log.of[i].ends, a7_log.of[i].one_shot_cycles,
                  a7_log.of[i].one_shot_half_cycles, a7_log.of[i].period_cycles,
                  a7_log.of[i].deadline_handled - a7_log.of[i].deadline);
    return 0;
}
