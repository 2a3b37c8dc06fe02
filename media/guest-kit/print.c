/* Printing to the 16550 UART. */
#include "trapline.h"

#define UART 0x3f8
enum { DATA = 0, INTERRUPT_ENABLE = 1, FIFO_CONTROL = 2, LINE_CONTROL = 3, MODEM_CONTROL = 4, LINE_STATUS = 5 };
enum { TRANSMITTER_EMPTY = 0x20 };

/* 115200 baud, 8 data bits, no parity, one stop bit, no interrupts. */
static void start_uart(void)
{
    tl_outb(UART + INTERRUPT_ENABLE, 0);
    tl_outb(UART + LINE_CONTROL, 0x80); /* the next two registers are the baud rate divisor */
    tl_outb(UART + DATA, 1);
    tl_outb(UART + INTERRUPT_ENABLE, 0);
    tl_outb(UART + LINE_CONTROL, 0x03);
    tl_outb(UART + FIFO_CONTROL, 0x07);
    tl_outb(UART + MODEM_CONTROL, 0x03);
}

static void send(char c)
{
    while (!(tl_inb(UART + LINE_STATUS) & TRANSMITTER_EMPTY))
        tl_pause();
    tl_outb(UART + DATA, c);
}

void tl_putc(char c)
{
    /* At the first character, not at boot: a guest that prints nothing has no port exits to explain. */
    static bool started;
    if (!started) {
        started = true;
        start_uart();
    }
    if (c == '\n')
        send('\r');
    send(c);
}

/* One conversion of a format: %[flags][width][.precision][size]letter. */
struct conversion {
    bool left, zero;
    int width, precision; /* precision -1: none given */
};

static void put_padded(const struct conversion *how, const char *text, int length)
{
    const int padding = how->width - length;
    for (int i = 0; !how->left && i < padding; i++)
        tl_putc(' ');
    for (int i = 0; i < length; i++)
        tl_putc(text[i]);
    for (int i = 0; how->left && i < padding; i++)
        tl_putc(' ');
}

static void put_number(const struct conversion *how, uint64_t value, bool negative, unsigned base, bool upper)
{
    const char *const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[80];
    int start = sizeof(text);
    do {
        text[--start] = digits[value % base];
        value /= base;
    } while (value);

    int zeros = how->zero && !how->left ? how->width - negative : 0;
    if (zeros > 64)
        zeros = 64;
    while ((int)sizeof(text) - start < zeros)
        text[--start] = '0';
    if (negative)
        text[--start] = '-';
    put_padded(how, text + start, sizeof(text) - start);
}

static int read_number(const char **format, va_list *arguments)
{
    int number = 0;
    if (**format == '*') {
        (*format)++;
        return va_arg(*arguments, int);
    }
    while (**format >= '0' && **format <= '9')
        number = number * 10 + *(*format)++ - '0';
    return number;
}

static void put_string(const struct conversion *how, const char *text)
{
    int length = 0;
    if (!text)
        text = "(null)";
    while (length != how->precision && text[length])
        length++;
    put_padded(how, text, length);
}

void tl_vprintf(const char *format, va_list original)
{
    va_list arguments;
    va_copy(arguments, original);
    for (; *format; format++) {
        if (*format != '%') {
            tl_putc(*format);
            continue;
        }
        format++;
        struct conversion how = {.precision = -1};
        for (; *format == '-' || *format == '0'; format++) {
            how.left |= *format == '-';
            how.zero |= *format == '0';
        }
        how.width = read_number(&format, &arguments);
        if (how.width < 0) {
            how.left = true;
            how.width = -how.width;
        }
        if (*format == '.') {
            format++;
            how.precision = read_number(&format, &arguments);
        }
        bool wide = false;
        for (; *format == 'l' || *format == 'z' || *format == 'h'; format++)
            wide |= *format != 'h';

        switch (*format) {
        case 'd':
        case 'i': {
            const int64_t value = wide ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            put_number(&how, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0, 10, false);
            break;
        }
        case 'u':
        case 'x':
        case 'X': {
            const uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(&how, value, false, *format == 'u' ? 10 : 16, *format == 'X');
            break;
        }
        case 'p':
            tl_putc('0');
            tl_putc('x');
            put_number(&how, (uint64_t)(uintptr_t)va_arg(arguments, void *), false, 16, false);
            break;
        case 's':
            put_string(&how, va_arg(arguments, const char *));
            break;
        case 'c': {
            const char c = (char)va_arg(arguments, int);
            put_padded(&how, &c, 1);
            break;
        }
        case '\0':
            va_end(arguments);
            return;
        default: /* %% and what is not known: as it stands */
            tl_putc(*format);
        }
    }
    va_end(arguments);
}

void tl_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tl_vprintf(format, arguments);
    va_end(arguments);
}
