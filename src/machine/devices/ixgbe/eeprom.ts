/** The EEPROM, read word by word through EERD (8.2.3.2.2): its sum, and what drivers look for in it (chapter 6). */
import { Eec, Eerd } from './bits';

/** Words that there are. */
const WORDS = 0x2000;
/** Words 0 to 3FH, with the sections that pointers among them lead to, sum up to this (6.3.1). */
const SUM = 0xbaba;
const CHECKSUM_AT = 0x3f;
/** A pointer that leads nowhere. */
const NOWHERE = 0xffff;
/** Pointers to sections (6.1 to 6.3): none is there. */
const POINTERS = { first: 0x03, last: 0x0f } as const;
/** Words beside these pointers: control, image revision, and pointers to further addresses of the port. */
const At = { control: 0x00, revision: 0x18, pointers: [0x27, 0x28, 0x37] } as const;

/** The words of one EEPROM. The station address stands in the section that its pointer names on real cards; drivers read RAL and RAH. */
export class Eeprom {
  private readonly words = new Uint16Array(WORDS);
  private eerd = 0;

  constructor() {
    const { words } = this;
    words.fill(NOWHERE, CHECKSUM_AT + 1);
    for (let at: number = POINTERS.first; at <= POINTERS.last; at++) words[at] = NOWHERE;
    for (const at of At.pointers) words[at] = NOWHERE;
    words[At.control] = 0x2000;
    words[At.revision] = 0x8000;
    let sum = 0;
    for (let at = 0; at < CHECKSUM_AT; at++) sum += words[at];
    words[CHECKSUM_AT] = SUM - sum;
  }

  /** EEC: present, read at power-on, granted as soon as it is asked for. */
  control(written: number): number {
    const granted = (written & Eec.REQ) !== 0 ? Eec.REQ | Eec.GNT : 0;
    return granted | Eec.PRES | Eec.AUTO_RD | Eec.SIZE_16K;
  }

  read(): number {
    return this.eerd;
  }

  /** EERD: a read is done at once. */
  write(value: number): void {
    const word = (value >> 2) & 0x3fff;
    const started = (value & Eerd.START) !== 0;
    this.eerd = started
      ? (((this.words[word] ?? NOWHERE) << 16) | (word << 2) | Eerd.DONE) >>> 0
      : value & 0xfffc;
  }

  save(): number {
    return this.eerd;
  }

  load(eerd: number): void {
    this.eerd = eerd;
  }
}
