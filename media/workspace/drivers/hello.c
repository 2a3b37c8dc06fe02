/*
 * The smallest guest: print one line and stop.
 *
 * Watch the port accesses in the timeline: every character is at least one read of the UART's line status and one write
 * of the character, and under a hypervisor each of them is a VM exit that goes all the way to user space.
 */
#include "trapline.h"

int main(void)
{
    tl_mark(1, 0);
    tl_printf("Hello from the guest: %lu MiB of RAM\n", tl_ram_bytes >> 20);
    tl_mark(2, 0);
    return 0;
}
