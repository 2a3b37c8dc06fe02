/** What stands in the header of a function after a reset, and what of it software can change. */
import { layOutBar, type BarSpec } from './bars';
import { Command, Config, Status, bytes16 } from './config';
import type { ConfigSpace } from './config-space';

/** What a device says of itself to configuration software. */
export interface PciIdentity {
  vendorId: number;
  deviceId: number;
  revision: number;
  /** 24 bits: base class, sub-class, programming interface. */
  classCode: number;
  subsystemVendorId: number;
  subsystemId: number;
  /** 0: none, 1..4: INTA..INTD. */
  interruptPin: number;
}

const COMMAND_WRITABLE =
  Command.IoSpace |
  Command.MemorySpace |
  Command.BusMaster |
  Command.ParityErrorResponse |
  Command.SerrEnable |
  Command.InterruptDisable;

/** The header of a physical function (PCI Local Bus Specification 3.0, 6.1). */
export function layOutHeader(config: ConfigSpace, identity: PciIdentity, bars: readonly BarSpec[]): void {
  layOutCommon(config, identity);
  config.define(Config.VendorId, [...bytes16(identity.vendorId), ...bytes16(identity.deviceId)]);
  config.define(Config.InterruptPin, [identity.interruptPin]);
  config.allow(Config.Command, bytes16(COMMAND_WRITABLE));
  for (const at of [Config.CacheLineSize, Config.LatencyTimer, Config.InterruptLine])
    config.allow(at, [0xff]);
  for (const bar of bars) layOutBar(config, bar);
}

/**
 * The header of a virtual function (PCI Express Base Specification 6.0, 9.3.4.1): no identifiers but those of nobody, no BARs, no
 * pin, and of the command register bus mastering alone.
 */
export function layOutVirtualHeader(config: ConfigSpace, identity: PciIdentity): void {
  layOutCommon(config, identity);
  config.define(Config.VendorId, [0xff, 0xff, 0xff, 0xff]);
  config.allow(Config.Command, bytes16(Command.BusMaster));
}

function layOutCommon(config: ConfigSpace, identity: PciIdentity): void {
  const { classCode } = identity;
  config.define(Config.RevisionId, [identity.revision, ...bytes16(classCode & 0xffff), classCode >> 16]);
  config.define(Config.SubsystemVendorId, bytes16(identity.subsystemVendorId));
  config.define(Config.SubsystemId, bytes16(identity.subsystemId));
  config.allow(Config.Status, [0, 0], bytes16(Status.WriteOneToClear));
}
