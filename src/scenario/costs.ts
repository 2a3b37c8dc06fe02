/** Cost profiles: named tables of what things take in cycles, each figure with its source beside it. */
import kvmSkylake2017 from './costs/kvm-skylake-2017.json';
import { costKeys, type CostKey, type Costs } from '../vmm/cost-keys';
import type { Scenario } from './schema';

/** One figure of a profile. */
export interface CostFigure {
  /** Host TSC cycles. */
  cycles: number;
  /** Where it comes from, with the arithmetic; or `model: …` where it is the model's own choice, and why. */
  source: string;
}

/** A measured total that some figures together have to give, so that no leg is invented apart from the others. */
export interface CostTotal {
  name: string;
  cycles: number;
  source: string;
  /** The figures that make it up. */
  legs: string[];
  /** Relative deviation that is allowed, for a total of another machine; absent: exact. */
  tolerance?: number;
}

/** A named profile. */
export interface CostProfile {
  name: string;
  title: string;
  about: string;
  figures: Record<CostKey, CostFigure>;
  totals: CostTotal[];
}

const profiles: Readonly<Record<string, CostProfile>> = { [kvmSkylake2017.name]: kvmSkylake2017 };

/** Names a scenario may give in `host.costs`. */
export function costProfileNames(): string[] {
  return Object.keys(profiles);
}

/** A profile by name; undefined when there is none. */
export function costProfile(name: string): CostProfile | undefined {
  return Object.hasOwn(profiles, name) ? profiles[name] : undefined;
}

/** The figures of a scenario: its profile with its overrides. Throws Error for a profile that does not exist. */
export function resolveCosts(scenario: Scenario): Costs {
  const profile = costProfile(scenario.host.costs);
  if (!profile)
    throw new Error(`no cost profile "${scenario.host.costs}": there is ${costProfileNames().join(', ')}`);
  const overrides: Record<string, number> = scenario.host.costsOverride;
  const entries = costKeyNames().map((key) => [
    key,
    Object.hasOwn(overrides, key) ? overrides[key] : profile.figures[key].cycles,
  ]);
  return Object.fromEntries(entries) as Costs;
}

/** All figures a profile has, in the order of `cost-keys.ts`. */
export function costKeyNames(): CostKey[] {
  return Object.keys(costKeys) as CostKey[];
}

/** One line of a profile's description. */
export interface CostDescription extends CostFigure {
  key: CostKey;
  /** What the figure is. */
  meaning: string;
  /** The model's own choice rather than a measured figure. */
  modelled: boolean;
}

/** A profile's figures for a reader, in the order of `cost-keys.ts`. */
export function describeCosts(profile: CostProfile): CostDescription[] {
  return costKeyNames().map((key) => ({
    key,
    meaning: costKeys[key],
    ...profile.figures[key],
    modelled: profile.figures[key].source.startsWith('model:'),
  }));
}
