/* The last words of a guest that made a mistake. */
#include "trapline.h"
#include "kit.h"

static const char *const names[32] = {
    "#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound range exceeded",
    "#UD invalid opcode", "#NM device not available", "#DF double fault", "coprocessor segment overrun", "#TS invalid TSS",
    "#NP segment not present", "#SS stack-segment fault", "#GP general protection", "#PF page fault", "reserved",
    "#MF x87 floating-point error", "#AC alignment check", "#MC machine check", "#XM SIMD floating-point",
    "#VE virtualization", "#CP control protection",
};

static uint64_t read_cr2(void)
{
    uint64_t value;
    __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}

static uint64_t read_cr3(void)
{
    uint64_t value;
    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

static void explain(const struct tl_frame *frame)
{
    const uint64_t address = read_cr2();
    const uint64_t guard = (uint64_t)(uintptr_t)tl_stack_guard;

    if (frame->vector == 14) {
        tl_printf("  page fault: %s of address 0x%lx%s\n",
                  frame->error_code & 16 ? "instruction fetch" : frame->error_code & 2 ? "write" : "read", address,
                  address < 4096 ? " (a NULL pointer?)" : "");
    }
    if ((frame->vector == 8 || frame->vector == 14) && address - guard < 4096)
        tl_printf("  the stack has overflowed (64 KiB): recursion, or a large local array?\n");
}

_Noreturn void tl_exception(const struct tl_frame *frame)
{
    static bool dumping; /* a fault while printing must not print for ever */
    if (dumping)
        tl_exit(TL_EXIT_EXCEPTION);
    dumping = true;

    const char *name = frame->vector < 32 && names[frame->vector] ? names[frame->vector] : "unexpected interrupt";
    tl_printf("\nguest stopped on CPU %u: vector %lu, %s, error code 0x%lx\n", tl_cpu_id(), frame->vector, name,
              frame->error_code);
    explain(frame);
    tl_printf("  RIP %016lx  CS %04lx  RFLAGS %08lx\n", frame->rip, frame->cs, frame->rflags);
    tl_printf("  RAX %016lx  RBX %016lx  RCX %016lx\n", frame->rax, frame->rbx, frame->rcx);
    tl_printf("  RDX %016lx  RSI %016lx  RDI %016lx\n", frame->rdx, frame->rsi, frame->rdi);
    tl_printf("  RBP %016lx  RSP %016lx  R8  %016lx\n", frame->rbp, frame->rsp, frame->r8);
    tl_printf("  R9  %016lx  R10 %016lx  R11 %016lx\n", frame->r9, frame->r10, frame->r11);
    tl_printf("  R12 %016lx  R13 %016lx  R14 %016lx\n", frame->r12, frame->r13, frame->r14);
    tl_printf("  R15 %016lx  CR2 %016lx  CR3 %016lx\n", frame->r15, read_cr2(), read_cr3());
    tl_exit(TL_EXIT_EXCEPTION);
}

_Noreturn void tl_check_failed(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    tl_printf("%s:%d: check failed: ", file, line);
    va_start(arguments, format);
    tl_vprintf(format, arguments);
    va_end(arguments);
    tl_putc('\n');
    tl_exit(TL_EXIT_CHECK_FAILED);
}
