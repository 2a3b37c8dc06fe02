/**
 * The 64-word EEPROM of the 82540EM with both of its interfaces: EERD (manual 13.4.4) and the Microwire pins in EECD
 * (13.4.3; the 93C46's protocol: start bit, two bits of opcode, six of address).
 */
import { requireVersion } from '../../snapshot';

/** Words 0 to 63 sum up to this (manual 5.6.35). */
const EEPROM_SUM = 0xbaba;
const WORDS = 64;

const Eecd = {
  SK: 1 << 0,
  CS: 1 << 1,
  DI: 1 << 2,
  DO: 1 << 3,
  FWE: 3 << 4,
  REQ: 1 << 6,
  GNT: 1 << 7,
  PRES: 1 << 8,
} as const;
const Eerd = { START: 1 << 0, DONE: 1 << 4 } as const;
const READ_OPCODE = 0b110;
const ADDRESS_BITS = 6;
const COMMAND_BITS = 9;

/** Snapshot of an `Eeprom`. Its words are the machine's, not the run's. */
export interface EepromState {
  version: 1;
  pins: number;
  eerd: number;
  shiftIn: number;
  bitsIn: number;
  shiftOut: number;
  bitsOut: number;
}

/** One EEPROM with its ways in. */
export class Eeprom {
  readonly words = new Uint16Array(WORDS);
  private pins = 0;
  private eerd = 0;
  private shiftIn = 0;
  private bitsIn = 0;
  private shiftOut = 0;
  private bitsOut = 0;

  /** @param mac six bytes */
  constructor(mac: Uint8Array, deviceId: number) {
    for (let i = 0; i < 3; i++) this.words[i] = mac[2 * i] | (mac[2 * i + 1] << 8);
    this.words[0x0a] = 0x4408;
    this.words[0x0b] = deviceId;
    this.words[0x0c] = 0x8086;
    this.words[0x0d] = deviceId;
    this.words[0x0e] = 0x8086;
    this.words[0x0f] = 0x3040;
    let sum = 0;
    for (let i = 0; i < WORDS - 1; i++) sum += this.words[i];
    this.words[WORDS - 1] = EEPROM_SUM - sum;
  }

  /** No access is under way. The contents stay. */
  reset(): void {
    this.pins = this.eerd = this.shiftIn = this.bitsIn = this.shiftOut = this.bitsOut = 0;
  }

  /** EECD: the pins, with the grant following the request and presence always shown. */
  readEecd(): number {
    const grant = (this.pins & Eecd.REQ) !== 0 ? Eecd.GNT : 0;
    const reading = this.bitsOut > 0;
    const out = !reading || this.shiftOut >>> 16 !== 0 ? Eecd.DO : 0;
    return (this.pins & ~(Eecd.DO | Eecd.GNT)) | grant | out | Eecd.PRES;
  }

  /** Sets the pins. @returns false at the end of a command that the EEPROM does not carry out */
  writeEecd(value: number): boolean {
    const before = this.pins;
    this.pins = value & (Eecd.SK | Eecd.CS | Eecd.DI | Eecd.FWE | Eecd.REQ);
    if ((this.pins & Eecd.CS) === 0) {
      this.bitsIn = this.shiftIn = this.bitsOut = 0;
      return true;
    }
    const rising = (before & Eecd.SK) === 0 && (this.pins & Eecd.SK) !== 0;
    return !rising || this.clock((this.pins & Eecd.DI) !== 0 ? 1 : 0);
  }

  readEerd(): number {
    return this.eerd >>> 0;
  }

  /** A read completes at once. */
  writeEerd(value: number): void {
    this.eerd = value & 0xff01;
    if ((value & Eerd.START) === 0) return;
    const word = this.words[((value >> 8) & 0xff) % WORDS];
    this.eerd = (word << 16) | (value & 0xff00) | Eerd.DONE;
  }

  save(): EepromState {
    const { pins, eerd, shiftIn, bitsIn, shiftOut, bitsOut } = this;
    return { version: 1, pins, eerd, shiftIn, bitsIn, shiftOut, bitsOut };
  }

  load(state: EepromState): void {
    requireVersion('an EEPROM', state.version, 1);
    this.pins = state.pins;
    this.eerd = state.eerd;
    this.shiftIn = state.shiftIn;
    this.bitsIn = state.bitsIn;
    this.shiftOut = state.shiftOut;
    this.bitsOut = state.bitsOut;
  }

  /**
   * A rising clock edge: data goes out after a whole read command (behind one dummy 0 bit), otherwise it comes in. The contents
   * never change: no command but a read is carried out, and what follows one goes with it until the chip is deselected.
   */
  private clock(bit: number): boolean {
    if (this.bitsOut > 0) {
      this.bitsOut -= 1;
      this.shiftOut = (this.shiftOut << 1) & 0x1ffff;
      return true;
    }
    if (this.bitsIn === COMMAND_BITS || (this.bitsIn === 0 && bit === 0)) return true;
    this.shiftIn = (this.shiftIn << 1) | bit;
    this.bitsIn += 1;
    if (this.bitsIn < COMMAND_BITS) return true;
    if (this.shiftIn >> ADDRESS_BITS !== READ_OPCODE) return false;
    this.shiftOut = this.words[this.shiftIn % WORDS]!;
    this.bitsOut = 17;
    this.bitsIn = this.shiftIn = 0;
    return true;
  }
}
