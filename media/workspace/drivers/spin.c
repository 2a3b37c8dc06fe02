/*
 * A guest that never ends and never touches a device: no exits of its own making. Use it to see what the host's timer tick
 * and the run's time limit do, and that a run can be stopped.
 */
#include "trapline.h"

int main(void)
{
    for (volatile uint64_t turns = 0;; turns++)
        continue;
}
