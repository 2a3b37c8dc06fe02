/**
 * fast-check as the tests have it: `vitest.config.ts` puts this in its place. In `npm test` every property draws from a fixed
 * seed, so that a run is green or red for the code's sake alone. `npm run soak` has them draw from a fresh one, for as many cases
 * as it asks for and as long as it allows.
 *
 * A property that failed once keeps the case: a second `fc.assert` of it with the seed and path that were printed, which both
 * leave as they are.
 */
import { appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative, resolve } from 'node:path';
import type fastCheck from 'fast-check';
import type { IAsyncProperty, IProperty, Parameters } from 'fast-check';
import { expect } from 'vitest';

// Not by import: that would be this file again.
const real = (createRequire(import.meta.url)('fast-check') as { default: typeof fastCheck }).default;

/** Of properties that give none themselves. */
const SEED = 20261129;

/** What the soak asks for, by environment variables that `scripts/soak.mjs` sets. */
const soak =
  process.env.TRAPLINE_SOAK === undefined
    ? undefined
    : (JSON.parse(process.env.TRAPLINE_SOAK) as {
        seed: number;
        /** Of the one case that is to be run again. */
        path?: string;
        /** Cases of each property. */
        runs: number;
        milliseconds: number;
        /** Where a failure is put down. */
        log: string;
      });

/** The parameters under which a property is run that asks for `own`. */
export function parametersOf<Ts>(own: Parameters<Ts> = {}): Parameters<Ts> {
  // A case that failed once.
  if (own.path !== undefined) return own;
  if (!soak) return { seed: SEED, ...own };
  const { seed, path, runs, milliseconds } = soak;
  return {
    ...own,
    seed,
    ...(path !== undefined && { path }),
    numRuns: path === undefined ? runs : 1,
    interruptAfterTimeLimit: milliseconds,
    markInterruptAsFailure: false,
  };
}

/** Says how the failed case is run again. */
function explain(error: unknown): never {
  const at = error instanceof Error && /seed: (-?\d+), path: "([\d:]+)"/.exec(error.message);
  if (at) {
    const { testPath = '', currentTestName = '' } = expect.getState();
    const file = relative(resolve(import.meta.dirname, '../..'), testPath);
    const name = JSON.stringify(currentTestName);
    const again = `again: npm run soak -- --only ${file} --test ${name} --seed=${at[1]} --path ${at[2]}`;
    error.message += `\n\n${again}`;
    if (soak) appendFileSync(soak.log, `${again}\n`);
  }
  throw error;
}

function assert<Ts>(property: IAsyncProperty<Ts>, own?: Parameters<Ts>): Promise<void>;
function assert<Ts>(property: IProperty<Ts>, own?: Parameters<Ts>): void;
function assert<Ts>(
  property: IAsyncProperty<Ts> | IProperty<Ts>,
  own?: Parameters<Ts>,
): Promise<void> | void {
  try {
    const done = real.assert(property as IAsyncProperty<Ts>, parametersOf(own)) as Promise<void> | undefined;
    return done?.catch(explain);
  } catch (error) {
    explain(error);
  }
}

export default { ...real, assert };
