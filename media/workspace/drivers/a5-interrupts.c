/*
 * One interrupt from all sides: pending, in service, masked, and taken at CPL 3.
 *
 * The local APIC has a bit for each of the 256 vectors in two registers: in the IRR while an interrupt is pending, in the ISR
 * while it is in service, that is from its delivery to the write to EOI. The processor takes it between two instructions when
 * RFLAGS.IF is 1. It then looks up the vector's gate in the IDT, and
 *
 *   - when the gate's code segment is more privileged than the interrupted code, takes a new stack from the TSS (RSP0),
 *   - pushes SS, RSP, RFLAGS, CS and RIP,
 *   - clears IF, because the gate is an interrupt gate (a trap gate would not),
 *   - and goes on at the gate's address. IRETQ takes all that back.  (SDM vol. 3, 6.12 and 6.14.)
 *
 * The handler here is a trap handler of the kit: it sees the frame, and checks each of these.
 */
#include "trapline-privilege.h"

#ifndef ROUNDS
#define ROUNDS 4
#endif
#ifndef USER_ROUNDS
#define USER_ROUNDS 6 /* interrupts taken at CPL 3 */
#endif

enum { APIC_ISR = 0x100, APIC_IRR = 0x200 };
enum { ICR_SELF = 1 << 18 }; /* shorthand: to the CPU that sends */
enum { NIC_ICR = 0x00c0, NIC_ICS = 0x00c8, NIC_IMS = 0x00d0, NIC_IMC = 0x00d8, NIC_CAUSE_LINK = 1 << 2 };
enum { RFLAGS_IF = 0x200, TIMER_TICKS = 20000 };
/* Marks. */
enum { PENDING = 1, IN_SERVICE = 2, MASKED = 3, UNMASKED = 4, AT_CPL_3 = 5 };

static uint8_t self_vector, timer_vector, nic_vector;
static uint64_t nic;
static volatile unsigned handled;

/* What was seen; read by whoever checks the trace. */
struct {
    uint32_t from_ring_0, from_cpl_3;
    uint32_t seen_pending;    /* looks at the IRR that found the vector there, with interrupts off */
    uint32_t seen_in_service; /* looks at the ISR, within a handler */
    uint32_t seen_masked;     /* the device asks, and neither register knows */
    uint32_t self_vector, timer_vector, nic_vector;
} a5_log;

/* The bit of a vector: 32 of them in each register, the registers 16 bytes apart. */
static bool apic_bit(uint32_t first, uint8_t vector)
{
    return tl_apic_read(first + vector / 32 * 0x10) >> vector % 32 & 1;
}

static uint64_t flags_now(void)
{
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
    return flags;
}

static void check_frame(const struct tl_frame *frame)
{
    const struct tl_stack user = tl_user_stack(), trap = tl_user_trap_stack();
    const uint64_t here = tl_physical(frame);
    tl_check(frame->rflags & RFLAGS_IF, "the interrupted code had interrupts off");
    tl_check(!(flags_now() & RFLAGS_IF), "an interrupt gate has left IF set");
    if ((frame->cs & 3) == 3) {
        a5_log.from_cpl_3++;
        tl_check((frame->ss & 3) == 3, "SS 0x%lx of code at CPL 3", frame->ss);
        tl_check(frame->rsp > user.base && frame->rsp <= user.top, "RSP 0x%lx is not of the user stack", frame->rsp);
        tl_check(here >= trap.base && here < trap.top, "the frame, at 0x%lx, is not on the stack of the TSS", here);
    } else {
        a5_log.from_ring_0++;
        /* No other stack for the same privilege: the frame, and what the stub has pushed, lie right below (aligned to 16). */
        tl_check(frame->rsp - here <= sizeof(*frame) + 8, "the frame, at 0x%lx, is far from RSP 0x%lx", here, frame->rsp);
    }
}

/* Any of the three vectors. */
static bool on_interrupt(struct tl_frame *frame)
{
    const uint8_t vector = (uint8_t)frame->vector;
    check_frame(frame);
    tl_check(apic_bit(APIC_ISR, vector), "vector 0x%x is handled, but not in service", vector);
    tl_check(!apic_bit(APIC_IRR, vector), "vector 0x%x is handled and still pending", vector);
    a5_log.seen_in_service++;
    tl_mark(IN_SERVICE, vector);

    if (vector == nic_vector)
        tl_read32(nic + NIC_ICR); /* quiets the device: its line goes down */
    handled++;
    tl_apic_write(TL_APIC_EOI, 0);
    tl_check(!apic_bit(APIC_ISR, vector), "vector 0x%x is in service after its EOI", vector);
    return true;
}

