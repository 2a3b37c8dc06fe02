/* edu with messages (MSI), for e-interrupts.c: a factorial takes its time, and at its end the device interrupts. */
#include "e-device.h"

enum { EDU_VENDOR = 0x1234, EDU_DEVICE = 0x11e8 };
enum { FACTORIAL = 0x08, STATUS = 0x20, INTERRUPT_AFTER = 0x80, LONGEST_FACTORIAL = 34 };
enum { CAP_MSI = 5, MSI_CONTROL = 2, MSI_64 = 1 << 7, MSI_ENABLE = 1 };
#define MSI_ADDRESS 0xfee00000ul

static uint64_t edu;

void device_start(uint8_t vector)
{
    struct tl_pci pci;
    tl_check(tl_pci_find(EDU_VENDOR, EDU_DEVICE, 0, &pci), "no edu (1234:11e8) on the PCI bus");
    tl_pci_enable(&pci);
    edu = tl_pci_bar(&pci, 0);
    const unsigned at = tl_pci_capability(&pci, CAP_MSI);
    tl_check(at, "the device has no MSI");
    const uint16_t control = tl_pci_read16(&pci, at + MSI_CONTROL);
    tl_pci_write32(&pci, at + 4, (uint32_t)(MSI_ADDRESS | tl_apic_id() << 12));
    if (control & MSI_64)
        tl_pci_write32(&pci, at + 8, 0);
    tl_pci_write16(&pci, at + (control & MSI_64 ? 12 : 8), vector);
    tl_pci_write16(&pci, at + MSI_CONTROL, control | MSI_ENABLE);
    tl_write32(edu + STATUS, INTERRUPT_AFTER);
}

void device_fire(void)
{
    handled = 0;
    tl_write32(edu + FACTORIAL, LONGEST_FACTORIAL);
}

unsigned device_stream(unsigned packets)
{
    (void)packets;
    return 0;
}
