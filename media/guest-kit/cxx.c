/*
 * What a C++ compiler calls on its own account. Memory is never given back, and no destructor of a global object runs: a guest
 * ends by switching itself off. Each is weak, so that a guest may bring its own.
 */
#include "trapline.h"

#define WEAK __attribute__((weak))

/* operator new and new[]; the names are those of the Itanium C++ ABI (5.1), by which all compilers for ELF mangle. */
WEAK void *_Znwm(size_t size)
{
    return tl_alloc(size, 16);
}

WEAK void *_Znam(size_t size)
{
    return tl_alloc(size, 16);
}

/* operator delete and delete[], without and with the size. */
WEAK void _ZdlPv(void *pointer)
{
    (void)pointer;
}

WEAK void _ZdaPv(void *pointer)
{
    (void)pointer;
}

WEAK void _ZdlPvm(void *pointer, size_t size)
{
    (void)pointer;
    (void)size;
}

WEAK void _ZdaPvm(void *pointer, size_t size)
{
    (void)pointer;
    (void)size;
}

/* A virtual function that is called while its object is being made, and has no body yet (3.2.6 of the ABI). */
WEAK void __cxa_pure_virtual(void)
{
    tl_check(false, "a pure virtual function was called: by a constructor or destructor of its class?");
}

/* Registers the destructor of a global object (3.3.6.3). 0: done. */
WEAK int __cxa_atexit(void (*destructor)(void *), void *object, void *home)
{
    (void)destructor;
    (void)object;
    (void)home;
    return 0;
}

WEAK void *__dso_handle;
