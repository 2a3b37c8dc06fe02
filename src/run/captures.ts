/** Reads the captures that a scenario's peers send, and says at the line of the scenario what is wrong with one. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Problem } from '../protocol/problem';
import { captureReferences } from '../scenario/captures';
import { problemAt } from '../scenario/problem-at';
import type { Scenario } from '../scenario/schema';
import { readCapture } from '../trace/exchange/capture';
import { CaptureError } from '../trace/exchange/capture-model';
import { reasonOf } from './reason';

/** Captures for a job, and problems: warnings where a capture was read, errors where not. */
export interface ReadCaptures {
  /** By the path that the scenario has. */
  captures: Record<string, Uint8Array>;
  problems: Problem[];
}

/** @param file the scenario's, which paths are relative to */
export async function readCaptures(text: string, file: string, scenario: Scenario): Promise<ReadCaptures> {
  const out: ReadCaptures = { captures: {}, problems: [] };
  for (const reference of captureReferences(text, scenario)) {
    const absolute = resolve(dirname(file), reference.file);
    const say = (message: string): Problem => problemAt(text, file, reference.at, message);
    try {
      const bytes = new Uint8Array(await readFile(absolute));
      const { leftOut } = readCapture(bytes);
      out.captures[reference.file] = bytes;
      if (leftOut > 0) {
        const warning = `${leftOut} packets of ${absolute} are left out: they are shorter than an Ethernet header or longer than a frame on a wire, as packets are that a network card puts together.`;
        out.problems.push({ ...say(warning), severity: 'warning' });
      }
    } catch (error) {
      const why = error instanceof CaptureError ? error.message : reasonOf(error);
      out.problems.push(say(`The capture ${absolute} cannot be read: ${why}.`));
    }
  }
  return out;
}
