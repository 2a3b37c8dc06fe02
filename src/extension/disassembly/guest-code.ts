/** Finds the code of a trace's guest: the file that its scenario names or compiles to, if it is still the one that ran. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { l10n } from 'vscode';
import type { GuestListing, ListingTarget } from '../../debug/disassembly/guest-listing';
import type { RunGuest } from '../../protocol/run';
import type { PrepareRun, RunEnvironment } from '../../run/api';
import type { TraceMeta } from '../../trace/model';
import type { ListingInput, ListingOutput } from './messages';

const SCRIPT = 'listing-worker.js';
/** Milliseconds after which a listing is given up: a hostile file must not work for ever. */
const MOST_TIME = 20_000;
/** MiB that the thread may take. */
const MOST_MEMORY = 1_024;

/** What guests are made from. */
export interface GuestTools {
  prepare: PrepareRun;
  environment(): RunEnvironment;
}

/** The part of a guest that its code is in. */
type CodeOfGuest = Pick<RunGuest, 'elf' | 'elfFile' | 'isRom' | 'remap'>;

/** Guests that are remembered. */
const MOST_KNOWN = 4;

export class GuestCode {
  /** Guests by their hashes: the latest few. */
  private readonly known = new Map<string, CodeOfGuest>();

  constructor(private readonly tools: GuestTools) {}

  /**
   * Lists code of a VM's guest.
   * @param scenario path of the trace's scenario
   * @returns rejects with a message for a reader
   */
  async list(meta: TraceMeta, vm: number, scenario: string, target: ListingTarget): Promise<GuestListing> {
    const ran = meta.guests[vm];
    if (!ran) throw new Error(l10n.t('The trace does not tell which guest ran.'));
    const guest = this.known.get(ran.sha256) ?? (await this.find(meta, vm, scenario));
    const output = await this.inThread({ guest, target });
    if ('error' in output) throw new Error(output.error);
    if (!output.listing)
      throw new Error(
        l10n.t('The guest’s file has no code there: it may have been copied or made while the guest ran.'),
      );
    return output.listing;
  }

  private async find(meta: TraceMeta, vm: number, scenario: string): Promise<CodeOfGuest> {
    // With the text of the run, whatever the file has become since.
    const prepared = await this.tools.prepare({
      ...this.tools.environment(),
      file: scenario,
      text: meta.scenarioText,
    });
    if (!prepared.ok) {
      const [first] = prepared.problems;
      throw new Error(
        l10n.t('The guest of this trace cannot be made again. {0}', first?.message ?? '').trim(),
      );
    }
    const guest = prepared.job.guests[vm];
    const { sha256 } = meta.guests[vm];
    if (!guest || createHash('sha256').update(guest.elf).digest('hex') !== sha256)
      throw new Error(
        l10n.t('The guest has been changed since this run. Run the scenario again to see its machine code.'),
      );
    const { elf, elfFile, isRom, remap } = guest;
    const code = { elf, elfFile, ...(isRom && { isRom }), ...(remap && { remap }) };
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(sha256, code);
    return code;
  }

  private inThread(input: ListingInput): Promise<ListingOutput> {
    return new Promise((resolve, reject) => {
      const thread = new Worker(join(this.tools.environment().distDir, SCRIPT), {
        workerData: input,
        resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY },
      });
      const timer = setTimeout(() => {
        void thread.terminate();
        reject(new Error(l10n.t('The guest’s file took too long to read.')));
      }, MOST_TIME);
      thread.once('message', (output: ListingOutput) => resolve(output));
      thread.once('error', reject);
      thread.once('exit', (code) => {
        clearTimeout(timer);
        reject(
          new Error(l10n.t('The guest’s file could not be read: its thread ended with code {0}.', code)),
        );
      });
    });
  }
}
