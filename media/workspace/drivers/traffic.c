/*
 * The same traffic for every NIC: PACKETS frames of LENGTH bytes go to a peer that echoes them, BATCH at a time, and come back.
 * Which NIC that is, and what it costs, is the scenario's: compare them.
 *
 *   BATCH       frames put into the ring before the NIC is told of them
 *   WINDOW      frames that may be under way
 *   SUPPRESS    1: interrupts are off while the driver works on what has come, as Linux does (NAPI); 0: they are always on
 */
#include "traffic-nic.h"

#ifndef PACKETS
#define PACKETS 64
#endif
#ifndef LENGTH
#define LENGTH 60
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef WINDOW
#define WINDOW 32
#endif
#ifndef SUPPRESS
#define SUPPRESS 1
#endif

_Static_assert(LENGTH >= 60 && LENGTH <= FRAME_MAX, "a frame is 60 to 1514 bytes long");
_Static_assert(BATCH >= 1 && BATCH <= WINDOW, "a batch has to fit into the window");

enum { HEADER = 14, NUMBER_AT = HEADER };
enum { BEGIN = 1, END = 2 }; /* marks */

/* What was done; read by whoever checks the trace. */
struct {
    uint32_t sent, received, sleeps;
} traffic_log;

static uint8_t mac[6];
static volatile bool woken;

static void wake(void)
{
    woken = true;
}

/* Everything but the number of the frame, which is filled in for each. */
static void make_frame(uint8_t *frame)
{
    for (unsigned i = 0; i < 12; i++)
        frame[i] = mac[i % 6]; /* to ourselves, for the peer sends back what it gets */
    frame[12] = 0x88;          /* type 0x88b5: local experiment */
    frame[13] = 0xb5;
    for (unsigned i = HEADER; i < LENGTH; i++)
        frame[i] = (uint8_t)i;
}

/* Nothing is lost or overtaken on this network: frames come back in their order. */
static void check_frame(const uint8_t *frame, unsigned length)
{
    uint32_t number;
    memcpy(&number, frame + NUMBER_AT, sizeof(number));
    tl_check(length == LENGTH, "%u bytes came back of %u", length, (unsigned)LENGTH);
    tl_check(number == traffic_log.received, "frame %u came back when %u was due", number, traffic_log.received);
    tl_check(frame[LENGTH - 1] == (uint8_t)(LENGTH - 1), "frame %u came back changed", number);
    traffic_log.received++;
}

static void send_batches(uint8_t *frame)
{
    while (traffic_log.sent < PACKETS && traffic_log.sent - traffic_log.received + BATCH <= WINDOW) {
        for (unsigned i = 0; i < BATCH && traffic_log.sent < PACKETS; i++) {
            memcpy(frame + NUMBER_AT, &traffic_log.sent, sizeof(traffic_log.sent));
            tl_check(nic_send(frame, LENGTH), "the ring is full with %u frames under way",
                     traffic_log.sent - traffic_log.received);
            traffic_log.sent++;
        }
        nic_kick();
    }
}

/* Interrupts on, then one more look: what came before has not interrupted, what comes now does. */
static void sleep(void)
{
    if (SUPPRESS)
        nic_interrupts(true);
    tl_cli();
    if (!nic_has_frames() && !woken) {
        traffic_log.sleeps++;
        tl_wait_for_interrupt();
    }
    woken = false;
    tl_sti();
    if (SUPPRESS)
        nic_interrupts(false);
}

int main(void)
{
    uint8_t *frame = tl_alloc(LENGTH, 64);
    nic_start(mac, wake);
    tl_printf("MAC %02x:%02x:%02x:%02x:%02x:%02x, %u frames of %u bytes, %u at a time\n", mac[0], mac[1], mac[2], mac[3],
              mac[4], mac[5], (unsigned)PACKETS, (unsigned)LENGTH, (unsigned)BATCH);
    make_frame(frame);
    nic_interrupts(!SUPPRESS);

    tl_mark(BEGIN, PACKETS);
    while (traffic_log.received < PACKETS) {
        send_batches(frame);
        if (!nic_poll(check_frame))
            sleep();
    }
    tl_mark(END, traffic_log.received);

    tl_printf("all came back: %u kicks and %u spared, %u interrupts\n", nic_log.kicks, nic_log.kicks_kept, nic_log.interrupts);
    return 0;
}
