/*
 * What a network driver offers to traffic.c, which sends and receives without knowing whose NIC it is: traffic-e1000.c and
 * traffic-virtio.c are two drivers behind it.
 */
#ifndef TRAFFIC_NIC_H
#define TRAFFIC_NIC_H

#include "trapline.h"

enum { FRAME_MAX = 1514 };

/* What a driver counts of what it does; read by whoever checks the trace. */
struct nic_log {
    uint32_t kicks;      /* the NIC was told that there are frames to send */
    uint32_t kicks_kept; /* it had said that it need not be told */
    uint32_t refills;    /* it was told that there are buffers to receive into */
    uint32_t refills_kept;
    uint32_t interrupts; /* handled */
};
extern struct nic_log nic_log;

/* Finds the NIC and starts it; `woken` is called by its interrupt handler. */
void nic_start(uint8_t mac[6], void (*woken)(void));
/* Puts a frame into the transmit ring; false: there is no room. The NIC sees nothing of it before nic_kick. */
bool nic_send(const void *frame, unsigned length);
/* Tells the NIC of the frames put there since the last time. */
void nic_kick(void);
/* Takes back what has been sent, hands over each frame that has come, and gives its buffer to the NIC again. Returns how many. */
unsigned nic_poll(void (*received)(const uint8_t *frame, unsigned length));
/* Whether nic_poll would find a frame. Looks at memory only. */
bool nic_has_frames(void);
/* Whether the NIC interrupts for frames that come. */
void nic_interrupts(bool wanted);

#endif
