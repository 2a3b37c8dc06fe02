/** The chapters under which the samples stand: what each is about, in a sentence. */
import { l10n } from 'vscode';

/** A chapter of the mechanisms. */
export interface Chapter {
  /** `A` to `H`; empty for the first steps. */
  readonly letter: string;
  readonly name: string;
  readonly sentence: string;
}

/** In the order of the list. Made anew for each list: the language is known only when the editor runs. */
export function chapters(): readonly Chapter[] {
  return [
    { letter: '', name: l10n.t('First steps'), sentence: l10n.t('Small guests to begin with.') },
    {
      letter: 'A',
      name: l10n.t('Physical I/O'),
      sentence: l10n.t('A machine without a hypervisor: what all others are compared with.'),
    },
    {
      letter: 'B',
      name: l10n.t('Emulation'),
      sentence: l10n.t('Each access to an emulated register leaves the guest, to KVM and on to QEMU.'),
    },
    {
      letter: 'C',
      name: l10n.t('Paravirtualisation'),
      sentence: l10n.t('Virtio and vhost: driver and device share memory, one exit serves many buffers.'),
    },
    {
      letter: 'D',
      name: l10n.t('Device assignment'),
      sentence: l10n.t('A VM has a device for itself, and an IOMMU keeps it within its memory.'),
    },
    {
      letter: 'E',
      name: l10n.t('Interrupts without exits'),
      sentence: l10n.t('One driver and one device, with each way to bring an interrupt to a guest.'),
    },
    {
      letter: 'F',
      name: l10n.t('Interposition'),
      sentence: l10n.t('What a VMM gains by standing in the middle: snapshots, migration, added features.'),
    },
    {
      letter: 'G',
      name: l10n.t('The comparison'),
      sentence: l10n.t('The same traffic by every path, side by side.'),
    },
    {
      letter: 'H',
      name: l10n.t('Other VMMs'),
      sentence: l10n.t('Xen and Disco: how others have done it.'),
    },
  ];
}
