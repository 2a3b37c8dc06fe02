/*
 * A driver for the 16550 UART from scratch (the kit has one of its own for tl_printf; this one shows how it is done).
 *
 * The UART is eight I/O ports. The transmitter takes one character at a time, so the driver polls the line status register
 * before each write: two port accesses per character, and two exits under a hypervisor. Paravirtual consoles exist to
 * avoid just this.
 */
#include "trapline.h"

#ifndef LINES
#define LINES 4
#endif

#define COM1 0x3f8

/* Registers, as offsets from the base port (PC16550D data sheet, table II). */
enum {
    THR = 0, /* transmitter holding register, write */
    DLL = 0, /* divisor latch low, while LCR.DLAB is set */
    IER = 1, /* interrupt enable */
    DLM = 1, /* divisor latch high, while LCR.DLAB is set */
    FCR = 2, /* FIFO control, write */
    LCR = 3, /* line control */
    MCR = 4, /* modem control */
    LSR = 5, /* line status */
    SCR = 7, /* scratch: remembers a byte, does nothing */
};

enum { LCR_8N1 = 0x03, LCR_DLAB = 0x80, LSR_THR_EMPTY = 0x20, LSR_ALL_SENT = 0x40, FCR_ENABLE_AND_CLEAR = 0x07 };

/* A UART that is there remembers what is written to its scratch register. */
static bool uart_present(void)
{
    tl_outb(COM1 + SCR, 0x5a);
    if (tl_inb(COM1 + SCR) != 0x5a)
        return false;
    tl_outb(COM1 + SCR, 0xa5);
    return tl_inb(COM1 + SCR) == 0xa5;
}

/* The clock is 1.8432 MHz and a bit takes 16 clocks: divisor = 115200 / baud. */
static void uart_start(unsigned baud)
{
    const uint16_t divisor = (uint16_t)(115200 / baud);
    tl_outb(COM1 + IER, 0); /* polling: no interrupts */
    tl_outb(COM1 + LCR, LCR_DLAB | LCR_8N1);
    tl_outb(COM1 + DLL, divisor & 0xff);
    tl_outb(COM1 + DLM, divisor >> 8);
    tl_outb(COM1 + LCR, LCR_8N1);
    tl_outb(COM1 + FCR, FCR_ENABLE_AND_CLEAR);
    tl_outb(COM1 + MCR, 0x03); /* DTR and RTS: we are here, and ready */
}

static void uart_send(char c)
{
    while (!(tl_inb(COM1 + LSR) & LSR_THR_EMPTY))
        tl_pause();
    tl_outb(COM1 + THR, c);
}

static void uart_send_text(const char *text)
{
    for (; *text; text++)
        uart_send(*text);
}

int main(void)
{
    if (!uart_present())
        return 2; /* nothing to print the reason with */
    uart_start(115200);

    for (unsigned line = 1; line <= LINES; line++) {
        tl_mark(line, 0);
        uart_send_text("line ");
        uart_send((char)('0' + line % 10));
        uart_send_text(" of the UART sample\r\n");
    }

    while (!(tl_inb(COM1 + LSR) & LSR_ALL_SENT)) /* the last character is out before the machine goes off */
        tl_pause();
    return 0;
}
