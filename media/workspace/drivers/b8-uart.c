/*
 * A 16550 UART driven by interrupts, with its FIFO: what the sample `uart` does by asking before each character.
 *
 * The UART interrupts when its transmitter is empty, and takes sixteen characters then. So a character costs one port access and
 * a sixteenth of an interrupt, instead of two accesses. Under a hypervisor both are exits, and the interrupt has more of them than
 * one: the cause is read, the end of interrupt written, and a sleeping vCPU woken.
 */
#include "trapline.h"

#ifndef LINES
#define LINES 4
#endif

enum { COM1 = 0x3f8, COM1_IRQ = 4 };
enum { THR = 0, DLL = 0, IER = 1, DLM = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
enum { IER_TRANSMITTER = 0x02, FCR_ENABLE_AND_CLEAR = 0x07, LCR_8N1 = 0x03, LCR_DLAB = 0x80 };
/* OUT2 opens the way of the interrupt to the bus, on a PC. */
enum { MCR_DTR_RTS = 0x03, MCR_OUT2 = 0x08 };
enum { IIR_NONE = 0x01, IIR_ID = 0x0e, IIR_TRANSMITTER = 0x02, LSR_ALL_SENT = 0x40 };
enum { FIFO = 16 };
enum { BEGIN = 1, END = 2 }; /* marks */

static const char text[] = "a line of the UART sample\r\n";

/* Read by whoever checks the trace. */
struct {
    uint32_t reads, writes; /* of ports of the UART, between the marks */
    uint32_t characters, interrupts, bursts;
} b8_uart_log;

#define UART_READ(reg) (b8_uart_log.reads++, tl_inb(COM1 + (reg)))
#define UART_WRITE(reg, value)                                                                                                   \
    do {                                                                                                                         \
        b8_uart_log.writes++;                                                                                                    \
        tl_outb(COM1 + (reg), value);                                                                                            \
    } while (0)

static const char *next;
static volatile bool done;

/* Fills the FIFO. When there is nothing more, the interrupt is switched off, or it would come for ever. */
static void fill(void)
{
    for (unsigned room = FIFO; room && *next; room--) {
        UART_WRITE(THR, *next++);
        b8_uart_log.characters++;
    }
    b8_uart_log.bursts++;
    if (!*next) {
        UART_WRITE(IER, 0);
        done = true;
    }
}

static void on_interrupt(void *argument)
{
    (void)argument;
    b8_uart_log.interrupts++;
    uint8_t why;
    while (!((why = UART_READ(IIR)) & IIR_NONE)) /* an edge: all causes have to be looked at, or none will come any more */
        if ((why & IIR_ID) == IIR_TRANSMITTER)
            fill();
}

static void send(const char *line)
{
    next = line;
    done = false;
    tl_cli();
    UART_WRITE(IER, IER_TRANSMITTER); /* the transmitter is empty: it interrupts at once */
    while (!done)
        tl_wait_for_interrupt();
    tl_sti();
}

int main(void)
{
    tl_outb(COM1 + IER, 0);
    tl_outb(COM1 + LCR, LCR_DLAB | LCR_8N1);
    tl_outb(COM1 + DLL, 1); /* 115200 baud */
    tl_outb(COM1 + DLM, 0);
    tl_outb(COM1 + LCR, LCR_8N1);
    tl_outb(COM1 + FCR, FCR_ENABLE_AND_CLEAR);
    tl_outb(COM1 + MCR, MCR_DTR_RTS | MCR_OUT2);
    tl_irq_register_edge(COM1_IRQ, on_interrupt, NULL);

    tl_mark(BEGIN, LINES);
    for (unsigned line = 0; line < LINES; line++)
        send(text);
    tl_mark(END, b8_uart_log.characters);

    while (!(tl_inb(COM1 + LSR) & LSR_ALL_SENT))
        tl_pause();
    return 0;
}
