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
    bool left, zero, plus, space, prefix;
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

/* What stands before the digits: a sign, or 0x, or nothing. */
static const char *prefix_of(const struct conversion *how, uint64_t value, char letter, bool negative)
{
    if (letter == 'd')
        return negative ? "-" : how->plus ? "+" : how->space ? " " : "";
    if (!how->prefix || value == 0)
        return "";
    return letter == 'x' ? "0x" : letter == 'X' ? "0X" : "";
}

/* `letter` is d, u, x, X or o. */
static void put_number(const struct conversion *how, uint64_t value, char letter, bool negative)
{
    enum { DIGITS = 64 };
    const char *const digits = letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    const unsigned base = letter == 'o' ? 8 : letter == 'x' || letter == 'X' ? 16 : 10;
    const char *const prefix = prefix_of(how, value, letter, negative);
    const int prefix_length = strlen(prefix);
    char text[DIGITS + 2];
    int start = sizeof(text);
    for (; value; value /= base)
        text[--start] = digits[value % base];

    /* A number has at least one digit, or as many as the precision says; the flag 0 fills the width where none is given. */
    int wanted = how->precision >= 0 ? how->precision : how->zero && !how->left ? how->width - prefix_length : 1;
    if (wanted < 1 && how->precision != 0)
        wanted = 1;
    if (how->prefix && letter == 'o' && wanted <= (int)sizeof(text) - start)
        wanted = (int)sizeof(text) - start + 1;
    if (wanted > DIGITS)
        wanted = DIGITS;
    while ((int)sizeof(text) - start < wanted)
        text[--start] = '0';
    for (int i = prefix_length; i > 0; i--)
        text[--start] = prefix[i - 1];
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
        for (; *format == '-' || *format == '0' || *format == '+' || *format == ' ' || *format == '#'; format++) {
            how.left |= *format == '-';
            how.zero |= *format == '0';
            how.plus |= *format == '+';
            how.space |= *format == ' ';
            how.prefix |= *format == '#';
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
        int halves = 0;
        for (; *format == 'l' || *format == 'z' || *format == 'j' || *format == 't' || *format == 'h'; format++) {
            wide |= *format != 'h';
            halves += *format == 'h';
        }

        switch (*format) {
        case 'd':
        case 'i': {
            int64_t value = wide ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            if (halves)
                value = halves > 1 ? (int64_t)(int8_t)value : (int64_t)(int16_t)value;
            put_number(&how, value < 0 ? -(uint64_t)value : (uint64_t)value, 'd', value < 0);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'o': {
            uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            if (halves)
                value = halves > 1 ? (uint64_t)(uint8_t)value : (uint64_t)(uint16_t)value;
            put_number(&how, value, *format, false);
            break;
        }
        case 'p':
            tl_putc('0');
            tl_putc('x');
            put_number(&how, (uint64_t)(uintptr_t)va_arg(arguments, void *), 'x', false);
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
        case '%':
            tl_putc('%');
            break;
        default: /* how large its argument is is not known either: everything behind it would be wrong */
            tl_putc('\n');
            tl_check(false, "tl_printf has no conversion %%%c", *format);
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
