/** All that a PC's firmware leaves in memory for the software it starts. */
import { acpiTables, type AcpiFacts } from './acpi';
import { biosData } from './bios-data';
import type { FirmwareTable } from './fields';
import { mpTables, type MpFacts } from './mp-table';

/** What the machine is. */
export interface FirmwareFacts extends MpFacts, AcpiFacts {
  /** What the clock shows at power-on, in seconds since 1970. */
  startSeconds: number;
}

const SECONDS_A_DAY = 86_400;

/** The pieces, each at its address; they do not overlap. */
export function firmwareTables(facts: FirmwareFacts): FirmwareTable[] {
  return [...acpiTables(facts), ...mpTables(facts), ...biosData(facts.startSeconds % SECONDS_A_DAY)];
}
