/** The type's configuration space as a driver reads and writes it (2.5). */
import type { AccessSize } from '../../bus';
import type { VirtioType } from './contract';
import type { Outcome } from './status';

/** What the hardware has of it. */
export interface ConfigurationHardware {
  generation: number;
  unread: boolean;
}

/** Configuration space with its generation. The bytes are the type's. */
export class ConfigurationSpace {
  private current = 0;
  /** It has changed since the driver last read any of it. */
  private unread = false;

  constructor(private readonly type: VirtioType) {}

  /** Bytes that there are. */
  get size(): number {
    return this.type.configuration.length;
  }

  /** 8 bits; another one after a read of something that has changed, so that no number of changes comes round to the same (4.1.4.3.1). */
  get generation(): number {
    return this.current;
  }

  /** The type has changed it. */
  changed(): void {
    this.unread = true;
  }

  /** Any width: what lies outside reads as 0. */
  read(offset: number, size: AccessSize): number {
    if (this.unread) this.current = (this.current + 1) & 0xff;
    this.unread = false;
    const { configuration } = this.type;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (configuration[offset + i] ?? 0);
    return value;
  }

  /** @param legacy the driver writes by the legacy interface */
  write(offset: number, size: AccessSize, value: number, legacy: boolean): Outcome {
    if (offset + size > this.size) return 'ignored';
    for (let i = 0; i < size; i++) {
      this.type.writeConfiguration(offset + i, (value >>> (8 * i)) & 0xff, legacy);
    }
    return 'done';
  }

  save(): ConfigurationHardware {
    return { generation: this.current, unread: this.unread };
  }

  load({ generation, unread }: ConfigurationHardware): void {
    this.current = generation;
    this.unread = unread;
  }
}
