/*
 * What a device offers to e-interrupts.c, which measures its interrupts without knowing whose they are: e-edu.c and e-ixgbe.c are two
 * drivers behind it.
 */
#ifndef E_DEVICE_H
#define E_DEVICE_H

#include "trapline.h"

/* Interrupts that were handled since the last device_fire, or since a packet of device_stream was taken. */
extern volatile unsigned handled;

/* Finds the device and has it interrupt by messages with this vector, to this CPU. */
void device_start(uint8_t vector);
/* One interrupt, some microseconds from now. */
void device_fire(void);
/* Packets as fast as this CPU takes them, each with an interrupt of its own. Returns how many: none of a device that has none. */
unsigned device_stream(unsigned packets);

#endif
