/** Lanes of queries by scenario, kept with the workspace. */
import type { Memento } from 'vscode';
import { z } from 'zod';
import { queryLaneLimits, type QueryLane } from '../../protocol/query-lanes';

const KEY = 'trapline.queryLanes';
/** Scenarios that are remembered; the one that changed longest ago is forgotten first. */
const MOST_SCENARIOS = 100;

const keptShape = z.array(
  z.object({
    scenario: z.string(),
    lanes: z
      .array(z.object({ id: z.string(), label: z.string(), query: z.string() }))
      .max(queryLaneLimits.lanes),
  }),
);

export class KeptQueryLanes {
  constructor(private readonly state: Memento) {}

  /** Those of a scenario, by the name of its file. */
  of(scenario: string): QueryLane[] {
    return this.all().find((each) => each.scenario === scenario)?.lanes ?? [];
  }

  async keep(scenario: string, lanes: QueryLane[]): Promise<void> {
    const others = this.all().filter((each) => each.scenario !== scenario);
    const all = lanes.length > 0 ? [...others, { scenario, lanes }] : others;
    await this.state.update(KEY, all.slice(-MOST_SCENARIOS));
  }

  /** What another version has left there is no reason to fail. */
  private all(): z.infer<typeof keptShape> {
    const kept = keptShape.safeParse(this.state.get(KEY));
    return kept.success ? kept.data : [];
  }
}
