/** The devices that are compared, in the order of their comparison. A new one is a file in `devices/` and a row here. */
import type { QtestDevice } from './device';
import { e1000 } from './devices/e1000';
import { edu } from './devices/edu';
import { ioapic } from './devices/ioapic';
import { nvme } from './devices/nvme';
import { pciConfig } from './devices/pci-config';
import { pic } from './devices/pic';
import { pit } from './devices/pit';
import { rtc } from './devices/rtc';
import { uart } from './devices/uart';
import { virtioBlk } from './devices/virtio-blk';
import { virtioConsole } from './devices/virtio-console';
import { virtioNet } from './devices/virtio-net';
import { virtioRng } from './devices/virtio-rng';

export const qtestDevices: readonly QtestDevice[] = [
  uart,
  ioapic,
  edu,
  e1000,
  pic,
  pit,
  rtc,
  pciConfig,
  virtioRng,
  virtioNet,
  virtioBlk,
  virtioConsole,
  nvme,
];
