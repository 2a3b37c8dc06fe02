/*
 * A guest that loses its interrupt descriptor table and then faults. The processor cannot deliver #UD without the table,
 * nor the double fault that follows from that, nor anything after it: a triple fault. A real computer resets; a hypervisor
 * gets the exit TRIPLE_FAULT and stops the guest.
 */
#include "trapline.h"

int main(void)
{
    const struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } nothing = {0, 0};

    tl_printf("loading an empty interrupt descriptor table\n");
    __asm__ volatile("lidt %0\n\t"
                     "ud2"
                     :
                     : "m"(nothing)
                     : "memory");
    return 1; /* never reached */
}
