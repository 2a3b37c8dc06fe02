/*
 * trapline-sriov.h - the extended configuration space of PCI Express, and a PF driver's way to virtual functions (PCI Express
 * Base Specification 6.0, chapter 9).
 *
 *     struct tl_sriov sriov;
 *     struct tl_pci vf;
 *     tl_check(tl_sriov_find(&nic, &sriov), "no SR-IOV");
 *     tl_check(tl_sriov_enable(&sriov, 4), "it has not so many virtual functions");
 *     tl_sriov_vf(&sriov, 2, &vf);                            the third one, for all that tl_pci_... does
 *     tl_pci_enable(&vf);                                     it may be a bus master
 *     tl_pci_msix(&vf, 0, tl_irq_vector(handler));
 */
#ifndef TRAPLINE_SRIOV_H
#define TRAPLINE_SRIOV_H

#include "trapline.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Address of a byte of the function's configuration space, of which all 4096 are memory (ECAM); 0: the firmware's MCFG table tells of
 * none for its bus.
 */
uint64_t tl_pci_ecam(const struct tl_pci *pci, unsigned offset);
/* Offset of the extended capability with this id (0x10 SR-IOV, 0xe ARI, 0xf ATS), 0 when the function has none. */
unsigned tl_pci_extended_capability(const struct tl_pci *pci, uint16_t id);

enum { TL_VF_BARS = 6 };

/* The SR-IOV capability of a physical function. */
struct tl_sriov {
    struct tl_pci pci;
    uint64_t registers; /* address of the capability in ECAM */
    uint16_t total;     /* virtual functions that it can have */
    uint64_t bases[TL_VF_BARS], sizes[TL_VF_BARS]; /* of the first one's BARs; size 0: there is no such BAR */
};

/* Looks for the capability and sizes the BARs; no virtual function is enabled before. False: there is none. */
bool tl_sriov_find(const struct tl_pci *pci, struct tl_sriov *sriov);
/*
 * Puts this many virtual functions onto the bus, with their BARs; 0 takes all away. On a real machine software then waits 100 ms
 * (9.3.3.3.1), here they answer at once. False: it can have fewer.
 */
bool tl_sriov_enable(const struct tl_sriov *sriov, unsigned count);
/* A virtual function, from number 0 on. `sriov` has to last as long as `vf`: its own BAR registers are zeros. */
void tl_sriov_vf(const struct tl_sriov *sriov, unsigned number, struct tl_pci *vf);

#ifdef __cplusplus
}
#endif

#endif
