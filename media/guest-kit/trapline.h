/*
 * trapline.h - everything a small guest driver needs, and nothing that hides the hardware.
 *
 * A guest is a C (or freestanding C++) program that runs alone on a simulated x86-64 computer: no operating system, ring 0,
 * one address space where a pointer is also the physical address a device uses for DMA. Write `int main(void)`; what it
 * returns is the guest's exit code (0 means success).
 *
 * Every function that touches hardware is one real instruction (`mov`, `in`, `out`, `rdmsr`, `hlt`, `vmcall` ...), and that
 * instruction is what leaves the guest (a VM exit) when a hypervisor traps it. The accessors are macros on purpose:
 * the instruction then belongs to *your* source line, so the timeline leads to your driver and not into this header.
 *
 * Switches (give them as defines of the scenario, or before including this header):
 *   TL_NO_ACCESS_LOG   do not count accesses (see "Access log" below)
 *   TL_X2APIC=1        drive the local APIC by MSRs (x2APIC) instead of by memory (xAPIC)
 */
#ifndef TRAPLINE_H
#define TRAPLINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Also for C++ sources: C++ has other words for these two, and mangles names but for `extern "C"`. */
#ifdef __cplusplus
#define TL_NORETURN_ [[noreturn]]
#define TL_RESTRICT_ __restrict
extern "C" {
int main(void);
#else
#define TL_NORETURN_ _Noreturn
#define TL_RESTRICT_ restrict
#endif

/* ---- Access log --------------------------------------------------------------------------------------------------- */

/*
 * The kit counts each access it makes, so that what a trace claims can be checked against what the guest did. The log is
 * the global symbol `tl_access_log`; read it from guest memory after the run. All fields are little-endian. Counts are
 * *instructions executed*: one 64-bit MMIO access counts once, whatever the bus makes of it. A count is raised right before
 * its instruction, with one locked instruction, so that neither an interrupt nor another CPU can lose it.
 */
#define TL_ACCESS_LOG_MAGIC 0x474f4c54u /* the bytes "TLOG" */
#define TL_ACCESS_LOG_VERSION 1u
#define TL_ACCESS_LOG_ENTRIES 64u

/* Accesses to one 4 KiB page of memory-mapped registers, or to one I/O port. */
struct tl_access_counter {
    uint64_t address; /* physical address of the page, or the port number */
    uint64_t reads;
    uint64_t writes;
    uint64_t is_port; /* 1: address is a port */
};

struct tl_access_log {
    uint32_t magic;
    uint32_t version;
    uint32_t entries_used;
    uint32_t entries_size; /* TL_ACCESS_LOG_ENTRIES */
    uint64_t mmio_reads;
    uint64_t mmio_writes;
    uint64_t pio_reads; /* PCI configuration accesses are port accesses, and count here */
    uint64_t pio_writes;
    uint64_t msr_reads;
    uint64_t msr_writes;
    uint64_t cpuid;
    uint64_t hlt;
    uint64_t vmcalls;
    uint64_t entries_lost; /* accesses missing in `entries` because the table is full; the totals are right anyway */
    struct tl_access_counter entries[TL_ACCESS_LOG_ENTRIES];
};

extern struct tl_access_log tl_access_log;

/* Used by the macros below. */
void tl_log_mmio_read(uintptr_t address);
void tl_log_mmio_write(uintptr_t address);
void tl_log_port_read(uint16_t port);
void tl_log_port_write(uint16_t port);

#ifdef TL_NO_ACCESS_LOG
#define TL_LOG_(call) ((void)0)
#define TL_COUNT_(field) ((void)0)
#else
#define TL_LOG_(call) call
#define TL_COUNT_(field) __asm__ volatile("lock incq %0" : "+m"(tl_access_log.field) : : "cc")
#endif

/* ---- Memory-mapped registers -------------------------------------------------------------------------------------- */

#define TL_MMIO_READ_(type, mov, modifier, address)                                                                    \
    __extension__({                                                                                                    \
        const uintptr_t tl_address_ = (uintptr_t)(address);                                                            \
        type tl_value_;                                                                                                \
        TL_LOG_(tl_log_mmio_read(tl_address_));                                                                        \
        __asm__ volatile(mov " %1, %" modifier "0"                                                                     \
                         : "=r"(tl_value_)                                                                             \
                         : "m"(*(const volatile type *)tl_address_)                                                    \
                         : "memory");                                                                                  \
        tl_value_;                                                                                                     \
    })

#define TL_MMIO_WRITE_(type, mov, modifier, address, value)                                                            \
    __extension__({                                                                                                    \
        const uintptr_t tl_address_ = (uintptr_t)(address);                                                            \
        const type tl_value_ = (type)(value);                                                                          \
        TL_LOG_(tl_log_mmio_write(tl_address_));                                                                       \
        __asm__ volatile(mov " %" modifier "1, %0"                                                                     \
                         : "=m"(*(volatile type *)tl_address_)                                                         \
                         : "r"(tl_value_)                                                                              \
                         : "memory");                                                                                  \
    })

/* Read a register at `address` (a pointer or a number); the value is unsigned and as wide as the name says. */
#define tl_read8(address) TL_MMIO_READ_(uint8_t, "movb", "b", address)
#define tl_read16(address) TL_MMIO_READ_(uint16_t, "movw", "w", address)
#define tl_read32(address) TL_MMIO_READ_(uint32_t, "movl", "k", address)
#define tl_read64(address) TL_MMIO_READ_(uint64_t, "movq", "q", address)

/* Write a register. Memory written before is written before: a descriptor is complete when its doorbell rings. */
#define tl_write8(address, value) TL_MMIO_WRITE_(uint8_t, "movb", "b", address, value)
#define tl_write16(address, value) TL_MMIO_WRITE_(uint16_t, "movw", "w", address, value)
#define tl_write32(address, value) TL_MMIO_WRITE_(uint32_t, "movl", "k", address, value)
#define tl_write64(address, value) TL_MMIO_WRITE_(uint64_t, "movq", "q", address, value)

/* ---- I/O ports ---------------------------------------------------------------------------------------------------- */

#define TL_PORT_READ_(type, in, port)                                                                                  \
    __extension__({                                                                                                    \
        const uint16_t tl_port_ = (uint16_t)(port);                                                                    \
        type tl_value_;                                                                                                \
        TL_LOG_(tl_log_port_read(tl_port_));                                                                           \
        __asm__ volatile(in " %1, %0" : "=a"(tl_value_) : "Nd"(tl_port_) : "memory");                                  \
        tl_value_;                                                                                                     \
    })

#define TL_PORT_WRITE_(type, out, port, value)                                                                         \
    __extension__({                                                                                                    \
        const uint16_t tl_port_ = (uint16_t)(port);                                                                    \
        const type tl_value_ = (type)(value);                                                                          \
        TL_LOG_(tl_log_port_write(tl_port_));                                                                          \
        __asm__ volatile(out " %0, %1" : : "a"(tl_value_), "Nd"(tl_port_) : "memory");                                 \
    })

#define tl_inb(port) TL_PORT_READ_(uint8_t, "inb", port)
#define tl_inw(port) TL_PORT_READ_(uint16_t, "inw", port)
#define tl_inl(port) TL_PORT_READ_(uint32_t, "inl", port)
/* Port first, then the value. */
#define tl_outb(port, value) TL_PORT_WRITE_(uint8_t, "outb", port, value)
#define tl_outw(port, value) TL_PORT_WRITE_(uint16_t, "outw", port, value)
#define tl_outl(port, value) TL_PORT_WRITE_(uint32_t, "outl", port, value)

/* ---- Special instructions ----------------------------------------------------------------------------------------- */

/* Model-specific register; an MSR that does not exist raises #GP. */
#define tl_rdmsr(msr)                                                                                                  \
    __extension__({                                                                                                    \
        const uint32_t tl_msr_ = (msr);                                                                                \
        uint32_t tl_low_, tl_high_;                                                                                    \
        TL_COUNT_(msr_reads);                                                                                          \
        __asm__ volatile("rdmsr" : "=a"(tl_low_), "=d"(tl_high_) : "c"(tl_msr_) : "memory");                           \
        (uint64_t)tl_high_ << 32 | tl_low_;                                                                            \
    })

#define tl_wrmsr(msr, value)                                                                                           \
    __extension__({                                                                                                    \
        const uint32_t tl_msr_ = (msr);                                                                                \
        const uint64_t tl_value_ = (value);                                                                            \
        TL_COUNT_(msr_writes);                                                                                         \
        __asm__ volatile("wrmsr"                                                                                       \
                         :                                                                                             \
                         : "c"(tl_msr_), "a"((uint32_t)tl_value_), "d"((uint32_t)(tl_value_ >> 32))                    \
                         : "memory");                                                                                  \
    })

struct tl_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

/* Always leaves a guest: VMX traps CPUID unconditionally. */
#define tl_cpuid(leaf, subleaf)                                                                                        \
    __extension__({                                                                                                    \
        struct tl_cpuid tl_regs_;                                                                                      \
        TL_COUNT_(cpuid);                                                                                              \
        __asm__ volatile("cpuid"                                                                                       \
                         : "=a"(tl_regs_.eax), "=b"(tl_regs_.ebx), "=c"(tl_regs_.ecx), "=d"(tl_regs_.edx)              \
                         : "a"(leaf), "c"(subleaf)                                                                     \
                         : "memory");                                                                                  \
        tl_regs_;                                                                                                      \
    })

/* The time-stamp counter, in cycles. */
#define tl_rdtsc()                                                                                                     \
    __extension__({                                                                                                    \
        uint32_t tl_low_, tl_high_;                                                                                    \
        __asm__ volatile("rdtsc" : "=a"(tl_low_), "=d"(tl_high_) : : "memory");                                        \
        (uint64_t)tl_high_ << 32 | tl_low_;                                                                            \
    })

#define tl_cli() __asm__ volatile("cli" : : : "memory")
#define tl_sti() __asm__ volatile("sti" : : : "memory")
#define tl_pause() __asm__ volatile("pause" : : : "memory")

/* Halts with the interrupt flag as it is. With interrupts off only an NMI would end it. */
#define tl_hlt()                                                                                                       \
    __extension__({                                                                                                    \
        TL_COUNT_(hlt);                                                                                                \
        __asm__ volatile("hlt" : : : "memory");                                                                        \
    })

/*
 * Sleeps until an interrupt has been handled. Call with interrupts off, after looking whether there is anything to wait
 * for; returns with interrupts off:
 *
 *     tl_cli();
 *     while (!done)
 *         tl_wait_for_interrupt();
 *     tl_sti();
 *
 * STI takes effect only after the instruction that follows it (SDM vol. 2, STI). So an interrupt that arrives between the
 * look and the HLT stays pending until HLT executes, and wakes it. With interrupts on during the look it could be handled
 * right before HLT, and the guest would sleep although its work is done: the classic lost wake-up.
 */
#define tl_wait_for_interrupt()                                                                                        \
    __extension__({                                                                                                    \
        TL_COUNT_(hlt);                                                                                                \
        __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");                                                          \
    })

/* RAX of a VMCALL that leaves a mark: "TRAP". */
#define TL_VMCALL_MARK 0x54524150ul

/* Leaves a mark in the trace: a flag on the timeline with a number of yours and a value. */
#define tl_mark(id, value)                                                                                             \
    __extension__({                                                                                                    \
        uint64_t tl_rax_ = TL_VMCALL_MARK;                                                                             \
        const uint64_t tl_id_ = (uint64_t)(id);                                                                        \
        const uint64_t tl_value_ = (uint64_t)(value);                                                                  \
        TL_COUNT_(vmcalls);                                                                                            \
        __asm__ volatile("vmcall" : "+a"(tl_rax_) : "b"(tl_id_), "c"(tl_value_) : "memory");                           \
    })

/* ---- Ending ------------------------------------------------------------------------------------------------------- */

#define TL_EXIT_PORT 0xf4         /* a 32-bit write ends the guest with that exit code */
#define TL_EXIT_EXCEPTION 0xee    /* exit code after an exception, whose registers were printed */
#define TL_EXIT_CHECK_FAILED 1    /* exit code after a failed tl_check */

/* Ends the guest with an exit code; 0 is success. */
TL_NORETURN_ void tl_exit(uint32_t code);

/* Prints `file:line: check failed: <message>` and ends the guest with TL_EXIT_CHECK_FAILED. Used by tl_check. */
TL_NORETURN_ void tl_check_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the guest with a message (like tl_printf) when the condition does not hold. */
#define tl_check(condition, ...)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            tl_check_failed(__FILE__, __LINE__, __VA_ARGS__);                                                          \
    } while (0)

/* ---- Printing ----------------------------------------------------------------------------------------------------- */

/*
 * Prints to the 16550 UART at port 0x3F8, one character at a time: a read of the line status until the transmitter is free,
 * then a write. That is at least two port accesses (and under a hypervisor two exits) for each character.
 *
 * Knows %d %i %u %x %X %o %p %s %c %%, the sizes hh h l ll z j t, the flags - 0 + # and space, a width and a precision (numbers
 * or *). Any other conversion ends the guest with a message.
 */
void tl_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void tl_vprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
/* One character; a newline becomes carriage return and newline. */
void tl_putc(char c);

/* ---- Memory ------------------------------------------------------------------------------------------------------- */

/* Bytes of RAM, from physical address 0. */
extern uint64_t tl_ram_bytes;

/*
 * Memory for rings and buffers: zeroed, at a multiple of `align` (a power of two), never freed. The pointer is also the
 * physical address. Ends the guest with a message when RAM is used up.
 */
void *tl_alloc(size_t size, size_t align);

/* A pointer as the address that a device uses for DMA: the kit maps all memory one to one. */
static inline uint64_t tl_physical(const volatile void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

void *memcpy(void *TL_RESTRICT_ to, const void *TL_RESTRICT_ from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

/* ---- PCI ---------------------------------------------------------------------------------------------------------- */

/* Configuration space registers (PCI Local Bus Specification 3.0, 6.1). */
#define TL_PCI_COMMAND 0x04
#define TL_PCI_STATUS 0x06
#define TL_PCI_BAR0 0x10
#define TL_PCI_CAPABILITIES 0x34
#define TL_PCI_INTERRUPT_LINE 0x3c
#define TL_PCI_INTERRUPT_PIN 0x3d

/* Bits of the command register. */
#define TL_PCI_COMMAND_IO 0x1
#define TL_PCI_COMMAND_MEMORY 0x2
#define TL_PCI_COMMAND_MASTER 0x4
#define TL_PCI_COMMAND_INTX_DISABLE 0x400

/* A function on the PCI bus. */
struct tl_pci {
    uint8_t bus, device, function;
    uint16_t vendor_id, device_id;
    /* Of a virtual function (trapline-sriov.h): its number, and where it belongs to. NULL: it is a physical one. */
    uint16_t vf;
    const struct tl_sriov *sriov;
};

/* Looks for the `index`-th (from 0) function with these ids on all buses; false when there is none. */
bool tl_pci_find(uint16_t vendor_id, uint16_t device_id, unsigned index, struct tl_pci *found);

/* Read and write configuration space by ports 0xCF8 and 0xCFC; the offset is a multiple of the size. */
uint8_t tl_pci_read8(const struct tl_pci *pci, unsigned offset);
uint16_t tl_pci_read16(const struct tl_pci *pci, unsigned offset);
uint32_t tl_pci_read32(const struct tl_pci *pci, unsigned offset);
void tl_pci_write8(const struct tl_pci *pci, unsigned offset, uint8_t value);
void tl_pci_write16(const struct tl_pci *pci, unsigned offset, uint16_t value);
void tl_pci_write32(const struct tl_pci *pci, unsigned offset, uint32_t value);

/* Address of base address register 0..5: of memory, or of ports. The flag bits are taken off; 64-bit BARs are whole. */
uint64_t tl_pci_bar(const struct tl_pci *pci, unsigned bar);
/* Switches on memory and port decoding and bus mastering (DMA). */
void tl_pci_enable(const struct tl_pci *pci);
/* The IOAPIC input that the function's INTx pin is wired to, as the firmware wrote it into the interrupt line register. */
unsigned tl_pci_interrupt_line(const struct tl_pci *pci);
/* Offset of the capability with this id (5 MSI, 0x11 MSI-X, 9 vendor), 0 when the function has none. */
unsigned tl_pci_capability(const struct tl_pci *pci, uint8_t id);
/* Offset of the next one with that id behind the one at `offset`, 0 when there is none. */
unsigned tl_pci_next_capability(const struct tl_pci *pci, unsigned offset, uint8_t id);
/*
 * MSI-X (PCI Local Bus Specification 3.0, 6.8.2): writes entry `entry` of the function's table so that it sends `vector` (see
 * tl_irq_vector) to this CPU, unmasks it and switches MSI-X on, which silences INTx. False: there is no such entry.
 */
bool tl_pci_msix(const struct tl_pci *pci, unsigned entry, uint8_t vector);

/* ---- Interrupts --------------------------------------------------------------------------------------------------- */

/* Runs with interrupts off, on the interrupted code's stack. The kit signals end of interrupt after it returns. */
typedef void (*tl_irq_handler)(void *argument);

/*
 * Routes an IOAPIC input ("global system interrupt") to a handler on this CPU and unmasks it; returns the vector. The first
 * call also masks the 8259s and enables the local APIC. Interrupts are still off until tl_sti or tl_wait_for_interrupt.
 * A PCI pin is level-triggered and active low: the handler must quiet the device, or the interrupt comes again at once.
 */
uint8_t tl_irq_register(unsigned gsi, tl_irq_handler handler, void *argument);
/* The same for an edge-triggered, active high input of the old ISA devices (UART: 4). */
uint8_t tl_irq_register_edge(unsigned gsi, tl_irq_handler handler, void *argument);
/* A vector of its own for a handler, for interrupts that do not come by the IOAPIC (MSI, IPI). */
uint8_t tl_irq_vector(tl_irq_handler handler, void *argument);
/* Masks (true) or unmasks an IOAPIC input that has a handler. */
void tl_irq_mask(unsigned gsi, bool masked);

/* Identifier of this CPU's local APIC: the destination of an MSI. */
uint32_t tl_apic_id(void);

/* Local APIC registers, as offsets of the xAPIC page (SDM vol. 3, table 10-1); with TL_X2APIC their MSRs are used. */
#define TL_APIC_ID 0x20
#define TL_APIC_TPR 0x80
#define TL_APIC_EOI 0xb0
#define TL_APIC_SVR 0xf0
#define TL_APIC_ICR 0x300
#define TL_APIC_ICR_HIGH 0x310 /* xAPIC only: the destination, in bits 24..31 */
#define TL_APIC_LVT_TIMER 0x320
#define TL_APIC_TIMER_INITIAL 0x380
#define TL_APIC_TIMER_CURRENT 0x390
#define TL_APIC_TIMER_DIVIDE 0x3e0
uint32_t tl_apic_read(uint32_t offset);
void tl_apic_write(uint32_t offset, uint32_t value);

/* Starts the local APIC timer: an interrupt every `ticks` of its clock (periodic), or one (not periodic). */
void tl_timer_start(uint32_t ticks, bool periodic, tl_irq_handler handler, void *argument);
void tl_timer_stop(void);

/* ---- Several CPUs --------------------------------------------------------------------------------------------------- */

/*
 * A VM with `vcpus` above 1 boots on CPU 0 alone; the others wait for the guest to start them. `id` is that of the local APIC:
 * 0, 1, 2 ... Everything is shared but registers, stack and local APIC: also the handlers, which run on the CPU that the
 * interrupt goes to. The kit's own functions (tl_alloc, tl_irq_*, tl_printf) are for one CPU at a time.
 */

/*
 * Starts a CPU, by INIT and a start-up IPI, on a stack of its own (16 KiB, no guard page) with interrupts off, and returns when
 * it is about to run `function`. A CPU whose function returns halts for ever. Ends the guest with a message when there is no
 * such CPU.
 */
void tl_start_ap(uint32_t id, void (*function)(void));
/* Interrupts a CPU: the handler of `vector` (see tl_irq_vector) runs there. */
void tl_send_ipi(uint32_t id, uint8_t vector);
/* The CPU this runs on. Reads memory, no device: it costs no exit. */
uint32_t tl_cpu_id(void);

/* Excludes other CPUs, not interrupts on this one: switch those off where a handler takes the same lock. Zero is free. */
struct tl_spinlock {
    volatile uint32_t taken;
};

static inline void tl_spin_lock(struct tl_spinlock *lock)
{
    uint32_t taken = 1;
    for (;;) {
        __asm__ volatile("xchgl %0, %1" : "+r"(taken), "+m"(lock->taken) : : "memory"); /* locked by its nature */
        if (!taken)
            return;
        while (lock->taken) /* look without writing: the cache line stays shared until it is worth trying */
            tl_pause();
    }
}

static inline void tl_spin_unlock(struct tl_spinlock *lock)
{
    __asm__ volatile("movl $0, %0" : "=m"(lock->taken) : : "memory"); /* stores are not reordered with older ones on x86 */
}

#ifdef __cplusplus
}
#endif

#endif