/* With interrupts off an interrupt waits in the IRR. */
static void pending(void)
{
    for (unsigned i = 1; i <= ROUNDS; i++) {
        tl_cli();
        handled = 0;
        tl_apic_write(TL_APIC_ICR, ICR_SELF | self_vector);
        while (!apic_bit(APIC_IRR, self_vector))
            tl_pause();
        tl_check(!apic_bit(APIC_ISR, self_vector), "in service with interrupts off");
        a5_log.seen_pending++;
        tl_mark(PENDING, self_vector);
        tl_check(!handled, "handled with interrupts off");
        tl_sti();
        while (!handled)
            tl_pause();
    }
}

/* Masked in the IOAPIC: the device asks, and the local APIC hears nothing of it until the input is unmasked. */
static void masked(unsigned gsi)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        handled = 0;
        tl_irq_mask(gsi, true);
        tl_write32(nic + NIC_ICS, NIC_CAUSE_LINK);
        tl_read32(nic + 8); /* a read comes back behind the write: the device has seen it */
        tl_check(!apic_bit(APIC_IRR, nic_vector) && !handled, "a masked interrupt has come");
        a5_log.seen_masked++;
        tl_mark(MASKED, gsi);
        tl_irq_mask(gsi, false); /* the line is still up, and level-triggered: now it comes */
        while (!handled)
            tl_pause();
        tl_mark(UNMASKED, gsi);
    }
}

/* Runs at CPL 3, and has nothing to do but wait. */
static uint64_t wait_at_cpl_3(void *unused)
{
    (void)unused;
    uint64_t turns = 0;
    while (!handled)
        turns++;
    return turns;
}

static void at_cpl_3(void)
{
    for (unsigned i = 0; i < USER_ROUNDS; i++) {
        handled = 0;
        tl_mark(AT_CPL_3, i);
        tl_apic_write(TL_APIC_TIMER_INITIAL, TIMER_TICKS); /* one interrupt, after this many ticks */
        const struct tl_user_end end = tl_user_run(wait_at_cpl_3, NULL);
        tl_check(end.vector == TL_USER_VECTOR, "exception %lu at CPL 3", end.vector);
        tl_check(end.value > 0, "the interrupt came before CPL 3");
    }
}

/* A trap handler is asked first, so the kit's own handler of the vector is never called. */
static void never(void *argument)
{
    (void)argument;
}

int main(void)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(0x8086, 0x100e, 0, &pci), "no e1000 (8086:100e) on the PCI bus");
    tl_pci_enable(&pci);
    nic = tl_pci_bar(&pci, 0);
    const unsigned gsi = tl_pci_interrupt_line(&pci);
    tl_write32(nic + NIC_IMC, 0xffffffff);
    tl_read32(nic + NIC_ICR);

    self_vector = tl_irq_vector(never, NULL);
    timer_vector = tl_irq_vector(never, NULL);
    nic_vector = tl_irq_register(gsi, never, NULL);
    tl_trap_register(self_vector, on_interrupt);
    tl_trap_register(timer_vector, on_interrupt);
    tl_trap_register(nic_vector, on_interrupt);
    tl_apic_write(TL_APIC_TIMER_DIVIDE, 0xb); /* by 1 */
    tl_apic_write(TL_APIC_LVT_TIMER, timer_vector);
    a5_log.self_vector = self_vector;
    a5_log.timer_vector = timer_vector;
    a5_log.nic_vector = nic_vector;

    pending();
    tl_write32(nic + NIC_IMS, NIC_CAUSE_LINK);
    masked(gsi);
    at_cpl_3();
    tl_cli();

    tl_printf("%u interrupts in ring 0, %u at CPL 3; pending %u times, in service %u, masked %u\n", a5_log.from_ring_0,
              a5_log.from_cpl_3, a5_log.seen_pending, a5_log.seen_in_service, a5_log.seen_masked);
    return 0;
}
