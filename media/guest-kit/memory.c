/* Memory: the bump allocator, and the functions that a C compiler calls on its own account. */
#include "trapline.h"
#include "kit.h"

void *tl_alloc(size_t size, size_t align)
{
    static uintptr_t next;
    if (next == 0)
        next = (uintptr_t)tl_image_end;
    tl_check(align != 0 && (align & (align - 1)) == 0, "tl_alloc: alignment %lu is not a power of two", align);

    const uintptr_t start = (next + align - 1) & ~(uintptr_t)(align - 1);
    tl_check(start >= next && start <= tl_ram_bytes && size <= tl_ram_bytes - start,
             "tl_alloc: out of memory (%lu bytes wanted, %lu MiB of RAM): give the VM more memoryMiB", size,
             tl_ram_bytes >> 20);
    next = start + size;
    memset((void *)start, 0, size);
    return (void *)start;
}

/* String instructions rather than loops: a compiler that knows memset would turn the loop of a memset into a call of memset. */
void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    void *cursor = to;
    size_t words = size / 8;
    size_t rest = size % 8;
    __asm__ volatile("rep movsq" : "+D"(cursor), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(cursor), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    void *cursor = to;
    size_t words = size / 8;
    size_t rest = size % 8;
    const uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
    __asm__ volatile("rep stosq" : "+D"(cursor), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(cursor), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size)
        return memcpy(to, from, size); /* going up never overtakes what is still to be read */
    uint8_t *target = to;
    const uint8_t *source = from;
    while (size--) {
        target[size] = source[size];
        __asm__ volatile("" : : : "memory"); /* or the compiler would make this loop a call of memmove */
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i])
            return left[i] - right[i];
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length]) {
        length++;
        __asm__ volatile("" : : : "memory");
    }
    return length;
}
